//! What operators, agencies and the parties of agreements do in the world.

use bytes::Bytes;

use super::{CIVIL, NOW, ORIGIN, REGISTRY, World, agency, part, system};
use crate::act::{
    AgencyAct, AgencyDeed, AgreementAct, AgreementContent, Approval, ConsumerScope, Delegation,
    Grant, OperatorAct, OperatorDeed, PersonRole, Step,
};
use crate::digest::Digest;
use crate::entry::Kind;
use crate::key::Signer as _;
use crate::limits::label;
use crate::registry::{Agreement, FoldError};
use crate::testing::Ed25519;

impl World {
    /// What a person with an operator's or approver's key does.
    pub(crate) fn operate(&mut self, who: &str, deed: OperatorDeed) -> Result<Digest, FoldError> {
        let act = OperatorAct {
            operator: part(who),
            issued_at_ms: self.issue(),
            deed,
        };
        let signer = self.key(who);
        self.submit(Kind::OperatorAct, label::OPERATOR, act.encode(), &signer)
    }

    /// Gives a sealing role, by `nour`.
    pub(crate) fn give(
        &mut self,
        role: PersonRole,
        who: &str,
        seed: u8,
    ) -> Result<Digest, FoldError> {
        let deed = OperatorDeed::SetRole {
            role,
            name: part(who),
            key: Some(Ed25519::from_seed(seed).key().clone()),
            ended: false,
        };
        let id = self.operate("nour", deed)?;
        self.seeds.insert(who.to_owned(), seed);
        Ok(id)
    }

    pub(crate) fn second(
        &mut self,
        who: &str,
        act: Digest,
        rejected: bool,
    ) -> Result<Digest, FoldError> {
        let approval = Approval {
            operator: part(who),
            issued_at_ms: self.issue(),
            act,
            rejected,
            reason: String::new(),
        };
        let signer = self.key(who);
        self.submit(Kind::Approval, label::OPERATOR, approval.encode(), &signer)
    }

    pub(crate) fn suspend(&mut self, name: &str, lifted: bool) -> Result<Digest, FoldError> {
        let deed = OperatorDeed::SuspendAgency {
            agency: agency(name),
            lifted,
            reason: "audit".to_owned(),
        };
        self.operate("nour", deed)
    }

    /// What an agency does to itself, sealed by its authority key.
    pub(crate) fn deed(&mut self, name: &str, deed: AgencyDeed) -> Result<Digest, FoldError> {
        let signer = self.key(name);
        self.deed_by(name, deed, &signer)
    }

    pub(crate) fn deed_by(
        &mut self,
        name: &str,
        deed: AgencyDeed,
        signer: &Ed25519,
    ) -> Result<Digest, FoldError> {
        let act = AgencyAct {
            agency: agency(name),
            issued_at_ms: self.issue(),
            deed,
        };
        self.submit(Kind::AgencyAct, label::AUTHORITY, act.encode(), signer)
    }

    pub(crate) fn act(&mut self, act: &AgreementAct, authority: &Ed25519) -> Result<(), FoldError> {
        self.submit(Kind::AgreementAct, label::ACT, act.encode(), authority)
            .map(drop)
    }

    /// Sealed by its provider, and by its consumer where there is one.
    pub(crate) fn agree(&mut self, content: &AgreementContent) -> Result<Digest, FoldError> {
        let provider = content.provider.to_string();
        let proposal = propose(content, &provider);
        self.act(&proposal, &self.key(&provider))?;
        if let ConsumerScope::Agency(consumer) = &content.consumer
            && *consumer != content.provider
        {
            let accept = follow(Step::Accept, &proposal, consumer.as_str());
            self.act(&accept, &self.key(consumer.as_str()))?;
        }
        Ok(content.id())
    }

    pub(crate) fn revoke(&mut self, name: &str, id: Digest) -> Result<(), FoldError> {
        let previous = self.registry.agreement(&id).map(Agreement::last_act);
        let act = self.step(Step::Revoke, name, id, previous, Bytes::new());
        self.act(&act, &self.key(name))
    }

    /// Hands on; gives the delegation's id.
    pub(crate) fn delegate(
        &mut self,
        name: &str,
        id: Digest,
        delegation: &Delegation,
    ) -> Result<Digest, FoldError> {
        let proposal = self.registry.agreement(&id).map(|known| known.acts[0].id);
        let act = self.step(Step::Delegate, name, id, proposal, delegation.encode());
        self.act(&act, &self.key(name)).map(|()| act.id())
    }

    pub(crate) fn end_delegation(
        &mut self,
        name: &str,
        id: Digest,
        ends: Digest,
    ) -> Result<(), FoldError> {
        let act = self.step(Step::EndDelegation, name, id, Some(ends), Bytes::new());
        self.act(&act, &self.key(name))
    }

    pub(crate) fn step(
        &mut self,
        step: Step,
        name: &str,
        agreement: Digest,
        previous: Option<Digest>,
        content: Bytes,
    ) -> AgreementAct {
        AgreementAct {
            step,
            agreement,
            previous,
            agency: agency(name),
            issued_at_ms: self.issue(),
            content,
        }
    }
}

/// One grant for `lookup`, `takaful`, `name_ar` of [`PERSONS`]; counts for one second.
pub(crate) fn content(consumer: &str) -> AgreementContent {
    AgreementContent {
        nonce: [3; 16],
        origin: ORIGIN.to_owned(),
        consumer: ConsumerScope::parse(consumer).unwrap(),
        provider: agency(CIVIL),
        grants: vec![Grant {
            system: system(REGISTRY),
            service: part("persons.v1"),
            operations: vec![part("lookup")],
            purposes: vec![part("takaful")],
            fields: vec![part("name_ar")],
            legal_basis: "Law 1".to_owned(),
            daily_quota: 0,
            retention_days: 30,
            rate_per_s: 0,
            row_scope: Vec::new(),
            delegation_depth: 0,
            licence: String::new(),
            sensitivity: None,
        }],
        not_before_ms: NOW,
        not_after_ms: NOW + 1_000,
        supersedes: None,
    }
}

pub(crate) fn propose(content: &AgreementContent, name: &str) -> AgreementAct {
    AgreementAct {
        step: Step::Propose,
        agreement: content.id(),
        previous: None,
        agency: agency(name),
        issued_at_ms: NOW,
        content: content.encode(),
    }
}

pub(crate) fn follow(step: Step, of: &AgreementAct, name: &str) -> AgreementAct {
    AgreementAct {
        step,
        agreement: of.agreement,
        previous: Some(of.id()),
        agency: agency(name),
        issued_at_ms: NOW,
        content: Bytes::new(),
    }
}
