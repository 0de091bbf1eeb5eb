//! Attaching: an adapter that may speak for its system begins a link.

use std::sync::Arc;

use proto::Code;
use proto::wire::exchange::v1 as wire;
use tokio_stream::Stream;
use tonic::Status;

use super::{Exchange, Received, Refused};
use crate::api::roles::{self, Rpc};
use crate::door::Peer;
use crate::door::standing::Standing;
use crate::links::outbox::Outbox;

impl Exchange {
    /// Begins a link with an adapter that may speak for its system now.
    ///
    /// # Errors
    /// What any other peer is told.
    pub async fn attach<S>(&self, peer: Arc<Peer>, messages: S) -> Result<Outbox, Box<Refused>>
    where
        S: Stream<Item = Result<wire::AttachRequest, Status>> + Send + Unpin + 'static,
    {
        let code = match roles::permit(&self.registry.load(), &peer, Rpc::Attach) {
            Ok(Standing::System(system)) => return Ok(self.links.open(peer, system, messages)),
            Ok(_) => Code::UnknownPeer,
            Err(denied) => denied.code(),
        };
        let stranger = Received::new(peer, None, String::new(), None);
        let refusal = stranger.refuse(code, self.clock.now_ms());
        let told = self.refuse(refusal).await;
        Err(told.unwrap_or_else(|_| Refused::unrecorded(code)))
    }
}
