//! What goes in comes out, in fewer pieces, and nothing stays behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

/// A socket that says how often it was called, and takes only so much at a time.
#[derive(Debug, Default)]
struct Socket {
    written: Vec<Vec<u8>>,
    /// Bytes that it takes before it is full.
    room: usize,
    shut: bool,
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.room);
        if count == 0 {
            return Poll::Pending;
        }
        self.room -= count;
        self.written.push(bytes[..count].to_vec());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut = true;
        Poll::Ready(Ok(()))
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn gathered(room: usize) -> Gathered<Socket> {
    Gathered::new(Socket {
        room,
        ..Socket::default()
    })
}

fn write(io: &mut Gathered<Socket>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<usize> {
    Pin::new(io).poll_write(cx, bytes).map(Result::unwrap)
}

fn flush(io: &mut Gathered<Socket>, cx: &mut Context<'_>) -> bool {
    Pin::new(io).poll_flush(cx).is_ready()
}

fn read(io: &mut Gathered<Socket>, cx: &mut Context<'_>) {
    let mut nothing = [0; 8];
    let mut nothing = ReadBuf::new(&mut nothing);
    let _ = Pin::new(io).poll_read(cx, &mut nothing);
}

#[test]
fn what_several_flush_goes_out_together_in_the_round_that_it_asked_for() {
    let wakes = Arc::new(Wakes::default());
    let waker = Arc::clone(&wakes).into();
    let cx = &mut Context::from_waker(&waker);
    let mut io = gathered(1 << 20);
    for part in [&b"one "[..], b"two ", b"three"] {
        assert_eq!(write(&mut io, cx, part), Poll::Ready(part.len()));
        assert!(flush(&mut io, cx));
    }
    assert!(io.io.written.is_empty());
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1, "one round is asked for");
    read(&mut io, cx);
    assert_eq!(io.io.written, [b"one two three".to_vec()]);
    // And again: a round is asked for each time.
    assert!(write(&mut io, cx, b"four").is_ready() && flush(&mut io, cx));
    assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    assert_eq!(io.kept.len() - io.gone, 4);
    read(&mut io, cx);
    assert_eq!((io.io.written.len(), io.kept.capacity()), (2, 0));
}

#[test]
fn what_is_enough_waits_for_nobody() {
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    let mut io = gathered(1 << 20);
    let half = vec![7; ENOUGH_BYTES / 2];
    assert!(write(&mut io, cx, &half).is_ready() && flush(&mut io, cx));
    assert!(io.io.written.is_empty());
    assert!(write(&mut io, cx, &half).is_ready() && flush(&mut io, cx));
    assert_eq!(io.io.written.len(), 1);
    // What is enough by itself is not even copied.
    let slices = [IoSlice::new(&half), IoSlice::new(&half)];
    let written = Pin::new(&mut io).poll_write_vectored(cx, &slices);
    assert!(matches!(written, Poll::Ready(Ok(count)) if count == half.len()));
    assert_eq!((io.io.written.len(), io.kept.capacity()), (2, 0));
}

#[test]
fn a_socket_that_takes_nothing_stops_the_writer_and_loses_nothing() {
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    let mut io = gathered(0);
    let (mut asked, mut taken) = (Vec::new(), 0);
    for number in 0..1_000_u32 {
        let bytes = number.to_be_bytes().repeat(100);
        match write(&mut io, cx, &bytes) {
            Poll::Ready(count) => {
                asked.extend_from_slice(&bytes[..count]);
                taken += count;
            }
            Poll::Pending => break,
        }
        let _ = flush(&mut io, cx);
    }
    assert_eq!(taken, KEPT_BYTES, "then it waits");
    // A little at a time, and the end only after the last byte.
    while taken > 0 {
        assert!(Pin::new(&mut io).poll_shutdown(cx).is_pending() && !io.io.shut);
        io.io.room = 7_001;
        read(&mut io, cx);
        taken = taken.saturating_sub(7_001);
    }
    assert!(Pin::new(&mut io).poll_shutdown(cx).is_ready() && io.io.shut);
    assert_eq!(io.io.written.concat(), asked);
}

#[test]
fn a_round_is_asked_for_also_after_one_that_had_nothing_left_to_write() {
    let wakes = Arc::new(Wakes::default());
    let waker = Arc::clone(&wakes).into();
    let cx = &mut Context::from_waker(&waker);
    let mut io = gathered(1 << 20);
    assert!(write(&mut io, cx, b"few").is_ready() && flush(&mut io, cx));
    let full = vec![7; ENOUGH_BYTES - 1];
    assert!(write(&mut io, cx, &full).is_ready() && flush(&mut io, cx));
    assert_eq!(io.waiting(), 0, "it was enough before its round came");
    read(&mut io, cx);
    assert!(write(&mut io, cx, b"few").is_ready() && flush(&mut io, cx));
    assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
}
