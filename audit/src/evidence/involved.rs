//! Which registry entries a chosen entry stands on: those about its parties, keys, service, agreement and delegations,
//! and those that gave the power to whoever sealed them.
//!
//! Takes the entries that somebody chose and the whole registry; says of each registry entry whether it belongs to
//! them. What it keeps folds by itself, in the order of the log. It never judges.

use std::collections::BTreeSet;

use proto::Digest;
use proto::act::{
    AgencyAct, AgencyDeed, AgencyEnrolment, AgreementAct, Application, Approval, BorderAct,
    BorderDeed, ConsumerScope, EncryptionKeyBinding, Erased, Erasure, Hold, Invitation, KeyBinding,
    KeyEnd, KeySuccession, OperatorAct, OperatorDeed, Review, ServiceDefinition, Step,
};
use proto::entry::{Entry, Kind};
use proto::facts;
use proto::header::{EventHeader, RequestHeader, SubscriptionHeader, Topic};
use proto::id::{AgencyId, Part, ServiceId, SystemId};
use proto::registry::Registry;

/// Everything that the chosen entries name.
#[derive(Debug, Default)]
pub(super) struct Involved {
    agencies: BTreeSet<AgencyId>,
    systems: BTreeSet<SystemId>,
    services: BTreeSet<ServiceId>,
    agreements: BTreeSet<Digest>,
    delegations: BTreeSet<Digest>,
    purposes: BTreeSet<Part>,
    certificates: BTreeSet<Digest>,
    /// Ids of acts that are kept whatever they are about.
    acts: BTreeSet<Digest>,
    /// Ids of acts that were kept: their approvals are, too.
    kept: BTreeSet<Digest>,
}

impl Involved {
    /// Takes what a chosen entry names. Headers that cannot be read name nothing.
    pub(super) fn note(&mut self, entry: &Entry) {
        match entry.kind {
            kind if kind.holds_request() => {
                if let Ok(request) = RequestHeader::open(&entry.header) {
                    self.note_request(&request);
                }
                self.note_facts(entry);
            }
            kind if kind.is_exchange() => {
                self.note_facts(entry);
            }
            kind if kind.is_event() => self.note_event(entry),
            Kind::Epoch | Kind::Access | Kind::Witnesses => {}
            _ => self.note_act(entry),
        }
    }

    fn note_request(&mut self, request: &RequestHeader) {
        self.systems.insert(request.consumer.clone());
        self.systems.insert(request.provider.clone());
        self.services
            .insert(request.provider.service(&request.service));
        self.agreements.extend(request.agreement);
        self.delegations.extend(&request.delegation);
        self.purposes.insert(request.purpose.clone());
    }

    fn note_event(&mut self, entry: &Entry) {
        if let Ok(facts) = facts::event(&entry.facts) {
            self.agreements.extend(Digest::from_slice(&facts.agreement));
            self.certificates
                .extend(Digest::from_slice(&facts.peer_sha256));
        }
        if let Ok(header) = EventHeader::open(&entry.header)
            && entry.kind == Kind::Event
        {
            self.note_topic(header.topic);
        } else if let Ok(header) = SubscriptionHeader::open(&entry.header)
            && entry.kind == Kind::Subscription
        {
            self.systems.insert(header.subscriber);
            self.delegations.extend(&header.delegation);
            self.purposes.insert(header.purpose);
            self.note_topic(header.topic);
        }
    }

    fn note_topic(&mut self, topic: Topic) {
        self.services
            .insert(topic.publisher.service(&topic.service));
        self.systems.insert(topic.publisher);
    }

    fn note_facts(&mut self, entry: &Entry) {
        if let Ok(facts) = facts::exchange(&entry.facts) {
            self.agreements.extend(Digest::from_slice(&facts.agreement));
            self.certificates
                .extend(Digest::from_slice(&facts.peer_sha256));
        }
    }

