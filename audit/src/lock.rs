//! A file that is locked for one process.
//!
//! Takes an open file; gives it back locked, or says that somebody has it. Waits a moment first: a process that was just
//! begun has a copy of every open file of its parent until it runs its own program, and whoever ended holds on no longer.

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How long somebody who has it is waited for, and how often it is looked.
const WAIT: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(5);

/// Locks `file` for as long as it stays open.
///
/// # Errors
/// [`Errno::WOULDBLOCK`] where another process has it.
pub(crate) fn exclusive(file: &File) -> Result<(), Errno> {
    let began = Instant::now();
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if began.elapsed() < WAIT => std::thread::sleep(LOOK),
            locked => return locked,
        }
    }
}
