//! The log's witnesses: each published checkpoint is shown to them, and their cosignatures are put under it.
//!
//! Takes checkpoints that the log holds ([`Log::submitted`]); gives cosignatures back, and counts. Every witness has a task
//! of its own, so that a slow one keeps nobody waiting, and neither an exchange nor the log ever waits for one. A witness that
//! shows that the log went back, or has another history, stops the log: going on would only make the fork longer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::checkpoint::SignedCheckpoint;
use audit::log::Log;
use audit::note::NoteSignature;
use audit::policy::{POLICY_BYTES_MAX, Policy, PolicyError, Wrong};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::WitnessConfig;

mod against;
mod asked;
mod lateness;
mod round;
mod start;
#[cfg(test)]
mod tests;

pub use against::Against;
pub use lateness::{Counts, Lateness};
pub use start::Unwitnessed;

use asked::{Asked, Outcome};
use round::{Round, wake_at};

/// How long further cosignatures are waited for once the quorum is there.
const GRACE: Duration = Duration::from_millis(100);
/// How much longer than a witness may take the log holds a checkpoint: for the way there and back in this process.
const HOLD_MORE: Duration = Duration::from_millis(200);
/// Before a witness that gave nothing is asked about the same checkpoint again.
const AGAIN: Duration = Duration::from_secs(1);

/// The witnesses of one log.
#[derive(Debug)]
pub struct Witnesses {
    policy: Policy,
    /// Those that have an address, each with its position in the policy.
    asked: Vec<Arc<Asked>>,
    config: WitnessConfig,
    lateness: watch::Sender<Lateness>,
}

/// What one witness said about the checkpoint of `size`.
#[derive(Debug)]
struct Answer {
    witness: usize,
    size: u64,
    line: NoteSignature,
}

impl Witnesses {
    /// How long the log has to hold a checkpoint for `config`.
    pub fn hold(config: &WitnessConfig) -> Duration {
        config.timeout + HOLD_MORE
    }

    /// Reads the policy that `config` names, for the log of `key`.
    ///
    /// # Errors
    /// [`WitnessesError`]: a policy that cannot be read, is of another log, or whose quorum cannot be reached.
    pub fn open(
        config: &WitnessConfig,
        key: &audit::checkpoint::LogKey,
    ) -> Result<Self, WitnessesError> {
        let path = config.policy.clone();
        let policy = read_policy(&path)?;
        if !policy.covers(key) {
            let vkey = key.to_vkey();
            return Err(WitnessesError::OtherLog { path, vkey });
        }
        if !policy.asks_for_witnesses() {
            return Err(WitnessesError::NoWitness(path));
        }
        let clients = asked::clients(config)?;
        let mut asked = Vec::new();
        for (position, witness) in policy.witnesses().iter().enumerate() {
            if let Some(url) = &witness.url {
                let one = Asked::new(
                    position,
                    witness,
                    url,
                    key.origin(),
                    clients.clone(),
                    config,
                );
                asked.push(Arc::new(one?));
            }
        }
        let mut reachable = vec![false; policy.witnesses().len()];
        for one in &asked {
            reachable[one.position] = true;
        }
        if !policy.quorum_of(&reachable) {
            let quorum = policy.quorum_text();
            return Err(WitnessesError::Unreachable { path, quorum });
        }
        Ok(Self {
            lateness: watch::Sender::new(Lateness::new(config)),
            policy,
            asked,
            config: config.clone(),
        })
    }

    /// How cosigning went so far, and a way to wait for it to change.
    pub fn counts(&self) -> watch::Receiver<Lateness> {
        self.lateness.subscribe()
    }

    /// Asks the witnesses about every checkpoint of `log` until the log has stopped or `done` is cancelled. What it starts
    /// besides itself is in `tasks`.
    pub fn run(
        self: Arc<Self>,
        log: Log,
        done: CancellationToken,
        tasks: TaskTracker,
    ) -> impl Future<Output = ()> + Send {
        // From the call on, not from when the task first runs: a checkpoint that nobody follows is published without
        // witnesses, and on a quiet log it would stay so.
        let submitted = log.submitted();
        self.follow(submitted, log, done, tasks)
    }

