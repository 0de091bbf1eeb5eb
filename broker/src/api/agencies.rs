//! `Agencies`: what agencies do to the registry. Any system and any administrator of an agency may carry an act; only
//! the agency's authority key can make one.

use std::sync::Arc;

use audit::receipt::Receipt;
use bytes::Bytes;
use proto::act::{
    AgencyAct, AgreementAct, BorderAct, EncryptionKeyBinding, KeyBinding, KeyEnd, KeySuccession,
    ServiceDefinition,
};
use proto::canonical::HeaderError;
use proto::entry::Kind;
use proto::facts::RegistryFacts;
use proto::id::{AgencyId, SystemId};
use proto::registry::{FoldError, Registry};
use proto::wire::registry::v1 as wire;
use tonic::{Request, Response, Status};
use wire::agencies_server::Agencies;

use super::rate::{Allowed, RatePerAgency};
use super::roles::Rpc;
use super::{act, permitted, status};
use crate::door::Peer;
use crate::door::standing::Standing;
use crate::registry::RegistryHandle;
use crate::registry::issuing::Issuing;

/// Acts of one agency: a nation's agency does not need more, and each stays in the log and in every mirror.
const ACTS: Allowed = Allowed {
    per_second: 10.0,
    at_once: 200.0,
};
/// Renewals of one agency: an adapter renews once in a certificate's life.
const RENEWALS: Allowed = Allowed {
    per_second: 0.1,
    at_once: 20.0,
};

/// The service.
#[derive(Clone, Debug)]
pub struct AgenciesApi {
    registry: RegistryHandle,
    issuing: Issuing,
    acts: Arc<RatePerAgency>,
    renewals: Arc<RatePerAgency>,
}

impl AgenciesApi {
    /// Agencies' acts go to `registry`, their new certificates come from `issuing`.
    pub fn new(registry: RegistryHandle, issuing: Issuing) -> Self {
        Self {
            registry,
            issuing,
            acts: Arc::new(RatePerAgency::new(ACTS)),
            renewals: Arc::new(RatePerAgency::new(RENEWALS)),
        }
    }

    async fn submitted(
        &self,
        (peer, standing): (Arc<Peer>, Standing),
        request: wire::SubmitRequest,
    ) -> Result<Receipt, Status> {
        let envelope = act(request.envelope)?;
        let (kind, agency) = whose(request.kind, &envelope.header)?;
        let own = match &standing {
            Standing::System(system) => system.belongs_to(&agency),
            Standing::Administrator(own, _) => *own == agency,
            Standing::Person(..) => false,
        };
        if !own {
            return Err(status::wrong_signer(
                &format!(
                    "{} does not belong to {agency}, whose act this is",
                    peer.identity.role
                ),
                "Let a system or an administrator of that agency carry it.",
            ));
        }
        if !self.acts.pass(&agency) {
            return Err(status::rate_limited());
        }
        let facts = RegistryFacts {
            peer_sha256: peer_sha256(&peer),
            certificate: None,
        };
        let recorded = self
            .registry
            .submit(kind, facts, envelope.header, Some(envelope.seal))
            .await;
        let appended = recorded.map_err(|error| status::submit(&error))?;
        tracing::info!(%agency, kind = kind.name(), index = appended.index, "agency act");
        Ok(appended.receipt)
    }

    async fn renewed(
        &self,
        registry: &Registry,
        (peer, standing): (Arc<Peer>, Standing),
        request: &[u8],
    ) -> Result<wire::RenewResponse, Status> {
        let (name, agency) = match &standing {
            Standing::System(system) => {
                has_key(registry, system)?;
                (self.issuing.system(system), system.agency())
            }
            Standing::Administrator(agency, name) => {
                (self.issuing.administrator(agency, name), agency.clone())
            }
            Standing::Person(..) => return Err(status::unknown_peer()),
        };
        if !self.renewals.pass(&agency) {
            return Err(status::rate_limited());
        }
        let made = name
            .and_then(|name| self.issuing.make(&name, request))
            .map_err(|error| status::issue(&error))?;
        let recorded = self.issuing.record(&made, peer_sha256(&peer)).await;
        let appended = recorded.map_err(|error| status::issue(&error))?;
        tracing::info!(peer = %peer.identity.uri, index = appended.index, "certificate renewed");
        Ok(wire::RenewResponse {
            certificate_chain: made.issued.chain_pem.into_bytes().into(),
            receipt: Some(appended.receipt.to_wire()),
        })
    }
}

