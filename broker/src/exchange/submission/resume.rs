//! The start: what submissions an earlier run left, put together from their pages and the log's last entries.
//!
//! Takes the pages, and what the walk through the log found. The log decides: a page without an entry never was, and one
//! with an end in the log has ended, whatever it says itself. Never asks anybody.

use std::collections::{BTreeMap, HashMap, HashSet};

use audit::log::LogError;
use proto::entry::{Entry, Kind};
use proto::facts;
use proto::header::{Outcome, RequestHeader};
use tracing::warn;

use super::item::{Id, Item, State};
use super::store::Page;
use super::{ANSWER_KEPT_MS, END_KEPT_MS};
use crate::exchange::Exchange;
use crate::exchange::pages::StoreError;

/// Pages of an earlier run, before the log was read.
#[derive(Debug, Default)]
pub(in crate::exchange) struct Left {
    /// By the index of their entry.
    known: BTreeMap<u64, (Id, Page)>,
    /// Whose entry is not known: cut off between page and entry, or just after it.
    unknown: HashMap<Id, Page>,
    /// Closing entries of those that the walk met.
    closed: HashMap<u64, u64>,
    /// Requests of unknown pages that the walk met.
    met: HashSet<u64>,
}

impl Left {
    /// Whether the request at `index`, of this header, is kept here and is not to be abandoned.
    pub(in crate::exchange) fn holds(&self, index: u64) -> bool {
        self.known.contains_key(&index)
    }

    /// The walk met a request.
    pub(in crate::exchange) fn meet(&mut self, index: u64, header: &RequestHeader) {
        if !header.is_submission() {
            return;
        }
        let id = Id::of(header);
        if let Some(mut page) = self.unknown.remove(&id) {
            page.recorded = index + 1;
            self.met.insert(index);
            self.known.insert(index, (id, page));
        }
    }

    /// The walk met the end of the request at `request`.
    pub(in crate::exchange) fn close(&mut self, request: u64, closing: u64) {
        // Its own request may come later in no log: an end follows what it ends.
        if self.known.contains_key(&request) {
            self.closed.insert(request, closing);
        }
    }
}

impl Exchange {
    /// Reads what an earlier run kept.
    pub(in crate::exchange) async fn left(&self) -> Result<Left, StoreError> {
        let (pages, _) = self.submissions.store.all().await?;
        let mut left = Left::default();
        for page in pages {
            let header = page
                .envelope
                .as_ref()
                .and_then(|envelope| RequestHeader::open(&envelope.header).ok());
            let Some(header) = header else {
                warn!("a submission's page holds no request");
                continue;
            };
            let id = Id::of(&header);
            match page.recorded.checked_sub(1) {
                Some(index) => {
                    left.known.insert(index, (id, page));
                }
                None => {
                    left.unknown.insert(id, page);
                }
            }
        }
        Ok(left)
    }

    /// Queues what waits on, keeps what was answered, and lets go of what never was.
    pub(in crate::exchange) async fn take_up(&self, left: Left) -> Result<usize, LogError> {
        let mut waiting = 0;
        for (id, _) in left.unknown {
            self.let_go(&id).await;
        }
        for (index, (id, mut page)) in left.known {
            let Some(header) = page
                .envelope
                .as_ref()
                .and_then(|envelope| RequestHeader::open(&envelope.header).ok())
            else {
                continue;
            };
            // A log that was put back, or went on otherwise, does not hold it: then it never was.
            if page.closing.is_none() && !self.holds(index, &page).await? {
                tracing::error!(index, exchange = %id.exchange, "a submission is not in the log and is set aside");
                if let Err(error) = self.submissions.store.set_aside(&id).await {
                    warn!(%error, "a submission is not set aside");
                }
                continue;
            }
            let closing = left.closed.get(&index).copied();
            if let (None, Some(closing)) = (&page.closing, closing) {
                page = self.ended_in_the_log(&id, page, index, closing).await?;
            } else if left.met.contains(&index)
                && let Err(error) = self.submissions.store.write(&id, page.clone()).await
            {
                warn!(%error, "a submission's index is not written beside it");
            }
            let sizes = page.envelope.iter().chain(&page.answer);
            let bytes = sizes.map(|held| (held.header.len() + held.payload.len()) as u64);
            let mut item = Item::new(&header, index, bytes.sum());
            if let Some((state, forget_ms)) = end_of(&page) {
                (item.state, item.next_ms) = (state, forget_ms);
            } else {
                waiting += 1;
            }
            self.submissions.queue.enter(id, item);
        }
        Ok(waiting)
    }

