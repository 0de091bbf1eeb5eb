//! How work for the log ends: as told, or with the log.
//!
//! Takes what the work gives back; stops the log where that is an error, or where nothing came back because of a panic.

use std::sync::Arc;

use super::Shared;
use super::queue::Queue;
use super::writer::Waiting;

/// Stops the log when work for it ends in any way but as told, a panic included.
pub(super) struct Ending {
    pub(super) shared: Arc<Shared>,
    pub(super) queue: Arc<Queue<Waiting>>,
    ok: bool,
}

impl Ending {
    pub(super) fn new(shared: &Arc<Shared>, queue: &Arc<Queue<Waiting>>) -> Self {
        Self {
            shared: Arc::clone(shared),
            queue: Arc::clone(queue),
            ok: false,
        }
    }

    pub(super) fn with(mut self, ended: Result<(), String>) {
        match ended {
            Ok(()) => self.ok = true,
            Err(reason) => {
                tracing::error!(%reason, "the log stops");
                self.shared.stop(&reason);
            }
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.ok {
            self.shared.stop("a thread of the log panicked");
            self.queue.abandon();
        }
    }
}
