//! `Enrolment`: how an agency gets on board. On a listener of its own, without client certificates, rated.
//!
//! Takes an invitation's token, the agency's own acts and a request that proves a TLS key. Gives the first
//! certificate with the receipts of everything that was recorded. All of it is judged before any of it is
//! recorded. Never records the token, and never makes a key.

use std::collections::VecDeque;
use std::sync::Arc;

use audit::log::Log;
use audit::receipt::Receipt;
use bytes::Bytes;
use certs::request::ProvenKey;
use prost::Message;
use proto::act::{AgencyEnrolment, KeyBinding};
use proto::digest::Digest;
use proto::entry::{Entry, Kind};
use proto::envelope::Envelope;
use proto::facts::RegistryFacts;
use proto::registry::{FoldError, Registry};
use proto::wire::registry::v1 as wire;
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};
use wire::enrolment_server::Enrolment;

use super::rate::{Allowed, Rate};
use super::{act, status};
use crate::registry::RegistryHandle;
use crate::registry::issuing::{IssueError, Issuing, Made};

mod joining;

use joining::Joining;

/// Attempts to enrol, all newcomers together: each costs four signature verifications.
const ATTEMPTS: Allowed = Allowed {
    per_second: 10.0,
    at_once: 20.0,
};
/// Descriptions, all newcomers together.
const DESCRIPTIONS: Allowed = Allowed {
    per_second: 100.0,
    at_once: 200.0,
};
/// Bytes of a token: 128 bits at least, and nothing that is not one.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
/// Enrolments whose answer is kept for a newcomer whom it did not reach.
const KEPT_ANSWERS: usize = 64;

/// The service.
#[derive(Clone, Debug)]
pub struct EnrolmentApi(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: RegistryHandle,
    log: Log,
    issuing: Issuing,
    description: wire::DescribeResponse,
    attempts: Rate,
    descriptions: Rate,
    /// One enrolment at a time: acts that were judged together are recorded together. Holds the latest answers
    /// by the SHA-256 of their whole request.
    answers: Mutex<VecDeque<(Digest, wire::EnrolResponse)>>,
    /// Applications, all newcomers together.
    applications: Rate,
    /// The latest answers to further systems and adapters, by the SHA-256 of their whole request.
    joined: Mutex<VecDeque<(Digest, wire::JoinResponse)>>,
}

/// A request whose parts were read and fit each other.
struct Application {
    /// SHA-256 of the whole request.
    id: Digest,
    agency: Envelope,
    enrolment: AgencyEnrolment,
    key: Envelope,
    binding: KeyBinding,
    certificate_request: Bytes,
}

/// An act of an application: in the log already, or to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Recorded(u64),
    New,
}

impl EnrolmentApi {
    /// Tells newcomers `description`, records them in `registry` and gives them certificates from `issuing`.
    pub fn new(
        registry: RegistryHandle,
        log: Log,
        issuing: Issuing,
        description: wire::DescribeResponse,
    ) -> Self {
        Self(Arc::new(Inner {
            registry,
            log,
            issuing,
            description,
            attempts: Rate::new(ATTEMPTS),
            descriptions: Rate::new(DESCRIPTIONS),
            answers: Mutex::default(),
            applications: Rate::new(joining::APPLICATIONS),
            joined: Mutex::default(),
        }))
    }
}

#[tonic::async_trait]
impl Enrolment for EnrolmentApi {
    async fn describe(
        &self,
        _: Request<wire::DescribeRequest>,
    ) -> Result<Response<wire::DescribeResponse>, Status> {
        if !self.0.descriptions.pass() {
            return Err(status::rate_limited());
        }
        Ok(Response::new(self.0.description.clone()))
    }

    async fn enrol(
        &self,
        request: Request<wire::EnrolRequest>,
    ) -> Result<Response<wire::EnrolResponse>, Status> {
        if !self.0.attempts.pass() {
            return Err(status::rate_limited());
        }
        let application = Application::read(request.into_inner())?;
        let inner = Arc::clone(&self.0);
        // To its end even if the newcomer hangs up: the answer is then kept for the same request.
        let enrolled = self
            .0
            .registry
            .to_its_end(async move { inner.enrol(application).await });
        let response = enrolled.await.map_err(|error| status::submit(&error))??;
        Ok(Response::new(response))
    }

