//! The bytes of a connection in few system calls: what HTTP/2 writes frame by frame goes out together.
//!
//! HTTP/2 flushes after each DATA frame, and TLS makes a record and a system call of each flush. Many exchanges end at the same
//! moment (one durable batch answers all of them), so [`Gathered`] keeps what was flushed until the connection's task has
//! been round once more: everybody who is ready by then goes out by the same call. It asks for that round itself, so nothing waits
//! for something else to happen. Where the last round had nothing to put together, what is flushed goes out at once: a round that is
//! asked for wakes another thread of the runtime for nothing.
//!
//! Takes and gives bytes in order and never changes one. An idle connection keeps no buffer here.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So much goes out without waiting for more.
const ENOUGH_BYTES: usize = 16 << 10;
/// What is kept at most for a socket that takes nothing; then writing waits.
const KEPT_BYTES: usize = 64 << 10;

/// A connection whose small writes go out together. Goes around TLS, below HTTP/2.
#[derive(Debug)]
pub struct Gathered<T> {
    io: T,
    kept: Vec<u8>,
    /// Of `kept`, what has gone.
    gone: usize,
    /// One more round of the task was asked for.
    asked: bool,
    /// Flushes of something since the round began.
    flushes: u32,
    /// In the last round that had any, there was more than one.
    is_busy: bool,
}

impl<T: AsyncWrite + Unpin> Gathered<T> {
    /// Around `io`.
    pub fn new(io: T) -> Self {
        Self {
            io,
            kept: Vec::new(),
            gone: 0,
            asked: false,
            flushes: 0,
            is_busy: false,
        }
    }

    fn waiting(&self) -> usize {
        self.kept.len() - self.gone
    }

    /// Writes everything that is kept.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.waiting() > 0 {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.kept[self.gone..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gone += written;
        }
        // Not kept for the next time: thousands of connections are idle.
        self.kept = Vec::new();
        self.gone = 0;
        Poll::Ready(Ok(()))
    }

    /// Room for more: something at once, or when the socket took some.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.waiting() >= KEPT_BYTES {
            ready!(self.poll_out(cx))?;
        }
        Poll::Ready(Ok(KEPT_BYTES - self.waiting()))
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.kept.capacity() == 0 {
            self.kept.reserve(bytes.len().max(4 << 10));
        }
        self.kept.extend_from_slice(bytes);
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The round that was asked for: HTTP/2 begins each by reading. What the socket does not take now wakes the task later.
        this.asked = false;
        if this.flushes > 0 {
            this.is_busy = this.flushes > 1;
            this.flushes = 0;
        }
        if this.waiting() > 0
            && let Poll::Ready(Err(error)) = this.poll_out(cx)
        {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut this.io).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gathered<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.waiting() == 0 && bytes.len() >= ENOUGH_BYTES {
            return Pin::new(&mut this.io).poll_write(cx, bytes);
        }
        let room = ready!(this.poll_room(cx))?;
        let taken = bytes.len().min(room);
        this.keep(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        if this.waiting() == 0 && all >= ENOUGH_BYTES {
            // Enough by itself: not copied for nothing.
            return Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        }
        let mut room = ready!(this.poll_room(cx))?;
        let mut taken = 0;
        for slice in slices {
            let part = slice.len().min(room);
            this.keep(&slice[..part]);
            (taken, room) = (taken + part, room - part);
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let waiting = this.waiting();
        if waiting == 0 {
            return Pin::new(&mut this.io).poll_flush(cx);
        }
        this.flushes = this.flushes.saturating_add(1);
        if waiting >= ENOUGH_BYTES || !this.is_busy {
            return this.poll_out(cx);
        }
        if !this.asked {
            this.asked = true;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_out(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl<T> Gathered<T> {
    /// What it is around.
    pub fn inner(&self) -> &T {
        &self.io
    }
}

#[cfg(test)]
mod tests;
