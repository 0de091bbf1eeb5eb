//! What a durable append costs as it arises, in one run: the log beside plain files, SQLite, redb, fjall and sled.
//!
//! `cargo run --locked --release -p audit --features rivals --example append [-- DIR [ROUNDS [SECONDS]]]`. So many tasks, each waiting for its entry to
//! be durable before it brings the next. Every store is fed by one thread that takes whatever waits, makes it durable
//! as one batch, and wakes the waiters: group commit as it arises, the same for all. The log does more in that time:
//! it stamps, hashes, signs each head, and feeds sled and tiles behind the commit point.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use audit::log::{Config, Log};
use bytes::Bytes;
use proto::entry::{Draft, Kind};
use tokio::sync::oneshot;

#[path = "../shared/key.rs"]
mod key;
mod stores;

use key::Key;
use stores::{Store, open};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Bytes of an entry, about those of an exchange entry.
pub(crate) const ENTRY_BYTES: usize = 600;
/// Tasks that append at once.
const IN_FLIGHT: [usize; 4] = [1, 16, 128, 1_024];
/// Entries of one batch at most, as in the log.
const BATCH_MAX: usize = 512;
/// What does the same work.
const STORES: [&str; 7] = [
    "file",
    "file, preallocated",
    "sqlite wal",
    "redb",
    "fjall",
    "sled, one a value",
    "sled, packed 16",
];
const LOG: &str = "the log";
const ORIGIN: &str = "append.test/log";

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let rounds: usize = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    println!(
        "{rounds} rounds of {seconds} s, {ENTRY_BYTES} bytes an entry; entries/s, median (lowest..highest); batch: entries a sync"
    );
    println!("| in flight | store | entries/s | ÷ file | batch | µs of CPU an entry |");
    println!("|---|---|---|---|---|---|");
    for tasks in IN_FLIGHT {
        let mut told: Vec<(&str, Vec<Figures>)> = STORES
            .iter()
            .chain([&LOG])
            .map(|name| (*name, Vec::new()))
            .collect();
        for _ in 0..rounds {
            for (name, figures) in &mut told {
                let place = tempfile::tempdir_in(&dir)?;
                let window = Duration::from_secs(seconds);
                figures.push(if *name == LOG {
                    runtime.block_on(log(place.path(), tasks, window))?
                } else {
                    let store = open(name, place.path())?;
                    runtime.block_on(grouped(store, tasks, window))?
                });
            }
        }
        table(tasks, &told);
    }
    Ok(())
}

/// One window.
#[derive(Clone, Copy, Debug)]
struct Figures {
    per_second: f64,
    batch: f64,
    cpu_us: f64,
}

/// Medians over rounds; ratios are taken within a round, against the plain file.
fn table(tasks: usize, told: &[(&str, Vec<Figures>)]) {
    let files = &told[0].1;
    for (name, figures) in told {
        let of = |value: &dyn Fn(usize) -> f64| {
            let mut values: Vec<f64> = (0..figures.len()).map(value).collect();
            values.sort_by(f64::total_cmp);
            let (low, high) = (values[0], values[values.len() - 1]);
            (values[values.len() / 2], low, high)
        };
        let (rate, low, high) = of(&|round| figures[round].per_second);
        let (ratio, worst, best) = of(&|round| figures[round].per_second / files[round].per_second);
        let (batch, ..) = of(&|round| figures[round].batch);
        let (cpu, ..) = of(&|round| figures[round].cpu_us);
        println!(
            "| {tasks} | {name} | {rate:.0} ({low:.0}..{high:.0}) | {ratio:.2} ({worst:.2}..{best:.2}) | {batch:.1} | {cpu:.1} |"
        );
    }
}

/// Runs `tasks` closed loops over `append` and counts what was acknowledged.
async fn loops<A, F>(tasks: usize, window: Duration, append: A) -> Result<Figures, Failure>
where
    A: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (stop, count, append) = (Arc::clone(&stop), Arc::clone(&count), append.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    append().await?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), Failure>(())
            })
        })
        .collect();
    // What is new to every store is not counted.
    tokio::time::sleep(window / 4).await;
    let (began, cpu, before) = (Instant::now(), cpu_time(), count.load(Ordering::Relaxed));
    tokio::time::sleep(window).await;
    let appended = (count.load(Ordering::Relaxed) - before) as f64;
    let (elapsed, cpu) = (began.elapsed(), cpu_time().saturating_sub(cpu));
    stop.store(true, Ordering::Relaxed);
    for task in running {
        task.await??;
    }
    Ok(Figures {
        per_second: appended / elapsed.as_secs_f64(),
        batch: 0.0,
        cpu_us: cpu.as_secs_f64() * 1e6 / appended.max(1.0),
    })
}

/// The log as it is run.
async fn log(dir: &Path, tasks: usize, window: Duration) -> Result<Figures, Failure> {
    let genesis = draft(Kind::Genesis);
    let log = Log::create(Config::new(dir, ORIGIN), genesis, Arc::new(Key::new()?)).await?;
    let (appending, before) = (log.clone(), log.statistics());
    let figures = loops(tasks, window, move || {
        let log = appending.clone();
        async move {
            let arriving = log.arriving();
            log.append(draft(Kind::Request), None).await?;
            drop(arriving);
            Ok(())
        }
    });
    let figures = figures.await?;
    let after = log.statistics();
    log.close().await?;
    let commits = (after.commits - before.commits).max(1);
    Ok(Figures {
        batch: (after.size - before.size) as f64 / commits as f64,
        ..figures
    })
}

fn draft(kind: Kind) -> Draft {
    Draft {
        kind,
        facts: Bytes::from_static(&[7; 200]),
        header: Bytes::from_static(&[7; ENTRY_BYTES - 257]),
        seal: None,
    }
}

/// An entry and the one who waits for it.
type Waiting = (Bytes, oneshot::Sender<()>);

/// A store behind one thread that commits whatever waits.
async fn grouped(
    mut store: Box<dyn Store>,
    tasks: usize,
    window: Duration,
) -> Result<Figures, Failure> {
    let (sender, waiting) = mpsc::channel::<Waiting>();
    let writer = std::thread::spawn(move || -> Result<(u64, u64), Failure> {
        let (mut size, mut commits) = (0, 0);
        while let Ok(first) = waiting.recv() {
            let batch: Vec<Waiting> = std::iter::once(first)
                .chain(waiting.try_iter())
                .take(BATCH_MAX)
                .collect();
            let entries: Vec<Bytes> = batch.iter().map(|(entry, _)| entry.clone()).collect();
            store.commit(size, &entries)?;
            size += entries.len() as u64;
            commits += 1;
            for (_, waiter) in batch {
                // A loop that was told to stop no longer waits.
                let _ = waiter.send(());
            }
        }
        Ok((size, commits))
    });
    let entry = Bytes::from_static(&[7; ENTRY_BYTES]);
    let figures = loops(tasks, window, move || {
        let (sender, entry) = (sender.clone(), entry.clone());
        async move {
            let (waiter, told) = oneshot::channel();
            sender.send((entry, waiter))?;
            Ok(told.await?)
        }
    });
    let figures = figures.await?;
    let (size, commits) = writer.join().map_err(|_| "the writer panicked")??;
    Ok(Figures {
        batch: size as f64 / commits.max(1) as f64,
        ..figures
    })
}

fn cpu_time() -> Duration {
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(clock.tv_sec as u64, clock.tv_nsec as u32)
}
