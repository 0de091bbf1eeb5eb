//! `mohawel.exchange.v1.Exchange/Calls`: many calls on one stream. Decides nothing.
//!
//! Takes calls as they come, as many at once as [`UNDER_WAY_MAX`]; gives each its outcome as it ends, in any order. Each goes
//! through the same rooms as a single call. A hang-up, or the end of the stream by a broken connection, is what dropping a
//! single call is. It is one stream and no task: HTTP/2 pulls it, so a caller that does not read holds up only itself.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;
use proto::wire::exchange::v1::calls_request::Message;
use proto::wire::exchange::v1::calls_response::Outcome;
use proto::wire::exchange::v1::{CallsRequest, CallsResponse, StreamedCall};
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Status, Streaming};

use crate::door::{Peer, trace};
use crate::exchange::{Exchange, Received, reply};

/// Calls of one stream that are under way at once; more wait in HTTP/2's window.
const UNDER_WAY_MAX: usize = 1_024;

type Call = Pin<Box<dyn Future<Output = CallsResponse> + Send>>;

/// One stream of calls.
pub struct Calls {
    exchange: Arc<Exchange>,
    peer: Arc<Peer>,
    /// `None` once the caller brings no more, or the switch takes none.
    incoming: Option<Streaming<CallsRequest>>,
    /// With one more that never ends: without it the set wakes its own task, and with it a further thread of the runtime, each
    /// time it has looked at all of them.
    under_way: FuturesUnordered<Abortable<Call>>,
    hang_ups: HashMap<u64, AbortHandle>,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Calls {
    pub(super) fn new(
        exchange: Arc<Exchange>,
        peer: Arc<Peer>,
        incoming: Streaming<CallsRequest>,
        draining: CancellationToken,
    ) -> Self {
        Self {
            exchange,
            peer,
            incoming: Some(incoming),
            under_way: FuturesUnordered::from_iter([never()]),
            hang_ups: HashMap::new(),
            draining: Box::pin(draining.cancelled_owned()),
        }
    }

    /// Takes what has come. An error of the stream itself ends it.
    fn take(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        while self.under_way.len() <= UNDER_WAY_MAX
            && let Some(incoming) = &mut self.incoming
        {
            match Pin::new(incoming).poll_next(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => self.incoming = None,
                Poll::Ready(Some(Err(status))) => {
                    self.incoming = None;
                    return Err(status);
                }
                Poll::Ready(Some(Ok(request))) => match request.message {
                    Some(Message::Call(call)) => self.begin(request.number, call),
                    Some(Message::HangUp(_)) => {
                        if let Some(call) = self.hang_ups.remove(&request.number) {
                            call.abort();
                        }
                    }
                    None => {
                        self.incoming = None;
                        return Err(super::status::malformed(
                            "a message on the stream of calls is neither a call nor a hang-up",
                        ));
                    }
                },
            }
        }
        Ok(())
    }

    /// Whether nothing is under way and nothing more comes.
    fn is_over(&self) -> bool {
        self.incoming.is_none() && self.under_way.len() <= 1
    }

    fn begin(&mut self, number: u64, call: StreamedCall) {
        let patience =
            (call.patience_ms > 0).then(|| Duration::from_millis(u64::from(call.patience_ms)));
        let traceparent = trace::plain(&call.traceparent);
        let peer = Arc::clone(&self.peer);
        let received = Received::new(peer, call.envelope, traceparent, patience);
        let exchange = Arc::clone(&self.exchange);
        let call: Call = Box::pin(async move {
            let outcome = match exchange.call_beside(received).await {
                Ok(receipt) => Outcome::Answered(reply::response(receipt)),
                Err(refused) => Outcome::Refused(reply::refused(&refused)),
            };
            CallsResponse {
                number,
                outcome: Some(outcome),
            }
        });
        let (call, hang_up) = futures_util::future::abortable(call);
        self.hang_ups.insert(number, hang_up);
        self.under_way.push(call);
    }
}

/// A call that never ends.
fn never() -> Abortable<Call> {
    let call: Call = Box::pin(std::future::pending());
    futures_util::future::abortable(call).0
}

impl Stream for Calls {
    type Item = Result<CallsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.incoming.is_some() && this.draining.as_mut().poll(cx).is_ready() {
            // What is under way is finished; what has not been read was not begun.
            this.incoming = None;
        }
        loop {
            if let Err(status) = this.take(cx) {
                return Poll::Ready(Some(Err(status)));
            }
            match Pin::new(&mut this.under_way).poll_next(cx) {
                Poll::Ready(Some(Ok(response))) => {
                    this.hang_ups.remove(&response.number);
                    return Poll::Ready(Some(Ok(response)));
                }
                // Hung up: there is room for another.
                Poll::Ready(Some(Err(_))) => {}
                Poll::Ready(None) | Poll::Pending if this.is_over() => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Calls({} under way)", self.under_way.len() - 1)
    }
}