    async fn apply(
        &self,
        request: Request<wire::ApplyRequest>,
    ) -> Result<Response<wire::ApplyResponse>, Status> {
        self.0.apply(request.into_inner()).await.map(Response::new)
    }

    async fn application_status(
        &self,
        request: Request<wire::ApplicationStatusRequest>,
    ) -> Result<Response<wire::ApplicationStatusResponse>, Status> {
        self.0
            .application_status(&request.into_inner())
            .map(Response::new)
    }

    async fn join(
        &self,
        request: Request<wire::JoinRequest>,
    ) -> Result<Response<wire::JoinResponse>, Status> {
        if !self.0.attempts.pass() {
            return Err(status::rate_limited());
        }
        let joining = Joining::read(request.into_inner())?;
        let inner = Arc::clone(&self.0);
        let joined = self
            .0
            .registry
            .to_its_end(async move { inner.join(joining).await });
        let response = joined.await.map_err(|error| status::submit(&error))??;
        Ok(Response::new(response))
    }
}

impl Application {
    fn read(request: wire::EnrolRequest) -> Result<Self, Status> {
        let id = Digest::of(&request.encode_to_vec());
        if !TOKEN_BYTES.contains(&request.token.len()) {
            return Err(status::malformed("the token is not 16 to 64 bytes"));
        }
        let (agency, key) = (act(request.agency)?, act(request.key_binding)?);
        let unread = |error| status::fold(&FoldError::Header(error));
        let enrolment = AgencyEnrolment::open(&agency.header).map_err(unread)?;
        let binding = KeyBinding::open(&key.header).map_err(unread)?;
        // Said in the same words as an unknown token: a guess learns nothing.
        if Digest::of(&request.token) != enrolment.token {
            return Err(status::fold(&FoldError::NotInvited));
        }
        if !binding.system.belongs_to(&enrolment.agency) {
            return Err(status::malformed(
                "the key is for a system of another agency",
            ));
        }
        let proven = ProvenKey::open(&request.certificate_request);
        let tls = proven.map_err(|error| status::issue(&IssueError::Authority(error.into())))?;
        let tls = tls.public_spki_der();
        if tls == binding.key.spki() || tls == enrolment.authority_key.spki() {
            return Err(status::fold(&FoldError::KeyReused));
        }
        Ok(Self {
            id,
            agency,
            enrolment,
            key,
            binding,
            certificate_request: request.certificate_request,
        })
    }
}

impl Inner {
    async fn enrol(&self, application: Application) -> Result<wire::EnrolResponse, Status> {
        let mut answers = self.answers.lock().await;
        if let Some((_, kept)) = answers.iter().find(|(id, _)| *id == application.id) {
            return Ok(kept.clone());
        }
        let registry = self.registry.load();
        let agency = self.agency_stand(&registry, &application).await?;
        let key = self.key_stand(&registry, &application, agency).await?;
        self.rehearse(&application, agency, key)?;
        // Made before anything is recorded: what the authority refuses must leave no trace of an enrolment.
        let made = self
            .issuing
            .system(&application.binding.system)
            .and_then(|name| self.issuing.make(&name, &application.certificate_request))
            .map_err(|error| status::issue(&error))?;
        let response = self.record(&application, agency, key, &made).await?;
        tracing::info!(agency = %application.enrolment.agency, system = %application.binding.system, "enrolled");
        if answers.len() >= KEPT_ANSWERS {
            answers.pop_front();
        }
        answers.push_back((application.id, response.clone()));
        Ok(response)
    }

