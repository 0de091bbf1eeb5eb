//! The closing entry, before it is recorded: what an end looks like in the log.

use audit::log::Arriving;
use bytes::Bytes;
use proto::entry::{Draft, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::header::Outcome;

use super::Recorded;
use crate::exchange::Exchange;
use crate::exchange::outcome::Fault;
use crate::exchange::refusal::bytes_of;
use crate::exchange::response::Attested;

impl Exchange {
    pub(super) fn closing_draft(&self, ended: &mut Result<Attested, Fault>) -> ClosingDraft {
        let decided_at_ms = self.clock.now_ms();
        let (mut facts, outcome) = match &*ended {
            Ok(attested) => (attested.facts(), attested.outcome()),
            Err(fault) => (fault.facts(), fault.outcome()),
        };
        facts.decided_at_ms = decided_at_ms;
        facts.code = outcome.name().to_owned();
        let (header, seal, judged, arriving) = match ended {
            Ok(attested) => {
                let answer = attested.answer();
                let (header, seal) = (answer.header.clone(), Some(answer.seal.clone()));
                (
                    header,
                    seal,
                    Some(attested.registry_size()),
                    attested.take_arriving(),
                )
            }
            Err(_) => (Bytes::new(), None, None, None),
        };
        let facts = facts::encode(&facts);
        let draft = Draft {
            kind: Kind::Closing,
            facts,
            header,
            seal,
        };
        ClosingDraft {
            draft,
            judged,
            arriving,
            outcome,
        }
    }
}

/// A closing entry before it is recorded.
pub(super) struct ClosingDraft {
    pub(super) draft: Draft,
    pub(super) judged: Option<u64>,
    pub(super) arriving: Option<Arriving>,
    pub(super) outcome: Outcome,
}

/// The facts that every closing entry has.
pub(in crate::exchange) fn closing_facts(recorded: &Recorded) -> ExchangeFacts {
    let permission = recorded.permission();
    ExchangeFacts {
        agreement: bytes_of(&permission.agreement),
        grant: permission.grant,
        request_index: recorded.request().index,
        request_leaf: bytes_of(&recorded.request().leaf),
        ..ExchangeFacts::default()
    }
}
