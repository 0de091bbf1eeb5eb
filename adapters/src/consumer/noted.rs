//! What the consumer's journal is told of one try: the sealed request before it leaves, and how it ended.
//!
//! Takes what the exchange had in hand anyway; never waits. A receipt is noted only where it was proved.

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::authorise::authorise;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::facts;
use proto::header::{Outcome, RequestHeader};

use super::verify::Returned;
use super::{Answer, Consumer, ExchangeError, Refused, Try, verify};
use crate::adapter::Adapter;
use crate::journal::{Half, Record, Role, SealedBytes, retention_days};
use crate::sealer::Sealed;

/// A try whose request is noted.
pub(super) struct Noted<'a> {
    adapter: &'a Adapter,
    header: &'a RequestHeader,
}

impl<'a> Noted<'a> {
    /// Notes the sealed request, which is about to leave.
    pub(super) fn asked(
        consumer: &'a Consumer,
        header: &'a RequestHeader,
        sealed: &Sealed,
    ) -> Self {
        let noted = Self {
            adapter: &consumer.adapter,
            header,
        };
        let mut record = noted.record();
        record.request = Some(sealed.into());
        noted.adapter.journal().note(record);
        noted
    }

    /// As [`Noted::asked`] left it, for the end of a stream.
    pub(super) fn again(consumer: &'a Consumer, header: &'a RequestHeader) -> Self {
        Self {
            adapter: &consumer.adapter,
            header,
        }
    }

    /// Notes a submission that the switch holds. It is open until its answer was collected.
    pub(super) fn submitted(&self, receipt: Option<&Receipt>, try_: &Try, payload: &Bytes) {
        let mut record = self.record();
        record.request_receipt = receipt.map(Receipt::encode);
        let permitted = receipt.and_then(|receipt| permitted_in(&receipt.facts));
        let registry = self.adapter.mirror().snapshot();
        let days = permitted.map_or(0, |(agreement, grant)| {
            retention_days(&registry, &agreement, grant)
        });
        let half = (Role::Consumer, self.header.exchange_id, Half::Request);
        let journal = self.adapter.journal();
        journal.keep(half, days, &try_.salt.0, payload.clone());
        journal.note(record);
    }

    /// Notes its answer.
    pub(super) fn collected(&self, answer: &Answer) {
        let mut record = self.record();
        let permitted = self.answered(&mut record, answer);
        let registry = self.adapter.mirror().snapshot();
        let days = permitted.map_or(0, |(agreement, grant)| {
            retention_days(&registry, &agreement, grant)
        });
        let half = (Role::Consumer, self.header.exchange_id, Half::Answer);
        let (salt, payload) = (&answer.envelope.salt, answer.envelope.payload.clone());
        let journal = self.adapter.journal();
        journal.keep(half, days, salt, payload);
        journal.note(record);
    }

    /// Notes that it was taken back.
    pub(super) fn withdrawn(&self, receipt: &Receipt) {
        let mut record = self.record();
        record.outcome = Outcome::Cancelled.name().to_owned();
        record.answer_receipt = Some(receipt.encode());
        self.adapter.journal().note(record);
    }

    /// Notes a stream that is complete: its trailer, with the proof. Of its content, salt and plan are kept.
    pub(super) fn complete(
        &self,
        opened: &Answer,
        (trailer, receipt): (&Envelope, &Receipt),
        (try_, payload): (&Try, &Bytes),
    ) {
        let mut record = self.record();
        record.outcome = Outcome::Answered.name().to_owned();
        record.request_receipt = Some(opened.request_entry.to_receipt().encode());
        record.answer = Some(SealedBytes::from(trailer));
        record.answer_receipt = Some(receipt.encode());
        let registry = self.adapter.mirror().snapshot();
        let days = permitted_in(&opened.request_entry.facts).map_or(0, |(agreement, grant)| {
            retention_days(&registry, &agreement, grant)
        });
        let journal = self.adapter.journal();
        let half = |half| (Role::Consumer, self.header.exchange_id, half);
        journal.keep(half(Half::Request), days, &try_.salt.0, payload.clone());
        let begun = &opened.envelope;
        let plan = begun.payload.clone();
        journal.keep(half(Half::Answer), days, &begun.salt, plan);
        journal.note(record);
    }

