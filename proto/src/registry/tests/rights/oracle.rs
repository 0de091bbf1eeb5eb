//! Who may ask what, worked out from the accepted acts alone: no index, no record, no decision of the registry.
//!
//! It reads the bytes that were accepted and which key sealed them. An accepted act of an agency that its
//! authority key of that moment did not seal fails here, before any right is looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::act::{
    AgencyAct, AgencyDeed, AgencyEnrolment, AgreementAct, AgreementContent, Approval, BorderAct,
    BorderDeed, ConsumerScope, Delegation, OpeningAbroad, OperatorAct, OperatorDeed, Step,
};
use crate::digest::Digest;
use crate::entry::Kind;
use crate::header::RequestHeader;
use crate::id::AgencyId;
use crate::limits::REPLACEMENT_MS;

/// An act that the fold took.
#[derive(Clone)]
pub(super) struct Accepted {
    pub(super) kind: Kind,
    pub(super) header: bytes::Bytes,
    /// The key that sealed it.
    pub(super) kid: Digest,
    pub(super) at_ms: u64,
}

#[derive(Clone)]
struct Contract {
    content: AgreementContent,
    sealed_by: BTreeSet<AgencyId>,
    revoked: bool,
    superseded_from_ms: Option<u64>,
}

impl Contract {
    /// The provider sealed it, and the consumer where there is one.
    fn is_sealed(&self) -> bool {
        let consumer = match &self.content.consumer {
            ConsumerScope::Agency(consumer) => self.sealed_by.contains(consumer),
            ConsumerScope::Class(..) | ConsumerScope::Everyone(_) | ConsumerScope::Group { .. } => {
                true
            }
        };
        consumer && self.sealed_by.contains(&self.content.provider)
    }
}

#[derive(Clone)]
struct Link {
    agreement: Digest,
    from: AgencyId,
    delegation: Delegation,
    ended: bool,
}

/// What waits for a second seal.
#[derive(Clone)]
enum Waits {
    Deed(OperatorDeed),
    Border(BorderDeed),
}

/// What follows from the acts.
#[derive(Clone, Default)]
pub(super) struct Oracle {
    authorities: BTreeMap<AgencyId, Digest>,
    replacing: BTreeMap<AgencyId, (Digest, Digest, u64)>,
    pub(super) suspended: BTreeSet<AgencyId>,
    two_for: Vec<String>,
    waiting: BTreeMap<Digest, Waits>,
    pub(super) withdrawn: BTreeSet<String>,
    openings: BTreeMap<Digest, (OpeningAbroad, bool)>,
    agreements: BTreeMap<Digest, Contract>,
    delegations: BTreeMap<Digest, Link>,
}

impl Oracle {
    pub(super) fn learn(&mut self, act: &Accepted) {
        let id = Digest::of(&act.header);
        let due: Vec<_> = self
            .replacing
            .iter()
            .filter(|(_, (.., due_at_ms))| *due_at_ms <= act.at_ms)
            .map(|(agency, (kid, ..))| (agency.clone(), *kid))
            .collect();
        for (agency, kid) in due {
            self.replacing.remove(&agency);
            self.authorities.insert(agency, kid);
        }
        match act.kind {
            Kind::Agency => {
                let enrolment = AgencyEnrolment::open(&act.header).unwrap();
                assert_eq!(enrolment.authority_key.kid(), act.kid);
                self.authorities.insert(enrolment.agency, act.kid);
            }
            Kind::AgencyAct => {
                let done = AgencyAct::open(&act.header).unwrap();
                assert_eq!(self.authorities[&done.agency], act.kid, "{done:?}");
                if let AgencyDeed::Succeed { key, .. } = &done.deed {
                    self.authorities.insert(done.agency.clone(), key.kid());
                }
                if matches!(
                    done.deed,
                    AgencyDeed::Succeed { .. } | AgencyDeed::Object { .. }
                ) {
                    self.replacing.remove(&done.agency);
                }
            }
            Kind::OperatorAct => {
                let deed = OperatorAct::open(&act.header).unwrap().deed;
                let two = match deed.name() {
                    "authority_replacement" => true,
                    "policy" | "role" => !self.two_for.is_empty(),
                    name => self.two_for.iter().any(|listed| listed == name),
                };
                if two {
                    self.waiting.insert(id, Waits::Deed(deed));
                } else {
                    self.done(id, deed, act.at_ms);
                }
            }
            Kind::Approval => {
                let approval = Approval::open(&act.header).unwrap();
                match self.waiting.remove(&approval.act).unwrap() {
                    _ if approval.rejected => {}
                    Waits::Deed(deed) => self.done(approval.act, deed, act.at_ms),
                    Waits::Border(deed) => self.moved(&deed),
                }
            }
            Kind::AgreementAct => self.agreed(id, act),
            Kind::BorderAct => self.at_the_border(id, act),
            _ => {}
        }
    }

