//! The switch's own certificate authority: a root, an intermediate for brokers, an intermediate for agencies.
//!
//! Takes proven keys and names that the registry decided. Gives certificates with exactly that name, that purpose
//! and that life. Never signs what a request asks for, and never reads a clock.
//!
//! On disk, in a directory that only its owner may enter:
//! `root.key root.pem brokers.key brokers.pem agencies.key agencies.pem trust-domain`.
//! Issuing needs no `root.key`: once made, it may (and should) be kept elsewhere.
//!
//! Specification: `docs/protocol.md` §1 (TLS key, enrolment).

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{ExtendedKeyUsagePurpose as Purpose, Issuer, SanType};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use crate::key_files::KeyFileError;
use crate::keys::{KeyError, TlsKey};
use crate::name::{NameError, PeerName, PeerRole, TrustDomain};
use crate::pem::{self, PemError};
use crate::request::{ProvenKey, RequestError};

mod issue;
mod store;

use issue::{Intermediate, ca_params, leaf_params};

/// How long a leaf lives unless the caller says otherwise.
pub const LEAF_LIFE: Duration = Duration::days(7);
/// The longest life of a leaf: revocation is quick, but a forgotten certificate must end by itself.
pub const LEAF_LIFE_MAX: Duration = Duration::days(90);
/// How far before `now` a certificate begins, for clocks that run behind.
pub const BACKDATE: Duration = Duration::minutes(5);
/// The most DNS names and addresses of a broker.
pub const HOSTS_MAX: usize = 32;

const ROOT_LIFE: Duration = Duration::days(20 * 365);
const INTERMEDIATE_LIFE: Duration = Duration::days(5 * 365);

/// Where a broker is reached, as adapters dial it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A DNS name.
    Dns(String),
    /// An address.
    Address(IpAddr),
}

impl From<&str> for Host {
    /// An address when it reads as one, a DNS name otherwise.
    fn from(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Dns(text.to_owned()), Self::Address)
    }
}

/// A certificate that was issued, and what the registry records of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Leaf and intermediate, in the order TLS sends them. The root is not in it.
    pub chain_pem: String,
    /// The leaf.
    pub cert_der: Vec<u8>,
    /// The leaf's serial number in lower-case hex, 36 digits.
    pub serial_hex: String,
    /// SHA-256 over the leaf's DER.
    pub sha256: [u8; 32],
    /// The beginning of its life, [`BACKDATE`] before the issuing.
    pub not_before: OffsetDateTime,
    /// The end of its life, whole seconds.
    pub not_after: OffsetDateTime,
}

/// The authority, ready to issue.
pub struct Authority {
    trust_domain: TrustDomain,
    root: CertificateDer<'static>,
    brokers: Intermediate,
    agencies: Intermediate,
}

impl Authority {
    /// Makes a new authority in `dir` (made when missing) and opens it. `now` is the beginning of its life.
    ///
    /// # Errors
    /// [`AuthorityError::Exists`] when any of its files stands there already; nothing is changed then.
    /// [`AuthorityError::TrustDomain`], [`AuthorityError::Key`], [`AuthorityError::Pem`], [`AuthorityError::File`].
    pub fn create(
        dir: &Path,
        trust_domain: &str,
        now: OffsetDateTime,
    ) -> Result<Self, AuthorityError> {
        let trust_domain: TrustDomain =
            trust_domain.parse().map_err(AuthorityError::TrustDomain)?;
        store::refuse_existing(dir)?;
        let (root_key, broker_key, agency_key) = (
            TlsKey::generate()?,
            TlsKey::generate()?,
            TlsKey::generate()?,
        );

        let root_params = ca_params(&trust_domain, "Mohawel root", 1, &[], (now, ROOT_LIFE))?;
        let root = root_params
            .self_signed(&root_key.to_p256()?)
            .map_err(AuthorityError::Write)?;
        let root = root.der().clone();
        let root_issuer = Issuer::new(root_params, root_key.to_p256()?);
        let intermediate = |key: &TlsKey, name, purpose| {
            let params = ca_params(&trust_domain, name, 0, &[purpose], (now, INTERMEDIATE_LIFE))?;
            let certificate = params
                .signed_by(&key.to_p256()?, &root_issuer)
                .map_err(AuthorityError::Write)?;
            Ok::<_, AuthorityError>(certificate.der().clone())
        };
        let brokers = intermediate(&broker_key, "Mohawel brokers", Purpose::ServerAuth)?;
        let agencies = intermediate(&agency_key, "Mohawel agencies", Purpose::ClientAuth)?;

        let parts = [
            ("root", root_key, root),
            ("brokers", broker_key, brokers),
            ("agencies", agency_key, agencies),
        ];
        store::write(dir, &trust_domain, &parts)?;
        Self::open(dir)
    }

