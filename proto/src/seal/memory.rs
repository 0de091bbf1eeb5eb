//! Tree heads that were verified a moment ago: a hit saves only the public-key operation.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::digest::Digest;
use crate::limits::{SEAL_MEMORY_MS, SEAL_MEMORY_ROOTS};

/// Tree heads verified a moment ago, for one TLS peer. Bounded in number and time.
#[derive(Debug, Default)]
pub struct SealMemory {
    pub(super) heads: Mutex<Heads>,
}

#[derive(Debug, Default)]
pub(super) struct Heads {
    pub(super) until_ms: HashMap<Digest, u64>,
    oldest_first: VecDeque<Digest>,
}

impl SealMemory {
    pub(super) fn knows(&self, key: &Digest, now_ms: u64) -> bool {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.until_ms.get(key).is_some_and(|until| now_ms < *until)
    }

    pub(super) fn remember(&self, key: Digest, now_ms: u64) {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        if heads
            .until_ms
            .insert(key, now_ms.saturating_add(SEAL_MEMORY_MS))
            .is_none()
        {
            heads.oldest_first.push_back(key);
        }
        while heads.oldest_first.len() > SEAL_MEMORY_ROOTS {
            if let Some(oldest) = heads.oldest_first.pop_front() {
                heads.until_ms.remove(&oldest);
            }
        }
    }
}
