//! Applications of agencies that nobody invited, and further systems and adapters of agencies that are on board.
//!
//! An application is judged by the fold alone: it is sealed by the key that it names, and an operator decides.
//! A further system, adapter or administrator needs no invitation: the agency's authority key seals it, and its
//! certificate is for the TLS key that came with the act first. An answer that was lost is made again for that key
//! only: everybody who reads the registry has the act.

use std::fmt;

use audit::receipt::Receipt;
use bytes::Bytes;
use certs::PeerName;
use certs::request::ProvenKey;
use prost::Message;
use proto::act::{AgencyAct, AgencyDeed, KeyBinding};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::facts::RegistryFacts;
use proto::id::{AgencyId, Part};
use proto::registry::{ApplicationState, FoldError};
use proto::wire::registry::v1 as wire;
use tonic::Status;

use super::super::rate::Allowed;
use super::super::{act, status};
use super::{Inner, KEPT_ANSWERS, Stand};
use crate::registry::issuing::IssueError;

/// Applications, all newcomers together: each stays in the log and waits for an operator's eyes.
pub(super) const APPLICATIONS: Allowed = Allowed {
    per_second: 1.0,
    at_once: 20.0,
};

/// A request to join whose parts were read and fit each other.
#[derive(Debug)]
pub(super) struct Joining {
    /// SHA-256 of the whole request.
    id: Digest,
    act: Envelope,
    who: Who,
    certificate_request: Bytes,
}

/// Who joins.
#[derive(Debug)]
enum Who {
    /// A system, by a first or a further adapter.
    Adapter(KeyBinding),
    /// A person who may carry the agency's acts.
    Administrator { agency: AgencyId, name: Part },
}

impl Who {
    fn kind(&self) -> Kind {
        match self {
            Self::Adapter(_) => Kind::KeyBound,
            Self::Administrator { .. } => Kind::AgencyAct,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adapter(binding) => write!(f, "{} {}", binding.system, binding.adapter),
            Self::Administrator { agency, name } => write!(f, "administrator {agency}/{name}"),
        }
    }
}

impl Joining {
    pub(super) fn read(request: wire::JoinRequest) -> Result<Self, Status> {
        let id = Digest::of(&request.encode_to_vec());
        let envelope = act(request.act)?;
        let who = who(request.kind, &envelope.header)?;
        let proven = ProvenKey::open(&request.certificate_request);
        let tls = proven.map_err(|error| status::issue(&IssueError::Authority(error.into())))?;
        if let Who::Adapter(binding) = &who
            && tls.public_spki_der() == binding.key.spki()
        {
            return Err(status::fold(&FoldError::KeyReused));
        }
        Ok(Self {
            id,
            act: envelope,
            who,
            certificate_request: request.certificate_request,
        })
    }
}

fn who(kind: u32, header: &[u8]) -> Result<Who, Status> {
    let unread = |error| status::fold(&FoldError::Header(error));
    if kind == u32::from(Kind::KeyBound as u8) {
        return Ok(Who::Adapter(KeyBinding::open(header).map_err(unread)?));
    }
    if kind == u32::from(Kind::AgencyAct as u8) {
        let act = AgencyAct::open(header).map_err(unread)?;
        if let AgencyDeed::Administrator { name, ended: false } = act.deed {
            let agency = act.agency;
            return Ok(Who::Administrator { agency, name });
        }
    }
    Err(status::malformed(
        "one joins with a key_bound act, or with an agency_act that names an administrator",
    ))
}

impl Inner {
    pub(super) async fn apply(
        &self,
        request: wire::ApplyRequest,
    ) -> Result<wire::ApplyResponse, Status> {
        if !self.applications.pass() {
            return Err(status::rate_limited());
        }
        let envelope = act(request.application)?;
        let recorded = self
            .registry
            .submit(
                Kind::Application,
                RegistryFacts::default(),
                envelope.header,
                Some(envelope.seal),
            )
            .await;
        let appended = recorded.map_err(|error| status::submit(&error))?;
        tracing::info!(index = appended.index, "application");
        Ok(wire::ApplyResponse {
            receipt: Some(appended.receipt.to_wire()),
        })
    }