    async fn follow(
        self: Arc<Self>,
        mut submitted: watch::Receiver<Option<Arc<SignedCheckpoint>>>,
        log: Log,
        done: CancellationToken,
        tasks: TaskTracker,
    ) {
        let (told, mut answers) = mpsc::channel(self.asked.len() * 2);
        // What the log submitted before is cosigned like the rest.
        submitted.mark_changed();
        for one in &self.asked {
            let (one, witnesses, log) = (Arc::clone(one), Arc::clone(&self), log.clone());
            let (told, submitted, done) = (told.clone(), log.submitted(), done.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = witnesses.ask_on(&one, &log, submitted, told) => {}
                    () = done.cancelled() => {}
                    _ = log.stopped() => {}
                }
            });
        }
        let mut round = None;
        loop {
            let until = wake_at(round.as_ref(), &self.lateness.borrow());
            let answer = tokio::select! {
                () = done.cancelled() => return,
                _ = log.stopped() => return,
                changed = submitted.changed() => match changed {
                    Ok(()) => None,
                    Err(_) => return,
                },
                answer = answers.recv() => answer,
                () = tokio::time::sleep_until(until.into()) => None,
            };
            // Before any answer: what it is about may have been submitted since this task last looked, and an answer
            // that belongs to no round is dropped.
            let held = submitted.borrow_and_update().clone();
            let size = held.map(|held| held.checkpoint.size);
            if let Some(size) = size
                && round
                    .as_ref()
                    .is_none_or(|round: &Round| round.size != size)
            {
                self.begin(&mut round, size);
            }
            if let Some(answer) = answer {
                self.heard(&mut round, answer);
            }
            let now = Instant::now();
            if let Some(round) = &mut round {
                round.hand_over_when_due(&log, now);
            }
            self.look_at_the_clock(&log, now);
        }
    }

    fn begin(&self, round: &mut Option<Round>, size: u64) {
        let now = Instant::now();
        let old = round.replace(Round {
            size,
            lines: Vec::new(),
            there: vec![false; self.policy.witnesses().len()],
            hand_over: Some(now + self.config.timeout),
            quorum: false,
        });
        let missed = old.is_some_and(|old| !old.quorum);
        self.lateness
            .send_modify(|lateness| lateness.begun(now, missed));
    }

    fn heard(&self, round: &mut Option<Round>, answer: Answer) {
        let Some(round) = round.as_mut().filter(|round| round.size == answer.size) else {
            return;
        };
        let now = Instant::now();
        round.lines.push(answer.line);
        round.there[answer.witness] = true;
        if round.quorum || !self.policy.quorum_of(&round.there) {
            // Late, or one more than were waited for: it is put under what is published all the same.
            if round.hand_over.is_none() {
                round.hand_over = Some(now);
            }
            return;
        }
        round.quorum = true;
        let all = round.lines.len() == self.asked.len();
        let late = round.hand_over.is_none();
        round.hand_over = Some(if all || late { now } else { now + GRACE });
        let told = self.lateness.borrow().is_alarmed();
        self.lateness.send_modify(Lateness::held);
        if told {
            tracing::info!(size = round.size, "a quorum of witnesses cosigns again");
        }
    }

    /// Says that the quorum is late, and stops the log where the configuration says so.
    fn look_at_the_clock(&self, log: &Log, now: Instant) {
        if self.lateness.borrow().alarm_is_due(now) {
            self.lateness.send_modify(|lateness| lateness.alarmed(now));
            let lateness = self.lateness.borrow().clone();
            tracing::error!(
                late_ms = lateness.late_ms(now),
                alarms = lateness.counts.alarms,
                silent = %self.silent(),
                "ALARM: no quorum of witnesses cosigns; checkpoints are published without it"
            );
        }
        if let Some(limit) = self.config.stop_after
            && self.lateness.borrow().late_ms(now) >= limit.as_millis() as u64
        {
            log.halt(&format!(
                "no quorum of witnesses has cosigned for {} s, the limit of witness.stop_after_ms; reach the witnesses, then start again",
                limit.as_secs()
            ));
        }
    }

    /// The witnesses that answered nothing useful last, for people.
    fn silent(&self) -> String {
        let failures = self.asked.iter().filter_map(|one| one.failure());
        failures.collect::<Vec<_>>().join("; ")
    }

    /// One witness: the newest checkpoint, again and again.
    async fn ask_on(
        &self,
        one: &Asked,
        log: &Log,
        mut submitted: watch::Receiver<Option<Arc<SignedCheckpoint>>>,
        told: mpsc::Sender<Answer>,
    ) {
        loop {
            let held = submitted.borrow_and_update().clone();
            let outcome = match &held {
                Some(held) => Some((held.checkpoint.size, one.ask(log, held).await)),
                None => None,
            };
            let doubts = one.take_doubts();
            if doubts > 0 {
                self.lateness
                    .send_modify(|lateness| lateness.counts.doubts += doubts);
            }
            let again = match outcome {
                Some((size, Outcome::Cosigned(line))) => {
                    let answer = Answer {
                        witness: one.position,
                        size,
                        line,
                    };
                    if told.send(answer).await.is_err() {
                        return;
                    }
                    None
                }
                Some((_, Outcome::Against(against))) => {
                    log.halt(&against.to_string());
                    return;
                }
                // It is said with the alarm, if it lasts.
                Some((_, Outcome::Useless)) => Some(AGAIN),
                None => None,
            };
            let changed = submitted.changed();
            let changed = match again {
                Some(again) => tokio::time::timeout(again, changed).await.unwrap_or(Ok(())),
                None => changed.await,
            };
            if changed.is_err() {
                return;
            }
        }
    }
}