    /// Opens the authority in `dir`.
    ///
    /// # Errors
    /// [`AuthorityError::Pem`], [`AuthorityError::Key`] and [`AuthorityError::File`] when a file is missing or
    /// refused, [`AuthorityError::Inconsistent`] when the files do not belong together.
    pub fn open(dir: &Path) -> Result<Self, AuthorityError> {
        let trust_domain = store::read_trust_domain(dir)?;
        let root = store::read_certificate(dir, "root")?;
        Ok(Self {
            brokers: store::read_intermediate(dir, "brokers", &root)?,
            agencies: store::read_intermediate(dir, "agencies", &root)?,
            root,
            trust_domain,
        })
    }

    /// The trust domain of every name that is issued.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The root certificate: what both sides trust.
    #[must_use]
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The root certificate as PEM.
    #[must_use]
    pub fn root_pem(&self) -> String {
        pem::encode_chain(std::slice::from_ref(&self.root))
    }

    /// SHA-256 over the root's DER: the pin that an invitation carries.
    #[must_use]
    pub fn root_sha256(&self) -> [u8; 32] {
        crate::sha256(&self.root)
    }

    /// Issues a certificate for a system of an agency. `uri` is `spiffe://TRUST-DOMAIN/INSTANCE/CLASS/AGENCY/SYSTEM`,
    /// as the registry says; the request only proves the key.
    ///
    /// # Errors
    /// [`AuthorityError::Request`], [`AuthorityError::Name`] for another role or another trust domain,
    /// [`AuthorityError::Life`], [`AuthorityError::Ended`].
    pub fn issue_agency(
        &self,
        request: &[u8],
        uri: &str,
        life: Duration,
        now: OffsetDateTime,
    ) -> Result<Issued, AuthorityError> {
        let name: PeerName = uri.parse()?;
        if matches!(name.role(), PeerRole::System { .. }) {
            self.issue_client(request, &name, life, now)
        } else {
            Err(AuthorityError::Role)
        }
    }

    /// Issues a certificate for a person: an operator, approver, auditor, data-protection officer or agency's
    /// administrator, whom `name` names. The request (PKCS#10, DER; [`crate::request::decode`] reads PEM) only proves
    /// the key. `life` is whole seconds, from one second to [`LEAF_LIFE_MAX`].
    ///
    /// # Errors
    /// [`AuthorityError::Person`] for the name of a system or a broker; else as [`Authority::issue_agency`].
    pub fn issue_person(
        &self,
        request: &[u8],
        name: &PeerName,
        life: Duration,
        now: OffsetDateTime,
    ) -> Result<Issued, AuthorityError> {
        if name.role().is_person() {
            self.issue_client(request, name, life, now)
        } else {
            Err(AuthorityError::Person)
        }
    }

    /// Issues a certificate for a person who runs the switch, `spiffe://TRUST-DOMAIN/operator/NAME`.
    ///
    /// # Errors
    /// As [`Authority::issue_person`].
    pub fn issue_operator(
        &self,
        request: &[u8],
        name: &str,
        life: Duration,
        now: OffsetDateTime,
    ) -> Result<Issued, AuthorityError> {
        let name = PeerName::operator(&self.trust_domain, name)?;
        self.issue_person(request, &name, life, now)
    }

