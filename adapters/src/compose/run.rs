//! The parts of a case, side by side: each as soon as what it needs is there, all under one deadline.
//!
//! ```text
//! ready → payload → the page: what is about to be sent → the journal: the sealed request → the switch → the page: how it ended
//! ```
//!
//! Takes a composition, its inputs and the case's page. Gives one outcome for each part, whatever becomes of the others.
//! Running a case again asks the very same with `attempt_of` while the providers keep their answers (ten minutes). A part
//! that acts (`once`) is never done again once it was answered, and not asked again while its end is unknown.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proto::Code;
use proto::digest::Digest;
use proto::header::AnswerStatus;
use proto::id::ExchangeId;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::book::{Page, Sent};
use super::inputs::Inputs;
use super::outcome::{End, NotAsked, Outcome, Rows};
use super::question::{self, Known};
use super::{Composition, Part};
use crate::attempts;
use crate::consumer::{Answer, Attempt, Consumer, ExchangeError};
use crate::journal::{Half, Role, disclose};

mod asking;

use asking::{Asked, Question};

/// Below this much time nothing is begun: no answer could come.
const LEAST: Duration = Duration::from_millis(5);

/// What is run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The composition.
    pub composition: Arc<Composition>,
    /// What the caller gives.
    pub inputs: Inputs,
    /// The pseudonym of the clerk for whom it is asked.
    pub actor: Option<Digest>,
    /// Parts that are done again although an earlier run may have done them.
    pub again: BTreeSet<String>,
}

/// What happened just now, for whoever shows progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The part with this place is being asked.
    Asked(usize),
    /// It has ended.
    Ended(usize),
}

/// Runs a case, and gives the outcome of each part, in the order of the file.
pub async fn run(
    consumer: &Consumer,
    run: &Run,
    page: &mut Page,
    on_event: &mut dyn FnMut(Event),
) -> Vec<Outcome> {
    let begun = Instant::now();
    let mut case = Case {
        consumer,
        run,
        page,
        begun,
        until: begun + Duration::from_millis(u64::from(run.composition.deadline_ms)),
        outcomes: run.composition.parts.iter().map(|_| None).collect(),
        started: BTreeSet::new(),
        asking: JoinSet::new(),
    };
    loop {
        while case.begin_ready(on_event) {}
        match case.asking.join_next().await {
            None => break,
            Some(Ok(asked)) => case.ended(asked, on_event),
            // A task is neither cancelled nor does it panic; its part then says that it was not asked.
            Some(Err(error)) => tracing::error!(%error, "a part of a case was lost"),
        }
    }
    let lost = |part: usize| Outcome {
        part,
        end: End::NotAsked(NotAsked::Deadline),
        exchange: None,
        attempt_of: None,
        after_ms: 0,
    };
    let outcomes = case.outcomes.into_iter().enumerate();
    outcomes
        .map(|(part, outcome)| outcome.unwrap_or_else(|| lost(part)))
        .collect()
}

struct Case<'a> {
    consumer: &'a Consumer,
    run: &'a Run,
    page: &'a mut Page,
    begun: Instant,
    until: Instant,
    outcomes: Vec<Option<Outcome>>,
    /// Parts that are asked, or have ended.
    started: BTreeSet<usize>,
    asking: JoinSet<Asked>,
}

/// A part that is about to be asked.
struct Asking {
    place: usize,
    payload: Vec<u8>,
    first: Attempt,
    is_retry: bool,
}

