//! What is done at the border: instances admitted and withdrawn by operators, operations opened by those who answer.

use std::sync::Arc;

use super::{Act, BorderFault, FoldError};
use crate::act::{BorderAct, BorderDeed, InstanceAdmission, OpeningAbroad};
use crate::digest::Digest;
use crate::id::{AgencyId, Part};
use crate::limits::label;
use crate::registry::{AgreementState, Instance, Opening, Registry, Waiting};

impl Registry {
    pub(super) fn border_acts(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let border_act = BorderAct::open(act.header)?;
        match &border_act.deed {
            BorderDeed::Admit(InstanceAdmission { operator, .. })
            | BorderDeed::Withdraw { operator, .. } => self.by_operator(act, operator, &border_act),
            BorderDeed::Open(opening) => {
                self.sealed_by_standing_agency(act, label::BORDER, &opening.agency)?;
                self.open_abroad(act, opening)
            }
            BorderDeed::Close {
                agency,
                opening,
                reason,
            } => {
                self.sealed_by_agency(act, label::BORDER, agency)?;
                self.close_abroad(act.index, agency, opening, reason)
            }
        }
    }

    fn by_operator(
        &mut self,
        act: Act<'_>,
        operator: &Part,
        border_act: &BorderAct,
    ) -> Result<(), FoldError> {
        if self.operator_under(act, label::BORDER)? != *operator {
            return Err(FoldError::NotOperator);
        }
        if !BorderDeed::needs_two(border_act.deed.name(), self.policy()) {
            return self.move_border(act, border_act);
        }
        // As with every operator's act: what could not take effect today is not worth a second person's time.
        self.clone().move_border(act, border_act)?;
        let waiting = Waiting::border(operator, act, border_act.clone());
        self.waiting
            .insert(Digest::of(act.header), Arc::new(waiting));
        Ok(())
    }

    /// An operator's act takes effect: at once, or with its second seal `act`.
    pub(super) fn move_border(
        &mut self,
        act: Act<'_>,
        border_act: &BorderAct,
    ) -> Result<(), FoldError> {
        match &border_act.deed {
            BorderDeed::Admit(admission) => self.admit(act.index, admission),
            BorderDeed::Withdraw {
                instance, reason, ..
            } => {
                let known = self
                    .instances
                    .get_mut(instance.as_str())
                    .filter(|record| record.withdrawn.is_none())
                    .ok_or_else(|| BorderFault::NotAdmitted(instance.clone()))?;
                *known = Arc::new(Instance {
                    withdrawn: Some((act.index, reason.clone())),
                    ..(**known).clone()
                });
                Ok(())
            }
            // Those are agencies' acts, which nothing waits for.
            BorderDeed::Open(_) | BorderDeed::Close { .. } => Err(FoldError::NotOperator),
        }
    }

    /// With the same texts an instance that is admitted already is no news; other texts replace them.
    fn admit(&mut self, index: u64, admission: &InstanceAdmission) -> Result<(), FoldError> {
        let genesis = self.genesis().ok_or(FoldError::Genesis)?;
        let is_home = genesis
            .instance
            .as_str()
            .eq_ignore_ascii_case(admission.instance.as_str());
        let record = Instance {
            id: admission.instance.clone(),
            name_ar: admission.name_ar.clone(),
            name_en: admission.name_en.clone(),
            legal_basis: admission.legal_basis.clone(),
            index,
            withdrawn: None,
        };
        let same = self
            .instances
            .get(record.id.as_str())
            .is_some_and(|known| known.says_the_same(&record));
        if is_home || same {
            return Err(FoldError::NoChange);
        }
        self.instances
            .insert(record.id.to_string(), Arc::new(record));
        Ok(())
    }

    fn open_abroad(&mut self, act: Act<'_>, opening: &OpeningAbroad) -> Result<(), FoldError> {
        let agreement = self
            .agreement(&opening.agreement)
            .ok_or(FoldError::UnknownAgreement)?;
        if agreement.content.provider != opening.agency {
            return Err(FoldError::NotParty(opening.agency.clone()));
        }
        if agreement.state == AgreementState::Revoked {
            return Err(FoldError::OutOfOrder);
        }
        if opening.instance.as_str() == opening.agency.instance() {
            return Err(BorderFault::NoBorder.into());
        }
        if !self.admits(opening.instance.as_str()) {
            return Err(BorderFault::NotAdmitted(opening.instance.clone()).into());
        }
        let grant = (opening.grant as usize)
            .checked_sub(1)
            .and_then(|place| agreement.content.grants.get(place))
            .ok_or(BorderFault::Widens("there is no such grant"))?;
        if !opening
            .operations
            .iter()
            .all(|operation| grant.operations.contains(operation))
        {
            return Err(BorderFault::Widens("an operation is not granted").into());
        }
        if opening.not_after_ms > agreement.content.not_after_ms {
            return Err(BorderFault::Widens("it counts longer than the agreement").into());
        }
        if opening.not_after_ms <= act.recorded_at_ms {
            return Err(BorderFault::Widens("its end has passed already").into());
        }
        let record = Arc::new(Opening {
            id: Digest::of(act.header),
            opening: opening.clone(),
            index: act.index,
            ended: None,
        });
        let of_agreement = self.openings.entry(opening.agreement).or_default();
        Arc::make_mut(of_agreement).push(record);
        Ok(())
    }

    fn close_abroad(
        &mut self,
        index: u64,
        agency: &AgencyId,
        id: &Digest,
        reason: &str,
    ) -> Result<(), FoldError> {
        let known = self
            .openings()
            .find(|record| record.id == *id && record.ended.is_none())
            .ok_or(BorderFault::UnknownOpening)?;
        if known.opening.agency != *agency {
            return Err(FoldError::NotParty(agency.clone()));
        }
        let agreement = known.opening.agreement;
        let of_agreement = self.openings.entry(agreement).or_default();
        for record in Arc::make_mut(of_agreement) {
            if record.id == *id {
                *record = Arc::new(Opening {
                    ended: Some((index, reason.to_owned())),
                    ..(**record).clone()
                });
            }
        }
        Ok(())
    }
}
