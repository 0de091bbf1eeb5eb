//! One pass over the steps of a scan: bundles are read, hashed and decoded ahead by the threads of a pool, rows are joined,
//! filtered and given in order.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use bytes::Bytes;
use proto::Digest;
use proto::digest::{leaf_hash, tree_head};

use super::plan::{Plan, Step};
use super::proving::Proving;
use super::requests::Requests;
use super::{Row, Scanned};
use crate::replay::Filter;
use crate::tiles::{Pruned, TILE_WIDTH, TileError, TilePath, TileStore};
use crate::verify::OnProgress;
use crate::verify::pool::{Pending, Pool};

/// Bundles in a row that may be unreadable before the scan gives up: a checkpoint that nobody signed may claim any
/// size.
const MISSING_BUNDLES_MAX: u32 = 4_096;
/// Bundles that wait or are worked on, for each thread.
const AHEAD_PER_THREAD: usize = 3;

/// One pass over the range.
pub(super) struct Pass<'a> {
    pub(super) store: &'a TileStore,
    pub(super) pruned: Pruned,
    /// Entries that the files hold: it names the narrow ones.
    pub(super) published: u64,
    pub(super) proving: Option<Proving>,
    pub(super) requests: Requests,
    pub(super) filter: &'a Filter,
    pub(super) scanned: &'a mut Scanned,
}

/// A bundle, worked out as far as it goes alone.
struct Bundle {
    step: Step,
    entries: Result<Vec<Read>, TileError>,
    /// The head over a full bundle.
    head: Option<Digest>,
}

struct Read {
    index: u64,
    leaf: Digest,
    /// `None`: not wanted.
    row: Option<Result<Row, String>>,
}

impl Pass<'_> {
    pub(super) fn run(
        &mut self,
        pool: &Pool,
        plan: &mut Plan<'_>,
        on_progress: OnProgress<'_>,
        on_row: &mut dyn FnMut(&Row) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let range = self.scanned.range.clone();
        let mut waiting: VecDeque<Pending<Bundle>> = VecDeque::new();
        let mut missing = 0;
        loop {
            while waiting.len() < AHEAD_PER_THREAD * pool.threads()
                && let Some(step) = plan.next()
            {
                waiting.push_back(self.start(pool, step));
            }
            let Some(first) = waiting.pop_front() else {
                break;
            };
            let bundle = pool.finish(&first);
            let end = bundle.step.range.end;
            missing = match self.bundle(bundle, on_row)? {
                Looked::Read => 0,
                Looked::Pruned => missing,
                Looked::Missing => missing + 1,
            };
            if missing == MISSING_BUNDLES_MAX {
                let left = range.end - end;
                self.scanned.cannot_read(end, left, &"not looked at");
                return ControlFlow::Continue(());
            }
            on_progress(end - range.start, range.end - range.start);
        }
        on_progress(range.end - range.start, range.end - range.start);
        ControlFlow::Continue(())
    }

    fn start(&self, pool: &Pool, step: Step) -> Pending<Bundle> {
        let (store, published) = (self.store.clone(), self.published);
        let hashed = self.proving.is_some();
        pool.start(move || read(&store, published, step, hashed))
    }

    fn bundle(
        &mut self,
        bundle: Bundle,
        on_row: &mut dyn FnMut(&Row) -> ControlFlow<()>,
    ) -> ControlFlow<(), Looked> {
        let Step { range, .. } = bundle.step;
        let entries = match bundle.entries {
            Ok(entries) => entries,
            Err(error) => {
                let count = range.end - range.start;
                if error.is_missing() && self.pruned.covers(bundle.step.bundle) {
                    let minimum = self.pruned.minimum();
                    let what = format!("pruned: below {minimum} only registry entries are kept");
                    self.scanned.cannot_read(range.start, count, &what);
                    return ControlFlow::Continue(Looked::Pruned);
                }
                self.scanned.cannot_read(range.start, count, &error);
                return ControlFlow::Continue(Looked::Missing);
            }
        };
        if let Some(proving) = &mut self.proving {
            proving.skip_to(range.start);
            match bundle.head {
                Some(head) => proving.push_bundle(head),
                None => entries.iter().for_each(|read| proving.push(read.leaf)),
            }
        }
        for read in entries {
            match read.row {
                Some(Ok(row)) => self.row(row, on_row)?,
                Some(Err(what)) => self.scanned.cannot_read(read.index, 1, &what),
                None => {}
            }
        }
        ControlFlow::Continue(Looked::Read)
    }

    fn row(
        &mut self,
        mut row: Row,
        on_row: &mut dyn FnMut(&Row) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        row.join(&mut self.requests);
        self.scanned.scanned += 1;
        if !self.filter.admits(&row.event) {
            return ControlFlow::Continue(());
        }
        self.scanned.matched += 1;
        on_row(&row)
    }
}

/// What became of a bundle.
enum Looked {
    Read,
    Pruned,
    Missing,
}

fn read(store: &TileStore, published: u64, step: Step, hashed: bool) -> Bundle {
    let Some(path) = TilePath::entries(step.bundle).at_size(published) else {
        return Bundle {
            step,
            entries: Ok(Vec::new()),
            head: None,
        };
    };
    let entries = store.read_bundle(path).map(|entries| {
        let first = step.bundle * u64::from(TILE_WIDTH);
        let placed = (first..).zip(&entries);
        let inside = placed.filter(|(index, _)| step.range.contains(index));
        inside
            .map(|(index, bytes)| one(index, bytes, step.only.as_deref(), hashed))
            .collect::<Vec<Read>>()
    });
    let head = match &entries {
        Ok(read) if hashed && read.len() == usize::from(TILE_WIDTH) => {
            let leaves: Vec<Digest> = read.iter().map(|read| read.leaf).collect();
            Some(tree_head(&leaves))
        }
        _ => None,
    };
    Bundle {
        step,
        entries,
        head,
    }
}

fn one(index: u64, bytes: &Bytes, only: Option<&[u64]>, hashed: bool) -> Read {
    let wanted = only.is_none_or(|only| only.binary_search(&index).is_ok());
    let row = wanted.then(|| Row::alone(index, bytes));
    let leaf = match &row {
        Some(Ok(row)) => row.leaf,
        _ if hashed => leaf_hash(bytes),
        _ => Digest::default(),
    };
    Read { index, leaf, row }
}