    /// A used token is good for one thing more: to finish the very enrolment that a crash cut short, or whose answer
    /// did not arrive.
    async fn agency_stand(
        &self,
        registry: &Registry,
        application: &Application,
    ) -> Result<Stand, Status> {
        let used = registry
            .invitation(&application.enrolment.token)
            .and_then(|record| record.used);
        let Some(index) = used else {
            return Ok(Stand::New);
        };
        let token_used = || status::fold(&FoldError::TokenUsed);
        if !self.is_recorded(index, &application.agency).await? {
            return Err(token_used());
        }
        // Once a certificate was recorded somebody may hold it; another one for another key would let whoever
        // finds the spent token stand beside the agency. For the same key it is worthless to everybody else.
        let name = self
            .issuing
            .system(&application.binding.system)
            .map_err(|error| status::issue(&error))?;
        let uri = name.to_string();
        let issued = registry
            .certificates()
            .any(|certificate| certificate.uri == uri);
        if issued
            && !self
                .issuing
                .may_again(&name, &application.certificate_request)
        {
            return Err(token_used());
        }
        Ok(Stand::Recorded(index))
    }

    async fn key_stand(
        &self,
        registry: &Registry,
        application: &Application,
        agency: Stand,
    ) -> Result<Stand, Status> {
        let bound = registry.key(&application.binding.key.kid());
        let (Some(bound), Stand::Recorded(_)) = (bound, agency) else {
            return Ok(Stand::New);
        };
        if bound.ended.is_none() && self.is_recorded(bound.index, &application.key).await? {
            Ok(Stand::Recorded(bound.index))
        } else {
            Err(status::fold(&FoldError::KeyReused))
        }
    }

    async fn is_recorded(&self, index: u64, act: &Envelope) -> Result<bool, Status> {
        let bytes = self
            .log
            .entry(index)
            .await
            .map_err(|error| status::log(&error))?;
        let entry = bytes.and_then(|bytes| Entry::decode(&bytes).ok());
        Ok(entry.is_some_and(|entry| {
            entry.header == act.header && entry.seal.as_ref() == Some(&act.seal)
        }))
    }

    /// Both acts stand together, or none is recorded.
    fn rehearse(&self, application: &Application, agency: Stand, key: Stand) -> Result<(), Status> {
        let acts = [
            (agency, Kind::Agency, &application.agency),
            (key, Kind::KeyBound, &application.key),
        ];
        let new: Vec<_> = acts
            .into_iter()
            .filter(|(stand, ..)| *stand == Stand::New)
            .map(|(_, kind, act)| (kind, &act.header, &act.seal))
            .collect();
        self.registry
            .rehearse(&new)
            .map(drop)
            .map_err(|error| status::fold(&error))
    }

    async fn record(
        &self,
        application: &Application,
        agency: Stand,
        key: Stand,
        made: &Made,
    ) -> Result<wire::EnrolResponse, Status> {
        let agency = self
            .receipt(agency, Kind::Agency, &application.agency)
            .await?;
        let key = self.receipt(key, Kind::KeyBound, &application.key).await?;
        let recorded = self.issuing.record(made, Bytes::new()).await;
        let certificate = recorded.map_err(|error| status::issue(&error))?.receipt;
        Ok(wire::EnrolResponse {
            certificate_chain: made.issued.chain_pem.clone().into_bytes().into(),
            receipts: [agency, key, certificate]
                .iter()
                .map(Receipt::to_wire)
                .collect(),
        })
    }

    /// Records an act, or finds the receipt of the one that stands there.
    async fn receipt(&self, stand: Stand, kind: Kind, act: &Envelope) -> Result<Receipt, Status> {
        match stand {
            Stand::Recorded(index) => {
                let receipt = self
                    .log
                    .receipt(index)
                    .await
                    .map_err(|error| status::log(&error))?;
                receipt.ok_or_else(|| status::fold(&FoldError::TokenUsed))
            }
            Stand::New => {
                let (header, seal) = (act.header.clone(), Some(act.seal.clone()));
                let recorded = self
                    .registry
                    .submit(kind, RegistryFacts::default(), header, seal)
                    .await;
                Ok(recorded.map_err(|error| status::submit(&error))?.receipt)
            }
        }
    }
}
