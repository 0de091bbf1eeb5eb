//! The gRPC services: wire shapes in, domain types inside, wire shapes out. They decide nothing themselves.
//!
//! | service | listener | for whom |
//! |---|---|---|
//! | [`exchange`], [`link`] | exchange | systems of agencies |
//! | [`agencies`] | exchange | systems of agencies, carrying what their agency's authority key sealed |
//! | [`operations`] | exchange | operators, carrying what their own key sealed |
//! | [`log`] | exchange | every known peer |
//! | [`enrolment`] | enrolment | newcomers with an invitation |

use std::sync::Arc;

use certs::PeerRole;
use proto::act::PersonRole;
use proto::envelope::Envelope;
use proto::id::Part;
use proto::registry::Registry;
use proto::wire::exchange::v1 as wire;
use tonic::{Request, Status};

use crate::door::Peer;

pub mod agencies;
pub mod enrolment;
pub mod exchange;
pub mod link;
pub mod log;
pub mod operations;
mod rate;
mod status;

/// Who is connected. Every connection of the exchange listener has one.
fn peer<T>(request: &Request<T>) -> Result<Arc<Peer>, Status> {
    request
        .extensions()
        .get::<Arc<Peer>>()
        .cloned()
        .ok_or_else(status::no_peer)
}

/// Refuses whom the registry does not know: a system without a key, an operator whom genesis does not name.
/// Auditors stand in no registry entry yet; the authority's certificate speaks for them.
fn known(registry: &Registry, peer: &Peer) -> Result<(), Status> {
    let known = match &peer.identity.role {
        PeerRole::System { .. } => peer
            .system
            .as_ref()
            .is_some_and(|system| registry.system(system).is_some()),
        PeerRole::Operator(name) => {
            Part::parse(name).is_ok_and(|name| registry.has_role(PersonRole::Operator, &name))
        }
        PeerRole::Auditor(_) => true,
        PeerRole::Approver(_)
        | PeerRole::Dpo(_)
        | PeerRole::Administrator { .. }
        | PeerRole::Broker(_) => false,
    };
    if known {
        Ok(())
    } else {
        Err(status::unknown_peer())
    }
}

/// The header and seal of an act. An act has no payload, and one that has is not what it says.
fn act(envelope: Option<wire::Envelope>) -> Result<Envelope, Status> {
    let envelope =
        Envelope::from_wire(envelope).map_err(|error| status::malformed(&error.to_string()))?;
    if envelope.payload.is_empty() && envelope.salt.is_empty() {
        Ok(envelope)
    } else {
        Err(status::malformed("an act carries neither payload nor salt"))
    }
}
