//! The fold: one registry entry in, the next registry out, or the reason why it may not stand.
//!
//! The broker runs it before it records an act, every mirror and every replay after. An act that the
//! fold refuses can therefore never be in an honest log.

use std::sync::Arc;

use thiserror::Error;

use super::{
    Agency, Agreement, AgreementState, BoundKey, Certificate, InvitationRecord, RecordedAct,
    Registry, Service, System,
};
use crate::act::{
    AgencyEnrolment, AgreementAct, AgreementContent, ConsumerScope, Genesis, Invitation,
    KeyBinding, KeyEnd, ServiceDefinition, Step,
};
use crate::canonical::HeaderError;
use crate::digest::Digest;
use crate::entry::{Entry, EntryError, Kind};
use crate::facts;
use crate::id::{AgencyId, ServiceId, SystemId};
use crate::key::PublicKey;
use crate::limits::{REGISTRY_HEADER_BYTES_MAX, label};
use crate::seal::{Seal, SealError};

/// An act as the fold sees it: the parts of a registry entry that decide.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Log index of the entry; the next free one when judged before it is recorded.
    pub index: u64,
    /// Unix time, milliseconds, of recording.
    pub recorded_at_ms: u64,
    /// The entry's kind.
    pub kind: Kind,
    /// Facts, header and seal of the entry.
    pub facts: &'a [u8],
    /// The sealed header.
    pub header: &'a [u8],
    /// The seal; absent on certificate entries.
    pub seal: Option<&'a Seal>,
}

impl Registry {
    /// Folds one registry entry. On error the registry is unchanged.
    pub fn apply(&mut self, index: u64, entry: &Entry) -> Result<(), FoldError> {
        self.apply_act(Act {
            index,
            recorded_at_ms: entry.stamp.recorded_at_ms(),
            kind: entry.kind,
            facts: &entry.facts,
            header: &entry.header,
            seal: entry.seal.as_ref(),
        })?;
        if entry.kind == Kind::Genesis {
            self.genesis_sha256 = Digest::of(&entry.encode()?);
        }
        Ok(())
    }

    /// Folds an act, recorded or about to be. On error the registry is unchanged.
    pub fn apply_act(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        if act.header.len() > REGISTRY_HEADER_BYTES_MAX {
            return Err(HeaderError::TooLarge {
                len: act.header.len(),
                max: REGISTRY_HEADER_BYTES_MAX,
            }
            .into());
        }
        if (act.kind == Kind::Genesis) != self.genesis.is_none() {
            return Err(FoldError::Genesis);
        }
        match act.kind {
            Kind::Genesis => self.begin(act)?,
            Kind::Invitation => self.invite(act)?,
            Kind::Agency => self.enrol(act)?,
            Kind::KeyBound => self.bind(act)?,
            Kind::KeyEnded => self.end_key(act)?,
            Kind::Certificate => self.note_certificate(act)?,
            Kind::Service => self.publish(act)?,
            Kind::AgreementAct => self.agree(act)?,
            Kind::Epoch
            | Kind::Request
            | Kind::Closing
            | Kind::Refusal
            | Kind::Late
            | Kind::Dispute => {
                return Err(FoldError::NotRegistry);
            }
        }
        self.size += 1;
        Ok(())
    }

    fn begin(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let genesis = Genesis::open(act.header)?;
        sealed(act, label::GENESIS, &genesis.origin, &genesis.log_key)?;
        self.genesis = Some(Arc::new(genesis));
        Ok(())
    }

    fn invite(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let invitation = Invitation::open(act.header)?;
        let seal = act.seal.ok_or(FoldError::Unsealed)?;
        let kid = seal.open()?.kid();
        let genesis = self.genesis.as_deref().ok_or(FoldError::Genesis)?;
        let operator = genesis
            .operators
            .iter()
            .find(|operator| operator.key.kid() == kid)
            .ok_or(FoldError::NotOperator)?;
        sealed(act, label::OPERATOR, &genesis.origin, &operator.key)?;
        if invitation.agency.instance() != genesis.instance.as_str() {
            return Err(FoldError::OtherInstance(invitation.agency));
        }
        self.free_name(&invitation.agency.folded())?;
        if self.invitations.contains_key(&invitation.token) {
            return Err(FoldError::TokenUsed);
        }
        let record = InvitationRecord {
            operator: operator.name.clone(),
            index: act.index,
            used: None,
            invitation,
        };
        self.invitations
            .insert(record.invitation.token, Arc::new(record));
        Ok(())
    }

