//! The log's key followed by others: what the switch shows of it with each checkpoint.

use audit::checkpoint::SuccessionError;
use bytes::Bytes;

use super::{Checkpoints, SeenError};
use crate::error::Distrust;
use crate::identity::HomeError;

impl Checkpoints {
    /// Learns by which keys the log's key was followed. A second one after the same key is a lie; what cannot be written
    /// or does not hold leaves everything as it was.
    pub(super) fn follow(&self, entries: &[Bytes]) -> Result<(), SeenError> {
        match self.0.log_key.follow_entries(entries) {
            Ok(false) => Ok(()),
            Ok(true) => {
                let newest = self.0.log_key.newest().to_vkey();
                tracing::warn!(
                    newest,
                    "the log's key was followed by another, sealed by both"
                );
                Ok(())
            }
            Err(SuccessionError::Io { path, error }) => {
                Err(HomeError::Read { path, cause: error }.into())
            }
            Err(error) => {
                let reason = Distrust::Checkpoint(error.to_string());
                self.0.standing.lose(reason.clone());
                Err(reason.into())
            }
        }
    }
}
