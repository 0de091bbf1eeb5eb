//! Batches: one question for each of a million items, in segments that are exchanges, resumed after whatever ends the process.
//!
//! ```text
//! items, first time  → the cut: the root of each segment, and of all of them
//! notebook           → which segment is under way under which try, what was written out, where it stands in the log
//! items, second time → segment → sealed, asked, proved → the sink, durably → the notebook: done → progress
//! ```
//!
//! Takes items that can be read twice and a place for results. Gives every result once, in the order of the items, after
//! it was proved; a process that was killed goes on where it was. A segment whose end is unknown is asked again under its
//! first try, so that the provider's kept answer serves it. `docs/decisions/0011-batches-are-segments-of-items.md`.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use proto::digest::Digest;
use proto::limits::ITEMS_MAX;
use thiserror::Error;

use crate::consumer::{ExchangeError, Results};

mod cut;
mod notebook;
mod proof;
mod run;

pub use cut::Cut;
pub use notebook::{Counts, Done, Known, Notebook, NotebookError, Notebooks, Opening};
pub use proof::{ItemEvidence, ProofError, Shown, prove};
pub use run::{Outcome, run};

/// Items of a segment when nothing else is said.
pub const SEGMENT_DEFAULT: u32 = 4_096;
/// Segments under way at once when nothing else is said.
pub const WINDOW_DEFAULT: usize = 4;

/// What is asked of every item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The service, five parts.
    pub service: String,
    /// One operation of its contract.
    pub operation: String,
    /// The legal reason.
    pub purpose: String,
    /// The fields wanted.
    pub fields: Vec<String>,
    /// The items' media type.
    pub content_type: String,
}

/// How a batch is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Segments under way at once.
    pub window: usize,
    /// How long one segment's answer is waited for.
    pub deadline: Duration,
    /// How often a segment is tried again by itself, where that is safe.
    pub retries: u32,
    /// The clerk's pseudonym.
    pub actor: Option<Digest>,
}

/// Whether a segment may have so many items: a power of two, as segments are subtrees.
pub fn is_segment_size(items: u32) -> bool {
    items.is_power_of_two() && items as usize <= ITEMS_MAX
}

/// Items as they are read, one after the other.
pub type Reading = Box<dyn Iterator<Item = io::Result<Bytes>> + Send>;

/// Items that can be read again from the start.
pub trait Source {
    /// All of them, in their order.
    ///
    /// # Errors
    /// They cannot be read.
    fn items(&self) -> io::Result<Reading>;
}

/// Where results go.
pub trait Sink {
    /// Forgets what was written after the first `bytes`: a run that was killed may have begun to write more.
    ///
    /// # Errors
    /// The disk.
    fn begin(&mut self, bytes: u64) -> io::Result<()>;

    /// Takes the results of `items`, of which the first has place `first`, and gives the bytes that stand there durably now.
    ///
    /// # Errors
    /// The disk.
    fn take(&mut self, first: u64, items: &[Bytes], results: &Results) -> io::Result<u64>;
}

/// Why a batch stopped. What was done stays done.
#[derive(Debug, Error)]
pub enum BatchError {
    /// Nothing to ask.
    #[error("there are no items")]
    Empty,
    /// A segment of a size that none may have.
    #[error("a segment has a power of two of items, at most {ITEMS_MAX}; {0} is none")]
    Segment(u32),
    /// The items changed since the batch began.
    #[error(
        "these are not the items that this batch began with: they changed meanwhile, from segment {0} on. Ask for the others under another name"
    )]
    Changed(u64),
    /// The source.
    #[error("the items cannot be read: {0}")]
    Source(#[source] io::Error),
    /// The sink.
    #[error("the results cannot be written: {0}")]
    Sink(#[source] io::Error),
    /// The notebook.
    #[error(transparent)]
    Notebook(#[from] NotebookError),
    /// One segment got no results that hold.
    #[error("segment {segment}: {cause}")]
    Exchange {
        /// Which, from 0.
        segment: u64,
        /// Why.
        #[source]
        cause: Box<ExchangeError>,
    },
    /// A fault of this process.
    #[error("a segment's task ended by a fault: {0}")]
    Broken(String),
}

#[cfg(test)]
mod tests;
