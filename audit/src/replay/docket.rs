//! The docket: findings in the order of the entries, some of which wait for a public-key operation.
//!
//! Takes findings, and seals of which only the signature is left to verify. Gives the findings in the order in which an
//! inline verification would have found them, whatever thread verified what and when. Each distinct sealed tree head is
//! verified once as long as it is remembered; everything else about a seal was judged before. Memory: at most
//! [`UNDER_WAY_PER_THREAD`] batches a thread, what was found since, and [`HEADS_MAX`] heads of some 250 bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use proto::registry::BoundKey;
use proto::seal::SealedHead;

use crate::verify::pool::{Pending, Pool};
use crate::verify::{Finding, Findings, Severity};

/// Signatures that one piece of work verifies.
const BATCH: usize = 64;
/// Such pieces that may be under way, for each thread.
const UNDER_WAY_PER_THREAD: usize = 4;
/// Tree heads of more than one header whose verdict is remembered.
const HEADS_MAX: usize = 16_384;

/// What a signature turned out to be, once some thread says so.
type Verdict = Arc<OnceLock<bool>>;

/// A seal whose signature is to be verified, and what it means if it does not hold.
#[derive(Debug)]
pub(super) struct Sealed<'a> {
    pub(super) index: u64,
    pub(super) label: &'static str,
    pub(super) key: &'a Arc<BoundKey>,
    pub(super) head: SealedHead,
    pub(super) rule: &'static str,
    pub(super) detail: &'static str,
}

#[derive(Debug)]
struct Job {
    label: &'static str,
    key: Arc<BoundKey>,
    head: SealedHead,
    verdict: Verdict,
}

/// In the order of the entries.
#[derive(Debug)]
enum Item {
    Found(Finding),
    Sealed {
        verdict: Verdict,
        index: u64,
        rule: &'static str,
        detail: &'static str,
    },
}

/// Findings and seals in order.
#[derive(Debug)]
pub(super) struct Docket<'p> {
    pool: &'p Pool,
    findings: Findings,
    items: VecDeque<Item>,
    batch: Vec<Job>,
    /// Set by whatever seal comes first: the log's origin never changes.
    origin: Arc<str>,
    under_way: VecDeque<Pending<()>>,
    known: HashMap<(&'static str, SealedHead), Verdict>,
    oldest_first: VecDeque<(&'static str, SealedHead)>,
    seals: u64,
}

impl<'p> Docket<'p> {
    pub(super) fn new(pool: &'p Pool, findings: Findings) -> Self {
        Self {
            pool,
            findings,
            items: VecDeque::new(),
            batch: Vec::with_capacity(BATCH),
            origin: Arc::from(""),
            under_way: VecDeque::new(),
            known: HashMap::new(),
            oldest_first: VecDeque::new(),
            seals: 0,
        }
    }

    /// The log's origin, under which seals are verified.
    pub(super) fn origin(&mut self, origin: &str) {
        if *self.origin != *origin {
            // What was collected was sealed under the one before.
            self.submit();
            self.origin = origin.into();
        }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if self.items.is_empty() {
            self.findings.add(finding);
        } else {
            self.items.push_back(Item::Found(finding));
        }
    }

    /// A seal that was verified elsewhere.
    pub(super) fn count_seal(&mut self) {
        self.seals += 1;
    }

    /// Has the signature verified, unless that was done, or is about to be, for the very same head.
    pub(super) fn verify(&mut self, sealed: Sealed<'_>) {
        let Sealed {
            index,
            label,
            key,
            head,
            rule,
            detail,
        } = sealed;
        let verdict = self.verdict(label, key, head);
        self.items.push_back(Item::Sealed {
            verdict,
            index,
            rule,
            detail,
        });
        if self.batch.len() == BATCH {
            self.submit();
        }
    }

    fn verdict(&mut self, label: &'static str, key: &Arc<BoundKey>, head: SealedHead) -> Verdict {
        // A head over one header comes back only if that header does.
        let shared = head.size() > 1;
        if shared && let Some(known) = self.known.get(&(label, head.clone())) {
            return Arc::clone(known);
        }
        let verdict = Verdict::default();
        if shared {
            self.remember((label, head.clone()), &verdict);
        }
        self.batch.push(Job {
            label,
            key: Arc::clone(key),
            head,
            verdict: Arc::clone(&verdict),
        });
        verdict
    }

    fn remember(&mut self, head: (&'static str, SealedHead), verdict: &Verdict) {
        if self.oldest_first.len() == HEADS_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.oldest_first.push_back(head.clone());
        self.known.insert(head, Arc::clone(verdict));
    }

    /// Hands on what was collected; waits when too much is under way.
    fn submit(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        let origin = Arc::clone(&self.origin);
        self.under_way.push_back(self.pool.start(move || {
            for job in batch {
                let held = job.head.verify(job.label, &origin, &job.key.key).is_ok();
                // Nobody else sets it.
                let _ = job.verdict.set(held);
            }
        }));
        while self.under_way.len() > UNDER_WAY_PER_THREAD * self.pool.threads() {
            self.wait();
        }
    }

    fn wait(&mut self) {
        if let Some(first) = self.under_way.pop_front() {
            self.pool.finish(&first);
        }
        self.settle();
    }

    /// Moves on what is decided, in order.
    fn settle(&mut self) {
        while let Some(item) = self.items.pop_front() {
            match item {
                Item::Found(finding) => self.findings.add(finding),
                Item::Sealed {
                    verdict,
                    index,
                    rule,
                    detail,
                } => match verdict.get() {
                    Some(true) => self.seals += 1,
                    Some(false) => self.findings.add(Finding {
                        index: Some(index),
                        rule,
                        severity: Severity::Error,
                        detail: detail.to_owned(),
                    }),
                    None => {
                        return self.items.push_front(Item::Sealed {
                            verdict,
                            index,
                            rule,
                            detail,
                        });
                    }
                },
            }
        }
    }

    /// Now and then, so that nothing waits for ever for a full batch.
    pub(super) fn pause(&mut self) {
        self.submit();
        self.settle();
    }

    /// All findings in order, and how many seals hold.
    pub(super) fn finish(mut self) -> (Findings, u64) {
        self.submit();
        while !self.under_way.is_empty() {
            self.wait();
        }
        self.settle();
        (self.findings, self.seals)
    }
}
