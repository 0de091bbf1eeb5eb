//! What operators do, and the second seal on what needs two.

use std::sync::Arc;

use super::{Act, FoldError, sealed};
use crate::act::{Approval, Operator, OperatorAct, OperatorDeed, PersonRole, Purpose};
use crate::digest::Digest;
use crate::id::{AgencyId, Part};
use crate::key::PublicKey;
use crate::limits::{REPLACEMENT_MS, label};
use crate::registry::{
    Agency, ApplicationRecord, ApplicationState, InvitationRecord, Person, PurposeRecord, Registry,
    Replacement, Waiting, WaitingFor,
};

impl Registry {
    /// The operator whose key sealed the act; approvers and people who lost the role are none.
    pub(super) fn operator_of(&self, act: Act<'_>) -> Result<Part, FoldError> {
        self.operator_under(act, label::OPERATOR)
    }

    /// As [`Registry::operator_of`], under another label than theirs.
    pub(super) fn operator_under(&self, act: Act<'_>, label: &str) -> Result<Part, FoldError> {
        let person = self.sealer_of(act, label)?;
        if person.role != PersonRole::Operator {
            return Err(FoldError::NotOperator);
        }
        Ok(person.name.clone())
    }

    fn sealer_of(&self, act: Act<'_>, label: &str) -> Result<&Person, FoldError> {
        let kid = act.seal.ok_or(FoldError::Unsealed)?.open()?.kid();
        let found = self.people.values().find(|person| {
            person.ended.is_none() && person.key.as_ref().is_some_and(|key| key.kid() == kid)
        });
        let person = found.ok_or(FoldError::NotOperator)?;
        let key = person.key.as_ref().ok_or(FoldError::NotOperator)?;
        sealed(act, label, self.origin(), key)?;
        Ok(person)
    }

    pub(super) fn operator_acts(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let operator_act = OperatorAct::open(act.header)?;
        let operator = self.operator_of(act)?;
        if operator != operator_act.operator {
            return Err(FoldError::NotOperator);
        }
        if let OperatorDeed::ReplaceAuthority {
            agency,
            key,
            possession,
        } = &operator_act.deed
        {
            self.may_replace(agency, key)?;
            let over = OperatorDeed::replacement_bytes(agency, key);
            self.proves_itself(key, possession, &over)?;
        }
        let id = Digest::of(act.header);
        if !self.policy.covers(operator_act.deed.name()) {
            return self.take_effect(act, &operator_act, id);
        }
        // Judged now as well: what could not take effect today is not worth a second person's time.
        self.clone().take_effect(act, &operator_act, id)?;
        self.waiting
            .insert(id, Arc::new(Waiting::act(&operator, act, operator_act)));
        Ok(())
    }

    pub(super) fn approve(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let approval = Approval::open(act.header)?;
        let person = self.sealer_of(act, label::OPERATOR)?;
        if person.name != approval.operator {
            return Err(FoldError::NotOperator);
        }
        let waiting = self
            .waiting
            .get(&approval.act)
            .cloned()
            .ok_or(FoldError::NothingWaits)?;
        if !approval.rejected {
            // An operator may take back an own act; nobody may approve one, under whatever role.
            if is_same_person(&person.name, &waiting.operator) {
                return Err(FoldError::SamePerson);
            }
            // Who lost the role since takes the first seal along.
            if !self.has_role(PersonRole::Operator, &waiting.operator) {
                return Err(FoldError::NotOperator);
            }
            match &waiting.what {
                WaitingFor::Act(operator_act) => {
                    let mut next = self.clone();
                    next.take_effect(act, operator_act, approval.act)?;
                    *self = next;
                }
                WaitingFor::Invitation(token) => self.approve_invitation(act, token)?,
                WaitingFor::Border(border_act) => self.move_border(act, border_act)?,
            }
        }
        self.waiting.remove(&approval.act);
        Ok(())
    }

    fn approve_invitation(&mut self, act: Act<'_>, token: &Digest) -> Result<(), FoldError> {
        let record = self.invitations.get(token).ok_or(FoldError::NothingWaits)?;
        self.free_name(&record.invitation.agency.folded())?;
        let next = InvitationRecord {
            approved: true,
            ..(**record).clone()
        };
        self.answer_applications(&next.invitation, act.recorded_at_ms);
        self.invitations.insert(*token, Arc::new(next));
        Ok(())
    }

    fn take_effect(
        &mut self,
        act: Act<'_>,
        operator_act: &OperatorAct,
        id: Digest,
    ) -> Result<(), FoldError> {
        match &operator_act.deed {
            OperatorDeed::RejectApplication {
                application,
                reason,
            } => self.reject_application(act, application, reason),
            OperatorDeed::SuspendAgency {
                agency,
                lifted,
                reason,
            } => self.suspend(act, agency, *lifted, reason),
            OperatorDeed::EndSystem { system, reason } => self.end_system(act, system, reason),
            OperatorDeed::EndCertificate { sha256, reason } => {
                self.end_certificate(act, sha256, reason, None)
            }
            OperatorDeed::ReplaceAuthority { agency, key, .. } => {
                self.begin_replacement(act, agency, key, id)
            }
            OperatorDeed::SetPurpose(purpose) => self.set_purpose(purpose, act.index),
            OperatorDeed::SetRole {
                role,
                name,
                key,
                ended,
            } => self.set_role(act.index, *role, name, key.as_ref(), *ended),
            OperatorDeed::SetQuota { agency, daily } => {
                self.change_agency(agency, |record| record.daily_quota = *daily)
            }
            OperatorDeed::SetPolicy(policy) => {
                if !policy.0.is_empty() && self.sealing_people(None) < 2 {
                    return Err(FoldError::LastOperator);
                }
                if *policy == self.policy {
                    return Err(FoldError::NoChange);
                }
                self.policy = policy.clone();
                Ok(())
            }
        }
    }