    fn enrol(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let enrolment = AgencyEnrolment::open(act.header)?;
        sealed(
            act,
            label::AUTHORITY,
            self.origin(),
            &enrolment.authority_key,
        )?;
        let record = self
            .invitations
            .get(&enrolment.token)
            .ok_or(FoldError::NotInvited)?;
        if record.used.is_some() {
            return Err(FoldError::TokenUsed);
        }
        if record.invitation.agency != enrolment.agency {
            return Err(FoldError::NotInvited);
        }
        if act.recorded_at_ms >= record.invitation.expires_at_ms {
            return Err(FoldError::InvitationExpired);
        }
        if enrolment.genesis != self.genesis_sha256 {
            return Err(FoldError::OtherSwitch);
        }
        self.free_name(&enrolment.agency.folded())?;
        if self.knows_key(&enrolment.authority_key.kid()) {
            return Err(FoldError::KeyReused);
        }
        let used = InvitationRecord {
            used: Some(act.index),
            ..(**record).clone()
        };
        self.invitations.insert(enrolment.token, Arc::new(used));
        self.names.insert(enrolment.agency.folded());
        self.agencies.insert(
            enrolment.agency.clone(),
            Arc::new(Agency {
                id: enrolment.agency,
                name_ar: enrolment.name_ar,
                name_en: enrolment.name_en,
                authority_key: enrolment.authority_key,
                index: act.index,
            }),
        );
        Ok(())
    }

    fn bind(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let binding = KeyBinding::open(act.header)?;
        self.sealed_by_agency(act, label::AUTHORITY, &binding.system.agency())?;
        let proof = Seal {
            cose: binding.possession.clone(),
            leaf_index: 0,
            tree_size: 1,
            path: Vec::new(),
        };
        proof
            .verify(
                label::POSSESSION,
                self.origin(),
                &binding.possession_bytes(),
                &binding.key,
            )
            .map_err(|_| FoldError::NoPossession)?;
        let kid = binding.key.kid();
        if self.knows_key(&kid) {
            return Err(FoldError::KeyReused);
        }
        let system = match self.systems.get(&binding.system) {
            Some(system) => {
                let mut system = (**system).clone();
                system.keys.push(kid);
                system
            }
            None => {
                self.free_name(&binding.system.folded())?;
                System {
                    id: binding.system.clone(),
                    index: act.index,
                    keys: vec![kid],
                }
            }
        };
        self.names.insert(binding.system.folded());
        self.systems
            .insert(binding.system.clone(), Arc::new(system));
        let bound = BoundKey {
            key: binding.key,
            system: binding.system,
            adapter: binding.adapter,
            index: act.index,
            ended: None,
        };
        self.keys.insert(kid, Arc::new(bound));
        Ok(())
    }

    fn end_key(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let end = KeyEnd::open(act.header)?;
        self.sealed_by_agency(act, label::AUTHORITY, &end.system.agency())?;
        let bound = self.keys.get(&end.kid).ok_or(FoldError::UnknownKey)?;
        if bound.system != end.system || bound.ended.is_some() {
            return Err(FoldError::UnknownKey);
        }
        let ended = BoundKey {
            ended: Some((act.index, end.reason)),
            ..(**bound).clone()
        };
        self.keys.insert(end.kid, Arc::new(ended));
        Ok(())
    }

    fn note_certificate(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let issued = facts::registry(act.facts)?
            .certificate
            .ok_or(FoldError::NoCertificate)?;
        if !act.header.is_empty() || act.seal.is_some() {
            return Err(FoldError::NoCertificate);
        }
        let sha256 = Digest::from_slice(&issued.sha256).ok_or(FoldError::NoCertificate)?;
        let record = Certificate {
            uri: issued.uri,
            sha256,
            not_before: issued.not_before,
            not_after: issued.not_after,
            index: act.index,
        };
        self.certificates.insert(sha256, Arc::new(record));
        Ok(())
    }

    fn publish(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let definition = ServiceDefinition::open(act.header)?;
        self.sealed_by_agency(act, label::AUTHORITY, &definition.system.agency())?;
        if !self.systems.contains_key(&definition.system) {
            return Err(FoldError::UnknownSystem(definition.system));
        }
        let id = definition.id();
        if let Some(service) = self.services.get(&id) {
            // An older publication recorded later would quietly take back the newer one.
            if service.definition.issued_at_ms >= definition.issued_at_ms {
                return Err(FoldError::OlderService(id));
            }
        } else {
            self.free_name(&id.folded())?;
        }
        self.names.insert(id.folded());
        let service = Service {
            contract: Digest::of(act.header),
            definition,
            index: act.index,
        };
        self.services.insert(id, Arc::new(service));
        Ok(())
    }

