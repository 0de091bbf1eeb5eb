//! Whether witnesses vouch for the published checkpoint: their cosignatures, judged by a policy that the auditor brought.
//!
//! Takes the note and the policy; gives which witnesses hold and when they signed. What is missing or wrong is a finding.

use super::findings::{Findings, rule};
use crate::checkpoint::{Checkpoint, LogKey};
use crate::note::SignedNote;
use crate::policy::{Policy, Witnessed};

/// The key that the policy gives for the log that the checkpoint claims to be of.
pub(super) fn key_of(policy: &Policy, claimed: Option<&Checkpoint>) -> Option<LogKey> {
    let origin = &claimed?.origin;
    let known = policy.logs().iter().find(|log| log.key.origin() == origin);
    known.map(|log| log.key.clone())
}

/// Judges the note of the published checkpoint. `None` where there is no note to judge; that is a finding already.
pub(super) fn judge(
    policy: &Policy,
    note: Option<&[u8]>,
    key: Option<&LogKey>,
    findings: &mut Findings,
) -> Option<Witnessed> {
    if let Some(key) = key
        && !policy.covers(key)
    {
        let detail = format!(
            "the policy names other logs or another key than {}",
            key.to_vkey()
        );
        findings.error(None, rule::WITNESS_POLICY, detail);
    }
    let note = SignedNote::parse(note?).ok()?;
    let witnessed = policy.verify(&note);
    for bad in &witnessed.bad {
        findings.error(None, rule::WITNESS_SIGNATURE, bad.clone());
    }
    if !witnessed.quorum {
        let names: Vec<&str> = witnessed.held.iter().map(|one| one.name.as_str()).collect();
        let detail = format!(
            "the policy asks for {}, and the checkpoint carries {}; copy the log again when its witnesses have answered, \
             and ask each of them for the largest tree that it has seen",
            policy.quorum_text(),
            if names.is_empty() {
                "no cosignature of a known witness".to_owned()
            } else {
                names.join(", ")
            }
        );
        findings.error(None, rule::WITNESS_QUORUM, detail);
    }
    Some(witnessed)
}
