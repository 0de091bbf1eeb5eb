//! How far a walk over a log is: a bar where a person watches, JSON lines on standard error where a machine reads.
//!
//! Standard output is left to the result, which is one document.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::json;

use crate::output::Output;

/// How often a machine is told.
const TOLD_EACH: Duration = Duration::from_secs(1);

/// Tells how far a walk is.
#[derive(Debug)]
pub(super) struct Progress {
    output: Output,
    bar: ProgressBar,
    /// When a machine was told last; `None` when none reads.
    told: Option<Instant>,
}

impl Progress {
    pub(super) fn new(output: Output, english: &str, arabic: &str) -> Self {
        let machine = output.json && !stderr().is_terminal();
        Self {
            output,
            bar: output.progress(0, english, arabic),
            told: machine.then(Instant::now),
        }
    }

    /// `done` of `total` entries.
    pub(super) fn tell(&mut self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        let Some(told) = &mut self.told else { return };
        if told.elapsed() >= TOLD_EACH {
            *told = Instant::now();
            let line = json!({ "progress": { "done": done, "total": total } });
            self.output.note(line.to_string());
        }
    }

    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}
