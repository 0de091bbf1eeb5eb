//! A request that was recorded a while ago and is delivered now.

use audit::log::{Appended, LogError};
use proto::authorise::Permission;
use proto::digest::leaf_hash;
use proto::entry::{Entry, EntryError, Kind};
use thiserror::Error;
use tokio::time::Instant;

use super::{Durable, Recorded};
use crate::exchange::Exchange;
use crate::exchange::verify::Verified;
use crate::links::seat::Seat;

impl Exchange {
    /// A request that the log has held for a while, on its way to an adapter: what the log holds at `index` must be this
    /// very one.
    pub(in crate::exchange) async fn recorded_before(
        &self,
        verified: Verified,
        permission: Permission,
        index: u64,
        (seat, deadline): (Seat, Instant),
    ) -> Result<Recorded, NotHeld> {
        let bytes = self.log.entry(index).await?.ok_or(NotHeld::Missing)?;
        let entry = Entry::decode(&bytes)?;
        let envelope = verified.envelope();
        let same = entry.kind == Kind::Request
            && entry.header == envelope.header
            && entry.seal.as_ref() == Some(&envelope.seal);
        if !same {
            return Err(NotHeld::Other);
        }
        let receipt = self.log.receipt(index).await?.ok_or(NotHeld::Missing)?;
        let request = Appended {
            index,
            entry,
            leaf: leaf_hash(&bytes),
            receipt,
        };
        let durable = Durable {
            verified,
            permission,
            request,
            place: seat,
        };
        Ok(Recorded::new(durable, deadline))
    }
}

/// Why a request of before is not taken up again.
#[derive(Debug, Error)]
pub(in crate::exchange) enum NotHeld {
    /// It is not there.
    #[error("the log does not hold it")]
    Missing,
    /// Another one is.
    #[error("the log holds another one in its place")]
    Other,
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] LogError),
    /// What stands there is no entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
}
