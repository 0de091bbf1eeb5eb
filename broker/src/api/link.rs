//! `mohawel.exchange.v1.Link`: the stream that a provider's adapter holds open. Decides nothing.

use std::sync::Arc;

use proto::limits::MESSAGE_BYTES_MAX;
use proto::wire::exchange::v1::AttachRequest;
use proto::wire::exchange::v1::link_server::{self, LinkServer};
use tonic::{Request, Response, Status, Streaming};

use crate::exchange::{Exchange, reply};
use crate::links::outbox::Outbox;

/// The service.
#[derive(Clone, Debug)]
pub struct LinkApi {
    exchange: Arc<Exchange>,
}

impl LinkApi {
    /// The service over `exchange`'s links, with the protocol's message limits.
    pub fn service(exchange: Arc<Exchange>) -> LinkServer<Self> {
        LinkServer::new(Self { exchange })
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl link_server::Link for LinkApi {
    type AttachStream = Outbox;

    async fn attach(
        &self,
        request: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Outbox>, Status> {
        let peer = super::peer(&request)?;
        let outbox = self.exchange.attach(peer, request.into_inner()).await;
        outbox
            .map(Response::new)
            .map_err(|refused| reply::status(&refused))
    }
}
