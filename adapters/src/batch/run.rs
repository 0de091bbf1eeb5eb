//! A batch under way: a window of segments, their results written out in order.
//!
//! Takes a notebook that fits its items, and goes on where it says. Never holds more than the window's segments; dropped,
//! it hangs up, and what is under way is recorded as cancelled.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use proto::Code;
use proto::digest::{Digest, tree_head};
use proto::items::leaves;
use tokio_util::task::AbortOnDropHandle;

use super::cut::next;
use super::notebook::{Counts, Done, Notebook};
use super::{BatchError, Question, Reading, Settings, Sink, Source};
use crate::consumer::{At, Consumer, ExchangeError, Results};

/// How long a segment waits that its provider did not finish.
const PAUSE: Duration = Duration::from_millis(500);

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How all items of the batch ended, also those of earlier runs.
    pub counts: Counts,
    /// Items of this run.
    pub items: u64,
    /// Segments of this run.
    pub segments: u64,
}

/// A segment that is being asked.
struct UnderWay {
    number: u64,
    items: Vec<Bytes>,
    asking: AbortOnDropHandle<Result<Results, ExchangeError>>,
}

/// Asks what is left of a batch. `on_progress` is told of items that are done, beginning with those of earlier runs.
///
/// # Errors
/// [`BatchError`]: run it again, and it goes on where it stopped.
pub async fn run(
    consumer: &Consumer,
    notebook: &mut Notebook,
    settings: &Settings,
    source: &impl Source,
    sink: &mut impl Sink,
    on_progress: &mut dyn FnMut(u64),
) -> Result<Outcome, BatchError> {
    let known = notebook.known();
    let done = known.done.len() as u64;
    sink.begin(known.written()).map_err(BatchError::Sink)?;
    let mut outcome = Outcome {
        counts: known.counts(),
        items: 0,
        segments: 0,
    };
    on_progress(outcome.counts.total());
    let mut batch = Batch {
        consumer,
        notebook,
        settings,
        items: source.items().map_err(BatchError::Source)?,
        next: 0,
    };
    batch.skip(done)?;
    let mut under_way = VecDeque::new();
    loop {
        while under_way.len() < settings.window.max(1) {
            match batch.begin()? {
                Some(segment) => under_way.push_back(segment),
                None => break,
            }
        }
        let Some(segment) = under_way.pop_front() else {
            return Ok(outcome);
        };
        let counts = batch.end(segment, sink).await?;
        outcome.counts.add(counts);
        outcome.items += counts.total();
        outcome.segments += 1;
        on_progress(outcome.counts.total());
    }
}

struct Batch<'a> {
    consumer: &'a Consumer,
    notebook: &'a mut Notebook,
    settings: &'a Settings,
    items: Reading,
    /// The next segment's number.
    next: u64,
}

impl Batch<'_> {
    /// Passes over the segments that are done.
    fn skip(&mut self, segments: u64) -> Result<(), BatchError> {
        while self.next < segments {
            self.read()?;
            self.next += 1;
        }
        Ok(())
    }

    /// Begins to ask the next segment.
    fn begin(&mut self) -> Result<Option<UnderWay>, BatchError> {
        let number = self.next;
        let items = self.read()?;
        if items.is_empty() {
            return match number == self.notebook.cut().segments() {
                true => Ok(None),
                false => Err(BatchError::Changed(number)),
            };
        }
        self.next += 1;
        let salt = self.notebook.salt(number);
        let made = leaves(&items, &salt);
        if !self.notebook.cut().has(number, &tree_head(&made)) {
            return Err(BatchError::Changed(number));
        }
        let at = self.at(number)?;
        let (consumer, question) = (
            self.consumer.clone(),
            self.notebook.known().question.clone(),
        );
        let (settings, case) = (self.settings.clone(), self.notebook.case().commitment());
        // Cheap: they share their bytes.
        let asked = items.clone();
        let asking = tokio::spawn(async move {
            let segment = Segment {
                consumer,
                question,
                settings,
                case,
                items: asked,
                leaves: made,
            };
            Box::pin(segment.ask(at)).await
        });
        Ok(Some(UnderWay {
            number,
            items,
            asking: AbortOnDropHandle::new(asking),
        }))
    }

    /// The next segment's items; none at the end.
    fn read(&mut self) -> Result<Vec<Bytes>, BatchError> {
        let most = self.notebook.cut().segment;
        next(&mut self.items, most).map_err(BatchError::Source)
    }

    /// The try under which a segment is asked: one that was sent before is asked again, as its provider may have kept the
    /// answer.
    fn at(&mut self, number: u64) -> Result<At, BatchError> {
        let place = Some(self.notebook.cut().place(number));
        let now_ms = self.consumer.adapter().clock().now_ms();
        if let Some(attempt) = self.notebook.sent(number) {
            return Ok(At {
                attempt,
                again: true,
                place,
            });
        }
        let first = self.consumer.first_attempt();
        let mut attempt = first.map_err(|cause| BatchError::Exchange {
            segment: number,
            cause: Box::new(cause),
        })?;
        attempt.salt = self.notebook.salt(number);
        self.notebook
            .about_to_send(number, attempt.exchange_id, now_ms)?;
        Ok(At {
            attempt,
            again: false,
            place,
        })
    }

    /// Waits for a segment's results and writes them out.
    async fn end(&mut self, segment: UnderWay, sink: &mut impl Sink) -> Result<Counts, BatchError> {
        let number = segment.number;
        let results = segment.asking.await;
        let results = results.map_err(|error| BatchError::Broken(error.to_string()))?;
        let results = results.map_err(|cause| BatchError::Exchange {
            segment: number,
            cause: Box::new(cause),
        })?;
        let first = self.notebook.cut().place(number).first;
        let written = sink.take(first, &segment.items, &results);
        let counts = Counts::of(&results.items);
        self.notebook.done(Done {
            segment: number,
            exchange: results.answer.exchange_id,
            request_index: results.answer.request_index,
            closing_index: results.answer.closing_index,
            written: written.map_err(BatchError::Sink)?,
            counts,
            at_ms: self.consumer.adapter().clock().now_ms(),
        })?;
        Ok(counts)
    }
}

/// A segment as its task has it.
struct Segment {
    consumer: Consumer,
    question: Question,
    settings: Settings,
    case: Digest,
    items: Vec<Bytes>,
    leaves: Vec<Digest>,
}

impl Segment {
    /// Asks, and asks again where the provider's side ended it: under the first try, so that nothing is done twice that was
    /// answered.
    async fn ask(self, mut at: At) -> Result<Results, ExchangeError> {
        let mut left = self.settings.retries;
        loop {
            let ended = Box::pin(self.once(at)).await;
            match &ended {
                Err(ExchangeError::Refused(refused))
                    if refused.code == Code::ProviderFailed && left > 0 => {}
                _ => return ended,
            }
            left -= 1;
            at.again = true;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn once(&self, at: At) -> Result<Results, ExchangeError> {
        let (question, settings) = (&self.question, &self.settings);
        let mut ask = self
            .consumer
            .ask(&question.service)
            .operation(&question.operation)
            .purpose(&question.purpose)
            .fields(&question.fields)
            .content_type(&question.content_type)
            .case_reference(self.case)
            .deadline(settings.deadline)
            .retries(settings.retries);
        if let Some(actor) = settings.actor {
            ask = ask.actor(actor);
        }
        ask.send_segment(&self.items, &self.leaves, at).await
    }
}
