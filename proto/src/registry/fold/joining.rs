//! Invitations, applications, enrolments.

use std::sync::Arc;

use super::{Act, FoldError, sealed};
use crate::act::{AgencyEnrolment, Application, Invitation};
use crate::digest::Digest;
use crate::limits::{APPLICATION_MS, APPLICATIONS_MAX, label};
use crate::registry::{
    Agency, ApplicationRecord, ApplicationState, InvitationRecord, Registry, Waiting,
};

impl Registry {
    pub(super) fn invite(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let invitation = Invitation::open(act.header)?;
        let operator = self.operator_of(act)?;
        if !self.admits(invitation.agency.instance()) {
            return Err(FoldError::OtherInstance(invitation.agency));
        }
        self.free_name(&invitation.agency.folded())?;
        if self.invitations.contains_key(&invitation.token) {
            return Err(FoldError::TokenUsed);
        }
        // What answers an application answers one that waits, with the key that it named.
        let applied = self
            .applications
            .values()
            .find(|record| record.application.token == invitation.token);
        if let Some(record) = applied {
            let fits = record.application.agency == invitation.agency
                && invitation.authority_kid == Some(record.application.authority_key.kid());
            if !fits || !record.waits_at(act.recorded_at_ms) {
                return Err(FoldError::UnknownApplication);
            }
        }
        let needs_two = self.policy.covers("invitation");
        if needs_two {
            let waiting = Waiting::invitation(&operator, act, invitation.token);
            self.waiting
                .insert(Digest::of(act.header), Arc::new(waiting));
        }
        let record = InvitationRecord {
            operator,
            index: act.index,
            approved: !needs_two,
            used: None,
            invitation,
        };
        if record.approved {
            self.answer_applications(&record.invitation, act.recorded_at_ms);
        }
        self.invitations
            .insert(record.invitation.token, Arc::new(record));
        Ok(())
    }

    /// An invitation for an application's token and key is its approval, while it waits.
    pub(super) fn answer_applications(&mut self, invitation: &Invitation, at_ms: u64) {
        let fits = |record: &ApplicationRecord| {
            record.application.token == invitation.token
                && record.application.agency == invitation.agency
                && invitation.authority_kid == Some(record.application.authority_key.kid())
                && record.waits_at(at_ms)
        };
        for record in self.applications.values_mut() {
            if fits(record) {
                let next = ApplicationRecord {
                    state: ApplicationState::Approved {
                        enrol_until_ms: invitation.expires_at_ms,
                    },
                    ..(**record).clone()
                };
                *record = Arc::new(next);
            }
        }
    }

    pub(super) fn apply_to_join(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let application = Application::open(act.header)?;
        sealed(
            act,
            label::AUTHORITY,
            self.origin(),
            &application.authority_key,
        )?;
        if application.genesis != self.genesis_sha256 {
            return Err(FoldError::OtherSwitch);
        }
        if !self.admits(application.agency.instance()) {
            return Err(FoldError::OtherInstance(application.agency));
        }
        self.free_name(&application.agency.folded())?;
        let kid = self.new_key(&application.authority_key)?;
        let (of_agency, in_all) = self
            .applications
            .values()
            .filter(|record| record.waits_at(act.recorded_at_ms))
            .fold((0, 0), |(of_agency, in_all), record| {
                let same = record.application.agency.folded() == application.agency.folded();
                (of_agency + usize::from(same), in_all + 1)
            });
        if of_agency >= APPLICATIONS_MAX.0 || in_all >= APPLICATIONS_MAX.1 {
            return Err(FoldError::TooManyApplications);
        }
        let known = |record: &ApplicationRecord| {
            record.application.token == application.token
                || record.application.authority_key.kid() == kid
        };
        if self.invitations.contains_key(&application.token)
            || self.applications.values().any(|record| known(record))
        {
            return Err(FoldError::TokenUsed);
        }
        let record = ApplicationRecord {
            application,
            index: act.index,
            expires_at_ms: act.recorded_at_ms.saturating_add(APPLICATION_MS),
            state: ApplicationState::Waiting,
        };
        self.applications
            .insert(Digest::of(act.header), Arc::new(record));
        Ok(())
    }

    pub(super) fn enrol(&mut self, act: Act<'_>) -> Result<(), FoldError> {
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
        // Admitted when it was invited, and withdrawn since.
        if !self.admits(enrolment.agency.instance()) {
            return Err(FoldError::OtherInstance(enrolment.agency));
        }
        if !record.approved {
            return Err(FoldError::NotApproved);
        }
        if act.recorded_at_ms >= record.invitation.expires_at_ms {
            return Err(FoldError::InvitationExpired);
        }
        if enrolment.genesis != self.genesis_sha256 {
            return Err(FoldError::OtherSwitch);
        }
        self.free_name(&enrolment.agency.folded())?;
        let kid = self.new_key(&enrolment.authority_key)?;
        if record
            .invitation
            .authority_kid
            .is_some_and(|pinned| pinned != kid)
        {
            return Err(FoldError::OtherAuthority);
        }
        let used = InvitationRecord {
            used: Some(act.index),
            ..(**record).clone()
        };
        self.invitations.insert(enrolment.token, Arc::new(used));
        self.close_applications(&enrolment);
        self.kids.insert(kid);
        self.names.insert(enrolment.agency.folded());
        self.agencies.insert(
            enrolment.agency.clone(),
            Arc::new(Agency {
                id: enrolment.agency,
                name_ar: enrolment.name_ar,
                name_en: enrolment.name_en,
                authority_key: enrolment.authority_key,
                index: act.index,
                suspended: None,
                daily_quota: 0,
                replacement: None,
                administrators: Vec::new(),
            }),
        );
        Ok(())
    }

    /// The name is taken now: its own application is done, every other one can no longer be approved.
    fn close_applications(&mut self, enrolment: &AgencyEnrolment) {
        let folded = enrolment.agency.folded();
        for record in self.applications.values_mut() {
            if record.application.agency.folded() != folded {
                continue;
            }
            let state = if record.application.token == enrolment.token {
                ApplicationState::Enrolled
            } else if record.state == ApplicationState::Waiting {
                ApplicationState::Rejected {
                    reason: "the name was given to another applicant".to_owned(),
                }
            } else {
                continue;
            };
            *record = Arc::new(ApplicationRecord {
                state,
                ..(**record).clone()
            });
        }
    }
}
