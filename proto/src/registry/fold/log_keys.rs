//! The log's next key.

use std::sync::Arc;

use super::{Act, FoldError, LogKeyFault};
use crate::act::LogKeySuccession;
use crate::limits::LOG_KEY_OVERLAP_MS_MAX;
use crate::registry::{LogKeyRecord, Registry};

impl Registry {
    /// Sealed by the key that signs now and by the new one; one after the other, never two at a time.
    pub(super) fn succeed_log_key(&mut self, act: Act<'_>) -> Result<(), FoldError> {
        let succession = LogKeySuccession::proven(self.origin(), act.header, act.seal, act.facts)?;
        if self.log_key() != Some(&succession.previous) {
            return Err(LogKeyFault::NotTheNewest.into());
        }
        if succession.size != act.index {
            return Err(LogKeyFault::OutOfPlace.into());
        }
        if let Some(last) = self.log_keys.last()
            && act.recorded_at_ms < last.succession.overlap_until_ms
        {
            let until_ms = last.succession.overlap_until_ms;
            return Err(LogKeyFault::Overlap { until_ms }.into());
        }
        let latest_ms = act.recorded_at_ms.saturating_add(LOG_KEY_OVERLAP_MS_MAX);
        if succession.overlap_until_ms > latest_ms {
            return Err(LogKeyFault::OverlapTooLong.into());
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
