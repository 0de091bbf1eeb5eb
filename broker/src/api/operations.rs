//! `Operations`: what operators do to the registry, and the second seal on it. Each act is sealed by the connected
//! person's own key.

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::act::PersonRole;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::facts::RegistryFacts;
use proto::registry::Registry;
use proto::wire::registry::v1 as wire;
use tonic::{Request, Response, Status};
use wire::operations_server::Operations;

use super::roles::Rpc;
use super::{act, permitted, status};
use crate::door::Peer;
use crate::door::standing::Standing;
use crate::registry::RegistryHandle;

/// The service.
#[derive(Clone, Debug)]
pub struct OperationsApi {
    registry: RegistryHandle,
}

impl OperationsApi {
    /// Acts go to `registry`.
    pub fn new(registry: RegistryHandle) -> Self {
        Self { registry }
    }

    async fn submit(&self, peer: &Peer, kind: Kind, envelope: Envelope) -> Result<Receipt, Status> {
        let facts = RegistryFacts {
            peer_sha256: Bytes::copy_from_slice(&peer.identity.cert_sha256),
            certificate: None,
        };
        let recorded = self
            .registry
            .submit(kind, facts, envelope.header, Some(envelope.seal))
            .await;
        let appended = recorded.map_err(|error| status::submit(&error))?;
        tracing::info!(by = %peer.identity.uri, kind = kind.name(), index = appended.index, "operator act");
        Ok(appended.receipt)
    }
}

#[tonic::async_trait]
impl Operations for OperationsApi {
    async fn operate(
        &self,
        request: Request<wire::OperateRequest>,
    ) -> Result<Response<wire::OperateResponse>, Status> {
        let registry = self.registry.load();
        let (peer, standing) = permitted(&registry, &request, Rpc::Operate)?;
        let request = request.into_inner();
        let kind = kind_of(request.kind)?;
        let envelope = act(request.envelope)?;
        own_seal(&registry, &standing, kind, &envelope)?;
        let receipt = self.submit(&peer, kind, envelope).await?;
        Ok(Response::new(wire::OperateResponse {
            receipt: Some(receipt.to_wire()),
        }))
    }
}

/// The kind of an act, if operators or approvers may send it here.
fn kind_of(kind: u32) -> Result<Kind, Status> {
    let kind = u8::try_from(kind)
        .ok()
        .and_then(|byte| Kind::from_byte(byte).ok());
    match kind {
        Some(kind @ (Kind::Invitation | Kind::OperatorAct | Kind::Approval | Kind::BorderAct)) => {
            Ok(kind)
        }
        Some(_) | None => Err(status::malformed(
            "an operator submits invitation, operator_act, approval or border_act entries, an approver approvals",
        )),
    }
}

/// An approver brings approvals only, and the seal names the connected person's own key. Whether it holds, the fold
/// decides.
fn own_seal(
    registry: &Registry,
    standing: &Standing,
    kind: Kind,
    envelope: &Envelope,
) -> Result<(), Status> {
    let Standing::Person(role, name) = standing else {
        return Err(status::unknown_peer());
    };
    if *role == PersonRole::Approver && kind != Kind::Approval {
        return Err(status::wrong_signer(
            "an approver puts second seals and makes no act",
            "Let an operator make it; then approve it.",
        ));
    }
    let person = registry
        .person(*role, name)
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
            "the act is sealed by another key than the connected person's",
            "Seal it with the key that the registry names for the person in this certificate.",
        ))
    }
}
