//! Creating and opening a log: the lock, the key, the journal, the first checkpoint, the threads.
//!
//! Takes a configuration and the log's signer; gives a running log whose head is signed and published.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use arc_swap::ArcSwap;
use proto::entry::{Draft, Kind};
use proto::key::Signer;
use tokio::sync::watch;

use super::alone::Relief;
use super::commits::Commits;
use super::directory::{bundles, lock};
use super::ending::Ending;
use super::keeper::Keeper;
use super::keeper::publishing::recorded;
use super::queue::Queue;
use super::signers::{Signers, at_hand};
use super::sweeper::Sweeper;
use super::writer::{Recorder, Waiting};
use super::{Config, Inner, Log, LogError, Shared, Threads, keeper, writer};
use crate::checkpoint::{self, LogKey};
use crate::journal::{
    Admission, Journal, JournalError, Recovery, RecoveryReport, TailAndStore, stamp_batch,
};
use crate::rebuild::repaired;
use crate::tiles::published::{SUBMITTED_FILE, read_published};
use crate::tiles::{Pruned, TileStore, durable};
use crate::tree::{TreeHead, root_of};

/// The reason of a log that was ended by its owner.
pub(super) const CLOSED: &str = "the log was closed";
const KEY_FILE: &str = "log.vkey";

impl Log {
    /// Creates a log whose entry 0 is `genesis`, publishes it, and opens it.
    ///
    /// # Errors
    /// [`LogError::WrongDirectory`] where a log already stands, or for a draft of another kind;
    /// [`LogError`] otherwise.
    pub async fn create(
        config: Config,
        genesis: Draft,
        signer: Arc<dyn Signer>,
    ) -> Result<Self, LogError> {
        off_async(move || {
            if genesis.kind != Kind::Genesis {
                return Err(LogError::WrongDirectory(
                    "entry 0 of a log is its genesis".into(),
                ));
            }
            let dir = config.layout.dir.clone();
            let key = LogKey::new(&config.origin, signer.key())?;
            durable::create_dirs(&dir).map_err(io("creating", &dir))?;
            let lock = lock(&dir)?;
            for name in ["checkpoint", KEY_FILE, "tile", "tail", "store"] {
                if dir.join(name).exists() {
                    let reason = format!("{} is there already: a log was begun here", name);
                    return Err(LogError::WrongDirectory(format!(
                        "{}: {reason}",
                        dir.display()
                    )));
                }
            }
            let journal = TailAndStore::create(config.layout.clone(), Some(bundles(&dir)))?;
            let key_file = dir.join(KEY_FILE);
            durable::write_file(&key_file, format!("{}\n", key.to_vkey()).as_bytes())
                .map_err(io("writing", &key_file))?;
            let now_us = config.clock.now_us();
            let admission = Admission {
                draft: genesis,
                judged_registry: None,
            };
            let committed = journal.commit(vec![admission], &mut |head, drafts| {
                stamp_batch(head, drafts, now_us, config.broker)
            })?;
            if let Some(Err(declined)) = committed.outcomes.into_iter().next() {
                return Err(JournalError::Refused(format!("genesis: {declined}")).into());
            }
            start(
                config,
                Signers::new(key, vec![signer]),
                Arc::new(journal),
                Opened {
                    report: None,
                    lock: Some(lock),
                },
            )
        })
        .await
    }

    /// Opens the log in the configuration's directory, after making sure that nothing of it is missing.
    ///
    /// # Errors
    /// [`LogError`]; the message says what is missing and how to repair it.
    pub async fn open(config: Config, signer: Arc<dyn Signer>) -> Result<Self, LogError> {
        Self::open_with(config, vec![signer]).await
    }

