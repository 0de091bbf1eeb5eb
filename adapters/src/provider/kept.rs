//! Answers kept for retries: one run of the backend for one question, however often it is asked.
//!
//! Kept per (consumer, first exchange id) for ten minutes, within a bound of bytes. A retry of the
//! same question gets the kept answer, sealed anew, and one that comes while the first still runs
//! waits for it. Another question under the same id is refused: `operation_mismatch` when it asks
//! for something else (service, operation, purpose or fields), `payload_mismatch` when it commits to
//! another payload. Only final outcomes are kept: a backend that broke may be asked again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use proto::commitment::Commitment;
use proto::digest::Digest;
use proto::header::{AnswerStatus, RequestHeader};
use proto::limits::KEPT_ANSWER_MS;
use proto::refusal::Code;
use tokio::sync::watch;

use super::Reply;
use super::memory::asked_by;

/// Answers kept at most, however small.
const KEPT_MAX: usize = 100_000;

/// What the backend said, or what was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: AnswerStatus,
    /// Only with [`AnswerStatus::Answered`].
    pub(super) reply: Option<Reply>,
    /// The encoded result of each item; empty where one thing was asked.
    pub(super) results: Vec<Bytes>,
}

impl Outcome {
    pub(super) fn of(status: AnswerStatus) -> Arc<Self> {
        Arc::new(Self {
            status,
            reply: None,
            results: Vec::new(),
        })
    }

    pub(super) fn answered(reply: Reply) -> Arc<Self> {
        Arc::new(Self {
            status: AnswerStatus::Answered,
            reply: Some(reply),
            results: Vec::new(),
        })
    }

    /// Whether asking again would change nothing.
    fn is_final(&self) -> bool {
        matches!(
            self.status,
            AnswerStatus::Answered | AnswerStatus::NotFound | AnswerStatus::InvalidRequest
        )
    }

    fn bytes(&self) -> usize {
        let results = self.results.iter();
        let results: usize = results
            .map(|result| result.len() + size_of::<Bytes>())
            .sum();
        self.reply.as_ref().map_or(0, |reply| reply.payload.len()) + results + 512
    }
}

/// Who asked under which first exchange id. A hundred thousand of these lie about, so what is kept of each question is
/// digests, in one place: its texts would each be fetched from memory again when it is forgotten.
type Key = Digest;

fn key_of(request: &RequestHeader) -> Key {
    let first = request.attempt_of.unwrap_or(request.exchange_id);
    asked_by(&request.consumer, first)
}

/// What a retry must repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    asked: Digest,
    payload: Digest,
}

impl Question {
    fn of(request: &RequestHeader) -> Self {
        let mut asked = Vec::with_capacity(256);
        let parts = [&request.service, &request.operation, &request.purpose];
        for part in parts.into_iter().chain(&request.fields) {
            asked.extend_from_slice(part.as_str().as_bytes());
            // No part holds one.
            asked.push(b'/');
        }
        let Commitment {
            form,
            content_type,
            length,
            hmac,
        } = &request.payload;
        let mut payload = Vec::with_capacity(128);
        payload.push(*form as u8);
        payload.extend_from_slice(&length.to_be_bytes());
        payload.extend_from_slice(hmac.as_ref());
        payload.extend_from_slice(content_type.as_bytes());
        Self {
            asked: Digest::of(&asked),
            payload: Digest::of(&payload),
        }
    }
}

/// The kept answers of one adapter.
#[derive(Debug)]
pub(super) struct Kept {
    bytes_max: usize,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_key: HashMap<Key, Slot>,
    oldest_first: VecDeque<(Key, u64)>,
    bytes: usize,
    runs: u64,
}

#[derive(Debug)]
struct Slot {
    question: Question,
    until_ms: u64,
    bytes: usize,
    run: u64,
    state: State,
}

/// How far a question is.
#[derive(Debug)]
enum State {
    Running(watch::Receiver<Option<Arc<Outcome>>>),
    /// Who waited was told; nobody else needs to be.
    Ended(Arc<Outcome>),
}

