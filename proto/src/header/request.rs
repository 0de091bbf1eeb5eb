//! The request header: who asks whom for what, why, and under which agreement.

use bytes::Bytes;
use prost::Message;

use super::{Seen, bytes_of, digest, exchange_id, fields, optional_digest, texts};
use crate::canonical::{HeaderError, decode_header};
use crate::commitment::{Commitment, Form};
use crate::digest::Digest;
use crate::entry::Kind;
use crate::id::{ExchangeId, Part, SystemId};
use crate::limits::{
    DEADLINE_MS_MAX, DELEGATION_MAX, HEADER_BYTES_MAX, HEADER_VERSION, SUBJECTS_MAX,
    SUBMISSION_MS_MAX, label,
};
use crate::wire::exchange::v1 as wire;

/// A person the exchange is about, under a pseudonym only the two parties can compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The scheme of the id behind the pseudonym, for example `eg-nid`.
    pub scheme: Part,
    /// 32 bytes.
    pub pseudonym: Digest,
}

/// A request header, parsed. Field meanings stand in `envelope.proto`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// This exchange.
    pub exchange_id: ExchangeId,
    /// The first exchange of which this is a retry.
    pub attempt_of: Option<ExchangeId>,
    /// Which run of the adapter signed.
    pub run_id: [u8; 16],
    /// Count of headers signed by this key in this run, from 1.
    pub sequence: u64,
    /// Who asks.
    pub consumer: SystemId,
    /// Who is asked.
    pub provider: SystemId,
    /// The provider's service.
    pub service: Part,
    /// One operation of its contract.
    pub operation: Part,
    /// SHA-256 of the service's published definition.
    pub contract: Digest,
    /// The legal reason.
    pub purpose: Part,
    /// The agreement that permits it; `None` when the consumer has none.
    pub agreement: Option<Digest>,
    /// Act ids of a delegation.
    pub delegation: Vec<Digest>,
    /// SHA-256 of an external message id.
    pub external_id_hash: Option<Digest>,
    /// Commitment to a case reference.
    pub case_reference: Option<Digest>,
    /// Whom it is about.
    pub subjects: Vec<Subject>,
    /// The clerk's pseudonym.
    pub actor: Option<Digest>,
    /// Fields asked for, ascending, each once.
    pub fields: Vec<Part>,
    /// Unix time, milliseconds.
    pub issued_at_ms: u64,
    /// Milliseconds after `issued_at_ms` within which the answer is wanted, 1 to [`DEADLINE_MS_MAX`]; of a submission up to
    /// [`SUBMISSION_MS_MAX`].
    pub deadline_ms: u32,
    /// The payload.
    pub payload: Commitment,
    /// The largest checkpoint the signer verified.
    pub seen: Option<Seen>,
}

impl RequestHeader {
    /// Whether its payload follows in chunks.
    pub fn is_upload(&self) -> bool {
        self.payload.form == Form::Chunks
    }

