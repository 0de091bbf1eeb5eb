//! The consumer's part in payloads that the switch cannot read: which questions are sealed, how they leave, and their
//! answers opened.

use proto::Code;
use proto::authorise::authorise;
use proto::commitment::Form;
use proto::digest::Digest;
use proto::header::RequestHeader;
use proto::limits::SEALED_BYTES_MAX;
use proto::sealed::Of;

use super::{Answer, Consumer, Draft, ExchangeError, Try, Untrusted, verify};
use crate::sealed::{OpeningKey, Outgoing, SealedError, in_the_open};
use crate::sealer::Sealed;

impl Consumer {
    /// Sealed where the caller or the agreement says so, and then not sent where it cannot be; else open, as every provider
    /// can read it.
    pub(super) fn choose_form(
        &self,
        header: &mut RequestHeader,
        draft: &Draft,
    ) -> Result<(), ExchangeError> {
        let registry = self.adapter.mirror().snapshot();
        if draft.is_one_piece() {
            header.payload.form = Form::Whole;
        }
        let demanded = draft.sealed
            || authorise(&registry, header, header.issued_at_ms)
                .is_err_and(|denial| denial.code == Code::EncryptionRequired);
        if demanded && !draft.is_one_piece() {
            let reason = match draft.items {
                Some(_) => {
                    "many items at once cannot be sealed, and must be here: ask for each alone"
                }
                None => {
                    "what is sent in chunks cannot be sealed, and must be here: send it in one piece"
                }
            };
            return Err(ExchangeError::Unsent(reason.to_owned()));
        }
        if !demanded {
            return Ok(());
        }
        if registry.encryption_key(&header.provider).is_none() {
            return Err(ExchangeError::NoEncryptionKey(header.provider.clone()));
        }
        if header.payload.length > SEALED_BYTES_MAX as u64 {
            return Err(ExchangeError::Unsent(format!(
                "the payload is sealed and may have {SEALED_BYTES_MAX} bytes"
            )));
        }
        header.payload.form = Form::Sealed;
        Ok(())
    }

    /// The question in the form that its header says.
    pub(super) fn outgoing(
        &self,
        draft: &Draft,
        header: &RequestHeader,
        sealed: &Sealed,
        try_: &Try,
    ) -> Result<Outgoing, ExchangeError> {
        let open = sealed.with_payload(try_.salt, draft.payload.clone());
        let registry = self.adapter.mirror().snapshot();
        let to = registry.encryption_key(&header.provider);
        let to = to.map(|record| &record.binding.key);
        let origin = self.adapter.home().log_key().origin();
        Outgoing::new(open, header, to, origin).map_err(|error| match error {
            SealedError::NoKey => ExchangeError::NoEncryptionKey(header.provider.clone()),
            _ => ExchangeError::Unsent(error.to_string()),
        })
    }

    /// A trusted answer with its payload: out of its encryption, and what its header commits to. Whatever else it is, is
    /// disputed on record.
    pub(super) async fn opened(
        &self,
        mut answer: Answer,
        opening: Option<&OpeningKey>,
    ) -> Result<Answer, ExchangeError> {
        let held = match (answer.header.payload.form, opening) {
            (Form::Sealed, Some(opening)) => {
                let origin = self.adapter.home().log_key().origin();
                let envelope = &answer.envelope;
                let contents =
                    opening.open(Of::Answer, origin, &envelope.header, &envelope.payload);
                contents
                    .map(|contents| in_the_open(envelope, &contents))
                    .map_err(|_| Untrusted::Payload)
            }
            (Form::Sealed, None) => Err(Untrusted::Payload),
            (Form::Whole | Form::Chunks | Form::Items, _) => Ok(answer.envelope.clone()),
        };
        let held = held.and_then(|envelope| {
            verify::contents(&answer.header, &envelope)?;
            Ok(envelope)
        });
        match held {
            Ok(envelope) => {
                answer.payload = envelope.payload.clone();
                answer.envelope = envelope;
                Ok(answer)
            }
            Err(reason) => {
                let objected = Digest::of(&answer.envelope.header);
                let id = answer.exchange_id;
                Err(self.untrusted(reason, id, Some(objected)).await)
            }
        }
    }
}
