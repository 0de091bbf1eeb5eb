//! Replies: how a refusal reads on the wire. The one file that names gRPC and HTTP codes for exchanges.
//!
//! No wildcard arm: a new refusal does not compile until somebody chose its codes. `docs/protocol.md` §5.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use prost::Message;
use proto::Code;
use proto::refusal::Language::{Arabic, English};
use proto::wire::exchange::v1::{CallRefused, CallResponse};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code as Grpc, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::record::Receipt;
use super::refusal::Refused;
use crate::links::LinkEnd;

/// The domain of every reason.
pub const DOMAIN: &str = "mohawel";
/// The trailer that carries an encoded `mohawel.audit.v1.Receipt`.
pub const RECEIPT_TRAILER: &str = "mohawel-receipt-bin";

/// The gRPC status code of a refusal.
#[must_use]
pub fn grpc_code(code: Code) -> Grpc {
    match code {
        Code::Malformed | Code::UnknownVersion | Code::PayloadMismatch | Code::TooLarge => {
            Grpc::InvalidArgument
        }
        Code::UnknownPeer
        | Code::WrongSigner
        | Code::BadSeal
        | Code::KeyEnded
        | Code::CertificateRevoked => Grpc::Unauthenticated,
        Code::Duplicate => Grpc::AlreadyExists,
        Code::Stale
        | Code::NotLogged
        | Code::OperationMismatch
        | Code::SubjectMismatch
        | Code::ContractViolation => Grpc::FailedPrecondition,
        Code::NoAgreement
        | Code::AgreementExpired
        | Code::AgreementRevoked
        | Code::PurposeNotGranted
        | Code::OperationNotGranted
        | Code::FieldNotGranted
        | Code::DelegationBroken
        | Code::EncryptionRequired
        | Code::BorderClosed
        | Code::AgencySuspended => Grpc::PermissionDenied,
        Code::QuotaExceeded | Code::RateLimited | Code::Overloaded => Grpc::ResourceExhausted,
        Code::UnknownService => Grpc::NotFound,
        Code::ProviderOffline
        | Code::ProviderFailed
        | Code::OperationDisabled
        | Code::LogUnavailable => Grpc::Unavailable,
        Code::AnswerInvalid => Grpc::Internal,
        Code::Deadline => Grpc::DeadlineExceeded,
    }
}

/// The HTTP status of a refusal, for gateways.
#[must_use]
pub fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Malformed | Code::UnknownVersion | Code::PayloadMismatch => StatusCode::BAD_REQUEST,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnknownPeer
        | Code::WrongSigner
        | Code::BadSeal
        | Code::KeyEnded
        | Code::CertificateRevoked => StatusCode::UNAUTHORIZED,
        Code::Duplicate => StatusCode::CONFLICT,
        Code::Stale | Code::NotLogged => StatusCode::PRECONDITION_FAILED,
        Code::OperationMismatch | Code::SubjectMismatch | Code::ContractViolation => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Code::NoAgreement
        | Code::AgreementExpired
        | Code::AgreementRevoked
        | Code::PurposeNotGranted
        | Code::OperationNotGranted
        | Code::FieldNotGranted
        | Code::DelegationBroken
        | Code::EncryptionRequired
        | Code::BorderClosed
        | Code::AgencySuspended => StatusCode::FORBIDDEN,
        Code::QuotaExceeded | Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::UnknownService => StatusCode::NOT_FOUND,
        Code::Overloaded
        | Code::ProviderOffline
        | Code::OperationDisabled
        | Code::LogUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::ProviderFailed | Code::AnswerInvalid => StatusCode::BAD_GATEWAY,
        Code::Deadline => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// The statuses of refusals that say nothing but their code. A flood is told the same bytes again and again: they are
/// made once, and HTTP/2 sends them as a reference to its table of headers.
static PLAIN: LazyLock<BTreeMap<Code, Status>> = LazyLock::new(|| {
    let made = |code: &Code| (*code, make(&Refused::unrecorded(*code)));
    Code::ALL.iter().map(made).collect()
});

/// A refusal as a gRPC status: code, sentence and remedy, `ErrorInfo`, `RetryInfo`, and the receipt as a trailer.
#[must_use]
pub fn status(refused: &Refused) -> Status {
    match PLAIN.get(&refused.code) {
        Some(status) if refused.is_plain() => status.clone(),
        _ => make(refused),
    }
}

fn make(refused: &Refused) -> Status {
    let code = refused.code;
    let mut details = ErrorDetails::with_error_info(code.name(), DOMAIN, metadata(refused));
    if let Some(retry_after_ms) = refused.retry_after_ms {
        details.set_retry_info(Some(Duration::from_millis(retry_after_ms)));
    }
    let mut trailers = MetadataMap::new();
    if let Some(receipt) = &refused.receipt {
        let bytes = receipt.to_wire().encode_to_vec();
        trailers.insert_bin(RECEIPT_TRAILER, MetadataValue::from_bytes(&bytes));
    }
    let message = format!("{} {}", code.sentence(English), code.remedy(English));
    Status::with_error_details_and_metadata(grpc_code(code), message, details, trailers)
}