    fn agree(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let step = AgreementAct::open(act.header)?;
        self.sealed_by_agency(act, label::ACT, &step.agency)?;
        let recorded = RecordedAct {
            id: Digest::of(act.header),
            step: step.step,
            agency: step.agency.clone(),
            recorded_at_ms: act.recorded_at_ms,
            index: act.index,
        };
        let agreement = match step.step {
            Step::Propose => self.proposed(&step, recorded)?,
            Step::Accept | Step::Revoke => self.advanced(&step, recorded)?,
        };
        self.agreements.insert(agreement.id, Arc::new(agreement));
        Ok(())
    }

    fn proposed(&self, step: &AgreementAct, recorded: RecordedAct) -> Result<Agreement, FoldError> {
        let content = AgreementContent::open(&step.content)?;
        if content.origin != self.origin() {
            return Err(FoldError::OtherSwitch);
        }
        if self.agreements.contains_key(&step.agreement) {
            return Err(FoldError::OutOfOrder);
        }
        if !self.agencies.contains_key(&content.provider) {
            return Err(FoldError::UnknownAgency(content.provider));
        }
        let by_provider = step.agency == content.provider;
        let state = match &content.consumer {
            ConsumerScope::Agency(consumer) => {
                let consumer_known = self.agencies.contains_key(consumer);
                if !consumer_known {
                    return Err(FoldError::UnknownAgency(consumer.clone()));
                }
                if !by_provider && step.agency != *consumer {
                    return Err(FoldError::NotParty(step.agency.clone()));
                }
                if *consumer == content.provider {
                    AgreementState::Active
                } else {
                    AgreementState::Proposed
                }
            }
            _ if by_provider => AgreementState::Active,
            _ => return Err(FoldError::NotParty(step.agency.clone())),
        };
        Ok(Agreement {
            id: step.agreement,
            content,
            state,
            acts: vec![recorded],
        })
    }

    fn advanced(&self, step: &AgreementAct, recorded: RecordedAct) -> Result<Agreement, FoldError> {
        let agreement = self
            .agreements
            .get(&step.agreement)
            .ok_or(FoldError::UnknownAgreement)?;
        let is_consumer = !agreement.content.consumer.is_public()
            && agreement.content.consumer.covers(&step.agency);
        if !is_consumer && agreement.content.provider != step.agency {
            return Err(FoldError::NotParty(step.agency.clone()));
        }
        if step.previous != Some(agreement.last_act()) || agreement.state == AgreementState::Revoked
        {
            return Err(FoldError::OutOfOrder);
        }
        let state = match step.step {
            Step::Accept => {
                let proposer = agreement.acts.first().map(|act| &act.agency);
                if agreement.state != AgreementState::Proposed || proposer == Some(&step.agency) {
                    return Err(FoldError::OutOfOrder);
                }
                AgreementState::Active
            }
            Step::Propose | Step::Revoke => AgreementState::Revoked,
        };
        let mut next = (**agreement).clone();
        next.state = state;
        next.acts.push(recorded);
        Ok(next)
    }

    fn sealed_by_agency(
        &self,
        act: Act<'_>,
        label: &str,
        agency: &AgencyId,
    ) -> Result<(), FoldError> {
        let agency = self
            .agencies
            .get(agency)
            .ok_or_else(|| FoldError::UnknownAgency(agency.clone()))?;
        sealed(act, label, self.origin(), &agency.authority_key)
    }

    fn free_name(&self, folded: &str) -> Result<(), FoldError> {
        if self.names.contains(folded) {
            Err(FoldError::NameTaken(folded.to_owned()))
        } else {
            Ok(())
        }
    }

    /// Whether a key is already bound to anybody, for any use.
    fn knows_key(&self, kid: &Digest) -> bool {
        self.keys.contains_key(kid)
            || self
                .agencies
                .values()
                .any(|agency| agency.authority_key.kid() == *kid)
            || self.genesis.as_deref().is_some_and(|genesis| {
                genesis.log_key.kid() == *kid
                    || genesis
                        .operators
                        .iter()
                        .any(|operator| operator.key.kid() == *kid)
            })
    }
}

fn sealed(act: Act<'_>, label: &str, origin: &str, key: &PublicKey) -> Result<(), FoldError> {
    act.seal
        .ok_or(FoldError::Unsealed)?
        .verify(label, origin, act.header, key)
        .map_err(FoldError::Seal)
}

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
}
