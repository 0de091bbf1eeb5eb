//! The gRPC server behind nginx and haproxy: gives every envelope back. The smallest honest work for a proxy's far end.

use std::path::PathBuf;

use proto::wire::exchange::v1::exchange_server::{Exchange, ExchangeServer};
use proto::wire::exchange::v1::{
    CallRequest, CallResponse, CallsRequest, CallsResponse, DisputeRequest, DisputeResponse,
    StreamRequest, StreamResponse,
};
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

    type StreamStream = tokio_stream::Empty<Result<StreamResponse, Status>>;

    async fn stream(
        &self,
        _: Request<StreamRequest>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        Err(Status::unimplemented("this server takes single calls only"))
    }

    async fn dispute(
        &self,
        _: Request<DisputeRequest>,
    ) -> Result<Response<DisputeResponse>, Status> {
        Err(Status::unimplemented(
            "this server only gives envelopes back",
        ))
    }
}
