//! What a directory describes, read into types. `None` means that nothing is said: it stays as it is.

use proto::act::{PersonRole, Purpose, TwoOperators};
use proto::digest::Digest;
use proto::id::{AgencyId, Part};
use proto::key::PublicKey;

/// A whole directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// `purposes.toml`.
    pub purposes: Option<Vec<WantedPurpose>>,
    /// `roles.toml`.
    pub people: Option<Vec<WantedPerson>>,
    /// `policy.toml`.
    pub policy: Option<TwoOperators>,
    /// `agencies/`.
    pub agencies: Option<Vec<WantedAgency>>,
    /// `agreements.toml`.
    pub agreements: Option<Vec<WantedAgreement>>,
}

/// A purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPurpose {
    /// Code and texts; its `ended` counts only where the file says it.
    pub purpose: Purpose,
    /// Whether the file says that it is ended, or that it is not.
    pub ended: Option<bool>,
}

/// A person and a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPerson {
    /// Which role.
    pub role: PersonRole,
    /// The name in the certificate.
    pub name: Part,
    /// Seals what the person does.
    pub key: Option<PublicKey>,
    /// SHA-256 of that key.
    pub kid: Option<Digest>,
    /// Loses the role.
    pub ended: bool,
}

/// An agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedAgency {
    /// Its name.
    pub id: AgencyId,
    /// Shown to people.
    pub name_ar: Option<String>,
    /// Shown to people.
    pub name_en: Option<String>,
    /// Cut off by the operators, or not.
    pub suspended: Option<bool>,
    /// Why it is suspended, or no longer.
    pub reason: Option<String>,
    /// Requests a day; 0 means no limit.
    pub daily_quota: Option<u64>,
    /// Its systems.
    pub systems: Option<Vec<WantedSystem>>,
    /// Its services.
    pub services: Option<Vec<WantedService>>,
}

/// A system of an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedSystem {
    /// Its own name.
    pub name: Part,
    /// Its adapters.
    pub adapters: Vec<Part>,
}

/// A service of an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedService {
    /// The system that offers it.
    pub system: Part,
    /// Its own name.
    pub name: Part,
    /// Operations that it must have.
    pub operations: Vec<Part>,
}

/// An agreement between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedAgreement {
    /// Who asks, as agreements write it.
    pub consumer: String,
    /// Who answers.
    pub provider: AgencyId,
}