    /// The label that it is sealed under. One of its own for uploads: whoever does not know them takes none for a request.
    pub fn label(&self) -> &'static str {
        match self.is_upload() {
            true => label::UPLOAD,
            false => label::REQUEST,
        }
    }

    /// The kind of the entry that records it.
    pub fn kind(&self) -> Kind {
        match self.is_upload() {
            true => Kind::Upload,
            false => Kind::Request,
        }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        wire::RequestHeader {
            version: HEADER_VERSION,
            exchange_id: self.exchange_id.as_bytes().to_vec().into(),
            attempt_of: self
                .attempt_of
                .map(|id| id.as_bytes().to_vec().into())
                .unwrap_or_default(),
            run_id: self.run_id.to_vec().into(),
            sequence: self.sequence,
            consumer: self.consumer.to_string(),
            provider: self.provider.to_string(),
            service: self.service.to_string(),
            operation: self.operation.to_string(),
            contract: self.contract.0.to_vec().into(),
            purpose: self.purpose.to_string(),
            agreement: bytes_of(self.agreement),
            delegation: self
                .delegation
                .iter()
                .map(|id| id.0.to_vec().into())
                .collect(),
            external_id_hash: bytes_of(self.external_id_hash),
            case_reference: bytes_of(self.case_reference),
            subjects: self
                .subjects
                .iter()
                .map(|subject| wire::Subject {
                    scheme: subject.scheme.to_string(),
                    pseudonym: subject.pseudonym.0.to_vec().into(),
                })
                .collect(),
            actor: bytes_of(self.actor),
            fields: texts(&self.fields),
            issued_at_ms: self.issued_at_ms,
            deadline_ms: self.deadline_ms,
            payload: Some(self.payload.to_wire()),
            seen: self.seen.map(Seen::to_wire),
        }
        .encode_to_vec()
        .into()
    }

    /// Whether it is a submission: it may wait at the switch until its provider is there, and its answer until it is
    /// collected. The sealed deadline alone says so, so nobody can make one of a question that wants its answer now.
    #[must_use]
    pub fn is_submission(&self) -> bool {
        self.deadline_ms > DEADLINE_MS_MAX
    }

    /// Reads canonical bytes, every field strictly.
    pub fn open(bytes: &[u8]) -> Result<Self, HeaderError> {
        let wire: wire::RequestHeader = decode_header(bytes, HEADER_BYTES_MAX)?;
        let system = |text: &str| {
            SystemId::parse(text)
                .map_err(|_| HeaderError::Malformed("consumer or provider is not a system name"))
        };
        let part = |text: &str| {
            Part::parse(text).map_err(|_| {
                HeaderError::Malformed("service, operation or purpose is not a name part")
            })
        };
        if wire.delegation.len() > DELEGATION_MAX || wire.subjects.len() > SUBJECTS_MAX {
            return Err(HeaderError::Malformed(
                "its delegation or its subjects are too many",
            ));
        }
        if wire.sequence == 0 {
            return Err(HeaderError::Malformed(
                "its sequence number is 0; the first is 1",
            ));
        }
        let attempt_of = match &wire.attempt_of[..] {
            [] => None,
            bytes => Some(exchange_id(bytes)?),
        };
        let payload = of_one_kind(Commitment::from_wire(wire.payload)?, wire.subjects.len())?;
        in_time(wire.deadline_ms, payload.form)?;
        Ok(Self {
            exchange_id: exchange_id(&wire.exchange_id)?,
            attempt_of,
            run_id: wire.run_id[..]
                .try_into()
                .map_err(|_| HeaderError::Malformed("its run id is not 16 bytes"))?,
            sequence: wire.sequence,
            consumer: system(&wire.consumer)?,
            provider: system(&wire.provider)?,
            service: part(&wire.service)?,
            operation: part(&wire.operation)?,
            contract: digest(&wire.contract, "its contract digest is not 32 bytes")?,
            purpose: part(&wire.purpose)?,
            agreement: optional_digest(&wire.agreement, "its agreement id is not 32 bytes")?,
            delegation: wire
                .delegation
                .iter()
                .map(|id| digest(id, "a delegation act id is not 32 bytes"))
                .collect::<Result<_, _>>()?,
            external_id_hash: optional_digest(
                &wire.external_id_hash,
                "its external id hash is not 32 bytes",
            )?,
            case_reference: optional_digest(
                &wire.case_reference,
                "its case reference is not 32 bytes",
            )?,
            subjects: wire
                .subjects
                .iter()
                .map(subject)
                .collect::<Result<_, _>>()?,
            actor: optional_digest(&wire.actor, "its actor is not 32 bytes")?,
            fields: fields(&wire.fields)?,
            issued_at_ms: wire.issued_at_ms,
            deadline_ms: wire.deadline_ms,
            payload,
            seen: Seen::from_wire(wire.seen)?,
        })
    }
}

/// What waits for longer than a call does is not for the switch to read.
fn in_time(deadline_ms: u32, form: Form) -> Result<(), HeaderError> {
    if !(1..=SUBMISSION_MS_MAX).contains(&deadline_ms) {
        return Err(HeaderError::Malformed(
            "its deadline is not within 1 ms and two minutes, or 30 days where it may wait",
        ));
    }
    if deadline_ms > DEADLINE_MS_MAX && form != Form::Sealed {
        return Err(HeaderError::Malformed(
            "its deadline is over two minutes, and it is not sealed to its receiver",
        ));
    }
    Ok(())
}

fn subject(wire: &wire::Subject) -> Result<Subject, HeaderError> {
    Ok(Subject {
        scheme: Part::parse(&wire.scheme)
            .map_err(|_| HeaderError::Malformed("a subject's scheme is not a name part"))?,
        pseudonym: digest(&wire.pseudonym, "a subject's pseudonym is not 32 bytes")?,
    })
}

/// Requests come in one piece, open or sealed, also of many items; or in chunks, of one thing.
fn of_one_kind(payload: Commitment, subjects: usize) -> Result<Commitment, HeaderError> {
    match payload.form {
        Form::Items if subjects > 0 => Err(HeaderError::Malformed(
            "its items name persons in their own list, not in the header",
        )),
        Form::Whole | Form::Items | Form::Sealed | Form::Chunks => Ok(payload),
    }
}
