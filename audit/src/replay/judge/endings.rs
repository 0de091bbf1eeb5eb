//! How exchanges end: closings, refusals, late answers, disputes.

use proto::authorise::{self, AnswerFault, Clause};
use proto::header::{AnswerHeader, AnswerStatus, Outcome, RequestHeader};
use proto::limits::{DEADLINE_MS_MAX, STREAM_MS_MAX, label};
use proto::{Code, Digest};

use super::{Exchange, Judge};
use crate::replay::docket::Sealed;
use crate::replay::pairing::{Named, Recorded};
use crate::replay::prepare::Header;
use crate::replay::{CLOCK_STEP_MS, Event, RECORD_DELAY_MS, code_in, rule};

impl Judge<'_> {
    pub(super) fn closing(&mut self, mut exchange: Exchange<'_>, event: &mut Event) {
        let index = exchange.index;
        let (request_index, now_us) = (
            exchange.facts.request_index,
            exchange.entry.stamp.recorded_at_us,
        );
        let named = self.pairing.end(request_index, now_us);
        let ended = matches!(named, Named::Ended);
        let Some(request) = self.recorded(named, &exchange, event) else {
            return;
        };
        if ended {
            self.fault(
                index,
                rule::PAIRING,
                format!("the request at {} had ended before", request.index),
            );
        }
        let facts = &exchange.facts;
        let Some(outcome) = Outcome::parse(&facts.code) else {
            return self.fault(
                index,
                rule::FACTS,
                format!("'{}' is no outcome", facts.code),
            );
        };
        self.same_grant(&exchange, &request, event);
        let late_ms = exchange
            .entry
            .stamp
            .recorded_at_ms()
            .saturating_sub(request.recorded_at_us / 1_000);
        if outcome == Outcome::Answered && late_ms > latest_ms(&request.opened) {
            self.fault(
                index,
                rule::TIME,
                format!("answered {late_ms} ms after its request"),
            );
        }
        self.not_too_early(&exchange, outcome, &request);
        if outcome == Outcome::Answered {
            self.outlived(index, &request, now_us);
        }
        let answer = self.sealed_answer(&mut exchange, &request);
        self.around_chunks(index, answer.as_ref(), &request);
        match answer.map(Answered::outcome) {
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
            None if exchange.entry.header.is_empty() && outcome == Outcome::Answered => {
                self.fault(
                    index,
                    rule::ANSWER,
                    "recorded as answered without a sealed answer",
                );
            }
            _ => {}
        }
    }

    /// A submission waits for as long as its consumer sealed: nobody but the switch says that its time is over.
    fn not_too_early(&mut self, exchange: &Exchange<'_>, outcome: Outcome, request: &Recorded) {
        let opened = &request.opened;
        if outcome != Outcome::Deadline || !opened.is_submission() {
            return;
        }
        let until_ms = opened
            .issued_at_ms
            .saturating_add(u64::from(opened.deadline_ms));
        let now_ms = exchange.entry.stamp.recorded_at_ms();
        if now_ms.saturating_add(CLOCK_STEP_MS) < until_ms {
            let detail = format!(
                "its time is said to be over {} ms before it is",
                until_ms - now_ms
            );
            self.fault(exchange.index, rule::TIME, detail);
        }
    }

    /// The entry's sealed answer; `None` when there is no answer, or none to this request. Its signature is verified
    /// meanwhile.
    pub(super) fn sealed_answer(
        &mut self,
        exchange: &mut Exchange<'_>,
        request: &Recorded,
    ) -> Option<Answered> {
        let index = exchange.index;
        let Header::Answer(answer) = std::mem::take(&mut exchange.header) else {
            return None;
        };
        let judged = answer.ok_or(AnswerFault::Malformed).and_then(|answer| {
            let head = exchange.sealed.take().ok_or(AnswerFault::Seal)?;
            let key = self
                .registry
                .seal_key(&head.kid(), &request.opened.provider)
                .map_err(|_| AnswerFault::Seal)?;
            self.docket.verify(Sealed {
                index,
                label: label::ANSWER,
                key,
                head,
                rule: rule::ANSWER,
                detail: "the sealed answer does not hold: seal",
            });
            authorise::answers(
                &request.opened,
                &request.header_sha256,
                &request.seal_sha256,
                &answer,
            )?;
            Ok(answer)
        });
        match judged {
            Ok(answer) => {
                self.check_seen(index, answer.seen);
                Some(Answered(answer))
            }
            Err(fault) => {
                let detail = format!("the sealed answer does not hold: {fault}");
                self.fault(index, rule::ANSWER, detail);
                None
            }
        }
    }

    pub(super) fn refusal(&mut self, mut exchange: Exchange<'_>, event: &mut Event) {
        let index = exchange.index;
        let Some(code) = code_in(&exchange.facts) else {
            let detail = format!("'{}' is no refusal code", exchange.facts.code);
            return self.fault(index, rule::FACTS, detail);
        };
        if exchange.entry.header.is_empty() {
            let facts = &exchange.facts;
            if facts.count == 0 && Digest::from_slice(&facts.refused_sha256).is_none() {
                self.fault(
                    index,
                    rule::FACTS,
                    "the refusal names nothing that was refused",
                );
            }
            return;
        }
        let Some((opened, kid)) = self.sealed_request(&mut exchange, event) else {
            return;
        };
        if code != Code::Duplicate {
            // Another arrival of a header that was counted.
            self.follow(kid, &opened, index);
        }
        if takes_the_id(code) {
            let used = self.used(&exchange);
            self.pairing
                .use_id(&opened.consumer, opened.exchange_id, used);
        }
        let facts = &exchange.facts;
        let judged = authorise::authorise(&self.registry, &opened, facts.decided_at_ms);
        let agrees = match (code, &judged) {
            // Judged before the agreement is looked at; the clock and the ids are the switch's own.
            (Code::Stale, _) => opened.issued_at_ms != facts.decided_at_ms,
            (Code::Duplicate, _) => true,
            // Who is attached, and what it takes, is the switch's own.
            (Code::OperationDisabled, Ok(_)) if is_no_upload(&opened, &facts.clause) => true,
            (Code::UnknownService | Code::ContractViolation | Code::OperationDisabled, Ok(_)) => {
                authorise::locate(&self.registry, &opened).err() == Some(code)
            }
            // Grant 0: the daily quota of the agency that asks.
            (Code::QuotaExceeded, Ok(_)) if facts.grant == 0 => self
                .registry
                .agency(&opened.consumer.agency())
                .is_some_and(|agency| agency.daily_quota > 0),
            (Code::QuotaExceeded, Ok(permission)) => permission.daily_quota > 0,
            (Code::PurposeNotGranted, Ok(permission)) => {
                facts.clause == Clause::ReviewOverdue.to_string()
                    && permission.wants_review
                    && self.reviews.may_have_been_overdue(
                        &opened.consumer.agency(),
                        &opened.provider.agency(),
                        facts.decided_at_ms,
                    )
            }
            (Code::ProviderOffline, Ok(_)) => true,
            (_, Err(denial)) => denial.code == code && denial.clause.to_string() == facts.clause,
            (_, Ok(_)) => false,
        };
        if judged.as_ref().is_err_and(|denial| denial.code == code) {
            self.suppose(&exchange, &opened, &judged);
        }
        if !agrees {
            let facts = &exchange.facts;
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

    pub(super) fn late(&mut self, mut exchange: Exchange<'_>, event: &mut Event) {
        let Some(request) = self.named_request(&exchange, event) else {
            return;
        };
        let (request, ended) = request;
        if !ended {
            self.fault(
                exchange.index,
                rule::PAIRING,
                "a late answer to a request that had not ended",
            );
        }
        self.sealed_answer(&mut exchange, &request);
    }

    pub(super) fn dispute(&mut self, mut exchange: Exchange<'_>, event: &mut Event) {
        let index = exchange.index;
        let Some((request, _)) = self.named_request(&exchange, event) else {
            return;
        };
        if exchange.entry.seal.is_none() {
            return self.fault(index, rule::SEAL, "a dispute without a seal");
        }
        let opened = match std::mem::take(&mut exchange.header) {
            Header::Dispute(opened) => opened,
            _ => Err(Code::Malformed),
        };
        let judged = opened.and_then(|dispute| {
            let head = exchange.sealed.take().ok_or(Code::BadSeal)?;
            let consumer = &request.opened.consumer;
            let key = self.registry.seal_key(&head.kid(), consumer)?;
            self.docket.verify(Sealed {
                index,
                label: label::DISPUTE,
                key,
                head,
                rule: rule::SEAL,
                detail: "the dispute does not hold: bad_seal",
            });
            Ok(dispute)
        });
        match judged {
            Ok(dispute) if dispute.exchange_id == request.opened.exchange_id => {}
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

    /// The request that a late answer or a dispute names, and whether it had ended.
    pub(super) fn named_request(
        &mut self,
        exchange: &Exchange<'_>,
        event: &mut Event,
    ) -> Option<(Recorded, bool)> {
        let now_us = exchange.entry.stamp.recorded_at_us;
        let named = self.pairing.named(exchange.facts.request_index, now_us);
        let ended = matches!(named, Named::Ended);
        let request = self.recorded(named, exchange, event)?;
        Some((request, ended))
    }

    /// What can be said without the request itself, which lies below the minimum index: that the hash tiles have the
    /// leaf that is named, and that it ends once.
    fn pruned_request(&mut self, exchange: &Exchange<'_>) {
        let (index, facts) = (exchange.index, &exchange.facts);
        let leaf = self.heads.leaf(facts.request_index);
        if leaf.is_some_and(|leaf| facts.request_leaf[..] != leaf.0[..]) {
            self.fault(index, rule::PAIRING, "the request's leaf hash is another");
        }
        let ends = exchange.entry.kind.ends();
        if !self.pruning.unjudged(facts.request_index, ends) {
            let detail = format!("the request at {} had ended before", facts.request_index);
            self.fault(index, rule::PAIRING, detail);
        }
    }

    /// The request that an ending, a late answer or a dispute names by index and leaf hash.
    pub(super) fn recorded(
        &mut self,
        named: Named,
        exchange: &Exchange<'_>,
        event: &mut Event,
    ) -> Option<Recorded> {
        let (index, facts) = (exchange.index, &exchange.facts);
        event.request_index = Some(facts.request_index);
        let request = match named {
            Named::Open(request) => Some(*request),
            Named::Ended => self.again.request(facts.request_index),
            Named::Unknown => None,
        };
        if request.is_none() && facts.request_index < self.pruning.minimum() {
            self.pruned_request(exchange);
            return None;
        }
        let Some(request) = request else {
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
        if self.told {
            event.describe(&request.opened);
        }
        if facts.request_leaf[..] != request.leaf.0[..] {
            self.fault(index, rule::PAIRING, "the request's leaf hash is another");
        }
        Some(request)
    }
}

/// A sealed answer to the request that its entry names.
pub(super) struct Answered(pub(super) Box<AnswerHeader>);

impl Answered {
    /// Whether it answers what was asked, and does not refuse it.
    pub(super) fn is_result(&self) -> bool {
        self.0.status == AnswerStatus::Answered
    }

    fn outcome(self) -> Outcome {
        self.0.status.outcome()
    }
}

/// How long after a request its answer may be recorded. Chunks may run for as long as any stream, and the answer is wanted
/// after them.
fn latest_ms(request: &RequestHeader) -> u64 {
    let chunks_ms = match request.is_upload() {
        true => STREAM_MS_MAX + u64::from(DEADLINE_MS_MAX),
        false => 0,
    };
    // A submission waits for as long as its deadline says.
    u64::from(request.deadline_ms.max(DEADLINE_MS_MAX)) + RECORD_DELAY_MS + chunks_ms
}

/// Whether a request in chunks was refused because no adapter of the provider takes one.
fn is_no_upload(request: &RequestHeader, clause: &str) -> bool {
    request.is_upload() && clause == Clause::Upload.to_string()
}

/// Whether a refusal with this code came after its exchange id was taken: the id cannot be used again then. Before it,
/// anybody may have sent the header, and the system that sealed it may still do so itself.
fn takes_the_id(code: Code) -> bool {
    matches!(
        code,
        Code::NoAgreement
            | Code::AgreementExpired
            | Code::AgreementRevoked
            | Code::OperationNotGranted
            | Code::PurposeNotGranted
            | Code::FieldNotGranted
            | Code::DelegationBroken
            | Code::EncryptionRequired
            | Code::BorderClosed
            | Code::UnknownService
            | Code::ContractViolation
            | Code::OperationDisabled
            | Code::QuotaExceeded
            | Code::ProviderOffline
    )
}