    pub(super) fn application_status(
        &self,
        request: &wire::ApplicationStatusRequest,
    ) -> Result<wire::ApplicationStatusResponse, Status> {
        if !self.descriptions.pass() {
            return Err(status::rate_limited());
        }
        let id = Digest::from_slice(&request.application)
            .ok_or_else(|| status::malformed("the application is named by 32 bytes"))?;
        let registry = self.registry.load();
        let mut response = wire::ApplicationStatusResponse::default();
        let Some(record) = registry.application(&id) else {
            return Ok(response);
        };
        let state = match &record.state {
            ApplicationState::Waiting if record.waits_at(self.registry.now_ms()) => {
                wire::ApplicationState::Waiting
            }
            ApplicationState::Waiting => wire::ApplicationState::Expired,
            ApplicationState::Approved { enrol_until_ms } => {
                response.enrol_until_ms = *enrol_until_ms;
                wire::ApplicationState::Approved
            }
            ApplicationState::Rejected { reason } => {
                response.reason.clone_from(reason);
                wire::ApplicationState::Rejected
            }
            ApplicationState::Enrolled => wire::ApplicationState::Enrolled,
        };
        response.set_state(state);
        Ok(response)
    }

    pub(super) async fn join(&self, joining: Joining) -> Result<wire::JoinResponse, Status> {
        let mut answers = self.joined.lock().await;
        if let Some((_, kept)) = answers.iter().find(|(id, _)| *id == joining.id) {
            return Ok(kept.clone());
        }
        let name = match &joining.who {
            Who::Adapter(binding) => self.issuing.system(&binding.system),
            Who::Administrator { agency, name } => self.issuing.administrator(agency, name),
        };
        let name = name.map_err(|error| status::issue(&error))?;
        let stand = self.join_stand(&joining, &name)?;
        // Made before anything is recorded: what the authority refuses must leave no trace of a key.
        let made = self
            .issuing
            .make(&name, &joining.certificate_request)
            .map_err(|error| status::issue(&error))?;
        let act = self
            .receipt(stand, joining.who.kind(), &joining.act)
            .await?;
        let certificate = self
            .issuing
            .record(&made, Bytes::new())
            .await
            .map_err(|error| status::issue(&error))?;
        tracing::info!(who = %joining.who, "joined");
        let response = wire::JoinResponse {
            certificate_chain: made.issued.chain_pem.into_bytes().into(),
            receipts: [act, certificate.receipt]
                .iter()
                .map(Receipt::to_wire)
                .collect(),
        };
        if answers.len() >= KEPT_ANSWERS {
            answers.pop_front();
        }
        answers.push_back((joining.id, response.clone()));
        Ok(response)
    }

    /// Whether the act is new; or stands there with everything that it made, and its answer was lost.
    fn join_stand(&self, joining: &Joining, name: &PeerName) -> Result<Stand, Status> {
        let (kind, act) = (joining.who.kind(), &joining.act);
        let Err(refused) = self.registry.rehearse(&[(kind, &act.header, &act.seal)]) else {
            return Ok(Stand::New);
        };
        let registry = self.registry.load();
        let in_force = match &joining.who {
            Who::Adapter(binding) => registry
                .key(&binding.key.kid())
                .is_some_and(|bound| bound.ended.is_none()),
            Who::Administrator { agency, name } => registry
                .agency(agency)
                .is_some_and(|record| record.administrators.contains(name)),
        };
        let before = in_force && self.issuing.may_again(name, &joining.certificate_request);
        before
            .then(|| self.registry.find(kind, &act.header, &act.seal))
            .flatten()
            .map(Stand::Recorded)
            .ok_or_else(|| status::fold(&refused))
    }
}
