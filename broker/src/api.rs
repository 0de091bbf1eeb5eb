//! The gRPC services: wire shapes in, domain types inside, wire shapes out. They decide nothing themselves.
//!
//! | service | listener | for whom |
//! |---|---|---|
//! | [`exchange`], [`link`] | exchange | systems of agencies |
//! | [`events`] | exchange | systems of agencies |
//! | [`agencies`] | exchange | systems and administrators, carrying what their agency's authority key sealed |
//! | [`operations`] | exchange | operators and approvers, carrying what their own key sealed |
//! | [`log`] | exchange | every known peer |
//! | [`enrolment`] | enrolment | newcomers |
//!
//! Who may call what stands in one table: [`roles`].

use std::sync::Arc;

use proto::envelope::Envelope;
use proto::registry::Registry;
use proto::wire::exchange::v1 as wire;
use tonic::{Request, Status};

use self::roles::Rpc;
use crate::door::Peer;
use crate::door::standing::Standing;
use crate::registry::RegistryHandle;

pub mod agencies;
mod calls;
pub mod enrolment;
pub mod events;
pub mod exchange;
pub mod link;
pub mod log;
pub mod operations;
mod rate;
pub mod roles;
mod status;

/// Who is connected. Every connection of the exchange listener has one.
fn peer<T>(request: &Request<T>) -> Result<Arc<Peer>, Status> {
    request
        .extensions()
        .get::<Arc<Peer>>()
        .cloned()
        .ok_or_else(status::unknown_peer)
}

/// Who is connected, if it may call `rpc` now: what every handler begins with, but those of exchanges, whose first
/// room asks the same and records the refusal.
fn permitted<T>(
    registry: &Registry,
    request: &Request<T>,
    rpc: Rpc,
) -> Result<(Arc<Peer>, Standing), Status> {
    let peer = peer(request)?;
    let standing = roles::permit(registry, &peer, rpc).map_err(status::denied)?;
    Ok((peer, standing))
}

/// For services that are not ours: asks the same before each of their calls.
pub(crate) fn interceptor(
    registry: RegistryHandle,
    rpc: Rpc,
) -> impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone {
    move |request| {
        permitted(&registry.load(), &request, rpc)?;
        Ok(request)
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
