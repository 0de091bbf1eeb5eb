//! `Log`: checkpoints, their time-stamps, consistency proofs, hash tiles and registry entries, for every known peer; exchange entries for
//! those who may read them, each reading an entry itself; holds, erasures and reviews, and what waits for one.
//!
//! Gives only what is published or durable. A slow reader waits for itself: a few entries are under way to it, the
//! rest stays where it is kept anyway.

use std::sync::Arc;

use bytes::Bytes;
use proto::digest::Digest;
use proto::limits::CONSISTENCY_SIZES_MAX;
use proto::reviews::Waiting;
use proto::wire::audit::v1 as wire;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use wire::log_server::Log as LogService;

use self::entries::Reading;
use self::oversee::Oversight;
use super::rate::{Allowed, Rate, RatePerAgency};
use super::roles::Rpc;
use super::{permitted, status};
use crate::door::Peer;
use crate::door::standing::Standing;
use crate::exchange::Exchange;
use crate::exchange::reviews::ReviewBook;
use crate::registry::RegistryHandle;

mod entries;
mod oversee;
mod times;

/// Registry entries taken at once for one reader.
const PAGE_ENTRIES: usize = 64;
/// Registry entries under way to one reader.
const UNDER_WAY: usize = 8;
/// Requests for consistency proofs served at once; each reads up to 256 proofs from the disk.
const PROVING: usize = 4;
/// Readings of entries, of each agency and of all people together: each is an entry itself. Those of time-stamps count
/// among them.
const READINGS: Allowed = Allowed {
    per_second: 1.0,
    at_once: 60.0,
};
/// Holds, erasures and reviews of one agency: a statement names up to 128 exchanges.
const OVERSIGHTS: Allowed = Allowed {
    per_second: 1.0,
    at_once: 200.0,
};

/// Exchanges in one answer about what waits for a review, some 300 bytes each.
const REVIEWS_PAGE: usize = 256;

/// The service.
#[derive(Clone, Debug)]
pub struct LogApi {
    registry: RegistryHandle,
    log: audit::log::Log,
    draining: CancellationToken,
    proving: Arc<Semaphore>,
    readings: Arc<(Rate, RatePerAgency)>,
    oversights: Arc<RatePerAgency>,
    reviews: Arc<ReviewBook>,
    exchange: Arc<Exchange>,
}

impl LogApi {
    /// Serves `log`, `registry` and what `exchange` knows of reviews and events; open streams end when `draining` is cancelled.
    pub(crate) fn new(
        registry: RegistryHandle,
        log: audit::log::Log,
        exchange: Arc<Exchange>,
        draining: CancellationToken,
    ) -> Self {
        Self {
            registry,
            log,
            reviews: Arc::clone(exchange.reviews()),
            exchange,
            draining,
            proving: Arc::new(Semaphore::new(PROVING)),
            readings: Arc::new((Rate::new(READINGS), RatePerAgency::new(READINGS))),
            oversights: Arc::new(RatePerAgency::new(OVERSIGHTS)),
        }
    }

    /// Serves one stream in a task of its own, which ends when the reader, its connection or the switch goes.
    fn stream<T: Send + 'static>(
        &self,
        peer: &Peer,
        last: mpsc::Sender<Result<T, Status>>,
        serve: impl Future<Output = ()> + Send + 'static,
    ) {
        let (closed, draining) = (peer.closed.clone(), self.draining.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = serve => {}
                () = closed.cancelled() => {}
                () = draining.cancelled() => drop(last.try_send(Err(status::draining()))),
            }
        });
    }

    /// Long readings, one a second.
    fn pace(&self, standing: &Standing) -> Result<(), Status> {
        let (people, agencies) = &*self.readings;
        let passes = match standing {
            Standing::System(system) => agencies.pass(&system.agency()),
            Standing::Person(..) | Standing::Administrator(..) => people.pass(),
        };
        if passes {
            Ok(())
        } else {
            Err(status::rate_limited())
        }
    }

    fn known<T>(&self, request: &Request<T>, rpc: Rpc) -> Result<Arc<Peer>, Status> {
        Ok(permitted(&self.registry.load(), request, rpc)?.0)
    }
}

#[tonic::async_trait]
impl LogService for LogApi {
    type RegistryStream = ReceiverStream<Result<wire::RegistryResponse, Status>>;
    type EntriesStream = ReceiverStream<Result<wire::EntriesResponse, Status>>;
    type TimesStream = ReceiverStream<Result<wire::TimesResponse, Status>>;

