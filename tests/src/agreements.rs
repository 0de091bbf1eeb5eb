//! Everything that an agency's authority key seals: services, agreements, ends of keys.

use bytes::Bytes;
use proto::act::{
    AgreementAct, AgreementContent, ConsumerScope, Delegation, Grant, KeyEnd, Operation, RowRule,
    ServiceDefinition, Step,
};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::Part;
use proto::limits::label;
use uuid::Uuid;

use crate::agency::TestAgency;
use crate::ground::ORIGIN;
use crate::switch::TestSwitch;

/// A day in milliseconds.
pub const DAY_MS: u64 = 86_400_000;

/// A name part.
pub fn part(text: &str) -> Part {
    Part::parse(text).unwrap()
}

/// Name parts, ascending.
pub fn parts(texts: &[&str]) -> Vec<Part> {
    let mut parts: Vec<_> = texts.iter().map(|text| part(text)).collect();
    parts.sort();
    parts
}

/// What an agreement grants; begins as what most scenarios need.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who may ask.
    pub consumer: ConsumerScope,
    /// The service.
    pub service: String,
    /// Operations that may be asked.
    pub operations: Vec<Part>,
    /// Purposes that may be stated.
    pub purposes: Vec<Part>,
    /// Fields that may be returned.
    pub fields: Vec<Part>,
    /// Requests a day; 0 means no quota.
    pub daily_quota: u64,
    /// Requests a second; 0 means no limit.
    pub rate_per_s: u32,
    /// How often it may be handed on.
    pub delegation_depth: u32,
    /// Only records for which every rule holds.
    pub row_scope: Vec<RowRule>,
    /// How sensitive the data is, where it is said.
    pub sensitivity: Option<Part>,
    /// From when to when it counts, milliseconds; a year around now when `None`.
    pub validity_ms: Option<(u64, u64)>,
}

impl Terms {
    /// `consumer` may read name and life of persons for social benefits.
    pub fn for_agency(consumer: &TestAgency) -> Self {
        Self {
            consumer: ConsumerScope::Agency(consumer.agency()),
            service: "persons.v1".to_owned(),
            operations: parts(&["read"]),
            purposes: parts(&["social-benefit"]),
            fields: parts(&["alive", "name"]),
            daily_quota: 0,
            rate_per_s: 0,
            delegation_depth: 0,
            row_scope: Vec::new(),
            sensitivity: None,
            validity_ms: None,
        }
    }

    fn content(&self, switch: &TestSwitch, provider: &TestAgency) -> AgreementContent {
        let now_ms = switch.now_ms();
        let (not_before_ms, not_after_ms) = self
            .validity_ms
            .unwrap_or((now_ms.saturating_sub(DAY_MS), now_ms + 365 * DAY_MS));
        AgreementContent {
            nonce: *Uuid::from_u128(u128::from_be_bytes(random_16())).as_bytes(),
            origin: ORIGIN.to_owned(),
            consumer: self.consumer.clone(),
            provider: provider.agency(),
            grants: vec![Grant {
                system: provider.system.clone(),
                service: part(&self.service),
                operations: self.operations.clone(),
                purposes: self.purposes.clone(),
                fields: self.fields.clone(),
                legal_basis: "Law 1 of 2026".to_owned(),
                daily_quota: self.daily_quota,
                retention_days: 90,
                rate_per_s: self.rate_per_s,
                row_scope: self.row_scope.clone(),
                delegation_depth: self.delegation_depth,
                licence: String::new(),
                sensitivity: self.sensitivity.clone(),
            }],
            not_before_ms,
            not_after_ms,
            supersedes: None,
        }
    }
}

fn random_16() -> [u8; 16] {
    let salt = proto::commitment::Salt::random().unwrap();
    salt.0[..16].try_into().unwrap()
}

