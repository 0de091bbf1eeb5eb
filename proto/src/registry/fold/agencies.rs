//! What agencies do to themselves, and the services that they publish.

use std::sync::Arc;

use super::{Act, FoldError};
use crate::act::{AgencyAct, AgencyDeed, OperationNotice, ServiceDefinition};
use crate::digest::Digest;
use crate::id::{AgencyId, Part};
use crate::key::PublicKey;
use crate::limits::label;
use crate::registry::{Agency, Notice, Registry, Service};

impl Registry {
    pub(super) fn agency_acts(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let agency_act = AgencyAct::open(act.header)?;
        let agency = &agency_act.agency;
        match &agency_act.deed {
            // What only takes away is open to a suspended agency too, and so is the defence of its own key.
            AgencyDeed::EndSystem { .. }
            | AgencyDeed::EndCertificate { .. }
            | AgencyDeed::Object { .. } => self.sealed_by_agency(act, label::AUTHORITY, agency)?,
            AgencyDeed::BindCertificate(_)
            | AgencyDeed::Succeed { .. }
            | AgencyDeed::Notice(_)
            | AgencyDeed::Administrator { .. } => {
                self.sealed_by_standing_agency(act, label::AUTHORITY, agency)?;
            }
        }
        match &agency_act.deed {
            AgencyDeed::EndSystem { system, reason } => self.end_system(act, system, reason),
            AgencyDeed::EndCertificate { sha256, reason } => {
                self.end_certificate(act, sha256, reason, Some(agency))
            }
            AgencyDeed::BindCertificate(outside) => self.bind_certificate(act, outside),
            AgencyDeed::Succeed { key, possession } => {
                self.proves_itself(key, possession, &agency_act.possession_bytes())?;
                self.succeed_authority(agency, key)
            }
            AgencyDeed::Object { act: replacing } => self.object(agency, replacing),
            AgencyDeed::Notice(notice) => self.note_notice(act, notice),
            AgencyDeed::Administrator { name, ended } => {
                self.seat_administrator(agency, name, *ended)
            }
        }
    }

    /// The new key counts at once. A replacement under way is void: the key was never lost.
    fn succeed_authority(&mut self, agency: &AgencyId, key: &PublicKey) -> Result<(), FoldError> {
        let kid = self.new_key(key)?;
        self.kids.insert(kid);
        self.change_agency(agency, |record| {
            record.authority_key = key.clone();
            record.replacement = None;
        })
    }

    fn object(&mut self, agency: &AgencyId, replacing: &Digest) -> Result<(), FoldError> {
        let under_way = self
            .agencies
            .get(agency)
            .and_then(|record| record.replacement.as_ref())
            .is_some_and(|replacement| replacement.act == *replacing);
        if !under_way {
            return Err(FoldError::NoReplacement);
        }
        self.change_agency(agency, |record| record.replacement = None)
    }

    /// The authority key of `agency` at a time, Unix milliseconds: a replacement counts from the moment it is due.
    pub fn authority_at<'a>(&self, agency: &'a Agency, at_ms: u64) -> &'a PublicKey {
        match &agency.replacement {
            Some(replacement) if replacement.due_at_ms <= at_ms => &replacement.key,
            Some(_) | None => &agency.authority_key,
        }
    }

    /// Whether [`Registry::mature`] would change anything.
    pub(super) fn is_replacement_due(&self, at_ms: u64) -> bool {
        let due = |record: &Arc<Agency>| {
            record
                .replacement
                .as_ref()
                .is_some_and(|replacement| replacement.due_at_ms <= at_ms)
        };
        self.agencies.values().any(due)
    }

    /// Makes replacements that are due by `at_ms` the authority keys themselves.
    pub(super) fn mature(&mut self, at_ms: u64) {
        for record in self.agencies.values_mut() {
            let due = record
                .replacement
                .as_ref()
                .filter(|replacement| replacement.due_at_ms <= at_ms);
            if let Some(replacement) = due.cloned() {
                *record = Arc::new(Agency {
                    authority_key: replacement.key,
                    replacement: None,
                    ..(**record).clone()
                });
            }
        }
    }

    fn note_notice(&mut self, act: Act<'_>, notice: &OperationNotice) -> Result<(), FoldError> {
        let id = notice.system.service(&notice.service);
        let unknown = || FoldError::UnknownService(notice.system.clone());
        let service = self.services.get(&id).ok_or_else(unknown)?;
        if let Some(operation) = &notice.operation
            && service.definition.operation(operation).is_none()
        {
            return Err(unknown());
        }
        let mut next = (**service).clone();
        let before = next.notices.len();
        next.notices
            .retain(|known| known.operation != notice.operation);
        if notice.disabled {
            next.notices.push(Notice {
                operation: notice.operation.clone(),
                notice_ar: notice.notice_ar.clone(),
                notice_en: notice.notice_en.clone(),
                index: act.index,
            });
        } else if before == next.notices.len() {
            return Err(FoldError::NoChange);
        }
        self.services.insert(id, Arc::new(next));
        Ok(())
    }

    fn seat_administrator(
        &mut self,
        agency: &AgencyId,
        name: &Part,
        ended: bool,
    ) -> Result<(), FoldError> {
        let known = self
            .agencies
            .get(agency)
            .is_some_and(|record| record.administrators.contains(name));
        if known != ended {
            return Err(FoldError::NoChange);
        }
        self.change_agency(agency, |record| {
            if ended {
                record.administrators.retain(|seated| seated != name);
            } else {
                record.administrators.push(name.clone());
                record.administrators.sort();
            }
        })
    }

    pub(super) fn publish(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let definition = ServiceDefinition::open(act.header)?;
        self.sealed_by_standing_agency(act, label::AUTHORITY, &definition.system.agency())?;
        match self.systems.get(&definition.system) {
            None => return Err(FoldError::UnknownSystem(definition.system)),
            Some(system) if system.ended.is_some() => {
                return Err(FoldError::SystemEnded(definition.system));
            }
            Some(_) => {}
        }
        let id = definition.id();
        let mut notices = Vec::new();
        if let Some(service) = self.services.get(&id) {
            // An older publication recorded later would quietly take back the newer one.
            if service.definition.issued_at_ms >= definition.issued_at_ms {
                return Err(FoldError::OlderService(id));
            }
            notices.clone_from(&service.notices);
            notices.retain(|notice| {
                notice
                    .operation
                    .as_ref()
                    .is_none_or(|operation| definition.operation(operation).is_some())
            });
        } else {
            self.free_name(&id.folded())?;
        }
        self.names.insert(id.folded());
        let service = Service {
            contract: Digest::of(act.header),
            definition,
            notices,
            index: act.index,
        };
        self.services.insert(id, Arc::new(service));
        Ok(())
    }
}
