//! The stream from an adapter, read in one task per link.
//!
//! Takes Attach first, then answers, their chunks, credits for exchanges and for the chunks of requests, and a drain. Hands answers to the tasks of their exchanges, where they
//! are verified: this task does no cryptography, so one large answer delays no other. Anything else ends the link.

use std::sync::Arc;

use proto::id::ExchangeId;
use proto::wire::exchange::v1::attach_request::Message;
use proto::wire::exchange::v1::{Answer, Attach, AttachRequest};
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;
use tracing::{debug, warn};

use super::link::{Frame, Link};
use super::{LinkEnd, Links};

/// Reads until either side ends the link, then takes it out of the table.
pub(super) async fn read<S>(links: Arc<Links>, link: Arc<Link>, mut messages: S)
where
    S: Stream<Item = Result<AttachRequest, Status>> + Unpin,
{
    let peer_closed = link.peer().closed.clone();
    let offered = tokio::select! {
        offered = attach(&links, &mut messages) => offered,
        () = link.gone().cancelled() => return,
        () = peer_closed.cancelled() => Err(LinkEnd::NotAttach),
    };
    let entered = offered.and_then(|offered| links.enter(&link, offered));
    if let Err(end) = entered {
        link.end(Some(end));
        return;
    }
    let end = tokio::select! {
        end = work(&links, &link, &mut messages) => end,
        () = link.gone().cancelled() => None,
        () = peer_closed.cancelled() => None,
    };
    if let Some(end) = end {
        warn!(link = link.id(), system = %link.system(), %end, "the link was ended");
    }
    // First out of the table, so that no new exchange finds a link that ends.
    links.leave(&link);
    link.end(end);
}

/// What the adapter offers with its first message.
async fn attach<S>(links: &Links, messages: &mut S) -> Result<Attach, LinkEnd>
where
    S: Stream<Item = Result<AttachRequest, Status>> + Unpin,
{
    match timeout(links.settings.attach_timeout, messages.next()).await {
        Ok(Some(Ok(AttachRequest {
            message: Some(Message::Attach(attach)),
        }))) => Ok(attach),
        _ => Err(LinkEnd::NotAttach),
    }
}

/// Takes messages until the adapter ends its stream (`None`) or breaks the protocol.
async fn work<S>(links: &Links, link: &Link, messages: &mut S) -> Option<LinkEnd>
where
    S: Stream<Item = Result<AttachRequest, Status>> + Unpin,
{
    loop {
        let message = match messages.next().await {
            Some(Ok(message)) => message.message,
            Some(Err(status)) => {
                debug!(link = link.id(), code = ?status.code(), "the adapter's stream broke");
                return None;
            }
            None => return None,
        };
        match message {
            Some(Message::Answer(answer)) => hand_over(link, answer),
            Some(Message::Credit(credit)) => {
                if let Err(end) = link.credit(credit.more) {
                    return Some(end);
                }
            }
            Some(Message::Chunk(chunk)) => {
                hand_on(link, &chunk.exchange_id, Frame::Chunk(chunk.data));
            }
            Some(Message::Trailer(trailer)) => {
                let frame = trailer.trailer.map_or(Frame::Broken, Frame::Trailer);
                hand_on(link, &trailer.exchange_id, frame);
            }
            Some(Message::UploadCredit(credit)) => {
                hand_on(link, &credit.exchange_id, Frame::Credit(credit.more));
            }
            Some(Message::EventTaken(taken)) => links.event_taken(link.peer(), taken.receipt),
            Some(Message::Drain(_)) => link.let_go(),
            Some(Message::Attach(_)) => return Some(LinkEnd::AttachedTwice),
            None => return Some(LinkEnd::Empty),
        }
    }
}

fn hand_over(link: &Link, answer: Answer) {
    let asked = ExchangeId::from_slice(&answer.exchange_id)
        .is_some_and(|exchange| link.take_answer(exchange, answer.envelope));
    note(link, asked);
}

fn hand_on(link: &Link, exchange: &[u8], frame: Frame) {
    let asked =
        ExchangeId::from_slice(exchange).is_some_and(|exchange| link.take_frame(exchange, frame));
    note(link, asked);
}

fn note(link: &Link, asked: bool) {
    if !asked {
        // Every doubling, so that an adapter cannot fill the trace.
        let unknown = link.count_unknown();
        if unknown.is_power_of_two() {
            warn!(
                link = link.id(), system = %link.system(), unknown,
                "answers came for exchanges that this link was not asked, or was asked no more"
            );
        }
    }
}
