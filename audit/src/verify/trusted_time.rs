//! The tokens under `time/`: each over a checkpoint of this very log, and together the bounds of what a stamp may say.
//!
//! Takes the log's files, its key, the published head, and the roots of the authorities. A stamp is the operator's word;
//! an authority's token is not. Whatever a token covers was there when it was made, so no stamp in it may be later. What
//! the log recorded behind a checkpoint came after it, so no stamp there may be earlier than the checkpoint's token: a
//! switch has its latest checkpoint stamped, and the answer within seconds ([`TOLERANCE`]).

use std::path::Path;
use std::time::Duration;

use files::{Present, present};
use stamps::Stamps;

use super::findings::{Findings, rule};
use crate::checkpoint::{self, LogKey};
use crate::note::NOTE_BYTES_MAX;
use crate::tiles::{TileReader, TileStore, read_bounded};
use crate::timestamp::kept::Name;
use crate::timestamp::{self, RESPONSE_BYTES_MAX, Roots, TIME_DIR, TrustedTime};
use crate::tree::{TreeHead, consistency_proof, verify_consistency};

mod files;
mod stamps;
#[cfg(test)]
mod tests;

/// How far a stamp may lie beyond a token's time, by default. The switch gives an authority less time than this to
/// answer; the rest is for two clocks that are set, not equal.
pub const TOLERANCE: Duration = Duration::from_secs(5);

/// With what tokens are verified.
#[derive(Clone, Debug)]
pub struct TimeOptions {
    /// The authorities' roots, from somewhere that the log's operator does not control.
    pub roots: Roots,
    /// How far a stamp may lie beyond a token's time.
    pub tolerance: Duration,
}

impl TimeOptions {
    /// With these roots and the usual tolerance.
    pub fn new(roots: Roots) -> Self {
        Self {
            roots,
            tolerance: TOLERANCE,
        }
    }
}

/// One token and what became of it.
#[derive(Clone, Debug)]
pub struct Token {
    /// Entries under its checkpoint.
    pub size: u64,
    /// Whether it is the later one over a checkpoint that stood still.
    pub again: bool,
    /// What it says; why it says nothing; `None` where there were no roots to verify it with.
    pub time: Option<Result<TrustedTime, String>>,
}

/// Given each token, rising.
pub type OnToken<'a> = &'a mut dyn FnMut(&Token);

/// What the tokens say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeReport {
    /// Tokens found.
    pub tokens: u64,
    /// Those that were verified, over checkpoints on this log's line.
    pub verified: u64,
    /// Entries under the last of these.
    pub covered: u64,
    /// Times of the first and the last of these, Unix microseconds.
    pub span_us: Option<(u64, u64)>,
    /// The longest time between one and the next: how long, and the size before it.
    pub longest_gap: Option<(Duration, u64)>,
}

/// A log whose tokens are looked at.
pub(super) struct Inspection<'a> {
    dir: &'a Path,
    key: &'a LogKey,
    head: TreeHead,
    reader: TileReader,
    options: Option<&'a TimeOptions>,
    report: TimeReport,
    bounds: Vec<Bound>,
}

/// What the tokens over one size say, Unix microseconds.
#[derive(Clone, Copy, Debug)]
struct Bound {
    size: u64,
    /// What is before was there then.
    latest_us: u64,
    /// What comes after was not there yet.
    earliest_us: u64,
}

impl<'a> Inspection<'a> {
    /// Of the log in `dir` whose published head, signed by `key`, is `head`.
    pub(super) fn new(
        dir: &'a Path,
        key: &'a LogKey,
        head: TreeHead,
        options: Option<&'a TimeOptions>,
    ) -> Self {
        Self {
            dir,
            key,
            head,
            reader: TileStore::new(dir).reader(head.size),
            options,
            report: TimeReport::default(),
            bounds: Vec::new(),
        }
    }

    pub(super) fn run(
        mut self,
        findings: &mut Findings,
        mut on_token: Option<OnToken<'_>>,
    ) -> TimeReport {
        for (size, present) in present(self.dir, findings) {
            self.report.tokens += u64::from(present.first) + u64::from(present.last);
            let note = self.note(size, present, findings);
            self.tokens(size, present, note.as_deref(), findings, &mut on_token);
        }
        match self.options {
            Some(options) => {
                if self.report.tokens == 0 {
                    let none = format!("there is no token under {TIME_DIR}/");
                    findings.warning(None, rule::TIME_MISSING, none);
                }
                self.compare(options.tolerance, findings);
            }
            None if self.report.tokens > 0 => {
                let detail = format!(
                    "{} tokens were not verified: no roots of time-stamp authorities were given",
                    self.report.tokens
                );
                findings.notice(None, rule::TIME_UNVERIFIED, detail);
            }
            None => {}
        }
        self.report
    }

