//! The gRPC server behind nginx and haproxy: gives every envelope back, or the long answer that was asked for in chunks. The smallest honest work for a proxy's far end.

use std::path::PathBuf;
use std::pin::Pin;

use cli::bench::load::payloads::wanted;
use proto::limits::CHUNK_BYTES_DEFAULT;
use proto::wire::exchange::v1::exchange_server::{Exchange, ExchangeServer};
use proto::wire::exchange::v1::stream_response::Message;
use proto::wire::exchange::v1::{
    CallRequest, CallResponse, CallsRequest, CallsResponse, CollectRequest, CollectResponse,
    DisputeRequest, DisputeResponse, StreamRequest, StreamResponse, SubmissionsRequest,
    SubmissionsResponse, SubmitRequest, SubmitResponse, UploadRequest, UploadResponse,
    WithdrawRequest, WithdrawResponse,
};
use tokio_stream::Stream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::serving::{CONNECTION_WINDOW, STREAM_WINDOW, STREAMS, serve};

/// Serves until the harness dismisses it.
pub(crate) async fn run(dir: PathBuf) -> anyhow::Result<()> {
    let router = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .add_service(ExchangeServer::new(Echo));
    serve(&dir, "backend", router).await
}

struct Echo;

/// Said to everything else.
const ONLY: &str = "this server only gives envelopes back";

#[tonic::async_trait]
impl Exchange for Echo {
    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        let answer = request.into_inner().envelope;
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

    type StreamStream = Pin<Box<dyn Stream<Item = Result<StreamResponse, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<StreamRequest>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let asked = request.into_inner().envelope.unwrap_or_default().payload;
        let all =
            wanted(&asked).ok_or_else(|| Status::invalid_argument("no length of an answer"))?;
        let chunks = (0..all.len()).step_by(CHUNK_BYTES_DEFAULT).map(move |at| {
            let chunk = all.slice(at..all.len().min(at + CHUNK_BYTES_DEFAULT));
            let message = Some(Message::Chunk(chunk));
            Ok(StreamResponse { message })
        });
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
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
