//! Certificates for members: issued by the switch's authority, recorded before they leave the switch.
//!
//! Takes a system that the registry knows and a request that proves a TLS key. Gives the chain and its entry.
//! Never signs a name that a request asks for, and never hands out a certificate that is not in the log.

use std::fmt;
use std::sync::Arc;

use audit::clock::Clock;
use audit::log::Appended;
use bytes::Bytes;
use certs::authority::AuthorityError;
use certs::request::ProvenKey;
use certs::{Authority, Issued, PeerName, PeerRole};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::facts::{IssuedCertificate, RegistryFacts};
use proto::id::{AgencyId, Part, SystemId};
use thiserror::Error;
use time::{Duration, OffsetDateTime};

use super::{RegistryHandle, SubmitError};

/// How often one answer may be made again for one TLS key: each time is an entry.
pub const REISSUED_MAX: usize = 8;

/// A certificate that was made and is not recorded yet.
#[derive(Clone, Debug)]
pub struct Made {
    /// The certificate.
    pub issued: Issued,
    uri: String,
    key_sha256: Digest,
}

/// Issues and records members' certificates. Cheap to clone.
#[derive(Clone)]
pub struct Issuing {
    registry: RegistryHandle,
    authority: Arc<Authority>,
    clock: Clock,
    life: Duration,
}

impl Issuing {
    /// Issues from `authority`, each certificate for `life`, of which whole seconds count.
    pub fn new(
        registry: RegistryHandle,
        authority: Arc<Authority>,
        clock: Clock,
        life: std::time::Duration,
    ) -> Self {
        Self {
            registry,
            authority,
            clock,
            life: Duration::seconds(life.as_secs().try_into().unwrap_or(i64::MAX)),
        }
    }

    /// The name of a system.
    ///
    /// # Errors
    /// [`IssueError::Authority`] for a name outside the certificate's alphabet.
    pub fn system(&self, system: &SystemId) -> Result<PeerName, IssueError> {
        let name = PeerName::system(self.authority.trust_domain(), system.as_str());
        Ok(name.map_err(AuthorityError::from)?)
    }

    /// The name of an agency's administrator.
    ///
    /// # Errors
    /// As [`Issuing::system`].
    pub fn administrator(&self, agency: &AgencyId, name: &Part) -> Result<PeerName, IssueError> {
        let domain = self.authority.trust_domain();
        let name = PeerName::administrator(domain, agency.as_str(), name.as_str());
        Ok(name.map_err(AuthorityError::from)?)
    }

    /// Makes a certificate for `name` and the TLS key that `request` (PKCS#10, DER) proves. It is worthless until it
    /// was recorded: see [`Issuing::record`].
    ///
    /// # Errors
    /// [`IssueError`]; nothing is recorded.
    pub fn make(&self, name: &PeerName, request: &[u8]) -> Result<Made, IssueError> {
        let now =
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.clock.now_us()) * 1_000)
                .map_err(|_| IssueError::Clock)?;
        let proven = ProvenKey::open(request).map_err(AuthorityError::from)?;
        let issued = if matches!(name.role(), PeerRole::System { .. }) {
            self.authority
                .issue_agency(request, &name.to_string(), self.life, now)?
        } else {
            self.authority.issue_person(request, name, self.life, now)?
        };
        Ok(Made {
            uri: name.to_string(),
            key_sha256: Digest::of(&proven.public_spki_der()),
            issued,
        })
    }

    /// Records a certificate that was made; `peer_sha256` is the certificate that asked, empty for a newcomer.
    ///
    /// # Errors
    /// [`IssueError`]; the certificate must then not be handed out.
    pub async fn record(&self, made: &Made, peer_sha256: Bytes) -> Result<Appended, IssueError> {
        let issued = &made.issued;
        let seconds = |time: OffsetDateTime| {
            u64::try_from(time.unix_timestamp()).map_err(|_| IssueError::Clock)
        };
        let certificate = IssuedCertificate {
            uri: made.uri.clone(),
            sha256: Bytes::copy_from_slice(&issued.sha256),
            serial: hex::decode(&issued.serial_hex)
                .map_err(|_| IssueError::Serial)?
                .into(),
            not_before: seconds(issued.not_before)?,
            not_after: seconds(issued.not_after)?,
            key_sha256: Bytes::copy_from_slice(made.key_sha256.as_bytes()),
        };
        let facts = RegistryFacts {
            peer_sha256,
            certificate: Some(certificate),
        };
        Ok(self
            .registry
            .submit(Kind::Certificate, facts, Bytes::new(), None)
            .await?)
    }

    /// Whether the answer to a request that was recorded before may be made again: it was lost on the way, or the
    /// switch ended before it was given. The request must prove the TLS key of a certificate that `name` has and that
    /// was not ended, for only its holder can use another one. Never more than [`REISSUED_MAX`] times.
    pub fn may_again(&self, name: &PeerName, request: &[u8]) -> bool {
        let Ok(proven) = ProvenKey::open(request) else {
            return false;
        };
        let (uri, key) = (name.to_string(), Digest::of(&proven.public_spki_der()));
        let registry = self.registry.load();
        let of_key = || {
            registry
                .certificates()
                .filter(|certificate| certificate.uri == uri && certificate.key_sha256 == Some(key))
        };
        of_key().any(|certificate| certificate.revoked.is_none())
            && of_key().count() <= REISSUED_MAX
    }
}

impl fmt::Debug for Issuing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuing({:?}, {})", self.authority, self.life)
    }
}

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The authority refuses the request, or cannot issue.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The certificate could not be recorded.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The clock says a time that no certificate can say.
    #[error("the switch's clock is outside what a certificate can say")]
    Clock,
    /// The authority gave a serial number that is no hex.
    #[error("the authority gave a serial number that is no hex")]
    Serial,
}
