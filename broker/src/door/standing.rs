//! Who a peer is to the registry now, and what follows when it is nobody any more.
//!
//! Takes a certificate's name and a registry. Gives a [`Standing`]: at each new connection, at each call, and for
//! every live connection whenever the registry moved. A connection that may not be is told why on its calls for a
//! moment, then closed; a live one whose peer was revoked is closed within a second. Never looks at every connection for a
//! call, and never says which calls a standing may make: `crate::api::roles` does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use certs::PeerRole;
use proto::Code;
use proto::act::PersonRole;
use proto::id::{AgencyId, Part, SystemId};
use proto::registry::Registry;
use tokio::time::sleep;
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected as _;
use tracing::{debug, info};

use super::Peer;
use super::connection::Connection;
use super::connections::Connections;
use crate::registry::RegistryHandle;

/// How long a connection that may not be stays open, so that its calls can be told why.
const TELLING: Duration = Duration::from_secs(2);

/// How long after the registry moved live connections are judged. Whoever ends the very certificate that is shown
/// hears that it was recorded, and a hundred acts in a row are one look at every connection. Calls are judged at once.
const SOON: Duration = Duration::from_millis(100);

/// Somebody whom the registry knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A system of an agency.
    System(SystemId),
    /// A person with a role of the switch.
    Person(PersonRole, Part),
    /// A person who carries the acts of an agency.
    Administrator(AgencyId, Part),
}

/// Who `peer` is to `registry`. A certificate that the switch never recorded speaks for no system and for no
/// administrator. A suspended agency's administrators still stand: what only takes away is open to them, and so is
/// the objection to the replacement of their key.
///
/// # Errors
/// [`Code::UnknownPeer`], [`Code::CertificateRevoked`], [`Code::AgencySuspended`].
pub fn standing(registry: &Registry, peer: &Peer) -> Result<Standing, Code> {
    match &peer.identity.role {
        PeerRole::System { .. } => {
            let system = peer.system.as_ref().ok_or(Code::UnknownPeer)?;
            registry.may_connect(system, &peer.sha256())?;
            Ok(Standing::System(system.clone()))
        }
        PeerRole::Administrator { name, .. } => administrator(registry, peer, name),
        PeerRole::Operator(name) => person(registry, peer, PersonRole::Operator, name),
        PeerRole::Approver(name) => person(registry, peer, PersonRole::Approver, name),
        PeerRole::Auditor(name) => person(registry, peer, PersonRole::Auditor, name),
        PeerRole::Dpo(name) => person(registry, peer, PersonRole::Dpo, name),
        PeerRole::Broker(_) => Err(Code::UnknownPeer),
    }
}

fn unless_suspended(code: Code) -> Result<(), Code> {
    if code == Code::AgencySuspended {
        Ok(())
    } else {
        Err(code)
    }
}

/// By the role's entry. Their certificates are issued beside the switch, so most of them stand in no entry.
fn person(
    registry: &Registry,
    peer: &Peer,
    role: PersonRole,
    name: &str,
) -> Result<Standing, Code> {
    let name = Part::parse(name).map_err(|_| Code::UnknownPeer)?;
    if !registry.has_role(role, &name) {
        return Err(Code::UnknownPeer);
    }
    let revoked = registry
        .certificate(&peer.sha256())
        .is_some_and(|certificate| certificate.revoked.is_some());
    if revoked {
        return Err(Code::CertificateRevoked);
    }
    Ok(Standing::Person(role, name))
}

fn administrator(registry: &Registry, peer: &Peer, name: &str) -> Result<Standing, Code> {
    let agency = peer.agency.as_ref().ok_or(Code::UnknownPeer)?;
    let name = Part::parse(name).map_err(|_| Code::UnknownPeer)?;
    let seated = registry
        .agency(agency)
        .is_some_and(|record| record.administrators.contains(&name));
    if !seated {
        return Err(Code::UnknownPeer);
    }
    match registry.certificate(&peer.sha256()) {
        Some(certificate) if certificate.revoked.is_some() => Err(Code::CertificateRevoked),
        Some(certificate) if certificate.uri == peer.identity.uri => {
            Ok(Standing::Administrator(agency.clone(), name))
        }
        Some(_) | None => Err(Code::UnknownPeer),
    }
}

/// Judges each connection as it comes. One that may not be lives for [`TELLING`], and takes no place of its agency's.
pub fn judged(
    incoming: impl Stream<Item = io::Result<Connection<Arc<Peer>>>>,
    connections: Arc<Connections>,
    registry: RegistryHandle,
) -> impl Stream<Item = io::Result<Connection<Arc<Peer>>>> {
    incoming.map(move |connection| {
        let connection = connection?;
        let peer = connection.connect_info();
        // It stands in the table already: what the registry becomes after this is seen by `follow`.
        // A suspended agency comes in again to see the registry and to object; its exchanges are refused one by one.
        let judged = standing(&registry.load(), &peer).map(drop);
        if let Err(code) = judged.or_else(unless_suspended) {
            info!(peer = %peer.identity.uri, sha256 = %peer.sha256(), %code, "may not connect");
            peer.turned_away.store(true, Ordering::Relaxed);
            if !connections.turn_away(&peer) {
                peer.closed.cancel();
            }
            tokio::spawn(async move {
                tokio::select! {
                    () = sleep(TELLING) => peer.closed.cancel(),
                    () = peer.closed.cancelled() => {}
                }
            });
        }
        Ok(connection)
    })
}

/// Closes live connections whose peers stand no more, [`SOON`] after the registry moves, from now on, until `end`. Taken
/// before the first connection: none is then judged by a registry whose next move nobody follows.
pub fn follow(
    connections: Arc<Connections>,
    registry: RegistryHandle,
    end: CancellationToken,
) -> impl Future<Output = ()> {
    let mut sizes = registry.sizes();
    let watched = async move {
        while sizes.changed().await.is_ok() {
            sleep(SOON).await;
            sizes.mark_unchanged();
            let now = registry.load();
            let closed = connections.close_where(|peer| {
                !peer.turned_away.load(Ordering::Relaxed) && standing(&now, peer).is_err()
            });
            if closed > 0 {
                info!(closed, registry = now.size(), "connections were revoked");
            } else {
                debug!(registry = now.size(), "every connection may stay");
            }
        }
    };
    async move {
        tokio::select! {
            () = end.cancelled() => {}
            () = watched => {}
        }
    }
}

#[cfg(test)]
mod tests;
