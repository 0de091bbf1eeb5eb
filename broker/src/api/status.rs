//! What the registry's services say when they say no: gRPC status, stable word, sentence, remedy.
//!
//! The only file that names gRPC codes for acts. No wildcard arm over the fold's refusals: a new one does not
//! compile until someone chose its code, its word and its remedy. Two texts, never one: the caller gets these,
//! the switch's own trace gets the cause.

use std::collections::HashMap;
use std::time::Duration;

use audit::log::{AppendError, LogError};
use certs::authority::AuthorityError;
use proto::canonical::HeaderError;
use proto::refusal::{Code as Refusal, Language};
use proto::registry::FoldError;
use proto::reviews::ReviewFault;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::roles::Denied;
use crate::registry::SubmitError;
use crate::registry::issuing::IssueError;

mod border;

const DOMAIN: &str = "mohawel";
/// When to come again after a refusal that passes by itself.
const RETRY: Duration = Duration::from_secs(1);

/// A refusal: `reason` is the stable word, the message is sentence and remedy.
fn refused(code: Code, reason: &str, sentence: &str, remedy: &str) -> Status {
    let metadata = HashMap::from([("remedy_en".to_owned(), remedy.to_owned())]);
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, metadata);
    if code == Code::ResourceExhausted {
        details.set_retry_info(Some(RETRY));
    }
    Status::with_error_details(code, message(sentence, remedy), details)
}

fn message(sentence: &str, remedy: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    let mut letters = sentence.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}. {remedy}", letters.as_str())
}

fn by_code(code: Code, refusal: Refusal) -> Status {
    refused(
        code,
        refusal.name(),
        refusal.sentence(Language::English),
        refusal.remedy(Language::English),
    )
}

/// No certificate where one is needed, or one that names nobody in the registry.
pub(super) fn unknown_peer() -> Status {
    by_code(Code::Unauthenticated, Refusal::UnknownPeer)
}

/// The peer may not call this.
pub(super) fn denied(denied: Denied) -> Status {
    match denied {
        Denied::Nobody(Refusal::AgencySuspended) => {
            by_code(Code::PermissionDenied, Refusal::AgencySuspended)
        }
        Denied::Nobody(code) => by_code(Code::Unauthenticated, code),
        Denied::Role { role, rpc } => wrong_signer(
            &format!("{} is not for the role {role}", rpc.path()),
            "docs/operating.md lists who may call what; connect with the certificate of such a role.",
        ),
    }
}

/// The peer may not do this.
pub(super) fn wrong_signer(sentence: &str, remedy: &str) -> Status {
    refused(
        Code::PermissionDenied,
        Refusal::WrongSigner.name(),
        sentence,
        remedy,
    )
}

/// The message is not what it must be.
pub(super) fn malformed(sentence: &str) -> Status {
    refused(
        Code::InvalidArgument,
        Refusal::Malformed.name(),
        sentence,
        "Compare your bytes with the worked example in docs/protocol.md.",
    )
}

/// Too many at once.
pub(super) fn rate_limited() -> Status {
    by_code(Code::ResourceExhausted, Refusal::RateLimited)
}

/// Sizes that are not published.
pub(super) fn not_published(published: u64) -> Status {
    refused(
        Code::OutOfRange,
        "not_published",
        &format!("the published checkpoint has {published} entries"),
        "Ask for sizes up to the published one, each not above to_size.",
    )
}

/// The switch is ending.
pub(super) fn draining() -> Status {
    refused(
        Code::Unavailable,
        "draining",
        "the switch is being stopped",
        "Connect again in a moment, to this broker or another.",
    )
}

/// The log cannot be read, or has stopped.
pub(super) fn log(error: &LogError) -> Status {
    tracing::error!(%error, "the log could not answer");
    by_code(Code::Unavailable, Refusal::LogUnavailable)
}

/// An act was not recorded.
pub(super) fn submit(error: &SubmitError) -> Status {
    match error {
        SubmitError::Fold(error) => fold(error),
        SubmitError::Append(AppendError::Full) => {
            by_code(Code::ResourceExhausted, Refusal::Overloaded)
        }
        SubmitError::Append(AppendError::TooLarge(_)) => {
            by_code(Code::InvalidArgument, Refusal::TooLarge)
        }
        SubmitError::Append(_) | SubmitError::Diverged { .. } | SubmitError::Interrupted => {
            tracing::error!(%error, "an act could not be recorded");
            by_code(Code::Unavailable, Refusal::LogUnavailable)
        }
    }
}

