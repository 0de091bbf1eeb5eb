//! The TOML shapes: what `plan` and `apply` read and `export` writes. Every value is text here; [`super::read`] makes
//! types of them. A key that is left out says nothing: what it would describe stays as it is.

use serde::{Deserialize, Serialize};

/// The catalogue of purposes.
pub(super) const PURPOSES: &str = "purposes.toml";
/// People and their roles.
pub(super) const ROLES: &str = "roles.toml";
/// Which acts need two seals.
pub(super) const POLICY: &str = "policy.toml";
/// Agreements that two agencies are wanted to seal.
pub(super) const AGREEMENTS: &str = "agreements.toml";
/// The folder with one file for each agency.
pub(super) const AGENCIES: &str = "agencies";

/// One of `[[purposes]]`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Purpose {
    /// The code that grants and requests name.
    pub(super) code: String,
    pub(super) name_ar: String,
    pub(super) name_en: String,
    pub(super) legal_basis_ar: String,
    pub(super) legal_basis_en: String,
    /// No new agreement may name it.
    pub(super) ended: Option<bool>,
}

/// One of `[[people]]`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    /// operator, approver, auditor or dpo.
    pub(super) role: String,
    /// The name in the certificate.
    pub(super) name: String,
    /// SHA-256 of the seal key, as `mohawel role list` prints it.
    pub(super) fingerprint: Option<String>,
    /// The seal key: DER `SubjectPublicKeyInfo`, hex.
    pub(super) key: Option<String>,
    /// Loses the role.
    pub(super) ended: Option<bool>,
}

/// `policy.toml`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    /// Names of acts, as `mohawel policy show` lists them.
    pub(super) two_operators: Vec<String>,
}

/// One of `[[agreements]]`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Agreement {
    /// An agency, `EG/GOV/*`, `EG/*/*` or `@GROUP`.
    pub(super) consumer: String,
    /// An agency.
    pub(super) provider: String,
}

/// A file in `agencies/`, without its lists.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Agency {
    /// INSTANCE/CLASS/AGENCY.
    pub(super) agency: String,
    pub(super) name_ar: Option<String>,
    pub(super) name_en: Option<String>,
    /// Cut off by the operators.
    pub(super) suspended: Option<bool>,
    /// Why it is suspended, or no longer; for people.
    pub(super) reason: Option<String>,
    /// Requests a day (UTC) of all its systems; 0 means no limit.
    pub(super) daily_quota: Option<u64>,
}

/// One of an agency's `[[systems]]`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct System {
    /// One name part.
    pub(super) name: String,
    /// Names of its adapters.
    #[serde(default)]
    pub(super) adapters: Vec<String>,
}

/// One of an agency's `[[services]]`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    /// The system that offers it, one name part.
    pub(super) system: String,
    /// Its own name, for example `persons.v1`.
    pub(super) name: String,
    /// Operations that it must have.
    #[serde(default)]
    pub(super) operations: Vec<String>,
}

/// What `export` writes to `purposes.toml`.
#[derive(Debug, Serialize)]
pub(super) struct Purposes {
    pub(super) purposes: Vec<Purpose>,
}

/// What `export` writes to `roles.toml`.
#[derive(Debug, Serialize)]
pub(super) struct People {
    pub(super) people: Vec<Person>,
}

/// What `export` writes to `agreements.toml`.
#[derive(Debug, Serialize)]
pub(super) struct Agreements {
    pub(super) agreements: Vec<Agreement>,
}

/// What `export` writes for one agency.
#[derive(Debug, Serialize)]
pub(super) struct WholeAgency {
    #[serde(flatten)]
    pub(super) agency: Agency,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) systems: Vec<System>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) services: Vec<Service>,
}
