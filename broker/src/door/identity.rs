//! Who is connected: read once per connection, then carried by every call on it.
//!
//! Takes the certificate that the handshake verified. Gives a [`Peer`], found in a request's extensions as
//! `Arc<Peer>`. Never says what the peer may do: the registry does, for each call.

use std::sync::atomic::AtomicBool;

use certs::{PeerIdentity, PeerRole};
use proto::digest::Digest;
use proto::id::{AgencyId, SystemId};
use proto::seal::SealMemory;
use tokio_util::sync::CancellationToken;

/// One connection's peer. `request.extensions().get::<Arc<Peer>>()` in every handler.
#[derive(Debug)]
pub struct Peer {
    /// The name, role and end of its certificate.
    pub identity: PeerIdentity,
    /// The system it speaks for; `None` for people.
    pub system: Option<SystemId>,
    /// The agency that answers for that system, or whose administrator it is.
    pub agency: Option<AgencyId>,
    /// Tree heads verified on this connection a moment ago (`docs/protocol.md`, "Seal").
    pub memory: SealMemory,
    /// It may not be: it is told why on its calls until it is closed.
    pub turned_away: AtomicBool,
    /// Cancelled when the connection is gone or must go: at the certificate's end, at a revocation.
    pub closed: CancellationToken,
}

impl Peer {
    /// The peer that shows this certificate.
    #[must_use]
    pub fn new(identity: PeerIdentity) -> Self {
        let system = match &identity.role {
            // Both crates accept the same alphabet; a name that only one of them reads is nobody's.
            role @ PeerRole::System { .. } => SystemId::parse(&role.to_string()).ok(),
            PeerRole::Operator(_)
            | PeerRole::Approver(_)
            | PeerRole::Auditor(_)
            | PeerRole::Dpo(_)
            | PeerRole::Administrator { .. }
            | PeerRole::Broker(_) => None,
        };
        let agency = match &identity.role {
            PeerRole::Administrator {
                instance,
                class,
                agency,
                ..
            } => AgencyId::parse(&format!("{instance}/{class}/{agency}")).ok(),
            _ => system.as_ref().map(SystemId::agency),
        };
        Self {
            identity,
            agency,
            system,
            memory: SealMemory::default(),
            turned_away: AtomicBool::new(false),
            closed: CancellationToken::new(),
        }
    }

    /// SHA-256 of its certificate: how entries name it.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        Digest(self.identity.cert_sha256)
    }

    /// Unix time in milliseconds at which the certificate, and with it the connection, ends.
    #[must_use]
    pub fn not_after_ms(&self) -> u64 {
        let seconds = self.identity.not_after.unix_timestamp();
        u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)
    }

    /// Whether this is the adapter behind `older` with its next certificate: the same TLS key, a later end.
    #[must_use]
    pub fn renews(&self, older: &Self) -> bool {
        self.identity.key_sha256 == older.identity.key_sha256
            && self.identity.not_after > older.identity.not_after
    }
}

#[cfg(test)]
impl Peer {
    /// A peer as the door would make it, with a certificate that `seed` stands for.
    pub(crate) fn of_role(role: PeerRole, seed: u8) -> std::sync::Arc<Self> {
        let not_after = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(40_000);
        std::sync::Arc::new(Self::new(PeerIdentity {
            uri: format!("spiffe://switch.example/{role}"),
            role,
            cert_sha256: [seed; 32],
            key_sha256: [seed; 32],
            serial_hex: format!("{seed:02x}"),
            not_after,
        }))
    }

    /// The adapter of [`Peer::of_system`] with a certificate that ends so many days later.
    pub(crate) fn renewed(system: &SystemId, seed: u8, days: i64) -> std::sync::Arc<Self> {
        let mut identity = Self::of_system(system, seed).identity.clone();
        identity.cert_sha256[0] ^= u8::try_from(days).unwrap_or(u8::MAX);
        identity.not_after += time::Duration::days(days);
        std::sync::Arc::new(Self::new(identity))
    }

    /// A peer that speaks for `system`.
    pub(crate) fn of_system(system: &SystemId, seed: u8) -> std::sync::Arc<Self> {
        let part = |at| system.part(at).to_owned();
        let role = PeerRole::System {
            instance: part(0),
            class: part(1),
            agency: part(2),
            system: part(3),
        };
        Self::of_role(role, seed)
    }
}
