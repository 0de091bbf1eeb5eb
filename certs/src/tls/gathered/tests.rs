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

/// One whose last round had something to put together.
fn busy(room: usize) -> Gathered<Socket> {
    Gathered {
        is_busy: true,
        ..gathered(room)
    }
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
    let mut io = busy(1 << 20);
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
fn a_round_is_asked_for_only_after_one_that_had_something_to_put_together() {
    let wakes = Arc::new(Wakes::default());
    let waker = Arc::clone(&wakes).into();
    let cx = &mut Context::from_waker(&waker);
    let mut io = gathered(1 << 20);
    let mut send = |io: &mut Gathered<Socket>, parts: &[&[u8]]| {
        for part in parts {
            assert!(write(io, cx, part).is_ready() && flush(io, cx));
        }
        let before = io.io.written.len();
        read(io, cx);
        (before, io.io.written.len(), wakes.0.load(Ordering::Relaxed))
    };
    // Alone, each goes out as it is flushed, also the second of the first round that has two.
    assert_eq!(send(&mut io, &[b"a"]), (1, 1, 0));
    assert_eq!(send(&mut io, &[b"b"]), (2, 2, 0));
    assert_eq!(send(&mut io, &[b"c", b"d"]), (4, 4, 0));
    // From then on they go together, until a round has only one; a round that sends nothing says nothing.
    assert_eq!(send(&mut io, &[b"e", b"f"]), (4, 5, 1));
    assert_eq!(send(&mut io, &[]), (5, 5, 1));
    assert_eq!(send(&mut io, &[b"g"]), (5, 6, 2));
    assert_eq!(send(&mut io, &[b"h"]), (7, 7, 2));
    assert_eq!(io.io.written.concat(), b"abcdefgh");
}

#[test]
fn what_goes_out_at_once_waits_for_a_full_socket_and_loses_nothing() {
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    let mut io = gathered(3);
    assert!(write(&mut io, cx, b"12345").is_ready());
    assert!(!flush(&mut io, cx), "not all of it is out");
    assert!(write(&mut io, cx, b"678").is_ready());
    assert!(!flush(&mut io, cx));
    io.io.room = 100;
    assert!(flush(&mut io, cx));
    assert_eq!(io.io.written, [b"123".to_vec(), b"45678".to_vec()]);
}

#[test]
fn what_is_enough_waits_for_nobody() {
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    let mut io = busy(1 << 20);
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
    let mut io = busy(0);
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
    let mut io = busy(1 << 20);
    assert!(write(&mut io, cx, b"few").is_ready() && flush(&mut io, cx));
    let full = vec![7; ENOUGH_BYTES - 1];
    assert!(write(&mut io, cx, &full).is_ready() && flush(&mut io, cx));
    assert_eq!(io.waiting(), 0, "it was enough before its round came");
    read(&mut io, cx);
    assert!(write(&mut io, cx, b"few").is_ready() && flush(&mut io, cx));
    assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
}
