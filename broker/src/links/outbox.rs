//! The stream towards an adapter. It pulls from the link when HTTP/2 has room, so nothing piles up behind it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use proto::wire::exchange::v1::AttachResponse;
use tokio_stream::Stream;
use tonic::Status;

use super::link::Link;
use crate::exchange::reply;

/// What the switch sends to one adapter. Dropping it ends the link: nobody reads any more.
pub struct Outbox {
    link: Arc<Link>,
}

impl Outbox {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }
}

impl Stream for Outbox {
    type Item = Result<AttachResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.link.poll_out(cx).map(|next| {
            next.map(|next| match next {
                Ok(message) => Ok(AttachResponse {
                    message: Some(message),
                }),
                Err(end) => Err(reply::link_status(end)),
            })
        })
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.link.end(None);
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Outbox(link {} of {})",
            self.link.id(),
            self.link.system()
        )
    }
}
