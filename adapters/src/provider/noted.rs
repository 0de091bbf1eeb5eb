//! What the provider's journal is told: the delivered request with its receipt, the sealed answer, and that answer's
//! receipt once it is proved. Never waits.

use std::sync::atomic::Ordering;

use audit::receipt::Receipt;
use bytes::Bytes;
use prost::Message as _;
use proto::entry::Kind;
use proto::header::RequestHeader;
use proto::id::{ExchangeId, SystemId};
use proto::wire::exchange::v1 as wire;

use super::exchange::{Delivered, Desk};
use super::streams::Streams;
use super::unrecorded::{Sent, Stage, Unrecorded};
use crate::journal::{Half, Record, Role};
use crate::sealer::{Sealed, Waited};

impl Desk {
    /// Proves that an answer of ours stands in the log as we sealed it.
    pub(super) fn recorded(
        &self,
        message: wire::AnswerRecorded,
        unrecorded: &Unrecorded,
        streams: &Streams,
    ) {
        let Some(id) = ExchangeId::from_slice(&message.exchange_id) else {
            return;
        };
        let Some(sent) = unrecorded.take(id) else {
            return;
        };
        if sent.stage == Stage::Answer {
            let sealer = self.adapter.sealer();
            sealer.took(Waited::Receipt, sent.at.elapsed());
        }
        let proved = self.prove_recorded(&sent, message.receipt);
        if sent.stage == Stage::Opening {
            streams.recorded(id, proved.is_ok());
        }
        match proved {
            // Noted at its end.
            Ok(_) if sent.stage == Stage::Opening => {}
            Ok((outcome, receipt)) => {
                self.counts.recorded.fetch_add(1, Ordering::Relaxed);
                self.note_recorded(id, &sent, &outcome, receipt);
            }
            Err(reason) => {
                self.counts.unproven.fetch_add(1, Ordering::Relaxed);
                tracing::error!(exchange = %id, reason, "the switch says it recorded our answer, and the receipt does not prove it");
            }
        }
    }

    /// What the log says became of the answer, and the proved receipt's bytes.
    fn prove_recorded(
        &self,
        sent: &Sent,
        receipt: Option<proto::wire::audit::v1::Receipt>,
    ) -> Result<(String, Bytes), String> {
        let receipt = receipt.ok_or("there is no receipt")?;
        let bytes = Bytes::from(receipt.encode_to_vec());
        let receipt = Receipt::from_wire(receipt).map_err(|error| error.to_string())?;
        let proven = self
            .adapter
            .prove(&receipt, &sent.sealed.header, Some(&sent.sealed.seal))
            .map_err(|error| error.to_string())?;
        let facts =
            proto::facts::exchange(&proven.entry.facts).map_err(|error| error.to_string())?;
        let code = match sent.stage {
            Stage::Opening => "",
            Stage::Answer | Stage::Trailer => sent.status.outcome().name(),
        };
        match (proven.entry.kind, sent.stage) {
            (Kind::Closing, Stage::Answer)
            | (Kind::Opening, Stage::Opening)
            | (Kind::Trailer, Stage::Trailer) => match facts.code == code {
                true => Ok((facts.code, bytes)),
                false => Err(format!("it is recorded as {}", facts.code)),
            },
            (kind @ Kind::Late, Stage::Answer) => Ok((kind.name().to_owned(), bytes)),
            (kind, _) => Err(format!("it is an entry of kind {}", kind.name())),
        }
    }

    /// A request was delivered; its receipt counts only where it was proved.
    pub(super) fn note_asked(&self, delivered: &Delivered, is_proved: bool) {
        let mut record = self.record(delivered.exchange_id(), delivered.consumer());
        record.request = Some((&delivered.envelope).into());
        record.request_receipt = delivered
            .receipt
            .as_ref()
            .filter(|_| is_proved)
            .map(Receipt::encode);
        self.adapter.journal().note(record);
    }

    /// The answer was sealed and is about to leave.
    pub(super) fn note_answer(&self, delivered: &Delivered, sealed: &Sealed) {
        let mut record = self.record(delivered.exchange_id(), delivered.consumer());
        record.answer = Some(sealed.into());
        self.adapter.journal().note(record);
    }

    /// The log holds the answer, and its receipt proves it.
    fn note_recorded(&self, id: ExchangeId, sent: &Sent, outcome: &str, receipt: Bytes) {
        let mut record = self.record(id, &sent.consumer);
        if sent.stage == Stage::Trailer {
            record.answer = Some((&sent.sealed).into());
        }
        record.outcome = outcome.to_owned();
        record.answer_receipt = Some(receipt);
        self.adapter.journal().note(record);
    }

    /// Keeps a payload for as long as the grant says.
    pub(super) fn keep(
        &self,
        request: &RequestHeader,
        half: Half,
        days: u32,
        salt: &[u8],
        payload: &Bytes,
    ) {
        let item = (Role::Provider, request.exchange_id, half);
        self.adapter
            .journal()
            .keep(item, days, salt, payload.clone());
    }

    fn record(&self, id: ExchangeId, consumer: &SystemId) -> Record {
        let now_ms = self.adapter.clock().now_ms();
        Record::new(Role::Provider, id, now_ms, consumer.clone())
    }
}
