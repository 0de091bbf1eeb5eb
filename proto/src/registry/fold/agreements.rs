//! Agreements and delegations.

use std::sync::Arc;

use super::{Act, FoldError};
use crate::act::{AgreementAct, AgreementContent, ConsumerScope, Delegation, Step};
use crate::digest::Digest;
use crate::id::{AgencyId, Part};
use crate::limits::{DELEGATION_MAX, label};
use crate::registry::{Agreement, AgreementState, DelegationRecord, RecordedAct, Registry};

impl Registry {
    pub(super) fn agree(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let step = AgreementAct::open(act.header)?;
        match step.step {
            Step::Propose | Step::Accept | Step::Delegate => {
                self.sealed_by_standing_agency(act, label::ACT, &step.agency)?;
            }
            Step::Revoke | Step::EndDelegation => {
                self.sealed_by_agency(act, label::ACT, &step.agency)?;
            }
        }
        let recorded = RecordedAct {
            id: Digest::of(act.header),
            step: step.step,
            agency: step.agency.clone(),
            recorded_at_ms: act.recorded_at_ms,
            index: act.index,
        };
        let mut agreement = match step.step {
            Step::Propose => self.proposed(&step, recorded)?,
            Step::Accept | Step::Revoke => self.advanced(&step, recorded)?,
            Step::Delegate => return self.delegate(&step, recorded),
            Step::EndDelegation => return self.end_delegation(&step, act.index),
        };
        if agreement.state == AgreementState::Active && step.step != Step::Revoke {
            self.supersede(&agreement)?;
        }
        if step.step == Step::Propose {
            self.share_names(&mut agreement.content);
            self.index_agreement(&agreement);
        }
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
        self.purposes_stand(content.grants.iter().flat_map(|grant| &grant.purposes))?;
        let by_provider = step.agency == content.provider;
        let state = match &content.consumer {
            ConsumerScope::Agency(consumer) => {
                if !self.agencies.contains_key(consumer) {
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
            ConsumerScope::Class(..) | ConsumerScope::Everyone(_) | ConsumerScope::Group { .. }
                if by_provider =>
            {
                AgreementState::Active
            }
            ConsumerScope::Class(..) | ConsumerScope::Everyone(_) | ConsumerScope::Group { .. } => {
                return Err(FoldError::NotParty(step.agency.clone()));
            }
        };
        if let Some(older) = &content.supersedes {
            self.may_supersede(older, &content)?;
        }
        Ok(Agreement {
            id: step.agreement,
            content,
            state,
            superseded_from_ms: None,
            acts: vec![recorded],
        })
    }

    fn purposes_stand<'a>(
        &self,
        mut purposes: impl Iterator<Item = &'a Part>,
    ) -> Result<(), FoldError> {
        let gone = |code: &&Part| {
            self.purposes
                .get(*code)
                .is_none_or(|record| record.purpose.ended)
        };
        match purposes.find(gone) {
            Some(code) => Err(FoldError::UnknownPurpose(code.clone())),
            None => Ok(()),
        }
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
        let state = if step.step == Step::Accept {
            let proposer = agreement.acts.first().map(|act| &act.agency);
            if agreement.state != AgreementState::Proposed || proposer == Some(&step.agency) {
                return Err(FoldError::OutOfOrder);
            }
            let purposes = agreement.content.grants.iter().flat_map(|g| &g.purposes);
            self.purposes_stand(purposes)?;
            AgreementState::Active
        } else {
            AgreementState::Revoked
        };
        let mut next = (**agreement).clone();
        next.state = state;
        next.acts.push(recorded);
        Ok(next)
    }

    /// Between the same two, active, and not taken the place of before.
    fn may_supersede(&self, older: &Digest, content: &AgreementContent) -> Result<(), FoldError> {
        let older = self
            .agreements
            .get(older)
            .ok_or(FoldError::UnknownAgreement)?;
        let same_parties = older.content.provider == content.provider
            && older.content.consumer.to_string() == content.consumer.to_string();
        if same_parties
            && older.state == AgreementState::Active
            && older.superseded_from_ms.is_none()
        {
            Ok(())
        } else {
            Err(FoldError::NotSuperseding)
        }
    }

    /// The older agreement counts until the moment from which the newer one does: there is no gap.
    fn supersede(&mut self, newer: &Agreement) -> Result<(), FoldError> {
        let Some(id) = newer.content.supersedes else {
            return Ok(());
        };
        self.may_supersede(&id, &newer.content)?;
        let accepted_at_ms = newer.acts.last().map_or(0, |act| act.recorded_at_ms);
        if let Some(older) = self.agreements.get_mut(&id) {
            let mut next = (**older).clone();
            next.superseded_from_ms = Some(newer.content.not_before_ms.max(accepted_at_ms));
            *older = Arc::new(next);
        }
        Ok(())
    }

    fn delegate(&mut self, step: &AgreementAct, recorded: RecordedAct) -> Result<(), FoldError> {
        let delegation = Delegation::open(&step.content)?;
        let agreement = self
            .agreements
            .get(&step.agreement)
            .ok_or(FoldError::UnknownAgreement)?;
        let proposal = agreement.acts.first().map(|act| act.id);
        if agreement.state != AgreementState::Active || step.previous != proposal {
            return Err(FoldError::OutOfOrder);
        }
        if !self.agencies.contains_key(&delegation.consumer) {
            return Err(FoldError::UnknownAgency(delegation.consumer));
        }
        if self.delegations.contains_key(&recorded.id) {
            return Err(FoldError::NoChange);
        }
        let level = self.narrows(agreement, step, &delegation)?;
        let record = DelegationRecord {
            id: recorded.id,
            agreement: step.agreement,
            from: step.agency.clone(),
            level,
            delegation,
            index: recorded.index,
            ended: None,
        };
        self.index_delegation(&record);
        self.delegations.insert(recorded.id, Arc::new(record));
        Ok(())
    }

    /// What is handed on is held by whoever hands it on, and no wider. Gives how deep it stands, from 1.
    fn narrows(
        &self,
        agreement: &Agreement,
        step: &AgreementAct,
        new: &Delegation,
    ) -> Result<u32, FoldError> {
        let held = Held::of(self, agreement, new)?;
        if !held.by(agreement, &step.agency) {
            return Err(FoldError::NotParty(step.agency.clone()));
        }
        let within = |inner: &[Part], outer: &[Part]| inner.iter().all(|one| outer.contains(one));
        if !within(&new.operations, held.operations) {
            return Err(FoldError::Widens("an operation is not held"));
        }
        if !within(&new.purposes, held.purposes) {
            return Err(FoldError::Widens("a purpose is not held"));
        }
        if !within(&new.fields, held.fields) {
            return Err(FoldError::Widens("a field is not held"));
        }
        if new.not_before_ms < held.not_before_ms || new.not_after_ms > held.not_after_ms {
            return Err(FoldError::Widens("it counts longer than what is held"));
        }
        if new.depth >= held.depth {
            return Err(FoldError::Widens(
                "it may be handed on less often than what is held",
            ));
        }
        if held.level as usize >= DELEGATION_MAX {
            return Err(FoldError::Widens("the chain is as long as it may be"));
        }
        if new.consumer == agreement.content.provider {
            return Err(FoldError::Widens("the provider needs no delegation"));
        }
        Ok(held.level + 1)
    }

    fn end_delegation(&mut self, step: &AgreementAct, index: u64) -> Result<(), FoldError> {
        let record = step
            .previous
            .and_then(|id| self.delegations.get(&id))
            .filter(|record| record.agreement == step.agreement && record.ended.is_none())
            .ok_or(FoldError::UnknownDelegation)?;
        let agreement = self
            .agreements
            .get(&step.agreement)
            .ok_or(FoldError::UnknownAgreement)?;
        let mut may = agreement.content.provider == step.agency;
        let mut link = Some(record);
        while let (false, Some(above)) = (may, link) {
            may = above.from == step.agency;
            link = above
                .delegation
                .parent
                .and_then(|parent| self.delegations.get(&parent));
        }
        if !may {
            return Err(FoldError::NotParty(step.agency.clone()));
        }
        let next = DelegationRecord {
            ended: Some(index),
            ..(**record).clone()
        };
        self.delegations.insert(next.id, Arc::new(next));
        Ok(())
    }
}

/// What a delegation hands on: a grant, or another delegation of it.
struct Held<'a> {
    holder: Option<&'a AgencyId>,
    operations: &'a [Part],
    purposes: &'a [Part],
    fields: &'a [Part],
    not_before_ms: u64,
    not_after_ms: u64,
    depth: u32,
    level: u32,
}

