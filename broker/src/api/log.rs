//! `Log`: checkpoints, consistency proofs and registry entries, for every known peer.
//!
//! Gives only what is published or durable. A slow reader of the registry waits for itself: a few entries are
//! under way to it, the rest stays where it is kept anyway.

use std::sync::Arc;

use bytes::Bytes;
use proto::limits::CONSISTENCY_SIZES_MAX;
use proto::wire::audit::v1 as wire;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use wire::log_server::Log as LogService;

use super::roles::Rpc;
use super::{permitted, status};
use crate::door::Peer;
use crate::registry::RegistryHandle;

/// Registry entries taken at once for one reader.
const PAGE_ENTRIES: usize = 64;
/// Registry entries under way to one reader.
const UNDER_WAY: usize = 8;
/// Requests for consistency proofs served at once; each reads up to 256 proofs from the disk.
const PROVING: usize = 4;

/// The service.
#[derive(Clone, Debug)]
pub struct LogApi {
    registry: RegistryHandle,
    log: audit::log::Log,
    draining: CancellationToken,
    proving: Arc<Semaphore>,
}

impl LogApi {
    /// Serves `log` and `registry`; open streams end when `draining` is cancelled.
    pub fn new(
        registry: RegistryHandle,
        log: audit::log::Log,
        draining: CancellationToken,
    ) -> Self {
        Self {
            registry,
            log,
            draining,
            proving: Arc::new(Semaphore::new(PROVING)),
        }
    }

    fn known<T>(&self, request: &Request<T>, rpc: Rpc) -> Result<Arc<Peer>, Status> {
        Ok(permitted(&self.registry.load(), request, rpc)?.0)
    }
}

#[tonic::async_trait]
impl LogService for LogApi {
    type RegistryStream = ReceiverStream<Result<wire::RegistryResponse, Status>>;

    async fn checkpoint(
        &self,
        request: Request<wire::CheckpointRequest>,
    ) -> Result<Response<wire::CheckpointResponse>, Status> {
        self.known(&request, Rpc::Checkpoint)?;
        let checkpoint = self.log.published().borrow().note.clone();
        Ok(Response::new(wire::CheckpointResponse { checkpoint }))
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
        let mut proofs = Vec::with_capacity(from_sizes.len());
        for from in from_sizes {
            let proof = self.log.consistency(from, to_size).await;
            let hashes = proof.map_err(|error| status::log(&error))?;
            let hashes = hashes
                .iter()
                .map(|hash| Bytes::copy_from_slice(&hash.0))
                .collect();
            proofs.push(wire::ConsistencyProof { hashes });
        }
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
        let (closed, draining) = (peer.closed.clone(), self.draining.clone());
        // Ends by itself when the reader, its connection or the switch goes.
        tokio::spawn(async move {
            let last = mirror.sender.clone();
            tokio::select! {
                () = mirror.run() => {}
                () = closed.cancelled() => {}
                () = draining.cancelled() => drop(last.try_send(Err(status::draining()))),
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
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
