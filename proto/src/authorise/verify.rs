//! The checks that bind headers to keys: whether the system that a header names sealed it.

use super::AnswerFault;
use crate::act::{Erased, Erasure, Hold, Review};
use crate::canonical::HeaderError;
use crate::commitment::Form;
use crate::digest::Digest;
use crate::header::{
    AnswerHeader, AnswerStatus, DisputeHeader, EventHeader, EventReceiptHeader, RequestHeader,
    SubscriptionEndHeader, SubscriptionHeader, TrailerHeader,
};
use crate::id::{AgencyId, SystemId};
use crate::key::PublicKey;
use crate::limits::label;
use crate::refusal::Code;
use crate::registry::Registry;
use crate::seal::{Seal, SealMemory};

/// Opens a request header and verifies that a key bound to its consumer's system sealed it, under the label of its form.
pub fn verify_request(
    registry: &Registry,
    header: &[u8],
    seal: &Seal,
    memory: Option<(&SealMemory, u64)>,
) -> Result<RequestHeader, Code> {
    let request = RequestHeader::open(header).map_err(|error| code_of(&error))?;
    let asked = SealedRequest {
        header,
        opened: &request,
        seal,
    };
    verify_opened_request(registry, asked, memory)?;
    Ok(request)
}

/// As [`verify_request`], of a header that was opened before: `request.opened` must be what its bytes opened to.
///
/// # Errors
/// The refusal's code.
pub fn verify_opened_request(
    registry: &Registry,
    request: SealedRequest<'_>,
    memory: Option<(&SealMemory, u64)>,
) -> Result<(), Code> {
    let SealedRequest {
        header,
        opened,
        seal,
    } = request;
    verify_seal(
        registry,
        opened.label(),
        header,
        seal,
        &opened.consumer,
        memory,
    )
}

/// Opens an answer header and verifies that it answers this very request: sealed by a key bound to
/// the provider's system, same exchange, same request bytes, no field that was not asked for.
pub fn verify_answer(
    registry: &Registry,
    request: SealedRequest<'_>,
    header: &[u8],
    seal: &Seal,
    memory: Option<(&SealMemory, u64)>,
) -> Result<AnswerHeader, AnswerFault> {
    let answer = AnswerHeader::open(header).map_err(|_| AnswerFault::Malformed)?;
    verify_seal(
        registry,
        label::ANSWER,
        header,
        seal,
        &request.opened.provider,
        memory,
    )
    .map_err(|_| AnswerFault::Seal)?;
    answers(
        request.opened,
        &Digest::of(request.header),
        &Digest::of(&request.seal.cose),
        &answer,
    )?;
    Ok(answer)
}

/// Whether an opened answer is one to this very request, named by SHA-256 of its header and of its COSE_Sign1: same
/// exchange, same request bytes, no field that was not asked for, sealed to the consumer where the request was sealed
/// to the provider. Who put the seal on the header is not looked at.
///
/// # Errors
/// The first thing that does not fit.
pub fn answers(
    request: &RequestHeader,
    header_sha256: &Digest,
    seal_sha256: &Digest,
    answer: &AnswerHeader,
) -> Result<(), AnswerFault> {
    if answer.exchange_id != request.exchange_id
        || answer.request_header != *header_sha256
        || answer.request_seal != *seal_sha256
    {
        return Err(AnswerFault::OtherExchange);
    }
    if let Some(field) = answer
        .fields
        .iter()
        .find(|field| !request.fields.contains(field))
    {
        return Err(AnswerFault::Field(field.to_string()));
    }
    if answer.status != AnswerStatus::Answered && !answer.fields.is_empty() {
        return Err(AnswerFault::Malformed);
    }
    let payload = &answer.payload;
    let is_result = answer.status == AnswerStatus::Answered;
    let holds = match (request.payload.form, payload.form) {
        // Who sealed the question gave the key for the answer; nothing of it goes in the open.
        (Form::Sealed, Form::Sealed) => true,
        (Form::Sealed, _) => !is_result && payload.length == 0,
        (_, Form::Sealed) => false,
        // Items are answered by items, or not at all.
        (Form::Items, Form::Items) => true,
        (Form::Items, _) => !is_result,
        (_, Form::Items) => false,
        // One long way is enough.
        (Form::Chunks, Form::Chunks) => false,
        (_, Form::Whole | Form::Chunks) => true,
    };
    if holds {
        Ok(())
    } else {
        Err(AnswerFault::Form)
    }
}

