//! Reading entries: who may read which, and the access entry that stands before the first of them.
//!
//! Takes a range of the published log and who asks. Gives auditors and data-protection officers every entry of it, a
//! system the registry entries, those of exchanges in which its agency took part, and those of events that it tells or is
//! told of. Never gives one before the reading is recorded.

use std::ops::Range;
use std::sync::Arc;

use audit::log::{AppendError, Log, LogError};
use bytes::Bytes;
use proto::Digest;
use proto::act::PersonRole;
use proto::entry::{Draft, Entry, Kind};
use proto::facts::{self, AccessFacts};
use proto::header::{EventHeader, RequestHeader, SubscriptionHeader};
use proto::id::{AgencyId, SystemId};
use proto::limits::REASON_BYTES_MAX;
use proto::wire::audit::v1 as wire;
use tokio::sync::mpsc;
use tonic::Status;

use crate::api::status;
use crate::door::Peer;
use crate::door::standing::Standing;
use crate::exchange::Exchange;

/// Entries that a system may ask for at once.
const OWN_ENTRIES_MAX: u64 = 4_096;
/// What is recorded as done.
const ACTION: &str = "entries";

/// One reading that was permitted and is not recorded yet.
#[derive(Debug)]
pub(super) struct Reading {
    range: Range<u64>,
    /// `None`: everything.
    own: Option<AgencyId>,
    facts: AccessFacts,
}

impl Reading {
    /// # Errors
    /// The range or the reason is not what it may be.
    pub(super) fn of(
        peer: &Peer,
        standing: &Standing,
        request: &wire::EntriesRequest,
        published: u64,
    ) -> Result<Self, Status> {
        let range = request.from..request.to;
        if request.to > published {
            return Err(status::not_published(published));
        }
        if range.is_empty() {
            return Err(status::malformed(
                "the range is empty: to is the index after the last",
            ));
        }
        if request.reason.len() > REASON_BYTES_MAX {
            return Err(status::malformed(&format!(
                "the reason has more than {REASON_BYTES_MAX} bytes"
            )));
        }
        let (reader, own) = match standing {
            Standing::System(system) => (system.to_string(), Some(system.agency())),
            Standing::Person(role @ (PersonRole::Auditor | PersonRole::Dpo), name) => {
                (format!("{}/{name}", role.name()), None)
            }
            Standing::Person(..) | Standing::Administrator(..) => {
                return Err(status::unknown_peer());
            }
        };
        if own.is_some() && range.end - range.start > OWN_ENTRIES_MAX {
            return Err(status::malformed(&format!(
                "a system reads at most {OWN_ENTRIES_MAX} entries at once"
            )));
        }
        let reason_sha256 = if request.reason.is_empty() {
            Bytes::new()
        } else {
            Bytes::copy_from_slice(Digest::of(request.reason.as_bytes()).as_bytes())
        };
        let facts = AccessFacts {
            peer_sha256: Bytes::copy_from_slice(&peer.identity.cert_sha256),
            reader,
            action: ACTION.to_owned(),
            from_index: range.start,
            to_index: range.end,
            reason_sha256,
        };
        Ok(Self { range, own, facts })
    }

    /// Records that it happens. Gives the index of the access entry.
    ///
    /// # Errors
    /// [`AppendError`]: then nothing may be given out.
    pub(super) async fn record(&self, log: &Log) -> Result<u64, AppendError> {
        let draft = Draft {
            kind: Kind::Access,
            facts: facts::encode(&self.facts),
            header: Bytes::new(),
            seal: None,
        };
        Ok(log.append(draft, None).await?.index)
    }

    /// Gives the entries, page by page, until they end or the reader is gone.
    pub(super) async fn run(
        self,
        (log, exchange): (Log, Arc<Exchange>),
        sender: mpsc::Sender<Result<wire::EntriesResponse, Status>>,
    ) {
        let mut next = self.range.start;
        while next < self.range.end {
            let page = match log.entries(next..self.range.end).await {
                Ok(page) if !page.is_empty() => page,
                Ok(_) => return,
                Err(error) => {
                    let _ = sender.send(Err(status::log(&error))).await;
                    return;
                }
            };
            for (index, entry) in page {
                next = index + 1;
                match self.may_have((&log, &exchange), index, &entry).await {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(error) => {
                        let _ = sender.send(Err(status::log(&error))).await;
                        return;
                    }
                }
                let message = wire::EntriesResponse { index, entry };
                if sender.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn may_have(
        &self,
        (log, exchange): (&Log, &Exchange),
        index: u64,
        bytes: &Bytes,
    ) -> Result<bool, LogError> {
        let Some(own) = &self.own else {
            return Ok(true);
        };
        let Ok(entry) = Entry::decode(bytes) else {
            return Ok(false);
        };
        Ok(match entry.kind {
            kind if kind.holds_request() => takes_part(own, &entry.header),
            kind if kind.is_exchange() => {
                let request = facts::exchange(&entry.facts).map_or(0, |facts| facts.request_index);
                match log.entry(request).await? {
                    Some(request) => Entry::decode(&request)
                        .is_ok_and(|request| takes_part(own, &request.header)),
                    None => false,
                }
            }
            Kind::Event => {
                EventHeader::open(&entry.header)
                    .is_ok_and(|event| event.topic.publisher.belongs_to(own))
                    || exchange.is_told(own, index)
            }
            Kind::Subscription => follows(own, &entry),
            Kind::SubscriptionEnd | Kind::EventOutcome => {
                let subscription =
                    facts::event(&entry.facts).map_or(0, |facts| facts.subscription_index);
                match log.entry(subscription).await? {
                    Some(subscription) => Entry::decode(&subscription)
                        .is_ok_and(|subscription| follows(own, &subscription)),
                    None => false,
                }
            }
            kind => kind.is_registry(),
        })
    }
}

/// Whether a system of `agency` is told, or tells, by this subscription.
fn follows(agency: &AgencyId, entry: &Entry) -> bool {
    let header = SubscriptionHeader::open(&entry.header);
    entry.kind == Kind::Subscription
        && header.is_ok_and(|held| {
            held.subscriber.belongs_to(agency) || held.topic.publisher.belongs_to(agency)
        })
}

/// Whether a system of `agency` asks or is asked in this request header.
fn takes_part(agency: &AgencyId, header: &[u8]) -> bool {
    let belongs = |system: &SystemId| system.belongs_to(agency);
    RequestHeader::open(header)
        .is_ok_and(|request| belongs(&request.consumer) || belongs(&request.provider))
}
