//! A recorded request on its way to an adapter.

use std::fmt;

use proto::id::ExchangeId;
use proto::wire::audit::v1::Receipt;
use proto::wire::exchange::v1::{Deliver, Envelope};
use tokio::time::Instant;

/// A recorded request on its way.
pub(super) struct Parcel {
    pub(super) exchange: ExchangeId,
    pub(super) envelope: Envelope,
    pub(super) receipt: Receipt,
    pub(super) deadline: Instant,
    pub(super) traceparent: String,
    pub(super) takes_chunks: bool,
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Parcel({}, payload {} bytes)",
            self.exchange,
            self.envelope.payload.len()
        )
    }
}

impl Parcel {
    /// As the adapter gets it, with what is left of the deadline at this moment.
    pub(super) fn into_wire(self) -> Deliver {
        let remaining = self
            .deadline
            .saturating_duration_since(Instant::now())
            .as_millis();
        Deliver {
            envelope: Some(self.envelope),
            receipt: Some(self.receipt),
            remaining_ms: u32::try_from(remaining).unwrap_or(u32::MAX),
            traceparent: self.traceparent,
            takes_chunks: self.takes_chunks,
        }
    }
}