/// Opens a trailer header and verifies that it ends the answer with the header `answer` to this request: sealed by a key
/// bound to the provider's system, of the same exchange and the same answer.
///
/// # Errors
/// The first thing that does not fit.
pub fn verify_trailer(
    registry: &Registry,
    request: &RequestHeader,
    answer: &Digest,
    header: &[u8],
    seal: &Seal,
    memory: Option<(&SealMemory, u64)>,
) -> Result<TrailerHeader, AnswerFault> {
    let trailer = TrailerHeader::open(header).map_err(|_| AnswerFault::Malformed)?;
    let by = &request.provider;
    verify_seal(registry, label::TRAILER, header, seal, by, memory)
        .map_err(|_| AnswerFault::Seal)?;
    trails(request, answer, &trailer)?;
    Ok(trailer)
}

/// Opens a trailer header and verifies that it ends the chunks of this very request, whose header has the digest
/// `asked`: sealed by a key bound to the consumer's system, of the same exchange and the same header.
///
/// # Errors
/// The refusal's code: `malformed`, those of a seal, `payload_mismatch` for a trailer of something else.
pub fn verify_upload_trailer(
    registry: &Registry,
    request: &RequestHeader,
    asked: &Digest,
    header: &[u8],
    seal: &Seal,
    memory: Option<(&SealMemory, u64)>,
) -> Result<TrailerHeader, Code> {
    let trailer = TrailerHeader::open(header).map_err(|error| code_of(&error))?;
    let by = &request.consumer;
    verify_seal(registry, label::UPLOAD_TRAILER, header, seal, by, memory)?;
    trails(request, asked, &trailer).map_err(|_| Code::PayloadMismatch)?;
    Ok(trailer)
}

/// Whether an opened trailer ends what the header with the digest `began` began: an answer to this request, or the request
/// itself. Who sealed it is not looked at.
///
/// # Errors
/// [`AnswerFault::OtherExchange`].
pub fn trails(
    request: &RequestHeader,
    began: &Digest,
    trailer: &TrailerHeader,
) -> Result<(), AnswerFault> {
    if trailer.exchange_id == request.exchange_id && trailer.begun_by == *began {
        Ok(())
    } else {
        Err(AnswerFault::OtherExchange)
    }
}

/// Opens a dispute header and verifies that a key bound to `consumer` sealed it.
pub fn verify_dispute(
    registry: &Registry,
    header: &[u8],
    seal: &Seal,
    consumer: &SystemId,
) -> Result<DisputeHeader, Code> {
    let dispute = DisputeHeader::open(header).map_err(|error| code_of(&error))?;
    verify_seal(registry, label::DISPUTE, header, seal, consumer, None)?;
    Ok(dispute)
}

/// Opens an event header and verifies that a key bound to its publisher's system sealed it.
///
/// # Errors
/// The refusal's code.
pub fn verify_event(
    registry: &Registry,
    header: &[u8],
    seal: &Seal,
    memory: Option<(&SealMemory, u64)>,
) -> Result<EventHeader, Code> {
    let event = EventHeader::open(header).map_err(|error| code_of(&error))?;
    let by = &event.topic.publisher;
    verify_seal(registry, label::EVENT, header, seal, by, memory)?;
    Ok(event)
}

/// The same of an opened event that the log holds at `index`, for whoever reads it later: a key that counted there counts.
///
/// # Errors
/// The refusal's code.
pub fn verify_recorded_event(
    registry: &Registry,
    (event, header): (&EventHeader, &[u8]),
    seal: &Seal,
    index: u64,
) -> Result<(), Code> {
    let open = seal.open().map_err(|_| Code::BadSeal)?;
    let key = registry.key(&open.kid()).ok_or(Code::WrongSigner)?;
    if key.system != event.topic.publisher || key.index > index {
        return Err(Code::WrongSigner);
    }
    if key.ended.as_ref().is_some_and(|(end, _)| *end < index) {
        return Err(Code::KeyEnded);
    }
    open.verify(label::EVENT, registry.origin(), header, &key.key, None)
        .map_err(|_| Code::BadSeal)
}

/// Opens a subscription header and verifies that a key bound to its subscriber's system sealed it.
///
/// # Errors
/// The refusal's code.
pub fn verify_subscription(
    registry: &Registry,
    header: &[u8],
    seal: &Seal,
) -> Result<SubscriptionHeader, Code> {
    let opened = SubscriptionHeader::open(header).map_err(|error| code_of(&error))?;
    let by = &opened.subscriber;
    verify_seal(registry, label::SUBSCRIPTION, header, seal, by, None)?;
    Ok(opened)
}

