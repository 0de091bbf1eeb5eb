//! What stands before the first exchange: genesis, agencies with keys and services, and an agreement each way.

use bytes::Bytes;
use proto::act::{
    AgencyEnrolment, AgreementAct, AgreementContent, ConsumerScope, Genesis, Grant, Invitation,
    KeyBinding, Operation, Operator, Purpose, ServiceDefinition, Step,
};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::{AgencyId, SystemId};
use proto::key::Signer;
use proto::limits::label;
use proto::seal::Seal;

use super::{AGENCIES, Agency, Log, NOW_MS, ORIGIN, fields, part};
use crate::authorise::country::Key;

impl Log {
    fn act(
        &mut self,
        kind: Kind,
        label: &str,
        header: Bytes,
        signer: &dyn Signer,
    ) -> anyhow::Result<()> {
        let seal = Seal::one(label, ORIGIN, &header, signer)?;
        self.append(kind, Bytes::new(), header, seal)?;
        Ok(())
    }

    /// Genesis, the agencies with their keys and services, and an agreement each way between any two.
    pub(super) fn found(&mut self) -> anyhow::Result<(Vec<Agency>, Vec<Digest>)> {
        let operator = Key::make()?;
        let genesis = Genesis {
            origin: ORIGIN.to_owned(),
            log_key: self.signer.key().clone(),
            instance: part("EG")?,
            trust_domain: "switch.example".to_owned(),
            authority_root: Digest::of(b"root"),
            operators: vec![Operator {
                name: part("nour")?,
                key: operator.key().clone(),
            }],
            created_at_ms: NOW_MS,
            purposes: vec![Purpose::plain(part("takaful")?)],
        };
        let header = genesis.encode();
        let seal = Seal::one(label::GENESIS, ORIGIN, &header, &self.signer)?;
        self.append(Kind::Genesis, Bytes::new(), header, seal)?;
        let agencies = (0..AGENCIES)
            .map(|number| self.join(number, &operator))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut agreements = Vec::new();
        for consumer in &agencies {
            for provider in &agencies {
                agreements.push(self.agree(consumer, provider)?);
            }
        }
        Ok((agencies, agreements))
    }

    fn join(&mut self, number: usize, operator: &Key) -> anyhow::Result<Agency> {
        let id = AgencyId::parse(&format!("EG/GOV/AGENCY{number}"))?;
        let (authority, seal) = (Key::make()?, Key::make()?);
        let token = Digest::of(id.as_str().as_bytes());
        let invitation = Invitation {
            agency: id.clone(),
            token,
            expires_at_ms: NOW_MS + 1_000,
            issued_at_ms: NOW_MS,
            authority_kid: None,
        };
        self.act(
            Kind::Invitation,
            label::OPERATOR,
            invitation.encode(),
            operator,
        )?;
        let enrolment = AgencyEnrolment {
            agency: id.clone(),
            name_ar: "جهة".to_owned(),
            name_en: "Agency".to_owned(),
            authority_key: authority.key().clone(),
            token,
            issued_at_ms: NOW_MS,
            genesis: self.registry.genesis_sha256(),
        };
        self.act(
            Kind::Agency,
            label::AUTHORITY,
            enrolment.encode(),
            &authority,
        )?;
        let system = id.system(&part("registry")?);
        let mut binding = KeyBinding {
            system: system.clone(),
            adapter: part("a1")?,
            key: seal.key().clone(),
            issued_at_ms: NOW_MS,
            possession: Bytes::new(),
        };
        let proof = binding.possession_bytes();
        binding.possession = Seal::one(label::POSSESSION, ORIGIN, &proof, &seal)?.cose;
        self.act(
            Kind::KeyBound,
            label::AUTHORITY,
            binding.encode(),
            &authority,
        )?;
        self.publish(&system, &authority)?;
        Ok(Agency {
            number,
            id,
            system,
            authority,
            seal,
            sequence: 0,
        })
    }

    fn publish(&mut self, system: &SystemId, authority: &Key) -> anyhow::Result<()> {
        let definition = ServiceDefinition {
            system: system.clone(),
            service: part("persons.v1")?,
            name_ar: "أشخاص".to_owned(),
            name_en: "Persons".to_owned(),
            operations: vec![Operation {
                name: part("lookup")?,
                name_ar: "بحث".to_owned(),
                name_en: "Look up".to_owned(),
                fields: fields()?,
                method: String::new(),
                path: String::new(),
                request_schema: Bytes::new(),
                answer_schema: Bytes::new(),
                subjects: Vec::new(),
            }],
            issued_at_ms: NOW_MS,
            owner_contact: String::new(),
            sensitivity: None,
        };
        self.act(
            Kind::Service,
            label::AUTHORITY,
            definition.encode(),
            authority,
        )
    }

    fn agree(&mut self, consumer: &Agency, provider: &Agency) -> anyhow::Result<Digest> {
        let content = AgreementContent {
            nonce: [7; 16],
            origin: ORIGIN.to_owned(),
            consumer: ConsumerScope::Agency(consumer.id.clone()),
            provider: provider.id.clone(),
            grants: vec![Grant {
                system: provider.system.clone(),
                service: part("persons.v1")?,
                operations: vec![part("lookup")?],
                purposes: vec![part("takaful")?],
                fields: fields()?,
                legal_basis: "Law 151/2020".to_owned(),
                daily_quota: 100_000_000,
                retention_days: 30,
                rate_per_s: 0,
                row_scope: Vec::new(),
                delegation_depth: 0,
                licence: String::new(),
                sensitivity: None,
            }],
            not_before_ms: NOW_MS,
            not_after_ms: NOW_MS + 365 * 86_400_000,
            supersedes: None,
        };
        let id = content.id();
        let proposal = AgreementAct {
            step: Step::Propose,
            agreement: id,
            previous: None,
            agency: provider.id.clone(),
            issued_at_ms: NOW_MS,
            content: content.encode(),
        };
        self.act(
            Kind::AgreementAct,
            label::ACT,
            proposal.encode(),
            &provider.authority,
        )?;
        if consumer.id != provider.id {
            let acceptance = AgreementAct {
                step: Step::Accept,
                previous: Some(proposal.id()),
                agency: consumer.id.clone(),
                content: Bytes::new(),
                ..proposal
            };
            self.act(
                Kind::AgreementAct,
                label::ACT,
                acceptance.encode(),
                &consumer.authority,
            )?;
        }
        Ok(id)
    }
}
