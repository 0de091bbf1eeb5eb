//! Disputes: a consumer's sealed objection to a recorded answer, while the exchange is remembered.
//!
//! Takes a dispute header under the seal of the exchange's own consumer, naming the answer that was recorded. Gives
//! the receipt of an entry of its own. Changes nothing else, and one exchange is disputed once.

use std::sync::Arc;

use audit::log::AppendError;
use audit::receipt::Receipt;
use bytes::Bytes;
use proto::authorise::{code_of as header_code, verify_dispute};
use proto::digest::leaf_hash;
use proto::entry::{Draft, Entry, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::header::{DisputeHeader, TrailerHeader};
use proto::registry::Registry;
use proto::{Code, Digest};

use super::memory::{Key, NoDispute};
use super::refusal::{Refused, bytes_of, code_of};
use super::verify::Received;
use super::{Exchange, JUDGEMENTS_MAX};
use crate::api::roles::{self, Denied, Rpc};

/// An exchange marked as disputed, until the entry is durable.
struct Mark<'a> {
    exchange: &'a Exchange,
    key: Key,
    recorded: bool,
}

impl Exchange {
    /// Records a dispute.
    ///
    /// # Errors
    /// What the caller is told instead of a receipt.
    pub async fn dispute(
        self: &Arc<Self>,
        mut received: Received,
    ) -> Result<Receipt, Box<Refused>> {
        let admitted = match &received.peer().agency {
            Some(agency) => Some(self.admitted(agency).await.map_err(Refused::unrecorded)?),
            None => None,
        };
        received.admit(admitted, self.log.arriving());
        let this = Arc::clone(self);
        // In a task of its own, so that a hang-up leaves no mark without an entry.
        let task = self.exchanges.spawn(async move {
            match this.judged_dispute(&received).await {
                Ok(receipt) => Ok(receipt),
                Err(code) => {
                    let refusal = received.refuse(code, this.clock.now_ms());
                    // Nothing unread is judged against a registry, so nothing overtakes it.
                    let told = this.refuse(refusal).await;
                    Err(told.unwrap_or_else(|_| Refused::unrecorded(Code::Overloaded)))
                }
            }
        });
        task.await
            .unwrap_or_else(|_| Err(Refused::unrecorded(Code::LogUnavailable)))
    }

    async fn judged_dispute(&self, received: &Received) -> Result<Receipt, Code> {
        for _ in 0..JUDGEMENTS_MAX {
            let registry = self.registry.load();
            let (dispute, key) = judge(&registry, received)?;
            if self.clock.now_ms().abs_diff(dispute.issued_at_ms) > self.settings.window_ms {
                return Err(Code::Stale);
            }
            let (request, closing) = self.memory.dispute(key).map_err(|no| match no {
                // Too long ago to be remembered, or never answered.
                NoDispute::Unknown => Code::Stale,
                NoDispute::Twice => Code::Duplicate,
            })?;
            let mark = Mark {
                exchange: self,
                key,
                recorded: false,
            };
            let ending = self.read(closing).await?.0;
            let answer = match ending.kind {
                // Of an answer in chunks, the one that began it.
                Kind::Trailer => {
                    TrailerHeader::open(&ending.header)
                        .map_err(|_| Code::LogUnavailable)?
                        .begun_by
                }
                _ => Digest::of(&ending.header),
            };
            if answer != dispute.answer_header || ending.header.is_empty() {
                return Err(Code::Malformed);
            }
            let draft = self.dispute_draft(received, dispute.code, request).await?;
            match self.log.append(draft, Some(registry.size())).await {
                Ok(appended) => {
                    mark.keep();
                    return Ok(appended.receipt);
                }
                Err(AppendError::RegistryMoved { size }) => {
                    drop(mark);
                    self.registry.reached(size).await;
                }
                Err(error) => return Err(code_of(&error)),
            }
        }
        Err(Code::Overloaded)
    }

    async fn dispute_draft(
        &self,
        received: &Received,
        code: Code,
        request_index: u64,
    ) -> Result<Draft, Code> {
        let (request, leaf) = self.read(request_index).await?;
        let asked = facts::exchange(&request.facts).map_err(|_| Code::LogUnavailable)?;
        let envelope = received.envelope().map_err(header_code)?;
        let facts = ExchangeFacts {
            peer_sha256: bytes_of(&received.peer().sha256()),
            decided_at_ms: self.clock.now_ms(),
            code: code.name().to_owned(),
            agreement: asked.agreement,
            grant: asked.grant,
            request_index,
            request_leaf: bytes_of(&leaf),
            ..ExchangeFacts::default()
        };
        Ok(Draft {
            kind: Kind::Dispute,
            facts: facts::encode(&facts),
            header: envelope.header.clone(),
            seal: Some(envelope.seal.clone()),
        })
    }

    /// An entry of the log and its leaf.
    async fn read(&self, index: u64) -> Result<(Entry, Digest), Code> {
        let bytes: Option<Bytes> = self
            .log
            .entry(index)
            .await
            .map_err(|_| Code::LogUnavailable)?;
        let bytes = bytes.ok_or(Code::LogUnavailable)?;
        let entry = Entry::decode(&bytes).map_err(|_| Code::LogUnavailable)?;
        Ok((entry, leaf_hash(&bytes)))
    }
}

fn judge(registry: &Registry, received: &Received) -> Result<(DisputeHeader, Key), Code> {
    let peer = received.peer();
    roles::permit(registry, peer, Rpc::Dispute).map_err(Denied::code)?;
    let system = peer.system.as_ref().ok_or(Code::UnknownPeer)?;
    let known = registry.system(system).ok_or(Code::UnknownPeer)?;
    let envelope = received.envelope().map_err(header_code)?;
    if !envelope.salt.is_empty() || !envelope.payload.is_empty() {
        return Err(Code::Malformed);
    }
    let dispute = verify_dispute(registry, &envelope.header, &envelope.seal, system)?;
    let key = Key {
        system: known.index,
        exchange: dispute.exchange_id,
    };
    Ok((dispute, key))
}

impl Mark<'_> {
    fn keep(mut self) {
        self.recorded = true;
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        if !self.recorded {
            self.exchange.memory.undispute(self.key);
        }
    }
}