    /// As [`Log::open`], with every key that is at hand: the one that signs now, during an overlap the one before it, and
    /// the next one where it shall be recorded. Others are not looked at.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub async fn open_with(
        config: Config,
        signers: Vec<Arc<dyn Signer>>,
    ) -> Result<Self, LogError> {
        off_async(move || {
            let dir = config.layout.dir.clone();
            let no_log =
                |what: String| LogError::WrongDirectory(format!("{}: {what}", dir.display()));
            let vkey = fs::read_to_string(dir.join(KEY_FILE))
                .map_err(|error| no_log(format!("no log here ({KEY_FILE}: {error})")))?;
            let lock = lock(&dir)?;
            let key = LogKey::from_vkey(&vkey)?;
            if key.origin() != config.origin {
                return Err(no_log(format!(
                    "this log is {}, the configured one {}",
                    key.origin(),
                    config.origin
                )));
            }
            key.follow_beside(&dir)?;
            at_hand(&key, &signers).map_err(no_log)?;
            let published = published(&dir, &key)?;
            let (journal, mut report) = TailAndStore::open(
                config.layout.clone(),
                Some(bundles(&dir)),
                published,
                config.recovery,
            )?;
            let from = published.map_or(0, |published| published.size);
            // A start from the vkey: what was followed may have gone with the tail.
            let first = LogKey::from_vkey(&vkey)?;
            let key = Signers::settle(&dir, &first, from, &journal)?;
            report.repaired = repaired::read(&dir, report.size);
            repaired::forget(&dir, report.size);
            let opened = Opened {
                report: Some(report),
                lock: Some(lock),
            };
            start(
                config,
                Signers::new(key, signers),
                Arc::new(journal),
                opened,
            )
        })
        .await
    }

    /// Runs a log over any journal that already holds its genesis. The journal itself must make sure that
    /// it extends the checkpoint published in the configuration's directory.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn over(
        config: Config,
        signer: Arc<dyn Signer>,
        journal: Arc<dyn Journal>,
    ) -> Result<Self, LogError> {
        off_async(move || {
            durable::create_dirs(&config.layout.dir).map_err(io("creating", &config.layout.dir))?;
            let key = LogKey::new(&config.origin, signer.key())?;
            start(
                config,
                Signers::new(key, vec![signer]),
                journal,
                Opened {
                    report: None,
                    lock: None,
                },
            )
        })
        .await
    }
}

/// What opening a directory gave besides its journal.
struct Opened {
    report: Option<RecoveryReport>,
    lock: Option<File>,
}

/// Signs and publishes the durable head, then starts both threads.
fn start(
    config: Config,
    signers: Signers,
    journal: Arc<dyn Journal>,
    mut opened: Opened,
) -> Result<Log, LogError> {
    let dir = config.layout.dir.clone();
    let key = signers.key().clone();
    let head = journal.head()?;
    if head.size() == 0 {
        return Err(unfinished(&dir));
    }
    let tiles = TileStore::new(&dir);
    let mut keeper = Keeper {
        tiles: tiles.writer(),
        published: published(&dir, &key)?,
        submitted: recorded(&dir, &key)?,
        keep_interval: config.keep_interval,
        publish_interval: config.publish_interval,
        cosign_wait: config.cosign_wait,
        pending: None,
        prompt: true,
        waiting: Vec::new(),
    };
    let failed = |reason: String| LogError::Stopped(reason.into());
    let pruned = Pruned::of(&tiles)?;
    let mended = keeper
        .mend(&*journal, &tiles, &pruned)
        .map_err(LogError::Mending)?;
    if let Some(report) = &mut opened.report {
        report.mended = mended;
    }
    let checkpoint = signers.sign(&head).map_err(LogError::Signer)?;
    // An earlier run may have died between writing these files and publishing them.
    keeper.tiles.replace_unpublished(true);
    keeper.put(&*journal, &dir, &checkpoint).map_err(failed)?;
    keeper.tiles.replace_unpublished(false);
    keeper.submitted = extends(&tiles, head.edge.head(), keeper.submitted, config.recovery)?;
    journal.keep(head.size())?;
    let checkpoint = Arc::new(checkpoint);
    let shared = Arc::new(Shared {
        signers,
        journal,
        reader: Mutex::new(Arc::new(tiles.reader(head.size()))),
        pruned,
        tiles,
        latest: ArcSwap::new(Arc::clone(&checkpoint)),
        registry: watch::Sender::new(head.registry_size()),
        head: watch::Sender::new(Arc::new(head)),
        published: watch::Sender::new(checkpoint),
        submitted: watch::Sender::new(None),
        stopped: watch::Sender::new(None),
        arriving: AtomicUsize::new(0),
        commits: Commits::default(),
    });
    let queue = Arc::new(Queue::new(config.queue_entries));
    let (calls, called) = mpsc::channel();
    let recorder = Arc::new(Recorder::new(&config, calls.clone()));
    let relief = Arc::new(Relief::default());
    let parts = (&shared, &queue, &recorder, &relief);
    let threads = spawn(parts, config, keeper, called)?;
    let inner = Inner {
        shared,
        queue,
        recorder,
        relief,
        keeper: calls,
        threads: Mutex::new(Some(threads)),
        report: opened.report,
        _lock: opened.lock,
    };
    Ok(Log {
        inner: Arc::new(inner),
    })
}

