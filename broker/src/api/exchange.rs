//! `mohawel.exchange.v1.Exchange`: the consumer's calls, from wire shapes to the rooms and back. Decides nothing.

use std::sync::Arc;
use std::time::Duration;

use proto::id::{ExchangeId, SystemId};
use proto::limits::MESSAGE_BYTES_MAX;
use proto::wire::exchange::v1::collect_response::Outcome;
use proto::wire::exchange::v1::exchange_server::{self, ExchangeServer};
use proto::wire::exchange::v1::{
    CallRequest, CallResponse, CallsRequest, CollectRequest, CollectResponse, DisputeRequest,
    DisputeResponse, Envelope, StreamRequest, SubmissionsRequest, SubmissionsResponse,
    SubmitRequest, SubmitResponse, UploadRequest, UploadResponse, WithdrawRequest,
    WithdrawResponse, upload_request,
};
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::calls::Calls;
use super::roles::Rpc;
use super::status;
use crate::door::standing::Standing;
use crate::door::trace;
use crate::exchange::submission::Collected;
use crate::exchange::{Exchange, Received, Streamed, reply};
use crate::registry::RegistryHandle;

/// The service.
#[derive(Clone, Debug)]
pub struct ExchangeApi {
    exchange: Arc<Exchange>,
    registry: RegistryHandle,
    draining: CancellationToken,
}