    /// Issues a certificate for a person who checks the switch, `spiffe://TRUST-DOMAIN/auditor/NAME`.
    ///
    /// # Errors
    /// As [`Authority::issue_person`].
    pub fn issue_auditor(
        &self,
        request: &[u8],
        name: &str,
        life: Duration,
        now: OffsetDateTime,
    ) -> Result<Issued, AuthorityError> {
        let name = PeerName::auditor(&self.trust_domain, name)?;
        self.issue_person(request, &name, life, now)
    }

    /// Issues a certificate for a broker, `spiffe://TRUST-DOMAIN/broker/NAME`, reached at `hosts`.
    ///
    /// # Errors
    /// As [`Authority::issue_agency`]; [`AuthorityError::Hosts`] for none, too many, or one that is no DNS name.
    pub fn issue_broker(
        &self,
        request: &[u8],
        name: &str,
        hosts: &[Host],
        life: Duration,
        now: OffsetDateTime,
    ) -> Result<Issued, AuthorityError> {
        if hosts.is_empty() || hosts.len() > HOSTS_MAX {
            return Err(AuthorityError::Hosts);
        }
        let name = PeerName::broker(&self.trust_domain, name)?;
        let mut params = leaf_params(&name, Purpose::ServerAuth)?;
        for host in hosts {
            params.subject_alt_names.push(match host {
                Host::Dns(dns) => {
                    rustls::pki_types::DnsName::try_from(dns.as_str())
                        .map_err(|_| AuthorityError::Hosts)?;
                    SanType::DnsName(dns.as_str().try_into().map_err(|_| AuthorityError::Hosts)?)
                }
                Host::Address(address) => SanType::IpAddress(*address),
            });
        }
        self.brokers
            .issue(params, &ProvenKey::open(request)?, life, now)
    }

    fn issue_client(
        &self,
        request: &[u8],
        name: &PeerName,
        life: Duration,
        now: OffsetDateTime,
    ) -> Result<Issued, AuthorityError> {
        if name.trust_domain() != &self.trust_domain {
            return Err(AuthorityError::ForeignName {
                found: name.trust_domain().to_string(),
            });
        }
        let params = leaf_params(name, Purpose::ClientAuth)?;
        self.agencies
            .issue(params, &ProvenKey::open(request)?, life, now)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({}, ..)", self.trust_domain)
    }
}

/// Why the authority could not be made, opened or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file of an authority stands there already.
    #[error("{} exists already; an authority is never overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The files do not belong together.
    #[error("the authority's files do not belong together: {what}")]
    Inconsistent {
        /// What does not fit.
        what: String,
    },
    /// The trust domain is none.
    #[error("the authority's trust domain: {0}")]
    TrustDomain(#[source] NameError),
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A name of another trust domain.
    #[error(
        "the name belongs to the trust domain `{found}`, for which this authority does not speak"
    )]
    ForeignName {
        /// The domain in the name.
        found: String,
    },
    /// The name is not a system's.
    #[error("the name is not that of an agency's system")]
    Role,
    /// The name is not a person's.
    #[error(
        "the name is not that of a person: operator, approver, auditor, dpo or an agency's administrator"
    )]
    Person,
    /// No host, too many, or one that is no DNS name.
    #[error("a broker has 1 to {HOSTS_MAX} hosts, each a DNS name or an address")]
    Hosts,
    /// The life is shorter than a second, longer than [`LEAF_LIFE_MAX`], or past what a certificate can say.
    #[error("a certificate lives from 1 second to {} days", LEAF_LIFE_MAX.whole_days())]
    Life,
    /// The intermediate has ended; the authority must be renewed first.
    #[error("the issuing authority ended on {not_after}")]
    Ended {
        /// Its end.
        not_after: OffsetDateTime,
    },
    /// The request was refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A key could not be made, read or written.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate file could not be read or written.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Another file could not be read or written.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// A certificate could not be written.
    #[error("cannot write the certificate")]
    Write(#[source] rcgen::Error),
}

#[cfg(test)]
mod tests;
