//! The log's next key.

use std::sync::Arc;

use super::{Act, FoldError};
use crate::act::LogKeySuccession;
use crate::limits::LOG_KEY_OVERLAP_MS_MAX;
use crate::registry::{LogKeyRecord, Registry};

impl Registry {
    /// Sealed by the key that signs now and by the new one; one after the other, never two at a time.
    pub(super) fn succeed_log_key(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let succession = LogKeySuccession::proven(self.origin(), act.header, act.seal, act.facts)?;
        if self.log_key() != Some(&succession.previous) {
            return Err(FoldError::NotLogKey);
        }
        if succession.size != act.index {
            return Err(FoldError::OutOfPlace);
        }
        if let Some(last) = self.log_keys.last()
            && act.recorded_at_ms < last.succession.overlap_until_ms
        {
            return Err(FoldError::Overlap {
                until_ms: last.succession.overlap_until_ms,
            });
        }
        let latest_ms = act.recorded_at_ms.saturating_add(LOG_KEY_OVERLAP_MS_MAX);
        if succession.overlap_until_ms > latest_ms {
            return Err(FoldError::OverlapTooLong);
        }
        let kid = self.new_key(&succession.key)?;
        self.kids.insert(kid);
        self.log_keys.push(Arc::new(LogKeyRecord {
            succession,
            index: act.index,
        }));
        Ok(())
    }
}
