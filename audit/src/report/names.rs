//! What agencies and services are called: from the registry that stands in the same log.

use proto::id::{AgencyId, ServiceId, SystemId};
use proto::registry::Registry;

use super::By;
use crate::find::Row;

/// The registry as far as it could be folded. An entry that does not follow ends it: names are for people to read, and
/// whether the log holds is told elsewhere.
#[derive(Debug)]
pub(super) struct Names {
    registry: Registry,
    ended: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            registry: Registry::empty(),
            ended: false,
        }
    }
}

impl Names {
    pub(super) fn follow(&mut self, row: &Row) {
        if row.entry.kind.is_registry() && !self.ended {
            self.ended = self.registry.apply(row.event.index, &row.entry).is_err();
        }
    }

    /// English and Arabic.
    pub(super) fn of(&self, by: By, key: &str) -> Option<[String; 2]> {
        match by {
            By::Service => {
                let service = self.registry.service(&ServiceId::parse(key).ok()?)?;
                let definition = &service.definition;
                Some([definition.name_en.clone(), definition.name_ar.clone()])
            }
            By::Agency | By::Provider => self.agency(&AgencyId::parse(key).ok()?),
            By::Centre => self.agency(&SystemId::parse(key).ok()?.agency()),
            By::Official => {
                let (system, _) = key.split_once(' ')?;
                self.agency(&SystemId::parse(system).ok()?.agency())
            }
        }
    }

    fn agency(&self, id: &AgencyId) -> Option<[String; 2]> {
        let agency = self.registry.agency(id)?;
        Some([agency.name_en.clone(), agency.name_ar.clone()])
    }
}
