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
use certs::{Authority, Issued, PeerName};
use proto::entry::Kind;
use proto::facts::{IssuedCertificate, RegistryFacts};
use proto::id::SystemId;
use thiserror::Error;
use time::{Duration, OffsetDateTime};

use super::{RegistryHandle, SubmitError};

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

    /// The SPIFFE URI of a system.
    ///
    /// # Errors
    /// [`IssueError::Authority`] for a name outside the certificate's alphabet.
    pub fn uri(&self, system: &SystemId) -> Result<String, IssueError> {
        let name = PeerName::system(self.authority.trust_domain(), system.as_str())
            .map_err(AuthorityError::from)?;
        Ok(name.to_string())
    }

    /// Makes a certificate for the TLS key that `request` (PKCS#10, DER) proves. It is worthless until it was
    /// recorded: see [`Issuing::record`].
    ///
    /// # Errors
    /// [`IssueError`]; nothing is recorded.
    pub fn make(&self, system: &SystemId, request: &[u8]) -> Result<Issued, IssueError> {
        let now =
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.clock.now_us()) * 1_000)
                .map_err(|_| IssueError::Clock)?;
        Ok(self
            .authority
            .issue_agency(request, &self.uri(system)?, self.life, now)?)
    }

    /// Records a certificate that was made for `system`; `peer_sha256` is the certificate that asked, empty for
    /// a newcomer.
    ///
    /// # Errors
    /// [`IssueError`]; the certificate must then not be handed out.
    pub async fn record(
        &self,
        system: &SystemId,
        issued: &Issued,
        peer_sha256: Bytes,
    ) -> Result<Appended, IssueError> {
        let seconds = |time: OffsetDateTime| {
            u64::try_from(time.unix_timestamp()).map_err(|_| IssueError::Clock)
        };
        let certificate = IssuedCertificate {
            uri: self.uri(system)?,
            sha256: Bytes::copy_from_slice(&issued.sha256),
            serial: hex::decode(&issued.serial_hex)
                .map_err(|_| IssueError::Serial)?
                .into(),
            not_before: seconds(issued.not_before)?,
            not_after: seconds(issued.not_after)?,
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
