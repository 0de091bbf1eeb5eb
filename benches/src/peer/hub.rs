//! The bare hub: calls carried as the switch carries them, and nothing else.
//!
//! Takes `Exchange.Call` from clients and one `Link.Attach` from its backend. Each call's envelope goes to the backend as
//! `Deliver` with a number, and
//! comes back as `Answer` with the same. Nothing is sealed, verified, decided or recorded: what is left is what tonic,
//! HTTP/2, TLS and our frames cost.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use cli::bench::load::{dismissed, say};
use proto::limits::MESSAGE_BYTES_MAX;
use proto::wire::exchange::v1::attach_request::Message as Out;
use proto::wire::exchange::v1::attach_response::Message as In;
use proto::wire::exchange::v1::exchange_server::{Exchange, ExchangeServer};
use proto::wire::exchange::v1::link_client::LinkClient;
use proto::wire::exchange::v1::link_server::{Link, LinkServer};
use proto::wire::exchange::v1::{
    Answer, Attach, AttachRequest, AttachResponse, Attached, CallRequest, CallResponse,
    CallsRequest, CallsResponse, CollectRequest, CollectResponse, Deliver, DisputeRequest,
    DisputeResponse, Envelope, StreamRequest, StreamResponse, SubmissionsRequest,
    SubmissionsResponse, SubmitRequest, SubmitResponse, UploadRequest, UploadResponse,
    WithdrawRequest, WithdrawResponse,
};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::client;
use super::serving::{CONNECTION_WINDOW, STREAM_WINDOW, STREAMS, serve};

/// Messages that may wait for a stream.
const WAITING: usize = 1_024;

/// Serves clients and the backend until the harness dismisses it.
pub(crate) async fn run(dir: PathBuf) -> anyhow::Result<()> {
    let hub = Hub::default();
    let router = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .add_service(
            ExchangeServer::new(hub.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            LinkServer::new(hub)
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
        );
    serve(&dir, "middle", router).await
}

#[derive(Clone, Default)]
struct Hub(Arc<Shared>);

#[derive(Default)]
struct Shared {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Option<Envelope>>>>,
    link: Mutex<Option<mpsc::Sender<Result<AttachResponse, Status>>>>,
}

impl Shared {
    fn waiting(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Option<Envelope>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(
        &self,
    ) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Result<AttachResponse, Status>>>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Said to everything else.
const ONLY: &str = "the hub only carries calls";

#[tonic::async_trait]
impl Exchange for Hub {
    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        let offline = || Status::unavailable("no backend");
        let link = self.0.link().clone().ok_or_else(offline)?;
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.0.waiting().insert(number, answer);
        let mut envelope = request.into_inner().envelope.unwrap_or_default();
        // Where the exchange id stands in a real one.
        envelope.header = Bytes::copy_from_slice(&number.to_be_bytes());
        let deliver = In::Deliver(Deliver {
            envelope: Some(envelope),
            receipt: None,
            remaining_ms: 0,
            traceparent: String::new(),
            takes_chunks: false,
        });
        let message = Some(deliver);
        link.send(Ok(AttachResponse { message }))
            .await
            .map_err(|_| offline())?;
        let answer = answered.await.map_err(|_| offline())?;
        Ok(Response::new(CallResponse {
            answer,
            receipt: None,
            request: None,
        }))
    }

    type CallsStream = tokio_stream::Empty<Result<CallsResponse, Status>>;

    async fn calls(
        &self,
        _: Request<Streaming<CallsRequest>>,
    ) -> Result<Response<Self::CallsStream>, Status> {
        Err(Status::unimplemented("this server takes single calls only"))
    }

    type StreamStream = tokio_stream::Empty<Result<StreamResponse, Status>>;

    async fn stream(
        &self,
        _: Request<StreamRequest>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        Err(Status::unimplemented("this server takes single calls only"))
    }

    async fn submit(&self, _: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        Err(Status::unimplemented(ONLY))
    }

    async fn collect(
        &self,
        _: Request<CollectRequest>,
    ) -> Result<Response<CollectResponse>, Status> {
        Err(Status::unimplemented(ONLY))
    }

    async fn submissions(
        &self,
        _: Request<SubmissionsRequest>,
    ) -> Result<Response<SubmissionsResponse>, Status> {
        Err(Status::unimplemented(ONLY))
    }

    async fn withdraw(
        &self,
        _: Request<WithdrawRequest>,
    ) -> Result<Response<WithdrawResponse>, Status> {
        Err(Status::unimplemented(ONLY))
    }

    type UploadStream = tokio_stream::Empty<Result<UploadResponse, Status>>;

    async fn upload(
        &self,
        _: Request<Streaming<UploadRequest>>,
    ) -> Result<Response<Self::UploadStream>, Status> {
        Err(Status::unimplemented("this server takes no uploads"))
    }

    async fn dispute(
        &self,
        _: Request<DisputeRequest>,
    ) -> Result<Response<DisputeResponse>, Status> {
        Err(Status::unimplemented(ONLY))
    }
}

#[tonic::async_trait]
impl Link for Hub {
    type AttachStream = ReceiverStream<Result<AttachResponse, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let mut messages = request.into_inner();
        let (link, outgoing) = mpsc::channel(WAITING);
        let message = Some(In::Attached(Attached { link_id: 1 }));
        // There is room for the first.
        let _ = link.send(Ok(AttachResponse { message })).await;
        *self.0.link() = Some(link);
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            while let Ok(Some(AttachRequest { message })) = messages.message().await {
                let Some(Out::Answer(answer)) = message else {
                    continue;
                };
                let number = <[u8; 8]>::try_from(&answer.exchange_id[..]).map(u64::from_be_bytes);
                let waiting = number
                    .ok()
                    .and_then(|number| shared.waiting().remove(&number));
                if let Some(waiting) = waiting {
                    // Whoever asked may be gone.
                    let _ = waiting.send(answer.envelope);
                }
            }
            // The calls that wait are told by their dropped senders.
            *shared.link() = None;
            shared.waiting().clear();
        });
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

/// The backend: attaches to the hub at `address` and gives every envelope back.
pub(crate) async fn backend(dir: PathBuf, address: String) -> anyhow::Result<()> {
    let tls = client::tls(&dir, "middle-client", "hub")?;
    let channel = client::connect(&address, tls).await?;
    let (out, outgoing) = mpsc::channel(WAITING);
    let message = Some(Out::Attach(Attach {
        max_in_flight: u32::MAX,
        takes_uploads: false,
        takes_events: false,
    }));
    out.send(AttachRequest { message }).await?;
    let mut messages = LinkClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
        .attach(ReceiverStream::new(outgoing))
        .await?
        .into_inner();
    let first = messages.message().await?.and_then(|first| first.message);
    if !matches!(first, Some(In::Attached(_))) {
        bail!("the hub did not attach its backend");
    }
    say("ready")?;
    let answering = async {
        while let Some(AttachResponse { message }) = messages.message().await? {
            let Some(In::Deliver(Deliver { envelope, .. })) = message else {
                continue;
            };
            let exchange_id = envelope
                .as_ref()
                .map_or_else(Bytes::new, |envelope| envelope.header.clone());
            let message = Some(Out::Answer(Answer {
                exchange_id,
                envelope,
            }));
            out.send(AttachRequest { message }).await?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        ended = answering => ended.context("the hub ended"),
        () = dismissed() => Ok(()),
    }
}
