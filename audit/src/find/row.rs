//! One entry with everything that it says, and on endings what its request said.

use std::sync::Arc;

use bytes::Bytes;
use proto::Digest;
use proto::digest::leaf_hash;
use proto::entry::{Entry, Kind};
use proto::facts::{self, EventFacts, ExchangeFacts};
use proto::header::{AnswerHeader, DisputeHeader, RequestHeader, TrailerHeader};
use proto::id::ExchangeId;

use super::requests::{Asked, Requests};
use crate::replay::Event;

/// One entry. Nothing in it was judged: a seal is only read, a decision only told.
#[derive(Clone, Debug)]
pub struct Row {
    /// The entry as a person reads it, and as [`crate::replay::Filter`] sees it.
    pub event: Event,
    /// The entry itself.
    pub entry: Entry,
    /// Its leaf hash.
    pub leaf: Digest,
    /// The switch's own part of an exchange entry.
    pub facts: Option<ExchangeFacts>,
    /// The switch's own part of an entry about events.
    pub told: Option<EventFacts>,
    /// Of a subscription the question that it is judged as.
    pub(crate) follows: Option<Arc<RequestHeader>>,
    /// What was asked: of a request or refusal its own header, of an ending, a late answer or a dispute the header of
    /// the request that it names by index and leaf hash. `None` when that request is not there.
    pub request: Option<Arc<RequestHeader>>,
    /// When that request was recorded, Unix time in microseconds; on endings, late answers and disputes only.
    pub asked_at_us: Option<u64>,
    /// The answer that the entry carries.
    pub answer: Option<AnswerHeader>,
    /// The trailer that the entry carries: what the chunks of an answer were.
    pub trailer: Option<TrailerHeader>,
}

impl Row {
    /// Reads entry `index` as far as it goes without any other; an error says what of it is not in its one form.
    pub(crate) fn alone(index: u64, bytes: &Bytes) -> Result<Self, String> {
        let entry = Entry::decode(bytes).map_err(|error| error.to_string())?;
        let mut row = Self {
            event: Event::of(index, &entry),
            leaf: leaf_hash(bytes),
            entry,
            facts: None,
            told: None,
            follows: None,
            request: None,
            asked_at_us: None,
            answer: None,
            trailer: None,
        };
        match row.entry.kind {
            kind if kind.holds_request() => row.asking()?,
            kind if kind.is_exchange() => row.ending()?,
            kind if kind.is_event() => row.telling()?,
            Kind::Epoch => {
                let facts = facts::epoch(&row.entry.facts).map_err(|error| error.to_string())?;
                row.event.summary = format!("version {} {}", facts.version, facts.recovery);
            }
            // Acts on the registry: the fold reads them, and their kind says what they are.
            kind => row.event.summary = kind.name().to_owned(),
        }
        Ok(row)
    }

    /// Joins an ending to the request that it names, and keeps a request for its ending. Entries come in order.
    pub(super) fn join(&mut self, requests: &mut Requests) {
        self.join_subscription(requests);
        if self.entry.kind.asks()
            && let Some(header) = &self.request
        {
            let asked = Asked {
                kind: self.entry.kind,
                leaf: self.leaf,
                recorded_at_us: self.entry.stamp.recorded_at_us,
                header: header.clone(),
            };
            requests.remember(self.event.index, asked);
        }
        let (Some(facts), Some(index)) = (&self.facts, self.event.request_index) else {
            return;
        };
        let asked = requests.named(index, &facts.request_leaf);
        if let Some(asked) = asked.filter(|asked| asked.kind.asks()) {
            let said = self.event.exchange;
            self.event.describe(&asked.header);
            if self.entry.kind == Kind::Dispute && !self.entry.header.is_empty() {
                // What the consumer objects to stands under its own seal.
                self.event.exchange = said;
            }
            self.request = Some(asked.header);
            self.asked_at_us = Some(asked.recorded_at_us);
        }
    }

    fn read_facts(&mut self) -> Result<ExchangeFacts, String> {
        let facts = facts::exchange(&self.entry.facts).map_err(|error| error.to_string())?;
        self.event.code.clone_from(&facts.code);
        self.event.clause.clone_from(&facts.clause);
        self.event.agreement = Digest::from_slice(&facts.agreement);
        self.event.exchange = ExchangeId::from_slice(&facts.exchange_id);
        self.facts = Some(facts.clone());
        Ok(facts)
    }

    fn asking(&mut self) -> Result<(), String> {
        self.read_facts()?;
        // A refusal of what nobody sealed has no header.
        if self.entry.header.is_empty() && self.entry.kind == Kind::Refusal {
            return Ok(());
        }
        let header = RequestHeader::open(&self.entry.header).map_err(|error| error.to_string())?;
        let header = Arc::new(header);
        self.event.describe(&header);
        self.request = Some(header);
        Ok(())
    }

    fn ending(&mut self) -> Result<(), String> {
        let facts = self.read_facts()?;
        self.event.request_index = Some(facts.request_index);
        if self.entry.header.is_empty() {
            return Ok(());
        }
        if matches!(self.entry.kind, Kind::Trailer | Kind::UploadTrailer) {
            let trailer =
                TrailerHeader::open(&self.entry.header).map_err(|error| error.to_string())?;
            self.trailer = Some(trailer);
        } else if self.entry.kind == Kind::Dispute {
            let dispute =
                DisputeHeader::open(&self.entry.header).map_err(|error| error.to_string())?;
            self.event.exchange = Some(dispute.exchange_id);
        } else {
            let answer =
                AnswerHeader::open(&self.entry.header).map_err(|error| error.to_string())?;
            self.answer = Some(answer);
        }
        Ok(())
    }
}