    fn done(&mut self, id: Digest, deed: OperatorDeed, at_ms: u64) {
        match deed {
            OperatorDeed::SuspendAgency { agency, lifted, .. } => {
                if lifted {
                    self.suspended.remove(&agency);
                } else {
                    self.suspended.insert(agency);
                }
            }
            OperatorDeed::SetPolicy(policy) => {
                self.two_for = policy.0.iter().map(ToString::to_string).collect();
            }
            OperatorDeed::ReplaceAuthority { agency, key, .. } => {
                let due_at_ms = at_ms + REPLACEMENT_MS;
                self.replacing.insert(agency, (key.kid(), id, due_at_ms));
            }
            _ => {}
        }
    }

    fn at_the_border(&mut self, id: Digest, act: &Accepted) {
        let deed = BorderAct::open(&act.header).unwrap().deed;
        if let Some(agency) = deed.agency() {
            assert_eq!(self.authorities[agency], act.kid, "{deed:?}");
        }
        match deed {
            BorderDeed::Open(opening) => {
                assert!(self.openings.insert(id, (opening, false)).is_none());
            }
            BorderDeed::Close { opening, .. } => self.openings.get_mut(&opening).unwrap().1 = true,
            deed => {
                let suspensions = self.two_for.iter().any(|one| one == "agency_suspension");
                let two = match deed {
                    BorderDeed::Admit(_) => !self.two_for.is_empty(),
                    _ => suspensions,
                };
                if two {
                    self.waiting.insert(id, Waits::Border(deed));
                } else {
                    self.moved(&deed);
                }
            }
        }
    }

    fn moved(&mut self, deed: &BorderDeed) {
        match deed {
            BorderDeed::Admit(admission) => {
                self.withdrawn.remove(admission.instance.as_str());
            }
            BorderDeed::Withdraw { instance, .. } => {
                self.withdrawn.insert(instance.to_string());
            }
            BorderDeed::Open(_) | BorderDeed::Close { .. } => unreachable!("nobody waits for it"),
        }
    }

    fn is_withdrawn(&self, agency: &AgencyId) -> bool {
        self.withdrawn.contains(agency.instance())
    }

    /// The provider itself sealed that this may cross to the asker's country, where the two are not of one.
    fn crosses(&self, request: &RequestHeader, grant: u32, at_ms: u64) -> bool {
        let (asker, provider) = (request.consumer.agency(), request.provider.agency());
        asker.instance() == provider.instance()
            || self.openings.values().any(|(opening, ended)| {
                Some(opening.agreement) == request.agreement
                    && opening.agency == provider
                    && opening.grant == grant
                    && opening.instance.as_str() == asker.instance()
                    && opening.operations.contains(&request.operation)
                    && !ended
                    && at_ms < opening.not_after_ms
            })
    }

