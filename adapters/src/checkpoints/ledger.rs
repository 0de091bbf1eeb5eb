//! The arithmetic of checkpoints, without network or disk: what was verified, what still waits.
//!
//! Takes checkpoints of receipts as they come and published ones with their proofs. Gives the sizes
//! whose consistency must be proved, the promises that must outlive the process, and the fork where there is one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use audit::checkpoint::SignedCheckpoint;
use audit::tree::verify_consistency;
use proto::digest::Digest;
use proto::limits::CONSISTENCY_SIZES_MAX;

/// Checkpoints of receipts that may wait at once. The newest are kept.
pub(super) const WAITING_MAX: usize = 1_024;
/// How long a published checkpoint may lie behind a receipt's. A switch publishes at least once a minute and at once
/// when it starts: one that stays behind for longer has lost what it acknowledged.
pub(super) const LAG_MAX: Duration = Duration::from_secs(180);

/// What is verified and what waits.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    published: Option<SignedCheckpoint>,
    waiting: BTreeMap<u64, Waiting>,
    dropped: u64,
}

/// A receipt's checkpoint that no published one has confirmed yet.
#[derive(Debug)]
struct Waiting {
    signed: SignedCheckpoint,
    since: Instant,
    /// Left by an earlier run.
    carried: bool,
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

    /// The largest checkpoint that this log is known to have signed, published or not.
    pub(super) fn largest(&self) -> Option<&SignedCheckpoint> {
        let waits = self
            .waiting
            .last_key_value()
            .map(|(_, waits)| &waits.signed);
        let published = self.published.as_ref();
        waits
            .into_iter()
            .chain(published)
            .max_by_key(|signed| signed.checkpoint.size)
    }

    /// Whether something that an earlier run left is still unproved.
    pub(super) fn carries(&self) -> bool {
        self.waiting.values().any(|waits| waits.carried)
    }

    /// Whether `size` is known here, as published or as waiting.
    pub(super) fn knows(&self, size: u64) -> bool {
        self.at(size).is_some()
    }

    /// What the next run must know of: what earlier runs left unproved, oldest first, and the largest. At most `most`.
    pub(super) fn promises(&self, most: usize) -> Vec<SignedCheckpoint> {
        let last = self.waiting.last_key_value().map(|(size, _)| *size);
        let carried = self
            .waiting
            .iter()
            .filter(|(size, waits)| waits.carried && Some(**size) != last)
            .take(most.saturating_sub(1));
        carried
            .chain(self.waiting.last_key_value())
            .map(|(_, waits)| waits.signed.clone())
            .collect()
    }

    /// A receipt's checkpoint, its signature verified by the caller.
    pub(super) fn note(&mut self, seen: SignedCheckpoint) -> Result<(), Box<Fork>> {
        self.wait(seen, false)
    }

    /// What an earlier run, or another process with this home, left unproved.
    pub(super) fn carry(&mut self, seen: SignedCheckpoint) -> Result<(), Box<Fork>> {
        self.wait(seen, true)
    }

    fn wait(&mut self, seen: SignedCheckpoint, carried: bool) -> Result<(), Box<Fork>> {
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
            return same(&waits.signed, &seen);
        }
        let waits = Waiting {
            signed: seen,
            since: Instant::now(),
            carried,
        };
        self.waiting.insert(size, waits);
        let oldest = self.waiting.iter().find(|(_, waits)| !waits.carried);
        if self.waiting.len() > WAITING_MAX
            && let Some(oldest) = oldest.map(|(size, _)| *size)
        {
            self.waiting.remove(&oldest);
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
            same(&waits.signed, &to)?;
        }
        let lost = |waits: &&Waiting| waits.since.elapsed() > LAG_MAX;
        if let Some(waits) = self
            .waiting
            .range(size.saturating_add(1)..)
            .map(|(_, waits)| waits)
            .find(lost)
        {
            return Err(Box::new(Fork {
                older: waits.signed.clone(),
                newer: to,
            }));
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
            same(&waits.signed, &plan.to)?;
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
        published.or_else(|| self.waiting.get(&size).map(|waits| &waits.signed))
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
