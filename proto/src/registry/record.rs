//! What the registry remembers of each thing, with the log index that made it so.

use crate::act::{
    AgreementContent, Application, BorderAct, Delegation, EncryptionKeyBinding, Invitation,
    LogKeySuccession, OpeningAbroad, OperatorAct, PersonRole, Purpose, ServiceDefinition, Step,
};
use crate::digest::Digest;
use crate::id::{AgencyId, Part, SystemId};
use crate::key::PublicKey;
use crate::registry::Act;

/// An invitation and whether it was used.
#[derive(Clone, Debug)]
pub struct InvitationRecord {
    /// As sealed by the operator.
    pub invitation: Invitation,
    /// The operator's name.
    pub operator: Part,
    /// Log index of the invitation.
    pub index: u64,
    /// It needs no second seal, or has it.
    pub approved: bool,
    /// Log index of the enrolment that used it.
    pub used: Option<u64>,
}

/// An application and how it stands.
#[derive(Clone, Debug)]
pub struct ApplicationRecord {
    /// As sealed by the applicant.
    pub application: Application,
    /// Log index.
    pub index: u64,
    /// Unix time, milliseconds, after which nobody can decide it any more.
    pub expires_at_ms: u64,
    /// How it stands.
    pub state: ApplicationState,
}

impl ApplicationRecord {
    /// Whether an operator can still decide it.
    pub fn waits_at(&self, at_ms: u64) -> bool {
        self.state == ApplicationState::Waiting && at_ms < self.expires_at_ms
    }
}

/// How an application stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationState {
    /// Nobody decided yet.
    Waiting,
    /// Its token is invited.
    Approved {
        /// Unix time, milliseconds, until when to enrol.
        enrol_until_ms: u64,
    },
    /// Turned down.
    Rejected {
        /// What the operator said.
        reason: String,
    },
    /// Used.
    Enrolled,
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
    /// Log index of the suspension that lasts, and the reason.
    pub suspended: Option<(u64, String)>,
    /// The most that all its systems may ask in a day (UTC); 0 means no limit.
    pub daily_quota: u64,
    /// The replacement of a lost authority key that is under way.
    pub replacement: Option<Replacement>,
    /// People who may carry its acts with certificates of their own, ascending.
    pub administrators: Vec<Part>,
}

/// A lost authority key on its way to be replaced.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// The new authority key.
    pub key: PublicKey,
    /// SHA-256 of the operators' act, which an objection names.
    pub act: Digest,
    /// Log index of the second seal.
    pub index: u64,
    /// Unix time, milliseconds, from which the new key counts.
    pub due_at_ms: u64,
}

/// A person with a role beside the agencies' own.
#[derive(Clone, Debug)]
pub struct Person {
    /// Which role.
    pub role: PersonRole,
    /// The name in the certificate.
    pub name: Part,
    /// Seals what the person does.
    pub key: Option<PublicKey>,
    /// Log index at which the role was given.
    pub index: u64,
    /// Log index at which it was taken.
    pub ended: Option<u64>,
}

/// A purpose of the catalogue.
#[derive(Clone, Debug)]
pub struct PurposeRecord {
    /// As the catalogue has it now.
    pub purpose: Purpose,
    /// Log index of the entry that made it so.
    pub index: u64,
}

/// An act that waits for its second seal.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What waits.
    pub what: WaitingFor,
    /// Who put the first seal.
    pub operator: Part,
    /// Log index.
    pub index: u64,
    /// Unix time, milliseconds, when it was recorded.
    pub recorded_at_ms: u64,
}

/// What waits for a second seal.
#[derive(Clone, Debug)]
pub enum WaitingFor {
    /// An operator's act.
    Act(OperatorAct),
    /// The invitation with this token's SHA-256.
    Invitation(Digest),
    /// An operator's act at the border.
    Border(BorderAct),
}

impl Waiting {
    pub(super) fn act(operator: &Part, act: Act<'_>, waits: OperatorAct) -> Self {
        Self::new(operator, act, WaitingFor::Act(waits))
    }

    pub(super) fn invitation(operator: &Part, act: Act<'_>, token: Digest) -> Self {
        Self::new(operator, act, WaitingFor::Invitation(token))
    }

    pub(super) fn border(operator: &Part, act: Act<'_>, waits: BorderAct) -> Self {
        Self::new(operator, act, WaitingFor::Border(waits))
    }

    fn new(operator: &Part, act: Act<'_>, what: WaitingFor) -> Self {
        Self {
            what,
            operator: operator.clone(),
            index: act.index,
            recorded_at_ms: act.recorded_at_ms,
        }
    }
}

