//! What the registry knows of the border: instances that were admitted, and what their agencies may be told.

use super::{Instance, Opening, Registry};
use crate::digest::Digest;
use crate::id::AgencyId;

impl Registry {
    /// Other instances, those withdrawn included, by name.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values().map(|record| &**record)
    }

    /// Another instance, also one that was withdrawn.
    pub fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.get(name).map(|record| &**record)
    }

    /// Whether `name` is this switch's own instance.
    pub fn is_home(&self, name: &str) -> bool {
        self.genesis()
            .is_some_and(|genesis| genesis.instance.as_str() == name)
    }

    /// Whether agencies of `name` may be members now: of this switch's own instance, or of one that is admitted.
    pub fn admits(&self, name: &str) -> bool {
        self.is_home(name)
            || self
                .instance(name)
                .is_some_and(|record| record.withdrawn.is_none())
    }

    /// Whether the agency's instance was admitted once, and is no longer.
    pub fn is_withdrawn(&self, agency: &AgencyId) -> bool {
        self.instance(agency.instance())
            .is_some_and(|record| record.withdrawn.is_some())
    }

    /// What the provider of `agreement` opened abroad, ended ones included, in order.
    pub fn openings_of(&self, agreement: &Digest) -> impl Iterator<Item = &Opening> {
        self.openings
            .get(agreement)
            .into_iter()
            .flat_map(|records| records.iter().map(|record| &**record))
    }

    /// Everything that was opened abroad, by agreement.
    pub fn openings(&self) -> impl Iterator<Item = &Opening> {
        self.openings
            .values()
            .flat_map(|records| records.iter().map(|record| &**record))
    }
}
