//! The sweeper: the thread behind the keeper, of low priority, for what nobody waits for.
//!
//! Lets go of store databases that are never opened again, once every bundle that took their place was read back and
//! compared with the signed root; and keeps the indexes up to date, where the configuration wants them. Works in small
//! pieces and rests as long as it worked. Never stops the log: what it cannot do stays as it is, and is said once.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::Shared;
use crate::index::Index;
use crate::journal::letting_go::remove_database;
use crate::tiles::copies::Copies;
use crate::tiles::proven::ProvenTiles;
use crate::tiles::reread::all_as_signed;

/// How much nicer than the other threads it is.
const NICENESS: i32 = 10;
/// The longest rest between two pieces.
const REST_MAX: Duration = Duration::from_millis(50);

/// The sweeper's state.
#[derive(Debug)]
pub(super) struct Sweeper {
    interval: Duration,
    index: bool,
    /// Databases that stay because their bundles are not as they were signed.
    kept: BTreeSet<PathBuf>,
    complained: bool,
}

impl Sweeper {
    pub(super) fn new(interval: Duration, index: bool) -> Self {
        Self {
            interval,
            index,
            kept: BTreeSet::new(),
            complained: false,
        }
    }

    /// Works until the other end of `ending` is gone.
    pub(super) fn run(mut self, shared: &Shared, ending: &Receiver<()>) {
        // On Linux this is the thread's own. Where it is refused the thread works all the same.
        let _ = rustix::process::nice(NICENESS);
        while let Err(RecvTimeoutError::Timeout) = ending.recv_timeout(self.interval) {
            let mut began = Instant::now();
            let mut go_on = || {
                std::thread::sleep(began.elapsed().min(REST_MAX));
                began = Instant::now();
                ending.try_recv() == Err(TryRecvError::Empty) && shared.stopped.borrow().is_none()
            };
            if go_on() {
                self.let_go(shared, &mut go_on);
            }
            if self.index && go_on() {
                self.refresh(shared, &mut go_on);
            }
        }
    }

    /// Lets go of databases whose entries all stand in their bundles.
    fn let_go(&mut self, shared: &Shared, go_on: &mut dyn FnMut() -> bool) {
        let superseded = match shared.journal.superseded() {
            Ok(superseded) => superseded,
            Err(error) => return self.complain(&error.to_string()),
        };
        let published = shared.published.borrow().checkpoint.head();
        let copies = Copies::of(&shared.tiles);
        for old in superseded {
            if old.entries.end > published.size || self.kept.contains(&old.path) {
                continue;
            }
            let from = old.entries.start.max(shared.pruned.bundles_from());
            let verified = ProvenTiles::of(&copies, published)
                .map_err(Into::into)
                .and_then(|mut tiles| {
                    let range = from.min(old.entries.end)..old.entries.end;
                    all_as_signed(&mut tiles, &shared.tiles, range, go_on)
                });
            match verified {
                Ok(true) => match remove_database(&old.path) {
                    Ok(()) => {
                        tracing::info!(path = %old.path.display(), "a store database was let go: its bundles are as they were signed");
                    }
                    Err(error) => self.complain(&error.to_string()),
                },
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(
                        path = %old.path.display(), %error,
                        "a store database is kept, for a bundle in its place is not as it was signed; stop the switch and run `mohawel audit rebuild`"
                    );
                    self.kept.insert(old.path);
                }
            }
        }
    }

    /// Indexes the chunks that are whole by now. The databases are open only meanwhile, so that others can read them.
    fn refresh(&mut self, shared: &Shared, go_on: &mut dyn FnMut() -> bool) {
        let checkpoint = shared.published.borrow().checkpoint.clone();
        let refreshed = Index::open(shared.tiles.dir(), checkpoint)
            .and_then(|mut index| index.refresh(true, &mut |_, _| go_on()));
        match refreshed {
            Ok(done) if done.entries > 0 => {
                tracing::info!(
                    entries = done.entries,
                    upto = done.upto,
                    "entries were indexed"
                );
            }
            Ok(_) => {}
            Err(error) => self.complain(&error.to_string()),
        }
    }

    /// Says it once: the next rounds meet the same.
    fn complain(&mut self, error: &str) {
        if !self.complained {
            tracing::warn!(%error, "work behind the log is not done");
        }
        self.complained = true;
    }
}
