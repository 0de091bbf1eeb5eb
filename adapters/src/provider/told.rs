//! Events brought by a link: judged, given to the agency's code, and acknowledged under this system's seal.

use std::sync::Arc;

use proto::envelope::Envelope;
use proto::header::EventReceiptHeader;
use proto::refusal::Code;
use proto::wire::exchange::v1 as wire;
use proto::wire::exchange::v1::attach_request::Message as Out;
use tokio::sync::mpsc;

use super::Failure;
use super::exchange::Desk;
use super::link::message;
use crate::events::{Events, First, Unfit};

impl Desk {
    /// Takes in one event. What is neither taken nor refused comes again.
    pub(super) async fn told(
        self: &Arc<Self>,
        event: wire::DeliverEvent,
        out: &mpsc::Sender<wire::AttachRequest>,
    ) {
        let events = Events::new(self.adapter.clone());
        let told = match events.judged(event).await {
            Ok(told) => told,
            Err(Unfit::Later(reason)) => {
                tracing::warn!(reason, "an event cannot be judged yet; it comes again");
                return;
            }
            Err(Unfit::Refused { header, code }) => {
                tracing::error!(event = %header.event_id, %code, "an event was refused");
                return self.acknowledge(*header, Some(code), out).await;
            }
            Err(Unfit::Nothing) => {
                tracing::error!("the switch brought something that is not an event; dropped");
                return;
            }
        };
        let (subscription, id) = (told.subscription_id, told.event_id);
        let header = EventReceiptHeader {
            subscription_id: subscription,
            event_id: id,
            event_header: told.header,
            refusal: None,
            taken_at_ms: self.adapter.clock().now_ms(),
        };
        match self.taken.begin(subscription, id) {
            First::Yes => {}
            First::Running => return,
            First::Done => return self.acknowledge(header, None, out).await,
        }
        let outcome = Arc::clone(&self.backend).told(told).await;
        self.taken.end(subscription, id, outcome.is_ok());
        match outcome {
            Ok(()) => self.acknowledge(header, None, out).await,
            // Never takes it: what came is not what its contract says.
            Err(Failure::InvalidRequest(reason)) => {
                tracing::error!(event = %id, reason, "an event was refused");
                self.acknowledge(header, Some(Code::ContractViolation), out)
                    .await;
            }
            Err(failure) => {
                tracing::warn!(event = %id, ?failure, "an event was not taken in; it comes again");
            }
        }
    }

    async fn acknowledge(
        &self,
        header: EventReceiptHeader,
        refusal: Option<Code>,
        out: &mpsc::Sender<wire::AttachRequest>,
    ) {
        let header = EventReceiptHeader { refusal, ..header };
        let sealed = match self.adapter.sealer().event_receipt(header).await {
            Ok(sealed) => sealed,
            Err(error) => {
                tracing::error!(%error, "an event is not acknowledged; it comes again");
                return;
            }
        };
        let receipt = Envelope::bare(sealed.header, sealed.seal).to_wire();
        // The link may be gone: it comes again.
        let taken = wire::EventTaken {
            receipt: Some(receipt),
        };
        let _ = out.send(message(Out::EventTaken(taken))).await;
    }
}