impl<'a> Held<'a> {
    fn of(
        registry: &'a Registry,
        agreement: &'a Agreement,
        new: &Delegation,
    ) -> Result<Self, FoldError> {
        let grant = agreement
            .content
            .grants
            .get(new.grant as usize - 1)
            .ok_or(FoldError::Widens("there is no such grant"))?;
        let Some(parent) = new.parent else {
            return Ok(Self {
                holder: None,
                operations: &grant.operations,
                purposes: &grant.purposes,
                fields: &grant.fields,
                not_before_ms: agreement.content.not_before_ms,
                not_after_ms: agreement.content.not_after_ms,
                depth: grant.delegation_depth,
                level: 0,
            });
        };
        let above = registry
            .delegations
            .get(&parent)
            .filter(|above| {
                above.agreement == agreement.id
                    && above.ended.is_none()
                    && above.delegation.grant == new.grant
            })
            .ok_or(FoldError::UnknownDelegation)?;
        let delegation = &above.delegation;
        Ok(Self {
            holder: Some(&delegation.consumer),
            operations: &delegation.operations,
            purposes: &delegation.purposes,
            fields: &delegation.fields,
            not_before_ms: delegation.not_before_ms,
            not_after_ms: delegation.not_after_ms,
            depth: delegation.depth,
            level: above.level,
        })
    }

    fn by(&self, agreement: &Agreement, agency: &AgencyId) -> bool {
        match self.holder {
            Some(holder) => holder == agency,
            None => agreement.content.consumer.covers(agency),
        }
    }
}