/// A hold, an erasure or a review whose seal does not hold.
pub(super) fn not_sealed(code: Refusal) -> Status {
    let grpc = match code {
        Refusal::Malformed | Refusal::UnknownVersion | Refusal::TooLarge => Code::InvalidArgument,
        _ => Code::PermissionDenied,
    };
    by_code(grpc, code)
}

/// A review of what does not wait for it.
pub(super) fn not_waiting(fault: &ReviewFault) -> Status {
    let remedy = "List what waits with `mohawel review list`; the first review of each counts.";
    let (code, sentence) = (Code::FailedPrecondition, fault.to_string());
    refused(code, "not_waiting", &sentence, remedy)
}

/// A certificate was not issued.
pub(super) fn issue(error: &IssueError) -> Status {
    match error {
        IssueError::Submit(error) => submit(error),
        IssueError::Authority(AuthorityError::Request(error)) => refused(
            Code::InvalidArgument,
            "bad_request",
            &format!("the certificate request was refused: {error}"),
            "Make a PKCS#10 request with a P-256 key that you hold, and ask for no extension.",
        ),
        IssueError::Authority(_) | IssueError::Clock | IssueError::Serial => {
            tracing::error!(%error, "a certificate could not be issued");
            refused(
                Code::Unavailable,
                "authority_unavailable",
                "the switch's certificate authority cannot issue now",
                "Tell the operator; then send the same request again.",
            )
        }
    }
}

/// The fold refuses an act.
pub(super) fn fold(error: &FoldError) -> Status {
    let (code, reason, remedy) = explained(error);
    refused(code, reason, &error.to_string(), remedy)
}

