//! What the process says about itself: spans and events on stderr, as text for people or JSON for machines.
//!
//! `MOHAWEL_LOG` filters (`info`, `broker=debug,audit=warn`, …). Never a payload, a token or a key: those types
//! print lengths at most.

use std::io::{self, IsTerminal as _, Write};

use thiserror::Error;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// The environment variable that filters.
pub const FILTER_VARIABLE: &str = "MOHAWEL_LOG";
/// The filter when the variable is absent or empty.
pub const FILTER_DEFAULT: &str = "info";

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One line of text an event; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Begins to write events to stderr, for the whole process. Once.
///
/// # Errors
/// [`TelemetryError`]: the filter cannot be read, or something writes already.
pub fn start(format: Format) -> Result<(), TelemetryError> {
    let text = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let filter = filter(&text)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Unfailing(io::stderr()))
        // It would write to stderr about stderr, and panic where that fails.
        .log_internal_errors(false);
    match format {
        Format::Text => subscriber
            .with_ansi(io::stderr().is_terminal())
            .finish()
            .try_init()?,
        Format::Json => subscriber.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

/// Writes what can be written. A full disk or a closed pipe under the events must never fail what is being done:
/// the log that counts is another one.
#[derive(Debug)]
struct Unfailing<W>(W);

impl<W: Write> Write for Unfailing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The rest of an event that did not fit is lost with it.
        let _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

/// Unlike the library's own reading, which passes over what it cannot read: that would lose events silently.
fn filter(text: &str) -> Result<EnvFilter, TelemetryError> {
    let text = if text.trim().is_empty() {
        FILTER_DEFAULT
    } else {
        text
    };
    EnvFilter::try_new(text).map_err(|cause| TelemetryError::Filter {
        text: text.to_owned(),
        cause,
    })
}

/// Why nothing is written.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error(
        "{FILTER_VARIABLE}='{text}' cannot be read ({cause}); write for example info or broker=debug,info"
    )]
    Filter {
        /// The filter.
        text: String,
        /// What is wrong with it.
        cause: ParseError,
    },
    /// Something in this process writes events already.
    #[error("events of this process are written already: {0}")]
    Begun(#[from] TryInitError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_under_the_events_fails_nothing() {
        let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
            return;
        };
        assert!((&full).write_all(b"event").is_err());
        let mut unfailing = Unfailing(&full);
        unfailing.write_all(b"event").unwrap();
        unfailing.flush().unwrap();
    }

    #[test]
    fn filters_are_read_or_refused_and_never_passed_over() {
        assert_eq!(filter("").unwrap().to_string(), "info");
        assert_eq!(filter("  ").unwrap().to_string(), "info");
        assert!(filter("broker=debug,info").is_ok());
        let refused = filter("broker=loud").unwrap_err();
        assert!(
            refused.to_string().contains("MOHAWEL_LOG='broker=loud'"),
            "{refused}"
        );
    }
}