impl ExchangeApi {
    /// The service over `exchange`, with the protocol's message limits. Streams take nothing more once it is `draining`.
    pub fn service(
        exchange: Arc<Exchange>,
        registry: RegistryHandle,
        draining: CancellationToken,
    ) -> ExchangeServer<Self> {
        let api = Self {
            exchange,
            registry,
            draining,
        };
        ExchangeServer::new(api)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

impl ExchangeApi {
    /// The system that calls, if it may.
    fn system<T>(&self, request: &Request<T>, rpc: Rpc) -> Result<SystemId, Status> {
        match super::permitted(&self.registry.load(), request, rpc)? {
            (_, Standing::System(system)) => Ok(system),
            _ => Err(status::unknown_peer()),
        }
    }
}

#[tonic::async_trait]
impl exchange_server::Exchange for ExchangeApi {
    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        let received = received(request, |message| message.envelope)?;
        match self.exchange.call(received).await {
            Ok(receipt) => Ok(Response::new(reply::response(receipt))),
            Err(refused) => Err(reply::status(&refused)),
        }
    }

    type CallsStream = Calls;

    async fn calls(
        &self,
        request: Request<Streaming<CallsRequest>>,
    ) -> Result<Response<Calls>, Status> {
        let (peer, _) = super::permitted(&self.registry.load(), &request, Rpc::Calls)?;
        Ok(Response::new(Calls::new(
            Arc::clone(&self.exchange),
            peer,
            request.into_inner(),
            self.draining.clone(),
        )))
    }

    type StreamStream = Streamed;

    async fn stream(&self, request: Request<StreamRequest>) -> Result<Response<Streamed>, Status> {
        let received = received(request, |message| message.envelope)?;
        match self.exchange.stream(received).await {
            Ok(streamed) => Ok(Response::new(streamed)),
            Err(refused) => Err(reply::status(&refused)),
        }
    }

    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitResponse>, Status> {
        let received = received(request, |message| message.envelope)?;
        match self.exchange.submit(received).await {
            Ok((receipt, submission)) => Ok(Response::new(SubmitResponse {
                receipt: Some(receipt.to_wire()),
                submission: Some(submission),
            })),
            Err(refused) => Err(reply::status(&refused)),
        }
    }

    async fn collect(
        &self,
        request: Request<CollectRequest>,
    ) -> Result<Response<CollectResponse>, Status> {
        let consumer = self.system(&request, Rpc::Collect)?;
        let message = request.into_inner();
        let exchange = exchange_id(&message.exchange_id)?;
        let how = (message.wait_ms, message.taken);
        let outcome = match self.exchange.collect(&consumer, exchange, how).await {
            Ok(Collected::Answered(answer)) => Outcome::Answered(*answer),
            Ok(Collected::Not(submission)) => Outcome::Submission(submission),
            Err(refused) => return Err(reply::status(&refused)),
        };
        Ok(Response::new(CollectResponse {
            outcome: Some(outcome),
        }))
    }

    async fn submissions(
        &self,
        request: Request<SubmissionsRequest>,
    ) -> Result<Response<SubmissionsResponse>, Status> {
        let consumer = self.system(&request, Rpc::Submissions)?;
        Ok(Response::new(SubmissionsResponse {
            submissions: self.exchange.submissions(&consumer),
        }))
    }

    async fn withdraw(
        &self,
        request: Request<WithdrawRequest>,
    ) -> Result<Response<WithdrawResponse>, Status> {
        let consumer = self.system(&request, Rpc::Withdraw)?;
        let exchange = exchange_id(&request.get_ref().exchange_id)?;
        match self.exchange.withdraw(&consumer, exchange).await {
            Ok(receipt) => Ok(Response::new(WithdrawResponse {
                receipt: Some(receipt.to_wire()),
            })),
            Err(refused) => Err(reply::status(&refused)),
        }
    }

    type UploadStream = Streamed<UploadResponse>;

    async fn upload(
        &self,
        request: Request<Streaming<UploadRequest>>,
    ) -> Result<Response<Streamed<UploadResponse>>, Status> {
        super::permitted(&self.registry.load(), &request, Rpc::Upload)?;
        let (metadata, extensions, mut coming) = request.into_parts();
        let within = self.exchange.upload_begins_within();
        let first = tokio::time::timeout(within, coming.message()).await;
        // A caller that says nothing in time sent nothing.
        let first = first.unwrap_or(Ok(None))?;
        let opening = match first.and_then(|first| first.message) {
            Some(upload_request::Message::Opening(opening)) => Some(opening),
            // Recorded as what it is: not an envelope.
            _ => None,
        };
        let opening = Request::from_parts(metadata, extensions, opening);
        let received = received(opening, |opening| opening)?;
        match self.exchange.upload(received, coming).await {
            Ok(streamed) => Ok(Response::new(streamed)),
            Err(refused) => Err(reply::status(&refused)),
        }
    }

    async fn dispute(
        &self,
        request: Request<DisputeRequest>,
    ) -> Result<Response<DisputeResponse>, Status> {
        let received = received(request, |message| message.envelope)?;
        match self.exchange.dispute(received).await {
            Ok(receipt) => Ok(Response::new(DisputeResponse {
                receipt: Some(receipt.to_wire()),
            })),
            Err(refused) => Err(reply::status(&refused)),
        }
    }
}

/// The exchange that a message names.
fn exchange_id(bytes: &[u8]) -> Result<ExchangeId, Status> {
    ExchangeId::from_slice(bytes)
        .ok_or_else(|| status::malformed("its exchange_id is not the 16 bytes of a UUIDv7"))
}

fn received<T>(
    request: Request<T>,
    envelope: impl FnOnce(T) -> Option<Envelope>,
) -> Result<Received, Status> {
    let peer = super::peer(&request)?;
    let traceparent = trace::traceparent(request.metadata());
    let patience = grpc_timeout(request.metadata());
    Ok(Received::new(
        peer,
        envelope(request.into_inner()),
        traceparent,
        patience,
    ))
}

/// The caller's own deadline, as `grpc-timeout` says it: up to eight digits and a unit. Anything else is none, as it
/// is for the server's own timer.
fn grpc_timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3_600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_are_read_as_the_server_reads_them() {
        for (text, expected) in [
            ("250m", Some(Duration::from_millis(250))),
            ("3S", Some(Duration::from_secs(3))),
            ("2M", Some(Duration::from_secs(120))),
            ("1H", Some(Duration::from_secs(3_600))),
            ("99999999u", Some(Duration::from_micros(99_999_999))),
            ("7n", Some(Duration::from_nanos(7))),
            ("", None),
            ("m", None),
            ("12", None),
            ("-1m", None),
            ("123456789m", None),
            ("1x", None),
        ] {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            assert_eq!(grpc_timeout(&metadata), expected, "{text}");
        }
        assert_eq!(grpc_timeout(&MetadataMap::new()), None);
    }
}
