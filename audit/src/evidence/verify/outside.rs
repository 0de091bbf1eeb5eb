//! What others vouch for: witnesses under the checkpoint, and a time-stamp authority over it.

use super::super::contents::{Contents, Signed};
use super::{State, Trust, Verdict, words};
use crate::note::SignedNote;
use crate::policy::Policy;
use crate::timestamp::{self, Roots};

/// The cosignatures under the checkpoint, by the policy from elsewhere or the one inside.
pub(super) fn witnesses(contents: &Contents, trust: &Trust) -> Verdict {
    let fails = |detail| words::verdict("witnesses", State::Fails, detail);
    let Some(text) = trust.policy.as_ref().or(contents.policy.as_ref()) else {
        return words::verdict("witnesses", State::Absent, words::no_policy());
    };
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(error) => return fails(words::plain(error)),
    };
    if !policy.covers(&contents.key) {
        return fails(words::other_policy());
    }
    let note = match SignedNote::parse(&contents.checkpoint.note) {
        Ok(note) => note,
        Err(error) => return fails(words::plain(error)),
    };
    let found = policy.verify(&note);
    let names: Vec<&str> = found.held.iter().map(|one| one.name.as_str()).collect();
    let names = names.join(", ");
    if let Some(bad) = found.bad.first() {
        return fails(words::plain(bad));
    }
    if !found.quorum {
        return fails(words::no_quorum(&policy.quorum_text(), &names));
    }
    if !policy.asks_for_witnesses() {
        return words::verdict("witnesses", State::Absent, words::none_asked());
    }
    match trust.policy {
        Some(_) => words::verdict("witnesses", State::Holds, words::cosigned(&names)),
        None => words::verdict("witnesses", State::Inside, words::cosigned(&names)),
    }
}

/// The token over the time-stamped checkpoint, by the roots from elsewhere or those inside.
pub(super) fn time(contents: &Contents, trust: &Trust) -> Verdict {
    let Some(stamped) = &contents.stamped else {
        return words::verdict("time", State::Absent, words::nothing());
    };
    let Some(pem) = trust.time_roots.as_ref().or(stamped.roots.as_ref()) else {
        return words::verdict("time", State::Absent, words::no_roots());
    };
    let Signed { note, .. } = &stamped.checkpoint;
    let verified =
        Roots::from_pem(pem).and_then(|roots| timestamp::verify(&stamped.token, note, &roots));
    match (verified, &trust.time_roots) {
        (Err(error), _) => words::verdict("time", State::Fails, words::plain(error)),
        (Ok(time), Some(_)) => words::verdict("time", State::Holds, words::not_later(&time)),
        (Ok(time), None) => words::verdict("time", State::Inside, words::not_later(&time)),
    }
}
