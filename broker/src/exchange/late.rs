//! Late answers: what a provider sends for an exchange that is closed already.
//!
//! Takes the answer and the index of its request. Gives an entry of its own, if the answer holds; it changes nothing.
//! What does not hold is dropped: nobody waits for it, and anybody could send it.

use std::sync::Arc;

use audit::log::{AppendError, LogError};
use proto::authorise::{AnswerFault, SealedRequest, verify_answer};
use proto::canonical::HeaderError;
use proto::digest::leaf_hash;
use proto::entry::{Draft, Entry, EntryError, Kind};
use proto::envelope::Envelope;
use proto::facts::{self, ExchangeFacts};
use proto::header::RequestHeader;
use proto::limits::KEPT_ANSWER_MS;
use thiserror::Error;
use tokio::sync::mpsc;
use tracing::warn;

use super::refusal::bytes_of;
use super::{Exchange, JUDGEMENTS_MAX};
use crate::links::LateAnswer;

/// Records late answers, one at a time: they must never take the log from exchanges under way.
pub(super) async fn record_late(exchange: Arc<Exchange>, mut waiting: mpsc::Receiver<LateAnswer>) {
    loop {
        let late = tokio::select! {
            biased;
            () = exchange.end.cancelled() => return,
            late = waiting.recv() => late,
        };
        let Some(late) = late else { return };
        let (request, system) = (late.request_index, late.peer.system.clone());
        if let Err(dropped) = exchange.late(late).await {
            warn!(request, ?system, %dropped, "a late answer was not recorded");
        }
    }
}

impl Exchange {
    async fn late(&self, late: LateAnswer) -> Result<(), Dropped> {
        let bytes = self
            .log
            .entry(late.request_index)
            .await?
            .ok_or(Dropped::NoRequest)?;
        let entry = Entry::decode(&bytes)?;
        let Some(seal) = entry.seal.as_ref().filter(|_| entry.kind.asks()) else {
            return Err(Dropped::NoRequest);
        };
        let age_ms = self
            .clock
            .now_ms()
            .saturating_sub(entry.stamp.recorded_at_ms());
        if age_ms > KEPT_ANSWER_MS {
            return Err(Dropped::TooLate);
        }
        let opened = RequestHeader::open(&entry.header)?;
        // Its provider is asked again: that answer is the one that counts.
        if opened.is_submission() {
            return Err(Dropped::Submission);
        }
        let request = SealedRequest {
            header: &entry.header,
            opened: &opened,
            seal,
        };
        let asked = facts::exchange(&entry.facts)?;
        let answer = Envelope::from_wire(late.envelope)?;
        for _ in 0..JUDGEMENTS_MAX {
            let registry = self.registry.load();
            let header = verify_answer(&registry, request, &answer.header, &answer.seal, None)
                .map_err(Dropped::Answer)?;
            let facts = ExchangeFacts {
                peer_sha256: bytes_of(&late.peer.sha256()),
                decided_at_ms: self.clock.now_ms(),
                code: header.status.outcome().name().to_owned(),
                agreement: asked.agreement.clone(),
                grant: asked.grant,
                request_index: late.request_index,
                request_leaf: bytes_of(&leaf_hash(&bytes)),
                ..ExchangeFacts::default()
            };
            let draft = Draft {
                kind: Kind::Late,
                facts: facts::encode(&facts),
                header: answer.header.clone(),
                seal: Some(answer.seal.clone()),
            };
            match self.log.append(draft, Some(registry.size())).await {
                Ok(_) => return Ok(()),
                Err(AppendError::RegistryMoved { size }) => self.registry.reached(size).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Dropped::Log(AppendError::Full))
    }
}

/// Why a late answer is not in the log.
#[derive(Debug, Error)]
enum Dropped {
    #[error("its request is not in the log")]
    NoRequest,
    #[error("its exchange is too long ago: whoever replays the log no longer expects it")]
    TooLate,
    #[error("it is of a submission, which its provider is asked again")]
    Submission,
    #[error("it does not hold: {0}")]
    Answer(AnswerFault),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Read(#[from] LogError),
    #[error(transparent)]
    Log(#[from] AppendError),
}