    /// A registry entry that was itself chosen.
    fn note_act(&mut self, entry: &Entry) {
        let header = &entry.header;
        self.acts.insert(Digest::of(header));
        match entry.kind {
            Kind::KeyBound => self
                .systems
                .extend(KeyBinding::open(header).map(|a| a.system)),
            Kind::KeySucceeded => self
                .systems
                .extend(KeySuccession::open(header).map(|a| a.system)),
            Kind::KeyEnded => self.systems.extend(KeyEnd::open(header).map(|a| a.system)),
            Kind::EncryptionKeyBound => self
                .systems
                .extend(EncryptionKeyBinding::open(header).map(|a| a.system)),
            Kind::Service => self
                .systems
                .extend(ServiceDefinition::open(header).map(|a| a.system)),
            Kind::Agency => self
                .agencies
                .extend(AgencyEnrolment::open(header).map(|a| a.agency)),
            Kind::Application => self
                .agencies
                .extend(Application::open(header).map(|a| a.agency)),
            Kind::AgencyAct => self
                .agencies
                .extend(AgencyAct::open(header).map(|a| a.agency)),
            Kind::Hold => self.agencies.extend(Hold::open(header).map(|a| a.agency)),
            Kind::Erasure => self.note_erasure(header),
            Kind::Review => self.agencies.extend(Review::open(header).map(|a| a.agency)),
            Kind::Approval => self.acts.extend(Approval::open(header).map(|a| a.act)),
            Kind::BorderAct => {
                if let Ok(BorderDeed::Open(opening)) = BorderAct::open(header).map(|a| a.deed) {
                    self.agreements.insert(opening.agreement);
                }
            }
            Kind::AgreementAct => {
                if let Ok(act) = AgreementAct::open(header) {
                    self.agreements.insert(act.agreement);
                    match act.step {
                        Step::Delegate => {
                            self.delegations.insert(Digest::of(header));
                        }
                        Step::EndDelegation => self.delegations.extend(act.previous),
                        Step::Propose | Step::Accept | Step::Revoke => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn note_erasure(&mut self, header: &[u8]) {
        let Ok(erasure) = Erasure::open(header) else {
            return;
        };
        self.agencies.insert(erasure.agency);
        if let Erased::Payloads(system, _) = erasure.erased {
            self.systems.insert(system);
        }
    }

    /// Follows what was noted through the registry: agreements to their parties, purposes and to those that they
    /// take the place of, delegations to those above them, systems to their agencies.
    pub(super) fn follow(&mut self, registry: &Registry) {
        let mut new: Vec<Digest> = self.delegations.iter().copied().collect();
        while let Some(id) = new.pop() {
            let Some(record) = registry.delegation(&id) else {
                continue;
            };
            self.agreements.insert(record.agreement);
            self.agencies.insert(record.from.clone());
            self.agencies.insert(record.delegation.consumer.clone());
            if let Some(parent) = record.delegation.parent
                && self.delegations.insert(parent)
            {
                new.push(parent);
            }
        }
        let mut new: Vec<Digest> = self.agreements.iter().copied().collect();
        while let Some(id) = new.pop() {
            let newer = registry
                .agreements()
                .filter(|agreement| agreement.content.supersedes == Some(id))
                .map(|agreement| agreement.id);
            let older = registry
                .agreement(&id)
                .and_then(|agreement| agreement.content.supersedes);
            for next in newer.chain(older) {
                if self.agreements.insert(next) {
                    new.push(next);
                }
            }
            let Some(agreement) = registry.agreement(&id) else {
                continue;
            };
            let content = &agreement.content;
            self.agencies.insert(content.provider.clone());
            if let ConsumerScope::Agency(consumer) = &content.consumer {
                self.agencies.insert(consumer.clone());
            }
            self.agencies
                .extend(agreement.acts.iter().map(|act| act.agency.clone()));
            self.purposes.extend(
                content
                    .grants
                    .iter()
                    .flat_map(|grant| grant.purposes.clone()),
            );
        }
        self.agencies
            .extend(self.systems.iter().map(SystemId::agency));
    }

    /// Whether a registry entry belongs to the chosen ones. Asked in the order of the log, after [`Involved::follow`].
    pub(super) fn keeps(&mut self, entry: &Entry) -> bool {
        let id = Digest::of(&entry.header);
        let keeps = entry.kind == Kind::Genesis
            || (!entry.header.is_empty() && self.acts.contains(&id))
            || self.is_about(entry);
        if keeps {
            self.kept.insert(id);
        }
        keeps
    }

    fn is_about(&self, entry: &Entry) -> bool {
        let header = &entry.header;
        match entry.kind {
            Kind::Invitation => Invitation::open(header).is_ok_and(|a| self.agency(&a.agency)),
            Kind::Application => Application::open(header).is_ok_and(|a| self.agency(&a.agency)),
            Kind::Agency => AgencyEnrolment::open(header).is_ok_and(|a| self.agency(&a.agency)),
            Kind::KeyBound => KeyBinding::open(header).is_ok_and(|a| self.system(&a.system)),
            Kind::KeySucceeded => KeySuccession::open(header).is_ok_and(|a| self.system(&a.system)),
            Kind::KeyEnded => KeyEnd::open(header).is_ok_and(|a| self.system(&a.system)),
            Kind::EncryptionKeyBound => {
                EncryptionKeyBinding::open(header).is_ok_and(|a| self.system(&a.system))
            }
            Kind::Service => {
                ServiceDefinition::open(header).is_ok_and(|a| self.services.contains(&a.id()))
            }
            Kind::Certificate => facts::registry(&entry.facts)
                .ok()
                .and_then(|facts| Digest::from_slice(&facts.certificate?.sha256))
                .is_some_and(|sha256| self.certificates.contains(&sha256)),
            Kind::AgreementAct => AgreementAct::open(header).is_ok_and(|act| self.step(&act)),
            Kind::BorderAct => BorderAct::open(header).is_ok_and(|act| self.border(&act.deed)),
            Kind::OperatorAct => OperatorAct::open(header).is_ok_and(|act| self.deed(&act.deed)),
            Kind::Approval => {
                Approval::open(header).is_ok_and(|approval| self.kept.contains(&approval.act))
            }
            Kind::AgencyAct => AgencyAct::open(header).is_ok_and(|act| self.agency_act(&act)),
            // Under which key the checkpoint was signed is a matter of every entry.
            Kind::LogKeySucceeded => true,
            Kind::Genesis
            | Kind::Epoch
            | Kind::Request
            | Kind::Closing
            | Kind::Refusal
            | Kind::Late
            | Kind::Dispute
            | Kind::Opening
            | Kind::Trailer
            | Kind::Upload
            | Kind::UploadTrailer
            | Kind::Access
            | Kind::Hold
            | Kind::Erasure
            | Kind::Witnesses
            | Kind::Review
            | Kind::Event
            | Kind::Subscription
            | Kind::EventOutcome
            | Kind::SubscriptionEnd => false,
        }
    }

    fn agency(&self, id: &AgencyId) -> bool {
        self.agencies.contains(id)
    }

    fn system(&self, id: &SystemId) -> bool {
        self.systems.contains(id)
    }

    fn step(&self, act: &AgreementAct) -> bool {
        match act.step {
            Step::Propose | Step::Accept | Step::Revoke => self.agreements.contains(&act.agreement),
            Step::Delegate => self.delegations.contains(&act.id()),
            Step::EndDelegation => act
                .previous
                .is_some_and(|ended| self.delegations.contains(&ended)),
        }
    }

    fn deed(&self, deed: &OperatorDeed) -> bool {
        match deed {
            // Who may act at all: without these nobody can tell whose invitation counted.
            OperatorDeed::SetRole { role, .. } => role.seals(),
            OperatorDeed::SetPolicy(_) => true,
            OperatorDeed::SetPurpose(purpose) => self.purposes.contains(&purpose.code),
            OperatorDeed::RejectApplication { application, .. } => self.kept.contains(application),
            OperatorDeed::SuspendAgency { agency, .. }
            | OperatorDeed::ReplaceAuthority { agency, .. }
            | OperatorDeed::SetQuota { agency, .. } => self.agency(agency),
            OperatorDeed::EndSystem { system, .. } => self.system(system),
            OperatorDeed::EndCertificate { sha256, .. } => self.certificates.contains(sha256),
        }
    }

    fn border(&self, deed: &BorderDeed) -> bool {
        let from = |instance: &Part| {
            let mut agencies = self.agencies.iter();
            agencies.any(|agency| agency.instance() == instance.as_str())
        };
        match deed {
            BorderDeed::Admit(admission) => from(&admission.instance),
            BorderDeed::Withdraw { instance, .. } => from(instance),
            BorderDeed::Open(opening) => self.agreements.contains(&opening.agreement),
            BorderDeed::Close { opening, .. } => self.kept.contains(opening),
        }
    }

    fn agency_act(&self, act: &AgencyAct) -> bool {
        match &act.deed {
            AgencyDeed::EndSystem { system, .. } => self.system(system),
            AgencyDeed::EndCertificate { sha256, .. } => self.certificates.contains(sha256),
            AgencyDeed::BindCertificate(outside) => self.certificates.contains(&outside.sha256),
            AgencyDeed::Succeed { .. } | AgencyDeed::Object { .. } => self.agency(&act.agency),
            AgencyDeed::Notice(notice) => self
                .services
                .contains(&notice.system.service(&notice.service)),
            AgencyDeed::Administrator { .. } => false,
        }
    }
}
