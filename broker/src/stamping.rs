//! Trusted time: the published checkpoint, stamped by an authority that the operator does not run.
//!
//! A task of its own. Takes the log's published checkpoint and asks the configured authorities in turn; keeps note and
//! token under `time/` in the log's folder. Nothing waits for it: an exchange and a publication never do. When no
//! authority answers it tells an error, and where a limit is configured it says that the switch must end.
//!
//! What is stamped is the latest: published for this, and its token is kept only if the answer came at once. An auditor
//! takes whatever the log records after a checkpoint to be later than its token (`audit::verify`), less a tolerance.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use audit::checkpoint::{self, CheckpointError};
use audit::clock::Clock;
use audit::log::{Log, LogError};
use audit::timestamp::{self, Request, TimestampError, TrustedTime, kept};
use audit::verify::TOLERANCE;
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::authority::{AskError, Authority};
use crate::config::TimeConfig;

mod authority;

/// From publishing to an answer, at most: below the auditor's tolerance, so that no honest stamp lies outside it.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// What an authority gets of it at least.
const ASK_MIN: Duration = Duration::from_secs(1);
/// How soon after a failure the authorities are asked again, unless the interval is shorter.
const AGAIN: Duration = Duration::from_secs(10);

/// How trusted time stands. Counters begin with the process.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Tokens kept.
    pub tokens: u64,
    /// Times that one authority did not give a token.
    pub failures: u64,
    /// Times that all of them failed while the last token was older than `time.alarm_after`.
    pub alarms: u64,
    /// Tokens whose time lay further from the switch's clock than an auditor tolerates.
    pub astray: u64,
    /// The last token: entries under its checkpoint, and what it says.
    pub last: Option<(u64, TrustedTime)>,
    /// Why the switch must end, once it must.
    pub must_end: Option<Arc<str>>,
}

/// What stamps; see this file's head.
#[derive(Debug)]
pub(crate) struct Stamping {
    log: Log,
    dir: PathBuf,
    clock: Clock,
    authorities: Vec<Authority>,
    interval: Duration,
    alarm_after: Duration,
    stop_after: Option<Duration>,
    standing: watch::Sender<Standing>,
}

impl Stamping {
    /// Reads what `config` names. Asks nobody yet.
    ///
    /// # Errors
    /// A sentence for each authority that cannot be used.
    pub(crate) fn open(
        config: &TimeConfig,
        dir: PathBuf,
        log: Log,
        clock: Clock,
    ) -> Result<Self, Vec<String>> {
        Ok(Self {
            log,
            dir,
            clock,
            authorities: authorities(config)?,
            interval: config.interval,
            alarm_after: config.alarm_after,
            stop_after: config.stop_after,
            standing: watch::Sender::new(Standing::default()),
        })
    }