impl Case<'_> {
    /// Begins everything that waits for nothing any more. Whether anything ended thereby, so that more may be ready.
    fn begin_ready(&mut self, on_event: &mut dyn FnMut(Event)) -> bool {
        let parts = self.run.composition.parts.iter().enumerate();
        let ready: Vec<usize> = parts
            .filter(|(place, _)| !self.started.contains(place))
            .filter(|(_, part)| {
                part.needs
                    .iter()
                    .all(|other| self.outcomes[*other].is_some())
            })
            .map(|(place, _)| place)
            .collect();
        let mut any_ended = false;
        let mut asking = Vec::new();
        for place in ready {
            self.started.insert(place);
            match self.prepare(place) {
                Ok(part) => asking.push(part),
                Err(end) => {
                    any_ended = true;
                    self.settle(place, end, None);
                    on_event(Event::Ended(place));
                }
            }
        }
        if let Err(why) = self.write_down(&asking) {
            for part in asking {
                any_ended = true;
                self.settle(
                    part.place,
                    End::NotAsked(NotAsked::Unwritten(why.clone())),
                    None,
                );
                on_event(Event::Ended(part.place));
            }
            return any_ended;
        }
        for part in asking {
            on_event(Event::Asked(part.place));
            let composition = Arc::clone(&self.run.composition);
            let asked = Question {
                consumer: self.consumer.clone(),
                actor: self.run.actor,
                case: self.page.case().commitment(),
                retries: composition.retries,
                composition,
                asking: part,
                until: self.until,
            };
            self.asking.spawn(asked.ask());
        }
        any_ended
    }

    /// What is to be sent for a part, or how it ends without being asked.
    fn prepare(&self, place: usize) -> Result<Asking, End> {
        let composition = &self.run.composition;
        let part = &composition.parts[place];
        let known = Known {
            composition,
            inputs: &self.run.inputs,
            outcomes: &self.outcomes,
        };
        let payload = known.payload(part).map_err(End::NotAsked)?;
        if self.until.saturating_duration_since(Instant::now()) < LEAST {
            return Err(End::NotAsked(NotAsked::Deadline));
        }
        let again = self.again(part, &payload)?;
        let is_retry = again.is_some();
        let first = match again {
            Some(first) => first,
            None => self
                .consumer
                .first_attempt()
                .map_err(|error| End::NoAnswer(Box::new(error)))?,
        };
        Ok(Asking {
            place,
            payload,
            first,
            is_retry,
        })
    }

    /// What an earlier run of this case means for a part: the attempt that is repeated, or an end without asking.
    fn again(&self, part: &Part, payload: &[u8]) -> Result<Option<Attempt>, End> {
        let composition = self.run.composition.name.as_str();
        let Some(sent) = self.page.last(composition, part.name.as_str()) else {
            return Ok(None);
        };
        let home = self.consumer.adapter().home();
        let wanted_again = self.run.again.contains(part.name.as_str());
        let same = || {
            let attempt = attempts::kept(home.dir(), sent.exchange);
            attempt.filter(|first| question::digest(part, payload, &first.salt) == sent.question)
        };
        match sent
            .ended
            .as_ref()
            .map(|(word, exchange)| (word.as_str(), exchange))
        {
            // The switch said no: nothing was done, and a new question may find it otherwise.
            Some((REFUSED, _)) => Ok(None),
            Some((ANSWERED, _)) if wanted_again => Ok(None),
            Some((ANSWERED, exchange)) if part.once => {
                let dir = home.path(&home.config().journal.dir);
                let kept = disclose(&dir, Role::Consumer, *exchange, Half::Answer);
                let kept = kept.ok().flatten();
                let rows = kept.and_then(|kept| Rows::read("application/json", &kept.payload));
                Err(End::Earlier {
                    exchange: *exchange,
                    rows,
                })
            }
            // A provider's run that nobody waits for any more is dropped, and a retry runs anew: for what acts, only a
            // person may say so.
            None | Some((UNKNOWN, _)) if part.once && !wanted_again => {
                Err(End::NotAsked(NotAsked::EndUnknown(sent.exchange)))
            }
            _ => Ok(same()),
        }
    }

    /// Writes down what a later run needs, before anything leaves.
    fn write_down(&mut self, asking: &[Asking]) -> Result<(), String> {
        let home = self.consumer.adapter().home();
        let composition = &self.run.composition;
        let at_ms = self.consumer.adapter().clock().now_ms();
        let mut sent = Vec::new();
        for asking in asking.iter().filter(|asking| !asking.is_retry) {
            attempts::keep(home.dir(), &asking.first).map_err(|error| error.to_string())?;
            let part = &composition.parts[asking.place];
            sent.push(Sent {
                composition: composition.name.to_string(),
                part: part.name.to_string(),
                exchange: asking.first.exchange_id,
                question: question::digest(part, &asking.payload, &asking.first.salt),
                at_ms,
                ended: None,
            });
        }
        match sent.is_empty() {
            true => Ok(()),
            false => self
                .page
                .about_to_send(sent)
                .map_err(|error| error.to_string()),
        }
    }

    fn ended(&mut self, asked: Asked, on_event: &mut dyn FnMut(Event)) {
        let at_ms = self.consumer.adapter().clock().now_ms();
        let last = asked.last.unwrap_or(asked.first);
        let outcome = word(&asked.result.as_ref());
        if let Err(error) = self.page.ended(asked.first, last, outcome, at_ms) {
            tracing::error!(%error, "how a part ended is not on the case's page; the journal has it");
        }
        let end = match asked.result {
            Ok(answer) => End::Answered {
                rows: Rows::read(&answer.content_type, &answer.payload),
                answer: Box::new(answer),
            },
            Err(error) => End::NoAnswer(Box::new(error)),
        };
        self.settle(asked.place, end, asked.last.map(|last| (asked.first, last)));
        on_event(Event::Ended(asked.place));
    }

    fn settle(&mut self, part: usize, end: End, tried: Option<(ExchangeId, ExchangeId)>) {
        let after = self.begun.elapsed().as_millis();
        self.outcomes[part] = Some(Outcome {
            part,
            end,
            exchange: tried.map(|(_, last)| last),
            attempt_of: tried.and_then(|(first, last)| (first != last).then_some(first)),
            after_ms: u64::try_from(after).unwrap_or(u64::MAX),
        });
    }
}

/// On the page: the switch said no, and would again.
const REFUSED: &str = "refused";
/// On the page: nothing was done, and the same may be asked again.
const NOT_DONE: &str = "not_done";
/// On the page: the provider may have acted although no answer came.
const UNKNOWN: &str = "unknown";
/// On the page: answered.
const ANSWERED: &str = "answered";

/// How it ended, for the page.
fn word(result: &Result<&Answer, &ExchangeError>) -> &'static str {
    match result {
        Ok(_) => ANSWERED,
        Err(ExchangeError::Provider { status, .. }) => match status {
            AnswerStatus::NotFound | AnswerStatus::InvalidRequest | AnswerStatus::Refused(_) => {
                NOT_DONE
            }
            AnswerStatus::Answered | AnswerStatus::Unavailable | AnswerStatus::Failed => UNKNOWN,
        },
        Err(ExchangeError::Refused(refused)) => match refused.code {
            Code::Deadline
            | Code::ProviderFailed
            | Code::AnswerInvalid
            | Code::LogUnavailable
            | Code::Duplicate => UNKNOWN,
            Code::ProviderOffline | Code::Overloaded | Code::RateLimited | Code::QuotaExceeded => {
                NOT_DONE
            }
            _ => REFUSED,
        },
        Err(
            ExchangeError::Unsent(_) | ExchangeError::NoEncryptionKey(_) | ExchangeError::Sealer(_),
        ) => REFUSED,
        Err(_) => UNKNOWN,
    }
}