    /// Notes an answer that is not trusted, with its receipt where that one holds: it may be what convicts somebody.
    pub(super) fn untrusted(&self, returned: &Returned) {
        let mut record = self.record();
        record.outcome = "untrusted".to_owned();
        record.answer = Some(SealedBytes::from(&returned.envelope));
        if verify::proof(returned, Kind::Closing, self.adapter.notes()).is_ok() {
            record.request_receipt = Some(returned.request.to_receipt().encode());
            record.answer_receipt = Some(returned.receipt.encode());
        }
        self.adapter.journal().note(record);
    }

    /// Notes an upload that has no answer that counts.
    pub(super) fn failed(&self, error: Option<&ExchangeError>, try_: &Try, payload: &Bytes) {
        match error {
            Some(error) => self.ended(Err(error), try_, payload),
            None => {
                let mut record = self.record();
                "no_answer".clone_into(&mut record.outcome);
                self.adapter.journal().note(record);
            }
        }
    }

    /// Notes how it ended, and keeps the payloads for as long as the grant says.
    pub(super) fn ended(
        &self,
        outcome: Result<&Answer, &ExchangeError>,
        try_: &Try,
        payload: &Bytes,
    ) {
        let mut record = self.record();
        let mut permitted = None;
        match outcome {
            Ok(answer) => permitted = self.answered(&mut record, answer),
            Err(ExchangeError::Provider { answer, .. }) => {
                permitted = self.answered(&mut record, answer);
            }
            Err(ExchangeError::Refused(refused)) => permitted = refused_in(&mut record, refused),
            Err(ExchangeError::Untrusted { .. }) => record.outcome = "untrusted".to_owned(),
            Err(_) => record.outcome = "no_answer".to_owned(),
        }
        // Only what was permitted has a retention; where the switch did not say, the own mirror does.
        let registry = self.adapter.mirror().snapshot();
        let days = match permitted {
            Some((agreement, grant)) => retention_days(&registry, &agreement, grant),
            None if matches!(outcome, Err(ExchangeError::Refused(_))) => 0,
            None => authorise(&registry, self.header, self.header.issued_at_ms)
                .map_or(0, |permitted| {
                    retention_days(&registry, &permitted.agreement.0, permitted.grant)
                }),
        };
        let journal = self.adapter.journal();
        let half = |half| (Role::Consumer, self.header.exchange_id, half);
        journal.keep(half(Half::Request), days, &try_.salt.0, payload.clone());
        if let Ok(answer) = outcome {
            let envelope = &answer.envelope;
            journal.keep(
                half(Half::Answer),
                days,
                &envelope.salt,
                envelope.payload.clone(),
            );
        }
        journal.note(record);
    }

    fn answered(&self, record: &mut Record, answer: &Answer) -> Option<(Bytes, u32)> {
        record.outcome = answer.status.outcome().name().to_owned();
        record.request_receipt = Some(answer.request_entry.to_receipt().encode());
        record.answer = Some(SealedBytes::from(&answer.envelope));
        record.answer_receipt = Some(answer.receipt.encode());
        permitted_in(&answer.request_entry.facts)
    }

    fn record(&self) -> Record {
        let provider = self.header.provider.clone();
        let now_ms = self.adapter.clock().now_ms();
        Record::new(Role::Consumer, self.header.exchange_id, now_ms, provider)
    }
}

/// A refusal's entry is the request's own; an end without an answer is a closing entry without a header.
fn refused_in(record: &mut Record, refused: &Refused) -> Option<(Bytes, u32)> {
    record.outcome = refused.code.name().to_owned();
    let receipt = refused.receipt.as_ref().filter(|_| refused.proven)?;
    let bytes = Some(receipt.encode());
    if receipt.kind != Kind::Closing {
        record.request_receipt = bytes;
        return None;
    }
    record.answer_receipt = bytes;
    permitted_in(&receipt.facts)
}

/// Agreement and grant in facts.
fn permitted_in(facts: &[u8]) -> Option<(Bytes, u32)> {
    let facts = facts::exchange(facts).ok()?;
    (facts.grant > 0).then_some((facts.agreement, facts.grant))
}
