//! Applications of agencies that nobody invited, and further systems and adapters of agencies that are on board.
//!
//! An application is judged by the fold alone: it is sealed by the key that it names, and an operator decides.
//! A further system needs no invitation: the agency's authority key seals it, and its certificate is handed out
//! once, to whoever brought the act first.

use bytes::Bytes;
use certs::request::ProvenKey;
use prost::Message;
use proto::act::KeyBinding;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::facts::RegistryFacts;
use proto::registry::{ApplicationState, FoldError};
use proto::wire::registry::v1 as wire;
use tonic::Status;

use super::super::rate::Allowed;
use super::super::{act, status};
use super::{Inner, KEPT_ANSWERS};
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
    binding: KeyBinding,
    certificate_request: Bytes,
}

impl Joining {
    pub(super) fn read(request: wire::JoinRequest) -> Result<Self, Status> {
        let id = Digest::of(&request.encode_to_vec());
        if request.kind != u32::from(Kind::KeyBound as u8) {
            return Err(status::malformed("a system joins with a key_bound act"));
        }
        let envelope = act(request.act)?;
        let binding = KeyBinding::open(&envelope.header)
            .map_err(|error| status::fold(&FoldError::Header(error)))?;
        let proven = ProvenKey::open(&request.certificate_request);
        let tls = proven.map_err(|error| status::issue(&IssueError::Authority(error.into())))?;
        if tls.public_spki_der() == binding.key.spki() {
            return Err(status::fold(&FoldError::KeyReused));
        }
        Ok(Self {
            id,
            act: envelope,
            binding,
            certificate_request: request.certificate_request,
        })
    }
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
        let act = &joining.act;
        self.registry
            .rehearse(&[(Kind::KeyBound, &act.header, &act.seal)])
            .map_err(|error| status::fold(&error))?;
        let system = &joining.binding.system;
        // Made before anything is recorded: what the authority refuses must leave no trace of a key.
        let issued = self
            .issuing
            .make(system, &joining.certificate_request)
            .map_err(|error| status::issue(&error))?;
        let (header, seal) = (act.header.clone(), Some(act.seal.clone()));
        let bound = self
            .registry
            .submit(Kind::KeyBound, RegistryFacts::default(), header, seal)
            .await
            .map_err(|error| status::submit(&error))?;
        let certificate = self
            .issuing
            .record(system, &issued, Bytes::new())
            .await
            .map_err(|error| status::issue(&error))?;
        tracing::info!(%system, adapter = %joining.binding.adapter, "joined");
        let response = wire::JoinResponse {
            certificate_chain: issued.chain_pem.into_bytes().into(),
            receipts: [bound.receipt, certificate.receipt]
                .iter()
                .map(audit::receipt::Receipt::to_wire)
                .collect(),
        };
        if answers.len() >= KEPT_ANSWERS {
            answers.pop_front();
        }
        answers.push_back((joining.id, response.clone()));
        Ok(response)
    }
}