/// What to do with a request.
#[derive(Debug)]
pub(super) enum Claim {
    /// Nobody asked before: ask the backend, then [`Run::finish`].
    Run(Run),
    /// It is being answered: wait here. An error means that the run was dropped.
    Wait(watch::Receiver<Option<Arc<Outcome>>>),
    /// It was answered.
    Ended(Arc<Outcome>),
    /// Another question under the same id.
    Refuse(Code),
}

/// The right to run the backend for one question. Dropped unfinished, the question is free again.
#[derive(Debug)]
pub(super) struct Run {
    kept: Arc<Kept>,
    key: Key,
    number: u64,
    outcome: watch::Sender<Option<Arc<Outcome>>>,
    finished: bool,
}

impl Kept {
    pub(super) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            slots: Mutex::default(),
        })
    }

    /// Takes the question's place, or finds who has it.
    pub(super) fn claim(self: &Arc<Self>, request: &RequestHeader, now_ms: u64) -> Claim {
        let (key, question) = (key_of(request), Question::of(request));
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.forget(now_ms, self.bytes_max);
        if let Some(slot) = slots.by_key.get(&key) {
            return if slot.question.asked != question.asked {
                Claim::Refuse(Code::OperationMismatch)
            } else if slot.question.payload != question.payload {
                Claim::Refuse(Code::PayloadMismatch)
            } else {
                match &slot.state {
                    State::Running(outcome) => Claim::Wait(outcome.clone()),
                    State::Ended(outcome) => Claim::Ended(Arc::clone(outcome)),
                }
            };
        }
        let (sender, outcome) = watch::channel(None);
        slots.runs += 1;
        let run = slots.runs;
        slots.oldest_first.push_back((key, run));
        slots.by_key.insert(
            key,
            Slot {
                question,
                until_ms: now_ms.saturating_add(KEPT_ANSWER_MS),
                bytes: 0,
                run,
                state: State::Running(outcome),
            },
        );
        Claim::Run(Run {
            kept: Arc::clone(self),
            key,
            number: run,
            outcome: sender,
            finished: false,
        })
    }
}

impl Slots {
    /// Forgets what is too old, and the oldest while too much is kept.
    fn forget(&mut self, now_ms: u64, bytes_max: usize) {
        // Runs whose outcome was not kept leave their place here.
        if self.oldest_first.len() > 2 * KEPT_MAX {
            let by_key = &self.by_key;
            self.oldest_first
                .retain(|(key, run)| by_key.get(key).is_some_and(|slot| slot.run == *run));
        }
        while let Some((key, run)) = self.oldest_first.pop_front() {
            let Some(slot) = self.by_key.get(&key).filter(|slot| slot.run == run) else {
                continue;
            };
            let keep =
                slot.until_ms > now_ms && self.bytes <= bytes_max && self.by_key.len() < KEPT_MAX;
            if keep {
                self.oldest_first.push_front((key, run));
                return;
            }
            self.bytes -= slot.bytes;
            self.by_key.remove(&key);
        }
    }
}

impl Run {
    /// Gives the outcome to whoever waits, and keeps it when it is final.
    pub(super) fn finish(mut self, outcome: &Arc<Outcome>) {
        self.finished = true;
        self.outcome.send_replace(Some(Arc::clone(outcome)));
        let mut slots = self
            .kept
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let slots = &mut *slots;
        let Some(slot) = slots
            .by_key
            .get_mut(&self.key)
            .filter(|slot| slot.run == self.number)
        else {
            return;
        };
        if outcome.is_final() {
            slot.bytes = outcome.bytes();
            slot.state = State::Ended(Arc::clone(outcome));
            slots.bytes += slot.bytes;
        } else {
            slots.by_key.remove(&self.key);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let mut slots = self
            .kept
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if slots
            .by_key
            .get(&self.key)
            .is_some_and(|slot| slot.run == self.number)
        {
            slots.by_key.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests;
