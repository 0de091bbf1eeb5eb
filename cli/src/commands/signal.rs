//! What commands that run until they are told to stop have in common: signals, and events on standard error.

use std::io::IsTerminal as _;

use broker::telemetry::{self, Format};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// SIGTERM and SIGINT, heard from [`Stop::listen`] on.
#[derive(Debug)]
pub struct Stop {
    term: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Begins to listen: from here on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// A failure when the system gives no signals.
    pub fn listen() -> Result<Self, Failure> {
        Ok(Self {
            term: signal(SignalKind::terminate()).map_err(Failure::unavailable)?,
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::unavailable)?,
        })
    }

    /// Waits for one of them.
    pub async fn wait(mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Begins to write events to standard error: text on a terminal, JSON lines elsewhere.
///
/// # Errors
/// A usage failure for a filter that cannot be read.
pub fn start_telemetry() -> Result<(), Failure> {
    let format = if std::io::stderr().is_terminal() {
        Format::Text
    } else {
        Format::Json
    };
    telemetry::start(format).map_err(Failure::usage)
}