    /// Whether the log holds this very request at `index`.
    async fn holds(&self, index: u64, page: &Page) -> Result<bool, LogError> {
        let held = match index < self.log.head().size() {
            true => self.log.entry(index).await?,
            false => None,
        };
        let held = held.and_then(|bytes| Entry::decode(&bytes).ok());
        let envelope = page.envelope.as_ref();
        Ok(held.zip(envelope).is_some_and(|(held, envelope)| {
            held.kind == Kind::Request && held.header == envelope.header
        }))
    }

    /// The log holds its end and the page does not know.
    async fn ended_in_the_log(
        &self,
        id: &Id,
        page: Page,
        request: u64,
        closing: u64,
    ) -> Result<Page, LogError> {
        let receipt = self.log.receipt(closing).await?;
        let ending = self.log.entry(closing).await?;
        let ending = ending.and_then(|bytes| Entry::decode(&bytes).ok());
        let asked = self.log.entry(request).await?;
        let asked = asked.and_then(|bytes| Entry::decode(&bytes).ok());
        let (Some(receipt), Some(ending), Some(asked)) = (receipt, ending, asked) else {
            return Ok(page);
        };
        let said = facts::exchange(&ending.facts).unwrap_or_default();
        // The answer that was kept is the one that the log holds, or there is none to give.
        let kept = page.answer.as_ref();
        let is_kept =
            !ending.header.is_empty() && kept.is_some_and(|answer| answer.header == ending.header);
        let code = match Outcome::parse(&said.code) {
            _ if is_kept => "",
            Some(Outcome::Deadline) => proto::Code::Deadline.name(),
            _ => proto::Code::ProviderFailed.name(),
        };
        let recorded = proto::wire::audit::v1::RecordedEntry {
            index: request,
            kind: u32::from(asked.kind as u8),
            stamp: asked.stamp.encode().to_vec().into(),
            facts: asked.facts,
        };
        let ended = Page {
            closing: Some(receipt.to_wire()),
            request: Some(recorded),
            code: code.to_owned(),
            clause: said.clause,
            changed_at_ms: ending.stamp.recorded_at_ms(),
            ..page
        };
        let ended = if is_kept {
            ended
        } else {
            ended.without_payloads()
        };
        if let Err(error) = self.submissions.store.write(id, ended.clone()).await {
            warn!(%error, "how a submission ended is not written beside it");
        }
        Ok(ended)
    }
}

/// How an ended one stands, and until when that is told.
fn end_of(page: &Page) -> Option<(State, u64)> {
    let closing = page.closing.as_ref()?;
    let index = closing.index;
    let until = |kept_ms: u64| page.changed_at_ms.saturating_add(kept_ms);
    Some(if page.collected {
        (State::Collected { closing: index }, until(END_KEPT_MS))
    } else if page.code.is_empty() {
        (State::Answered { closing: index }, until(ANSWER_KEPT_MS))
    } else {
        let facts = facts::exchange(&closing.facts).unwrap_or_default();
        let outcome = Outcome::parse(&facts.code).unwrap_or(Outcome::Abandoned);
        let ended = State::Ended {
            outcome,
            closing: index,
        };
        (ended, until(END_KEPT_MS))
    })
}
