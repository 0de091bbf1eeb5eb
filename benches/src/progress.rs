//! What a run says while it goes on: a bar where somebody watches, and a line for each window.

use cli::output::Output;
use indicatif::ProgressBar;
use proto::refusal::Language;

/// The bar, and the lines above it.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of so many windows.
    pub(crate) fn of(windows: u64) -> Self {
        let output = Output {
            language: Language::English,
            json: false,
        };
        Self(output.progress(windows, "windows", "windows"))
    }

    /// One more window is done.
    pub(crate) fn done(&self, line: &str) {
        self.say(line);
        self.0.inc(1);
    }

    /// Says a line on standard error.
    pub(crate) fn say(&self, line: &str) {
        if self.0.is_hidden() {
            eprintln!("{line}");
        } else {
            self.0.println(line);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