impl TestAgency {
    /// Publishes `persons.v1`: `read` and `erase`, fields alive, income, name. Gives its contract.
    pub async fn publish(&self, switch: &TestSwitch) -> Digest {
        let operation = |name: &str| Operation {
            name: part(name),
            name_ar: "عملية".to_owned(),
            name_en: name.to_owned(),
            fields: parts(&["alive", "income", "name"]),
            method: String::new(),
            path: String::new(),
            request_schema: Bytes::new(),
            answer_schema: Bytes::new(),
            subjects: Vec::new(),
        };
        let definition = ServiceDefinition {
            system: self.system.clone(),
            service: part("persons.v1"),
            name_ar: "الأشخاص".to_owned(),
            name_en: "Persons".to_owned(),
            operations: vec![operation("erase"), operation("read")],
            issued_at_ms: switch.now_ms(),
            owner_contact: String::new(),
            sensitivity: None,
        };
        self.submit(switch, Kind::Service, label::AUTHORITY, definition.encode())
            .await
            .unwrap();
        definition.contract()
    }

    /// Publishes `persons.v1` once more, a moment later.
    pub async fn publish_again(&self, switch: &TestSwitch) -> Digest {
        switch.clock().advance_ms(1);
        self.publish(switch).await
    }

    /// As the provider: proposes an agreement.
    pub async fn propose(&self, switch: &TestSwitch, terms: &Terms) -> Digest {
        let content = terms.content(switch, self).encode();
        let agreement = Digest::of(&content);
        self.act(switch, Step::Propose, agreement, content).await;
        agreement
    }

    /// As the provider: proposes; `consumer` accepts.
    pub async fn agree(&self, switch: &TestSwitch, consumer: &TestAgency, terms: &Terms) -> Digest {
        let agreement = self.propose(switch, terms).await;
        consumer.accept(switch, agreement).await;
        agreement
    }

    /// Accepts an agreement.
    pub async fn accept(&self, switch: &TestSwitch, agreement: Digest) {
        self.act(switch, Step::Accept, agreement, Bytes::new())
            .await;
    }

    /// Revokes an agreement.
    pub async fn revoke(&self, switch: &TestSwitch, agreement: Digest) {
        self.act(switch, Step::Revoke, agreement, Bytes::new())
            .await;
    }

    /// Hands grant 1 of `agreement` on to `consumer`; gives the delegation's id.
    pub async fn delegate(
        &self,
        switch: &TestSwitch,
        agreement: Digest,
        consumer: &TestAgency,
    ) -> Digest {
        let registry = switch.registry();
        let record = registry.agreement(&agreement).unwrap();
        let grant = &record.content.grants[0];
        let delegation = Delegation {
            grant: 1,
            parent: None,
            consumer: consumer.agency(),
            operations: grant.operations.clone(),
            purposes: grant.purposes.clone(),
            fields: grant.fields.clone(),
            not_before_ms: record.content.not_before_ms,
            not_after_ms: record.content.not_after_ms,
            depth: 0,
        };
        let act = AgreementAct {
            step: Step::Delegate,
            agreement,
            previous: record.acts.first().map(|act| act.id),
            agency: self.agency(),
            issued_at_ms: switch.now_ms(),
            content: delegation.encode(),
        };
        let header = act.encode();
        self.submit(switch, Kind::AgreementAct, label::ACT, header.clone())
            .await
            .unwrap();
        Digest::of(&header)
    }

    async fn act(&self, switch: &TestSwitch, step: Step, agreement: Digest, content: Bytes) {
        let registry = switch.registry();
        let act = AgreementAct {
            step,
            agreement,
            previous: registry
                .agreement(&agreement)
                .map(proto::registry::Agreement::last_act),
            agency: self.agency(),
            issued_at_ms: switch.now_ms(),
            content,
        };
        self.submit(switch, Kind::AgreementAct, label::ACT, act.encode())
            .await
            .unwrap();
    }

    /// Ends its own seal key.
    pub async fn end_key(&self, switch: &TestSwitch) {
        let end = KeyEnd {
            system: self.system.clone(),
            kid: self.seal_signer().key().kid(),
            reason: part("compromised"),
            issued_at_ms: switch.now_ms(),
        };
        self.submit(switch, Kind::KeyEnded, label::AUTHORITY, end.encode())
            .await
            .unwrap();
    }
}
