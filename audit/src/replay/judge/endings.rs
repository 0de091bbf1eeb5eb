//! How exchanges end: closings, refusals, late answers, disputes.

use bytes::Bytes;
use proto::authorise::{self, SealedRequest};
use proto::entry::Entry;
use proto::facts::ExchangeFacts;
use proto::header::Outcome;
use proto::limits::DEADLINE_MS_MAX;
use proto::seal::Seal;
use proto::{Code, Digest};

use super::{Judge, RECORD_DELAY_MS};
use crate::replay::pairing::Recorded;
use crate::replay::{Event, code_in, rule};

impl Judge {
    pub(super) fn closing(&mut self, index: u64, entry: &Entry, event: &mut Event) {
        let Some(facts) = self.facts(index, entry, event) else {
            return;
        };
        let Some(request) = self.named_request(index, &facts, event) else {
            return;
        };
        if !self.pairing.end(request.index) {
            self.fault(
                index,
                rule::PAIRING,
                format!("the request at {} had ended before", request.index),
            );
        }
        let Some(outcome) = Outcome::parse(&facts.code) else {
            return self.fault(
                index,
                rule::FACTS,
                format!("'{}' is no outcome", facts.code),
            );
        };
        if request.agreement != event.agreement || request.grant != facts.grant {
            self.fault(
                index,
                rule::FACTS,
                "the ending names another grant than its request",
            );
        }
        let late_ms = entry
            .stamp
            .recorded_at_ms()
            .saturating_sub(request.recorded_at_us / 1_000);
        if outcome == Outcome::Answered && late_ms > u64::from(DEADLINE_MS_MAX) + RECORD_DELAY_MS {
            self.fault(
                index,
                rule::TIME,
                format!("answered {late_ms} ms after its request"),
            );
        }
        match self.sealed_answer(index, entry, &request) {
            Some(expected) if expected != outcome => {
                self.fault(
                    index,
                    rule::ANSWER,
                    format!(
                        "recorded as {}, the sealed answer says {}",
                        outcome.name(),
                        expected.name()
                    ),
                );
            }
            None if entry.header.is_empty() && outcome == Outcome::Answered => {
                self.fault(
                    index,
                    rule::ANSWER,
                    "recorded as answered without a sealed answer",
                );
            }
            _ => {}
        }
    }

    /// The outcome that the entry's sealed answer stands for; `None` when there is no answer that holds.
    fn sealed_answer(&mut self, index: u64, entry: &Entry, request: &Recorded) -> Option<Outcome> {
        if entry.header.is_empty() && entry.seal.is_none() {
            return None;
        }
        let seal = entry.seal.clone().unwrap_or(Seal {
            cose: Bytes::new(),
            leaf_index: 0,
            tree_size: 0,
            path: Vec::new(),
        });
        let sealed = SealedRequest {
            header: &request.header,
            opened: &request.opened,
            seal: &request.seal,
        };
        let memory = Some((&self.memory, entry.stamp.recorded_at_ms()));
        match authorise::verify_answer(&self.registry, sealed, &entry.header, &seal, memory) {
            Ok(answer) => {
                self.seals += 1;
                self.check_seen(index, answer.seen);
                Some(answer.status.outcome())
            }
            Err(fault) => {
                self.fault(
                    index,
                    rule::ANSWER,
                    format!("the sealed answer does not hold: {fault}"),
                );
                None
            }
        }
    }

    pub(super) fn refusal(&mut self, index: u64, entry: &Entry, event: &mut Event) {
        let Some(facts) = self.facts(index, entry, event) else {
            return;
        };
        let Some(code) = code_in(&facts) else {
            return self.fault(
                index,
                rule::FACTS,
                format!("'{}' is no refusal code", facts.code),
            );
        };
        if entry.header.is_empty() {
            if facts.count == 0 && Digest::from_slice(&facts.refused_sha256).is_none() {
                self.fault(
                    index,
                    rule::FACTS,
                    "the refusal names nothing that was refused",
                );
            }
            return;
        }
        let Some((opened, _)) = self.sealed_request(index, entry, event) else {
            return;
        };
        let judged = authorise::authorise(&self.registry, &opened, facts.decided_at_ms);
        let agrees = match (code, &judged) {
            // Judged before the agreement is looked at; the clock and the ids are the switch's own.
            (Code::Stale, _) => opened.issued_at_ms != facts.decided_at_ms,
            (Code::Duplicate, _) => true,
            (Code::UnknownService | Code::ContractViolation | Code::OperationDisabled, Ok(_)) => {
                authorise::locate(&self.registry, &opened).err() == Some(code)
            }
            // Grant 0: the daily quota of the agency that asks.
            (Code::QuotaExceeded, Ok(_)) if facts.grant == 0 => self
                .registry
                .agency(&opened.consumer.agency())
                .is_some_and(|agency| agency.daily_quota > 0),
            (Code::QuotaExceeded, Ok(permission)) => permission.daily_quota > 0,
            (Code::ProviderOffline, Ok(_)) => true,
            (_, Err(denial)) => denial.code == code && denial.clause.to_string() == facts.clause,
            (_, Ok(_)) => false,
        };
        if !agrees {
            let detail = match judged {
                Ok(_) => format!("refused as {code}, but the agreements permit it"),
                Err(denial) => format!(
                    "refused as {code} ({}), the rules give {} ({})",
                    facts.clause, denial.code, denial.clause
                ),
            };
            self.fault(index, rule::REFUSAL, detail);
        }
    }

    pub(super) fn late(&mut self, index: u64, entry: &Entry, event: &mut Event) {
        let Some(facts) = self.facts(index, entry, event) else {
            return;
        };
        let Some(request) = self.named_request(index, &facts, event) else {
            return;
        };
        if !request.ended {
            self.fault(
                index,
                rule::PAIRING,
                "a late answer to a request that had not ended",
            );
        }
        self.sealed_answer(index, entry, &request);
    }

    pub(super) fn dispute(&mut self, index: u64, entry: &Entry, event: &mut Event) {
        let Some(facts) = self.facts(index, entry, event) else {
            return;
        };
        let Some(request) = self.named_request(index, &facts, event) else {
            return;
        };
        let Some(seal) = &entry.seal else {
            return self.fault(index, rule::SEAL, "a dispute without a seal");
        };
        match authorise::verify_dispute(
            &self.registry,
            &entry.header,
            seal,
            &request.opened.consumer,
        ) {
            Ok(dispute) if dispute.exchange_id == request.opened.exchange_id => self.seals += 1,
            Ok(_) => self.fault(
                index,
                rule::PAIRING,
                "the dispute is about another exchange",
            ),
            Err(code) => self.fault(
                index,
                rule::SEAL,
                format!("the dispute does not hold: {code}"),
            ),
        }
    }

    /// The request that an ending, a late answer or a dispute names by index and leaf hash.
    fn named_request(
        &mut self,
        index: u64,
        facts: &ExchangeFacts,
        event: &mut Event,
    ) -> Option<Recorded> {
        event.request_index = Some(facts.request_index);
        let Some(request) = self.pairing.request(facts.request_index).cloned() else {
            self.fault(
                index,
                rule::PAIRING,
                format!(
                    "there is no open or recent request at {}",
                    facts.request_index
                ),
            );
            return None;
        };
        event.describe(&request.opened);
        if facts.request_leaf[..] != request.leaf.0[..] {
            self.fault(index, rule::PAIRING, "the request's leaf hash is another");
        }
        Some(request)
    }
}
