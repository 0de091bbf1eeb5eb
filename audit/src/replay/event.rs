//! An entry as a person reads it, filled in by the judge.

use proto::Digest;
use proto::entry::{Entry, Kind};
use proto::header::{RequestHeader, Subject, Topic};
use proto::id::{ExchangeId, SystemId};

/// One entry as a person reads it. Parts that the entry does not have are empty.
#[derive(Clone, Debug)]
pub struct Event {
    /// Log index.
    pub index: u64,
    /// What it records.
    pub kind: Kind,
    /// Unix time, microseconds.
    pub recorded_at_us: u64,
    /// The exchange.
    pub exchange: Option<ExchangeId>,
    /// Who asked.
    pub consumer: Option<SystemId>,
    /// Who was asked.
    pub provider: Option<SystemId>,
    /// Service and operation.
    pub service: String,
    /// See `service`.
    pub operation: String,
    /// The stated purpose.
    pub purpose: String,
    /// The clerk's pseudonym.
    pub actor: Option<Digest>,
    /// The case that it belongs to, as its consumer commits to it.
    pub case: Option<Digest>,
    /// Whom it is about, under pseudonyms.
    pub subjects: Vec<Subject>,
    /// The key that this entry's seal names, whether or not the seal holds.
    pub key: Option<Digest>,
    /// Outcome or refusal code; empty on requests.
    pub code: String,
    /// The clause that decided a refusal.
    pub clause: String,
    /// The agreement that decided.
    pub agreement: Option<Digest>,
    /// On endings: the request's index.
    pub request_index: Option<u64>,
    /// For registry entries and entries about events: what was done, in a few words.
    pub summary: String,
}

impl Event {
    pub(crate) fn of(index: u64, entry: &Entry) -> Self {
        Self {
            index,
            kind: entry.kind,
            recorded_at_us: entry.stamp.recorded_at_us,
            exchange: None,
            consumer: None,
            provider: None,
            service: String::new(),
            operation: String::new(),
            purpose: String::new(),
            actor: None,
            case: None,
            subjects: Vec::new(),
            key: entry
                .seal
                .as_ref()
                .and_then(|seal| Some(seal.open().ok()?.kid())),
            code: String::new(),
            clause: String::new(),
            agreement: None,
            request_index: None,
            summary: String::new(),
        }
    }

    /// What is told, and by whom.
    pub(crate) fn tells(&mut self, topic: &Topic) {
        self.provider = Some(topic.publisher.clone());
        self.service = topic.service.to_string();
        self.operation = topic.operation.to_string();
    }

    /// Who follows what, as the question that a subscription is judged as.
    pub(crate) fn follows(&mut self, question: &RequestHeader) {
        self.describe(question);
        // It was never asked.
        self.exchange = None;
    }

    pub(crate) fn describe(&mut self, request: &RequestHeader) {
        self.exchange = Some(request.exchange_id);
        self.consumer = Some(request.consumer.clone());
        self.provider = Some(request.provider.clone());
        self.service = request.service.to_string();
        self.operation = request.operation.to_string();
        self.purpose = request.purpose.to_string();
        self.actor = request.actor;
        self.case = request.case_reference;
        self.subjects.clone_from(&request.subjects);
    }
}
