//! The arithmetic of checkpoints, without network or disk: what was verified, what still waits.
//!
//! Takes checkpoints of receipts as they come and published ones with their proofs. Gives the sizes
//! whose consistency must be proved, and the fork where there is one.

use std::collections::BTreeMap;

use audit::checkpoint::SignedCheckpoint;
use audit::tree::verify_consistency;
use proto::digest::Digest;
use proto::limits::CONSISTENCY_SIZES_MAX;

/// Checkpoints of receipts that may wait at once. The newest are kept.
pub(super) const WAITING_MAX: usize = 1_024;

/// What is verified and what waits.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    published: Option<SignedCheckpoint>,
    waiting: BTreeMap<u64, SignedCheckpoint>,
    dropped: u64,
}

/// Two checkpoints of one log that no honest log signs both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fork {
    pub(super) older: SignedCheckpoint,
    pub(super) newer: SignedCheckpoint,
}

/// What must be proved before `to` counts: the sizes `from`, each once, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) to: SignedCheckpoint,
    pub(super) from: Vec<u64>,
}

impl Ledger {
    /// Begins with a published checkpoint that an earlier run verified.
    pub(super) fn new(published: Option<SignedCheckpoint>) -> Self {
        Self {
            published,
            ..Self::default()
        }
    }

    /// The largest published checkpoint that was verified.
    pub(super) fn published(&self) -> Option<&SignedCheckpoint> {
        self.published.as_ref()
    }

    /// Checkpoints of receipts that wait for a proof.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Checkpoints that were dropped unproved because too many waited.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A receipt's checkpoint, its signature verified by the caller.
    pub(super) fn note(&mut self, seen: SignedCheckpoint) -> Result<(), Box<Fork>> {
        let size = seen.checkpoint.size;
        if size == 0 {
            return Ok(());
        }
        if let Some(published) = &self.published
            && published.checkpoint.size == size
        {
            return same(published, &seen);
        }
        if let Some(waits) = self.waiting.get(&size) {
            return same(waits, &seen);
        }
        self.waiting.insert(size, seen);
        if self.waiting.len() > WAITING_MAX && self.waiting.pop_first().is_some() {
            self.dropped += 1;
        }
        Ok(())
    }

    /// What must be proved before the published checkpoint `to` (signature verified) counts. At most
    /// [`CONSISTENCY_SIZES_MAX`] sizes; call again until nothing is left.
    pub(super) fn plan(&self, to: SignedCheckpoint) -> Result<Plan, Box<Fork>> {
        let size = to.checkpoint.size;
        if let Some(published) = &self.published {
            if published.checkpoint.size > size {
                return Err(Box::new(Fork {
                    older: published.clone(),
                    newer: to,
                }));
            }
            if published.checkpoint.size == size {
                same(published, &to)?;
            }
        }
        if let Some(waits) = self.waiting.get(&size) {
            same(waits, &to)?;
        }
        let published = self.published.iter().map(|signed| signed.checkpoint.size);
        let mut from: Vec<u64> = published
            .chain(self.waiting.range(..=size).map(|(size, _)| *size))
            .filter(|from| *from < size)
            .take(CONSISTENCY_SIZES_MAX)
            .collect();
        from.sort_unstable();
        from.dedup();
        Ok(Plan { to, from })
    }

    /// Judges the proofs for a plan, in its order. When all hold, `plan.to` is the largest verified
    /// checkpoint and what was proved no longer waits. Missing proofs prove nothing and are a fork.
    pub(super) fn settle(&mut self, plan: &Plan, proofs: &[Vec<Digest>]) -> Result<(), Box<Fork>> {
        let to = &plan.to.checkpoint;
        for (position, from) in plan.from.iter().enumerate() {
            let Some(older) = self.at(*from) else {
                continue;
            };
            let holds = proofs.get(position).is_some_and(|proof| {
                verify_consistency(*from, &older.checkpoint.root, to.size, &to.root, proof).is_ok()
            });
            if !holds {
                return Err(Box::new(Fork {
                    older: older.clone(),
                    newer: plan.to.clone(),
                }));
            }
        }
        // A receipt may have brought this size while the proofs were on their way.
        if let Some(waits) = self.waiting.get(&to.size) {
            same(waits, &plan.to)?;
        }
        for size in plan.from.iter().chain([&to.size]) {
            self.waiting.remove(size);
        }
        self.published = Some(plan.to.clone());
        Ok(())
    }

    fn at(&self, size: u64) -> Option<&SignedCheckpoint> {
        let published = self
            .published
            .as_ref()
            .filter(|signed| signed.checkpoint.size == size);
        published.or_else(|| self.waiting.get(&size))
    }
}

/// Two checkpoints of one size must have one root.
fn same(one: &SignedCheckpoint, other: &SignedCheckpoint) -> Result<(), Box<Fork>> {
    if one.checkpoint.root == other.checkpoint.root {
        Ok(())
    } else {
        Err(Box::new(Fork {
            older: one.clone(),
            newer: other.clone(),
        }))
    }
}
