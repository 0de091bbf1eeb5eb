//! `mohawel.events.v1.Events`: what publishers and subscribers call, from wire shapes to the rooms and back. Decides nothing.

use std::sync::Arc;

use proto::id::{EventId, SystemId};
use proto::limits::MESSAGE_BYTES_MAX;
use proto::wire::events::v1::events_server::{self, EventsServer};
use proto::wire::events::v1::{
    AcknowledgeRequest, AcknowledgeResponse, PublishRequest, PublishResponse, PullRequest,
    PullResponse, RedeliverRequest, RedeliverResponse, StatusRequest, StatusResponse,
    SubscribeRequest, SubscribeResponse, SubscriptionsRequest, SubscriptionsResponse,
    subscribe_request,
};
use proto::wire::exchange::v1::Envelope;
use tonic::{Request, Response, Status};

use super::roles::Rpc;
use super::status;
use crate::door::standing::Standing;
use crate::exchange::{Exchange, Received, Refused, reply};
use crate::registry::RegistryHandle;

/// Receipts acknowledged by one call.
const RECEIPTS_MAX: usize = 64;

/// The service.
#[derive(Clone, Debug)]
pub struct EventsApi {
    exchange: Arc<Exchange>,
    registry: RegistryHandle,
}

impl EventsApi {
    /// The service over `exchange`, with the protocol's message limits.
    pub fn service(exchange: Arc<Exchange>, registry: RegistryHandle) -> EventsServer<Self> {
        EventsServer::new(Self { exchange, registry })
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            // As many events of the largest kind as one pull gives out.
            .max_encoding_message_size(8 * MESSAGE_BYTES_MAX)
    }

    /// The system that calls, if it may.
    fn system<T>(&self, request: &Request<T>, rpc: Rpc) -> Result<SystemId, Status> {
        match super::permitted(&self.registry.load(), request, rpc)? {
            (_, Standing::System(system)) => Ok(system),
            _ => Err(status::unknown_peer()),
        }
    }
}

#[tonic::async_trait]
impl events_server::Events for EventsApi {
    async fn publish(
        &self,
        request: Request<PublishRequest>,
    ) -> Result<Response<PublishResponse>, Status> {
        let received = received(request, |message| message.event)?;
        let published = self.exchange.publish(received).await;
        let (receipt, told) = published.map_err(refused)?;
        Ok(Response::new(PublishResponse {
            receipt: Some(receipt.to_wire()),
            subscribers: u32::try_from(told).unwrap_or(u32::MAX),
        }))
    }

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<SubscribeResponse>, Status> {
        let (begins, envelope) = match &request.get_ref().act {
            Some(subscribe_request::Act::Begin(envelope)) => (true, Some(envelope.clone())),
            Some(subscribe_request::Act::End(envelope)) => (false, Some(envelope.clone())),
            None => (true, None),
        };
        let received = received(request, |_| envelope)?;
        let receipt = match begins {
            true => self.exchange.subscribe(received).await,
            false => self.exchange.unsubscribe(received).await,
        };
        Ok(Response::new(SubscribeResponse {
            receipt: Some(receipt.map_err(refused)?.to_wire()),
        }))
    }

    async fn subscriptions(
        &self,
        request: Request<SubscriptionsRequest>,
    ) -> Result<Response<SubscriptionsResponse>, Status> {
        let system = self.system(&request, Rpc::Subscriptions)?;
        Ok(Response::new(SubscriptionsResponse {
            subscriptions: self.exchange.subscriptions(&system),
        }))
    }

    async fn pull(&self, request: Request<PullRequest>) -> Result<Response<PullResponse>, Status> {
        let system = self.system(&request, Rpc::Pull)?;
        let message = request.into_inner();
        let id = subscription_id(&message.subscription_id)?;
        let how = (message.most, message.wait_ms);
        let events = self.exchange.pull(&system, id, how).await;
        Ok(Response::new(PullResponse {
            events: events.map_err(refused)?,
        }))
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        self.system(&request, Rpc::Acknowledge)?;
        let peer = super::peer(&request)?;
        let envelopes = request.into_inner().receipts;
        if envelopes.len() > RECEIPTS_MAX {
            return Err(status::malformed(
                "it acknowledges more than 64 events at once",
            ));
        }
        let each = envelopes.into_iter().map(|envelope| {
            let received = Received::new(Arc::clone(&peer), Some(envelope), String::new(), None);
            let exchange = Arc::clone(&self.exchange);
            async move { exchange.acknowledge(received).await }
        });
        // Side by side, so that one commit takes them all.
        let mut receipts = Vec::new();
        for receipt in futures_util::future::join_all(each).await {
            receipts.push(receipt.map_err(refused)?.to_wire());
        }
        Ok(Response::new(AcknowledgeResponse { receipts }))
    }

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusResponse>, Status> {
        let system = self.system(&request, Rpc::EventStatus)?;
        let message = request.into_inner();
        let id = optional_id(&message.event_id)?;
        let (events, next) =
            self.exchange
                .event_status(&system, id, message.from_index, message.dead);
        Ok(Response::new(StatusResponse {
            events,
            next_index: next.unwrap_or_default(),
        }))
    }

    async fn redeliver(
        &self,
        request: Request<RedeliverRequest>,
    ) -> Result<Response<RedeliverResponse>, Status> {
        let system = self.system(&request, Rpc::Redeliver)?;
        let message = request.into_inner();
        let id = subscription_id(&message.subscription_id)?;
        let event = optional_id(&message.event_id)?;
        let again = self.exchange.redeliver(&system, id, event);
        let events = again.ok_or_else(|| refused(Refused::of_nothing()))?;
        Ok(Response::new(RedeliverResponse {
            events: u32::try_from(events).unwrap_or(u32::MAX),
        }))
    }
}

fn received<T>(
    request: Request<T>,
    envelope: impl FnOnce(T) -> Option<Envelope>,
) -> Result<Received, Status> {
    let peer = super::peer(&request)?;
    Ok(Received::new(
        peer,
        envelope(request.into_inner()),
        String::new(),
        None,
    ))
}

fn refused(refused: Box<Refused>) -> Status {
    reply::status(&refused)
}

fn subscription_id(bytes: &[u8]) -> Result<EventId, Status> {
    EventId::from_slice(bytes)
        .ok_or_else(|| status::malformed("its subscription_id is not the 16 bytes of a UUIDv7"))
}

fn optional_id(bytes: &[u8]) -> Result<Option<EventId>, Status> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let id = EventId::from_slice(bytes);
    id.map(Some)
        .ok_or_else(|| status::malformed("its event_id is not the 16 bytes of a UUIDv7"))
}
