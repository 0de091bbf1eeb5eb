//! The acts that are tried, as the dials say.

use super::*;
use crate::act::{AgencyAct, Approval, OperatorAct, TwoOperators};

impl Play {
    pub(super) fn propose(&mut self, attempt: &Attempt) {
        let member = |name: &str| GroupMember {
            agency: agency(name),
            value: String::new(),
        };
        let group = ConsumerScope::Group {
            name: part("some"),
            members: vec![member(MOSS), member(AID)],
        };
        let provider = attempt.pick(0, &[CIVIL, CIVIL, CIVIL, GIZA, PETRA]);
        let consumer = match attempt.dials[1] % 9 {
            0 => ConsumerScope::parse("EG/GOV/*").unwrap(),
            1 => ConsumerScope::parse("EG/*/*").unwrap(),
            2 => group,
            _ => ConsumerScope::parse(attempt.pick(1, &AGENCIES)).unwrap(),
        };
        let mut grant = content(MOSS).grants[0].clone();
        grant.system = agency(provider).system(&part("registry"));
        grant.operations = attempt.some(2, 0, OPERATIONS);
        grant.purposes = attempt.some(2, 2, PURPOSES);
        grant.fields = attempt.some(2, 4, FIELDS);
        grant.delegation_depth = attempt.pick(3, &[0, 1, 2, 3, 3]);
        let mut grants = vec![grant.clone()];
        if attempt.dials[3] > 200 {
            grant.fields = parts(&FIELDS);
            grants.push(grant);
        }
        let older = usize::from(attempt.dials[4]) % (2 * self.agreements.len() + 1);
        let not_before_ms = self.world.now_ms + attempt.pick(5, &[0, 0, 0, 200]);
        let mut new = AgreementContent {
            nonce: [self.agreements.len() as u8; 16],
            provider: agency(provider),
            consumer,
            grants,
            not_before_ms,
            not_after_ms: not_before_ms + attempt.pick(6, &[300, 2_000, 2_000]),
            ..content(MOSS)
        };
        if let Some(older) = self.agreements.get(older) {
            new.consumer = older.consumer.clone();
            new.supersedes = Some(older.id());
        }
        let by = match &new.consumer {
            ConsumerScope::Agency(consumer) if attempt.dials[7].is_multiple_of(3) => {
                consumer.to_string()
            }
            _ if attempt.dials[7] == 1 => AID.to_owned(),
            _ => provider.to_owned(),
        };
        self.agreements.push(new.clone());
        let act = propose(&new, &by);
        let signer = self.signer(&by, attempt.dials[7]);
        let hold = attempt.dials[6] | 1;
        self.put(Kind::AgreementAct, label::ACT, act.encode(), &signer, hold);
    }

    pub(super) fn follow(&mut self, attempt: &Attempt) {
        if self.agreements.is_empty() {
            return;
        }
        let of = attempt.pick(0, &self.agreements);
        let known = self.world.registry.agreement(&of.id());
        let previous = known.map(Agreement::last_act);
        let other = match &of.consumer {
            ConsumerScope::Agency(consumer) => consumer.to_string(),
            _ => MOSS.to_owned(),
        };
        let proposer = known.map(|known| known.acts[0].agency.to_string());
        let who = match attempt.dials[1] % 8 {
            0 => (attempt.pick(2, &AGENCIES)).to_owned(),
            _ if proposer.as_ref() == Some(&other) => of.provider.to_string(),
            _ => other,
        };
        let step = if matches!(attempt.what, What::Accept) {
            Step::Accept
        } else {
            Step::Revoke
        };
        let previous = previous.or(Some(Digest::default()));
        let act = self
            .world
            .step(step, &who, of.id(), previous, bytes::Bytes::new());
        let signer = self.signer(&who, attempt.dials[3]);
        let hold = attempt.dials[4];
        self.put(Kind::AgreementAct, label::ACT, act.encode(), &signer, hold);
    }

    pub(super) fn delegate(&mut self, attempt: &Attempt) {
        if self.agreements.is_empty() {
            return;
        }
        let chained = attempt.dials[0].is_multiple_of(2) && !self.delegations.is_empty();
        let (id, parent) = if chained {
            let (agreement, parent) = attempt.pick(1, &self.delegations);
            (agreement, Some(parent))
        } else {
            (attempt.pick(1, &self.agreements).id(), None)
        };
        let above = parent.and_then(|parent| self.world.registry.delegation(&parent));
        let known = self.world.registry.agreement(&id);
        let holder = match (above, known.map(|known| &known.content.consumer)) {
            (Some(above), _) => above.delegation.consumer.to_string(),
            (None, Some(ConsumerScope::Agency(consumer))) => consumer.to_string(),
            (None, _) => MOSS.to_owned(),
        };
        let from = if attempt.dials[2].is_multiple_of(6) {
            (attempt.pick(3, &AGENCIES)).to_owned()
        } else {
            holder
        };
        let grant = known.map_or_else(
            || content(MOSS).grants[0].clone(),
            |known| known.content.grants[0].clone(),
        );
        let mut delegation = above.map_or_else(
            || Delegation {
                grant: 1 + u32::from(attempt.dials[3] > 220),
                parent,
                consumer: agency(MOSS),
                operations: grant.operations.clone(),
                purposes: grant.purposes.clone(),
                fields: grant.fields.clone(),
                not_before_ms: known.map_or(NOW, |known| known.content.not_before_ms),
                not_after_ms: known.map_or(NOW, |known| known.content.not_after_ms),
                depth: grant.delegation_depth,
            },
            |above| above.delegation.clone(),
        );
        // What is held; narrowed, or any.
        delegation.parent = parent;
        delegation.consumer = agency(attempt.pick(4, &AGENCIES));
        delegation.depth = delegation.depth.saturating_sub(1);
        match attempt.dials[5] % 8 {
            0 => delegation.operations = attempt.some(6, 0, OPERATIONS),
            1 => delegation.purposes = attempt.some(6, 2, PURPOSES),
            2 => delegation.fields = attempt.some(6, 4, FIELDS),
            3 => delegation.not_after_ms = delegation.not_before_ms + 250,
            4 => delegation.not_after_ms += 1_000,
            5 => delegation.depth = u32::from(attempt.dials[6] % 4),
            _ => {}
        }
        let proposal = known.map_or(Digest::default(), |known| known.acts[0].id);
        let content = delegation.encode();
        let act = self
            .world
            .step(Step::Delegate, &from, id, Some(proposal), content);
        self.delegations.push((id, act.id()));
        let signer = self.signer(&from, attempt.dials[7]);
        let hold = attempt.dials[2];
        self.put(Kind::AgreementAct, label::ACT, act.encode(), &signer, hold);
    }

