//! Who looked after the log and how: readings, holds, erasures, witness policies, reviews. They change no right; their
//! seals and forms are judged all the same, and whether what is reviewed waited for it.

use proto::act::{Erased, ReviewedRequest};
use proto::authorise::{verify_erasure, verify_hold, verify_review};
use proto::canonical::HeaderError;
use proto::entry::{Entry, Kind};
use proto::facts;
use proto::seal::Seal;
use proto::{Code, Digest};

use super::Judge;
use crate::replay::{Event, rule};

impl Judge<'_> {
    pub(super) fn oversight(&mut self, index: u64, entry: &Entry, event: &mut Event) {
        let judged = match entry.kind {
            Kind::Access => access(index, entry),
            Kind::Hold => self.hold(entry),
            Kind::Erasure => self.erasure(entry),
            Kind::Review => self.review(entry),
            _ => witnesses(entry),
        };
        match judged {
            Ok(summary) => event.summary = summary,
            Err(what) => self.fault(index, rule::OVERSIGHT, what),
        }
    }

    fn hold(&mut self, entry: &Entry) -> Result<String, String> {
        let hold = verify_hold(&self.registry, &entry.header, seal_of(entry)?).map_err(not_held)?;
        self.docket.count_seal();
        let (count, ground) = (hold.exchanges.len(), &hold.ground);
        let what = if hold.ended { "ended" } else { "begun" };
        Ok(format!(
            "{} {what}: {count} exchange(s), {ground}",
            hold.agency
        ))
    }

    fn erasure(&mut self, entry: &Entry) -> Result<String, String> {
        let erasure =
            verify_erasure(&self.registry, &entry.header, seal_of(entry)?).map_err(not_held)?;
        self.docket.count_seal();
        let ground = &erasure.ground;
        Ok(match &erasure.erased {
            Erased::Payloads(system, exchanges) => {
                format!(
                    "{system}: payloads of {} exchange(s), {ground}",
                    exchanges.len()
                )
            }
            Erased::SubjectKeys(epochs) => {
                format!(
                    "{}: subject keys of {} epoch(s), {ground}",
                    erasure.agency,
                    epochs.len()
                )
            }
        })
    }

    fn review(&mut self, entry: &Entry) -> Result<String, String> {
        let review =
            verify_review(&self.registry, &entry.header, seal_of(entry)?).map_err(not_held)?;
        self.docket.count_seal();
        // What was pruned cannot be looked at any more.
        let kept = |request: &&ReviewedRequest| request.index >= self.pruning.minimum();
        let judged = review
            .requests
            .iter()
            .filter(kept)
            .try_for_each(|request| self.reviews.judge_one(&review.agency, request));
        judged.map_err(|fault| fault.to_string())?;
        self.reviews.settle(&review, entry.stamp.recorded_at_ms());
        Ok(format!(
            "{}: {} of {} exchange(s)",
            review.agency,
            review.finding.name(),
            review.requests.len()
        ))
    }
}

/// The seal of a hold, an erasure or a review, whose facts are those of a registry entry without a certificate.
fn seal_of(entry: &Entry) -> Result<&Seal, String> {
    let facts = facts::registry(&entry.facts).map_err(|error| not_facts(&error))?;
    if facts.certificate.is_some() {
        return Err("its facts name a certificate".to_owned());
    }
    entry
        .seal
        .as_ref()
        .ok_or_else(|| "it has no seal".to_owned())
}

fn access(index: u64, entry: &Entry) -> Result<String, String> {
    unsealed(entry)?;
    let facts = facts::access(&entry.facts).map_err(|error| not_facts(&error))?;
    let digests = Digest::from_slice(&facts.peer_sha256).is_some()
        && (facts.reason_sha256.is_empty() || Digest::from_slice(&facts.reason_sha256).is_some());
    // What is read was published before.
    let range = facts.from_index < facts.to_index && facts.to_index <= index;
    if !digests || !range || facts.reader.is_empty() || facts.action.is_empty() {
        return Err("its facts name no reader, or a range that was not there".to_owned());
    }
    Ok(format!(
        "{} read {} {}..{}",
        facts.reader, facts.action, facts.from_index, facts.to_index
    ))
}

fn witnesses(entry: &Entry) -> Result<String, String> {
    unsealed(entry)?;
    let facts = facts::witnesses(&entry.facts).map_err(|error| not_facts(&error))?;
    match Digest::from_slice(&facts.policy_sha256) {
        Some(policy) if facts.witnesses > 0 => {
            Ok(format!("{} witness(es), policy {policy}", facts.witnesses))
        }
        None if facts.policy_sha256.is_empty() && facts.witnesses == 0 => {
            Ok("no witnesses".to_owned())
        }
        _ => Err("its facts name no policy".to_owned()),
    }
}

fn unsealed(entry: &Entry) -> Result<(), String> {
    if entry.header.is_empty() && entry.seal.is_none() {
        Ok(())
    } else {
        Err("the switch's own word has neither header nor seal".to_owned())
    }
}

fn not_held(code: Code) -> String {
    format!("it does not hold: {code}")
}

fn not_facts(_: &HeaderError) -> String {
    "its facts are not in their one form".to_owned()
}