/// An answered exchange as its response.
#[must_use]
pub fn response(receipt: Receipt) -> CallResponse {
    let (answer, closing, request) = receipt.into_parts();
    CallResponse {
        answer: Some(answer.to_wire()),
        receipt: Some(closing.to_wire()),
        request: Some(request),
    }
}

/// A refusal as a message on a stream: the same status, and its receipt beside it.
#[must_use]
pub fn refused(refused: &Refused) -> CallRefused {
    let status = status(refused);
    CallRefused {
        code: status.code().into(),
        message: status.message().to_owned(),
        details: Bytes::copy_from_slice(status.details()),
        receipt: refused.receipt.as_ref().map(|receipt| receipt.to_wire()),
    }
}

/// Why a link ended, as its stream's status.
pub(crate) fn link_status(end: LinkEnd) -> Status {
    let code = match end {
        LinkEnd::NotAttach | LinkEnd::AttachedTwice | LinkEnd::Empty | LinkEnd::Credits => {
            Grpc::InvalidArgument
        }
        LinkEnd::NotReading => Grpc::ResourceExhausted,
        LinkEnd::Stopping => Grpc::Unavailable,
    };
    Status::new(code, end.to_string())
}

fn metadata(refused: &Refused) -> HashMap<String, String> {
    let code = refused.code;
    let mut metadata: HashMap<String, String> = [
        ("sentence_en", code.sentence(English)),
        ("remedy_en", code.remedy(English)),
        ("sentence_ar", code.sentence(Arabic)),
        ("remedy_ar", code.remedy(Arabic)),
        ("recording", refused.recording.name()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            metadata.insert(key.to_owned(), value);
        }
    };
    add("exchange_id", refused.exchange_id.map(|id| id.to_string()));
    add("clause", refused.clause.clone());
    add("agreement", refused.agreement.map(|id| id.to_string()));
    add(
        "grant",
        (refused.grant > 0).then(|| refused.grant.to_string()),
    );
    add("outcome", refused.outcome.map(str::to_owned));
    if let Some(notice) = &refused.notice {
        add("notice_ar", Some(notice.notice_ar.clone()));
        add("notice_en", Some(notice.notice_en.clone()));
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::refusal::Recording;

    #[test]
    fn every_code_reads_as_itself_with_both_languages() {
        for code in Code::ALL {
            let mut refused = Refused::unrecorded(*code);
            refused.recording = Recording::Counted;
            let status = status(&refused);
            assert_eq!(status.code(), grpc_code(*code));
            assert_ne!(status.code(), Grpc::Ok);
            assert!(http_status(*code).is_client_error() || http_status(*code).is_server_error());
            let details = status.get_error_details();
            let info = details.error_info().unwrap();
            assert_eq!(
                (info.reason.as_str(), info.domain.as_str()),
                (code.name(), DOMAIN)
            );
            assert_eq!(info.metadata["remedy_ar"], code.remedy(Arabic));
            assert_eq!(info.metadata["recording"], "counted");
            assert!(status.message().starts_with(code.sentence(English)));
            assert!(status.message().ends_with(code.remedy(English)));
            assert_eq!(
                details.retry_info().is_some(),
                refused.retry_after_ms.is_some()
            );
            assert!(!info.metadata.contains_key("outcome"));
        }
    }

    #[test]
    fn a_flood_is_told_the_same_bytes_and_anything_else_its_own() {
        let plain = Refused::unrecorded(Code::Overloaded);
        let (one, other) = (status(&plain), status(&plain));
        assert_eq!(one.details(), other.details());
        let details = one.get_error_details();
        let retry = details.retry_info().and_then(|retry| retry.retry_delay);
        assert_eq!(retry, Some(Duration::from_secs(1)));
        let mut own = Refused::unrecorded(Code::RateLimited);
        own.retry_after_ms = Some(7);
        let details = status(&own).get_error_details();
        let retry = details.retry_info().and_then(|retry| retry.retry_delay);
        assert_eq!(retry, Some(Duration::from_millis(7)));
    }

    #[test]
    fn what_was_judged_is_named() {
        let mut refused = Refused::unrecorded(Code::FieldNotGranted);
        refused.clause = Some("field income".into());
        refused.agreement = Some(proto::Digest([0xab; 32]));
        refused.grant = 2;
        refused.outcome = Some("open");
        let status = status(&refused);
        let details = status.get_error_details();
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!(metadata["clause"], "field income");
        assert_eq!(metadata["agreement"], "ab".repeat(32));
        assert_eq!(
            (metadata["grant"].as_str(), metadata["outcome"].as_str()),
            ("2", "open")
        );
        assert!(status.metadata().get_bin(RECEIPT_TRAILER).is_none());
    }
}