#[tonic::async_trait]
impl Agencies for AgenciesApi {
    async fn submit(
        &self,
        request: Request<wire::SubmitRequest>,
    ) -> Result<Response<wire::SubmitResponse>, Status> {
        let who = permitted(&self.registry.load(), &request, Rpc::Submit)?;
        let receipt = self.submitted(who, request.into_inner()).await?;
        Ok(Response::new(wire::SubmitResponse {
            receipt: Some(receipt.to_wire()),
        }))
    }

    async fn renew(
        &self,
        request: Request<wire::RenewRequest>,
    ) -> Result<Response<wire::RenewResponse>, Status> {
        let registry = self.registry.load();
        let who = permitted(&registry, &request, Rpc::Renew)?;
        let response = self
            .renewed(&registry, who, &request.get_ref().certificate_request)
            .await?;
        Ok(Response::new(response))
    }
}

fn peer_sha256(peer: &Peer) -> Bytes {
    Bytes::copy_from_slice(&peer.identity.cert_sha256)
}

/// Whether the system can still seal: otherwise a machine whose keys were all ended could stay connected for ever.
fn has_key(registry: &Registry, system: &SystemId) -> Result<(), Status> {
    let seals = registry.system(system).is_some_and(|known| {
        known
            .keys
            .iter()
            .any(|kid| registry.key(kid).is_some_and(|key| key.ended.is_none()))
    });
    if seals {
        Ok(())
    } else {
        Err(status::wrong_signer(
            &format!("every seal key of {system} was ended"),
            "Bind a new key to the system first, then renew.",
        ))
    }
}

/// The kind of an act, if agencies may send it here, and the agency whose act it is.
fn whose(kind: u32, header: &[u8]) -> Result<(Kind, AgencyId), Status> {
    let kind = u8::try_from(kind)
        .ok()
        .and_then(|byte| Kind::from_byte(byte).ok());
    let kind = kind.ok_or_else(|| status::fold(&FoldError::NotRegistry))?;
    let agency = match kind {
        Kind::KeyBound => KeyBinding::open(header).map(|binding| binding.system.agency()),
        Kind::KeyEnded => KeyEnd::open(header).map(|end| end.system.agency()),
        Kind::KeySucceeded => {
            KeySuccession::open(header).map(|succession| succession.system.agency())
        }
        Kind::EncryptionKeyBound => {
            EncryptionKeyBinding::open(header).map(|binding| binding.system.agency())
        }
        Kind::AgencyAct => AgencyAct::open(header).map(|act| act.agency),
        Kind::Service => ServiceDefinition::open(header).map(|service| service.system.agency()),
        Kind::AgreementAct => AgreementAct::open(header).map(|act| act.agency),
        Kind::BorderAct => {
            let act = BorderAct::open(header).map_err(|error| status::fold(&error.into()))?;
            let agency = act.deed.agency().cloned();
            Ok(agency.ok_or_else(|| {
                status::wrong_signer(
                    &format!("an {} is an operator's act", act.deed.name()),
                    "Let an operator make it; an agency opens, and ends what it opened.",
                )
            })?)
        }
        Kind::Genesis
        | Kind::Epoch
        | Kind::Invitation
        | Kind::Agency
        | Kind::Application
        | Kind::OperatorAct
        | Kind::Approval
        | Kind::Certificate
        | Kind::Request
        | Kind::Closing
        | Kind::Refusal
        | Kind::Late
        | Kind::Dispute
        | Kind::Opening
        | Kind::Trailer
        | Kind::Upload
        | Kind::UploadTrailer
        | Kind::Access
        | Kind::Hold
        | Kind::Erasure
        | Kind::Witnesses
        | Kind::Review
        | Kind::Event
        | Kind::Subscription
        | Kind::EventOutcome
        | Kind::SubscriptionEnd
        | Kind::LogKeySucceeded => {
            return Err(status::wrong_signer(
                &format!("an agency cannot submit a {} entry", kind.name()),
                "Submit key_bound, key_succeeded, key_ended, encryption_key_bound, service, agency_act, agreement_act or border_act.",
            ));
        }
    };
    let agency = agency.map_err(|error: HeaderError| status::fold(&error.into()))?;
    Ok((kind, agency))
}
