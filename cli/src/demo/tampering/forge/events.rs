//! Forgeries of events: what nobody told, nobody took in, and nothing ended.
//!
//! Takes the honest entries, with a subscription, two events that were taken and one that was not. Gives them with one lie.

use bytes::Bytes;
use proto::digest::Digest;
use proto::entry::{Draft, Entry, Kind};
use proto::facts::{self, EventFacts};
use proto::header::{EventHeader, EventReceiptHeader, SubscriptionHeader};
use proto::id::ExchangeId;
use proto::limits::label;
use proto::seal::Seal;

use super::{Forge, stamp_after};
use crate::demo::tampering::rows::Lie;
use crate::failure::Failure;

impl Forge {
    /// The log with one lie about events.
    pub(super) fn with_a_lie(
        &self,
        lie: Lie,
        mut entries: Vec<Entry>,
    ) -> Result<Vec<Entry>, Failure> {
        match lie {
            Lie::Event => self.never_told(&mut entries)?,
            Lie::Taken => self.never_taken(&mut entries)?,
            Lie::Ended => never_over(&mut entries)?,
            Lie::ReceiptElsewhere => {
                let (one, other) = (outcome(&entries, 0)?, outcome(&entries, 1)?);
                let (first, rest) = entries.split_at_mut(other);
                let (one, other) = (&mut first[one], &mut rest[0]);
                std::mem::swap(&mut one.header, &mut other.header);
                std::mem::swap(&mut one.seal, &mut other.seal);
            }
            Lie::GivenUp => {
                let at = outcome(&entries, 0)?;
                let facts = facts::event(&entries[at].facts).map_err(Failure::unavailable)?;
                let entry = &mut entries[at];
                (entry.header, entry.seal) = (Bytes::new(), None);
                entry.facts = facts::encode(&EventFacts {
                    peer_sha256: Bytes::new(),
                    code: "deadline".to_owned(),
                    clause: "attempts".to_owned(),
                    ..facts
                });
            }
        }
        Ok(entries)
    }

    /// One event more, as the last one, under a key of the forger's own.
    fn never_told(&self, entries: &mut Vec<Entry>) -> Result<(), Failure> {
        let (_, told) = last(entries, Kind::Event)?;
        let mut header = EventHeader::open(&told.header).map_err(Failure::unavailable)?;
        let mut id = *header.event_id.as_bytes();
        id[15] ^= 1;
        header.event_id =
            ExchangeId::from_slice(&id).ok_or_else(|| Failure::unavailable("no id"))?;
        header.payload.hmac = Digest::of(b"something else");
        let facts = EventFacts {
            decided_at_ms: now_ms(entries),
            ..EventFacts::default()
        };
        let sealed = self.by_the_forger(label::EVENT, header.encode())?;
        push(entries, Kind::Event, facts, Some(sealed));
        Ok(())
    }

    /// The event that nobody has fetched, as taken by its subscriber.
    fn never_taken(&self, entries: &mut Vec<Entry>) -> Result<(), Failure> {
        let (at, event) = last(entries, Kind::Event)?;
        let told = EventHeader::open(&event.header).map_err(Failure::unavailable)?;
        let (index, subscription) = last(entries, Kind::Subscription)?;
        let held = SubscriptionHeader::open(&subscription.header).map_err(Failure::unavailable)?;
        let receipt = EventReceiptHeader {
            subscription_id: held.subscription_id,
            event_id: told.event_id,
            event_header: Digest::of(&event.header),
            refusal: None,
            taken_at_ms: now_ms(entries),
        };
        let facts = EventFacts {
            event_index: at as u64,
            event_leaf: leaf(event)?,
            attempts: 1,
            ..of_subscription(entries, index)?
        };
        let sealed = self.by_the_forger(label::EVENT_RECEIPT, receipt.encode())?;
        push(entries, Kind::EventOutcome, facts, Some(sealed));
        Ok(())
    }

    fn by_the_forger(&self, label: &str, header: Bytes) -> Result<(Bytes, Seal), Failure> {
        let seal = Seal::one(label, &self.origin, &header, &self.signer);
        Ok((header, seal.map_err(Failure::unavailable)?))
    }
}

/// The end of the subscription by the word of the switch, which needs no seal.
fn never_over(entries: &mut Vec<Entry>) -> Result<(), Failure> {
    let (index, subscription) = last(entries, Kind::Subscription)?;
    let decided = facts::event(&subscription.facts).map_err(Failure::unavailable)?;
    let facts = EventFacts {
        code: "agreement_revoked".to_owned(),
        clause: "revocation".to_owned(),
        agreement: decided.agreement,
        ..of_subscription(entries, index)?
    };
    push(entries, Kind::SubscriptionEnd, facts, None);
    Ok(())
}

/// The switch's part of an entry about events, naming what it is about by where that is now: `moved` says it of a leaf.
pub(super) fn renamed(
    entry: &Entry,
    moved: impl Fn(u64, &Bytes) -> Option<(u64, Digest)>,
) -> Result<Bytes, Failure> {
    let mut facts = facts::event(&entry.facts).map_err(Failure::unavailable)?;
    if let Some((index, leaf)) = moved(facts.event_index, &facts.event_leaf) {
        facts.event_index = index;
        facts.event_leaf = Bytes::copy_from_slice(leaf.as_bytes());
    }
    if let Some((index, leaf)) = moved(facts.subscription_index, &facts.subscription_leaf) {
        facts.subscription_index = index;
        facts.subscription_leaf = Bytes::copy_from_slice(leaf.as_bytes());
    }
    Ok(facts::encode(&facts))
}

fn of_subscription(entries: &[Entry], index: usize) -> Result<EventFacts, Failure> {
    Ok(EventFacts {
        decided_at_ms: now_ms(entries),
        subscription_index: index as u64,
        subscription_leaf: leaf(&entries[index])?,
        ..EventFacts::default()
    })
}

fn push(entries: &mut Vec<Entry>, kind: Kind, facts: EventFacts, sealed: Option<(Bytes, Seal)>) {
    let stamp = stamp_after(entries, entries[entries.len() - 1].stamp);
    let (header, seal) = sealed.unzip();
    let draft = Draft {
        kind,
        facts: facts::encode(&facts),
        header: header.unwrap_or_default(),
        seal,
    };
    entries.push(Entry::new(draft, stamp));
}

fn last(entries: &[Entry], kind: Kind) -> Result<(usize, &Entry), Failure> {
    let of_kind = |entry: &Entry| entry.kind == kind;
    let at = entries.iter().rposition(of_kind);
    let at = at.ok_or_else(|| Failure::unavailable(format!("the story has no {}", kind.name())))?;
    Ok((at, &entries[at]))
}

/// Where the `number`th outcome is, from 0.
fn outcome(entries: &[Entry], number: usize) -> Result<usize, Failure> {
    let outcomes = entries.iter().enumerate();
    let mut outcomes = outcomes.filter(|(_, entry)| entry.kind == Kind::EventOutcome);
    let found = outcomes.nth(number).map(|(at, _)| at);
    found.ok_or_else(|| Failure::unavailable("the story has no receipts of events"))
}

fn leaf(entry: &Entry) -> Result<Bytes, Failure> {
    let leaf = entry.leaf().map_err(Failure::unavailable)?;
    Ok(Bytes::copy_from_slice(leaf.as_bytes()))
}

fn now_ms(entries: &[Entry]) -> u64 {
    entries.last().map_or(0, |last| last.stamp.recorded_at_ms())
}
