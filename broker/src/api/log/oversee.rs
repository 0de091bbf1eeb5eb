//! Holds, erasures and reviews: takes what an agency sealed, judges the seal, gives the receipt of its entry.

use std::sync::Arc;

use audit::log::{AppendError, Log};
use audit::receipt::Receipt;
use bytes::Bytes;
use prost::Message as _;
use proto::Code;
use proto::act::Review;
use proto::authorise::{verify_erasure, verify_hold, verify_review};
use proto::entry::{Draft, Kind};
use proto::envelope::Envelope;
use proto::facts::{self, RegistryFacts};
use proto::id::AgencyId;
use proto::registry::Registry;
use proto::wire::audit::v1 as wire;
use proto::wire::exchange::v1 as exchange;
use tonic::Status;

use crate::api::{act, status};
use crate::door::Peer;
use crate::door::standing::Standing;
use crate::exchange::reviews::ReviewBook;
use crate::registry::RegistryHandle;

/// Judgements of one act while the registry moves on.
const JUDGEMENTS_MAX: usize = 8;

/// An act that came, and whose it is.
#[derive(Debug)]
pub(super) struct Oversight {
    kind: Kind,
    envelope: Envelope,
    /// Whose it says it is; the seal is not verified yet.
    pub(super) agency: AgencyId,
}

impl Oversight {
    /// # Errors
    /// It is no hold, no erasure and no review, or not one of the agency that is connected.
    pub(super) fn of(standing: &Standing, request: wire::OverseeRequest) -> Result<Self, Status> {
        let envelope = exchange::Envelope::decode(request.envelope)
            .map_err(|_| status::malformed("its envelope is not one, encoded"))?;
        let envelope = act(Some(envelope))?;
        let kind = u8::try_from(request.kind)
            .ok()
            .and_then(|byte| Kind::from_byte(byte).ok());
        let (kind, opened) = match kind {
            Some(kind @ Kind::Hold) => {
                let hold = proto::act::Hold::open(&envelope.header);
                (kind, hold.map(|hold| hold.agency))
            }
            Some(kind @ Kind::Erasure) => {
                let erasure = proto::act::Erasure::open(&envelope.header);
                (kind, erasure.map(|erasure| erasure.agency))
            }
            Some(kind @ Kind::Review) => {
                let review = proto::act::Review::open(&envelope.header);
                (kind, review.map(|review| review.agency))
            }
            _ => {
                return Err(status::malformed(
                    "only hold, erasure and review entries are taken here",
                ));
            }
        };
        let agency = opened.map_err(|error| status::malformed(&error.to_string()))?;
        let own = match standing {
            Standing::System(system) => system.belongs_to(&agency),
            Standing::Administrator(own, _) => *own == agency,
            Standing::Person(..) => false,
        };
        if !own {
            return Err(status::wrong_signer(
                &format!("the connection does not belong to {agency}, whose act this is"),
                "Let a system or an administrator of that agency carry it.",
            ));
        }
        Ok(Self {
            kind,
            envelope,
            agency,
        })
    }

    /// Verifies its seal against the registry and records it.
    ///
    /// # Errors
    /// The seal does not hold, what it reviews does not wait for it, or the log did not take it.
    pub(super) async fn record(
        &self,
        peer: &Peer,
        registry: &RegistryHandle,
        log: &Log,
        reviews: &Arc<ReviewBook>,
    ) -> Result<Receipt, Status> {
        let facts = RegistryFacts {
            peer_sha256: Bytes::copy_from_slice(&peer.identity.cert_sha256),
            certificate: None,
        };
        for _ in 0..JUDGEMENTS_MAX {
            let now = registry.load();
            let review = self.verify(&now).map_err(status::not_sealed)?;
            // Held again in each round: what is on its way in belongs to nobody else.
            let reviewing = review
                .map(|review| reviews.hold(review))
                .transpose()
                .map_err(|fault| status::not_waiting(&fault))?;
            let draft = Draft {
                kind: self.kind,
                facts: facts::encode(&facts),
                header: self.envelope.header.clone(),
                seal: Some(self.envelope.seal.clone()),
            };
            match log.append(draft, Some(now.size())).await {
                Ok(appended) => {
                    if let Some(reviewing) = reviewing {
                        reviewing.keep(appended.entry.stamp.recorded_at_ms());
                    }
                    return Ok(appended.receipt);
                }
                Err(AppendError::RegistryMoved { size }) => registry.reached(size).await,
                Err(error) => return Err(status::submit(&error.into())),
            }
        }
        Err(status::rate_limited())
    }

    /// Gives the review, if it is one.
    fn verify(&self, registry: &Registry) -> Result<Option<Review>, Code> {
        let (header, seal) = (&self.envelope.header, &self.envelope.seal);
        match self.kind {
            Kind::Review => verify_review(registry, header, seal).map(Some),
            Kind::Erasure => verify_erasure(registry, header, seal).map(|_| None),
            _ => verify_hold(registry, header, seal).map(|_| None),
        }
    }
}
