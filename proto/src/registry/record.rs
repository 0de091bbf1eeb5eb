//! What the registry remembers of each thing, with the log index that made it so.

use crate::act::{AgreementContent, Invitation, ServiceDefinition, Step};
use crate::digest::Digest;
use crate::id::{AgencyId, Part, SystemId};
use crate::key::PublicKey;

/// An invitation and whether it was used.
#[derive(Clone, Debug)]
pub struct InvitationRecord {
    /// As sealed by the operator.
    pub invitation: Invitation,
    /// The operator's name.
    pub operator: Part,
    /// Log index of the invitation.
    pub index: u64,
    /// Log index of the enrolment that used it.
    pub used: Option<u64>,
}

/// A registered agency.
#[derive(Clone, Debug)]
pub struct Agency {
    /// Its name.
    pub id: AgencyId,
    /// Shown to people.
    pub name_ar: String,
    /// Shown to people.
    pub name_en: String,
    /// Seals everything that binds it.
    pub authority_key: PublicKey,
    /// Log index of its enrolment.
    pub index: u64,
}

/// A system: it exists from its first key on.
#[derive(Clone, Debug)]
pub struct System {
    /// Its name.
    pub id: SystemId,
    /// Log index of its first key binding.
    pub index: u64,
    /// Keys bound to it, ended ones included, in order.
    pub keys: Vec<Digest>,
}

/// A seal key bound to one adapter of one system.
#[derive(Clone, Debug)]
pub struct BoundKey {
    /// The key.
    pub key: PublicKey,
    /// The system it speaks for.
    pub system: SystemId,
    /// The adapter instance that holds it.
    pub adapter: Part,
    /// Log index of the binding.
    pub index: u64,
    /// Log index of its end, and the reason.
    pub ended: Option<(u64, Part)>,
}

/// A TLS certificate that the switch's authority issued.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The SPIFFE URI inside.
    pub uri: String,
    /// SHA-256 of the certificate.
    pub sha256: Digest,
    /// Unix time, seconds.
    pub not_before: u64,
    /// Unix time, seconds.
    pub not_after: u64,
    /// Log index.
    pub index: u64,
}

/// A published service.
#[derive(Clone, Debug)]
pub struct Service {
    /// As sealed by its agency.
    pub definition: ServiceDefinition,
    /// What requests name as `contract`.
    pub contract: Digest,
    /// Log index of the publication that counts.
    pub index: u64,
}

/// Where an agreement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgreementState {
    /// Sealed by one party.
    Proposed,
    /// Sealed by both, or public.
    Active,
    /// Ended by one of them, for good.
    Revoked,
}

impl AgreementState {
    /// The word in pages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Active => "active",
            Self::Revoked => "revoked",
        }
    }
}

/// An agreement and everything done to it.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// SHA-256 of the content.
    pub id: Digest,
    /// What was agreed.
    pub content: AgreementContent,
    /// Where it stands.
    pub state: AgreementState,
    /// In order; the first is the proposal.
    pub acts: Vec<RecordedAct>,
}

impl Agreement {
    /// The id of the latest act: what the next one names as `previous`.
    pub fn last_act(&self) -> Digest {
        self.acts.last().map(|act| act.id).unwrap_or_default()
    }
}

/// One act on an agreement.
#[derive(Clone, Debug)]
pub struct RecordedAct {
    /// SHA-256 of the act's header.
    pub id: Digest,
    /// What was done.
    pub step: Step,
    /// Who did it.
    pub agency: AgencyId,
    /// Unix time, milliseconds, when it was recorded.
    pub recorded_at_ms: u64,
    /// Log index.
    pub index: u64,
}
