//! The provider's part in payloads that the switch cannot read: requests opened, answers sealed.

use bytes::Bytes;
use proto::commitment::Salt;
use proto::envelope::Envelope;
use proto::limits::SEALED_BYTES_MAX;
use proto::refusal::Code;
use proto::sealed::{Contents, EncryptionKey, Of, SealedPayload};

use super::exchange::{Delivered, Desk};
use super::{Failure, Reply};
use crate::sealed::{SealedError, in_the_open, seal};
use crate::sealer::Sealed;

impl Desk {
    /// Opens a sealed request with the home's key that it names; gives it in the open. An open one stays as it is.
    ///
    /// # Errors
    /// [`Code::EncryptionRequired`] for a key that is not here, [`Code::PayloadMismatch`] for what does not open under its
    /// header.
    pub(super) fn unseal<'a>(&self, delivered: &'a Delivered) -> Result<&'a Envelope, Code> {
        if !delivered.is_sealed() {
            return Ok(delivered.in_the_open());
        }
        let envelope = &delivered.envelope;
        let sealed = SealedPayload::open(&envelope.payload).map_err(|_| Code::Malformed)?;
        let key = self.adapter.encryption_keys().find(&sealed.recipient);
        let key = key.map_err(|error| {
            tracing::error!(exchange = %delivered.exchange_id(), %error, "a sealed request cannot be opened");
            Code::EncryptionRequired
        })?;
        let origin = self.adapter.home().log_key().origin();
        let contents = key
            .open(Of::Request, origin, &envelope.header, &envelope.payload)
            .map_err(|_| Code::PayloadMismatch)?;
        let answer_key = contents.answer_key.ok_or(Code::PayloadMismatch)?;
        delivered.keep_open(in_the_open(envelope, &contents), answer_key);
        Ok(delivered.in_the_open())
    }
}

/// The answer's envelope: sealed `to` the question's key where there is one.
pub(super) fn enveloped(
    to: Option<&EncryptionKey>,
    sealed: &Sealed,
    origin: &str,
    (salt, payload): (Salt, Bytes),
) -> Result<Envelope, SealedError> {
    let open = sealed.with_payload(salt, payload.clone());
    let Some(to) = to else {
        return Ok(open);
    };
    let contents = Contents {
        salt,
        answer_key: None,
        payload,
    };
    let payload = seal(to, Of::Answer, origin, &sealed.header, &contents)?;
    Ok(Envelope {
        salt: Bytes::new(),
        payload,
        ..open
    })
}

/// What is sealed grows a little, and still has to fit.
pub(super) fn fits_sealed(delivered: &Delivered, reply: Reply) -> Result<Reply, Failure> {
    match delivered.is_sealed() && reply.payload.len() > SEALED_BYTES_MAX {
        true => Err(Failure::failed(format!(
            "the answer is sealed and may have {SEALED_BYTES_MAX} bytes"
        ))),
        false => Ok(reply),
    }
}
