//! How the log grows: what an append, memory, disk, an opening and a proof cost at 1 million entries and at 20.
//!
//! `cargo run --locked --release -p audit --example growth [-- DIR [ENTRIES]]`. Entries of 600 bytes, 512 tasks that each wait
//! for their entry to be durable; tiles are published each second as always. Memory is looked at ten times a second under full load: its median and its most since the mark
//! before. Files are counted once the sweeper has let go of databases that are published. Needs about 2 KiB of disk an entry while it runs, removed at the
//! end.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use audit::log::{Config, Log};
use audit::tiles::TileStore;
use audit::tree::inclusion_proof;
use bytes::Bytes;
use proto::entry::{Draft, Kind};
use proto::key::Signer;

use key::Key;

#[path = "shared/key.rs"]
mod key;

/// As the switch's own binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Failure = Box<dyn Error + Send + Sync>;

/// Bytes of an entry, about those of an exchange entry.
const ENTRY_BYTES: usize = 600;
const TASKS: usize = 512;
const ORIGIN: &str = "growth.test/log";
/// Sizes at which is measured, in millions.
const MARKS: [u64; 5] = [1, 2, 5, 10, 20];
/// Proofs timed at each mark.
const PROOFS: u64 = 200;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let entries: u64 = arguments
        .next()
        .map_or(Ok(20_000_000), |text| text.parse())?;
    let place = tempfile::tempdir_in(dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    println!(
        "| entries | appends/s | µs of CPU an append | RSS MiB, median | most | tiles ÷ entry data | all ÷ entry data | open s | proof ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    runtime.block_on(grow(place.path(), entries))
}

async fn grow(dir: &Path, entries: u64) -> Result<(), Failure> {
    let key = Arc::new(Key::new()?);
    let config = || Config::new(dir, ORIGIN);
    let signer = Arc::clone(&key) as Arc<dyn Signer>;
    let mut log = Log::create(config(), draft(Kind::Genesis), signer).await?;
    let mut size = 1;
    for mark in MARKS.map(|millions| millions * 1_000_000) {
        let mark = mark.min(entries);
        if mark <= size {
            break;
        }
        let (began, cpu) = (Instant::now(), cpu_time());
        let memory = Memory::watch()?;
        fill(&log, mark - size).await?;
        let (took, cpu) = (began.elapsed(), cpu_time().saturating_sub(cpu));
        let appended = (mark - size) as f64;
        size = mark;
        log.publish_now().await?;
        let (median, most) = memory.seen()?;
        swept(dir).await?;
        let proof_ms = proofs(dir, size)?;
        log.close().await?;
        drop(log);
        let data = (size * ENTRY_BYTES as u64) as f64;
        let (tiles, all) = (bytes_in(&dir.join("tile"))?, bytes_in(dir)?);
        let opening = Instant::now();
        log = Log::open(config(), Arc::clone(&key) as Arc<dyn Signer>).await?;
        let open = opening.elapsed();
        println!(
            "| {size} | {:.0} | {:.1} | {median:.0} | {most:.0} | {:.2} | {:.2} | {:.2} | {proof_ms:.2} |",
            appended / took.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / appended,
            tiles as f64 / data,
            all as f64 / data,
            open.as_secs_f64(),
        );
    }
    log.close().await?;
    Ok(())
}

/// Appends `count` entries, [`TASKS`] at once.
async fn fill(log: &Log, count: u64) -> Result<(), Failure> {
    let left = Arc::new(AtomicU64::new(count));
    let running: Vec<_> = (0..TASKS)
        .map(|_| {
            let (log, left) = (log.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let take = |left: u64| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    let arriving = log.arriving();
                    log.append(draft(Kind::Request), None).await?;
                    drop(arriving);
                }
                Ok::<(), Failure>(())
            })
        })
        .collect();
    for task in running {
        task.await??;
    }
    Ok(())
}

/// Waits until the sweeper has let go of the databases whose entries are published.
async fn swept(dir: &Path) -> Result<(), Failure> {
    for _ in 0..600 {
        if std::fs::read_dir(dir.join("store"))?.count() == 1 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err("the sweeper did not let go of old databases within five minutes".into())
}

/// Milliseconds of one inclusion proof from the files, each with a reader of its own, spread over the whole log.
fn proofs(dir: &Path, size: u64) -> Result<f64, Failure> {
    let store = TileStore::new(dir);
    let began = Instant::now();
    for number in 0..PROOFS {
        let index = number * (size / PROOFS);
        inclusion_proof(&store.reader(size), index, size)?;
    }
    Ok(began.elapsed().as_secs_f64() * 1e3 / PROOFS as f64)
}

fn draft(kind: Kind) -> Draft {
    // No two alike: a store that compressed them would gain nothing.
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut header = Vec::with_capacity(ENTRY_BYTES - 257);
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    while header.len() < ENTRY_BYTES - 257 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        header.extend_from_slice(&state.to_be_bytes());
    }
    header.truncate(ENTRY_BYTES - 257);
    Draft {
        kind,
        facts: Bytes::from_static(&[7; 200]),
        header: header.into(),
        seal: None,
    }
}

/// Looks at the resident memory until it is asked what it saw.
struct Memory {
    done: Arc<AtomicBool>,
    looking: JoinHandle<Vec<u64>>,
}

impl Memory {
    fn watch() -> Result<Self, Failure> {
        let done = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&done);
        let mut seen = vec![rss_kib()?];
        let looking = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                seen.extend(rss_kib());
                std::thread::sleep(Duration::from_millis(100));
            }
            seen
        });
        Ok(Self { done, looking })
    }

    /// Median and most, MiB.
    fn seen(self) -> Result<(f64, f64), Failure> {
        self.done.store(true, Ordering::Relaxed);
        let mut seen = self.looking.join().map_err(|_| "the watch ended")?;
        seen.sort_unstable();
        let mib = |at: usize| seen[at] as f64 / 1_024.0;
        Ok((mib(seen.len() / 2), mib(seen.len() - 1)))
    }
}

/// Bytes of all files below `dir`, as the disk holds them.
fn bytes_in(dir: &Path) -> Result<u64, Failure> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() {
            bytes_in(&entry.path())?
        } else {
            found.blocks() * 512
        };
    }
    Ok(bytes)
}

fn rss_kib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.ok_or("no VmRSS")?.parse()?)
}

fn cpu_time() -> Duration {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(clock.tv_sec as u64, clock.tv_nsec as u32)
}
