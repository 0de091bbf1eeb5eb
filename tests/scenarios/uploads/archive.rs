//! What the scenarios send, and who takes it: files of any length, and an archive that counts what it read of them.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use adapters::{Body, Failure, Provider, Reply, Request, Upload};
use proto::id::ExchangeId;
use serde_json::json;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Semaphore;

/// Takes files of any length, and counts what it read of them: byte `n` is `n` modulo 251.
#[derive(Clone, Debug)]
pub(super) struct Archive {
    read: Arc<AtomicU64>,
    /// Files that came whole, with their length.
    kept: Arc<Mutex<Vec<(ExchangeId, u64)>>>,
    /// Files of which nothing was kept.
    dropped: Arc<AtomicU64>,
    /// How many chunks it reads, of all.
    reads: Arc<Semaphore>,
    /// It answers before it has read anything.
    pub(super) is_hasty: Arc<AtomicBool>,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            read: Arc::default(),
            kept: Arc::default(),
            dropped: Arc::default(),
            reads: Arc::new(Semaphore::new(1 << 20)),
            is_hasty: Arc::default(),
        }
    }
}

/// One file that is being taken; dropped before its end it is not kept.
struct Shelf(Arc<AtomicU64>, bool);

impl Drop for Shelf {
    fn drop(&mut self) {
        if !self.1 {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Archive {
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::SeqCst)
    }

    pub(super) fn kept(&self) -> Vec<(ExchangeId, u64)> {
        self.kept.lock().unwrap().clone()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::SeqCst)
    }

    /// Takes at most so many chunks from now on.
    pub(super) fn reads_only(&self, chunks: usize) {
        self.reads.forget_permits(1 << 20);
        self.reads.add_permits(chunks);
    }
}

impl Provider for Archive {
    async fn upload(&self, request: Request, mut upload: Upload) -> Result<Reply, Failure> {
        let mut shelf = Shelf(Arc::clone(&self.dropped), false);
        let record = |length: u64| Reply::record(&request, &json!({ "name": length.to_string() }));
        if self.is_hasty.load(Ordering::SeqCst) {
            return record(0);
        }
        let mut length = 0_u64;
        loop {
            self.reads.acquire().await.unwrap().forget();
            let Some(chunk) = upload.chunk().await.map_err(Failure::failed)? else {
                break;
            };
            let right = (length..)
                .zip(&chunk)
                .all(|(n, byte)| *byte == (n % 251) as u8);
            if !right {
                return Err(Failure::InvalidRequest(format!(
                    "other bytes from {length}"
                )));
            }
            length += chunk.len() as u64;
            self.read.fetch_add(chunk.len() as u64, Ordering::SeqCst);
        }
        shelf.1 = true;
        self.kept
            .lock()
            .unwrap()
            .push((request.exchange_id, length));
        record(length)
    }

    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        Reply::record(&request, &json!({ "name": "Mona", "alive": true }))
    }
}

/// A file of any length, which may break, and counts what was read of it.
pub(super) struct File {
    pub(super) at: u64,
    pub(super) length: u64,
    pub(super) breaks_at: u64,
    pub(super) read: Arc<AtomicU64>,
}

impl File {
    pub(super) fn of(length: u64) -> Self {
        Self {
            at: 0,
            length,
            breaks_at: u64::MAX,
            read: Arc::default(),
        }
    }

    pub(super) fn body(self) -> Body {
        let length = self.length;
        Body::new(self).of_length(length)
    }
}

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.at >= self.breaks_at {
            return Poll::Ready(Err(std::io::Error::other("the disk is gone")));
        }
        let left = (self.length - self.at).min(buffer.remaining() as u64);
        let bytes: Vec<u8> = (self.at..self.at + left).map(|n| (n % 251) as u8).collect();
        buffer.put_slice(&bytes);
        self.at += left;
        self.read.fetch_add(left, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }
}