    /// How it stands, and a way to wait for news.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Stamps until `done`, or until the log has stopped.
    pub(crate) async fn run(self, done: CancellationToken) {
        tokio::select! {
            biased;
            () = done.cancelled() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&self) {
        let mut last = self.last_kept().await;
        loop {
            let began = Instant::now();
            let next = match self.stamp().await {
                Ok(()) => {
                    last = Instant::now();
                    self.interval
                }
                // The log says why, and the switch ends with it.
                Err(StampError::Log(_)) => return,
                Err(_) => {
                    self.late(last.elapsed());
                    self.interval.min(AGAIN)
                }
            };
            tokio::time::sleep_until(began + next).await;
        }
    }

    /// When the last token of an earlier run was made, so that starting anew does not begin the time limits anew; now,
    /// where there is none that the configured roots stand behind.
    async fn last_kept(&self) -> Instant {
        let dir = self.dir.clone();
        let found = off_async(move || match kept::sizes(&dir)?.last() {
            Some(size) => kept::read(&dir, *size),
            None => Ok(None),
        });
        let now = Instant::now();
        let Ok(Some(kept)) = found.await else {
            return now;
        };
        let token = kept.last.as_ref().unwrap_or(&kept.token);
        let time = self
            .authorities
            .iter()
            .find_map(|authority| timestamp::verify(token, &kept.note, &authority.roots).ok());
        let age_us = time.map_or(0, |time| self.clock.now_us().saturating_sub(time.at_us));
        now.checked_sub(Duration::from_micros(age_us))
            .unwrap_or(now)
    }

    /// Asks one authority after the other for a token over the latest checkpoint, until one gives it.
    async fn stamp(&self) -> Result<(), StampError> {
        let mut failed = StampError::Nobody;
        for authority in &self.authorities {
            match self.stamp_by(authority).await {
                Ok(()) => return Ok(()),
                Err(StampError::Log(error)) => return Err(StampError::Log(error)),
                Err(error) => {
                    tracing::warn!(authority = %authority.url, %error, "no time-stamp");
                    self.standing.send_modify(|standing| standing.failures += 1);
                    failed = error;
                }
            }
        }
        Err(failed)
    }

    async fn stamp_by(&self, authority: &Authority) -> Result<(), StampError> {
        let began = Instant::now();
        let published = self.log.publish_now().await?;
        // Held for its witnesses: the next one is stamped, rather than this one late.
        let held = began.elapsed();
        if held + ASK_MIN > ANSWER_MAX {
            return Err(StampError::Held(held.as_millis()));
        }
        let size = published.checkpoint.size;
        let dir = self.dir.clone();
        let kept = off_async(move || kept::read(&dir, size)).await?;
        if let Some(kept) = &kept
            && checkpoint::read_unverified(&kept.note)?.head() != published.checkpoint.head()
        {
            return Err(StampError::OtherHistory(size));
        }
        // A log that stands still is stamped again over the same bytes.
        let note: Bytes = match &kept {
            Some(kept) => kept.note.clone(),
            None => published.note.clone(),
        };
        let request = Request::new(&note)?;
        let left = ANSWER_MAX.saturating_sub(began.elapsed());
        let answer = authority.ask(request.to_der(), left).await?;
        let time = timestamp::open(&answer, &request, &authority.roots)?;
        if began.elapsed() > ANSWER_MAX {
            return Err(AskError::Slow.into());
        }
        let now_us = self.clock.now_us();
        let dir = self.dir.clone();
        off_async(move || match kept {
            Some(_) => kept::keep_again(&dir, size, &answer),
            None => kept::keep(&dir, size, &note, &answer),
        })
        .await?;
        self.compare(&time, now_us);
        tracing::debug!(size, %time, "the checkpoint is stamped");
        self.standing.send_modify(|standing| {
            standing.tokens += 1;
            standing.last = Some((size, time));
        });
        Ok(())
    }

    /// Says when the switch's own clock lies where an auditor will not believe it.
    fn compare(&self, time: &TrustedTime, now_us: u64) {
        let off = Duration::from_micros(now_us.abs_diff(time.at_us));
        if off > TOLERANCE + Duration::from_micros(time.accuracy_us) {
            self.standing.send_modify(|standing| standing.astray += 1);
            let side = if now_us > time.at_us {
                "ahead"
            } else {
                "behind"
            };
            tracing::error!(
                authority = %time.authority, off_ms = u64::try_from(off.as_millis()).unwrap_or(u64::MAX), side,
                "this machine's clock is wrong: an auditor who has the tokens will say so of every stamp. Set the clock"
            );
        }
    }

    /// No authority gave a token; the last one is this old.
    fn late(&self, age: Duration) {
        let since_s = age.as_secs();
        if age >= self.alarm_after {
            self.standing.send_modify(|standing| standing.alarms += 1);
            tracing::error!(
                since_s,
                "no trusted time: none of the time-stamp authorities gives a token. Exchanges go on"
            );
        }
        if let Some(limit) = self.stop_after
            && age >= limit
        {
            let reason = format!(
                "no time-stamp authority gave a token for {since_s} s, and time.stop_after is {} s",
                limit.as_secs()
            );
            self.standing
                .send_modify(|standing| standing.must_end = Some(reason.into()));
        }
    }
}

/// The authorities that `config` names; all that is wrong with them at once.
pub(crate) fn check(config: &TimeConfig) -> Result<(), Vec<String>> {
    authorities(config).map(|_| ())
}

fn authorities(config: &TimeConfig) -> Result<Vec<Authority>, Vec<String>> {
    let (mut opened, mut problems) = (Vec::new(), Vec::new());
    for (position, authority) in config.authorities.iter().enumerate() {
        match Authority::open(authority) {
            Ok(authority) => opened.push(authority),
            Err(why) => problems.push(format!("time.authorities.{}: {why}", position + 1)),
        }
    }
    if problems.is_empty() {
        Ok(opened)
    } else {
        Err(problems)
    }
}

/// Runs what touches files off the async threads.
async fn off_async<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Why there is no token.
#[derive(Debug, Error)]
enum StampError {
    /// No authority is configured.
    #[error("no authority is configured")]
    Nobody,
    /// The log has stopped.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The authority gave no bytes.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The bytes are no token over this checkpoint.
    #[error(transparent)]
    Token(#[from] TimestampError),
    /// Publishing took too long.
    #[error(
        "publishing took {0} ms, which leaves no time to ask: the disk is slow, or witness.timeout_ms is large"
    )]
    Held(u128),
    /// Another checkpoint of this size was stamped: it is evidence, and stays.
    #[error(
        "time/ holds a token over another log of {0} entries: this one lost entries and went on. The next size is stamped"
    )]
    OtherHistory(u64),
    /// A kept note is no checkpoint.
    #[error("a note under time/: {0}")]
    Note(#[from] CheckpointError),
    /// Note or token cannot be kept or read.
    #[error("the folder time/ of the log: {0}")]
    Folder(#[from] io::Error),
}
