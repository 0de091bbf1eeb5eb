//! Two levers that the switch was built with, each against the usual way: bytes of a message shared instead of copied, and the
//! registry's snapshot read without a lock.
//!
//! `cargo run --locked --release -p benches --example copies`, ten seconds. An envelope has the sizes of a real one (header 620
//! bytes, seal 240) and a payload of 1 KiB or 100 KiB. Nanoseconds of one thread, median (lowest..highest) of seven.

use std::hint::black_box;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use prost::{DecodeError, Message};

/// As the switch's own binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PASSES: usize = 7;
const TIMES: u32 = 100_000;
const READS: u32 = 2_000_000;
const HEADER_BYTES: usize = 620;
const SEAL_BYTES: usize = 240;

/// An envelope whose parts are pieces of what came.
#[derive(Clone, PartialEq, Message)]
struct Shared {
    #[prost(bytes = "bytes", tag = "1")]
    header: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    seal: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    payload: Bytes,
}

/// The same, each part copied.
#[derive(Clone, PartialEq, Message)]
struct Copied {
    #[prost(bytes = "vec", tag = "1")]
    header: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    seal: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    payload: Vec<u8>,
}

fn main() -> Result<(), DecodeError> {
    for payload in [1 << 10, 100 << 10] {
        let sent = Copied {
            header: vec![1; HEADER_BYTES],
            seal: vec![2; SEAL_BYTES],
            payload: vec![3; payload],
        };
        let came = Bytes::from(sent.encode_to_vec());
        println!("payload of {payload} bytes");
        passed_on::<Shared>("  shared: taken, cloned, sent", &came)?;
        passed_on::<Copied>("  copied: taken, cloned, sent", &came)?;
    }
    println!("the registry's snapshot, two threads at once");
    let swapped = ArcSwap::from_pointee(0_u64);
    read_by_two("  arc-swap", || swapped.load_full());
    let locked = RwLock::new(Arc::new(0_u64));
    read_by_two("  RwLock", || {
        Arc::clone(&locked.read().unwrap_or_else(PoisonError::into_inner))
    });
    Ok(())
}

/// What one message costs from one connection to another: decoded, kept by somebody else too, encoded.
///
/// # Errors
/// It does not decode.
fn passed_on<M: Message + Clone + Default>(what: &str, came: &Bytes) -> Result<(), DecodeError> {
    M::decode(came.clone())?;
    tell(what, TIMES, || {
        for _ in 0..TIMES {
            let sent = M::decode(came.clone()).map(|message| {
                let kept = message.clone();
                (kept, message.encode_to_vec())
            });
            let _ = black_box(sent);
        }
    });
    Ok(())
}

fn read_by_two<T>(what: &str, read: impl Fn() -> Arc<T> + Sync) {
    tell(what, READS, || {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..READS {
                        black_box(read());
                    }
                });
            }
        });
    });
}

fn tell(what: &str, times: u32, pass: impl Fn()) {
    pass();
    let mut took: Vec<f64> = (0..PASSES)
        .map(|_| {
            let began = Instant::now();
            pass();
            began.elapsed().as_secs_f64() * 1e9 / f64::from(times)
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let [lowest, median, highest] = [took[0], took[PASSES / 2], took[PASSES - 1]];
    println!("{what}: {median:.0} ns ({lowest:.0}..{highest:.0})");
}