    async fn checkpoint(
        &self,
        request: Request<wire::CheckpointRequest>,
    ) -> Result<Response<wire::CheckpointResponse>, Status> {
        self.known(&request, Rpc::Checkpoint)?;
        let checkpoint = self.log.published().borrow().note.clone();
        let followed = self.log.key().entries();
        Ok(Response::new(wire::CheckpointResponse {
            checkpoint,
            minimum_index: self.log.minimum_index(),
            log_keys: followed.into_iter().map(|(_, entry)| entry).collect(),
        }))
    }

    async fn consistency(
        &self,
        request: Request<wire::ConsistencyRequest>,
    ) -> Result<Response<wire::ConsistencyResponse>, Status> {
        self.known(&request, Rpc::Consistency)?;
        let wire::ConsistencyRequest {
            from_sizes,
            to_size,
        } = request.into_inner();
        if from_sizes.len() > CONSISTENCY_SIZES_MAX {
            return Err(status::malformed(&format!(
                "more than {CONSISTENCY_SIZES_MAX} sizes at once"
            )));
        }
        let published = self.log.published().borrow().checkpoint.size;
        if to_size > published || from_sizes.iter().any(|from| *from > to_size) {
            return Err(status::not_published(published));
        }
        let _permit = self
            .proving
            .try_acquire()
            .map_err(|_| status::rate_limited())?;
        let proofs = self.log.consistency(from_sizes, to_size).await;
        let hashes = |proof: Vec<Digest>| {
            let hashes = proof.iter().map(|hash| Bytes::copy_from_slice(&hash.0));
            wire::ConsistencyProof {
                hashes: hashes.collect(),
            }
        };
        let proofs = proofs.map_err(|error| status::log(&error))?;
        let proofs = proofs.into_iter().map(hashes).collect();
        Ok(Response::new(wire::ConsistencyResponse { proofs }))
    }