    /// The note under `size`, if it is a checkpoint of this log that its published one extends.
    fn note(&self, size: u64, present: Present, findings: &mut Findings) -> Option<Vec<u8>> {
        let name = shown(Name::Note(size));
        if !present.first {
            let what =
                "was never stamped: the switch ended between two writes, or its token is gone";
            findings.warning(None, rule::TIME_TOKEN, format!("{name} {what}"));
        }
        let read = read_bounded(&Name::Note(size).path(self.dir), NOTE_BYTES_MAX as u64);
        let opened = read.map_err(|error| error.to_string()).and_then(|note| {
            let opened = checkpoint::open(&note, self.key);
            Ok((opened.map_err(|error| error.to_string())?, note))
        });
        let (checkpoint, note) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                findings.error(None, rule::TIME_NOTE, format!("{name}: {error}"));
                return None;
            }
        };
        if checkpoint.size != size {
            let detail = format!("{name} is a checkpoint of size {}", checkpoint.size);
            findings.error(None, rule::TIME_NOTE, detail);
            return None;
        }
        if size > self.head.size {
            let detail = format!(
                "{name} was signed and published, and this log ends at {}: it was put back to an older copy, or \
                 {TIME_DIR}/ was copied after the checkpoint file",
                self.head.size
            );
            findings.error(None, rule::TIME_FORK, detail);
            return None;
        }
        let proof = match consistency_proof(&self.reader, size, self.head.size) {
            Ok(proof) => proof,
            Err(error) => {
                findings.error(None, rule::UNREADABLE, format!("{name}: {error}"));
                return None;
            }
        };
        let (now, root) = (&self.head, &checkpoint.root);
        if verify_consistency(size, root, now.size, &now.root, &proof).is_err() {
            let detail = format!(
                "{name} is signed by this log, and the log does not extend it: two histories under one key, or a \
                 damaged tile"
            );
            findings.error(Some(size), rule::TIME_FORK, detail);
            return None;
        }
        Some(note)
    }

    /// Verifies the tokens over one note and remembers what they bound.
    fn tokens(
        &mut self,
        size: u64,
        present: Present,
        note: Option<&[u8]>,
        findings: &mut Findings,
        on_token: &mut Option<OnToken<'_>>,
    ) {
        let mut times = [None, None];
        let files = [
            (present.first, Name::First(size)),
            (present.last, Name::Last(size)),
        ];
        for (at, (_, name)) in files.into_iter().enumerate().filter(|(_, file)| file.0) {
            let time = self.options.map(|options| {
                let note = note.ok_or("its checkpoint is not one of this log")?;
                let token = read_bounded(&name.path(self.dir), RESPONSE_BYTES_MAX as u64);
                let token = token.map_err(|error| error.to_string())?;
                timestamp::verify(&token, note, &options.roots).map_err(|error| error.to_string())
            });
            // A note that is no good was told already.
            if let (Some(Err(error)), Some(_)) = (&time, note) {
                findings.error(None, rule::TIME_TOKEN, format!("{}: {error}", shown(name)));
            }
            let token = Token {
                size,
                again: at == 1,
                time,
            };
            if let Some(on_token) = on_token {
                on_token(&token);
            }
            times[at] = token.time.and_then(Result::ok);
        }
        self.report.verified += times.iter().flatten().count() as u64;
        let [first, last] = &times;
        let (Some(first), Some(last)) = (
            first.as_ref().or(last.as_ref()),
            last.as_ref().or(first.as_ref()),
        ) else {
            return;
        };
        self.measure(size, first.at_us, last.at_us);
        self.bounds.push(Bound {
            size,
            latest_us: first.latest_us(),
            earliest_us: last.earliest_us(),
        });
    }

    /// Where the tokens' times begin, end, and leave the longest gap.
    fn measure(&mut self, size: u64, first_us: u64, last_us: u64) {
        let before = self
            .report
            .span_us
            .map(|(_, end)| (end, self.report.covered));
        let inner = Some((first_us, size));
        // Also between the first and the last word over a log that stood still.
        for (from, to_us) in [(before, first_us), (inner, last_us)] {
            let Some((from_us, from_size)) = from else {
                continue;
            };
            let gap = Duration::from_micros(to_us.saturating_sub(from_us));
            if gap
                > self
                    .report
                    .longest_gap
                    .map_or(Duration::ZERO, |(gap, _)| gap)
            {
                self.report.longest_gap = Some((gap, from_size));
            }
        }
        let begin = self.report.span_us.map_or(first_us, |(begin, _)| begin);
        self.report.span_us = Some((begin, last_us));
        self.report.covered = size;
    }

    /// Holds the stamps on both sides of each checkpoint against the tokens. Stamps never run backwards (that is
    /// another rule), so the last entry before and the first one after stand for all others.
    fn compare(&self, tolerance: Duration, findings: &mut Findings) {
        let tolerance_us = u64::try_from(tolerance.as_micros()).unwrap_or(u64::MAX);
        let mut stamps = Stamps::new(self.dir, self.head, &self.reader);
        // Later tokens cover what earlier ones cover: the earliest of all that follow binds.
        let mut latest_us = u64::MAX;
        let mut upper = vec![u64::MAX; self.bounds.len()];
        for (at, bound) in self.bounds.iter().enumerate().rev() {
            latest_us = latest_us.min(bound.latest_us);
            upper[at] = latest_us;
        }
        let mut lower_us = 0;
        for (bound, upper_us) in self.bounds.iter().zip(upper) {
            lower_us = lower_us.max(bound.earliest_us);
            if let Some(index) = bound.size.checked_sub(1)
                && let Some(stamp_us) = stamps.of(index)
                && stamp_us > upper_us.saturating_add(tolerance_us)
            {
                let detail = format!(
                    "stamped {} s later than a token over a checkpoint that has it: the switch's clock ran ahead",
                    seconds(stamp_us - upper_us)
                );
                findings.error(Some(index), rule::TIME_AHEAD, detail);
            }
            if bound.size < self.head.size
                && let Some(stamp_us) = stamps.of(bound.size)
                && stamp_us.saturating_add(tolerance_us) < lower_us
            {
                let detail = format!(
                    "stamped {} s earlier than a token over a checkpoint that does not have it yet: a back-dated \
                     stamp, or a clock that was behind",
                    seconds(lower_us - stamp_us)
                );
                findings.error(Some(bound.size), rule::BACK_DATED, detail);
            }
        }
    }
}

/// The file's path in the log directory.
fn shown(name: Name) -> String {
    name.path(Path::new("")).display().to_string()
}

/// Seconds with one digit behind the point.
fn seconds(us: u64) -> String {
    format!("{}.{}", us / 1_000_000, us / 100_000 % 10)
}