/// The error of a directory whose log has no entry yet.
fn unfinished(dir: &Path) -> LogError {
    let what = "creating this log was cut short before entry 0; remove it and begin again";
    LogError::WrongDirectory(format!("{}: {what}", dir.display()))
}

/// Whether the tree of `head`, whose tiles are written, begins with what was shown to witnesses. Gives what the record
/// says from here on.
fn extends(
    tiles: &TileStore,
    head: TreeHead,
    submitted: Option<TreeHead>,
    recovery: Recovery,
) -> Result<Option<TreeHead>, LogError> {
    let Some(shown) = submitted else {
        return Ok(None);
    };
    if shown.size <= head.size && root_of(&tiles.reader(head.size), shown.size)? == shown.root {
        return Ok(submitted);
    }
    let error = LogError::Submitted {
        size: shown.size,
        head: head.size,
    };
    if recovery != Recovery::AcceptTailLoss {
        return Err(error);
    }
    // What the operator gave up, the operator answers for; witnesses keep what they saw all the same.
    tracing::error!(%error, "going on all the same, as the tail's loss was accepted");
    let path = tiles.dir().join(SUBMITTED_FILE);
    let aside = path.with_extension(format!("lost-{}", shown.size));
    fs::rename(&path, &aside)
        .and_then(|()| durable::sync_dir(tiles.dir()))
        .map_err(io("setting aside", &path))?;
    Ok(None)
}

/// What threads and handle share.
type Parts<'a> = (
    &'a Arc<Shared>,
    &'a Arc<Queue<Waiting>>,
    &'a Arc<Recorder>,
    &'a Arc<Relief>,
);

/// Starts writer and keeper. Whichever fails stops the log; the writer also ends the queue, so that
/// everyone who waits is told.
fn spawn(
    (shared, queue, recorder, relief): Parts<'_>,
    config: Config,
    keeper: Keeper,
    called: mpsc::Receiver<keeper::Call>,
) -> Result<Threads, LogError> {
    let spawning = |error| LogError::Io {
        what: "starting a thread".into(),
        error,
    };
    let ending = Ending::new(shared, queue);
    let keeping = std::thread::Builder::new()
        .name("log-keeper".into())
        .spawn(move || {
            let ended = keeper.run(&ending.shared, &called);
            ending.with(ended);
        })
        .map_err(spawning)?;
    let (sweeping, swept) = mpsc::channel();
    let sweeper = Sweeper::new(config.sweep_interval, config.index);
    let swept_log = Arc::clone(shared);
    let sweeper = std::thread::Builder::new()
        .name("log-sweeper".into())
        .spawn(move || sweeper.run(&swept_log, &swept))
        .map_err(spawning)?;
    let relieving = relief.start().map_err(spawning)?;
    let ending = Ending::new(shared, queue);
    let gather = Duration::from_micros(u64::from(config.gather_us));
    let recorder = Arc::clone(recorder);
    let writing = std::thread::Builder::new()
        .name("log-writer".into())
        .spawn(move || {
            let ended = writer::run(&ending.shared, &ending.queue, &recorder, gather);
            ending.with(ended);
        })
        .map_err(spawning)?;
    Ok(Threads {
        writer: writing,
        keeper: keeping,
        sweeper,
        relief: relieving,
        sweeping,
    })
}

/// The verified published checkpoint; `None` before the first.
fn published(dir: &Path, key: &LogKey) -> Result<Option<TreeHead>, LogError> {
    let Some(published) = read_published(dir)? else {
        return Ok(None);
    };
    Ok(Some(checkpoint::open(&published.note, key)?.head()))
}

pub(super) fn io(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> LogError {
    let what = format!("{what} {}", path.display());
    move |error| LogError::Io { what, error }
}

/// Runs what reads and writes files off the async threads.
async fn off_async(
    work: impl FnOnce() -> Result<Log, LogError> + Send + 'static,
) -> Result<Log, LogError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| LogError::Stopped(error.to_string().into()))?
}