fn read_policy(path: &Path) -> Result<Policy, WitnessesError> {
    let path_of = || path.to_owned();
    let read = |error| WitnessesError::Read {
        path: path_of(),
        error,
    };
    let wrong = |error| WitnessesError::Policy {
        path: path_of(),
        error,
    };
    if std::fs::metadata(path).map_err(read)?.len() > POLICY_BYTES_MAX as u64 {
        let (line, what) = (None, Wrong::TooLarge);
        return Err(wrong(PolicyError { line, what }));
    }
    let bytes = std::fs::read(path).map_err(read)?;
    Policy::parse(&bytes).map_err(wrong)
}

/// Why the witnesses that a configuration names cannot be asked.
#[derive(Debug, Error)]
pub enum WitnessesError {
    /// The policy file cannot be read.
    #[error("witness.policy: {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The policy is none.
    #[error("witness.policy: {}: {error}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: PolicyError,
    },
    /// The policy names other logs.
    #[error(
        "witness.policy: {} names logs, and {vkey} is not one of them: add it, or leave out every log line",
        path.display()
    )]
    OtherLog {
        /// The file.
        path: PathBuf,
        /// This log's key.
        vkey: String,
    },
    /// The policy asks for nobody.
    #[error("witness.policy: {} has the quorum none: leave out [witness] where nobody shall cosign", .0.display())]
    NoWitness(PathBuf),
    /// Too few witnesses have an address.
    #[error(
        "witness.policy: {} asks for {quorum}, and too few of those witnesses have a URL: write it behind the key",
        path.display()
    )]
    Unreachable {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        quorum: String,
    },
    /// An address that cannot be asked.
    #[error(
        "witness.policy: the URL of {0} is not http://HOST... or https://HOST... without user, query and fragment"
    )]
    Url(String),
    /// An https witness, and nobody to believe about it.
    #[error(
        "witness.tls_root: missing, and the policy has an https witness: name the PEM file that says whom to believe about it"
    )]
    NoRoot,
    /// The client cannot be made.
    #[error("witness.tls_root: {0}")]
    Client(String),
}
