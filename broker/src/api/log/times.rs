//! Time-stamped checkpoints, one after the other: what the log keeps under `time/`, byte for byte.
//!
//! Takes the sizes that are wanted. Gives nothing else than what an authority answered; what it is worth is for the reader
//! to verify with the authority's root.

use audit::log::Log;
use proto::wire::audit::v1 as wire;
use tokio::sync::mpsc;
use tonic::Status;

use crate::api::status;

/// Gives them until they end or the reader is gone.
pub(super) async fn run(
    log: Log,
    sizes: Vec<u64>,
    sender: mpsc::Sender<Result<wire::TimesResponse, Status>>,
) {
    for size in sizes {
        let message = match log.time(size).await {
            Ok(Some(kept)) => Ok(wire::TimesResponse {
                size,
                checkpoint: kept.note,
                token: kept.token,
                last_token: kept.last.unwrap_or_default(),
            }),
            Ok(None) => continue,
            Err(error) => Err(status::log(&error)),
        };
        let ended = message.is_err();
        if sender.send(message).await.is_err() || ended {
            return;
        }
    }
}