/// Opens the end of a subscription and verifies that a key bound to its subscriber's system sealed it.
///
/// # Errors
/// The refusal's code.
pub fn verify_subscription_end(
    registry: &Registry,
    header: &[u8],
    seal: &Seal,
) -> Result<SubscriptionEndHeader, Code> {
    let opened = SubscriptionEndHeader::open(header).map_err(|error| code_of(&error))?;
    let by = &opened.subscriber;
    verify_seal(registry, label::SUBSCRIPTION_END, header, seal, by, None)?;
    Ok(opened)
}

/// Opens the receipt of an event and verifies that a key bound to `subscriber` sealed it.
///
/// # Errors
/// The refusal's code.
pub fn verify_event_receipt(
    registry: &Registry,
    header: &[u8],
    seal: &Seal,
    subscriber: &SystemId,
    memory: Option<(&SealMemory, u64)>,
) -> Result<EventReceiptHeader, Code> {
    let opened = EventReceiptHeader::open(header).map_err(|error| code_of(&error))?;
    verify_seal(
        registry,
        label::EVENT_RECEIPT,
        header,
        seal,
        subscriber,
        memory,
    )?;
    Ok(opened)
}

/// Opens a hold and verifies that the authority key of its agency sealed it.
///
/// # Errors
/// The refusal's code.
pub fn verify_hold(registry: &Registry, header: &[u8], seal: &Seal) -> Result<Hold, Code> {
    let hold = Hold::open(header).map_err(|error| code_of(&error))?;
    let key = authority_key(registry, &hold.agency)?;
    verify_by(registry, label::HOLD, header, seal, key)?;
    Ok(hold)
}

/// Opens an erasure and verifies its seal: by a key bound to the system whose payloads are gone, or by the agency's
/// authority key for subject keys.
///
/// # Errors
/// The refusal's code.
pub fn verify_erasure(registry: &Registry, header: &[u8], seal: &Seal) -> Result<Erasure, Code> {
    let erasure = Erasure::open(header).map_err(|error| code_of(&error))?;
    match &erasure.erased {
        Erased::Payloads(system, _) => {
            verify_seal(registry, label::ERASURE, header, seal, system, None)?;
        }
        Erased::SubjectKeys(_) => {
            let key = authority_key(registry, &erasure.agency)?;
            verify_by(registry, label::ERASURE, header, seal, key)?;
        }
    }
    Ok(erasure)
}

/// Opens a review and verifies that the authority key of its agency sealed it. Whether what it names waits for it, and
/// was asked of that agency, [`crate::reviews::Reviews`] judges.
///
/// # Errors
/// The refusal's code.
pub fn verify_review(registry: &Registry, header: &[u8], seal: &Seal) -> Result<Review, Code> {
    let review = Review::open(header).map_err(|error| code_of(&error))?;
    let key = authority_key(registry, &review.agency)?;
    verify_by(registry, label::REVIEW, header, seal, key)?;
    Ok(review)
}

/// An agency's authority key.
fn authority_key<'a>(registry: &'a Registry, agency: &AgencyId) -> Result<&'a PublicKey, Code> {
    let known = registry.agency(agency).ok_or(Code::WrongSigner)?;
    Ok(&known.authority_key)
}

fn verify_by(
    registry: &Registry,
    label: &str,
    header: &[u8],
    seal: &Seal,
    key: &PublicKey,
) -> Result<(), Code> {
    let open = seal.open().map_err(|_| Code::BadSeal)?;
    if open.kid() != key.kid() {
        return Err(Code::WrongSigner);
    }
    open.verify(label, registry.origin(), header, key, None)
        .map_err(|_| Code::BadSeal)
}

fn verify_seal(
    registry: &Registry,
    label: &str,
    header: &[u8],
    seal: &Seal,
    system: &SystemId,
    memory: Option<(&SealMemory, u64)>,
) -> Result<(), Code> {
    let open = seal.open().map_err(|_| Code::BadSeal)?;
    let key = registry.seal_key(&open.kid(), system)?;
    open.verify(label, registry.origin(), header, &key.key, memory)
        .map_err(|_| Code::BadSeal)
}

/// The refusal code of a header that cannot be opened.
pub fn code_of(error: &HeaderError) -> Code {
    match error {
        HeaderError::Malformed(_) => Code::Malformed,
        HeaderError::UnknownVersion(_) => Code::UnknownVersion,
        HeaderError::TooLarge { .. } => Code::TooLarge,
    }
}

/// A request as it was received, for judging its answer.
#[derive(Clone, Copy, Debug)]
pub struct SealedRequest<'a> {
    /// The header's bytes.
    pub header: &'a [u8],
    /// The header, opened.
    pub opened: &'a RequestHeader,
    /// Its seal.
    pub seal: &'a Seal,
}
