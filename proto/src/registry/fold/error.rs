//! Why an act may not stand.

use thiserror::Error;

use crate::canonical::HeaderError;
use crate::entry::EntryError;
use crate::id::{AgencyId, Part, ServiceId, SystemId};
use crate::seal::SealError;

/// Why an act may not stand in the registry.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FoldError {
    /// Genesis is entry 0, once.
    #[error("genesis is the first registry entry and stands there once")]
    Genesis,
    /// Not a registry entry.
    #[error("this kind of entry does not belong to the registry")]
    NotRegistry,
    /// The header is malformed.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The entry is malformed.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The seal does not hold.
    #[error("the act is not sealed by the key that may do this: {0}")]
    Seal(#[from] SealError),
    /// There is no seal.
    #[error("the act carries no seal")]
    Unsealed,
    /// Not one of the operators.
    #[error("the act is not sealed by one of the switch's operators")]
    NotOperator,
    /// A name of another instance.
    #[error("{0} belongs to another instance than this switch")]
    OtherInstance(AgencyId),
    /// The name, or one that differs only in case, is in use.
    #[error("the name '{0}' is in use, in this or another case")]
    NameTaken(String),
    /// The token was used before.
    #[error("the invitation's token was used before; ask the operator for a new one")]
    TokenUsed,
    /// No invitation for this agency and token.
    #[error("there is no invitation for this agency with this token")]
    NotInvited,
    /// Too late.
    #[error("the invitation has expired; ask the operator for a new one")]
    InvitationExpired,
    /// For another switch.
    #[error("this was made for another switch")]
    OtherSwitch,
    /// The key is bound already.
    #[error("this key is bound already; a key is never used for two things or twice")]
    KeyReused,
    /// The new key did not prove itself.
    #[error("the new key has not proved that its holder asked for the binding")]
    NoPossession,
    /// The log's next key may not come like this.
    #[error(transparent)]
    LogKey(#[from] LogKeyFault),
    /// No such key of that system.
    #[error("no such key of this system is in use")]
    UnknownKey,
    /// No such agency.
    #[error("{0} is not a registered agency")]
    UnknownAgency(AgencyId),
    /// No such system.
    #[error("{0} is not a system with a bound key")]
    UnknownSystem(SystemId),
    /// No such agreement.
    #[error("there is no such agreement")]
    UnknownAgreement,
    /// Neither consumer nor provider.
    #[error("{0} is not a party that may do this")]
    NotParty(AgencyId),
    /// The agreement is not in a state for this step, or the step does not follow its latest act.
    #[error("the act does not follow from where the agreement stands")]
    OutOfOrder,
    /// The publication is not newer than the one that counts.
    #[error("{0} has a publication that is as new or newer")]
    OlderService(ServiceId),
    /// Certificate facts are missing or not alone.
    #[error("a certificate entry holds the facts of one certificate and nothing else")]
    NoCertificate,
    /// Not named by an application that waits.
    #[error("there is no such application that waits for a decision")]
    UnknownApplication,
    /// Too many wait.
    #[error("too many applications wait for a decision; ask the operator, then apply again")]
    TooManyApplications,
    /// Another authority key than the one that was approved.
    #[error("the invitation is for another authority key than the one that enrols")]
    OtherAuthority,
    /// A second operator has not approved it.
    #[error("a second operator has not approved this yet")]
    NotApproved,
    /// No act waits under this digest.
    #[error("no act of an operator waits under this digest for a second seal")]
    NothingWaits,
    /// The same person or key on both seals.
    #[error("the second seal must be another person's with another key")]
    SamePerson,
    /// The agency is suspended.
    #[error("{0} is suspended; it can revoke and end, and nothing else")]
    Suspended(AgencyId),
    /// The system is over.
    #[error("{0} was ended; its name is not used again")]
    SystemEnded(SystemId),
    /// No such certificate in use.
    #[error("no such certificate of this agency is in use")]
    UnknownCertificate,
    /// No such service or operation.
    #[error("{0} publishes no such service or operation")]
    UnknownService(SystemId),
    /// The purpose is not in the catalogue.
    #[error("the purpose '{0}' is not in the switch's catalogue, or was ended there")]
    UnknownPurpose(Part),
    /// Nothing replaces the authority key.
    #[error("no replacement of this agency's authority key is under way")]
    NoReplacement,
    /// A replacement is under way already.
    #[error("a replacement of this agency's authority key is under way already")]
    ReplacementUnderWay,
    /// The last one of its kind.
    #[error("at least one operator must stay, and two where the policy asks for two")]
    LastOperator,
    /// It stands in the log already.
    #[error("this very act stands in the log already; seal a new one")]
    Replayed,
    /// It changes nothing.
    #[error("this is how it is already")]
    NoChange,
    /// Hands on more than is held.
    #[error("a delegation can only narrow: {0}")]
    Widens(&'static str),
    /// No such delegation.
    #[error("there is no such delegation of this agreement, or it has ended")]
    UnknownDelegation,
    /// Not like this across the border.
    #[error(transparent)]
    Border(#[from] BorderFault),
    /// Not between the same two.
    #[error("an agreement supersedes an active one between the same parties")]
    NotSuperseding,
}

/// Why the log's next key may not stand.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LogKeyFault {
    /// Not the log key that signs now.
    #[error("the log's key that this would follow is not the one that signs now")]
    NotTheNewest,
    /// It names another place than its own.
    #[error("the log's next key names another place in the log than its entry's")]
    OutOfPlace,
    /// Two keys sign, and a third was to come.
    #[error(
        "the log's key was followed already, and both still sign until {until_ms} ms; rotate after that"
    )]
    Overlap {
        /// Unix time, milliseconds.
        until_ms: u64,
    },
    /// The two keys would sign side by side for too long.
    #[error("two log keys may sign side by side for 400 days at most")]
    OverlapTooLong,
}

/// Why something may not be done at the border.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BorderFault {
    /// The agency's instance was withdrawn.
    #[error("the instance of {0} was withdrawn; its agencies can revoke and end, and nothing else")]
    Withdrawn(AgencyId),
    /// No such instance is admitted.
    #[error("the instance {0} is not admitted to this switch")]
    NotAdmitted(Part),
    /// Provider and instance are on the same side.
    #[error("the provider belongs to that instance itself: there is no border to open")]
    NoBorder,
    /// Opens more than is granted.
    #[error("what is opened abroad can only be part of the agreement: {0}")]
    Widens(&'static str),
    /// No such opening.
    #[error("nothing is open abroad under this digest, or it was ended")]
    UnknownOpening,
}
