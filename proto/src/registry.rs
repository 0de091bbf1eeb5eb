//! The registry: who exists and who may ask what. A fold over registry entries, nothing else.
//!
//! Switch, adapters and auditors run this same fold, so the same history gives the same registry
//! everywhere, and the switch can add nothing that an agency did not seal.

mod fold;
mod record;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

pub use fold::{Act, FoldError};
pub use record::{
    Agency, Agreement, AgreementState, BoundKey, Certificate, InvitationRecord, RecordedAct,
    Service, System,
};

use crate::act::Genesis;
use crate::digest::Digest;
use crate::id::{AgencyId, ServiceId, SystemId};
use crate::refusal::Code;

/// A snapshot of the registry after some number of registry entries. Clones share their records.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    size: u64,
    genesis: Option<Arc<Genesis>>,
    genesis_sha256: Digest,
    /// Names in use, folded to one case: agencies, systems and services.
    names: HashSet<String>,
    invitations: HashMap<Digest, Arc<InvitationRecord>>,
    agencies: BTreeMap<AgencyId, Arc<Agency>>,
    systems: BTreeMap<SystemId, Arc<System>>,
    keys: HashMap<Digest, Arc<BoundKey>>,
    certificates: HashMap<Digest, Arc<Certificate>>,
    services: BTreeMap<ServiceId, Arc<Service>>,
    agreements: BTreeMap<Digest, Arc<Agreement>>,
}

impl Registry {
    /// Before entry 0.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Registry entries folded so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Entry 0's content; `None` before it was folded.
    pub fn genesis(&self) -> Option<&Genesis> {
        self.genesis.as_deref()
    }

    /// SHA-256 of entry 0's bytes.
    pub fn genesis_sha256(&self) -> Digest {
        self.genesis_sha256
    }

    /// The log's origin; empty before entry 0.
    pub fn origin(&self) -> &str {
        self.genesis
            .as_deref()
            .map_or("", |genesis| &genesis.origin)
    }

    /// An invitation by the SHA-256 of its token.
    pub fn invitation(&self, token: &Digest) -> Option<&InvitationRecord> {
        self.invitations.get(token).map(|record| &**record)
    }

    /// All invitations.
    pub fn invitations(&self) -> impl Iterator<Item = &InvitationRecord> {
        self.invitations.values().map(|record| &**record)
    }

    /// One agency.
    pub fn agency(&self, id: &AgencyId) -> Option<&Agency> {
        self.agencies.get(id).map(|record| &**record)
    }

    /// All agencies, by name.
    pub fn agencies(&self) -> impl Iterator<Item = &Agency> {
        self.agencies.values().map(|record| &**record)
    }

    /// One system.
    pub fn system(&self, id: &SystemId) -> Option<&System> {
        self.systems.get(id).map(|record| &**record)
    }

    /// All systems, by name.
    pub fn systems(&self) -> impl Iterator<Item = &System> {
        self.systems.values().map(|record| &**record)
    }

    /// A bound key, ended or not.
    pub fn key(&self, kid: &Digest) -> Option<&Arc<BoundKey>> {
        self.keys.get(kid)
    }

    /// All keys ever bound.
    pub fn keys(&self) -> impl Iterator<Item = &BoundKey> {
        self.keys.values().map(|record| &**record)
    }

    /// The key `kid` if it may seal for `system` now.
    pub fn seal_key(&self, kid: &Digest, system: &SystemId) -> Result<&Arc<BoundKey>, Code> {
        let key = self.keys.get(kid).ok_or(Code::WrongSigner)?;
        if key.system != *system {
            return Err(Code::WrongSigner);
        }
        if key.ended.is_some() {
            Err(Code::KeyEnded)
        } else {
            Ok(key)
        }
    }

    /// A TLS certificate that the switch's authority issued, by its SHA-256.
    pub fn certificate(&self, sha256: &Digest) -> Option<&Certificate> {
        self.certificates.get(sha256).map(|record| &**record)
    }

    /// One service.
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.get(id).map(|record| &**record)
    }

    /// All services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values().map(|record| &**record)
    }

    /// One agreement.
    pub fn agreement(&self, id: &Digest) -> Option<&Agreement> {
        self.agreements.get(id).map(|record| &**record)
    }

    /// All agreements.
    pub fn agreements(&self) -> impl Iterator<Item = &Agreement> {
        self.agreements.values().map(|record| &**record)
    }
}

#[cfg(test)]
mod tests;
