//! `Operations`: what operators do to the registry. Each act is sealed by the operator's own key.

use audit::receipt::Receipt;
use bytes::Bytes;
use certs::PeerRole;
use proto::act::PersonRole;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::facts::RegistryFacts;
use proto::id::Part;
use proto::registry::Registry;
use proto::wire::registry::v1 as wire;
use tonic::{Request, Response, Status};
use wire::operations_server::Operations;

use super::{act, peer, status};
use crate::door::Peer;
use crate::registry::RegistryHandle;

/// The service.
#[derive(Clone, Debug)]
pub struct OperationsApi {
    registry: RegistryHandle,
}

impl OperationsApi {
    /// Operators' acts go to `registry`.
    pub fn new(registry: RegistryHandle) -> Self {
        Self { registry }
    }

    async fn submit(&self, peer: &Peer, kind: Kind, envelope: Envelope) -> Result<Receipt, Status> {
        own_seal(&self.registry.load(), peer, &envelope)?;
        let facts = RegistryFacts {
            peer_sha256: Bytes::copy_from_slice(&peer.identity.cert_sha256),
            certificate: None,
        };
        let recorded = self
            .registry
            .submit(kind, facts, envelope.header, Some(envelope.seal))
            .await;
        let appended = recorded.map_err(|error| status::submit(&error))?;
        tracing::info!(operator = %peer.identity.uri, kind = kind.name(), index = appended.index, "operator act");
        Ok(appended.receipt)
    }
}

#[tonic::async_trait]
impl Operations for OperationsApi {
    async fn operate(
        &self,
        request: Request<wire::OperateRequest>,
    ) -> Result<Response<wire::OperateResponse>, Status> {
        let peer = peer(&request)?;
        let request = request.into_inner();
        let kind = kind_of(request.kind)?;
        let envelope = act(request.envelope)?;
        let receipt = self.submit(&peer, kind, envelope).await?;
        Ok(Response::new(wire::OperateResponse {
            receipt: Some(receipt.to_wire()),
        }))
    }
}

/// The kind of an act, if operators may send it here.
fn kind_of(kind: u32) -> Result<Kind, Status> {
    let kind = u8::try_from(kind)
        .ok()
        .and_then(|byte| Kind::from_byte(byte).ok());
    match kind {
        Some(kind @ (Kind::Invitation | Kind::OperatorAct | Kind::Approval)) => Ok(kind),
        Some(_) | None => Err(status::malformed(
            "an operator submits invitation, operator_act or approval entries",
        )),
    }
}

/// The peer is an operator, and the seal names that operator's own key. Whether it holds, the fold decides.
fn own_seal(registry: &Registry, peer: &Peer, envelope: &Envelope) -> Result<(), Status> {
    let PeerRole::Operator(name) = &peer.identity.role else {
        return Err(status::wrong_signer(
            "only an operator may do this",
            "Connect with an operator's certificate.",
        ));
    };
    let person = Part::parse(name)
        .ok()
        .filter(|name| registry.has_role(PersonRole::Operator, name))
        .and_then(|name| registry.person(PersonRole::Operator, &name))
        .and_then(|person| person.key.as_ref());
    let key = person.ok_or_else(status::unknown_peer)?;
    let claimed = envelope
        .seal
        .open()
        .map_err(|error| status::malformed(&error.to_string()))?
        .kid();
    if claimed == key.kid() {
        Ok(())
    } else {
        Err(status::wrong_signer(
            "the act is sealed by another key than the connected operator's",
            "Seal it with the key that the registry names for this certificate's operator.",
        ))
    }
}
