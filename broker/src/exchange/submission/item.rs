//! One submission: whose it is, how it stands, until when.

use proto::header::{Outcome, RequestHeader};
use proto::id::{ExchangeId, Part, ServiceId, SystemId};

use crate::exchange::memory::First;

/// A submission: ids are unique for each consumer's system only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::exchange) struct Id {
    pub(in crate::exchange) consumer: SystemId,
    pub(in crate::exchange) exchange: ExchangeId,
}

impl Id {
    pub(in crate::exchange) fn of(header: &RequestHeader) -> Self {
        Self {
            consumer: header.consumer.clone(),
            exchange: header.exchange_id,
        }
    }
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum State {
    /// Until its provider is there, or is asked again.
    Waiting,
    /// The provider has it, or it is being ended.
    Asked,
    /// Its answer is here.
    Answered { closing: u64 },
    /// Its answer was collected.
    Collected { closing: u64 },
    /// Without an answer.
    Ended { outcome: Outcome, closing: u64 },
}

impl State {
    /// What a duplicate is told of it.
    pub(in crate::exchange) fn first(self) -> First {
        let (outcome, entry) = match self {
            Self::Waiting | Self::Asked => ("open", None),
            Self::Answered { closing } | Self::Collected { closing } => {
                (Outcome::Answered.name(), Some(closing))
            }
            Self::Ended { outcome, closing } => (outcome.name(), Some(closing)),
        };
        First { outcome, entry }
    }
}

/// One submission.
#[derive(Clone, Debug)]
pub(in crate::exchange) struct Item {
    pub(in crate::exchange) service: ServiceId,
    pub(in crate::exchange) operation: Part,
    pub(in crate::exchange) request: u64,
    pub(in crate::exchange) submitted_at_ms: u64,
    pub(in crate::exchange) expires_at_ms: u64,
    /// When it is due next; of one that is not open, when it is forgotten.
    pub(in crate::exchange) next_ms: u64,
    pub(in crate::exchange) attempts: u32,
    pub(in crate::exchange) state: State,
    /// Of what is kept of it here.
    pub(super) bytes: u64,
}

impl Item {
    /// A submission recorded at `request`.
    pub(in crate::exchange) fn new(header: &RequestHeader, request: u64, bytes: u64) -> Self {
        Self {
            service: header.provider.service(&header.service),
            operation: header.operation.clone(),
            request,
            submitted_at_ms: header.issued_at_ms,
            expires_at_ms: header
                .issued_at_ms
                .saturating_add(u64::from(header.deadline_ms)),
            next_ms: 0,
            attempts: 0,
            state: State::Waiting,
            bytes,
        }
    }

    /// Whether it has no end yet.
    pub(in crate::exchange) fn is_open(&self) -> bool {
        matches!(self.state, State::Waiting | State::Asked)
    }

    /// Whether payloads of it are here.
    pub(super) fn weighs(&self) -> bool {
        self.is_open() || matches!(self.state, State::Answered { .. })
    }
}
