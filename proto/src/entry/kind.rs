//! The kinds of entries: the first byte of each, its name, and what is common to some of them.

use super::EntryError;
use crate::limits;

/// What an entry records. The number is the entry's first byte and never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Entry 0: origin, log key, authority roots, first operators. A registry entry.
    Genesis = 1,
    /// A broker start: previous size and root, version. Not a registry entry.
    Epoch = 2,
    /// An operator's invitation of an agency. Registry.
    Invitation = 16,
    /// An agency's enrolment with its authority key. Registry.
    Agency = 17,
    /// A seal key bound to one adapter instance of one system. Registry.
    KeyBound = 18,
    /// A seal key ended. Registry.
    KeyEnded = 19,
    /// A TLS certificate issued by the switch's authority. Registry.
    Certificate = 20,
    /// A service published. Registry.
    Service = 21,
    /// An act on an agreement. Registry.
    AgreementAct = 22,
    /// An agency's application. Registry.
    Application = 23,
    /// What an operator does to the registry. Registry.
    OperatorAct = 24,
    /// The second seal on an operator's act. Registry.
    Approval = 25,
    /// A seal key followed by another, sealed by the older one. Registry.
    KeySucceeded = 26,
    /// What an agency does to itself. Registry.
    AgencyAct = 27,
    /// The log's key followed by another, sealed by both. Registry.
    LogKeySucceeded = 28,
    /// The key that payloads for a system are sealed to. Registry.
    EncryptionKeyBound = 29,
    /// A request, durable before the provider sees it.
    Request = 32,
    /// The one closing entry of an exchange, durable before the consumer sees the outcome.
    Closing = 33,
    /// A request that the switch refused.
    Refusal = 34,
    /// An answer that came after its exchange was closed. Changes nothing.
    Late = 35,
    /// A consumer's sealed objection to a recorded answer. Changes nothing.
    Dispute = 36,
    /// An answer in chunks begins; durable before the first chunk leaves the switch.
    Opening = 37,
    /// The end of an answer in chunks that is complete; durable before the last chunk leaves. Ends its exchange as a
    /// closing entry does.
    Trailer = 38,
    /// A request whose payload follows in chunks; durable before the provider sees it, as any request.
    Upload = 39,
    /// The end of such a payload, which is complete; durable before its last chunk leaves the switch. Ends nothing: the
    /// answer is still to come.
    UploadTrailer = 40,
    /// Something happened, and its publisher tells; durable before the publisher hears so.
    Event = 45,
    /// A system wants to be told.
    Subscription = 46,
    /// What became of an event with one subscriber: taken or refused under its seal, or given up by the switch.
    EventOutcome = 47,
    /// Somebody reads entries; durable before the first is given out.
    Access = 48,
    /// A party's sealed delay of what a person's own record shows.
    Hold = 49,
    /// A sealed statement that payloads, salts or subject keys were destroyed.
    Erasure = 50,
    /// The switch starts under another witness policy.
    Witnesses = 51,
    /// The agency that was asked looked at exchanges in which the glass was broken.
    Review = 52,
    /// An instance abroad admitted or withdrawn, or operations opened to one. Registry.
    BorderAct = 53,
    /// A subscription ended: by its subscriber's seal, or because it is not permitted any more.
    SubscriptionEnd = 54,
}

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 35] = [
        Self::Genesis,
        Self::Epoch,
        Self::Invitation,
        Self::Agency,
        Self::KeyBound,
        Self::KeyEnded,
        Self::Certificate,
        Self::Service,
        Self::AgreementAct,
        Self::Application,
        Self::OperatorAct,
        Self::Approval,
        Self::KeySucceeded,
        Self::AgencyAct,
        Self::LogKeySucceeded,
        Self::EncryptionKeyBound,
        Self::Request,
        Self::Closing,
        Self::Refusal,
        Self::Late,
        Self::Dispute,
        Self::Opening,
        Self::Trailer,
        Self::Upload,
        Self::UploadTrailer,
        Self::Event,
        Self::Subscription,
        Self::EventOutcome,
        Self::Access,
        Self::Hold,
        Self::Erasure,
        Self::Witnesses,
        Self::Review,
        Self::BorderAct,
        Self::SubscriptionEnd,
    ];

    /// Reads the entry's first byte. An unknown kind is an error: refuse to guess.
    pub fn from_byte(byte: u8) -> Result<Self, EntryError> {
        Self::ALL
            .into_iter()
            .find(|kind| *kind as u8 == byte)
            .ok_or(EntryError::UnknownKind(byte))
    }

    /// Whether this entry is also a leaf of the registry tree.
    pub fn is_registry(self) -> bool {
        matches!(
            self,
            Self::Genesis
                | Self::Invitation
                | Self::Agency
                | Self::KeyBound
                | Self::KeyEnded
                | Self::Certificate
                | Self::Service
                | Self::AgreementAct
                | Self::Application
                | Self::OperatorAct
                | Self::Approval
                | Self::KeySucceeded
                | Self::AgencyAct
                | Self::LogKeySucceeded
                | Self::EncryptionKeyBound
                | Self::BorderAct
        )
    }

    /// The word that people and machines read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Epoch => "epoch",
            Self::Invitation => "invitation",
            Self::Agency => "agency",
            Self::KeyBound => "key_bound",
            Self::KeyEnded => "key_ended",
            Self::Certificate => "certificate",
            Self::Service => "service",
            Self::AgreementAct => "agreement_act",
            Self::Application => "application",
            Self::OperatorAct => "operator_act",
            Self::Approval => "approval",
            Self::KeySucceeded => "key_succeeded",
            Self::AgencyAct => "agency_act",
            Self::LogKeySucceeded => "log_key_succeeded",
            Self::EncryptionKeyBound => "encryption_key_bound",
            Self::Request => "request",
            Self::Closing => "closing",
            Self::Refusal => "refusal",
            Self::Late => "late",
            Self::Dispute => "dispute",
            Self::Opening => "opening",
            Self::Trailer => "trailer",
            Self::Upload => "upload",
            Self::UploadTrailer => "upload_trailer",
            Self::Event => "event",
            Self::Subscription => "subscription",
            Self::EventOutcome => "event_outcome",
            Self::SubscriptionEnd => "subscription_end",
            Self::Access => "access",
            Self::Hold => "hold",
            Self::Erasure => "erasure",
            Self::Witnesses => "witnesses",
            Self::Review => "review",
            Self::BorderAct => "border_act",
        }
    }

    /// Whether it is of an exchange: its facts are those of one.
    pub fn is_exchange(self) -> bool {
        matches!(
            self,
            Self::Request
                | Self::Closing
                | Self::Refusal
                | Self::Late
                | Self::Dispute
                | Self::Opening
                | Self::Trailer
                | Self::Upload
                | Self::UploadTrailer
        )
    }

    /// Whether it is about events: its facts are those of one.
    pub fn is_event(self) -> bool {
        matches!(
            self,
            Self::Event | Self::Subscription | Self::EventOutcome | Self::SubscriptionEnd
        )
    }

    /// Whether it is a permitted request: with its payload, or with chunks that follow.
    pub fn asks(self) -> bool {
        matches!(self, Self::Request | Self::Upload)
    }

    /// Whether its header is a request's: of one that was permitted, or refused.
    pub fn holds_request(self) -> bool {
        self.asks() || self == Self::Refusal
    }

    /// Whether it ends the exchange whose request it names.
    pub fn ends(self) -> bool {
        matches!(self, Self::Closing | Self::Trailer)
    }

    /// Whether it says who looked after the log and how, and is neither of the registry nor of an exchange.
    pub fn is_oversight(self) -> bool {
        matches!(
            self,
            Self::Access | Self::Hold | Self::Erasure | Self::Witnesses | Self::Review
        )
    }

    /// The largest entry of this kind, bytes.
    pub fn bytes_max(self) -> usize {
        if self.is_registry() {
            limits::REGISTRY_ENTRY_BYTES_MAX
        } else {
            limits::ENTRY_BYTES_MAX
        }
    }
}