/// Another instance, whose agencies may be members.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The first part of its agencies' names.
    pub id: Part,
    /// Shown to people.
    pub name_ar: String,
    /// Shown to people.
    pub name_en: String,
    /// The law or treaty it stands on.
    pub legal_basis: String,
    /// Log index of the entry that made it so.
    pub index: u64,
    /// Log index of the withdrawal that lasts, and the reason.
    pub withdrawn: Option<(u64, String)>,
}

impl Instance {
    /// Whether both are admitted with the same texts.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let texts = |one: &Self| {
            let (name_ar, name_en) = (one.name_ar.clone(), one.name_en.clone());
            (name_ar, name_en, one.legal_basis.clone())
        };
        self.withdrawn.is_none() && other.withdrawn.is_none() && texts(self) == texts(other)
    }
}

/// Operations of a grant that the provider opened to another instance.
#[derive(Clone, Debug)]
pub struct Opening {
    /// SHA-256 of the act.
    pub id: Digest,
    /// As the provider sealed it.
    pub opening: OpeningAbroad,
    /// Log index.
    pub index: u64,
    /// Log index of its end before its time, and the reason.
    pub ended: Option<(u64, String)>,
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
    /// Log index of its end, and the reason.
    pub ended: Option<(u64, Part)>,
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
    /// The key that sealed its binding, where that was not the authority key.
    pub follows: Option<Digest>,
    /// Log index of its end, and the reason.
    pub ended: Option<(u64, Part)>,
}

/// What payloads for a system are sealed to.
#[derive(Clone, Debug)]
pub struct EncryptionKeyRecord {
    /// As sealed by its agency.
    pub binding: EncryptionKeyBinding,
    /// Log index.
    pub index: u64,
}

/// A TLS certificate: the switch's authority issued it, or an agency bound an outside authority's.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The SPIFFE URI inside.
    pub uri: String,
    /// SHA-256 of the certificate.
    pub sha256: Digest,
    /// SHA-256 of its DER SubjectPublicKeyInfo; `None` where the entry does not say it.
    pub key_sha256: Option<Digest>,
    /// Unix time, seconds.
    pub not_before: u64,
    /// Unix time, seconds.
    pub not_after: u64,
    /// Log index.
    pub index: u64,
    /// Of an outside authority.
    pub outside: bool,
    /// Log index of its end before its time, and the reason.
    pub revoked: Option<(u64, Part)>,
}

/// A key of the log after the first.
#[derive(Clone, Debug)]
pub struct LogKeyRecord {
    /// As sealed by both keys.
    pub succession: LogKeySuccession,
    /// Log index: every checkpoint of more entries than this is signed by the new key.
    pub index: u64,
}

/// A published service.
#[derive(Clone, Debug)]
pub struct Service {
    /// As sealed by its agency.
    pub definition: ServiceDefinition,
    /// What requests name as `contract`.
    pub contract: Digest,
    /// What is switched off, and why.
    pub notices: Vec<Notice>,
    /// Log index of the publication that counts.
    pub index: u64,
}

impl Service {
    /// The notice under which `operation` is switched off now.
    pub fn notice(&self, operation: &Part) -> Option<&Notice> {
        self.notices.iter().find(|notice| {
            notice
                .operation
                .as_ref()
                .is_none_or(|named| named == operation)
        })
    }
}

/// A service or one operation of it is switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The operation; `None`: the whole service.
    pub operation: Option<Part>,
    /// Why and until when, for people.
    pub notice_ar: String,
    /// Why and until when, for people.
    pub notice_en: String,
    /// Log index.
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
    /// Unix time, milliseconds, from which a newer agreement takes its place.
    pub superseded_from_ms: Option<u64>,
    /// In order; the first is the proposal.
    pub acts: Vec<RecordedAct>,
}

impl Agreement {
    /// The id of the latest act: what the next one names as `previous`.
    pub fn last_act(&self) -> Digest {
        self.acts.last().map(|act| act.id).unwrap_or_default()
    }
}

/// A grant handed on, and whether it still holds.
#[derive(Clone, Debug)]
pub struct DelegationRecord {
    /// SHA-256 of the act's header.
    pub id: Digest,
    /// The agreement.
    pub agreement: Digest,
    /// Who handed it on.
    pub from: AgencyId,
    /// How deep in its chain, from 1.
    pub level: u32,
    /// What was handed on.
    pub delegation: Delegation,
    /// Log index.
    pub index: u64,
    /// Log index of its end.
    pub ended: Option<u64>,
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
