//! Room 7, response: `Answered → Attested`.
//!
//! Takes what the provider sent. Gives an answer that a key bound to the provider sealed, for this very request, with
//! no field that was not asked for and a payload of the length it commits to. Says no with answer_invalid; the log
//! keeps which. Runs in the exchange's own task, so one provider's answers delay nobody else's.

use audit::log::Arriving;
use proto::Digest;
use proto::authorise::{SealedRequest, verify_answer};
use proto::commitment::{Form, Misfit};
use proto::envelope::Envelope;
use proto::facts::ExchangeFacts;
use proto::header::{AnswerHeader, AnswerStatus, Outcome};
use proto::registry::Registry;
use proto::sealed::Of;
use proto::wire::exchange::v1 as wire;

use super::Exchange;
use super::outcome::{Cause, Fault};
use super::provider::{Answered, Parts};
use super::record::{Recorded, closing_facts};
use super::refusal::bytes_of;

/// A request and the answer that holds for it.
#[derive(Debug)]
pub(super) struct Attested {
    recorded: Recorded,
    answer: Envelope,
    status: AnswerStatus,
    form: Form,
    /// Bytes that an answer in chunks announces; 0: it does not say.
    announced: u64,
    registry_size: u64,
    provider_us: u64,
    arriving: Option<Arriving>,
}

impl Attested {
    pub(super) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    pub(super) fn answer(&self) -> &Envelope {
        &self.answer
    }

    /// What the provider said.
    pub(super) fn status(&self) -> AnswerStatus {
        self.status
    }

    /// How the exchange is closed.
    pub(super) fn outcome(&self) -> Outcome {
        self.status.outcome()
    }

    /// Whether the payload follows in chunks.
    pub(super) fn is_in_chunks(&self) -> bool {
        self.form == Form::Chunks
    }

    /// Bytes that an answer in chunks announces; 0: it does not say.
    pub(super) fn announced(&self) -> u64 {
        self.announced
    }

    /// Registry entries that the answer was judged against.
    pub(super) fn registry_size(&self) -> u64 {
        self.registry_size
    }

    /// The announcement to the log's writer, for the entry that follows.
    pub(super) fn take_arriving(&mut self) -> Option<Arriving> {
        self.arriving.take()
    }

    /// The facts of its closing entry, but for code and time.
    pub(super) fn facts(&self) -> ExchangeFacts {
        ExchangeFacts {
            peer_sha256: bytes_of(&self.recorded.seat().peer().sha256()),
            provider_us: self.provider_us,
            ..closing_facts(&self.recorded)
        }
    }

    /// Back to the room before: the registry moved, so the answer is judged again.
    pub(super) fn back(self) -> Answered {
        Answered::again(self.recorded, self.answer.to_wire(), self.provider_us)
    }

    /// For the reply.
    pub(super) fn into_parts(self) -> (Recorded, Envelope) {
        (self.recorded, self.answer)
    }
}

impl Exchange {
    /// Says that the provider said this, to this.
    pub(super) fn response(&self, answered: Answered) -> Result<Attested, Fault> {
        let Parts {
            recorded,
            envelope,
            provider_us,
            arriving,
        } = answered.into_parts();
        let registry = self.registry.load();
        // Taken before the envelope is: what does not hold is named by its digest.
        let header = Digest::of(envelope.as_ref().map_or(&[], |envelope| &envelope.header));
        match judge(&registry, &recorded, envelope, self.clock.now_ms()) {
            Ok((answer, header)) => {
                let registry_size = registry.size();
                Ok(Attested {
                    recorded,
                    answer,
                    status: header.status,
                    form: header.payload.form,
                    announced: header.payload.length,
                    registry_size,
                    provider_us,
                    arriving,
                })
            }
            Err(fault) => Err(Fault::new(
                recorded,
                Cause::Answer { fault, header },
                provider_us,
            )),
        }
    }
}

fn judge(
    registry: &Registry,
    recorded: &Recorded,
    envelope: Option<wire::Envelope>,
    now_ms: u64,
) -> Result<(Envelope, AnswerHeader), String> {
    let answer = Envelope::from_wire(envelope).map_err(|_| "malformed")?;
    let request = SealedRequest {
        header: &recorded.envelope().header,
        opened: recorded.verified().header(),
        seal: &recorded.envelope().seal,
    };
    let memory = Some((&recorded.seat().peer().memory, now_ms));
    let header = verify_answer(registry, request, &answer.header, &answer.seal, memory)
        .map_err(|fault| fault.to_string())?;
    header
        .payload
        .fits(&answer.salt, &answer.payload, Of::Answer)
        .map_err(|misfit| match misfit {
            Misfit::Malformed => "malformed",
            Misfit::Length => "payload_mismatch",
        })?;
    // What did not come whole can be refused, and not answered.
    if header.status == AnswerStatus::Answered && !recorded.is_whole() {
        return Err("no_trailer".to_owned());
    }
    if header.payload.form == Form::Chunks && !recorded.takes_chunks() {
        return Err("form".to_owned());
    }
    Ok((answer, header))
}
