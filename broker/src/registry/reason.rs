//! What the fold's refusals are called on the wire, and what whoever sent the act does next.
//!
//! No wildcard arm: a new refusal of the fold does not compile until someone named it here.

use proto::canonical::HeaderError;
use proto::registry::FoldError;

/// The stable word for `error`, and one sentence that says what to do next.
pub(crate) fn reason(error: &FoldError) -> (&'static str, &'static str) {
    match error {
        FoldError::Genesis => ("genesis", "Found a new log with `mohawel init`; an existing one keeps its genesis."),
        FoldError::NotRegistry => ("not_registry", "Send an act of a kind that belongs to the registry."),
        FoldError::Header(HeaderError::TooLarge { .. }) => {
            ("too_large", "Make the act smaller; docs/protocol.md lists the limits.")
        }
        FoldError::Header(HeaderError::UnknownVersion(_)) => {
            ("unknown_version", "Use version 1, or ask the operator when the switch is upgraded.")
        }
        FoldError::Header(HeaderError::Malformed(_)) | FoldError::Entry(_) => {
            ("malformed", "Compare your bytes with the worked example in docs/protocol.md.")
        }
        FoldError::Seal(_) => ("bad_seal", "Seal the act with the agency's authority key, for this switch's origin."),
        FoldError::Unsealed => ("unsealed", "Seal the act with the agency's authority key."),
        FoldError::NotOperator => ("not_operator", "Seal the act with a key that the genesis names as an operator's."),
        FoldError::OtherInstance(_) => ("other_instance", "Use the instance that `Describe` gives."),
        FoldError::NameTaken(_) => ("name_taken", "Choose a name that nobody has, in whatever case."),
        FoldError::TokenUsed => ("token_used", "Ask the operator for a new invitation."),
        FoldError::NotInvited => ("not_invited", "Check the token and the agency's name, or ask the operator for an invitation."),
        FoldError::InvitationExpired => ("invitation_expired", "Ask the operator for a new invitation."),
        FoldError::OtherSwitch => ("other_switch", "Make the act anew with this switch's origin and genesis digest."),
        FoldError::KeyReused => ("key_reused", "Make a new key; each key is bound once, to one thing."),
        FoldError::NoPossession => ("no_possession", "Let the new key itself sign the binding's proof of possession."),
        FoldError::UnknownKey => ("unknown_key", "Name a key of this system that is bound and not ended."),
        FoldError::UnknownAgency(_) => ("unknown_agency", "Enrol the agency first, or check its name."),
        FoldError::UnknownSystem(_) => ("unknown_system", "Bind a key to the system first, or check its name."),
        FoldError::UnknownAgreement => ("unknown_agreement", "Propose the agreement first, or check its id."),
        FoldError::NotParty(_) => ("not_party", "Only the agencies that the agreement names can do this."),
        FoldError::OutOfOrder => ("out_of_order", "Read where the agreement stands, and make the act anew after its latest act."),
        FoldError::OlderService(_) => ("older_service", "Publish again with a later issued-at time."),
        FoldError::NoCertificate => ("no_certificate", "Nothing to be done by a member: the switch records certificates itself."),
    }
}
