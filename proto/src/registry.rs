//! The registry: who exists and who may ask what. A fold over registry entries, nothing else.
//!
//! Switch, adapters and auditors run this same fold, so the same history gives the same registry
//! everywhere, and the switch can add nothing that an agency did not seal.

mod abroad;
mod between;
mod digest;
mod fold;
mod names;
mod record;
mod suppose;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

pub use fold::{Act, BorderFault, FoldError, LogKeyFault};
pub(crate) use names::Names;
pub use record::{
    Agency, Agreement, AgreementState, ApplicationRecord, ApplicationState, BoundKey, Certificate,
    DelegationRecord, EncryptionKeyRecord, Instance, InvitationRecord, LogKeyRecord, Notice,
    Opening, Person, PurposeRecord, RecordedAct, Replacement, Service, System, Waiting, WaitingFor,
};

use crate::act::{Genesis, PersonRole, TwoOperators};
use crate::digest::Digest;
use crate::id::Part;
use crate::id::{AgencyId, ServiceId, SystemId};
use crate::key::PublicKey;
use crate::refusal::Code;

/// A snapshot of the registry after some number of registry entries. Clones share their records.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    size: u64,
    genesis: Option<Arc<Genesis>>,
    genesis_sha256: Digest,
    /// Names in use, folded to one case: agencies, systems and services.
    names: HashSet<String>,
    /// Every key that was ever bound to anybody, for any use, but the log's.
    kids: HashSet<Digest>,
    /// Headers of acts that would take effect again if they were recorded again.
    once: HashSet<Digest>,
    people: BTreeMap<(PersonRole, Part), Arc<Person>>,
    policy: TwoOperators,
    waiting: BTreeMap<Digest, Arc<Waiting>>,
    purposes: BTreeMap<Part, Arc<PurposeRecord>>,
    invitations: HashMap<Digest, Arc<InvitationRecord>>,
    applications: HashMap<Digest, Arc<ApplicationRecord>>,
    agencies: BTreeMap<AgencyId, Arc<Agency>>,
    /// The suspended ones among them: each decision asks, and they are few.
    suspended: BTreeSet<AgencyId>,
    systems: BTreeMap<SystemId, Arc<System>>,
    keys: HashMap<Digest, Arc<BoundKey>>,
    /// The log's keys after genesis's, in order.
    log_keys: Vec<Arc<LogKeyRecord>>,
    /// The newest one of each system.
    encryption_keys: BTreeMap<SystemId, Arc<EncryptionKeyRecord>>,
    certificates: HashMap<Digest, Arc<Certificate>>,
    services: BTreeMap<ServiceId, Arc<Service>>,
    agreements: HashMap<Digest, Arc<Agreement>>,
    delegations: HashMap<Digest, Arc<DelegationRecord>>,
    /// Other instances, by name.
    instances: BTreeMap<String, Arc<Instance>>,
    /// What was opened abroad, by agreement.
    openings: BTreeMap<Digest, Arc<Vec<Arc<Opening>>>>,
    /// Agreements by who answers and who asks.
    between: between::Between,
    /// Texts that names in agreements share.
    shared: Arc<Names>,
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

    /// The log's keys after the one of entry 0, in order.
    pub fn log_keys(&self) -> impl Iterator<Item = &LogKeyRecord> {
        self.log_keys.iter().map(|record| &**record)
    }

    /// The key that signs the log now; `None` before entry 0.
    pub fn log_key(&self) -> Option<&PublicKey> {
        let newest = self.log_keys.last().map(|record| &record.succession.key);
        newest.or(self.genesis.as_deref().map(|genesis| &genesis.log_key))
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

    /// What payloads for `system` are sealed to; `None` where it bound no key, or is over.
    pub fn encryption_key(&self, system: &SystemId) -> Option<&EncryptionKeyRecord> {
        let going_on = self
            .system(system)
            .is_some_and(|known| known.ended.is_none());
        self.encryption_keys
            .get(system)
            .filter(|_| going_on)
            .map(|record| &**record)
    }

    /// The newest encryption key of each system, by name.
    pub fn encryption_keys(&self) -> impl Iterator<Item = &EncryptionKeyRecord> {
        self.encryption_keys.values().map(|record| &**record)
    }

    /// A person with a role, also one who lost it.
    pub fn person(&self, role: PersonRole, name: &Part) -> Option<&Person> {
        self.people
            .get(&(role, name.clone()))
            .map(|record| &**record)
    }

    /// Whether the person has the role now.
    pub fn has_role(&self, role: PersonRole, name: &Part) -> bool {
        self.person(role, name)
            .is_some_and(|person| person.ended.is_none())
    }

    /// Everybody who has or had a role, by role and name.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values().map(|record| &**record)
    }

    /// Which acts need two seals.
    pub fn policy(&self) -> &TwoOperators {
        &self.policy
    }

    /// Acts that wait for a second seal, by the SHA-256 that an approval names.
    pub fn waiting(&self) -> impl Iterator<Item = (&Digest, &Waiting)> {
        self.waiting.iter().map(|(id, record)| (id, &**record))
    }

    /// One purpose of the catalogue, also one that was ended.
    pub fn purpose(&self, code: &Part) -> Option<&PurposeRecord> {
        self.purposes.get(code).map(|record| &**record)
    }

    /// The catalogue, by code.
    pub fn purposes(&self) -> impl Iterator<Item = &PurposeRecord> {
        self.purposes.values().map(|record| &**record)
    }

    /// An application by the SHA-256 of its header.
    pub fn application(&self, id: &Digest) -> Option<&ApplicationRecord> {
        self.applications.get(id).map(|record| &**record)
    }

    /// All applications with their ids.
    pub fn applications(&self) -> impl Iterator<Item = (&Digest, &ApplicationRecord)> {
        self.applications.iter().map(|(id, record)| (id, &**record))
    }

    /// Whether the operators suspended the agency.
    pub fn is_suspended(&self, agency: &AgencyId) -> bool {
        self.suspended.contains(agency)
    }

    /// Whether a connection that shows the certificate `sha256` may speak for `system` now.
    pub fn may_connect(&self, system: &SystemId, sha256: &Digest) -> Result<(), Code> {
        let known = self.systems.get(system).ok_or(Code::UnknownPeer)?;
        if self.is_suspended(&system.agency()) {
            return Err(Code::AgencySuspended);
        }
        if known.ended.is_some() {
            return Err(Code::CertificateRevoked);
        }
        match self.certificates.get(sha256) {
            Some(certificate) if certificate.revoked.is_some() => Err(Code::CertificateRevoked),
            Some(certificate) if certificate.uri == self.uri_of(system) => Ok(()),
            // Issued and never recorded: nobody can say who holds it.
            Some(_) | None => Err(Code::UnknownPeer),
        }
    }

    /// The SPIFFE URI of a system.
    pub fn uri_of(&self, system: &SystemId) -> String {
        let domain = self
            .genesis
            .as_deref()
            .map_or("", |genesis| &genesis.trust_domain);
        format!("spiffe://{domain}/{system}")
    }

    /// Whether a certificate's URI names a system or an administrator of `agency`.
    fn is_uri_of_agency(&self, uri: &str, agency: &AgencyId) -> bool {
        let domain = self
            .genesis
            .as_deref()
            .map_or("", |genesis| &genesis.trust_domain);
        let path = uri
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.strip_prefix(domain))
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or_default();
        let path = path.strip_prefix("administrator/").unwrap_or(path);
        path.strip_prefix(agency.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// A delegation by its id, also one that has ended.
    pub fn delegation(&self, id: &Digest) -> Option<&DelegationRecord> {
        self.delegations.get(id).map(|record| &**record)
    }

    /// All delegations.
    pub fn delegations(&self) -> impl Iterator<Item = &DelegationRecord> {
        self.delegations.values().map(|record| &**record)
    }

    /// All certificates, ended ones included.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.values().map(|record| &**record)
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
pub(crate) mod tests;