/// Code, stable word and remedy of each of the fold's refusals.
#[expect(
    clippy::too_many_lines,
    reason = "one table; in two it could not be read at a glance"
)]
fn explained(error: &FoldError) -> (Code, &'static str, &'static str) {
    use Code::{
        AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied,
        Unauthenticated,
    };
    const AGENCY_KEY: &str =
        "Seal the act with the agency's authority key, for this switch's origin.";
    const AT_A_START: &str = "Only the switch itself rotates the log's key, at a start.";
    const INVITE: &str = "Ask the operator for a new invitation.";
    match error {
        FoldError::Genesis => (
            InvalidArgument,
            "genesis",
            "A log keeps the genesis it was founded with.",
        ),
        FoldError::NotRegistry => (
            InvalidArgument,
            "not_registry",
            "Send an act of a kind that belongs to the registry.",
        ),
        FoldError::Header(HeaderError::TooLarge { .. }) => (
            InvalidArgument,
            "too_large",
            "Make the act smaller; docs/protocol.md lists the limits.",
        ),
        FoldError::Header(HeaderError::UnknownVersion(_)) => (
            InvalidArgument,
            "unknown_version",
            "Use version 1, or ask the operator when the switch is upgraded.",
        ),
        FoldError::Header(HeaderError::Malformed(_)) | FoldError::Entry(_) => (
            InvalidArgument,
            "malformed",
            "Compare your bytes with the worked example in docs/protocol.md.",
        ),
        FoldError::Seal(_) => (Unauthenticated, "bad_seal", AGENCY_KEY),
        FoldError::Unsealed => (Unauthenticated, "unsealed", AGENCY_KEY),
        FoldError::NotOperator => (
            PermissionDenied,
            "not_operator",
            "Seal the act with a key that the genesis names as an operator's.",
        ),
        FoldError::OtherInstance(_) => border::OTHER_INSTANCE,
        FoldError::NameTaken(_) => (
            AlreadyExists,
            "name_taken",
            "Choose a name that nobody has, in whatever case.",
        ),
        FoldError::TokenUsed => (FailedPrecondition, "token_used", INVITE),
        FoldError::NotInvited => (
            PermissionDenied,
            "not_invited",
            "Check the token and the agency's name, or ask the operator.",
        ),
        FoldError::InvitationExpired => (FailedPrecondition, "invitation_expired", INVITE),
        FoldError::OtherSwitch => (
            InvalidArgument,
            "other_switch",
            "Make the act anew with this switch's origin and genesis digest.",
        ),
        FoldError::KeyReused => (
            AlreadyExists,
            "key_reused",
            "Make a new key; each is bound once, to one thing.",
        ),
        FoldError::NoPossession => (
            Unauthenticated,
            "no_possession",
            "Let the new key itself sign the binding's proof of possession.",
        ),
        FoldError::LogKey(_) => (FailedPrecondition, "log_key", AT_A_START),
        FoldError::UnknownApplication => (
            NotFound,
            "unknown_application",
            "`mohawel agency applications` lists those that wait.",
        ),
        FoldError::TooManyApplications => (
            FailedPrecondition,
            "too_many_applications",
            "Ask the operator to decide the older ones, then apply again.",
        ),
        FoldError::OtherAuthority => (
            PermissionDenied,
            "other_authority",
            "Enrol with the authority key that the application named.",
        ),
        FoldError::NotApproved => (
            FailedPrecondition,
            "not_approved",
            "Wait until a second operator approves; `mohawel approval list` shows what waits.",
        ),
        FoldError::NothingWaits => (
            NotFound,
            "nothing_waits",
            "`mohawel approval list` shows what waits for a second seal.",
        ),
        FoldError::SamePerson => (
            PermissionDenied,
            "same_person",
            "Let another operator or an approver put the second seal.",
        ),
        FoldError::Suspended(_) => (
            PermissionDenied,
            "agency_suspended",
            "Ask the operators why the agency is suspended.",
        ),
        FoldError::SystemEnded(_) => (
            FailedPrecondition,
            "system_ended",
            "Choose another name for the system.",
        ),
        FoldError::UnknownCertificate => (
            NotFound,
            "unknown_certificate",
            "`mohawel certs list` shows the certificates in use.",
        ),
        FoldError::UnknownService(_) => (
            NotFound,
            "unknown_service",
            "`mohawel service list` shows services and operations.",
        ),
        FoldError::UnknownPurpose(_) => (
            FailedPrecondition,
            "unknown_purpose",
            "`mohawel purpose list` shows the catalogue; an operator adds to it.",
        ),
        FoldError::NoReplacement => (
            NotFound,
            "no_replacement",
            "`mohawel agency show` tells whether a replacement is under way.",
        ),
        FoldError::ReplacementUnderWay => (
            AlreadyExists,
            "replacement_under_way",
            "Wait for it, or let the agency object to it.",
        ),
        FoldError::LastOperator => (
            FailedPrecondition,
            "last_operator",
            "Give another person the role first.",
        ),
        FoldError::Replayed => (
            AlreadyExists,
            "replayed",
            "Seal a new act if it shall be done again.",
        ),
        FoldError::NoChange => (AlreadyExists, "no_change", "Nothing needs to be done."),
        FoldError::Border(fault) => border::explained(fault),
        FoldError::Widens(_) => (
            PermissionDenied,
            "widens",
            "Hand on no more than is held; `mohawel agreement show` says what that is.",
        ),
        FoldError::UnknownDelegation => (
            NotFound,
            "unknown_delegation",
            "`mohawel agreement show` lists the delegations in force.",
        ),
        FoldError::NotSuperseding => (
            FailedPrecondition,
            "not_superseding",
            "Name an active agreement between the same two, which no other one supersedes.",
        ),
        FoldError::UnknownKey => (
            NotFound,
            "unknown_key",
            "Name a key of this system that is bound and not ended.",
        ),
        FoldError::UnknownAgency(_) => (
            NotFound,
            "unknown_agency",
            "Enrol the agency first, or check its name.",
        ),
        FoldError::UnknownSystem(_) => (
            NotFound,
            "unknown_system",
            "Bind a key to the system first, or check its name.",
        ),
        FoldError::UnknownAgreement => (
            NotFound,
            "unknown_agreement",
            "Propose the agreement first, or check its id.",
        ),
        FoldError::NotParty(_) => (
            PermissionDenied,
            "not_party",
            "Only the agencies that the agreement names can do this.",
        ),
        FoldError::OutOfOrder => (
            FailedPrecondition,
            "out_of_order",
            "Read where the agreement stands, and make the act anew after its latest act.",
        ),
        FoldError::OlderService(_) => (
            FailedPrecondition,
            "older_service",
            "Publish again with a later issued-at time.",
        ),
        FoldError::NoCertificate => (
            InvalidArgument,
            "no_certificate",
            "The switch records certificates itself.",
        ),
    }
}