    async fn registry(
        &self,
        request: Request<wire::RegistryRequest>,
    ) -> Result<Response<Self::RegistryStream>, Status> {
        let peer = self.known(&request, Rpc::Registry)?;
        let (sender, receiver) = mpsc::channel(UNDER_WAY);
        let mirror = Mirror {
            registry: self.registry.clone(),
            next: request.get_ref().from,
            sender,
        };
        let last = mirror.sender.clone();
        self.stream(&peer, last, mirror.run());
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn tile(
        &self,
        request: Request<wire::TileRequest>,
    ) -> Result<Response<wire::TileResponse>, Status> {
        self.known(&request, Rpc::Tile)?;
        let wire::TileRequest {
            level,
            index,
            width,
        } = request.into_inner();
        let (Ok(level), Ok(width)) = (u8::try_from(level), u16::try_from(width)) else {
            return Err(status::malformed("no tile has such a level or width"));
        };
        let _permit = self
            .proving
            .try_acquire()
            .map_err(|_| status::rate_limited())?;
        let hashes = self.log.tile_hashes(level, index, width).await;
        let hashes = hashes.map_err(|error| status::log(&error))?;
        let published = self.log.published().borrow().checkpoint.size;
        let hashes = hashes.ok_or_else(|| status::not_published(published))?;
        let hashes = hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>();
        Ok(Response::new(wire::TileResponse {
            hashes: hashes.into(),
        }))
    }

    async fn times(
        &self,
        request: Request<wire::TimesRequest>,
    ) -> Result<Response<Self::TimesStream>, Status> {
        let (peer, standing) = permitted(&self.registry.load(), &request, Rpc::Times)?;
        let wire::TimesRequest { from_size, to_size } = request.into_inner();
        let published = self.log.published().borrow().checkpoint.size;
        if to_size > published {
            return Err(status::not_published(published));
        }
        self.pace(&standing)?;
        let sizes = self.log.stamped(from_size..=to_size).await;
        let sizes = sizes.map_err(|error| status::log(&error))?;
        let (sender, receiver) = mpsc::channel(UNDER_WAY);
        let serve = times::run(self.log.clone(), sizes, sender.clone());
        self.stream(&peer, sender, serve);
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn entries(
        &self,
        request: Request<wire::EntriesRequest>,
    ) -> Result<Response<Self::EntriesStream>, Status> {
        let (peer, standing) = permitted(&self.registry.load(), &request, Rpc::Entries)?;
        let published = self.log.published().borrow().checkpoint.size;
        let reading = Reading::of(&peer, &standing, request.get_ref(), published)?;
        self.pace(&standing)?;
        let recorded = reading.record(&self.log).await;
        let index = recorded.map_err(|error| status::submit(&error.into()))?;
        tracing::info!(reader = %peer.identity.uri, index, "entries are read");
        let (sender, receiver) = mpsc::channel(UNDER_WAY);
        let source = (self.log.clone(), Arc::clone(&self.exchange));
        self.stream(&peer, sender.clone(), reading.run(source, sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn oversee(
        &self,
        request: Request<wire::OverseeRequest>,
    ) -> Result<Response<wire::OverseeResponse>, Status> {
        let (peer, standing) = permitted(&self.registry.load(), &request, Rpc::Oversee)?;
        let oversight = Oversight::of(&standing, request.into_inner())?;
        if !self.oversights.pass(&oversight.agency) {
            return Err(status::rate_limited());
        }
        let (registry, log, reviews) = (
            self.registry.clone(),
            self.log.clone(),
            Arc::clone(&self.reviews),
        );
        // In a task of its own: a review that is durable is noted, whoever still waits.
        let recorded = tokio::spawn(async move {
            let receipt = oversight.record(&peer, &registry, &log, &reviews).await?;
            tracing::info!(agency = %oversight.agency, index = receipt.index, "oversight act");
            Ok::<_, Status>(receipt)
        });
        let receipt = recorded.await.map_err(|_| status::draining())??;
        Ok(Response::new(wire::OverseeResponse {
            receipt: Some(receipt.to_wire()),
        }))
    }

    async fn reviews(
        &self,
        request: Request<wire::ReviewsRequest>,
    ) -> Result<Response<wire::ReviewsResponse>, Status> {
        let (_, standing) = permitted(&self.registry.load(), &request, Rpc::Reviews)?;
        let agency = match standing {
            Standing::System(system) => system.agency(),
            Standing::Administrator(agency, _) => agency,
            // The table lets no such caller come here.
            Standing::Person(..) => {
                return Err(status::wrong_signer(
                    "a person is no party of exchanges",
                    "Read the entries instead; they are open to auditors and data-protection officers.",
                ));
            }
        };
        let from_index = request.get_ref().from_index;
        let (page, more) = self.reviews.of(&agency, from_index, REVIEWS_PAGE);
        let waiting = page.iter().map(|(index, waiting)| to_wire(*index, waiting));
        Ok(Response::new(wire::ReviewsResponse {
            waiting: waiting.collect(),
            more,
        }))
    }
}

fn to_wire(index: u64, waiting: &Waiting) -> wire::WaitingReview {
    let bytes = |digest: &Digest| Bytes::copy_from_slice(&digest.0);
    wire::WaitingReview {
        index,
        leaf: bytes(&waiting.leaf),
        recorded_at_ms: waiting.recorded_at_ms,
        exchange_id: Bytes::copy_from_slice(waiting.exchange.as_bytes()),
        consumer: waiting.consumer.to_string(),
        provider: waiting.provider.to_string(),
        actor: waiting.actor.as_ref().map(bytes).unwrap_or_default(),
        case_reference: waiting.case.as_ref().map(bytes).unwrap_or_default(),
        agreement: bytes(&waiting.agreement),
        grant: waiting.grant,
    }
}

/// One reader of the registry.
struct Mirror {
    registry: RegistryHandle,
    next: u64,
    sender: mpsc::Sender<Result<wire::RegistryResponse, Status>>,
}

impl Mirror {
    /// What was recorded, page by page, then what comes, until the reader is gone.
    async fn run(mut self) {
        let mut sizes = self.registry.sizes();
        loop {
            let page = self.registry.entries_from(self.next, PAGE_ENTRIES);
            for (index, entry) in page {
                let registry_size = *sizes.borrow();
                let message = wire::RegistryResponse {
                    index,
                    entry,
                    registry_size,
                };
                if self.sender.send(Ok(message)).await.is_err() {
                    return;
                }
                self.next += 1;
            }
            let next = self.next;
            tokio::select! {
                moved = sizes.wait_for(|size| *size > next) => {
                    if moved.is_err() {
                        return;
                    }
                }
                () = self.sender.closed() => return,
            }
        }
    }
}
