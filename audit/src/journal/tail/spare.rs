//! The file of the next segment, made before it is needed: its zeros are written, not only reserved.
//!
//! A frame in space that is only reserved changes what the file system knows of the file, so each sync waits for the file
//! system's own journal, too (ext4). Where zeros were written and synced before, a sync writes the frame alone, in about two
//! thirds of the time.
//!
//! Takes the tail's directory. Gives a file of zeros under [`NAME`], which no replay reads; what a crash leaves of it is written
//! over. Stops no commit: where it cannot be made, the next segment is reserved as the first one is. No acknowledged entry rests
//! on it before it is a segment, so its steps are not those of [`crate::disk`].

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::segment::preallocate;

/// Its name in the tail's directory.
pub(super) const NAME: &str = "next";
/// Smaller segments end before it would be ready.
const WORTH_BYTES: u64 = 1 << 20;
/// So much is written and synced at once, and then a pause: commits and everybody else use the same disk.
const PIECE_BYTES: usize = 256 << 10;
const PAUSE: Duration = Duration::from_millis(5);

/// The next segment's file, or whoever makes it.
#[derive(Debug)]
pub(in crate::journal) struct Spare {
    path: PathBuf,
    bytes: u64,
    making: Option<JoinHandle<io::Result<File>>>,
    /// It is not tried again for the same segment.
    failed: bool,
    stop: Arc<AtomicBool>,
}

impl Spare {
    /// None yet, for segments of so many bytes in `dir`.
    pub(super) fn new(dir: &Path, bytes: u64) -> Self {
        Self {
            path: dir.join(NAME),
            bytes,
            making: None,
            failed: false,
            stop: Arc::default(),
        }
    }

    /// Where it stands.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins to make it, on a thread of its own, unless that was begun before.
    pub(super) fn make(&mut self) {
        if self.making.is_some() || self.failed || self.bytes < WORTH_BYTES {
            return;
        }
        let (path, bytes, stop) = (self.path.clone(), self.bytes, Arc::clone(&self.stop));
        let making = std::thread::Builder::new()
            .name("log-next".to_owned())
            .spawn(move || filled(&path, bytes, &stop));
        self.failed = making.is_err();
        self.making = making.ok();
    }

    /// Whether it can be taken.
    pub(in crate::journal) fn is_ready(&self) -> bool {
        self.making.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Takes it, open and durable, where it is ready.
    pub(super) fn take(&mut self) -> Option<File> {
        if !self.is_ready() {
            return None;
        }
        match self.making.take()?.join() {
            Ok(Ok(file)) => Some(file),
            Ok(Err(error)) => {
                tracing::warn!(path = %self.path.display(), %error, "the next segment of the log's tail is not made beforehand");
                self.failed = true;
                None
            }
            Err(_) => {
                self.failed = true;
                None
            }
        }
    }

    /// Whether it is being made, or ready.
    #[cfg(test)]
    pub(in crate::journal) fn is_making(&self) -> bool {
        self.making.is_some()
    }

    /// A segment has begun: it can be tried again.
    pub(super) fn begin_anew(&mut self) {
        self.failed = false;
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(making) = self.making.take() {
            // Whatever became of it, nobody needs it now.
            let _ = making.join();
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A file of zeros, synced to its end.
fn filled(path: &Path, bytes: u64, stop: &AtomicBool) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    preallocate(&file, bytes)?;
    let zeros = vec![0; PIECE_BYTES];
    let mut at = 0;
    while at < bytes {
        if stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = zeros
            .len()
            .min(usize::try_from(bytes - at).unwrap_or(usize::MAX));
        file.write_all_at(&zeros[..length], at)?;
        file.sync_data()?;
        at += length as u64;
        std::thread::sleep(PAUSE);
    }
    file.sync_all()?;
    Ok(file)
}