    fn agreed(&mut self, id: Digest, act: &Accepted) {
        let done = AgreementAct::open(&act.header).unwrap();
        assert_eq!(self.authorities[&done.agency], act.kid, "{done:?}");
        match done.step {
            Step::Propose => {
                let contract = Contract {
                    content: AgreementContent::open(&done.content).unwrap(),
                    sealed_by: BTreeSet::from([done.agency]),
                    revoked: false,
                    superseded_from_ms: None,
                };
                assert!(self.agreements.insert(done.agreement, contract).is_none());
            }
            Step::Accept => {
                let contract = self.agreements.get_mut(&done.agreement).unwrap();
                assert!(contract.sealed_by.insert(done.agency));
            }
            Step::Revoke => {
                let contract = self.agreements.get_mut(&done.agreement).unwrap();
                contract.revoked = true;
            }
            Step::Delegate => {
                let link = Link {
                    agreement: done.agreement,
                    from: done.agency,
                    delegation: Delegation::open(&done.content).unwrap(),
                    ended: false,
                };
                self.delegations.insert(id, link);
            }
            Step::EndDelegation => {
                let link = self.delegations.get_mut(&done.previous.unwrap()).unwrap();
                link.ended = true;
            }
        }
        let newer = &self.agreements[&done.agreement];
        let sealed_now = matches!(done.step, Step::Propose | Step::Accept) && newer.is_sealed();
        let from_ms = newer.content.not_before_ms.max(act.at_ms);
        if let (true, Some(older)) = (sealed_now, newer.content.supersedes) {
            let older = self.agreements.get_mut(&older).unwrap();
            assert!(older.superseded_from_ms.replace(from_ms).is_none());
        }
    }

    /// Whether a chain of seals leads from the provider to whoever asks, for all that is asked.
    pub(super) fn permits(&self, request: &RequestHeader, at_ms: u64) -> bool {
        let Some(contract) = request.agreement.and_then(|id| self.agreements.get(&id)) else {
            return false;
        };
        let content = &contract.content;
        let asker = request.consumer.agency();
        let stands = contract.is_sealed()
            && !contract.revoked
            && (content.not_before_ms..content.not_after_ms).contains(&at_ms)
            && contract.superseded_from_ms.is_none_or(|from| at_ms < from)
            && content.provider == request.provider.agency()
            && !self.suspended.contains(&content.provider)
            && !self.suspended.contains(&asker)
            && !self.is_withdrawn(&content.provider)
            && !self.is_withdrawn(&asker);
        stands
            && content.grants.iter().enumerate().any(|(position, grant)| {
                let granted = grant.system == request.provider
                    && grant.service == request.service
                    && grant.operations.contains(&request.operation)
                    && grant.purposes.contains(&request.purpose)
                    && request.fields.iter().all(|f| grant.fields.contains(f));
                let number = position as u32 + 1;
                granted
                    && self.reaches(request, content, number, at_ms)
                    && self.crosses(request, number, at_ms)
            })
    }

    /// Each holder sealed what it handed on to the next, down to the one that asks.
    fn reaches(
        &self,
        request: &RequestHeader,
        content: &AgreementContent,
        grant: u32,
        at_ms: u64,
    ) -> bool {
        let mut holder: Option<AgencyId> = None;
        let mut above = None;
        for id in &request.delegation {
            let Some(link) = self.delegations.get(id) else {
                return false;
            };
            let handed = &link.delegation;
            let held = match &holder {
                None => content.consumer.covers(&link.from),
                Some(holder) => *holder == link.from,
            };
            let counts = Some(link.agreement) == request.agreement
                && held
                && handed.parent == above
                && handed.grant == grant
                && !link.ended
                && !self.suspended.contains(&link.from)
                && !self.is_withdrawn(&link.from)
                && (handed.not_before_ms..handed.not_after_ms).contains(&at_ms)
                && handed.operations.contains(&request.operation)
                && handed.purposes.contains(&request.purpose)
                && request.fields.iter().all(|f| handed.fields.contains(f));
            if !counts {
                return false;
            }
            holder = Some(handed.consumer.clone());
            above = Some(*id);
        }
        let asker = request.consumer.agency();
        holder.map_or_else(|| content.consumer.covers(&asker), |last| last == asker)
    }
}