    pub(super) fn end_delegation(&mut self, attempt: &Attempt) {
        if self.delegations.is_empty() {
            return;
        }
        let (id, ends) = attempt.pick(0, &self.delegations);
        let who = attempt.pick(1, &AGENCIES);
        let act = self.world.step(
            Step::EndDelegation,
            who,
            id,
            Some(ends),
            bytes::Bytes::new(),
        );
        let signer = self.signer(who, attempt.dials[2]);
        let hold = attempt.dials[3];
        self.put(Kind::AgreementAct, label::ACT, act.encode(), &signer, hold);
    }

    pub(super) fn operate(&mut self, attempt: &Attempt) {
        let named = agency(attempt.pick(0, &AGENCIES));
        let lifted = self.world.registry.is_suspended(&named) || attempt.dials[1] == 0;
        let deed = match attempt.what {
            What::Suspend => OperatorDeed::SuspendAgency {
                agency: named,
                lifted,
                reason: "audit".to_owned(),
            },
            What::Policy => OperatorDeed::SetPolicy(TwoOperators(
                [&[][..], &["agency_suspension"], &["invitation"]]
                    [usize::from(attempt.dials[1] % 3)]
                .iter()
                .map(|name| part(name))
                .collect(),
            )),
            What::Replace => {
                let key = self.new_key();
                let over = OperatorDeed::replacement_bytes(&named, key.key());
                OperatorDeed::ReplaceAuthority {
                    agency: named,
                    key: key.key().clone(),
                    possession: sealed(label::POSSESSION, &over, &key).cose,
                }
            }
            _ => OperatorDeed::SetPurpose(Purpose {
                ended: attempt.dials[1].is_multiple_of(8),
                ..Purpose::plain(part(attempt.pick(2, &PURPOSES)))
            }),
        };
        let who = attempt.pick(3, &PEOPLE[..2]);
        let act = OperatorAct {
            operator: part(who),
            issued_at_ms: self.world.issue(),
            deed,
        };
        self.deeds.push(Digest::of(&act.encode()));
        let signer = self.signer(who, attempt.dials[4]);
        let hold = attempt.dials[5];
        self.put(
            Kind::OperatorAct,
            label::OPERATOR,
            act.encode(),
            &signer,
            hold,
        );
    }

    fn new_key(&mut self) -> Ed25519 {
        self.next_seed += 1;
        Ed25519::from_seed(self.next_seed)
    }

    pub(super) fn second(&mut self, attempt: &Attempt) {
        let waiting: Vec<Digest> = self.world.registry.waiting().map(|(id, _)| *id).collect();
        let from = if waiting.is_empty() {
            &self.deeds
        } else {
            &waiting
        };
        if from.is_empty() {
            return;
        }
        let who = attempt.pick(0, &PEOPLE);
        let approval = Approval {
            operator: part(who),
            act: attempt.pick(1, from),
            rejected: attempt.dials[2].is_multiple_of(5),
            reason: String::new(),
            issued_at_ms: self.world.issue(),
        };
        let signer = self.signer(who, attempt.dials[3]);
        let hold = attempt.dials[4];
        self.put(
            Kind::Approval,
            label::OPERATOR,
            approval.encode(),
            &signer,
            hold,
        );
    }

    pub(super) fn deed(&mut self, attempt: &Attempt) {
        let who = attempt.pick(0, &AGENCIES);
        let mut act = AgencyAct {
            agency: agency(who),
            issued_at_ms: self.world.issue(),
            deed: AgencyDeed::Object {
                act: self.deeds.last().copied().unwrap_or_default(),
            },
        };
        if matches!(attempt.what, What::Succeed) {
            let key = self.new_key();
            let seed = self.next_seed;
            let succeed = |possession| AgencyDeed::Succeed {
                key: key.key().clone(),
                possession,
            };
            act.deed = succeed(bytes::Bytes::new());
            let proof = sealed(label::POSSESSION, &act.possession_bytes(), &key);
            act.deed = succeed(proof.cose);
            let signer = self.world.key(who);
            self.put(Kind::AgencyAct, label::AUTHORITY, act.encode(), &signer, 1);
            let known = self.world.registry.agency(&agency(who)).unwrap();
            if known.authority_key == *key.key() {
                self.world.seeds.insert(who.to_owned(), seed);
            }
            return;
        }
        let signer = self.signer(who, attempt.dials[1]);
        let hold = attempt.dials[2];
        self.put(
            Kind::AgencyAct,
            label::AUTHORITY,
            act.encode(),
            &signer,
            hold,
        );
    }
}