    fn reject_application(
        &mut self,
        act: Act<'_>,
        application: &Digest,
        reason: &str,
    ) -> Result<(), FoldError> {
        let record = self
            .applications
            .get(application)
            .filter(|record| record.waits_at(act.recorded_at_ms))
            .ok_or(FoldError::UnknownApplication)?;
        let next = ApplicationRecord {
            state: ApplicationState::Rejected {
                reason: reason.to_owned(),
            },
            ..(**record).clone()
        };
        self.applications.insert(*application, Arc::new(next));
        Ok(())
    }

    fn suspend(
        &mut self,
        act: Act<'_>,
        agency: &AgencyId,
        lifted: bool,
        reason: &str,
    ) -> Result<(), FoldError> {
        let known = self
            .agencies
            .get(agency)
            .ok_or_else(|| FoldError::UnknownAgency(agency.clone()))?;
        if known.suspended.is_some() != lifted {
            return Err(FoldError::NoChange);
        }
        let state = (!lifted).then(|| (act.index, reason.to_owned()));
        if lifted {
            self.suspended.remove(agency);
        } else {
            self.suspended.insert(agency.clone());
        }
        self.change_agency(agency, |record| record.suspended = state)
    }

    pub(super) fn change_agency(
        &mut self,
        agency: &AgencyId,
        change: impl FnOnce(&mut Agency),
    ) -> Result<(), FoldError> {
        let known = self
            .agencies
            .get_mut(agency)
            .ok_or_else(|| FoldError::UnknownAgency(agency.clone()))?;
        let mut next = (**known).clone();
        change(&mut next);
        *known = Arc::new(next);
        Ok(())
    }

    fn may_replace(&self, agency: &AgencyId, key: &PublicKey) -> Result<(), FoldError> {
        let known = self
            .agencies
            .get(agency)
            .ok_or_else(|| FoldError::UnknownAgency(agency.clone()))?;
        if known.replacement.is_some() {
            return Err(FoldError::ReplacementUnderWay);
        }
        self.new_key(key).map(drop)
    }

    fn begin_replacement(
        &mut self,
        act: Act<'_>,
        agency: &AgencyId,
        key: &PublicKey,
        id: Digest,
    ) -> Result<(), FoldError> {
        self.may_replace(agency, key)?;
        let replacement = Replacement {
            key: key.clone(),
            act: id,
            index: act.index,
            due_at_ms: act.recorded_at_ms.saturating_add(REPLACEMENT_MS),
        };
        self.kids.insert(key.kid());
        self.change_agency(agency, |record| record.replacement = Some(replacement))
    }

    fn set_purpose(&mut self, purpose: &Purpose, index: u64) -> Result<(), FoldError> {
        let same = self
            .purposes
            .get(&purpose.code)
            .is_some_and(|record| record.purpose == *purpose);
        if same {
            return Err(FoldError::NoChange);
        }
        self.note_purpose(purpose.clone(), index);
        Ok(())
    }

    pub(super) fn note_purpose(&mut self, purpose: Purpose, index: u64) {
        self.purposes.insert(
            purpose.code.clone(),
            Arc::new(PurposeRecord { purpose, index }),
        );
    }

    pub(super) fn seat_first_operator(
        &mut self,
        operator: &Operator,
        index: u64,
    ) -> Result<(), FoldError> {
        let key = Some(&operator.key);
        self.set_role(index, PersonRole::Operator, &operator.name, key, false)
    }

    fn set_role(
        &mut self,
        index: u64,
        role: PersonRole,
        name: &Part,
        key: Option<&PublicKey>,
        ended: bool,
    ) -> Result<(), FoldError> {
        let id = (role, name.clone());
        let known = self.people.get(&id).cloned();
        if ended {
            let known = known
                .filter(|person| person.ended.is_none() && person.key.as_ref() == key)
                .ok_or(FoldError::NoChange)?;
            let operators_left = self.operators_left(&id);
            let two_needed = !self.policy.0.is_empty();
            if operators_left == 0 || (two_needed && self.sealing_people(Some(&id)) < 2) {
                return Err(FoldError::LastOperator);
            }
            let person = Person {
                ended: Some(index),
                ..(*known).clone()
            };
            self.people.insert(id, Arc::new(person));
            return Ok(());
        }
        if known.is_some_and(|person| person.ended.is_none()) {
            return Err(FoldError::NoChange);
        }
        // One name is one person: the same one with another role or key could be both seals of one act.
        let other_role =
            |person: &Arc<Person>| is_same_person(&person.name, name) && person.ended.is_none();
        if role.seals()
            && self
                .people
                .values()
                .any(|person| other_role(person) && person.role.seals())
        {
            return Err(FoldError::NameTaken(name.to_string()));
        }
        if let Some(key) = key {
            let kid = self.new_key(key)?;
            self.kids.insert(kid);
        }
        let person = Person {
            role,
            name: name.clone(),
            key: key.cloned(),
            index,
            ended: None,
        };
        self.people.insert(id, Arc::new(person));
        Ok(())
    }

    fn operators_left(&self, without: &(PersonRole, Part)) -> usize {
        self.people
            .iter()
            .filter(|(id, person)| {
                *id != without && person.role == PersonRole::Operator && person.ended.is_none()
            })
            .count()
    }

    /// People who can put a seal, without one.
    fn sealing_people(&self, without: Option<&(PersonRole, Part)>) -> usize {
        self.people
            .iter()
            .filter(|(id, person)| {
                Some(*id) != without && person.role.seals() && person.ended.is_none()
            })
            .count()
    }
}

/// Names of people that differ only in case name one person.
fn is_same_person(one: &Part, other: &Part) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}
