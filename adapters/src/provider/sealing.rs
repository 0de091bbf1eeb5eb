//! The last step of an answer: what the backend said, or what was refused, as a sealed header in its envelope.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use proto::commitment::{Commitment, Form, Salt};
use proto::digest::Digest;
use proto::header::{AnswerHeader, AnswerStatus};
use proto::id::Part;
use proto::items::{ItemsError, leaves, pack};
use proto::wire::exchange::v1 as wire;

use super::Failure;
use super::blind::enveloped;
use super::exchange::{Delivered, Desk};
use super::kept::Outcome;
use super::unrecorded::{Sent, Stage, Unrecorded};
use crate::journal::Half;
use crate::sealer::Sealed;

/// The media type of no payload.
const NOTHING: &str = "application/octet-stream";

impl Desk {
    /// Seals an answer header, and notes it where all of the answer is in it.
    pub(super) async fn sealed(
        &self,
        delivered: &Delivered,
        status: AnswerStatus,
        fields: Vec<Part>,
        payload: Commitment,
    ) -> Option<Sealed> {
        let id = delivered.exchange_id();
        let form = payload.form;
        let header = AnswerHeader {
            exchange_id: id,
            request_header: Digest::of(&delivered.envelope.header),
            request_seal: Digest::of(&delivered.envelope.seal.cose),
            status,
            fields,
            answered_at_ms: self.adapter.clock().now_ms(),
            payload,
            seen: self.adapter.checkpoints().seen(),
        };
        let sealed = self.adapter.sealer().answer(header).await;
        let sealed = sealed
            .inspect_err(
                |error| tracing::error!(exchange = %id, %error, "the answer could not be sealed"),
            )
            .ok()?;
        if form != Form::Chunks {
            self.note_answer(delivered, &sealed);
        }
        Some(sealed)
    }

    /// Seals an answer in one piece. Its receipt is then expected in `unrecorded`.
    pub(super) async fn seal(
        &self,
        delivered: &Delivered,
        outcome: &Outcome,
        days: u32,
        unrecorded: &Unrecorded,
    ) -> Option<wire::Answer> {
        let id = delivered.exchange_id();
        if let AnswerStatus::Refused(code) = outcome.status {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(exchange = %id, %code, "refused before the backend saw anything");
        } else {
            self.counts.answered.fetch_add(1, Ordering::Relaxed);
        }
        let (fields, content_type, payload) = match &outcome.reply {
            Some(reply) => (
                reply.fields.clone(),
                reply.content_type.as_str(),
                reply.payload.clone(),
            ),
            None => (Vec::new(), NOTHING, Bytes::new()),
        };
        let salt = Salt::random()
            .inspect_err(|error| tracing::error!(%error, "no answer"))
            .ok()?;
        let (committed, payload) = match outcome.results.is_empty() {
            true => (Commitment::new(content_type, &payload, &salt), payload),
            false => pack_results(content_type, &outcome.results, &salt)
                .inspect_err(|error| tracing::error!(exchange = %id, %error, "no answer"))
                .ok()?,
        };
        // Of an answer without a payload there is nothing to hide.
        let to = delivered.answer_key().filter(|_| outcome.reply.is_some());
        let committed = match to {
            Some(_) => committed.sealed(),
            None => committed,
        };
        let sealed = self
            .sealed(delivered, outcome.status, fields, committed)
            .await?;
        if outcome.reply.is_some() {
            self.keep(delivered.request(), Half::Answer, days, &salt.0, &payload);
        }
        let origin = self.adapter.home().log_key().origin();
        let envelope = enveloped(to, &sealed, origin, (salt, payload))
            .inspect_err(|error| tracing::error!(exchange = %id, %error, "no answer"))
            .ok()?
            .to_wire();
        let sent = Sent::new(&sealed, outcome.status, delivered, Stage::Answer);
        unrecorded.expect(id, sent);
        Some(wire::Answer {
            exchange_id: Bytes::copy_from_slice(id.as_bytes()),
            envelope: Some(envelope),
        })
    }
}

/// Results as the payload of an answer. Packed anew for each seal, as each has a salt of its own.
fn pack_results(
    content_type: &str,
    results: &[Bytes],
    salt: &Salt,
) -> Result<(Commitment, Bytes), ItemsError> {
    let packed = pack(results, &leaves(results, salt), &[], None)?;
    let length = packed.payload.len();
    let committed = Commitment::to_items(content_type, length, &packed.manifest, salt);
    Ok((committed, packed.payload))
}

/// How a backend that gives nothing is answered. Its reasons stay here.
pub(super) fn status_of(failure: &Failure, delivered: &Delivered) -> AnswerStatus {
    let exchange = delivered.exchange_id();
    match failure {
        Failure::NotFound => AnswerStatus::NotFound,
        Failure::InvalidRequest(reason) => {
            tracing::info!(%exchange, reason, "the backend does not accept the request");
            AnswerStatus::InvalidRequest
        }
        Failure::Unavailable => AnswerStatus::Unavailable,
        Failure::Failed(reason) => {
            tracing::error!(%exchange, reason, "the backend failed");
            AnswerStatus::Failed
        }
    }
}
