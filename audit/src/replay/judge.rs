//! The judge: what each kind of entry must satisfy, given everything before it.

use std::collections::{BTreeMap, HashMap};

use proto::authorise::{Denial, Permission};
use proto::entry::{Entry, Kind};
use proto::events::Events;
use proto::facts::{self, ExchangeFacts};
use proto::header::{Outcome, RequestHeader, Seen};
use proto::id::ExchangeId;
use proto::registry::Registry;
use proto::reviews::Reviews;
use proto::seal::SealedHead;
use proto::{Code, Digest};

use super::again::Again;
use super::counts::{Days, Runs};
use super::docket::Docket;
use super::heads::Heads;
use super::pairing::Pairing;
use super::prepare::{Header, Prepared};
use super::pruning::Pruning;
use super::what_if::{Asked, Changed, Flip, Supposing, WhatIf};
use super::{Event, FINDINGS_MAX, RECORD_DELAY_MS, error, rule};
use crate::tiles::TileStore;
use crate::tiles::published::read_published;
use crate::verify::pool::Pool;
use crate::verify::walk::Reached;
use crate::verify::{Finding, Findings, Severity};

mod endings;
mod events;
mod outlived;
mod oversight;
mod requests;
mod streams;

/// Folds, judges and pairs, entry by entry.
#[derive(Debug)]
pub(super) struct Judge<'p> {
    registry: Registry,
    heads: Heads,
    pairing: Pairing,
    again: Again,
    pruning: Pruning,
    docket: Docket<'p>,
    days: Days,
    reviews: Reviews,
    events: Events,
    /// Living subscriptions that nothing permits any more, and since when, Unix milliseconds.
    not_permitted: HashMap<u64, u64>,
    runs: Runs,
    tally: Tally,
    /// What is supposed, if anything is, and what the last entry would have been by it.
    supposing: Option<Supposing>,
    flip: Option<Flip>,
    /// Whether somebody reads the events: filling them in costs as much as judging.
    told: bool,
}

/// What was counted on the way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) kinds: BTreeMap<&'static str, u64>,
    /// Endings and refusals by code.
    pub(super) codes: BTreeMap<&'static str, u64>,
    pub(super) open: u64,
    pub(super) seals: u64,
    pub(super) changed: Option<Changed>,
}

/// An exchange entry, taken apart.
#[derive(Debug)]
struct Exchange<'a> {
    index: u64,
    entry: &'a Entry,
    leaf: Digest,
    facts: ExchangeFacts,
    header: Header,
    sealed: Option<SealedHead>,
    /// SHA-256 of a request's header and COSE_Sign1; of an opening's header.
    digests: [Digest; 2],
}

impl<'p> Judge<'p> {
    /// Over the log in `store`. Events are filled in only when they are `told`.
    pub(super) fn new(
        pool: &'p Pool,
        store: &TileStore,
        told: bool,
        what_if: Option<WhatIf>,
    ) -> Self {
        let published = read_published(store.dir()).ok().flatten();
        let published = published.map_or(0, |published| published.checkpoint.size);
        let pruning = Pruning::of(store);
        Self {
            registry: Registry::empty(),
            heads: Heads::new(store, published),
            pairing: Pairing::default(),
            again: Again::new(store.clone(), published),
            runs: Runs::from_the_middle(pruning.minimum() > 0),
            pruning,
            docket: Docket::new(pool, Findings::new(FINDINGS_MAX)),
            days: Days::default(),
            reviews: Reviews::default(),
            events: Events::default(),
            not_permitted: HashMap::new(),
            tally: Tally::default(),
            supposing: what_if.map(Supposing::new),
            flip: None,
            told,
        }
    }

    /// Judges the next entry and says what it is.
    pub(super) fn entry(&mut self, reached: Reached<'_, Prepared>) -> Event {
        let (index, entry) = (reached.index, reached.entry);
        *self.tally.kinds.entry(entry.kind.name()).or_insert(0) += 1;
        let mut event = Event::of(index, entry);
        self.pruning.follow(index, entry, &self.registry);
        match entry.kind {
            Kind::Epoch => self.epoch(&reached, &mut event),
            Kind::Request
            | Kind::Closing
            | Kind::Refusal
            | Kind::Late
            | Kind::Dispute
            | Kind::Opening
            | Kind::Trailer
            | Kind::Upload
            | Kind::UploadTrailer => self.exchange(reached, &mut event),
            Kind::Event | Kind::Subscription | Kind::EventOutcome | Kind::SubscriptionEnd => {
                self.of_events(index, entry, reached.leaf, &mut event);
            }
            Kind::Access | Kind::Hold | Kind::Erasure | Kind::Witnesses | Kind::Review => {
                self.oversight(index, entry, &mut event);
            }
            Kind::Genesis
            | Kind::Invitation
            | Kind::Agency
            | Kind::KeyBound
            | Kind::KeyEnded
            | Kind::Certificate
            | Kind::Service
            | Kind::AgreementAct
            | Kind::Application
            | Kind::OperatorAct
            | Kind::Approval
            | Kind::KeySucceeded
            | Kind::AgencyAct
            | Kind::LogKeySucceeded
            | Kind::EncryptionKeyBound
            | Kind::BorderAct => self.registry_act(index, entry, &mut event),
        }
        event
    }

    fn exchange(&mut self, reached: Reached<'_, Prepared>, event: &mut Event) {
        let Reached {
            index,
            entry,
            leaf,
            prepared,
            ..
        } = reached;
        let Some(facts) = prepared.facts else {
            return self.fault(index, rule::FACTS, "the facts are not in their one form");
        };
        self.facts(index, entry, &facts, event);
        let exchange = Exchange {
            index,
            entry,
            leaf,
            facts,
            header: prepared.header,
            sealed: prepared.sealed,
            digests: [prepared.header_sha256, prepared.seal_sha256],
        };
        match entry.kind {
            Kind::Request | Kind::Upload => self.request(exchange, event),
            Kind::Closing => self.closing(exchange, event),
            Kind::Refusal => self.refusal(exchange, event),
            Kind::Late => self.late(exchange, event),
            Kind::Opening => self.opening(exchange, event),
            Kind::Trailer => self.trailer(exchange, event),
            Kind::UploadTrailer => self.upload_trailer(exchange, event),
            _ => self.dispute(exchange, event),
        }
    }

    /// The decision of the last entry, if it would have been another.
    pub(super) fn take_flip(&mut self) -> Option<Flip> {
        self.flip.take()
    }

    /// Counts a flip that somebody wants to know of.
    pub(super) fn count_flip(&mut self, flip: &Flip) {
        if let Some(supposing) = &mut self.supposing {
            supposing.count(flip);
        }
    }

    /// Judges a decision that was recorded as the rules decide it once more, as it is supposed that they were.
    fn suppose(
        &mut self,
        exchange: &Exchange<'_>,
        request: &RequestHeader,
        real: &Result<Permission, Denial>,
    ) {
        if let Some(supposing) = &mut self.supposing {
            let asked = Asked {
                index: exchange.index,
                recorded_at_us: exchange.entry.stamp.recorded_at_us,
                decided_at_ms: exchange.facts.decided_at_ms,
                request,
                real,
            };
            self.flip = supposing.judge(&self.registry, &asked);
        }
    }

    /// Now and then: what can wait is done.
    pub(super) fn pause(&mut self) {
        self.docket.pause();
    }

    /// Findings, and what was counted.
    pub(super) fn finish(mut self) -> (Findings, Tally) {
        let open = self.pairing.still_open();
        for index in &open {
            self.notice(Some(*index), rule::OPEN, "the request has no ending yet");
        }
        for gap in std::mem::take(&mut self.runs).finish() {
            self.gap(gap);
        }
        for finding in self.pruning.report() {
            self.docket.add(finding);
        }
        let changed = self
            .supposing
            .map(|supposing| supposing.finish(&self.registry));
        let (findings, seals) = self.docket.finish();
        let tally = Tally {
            open: open.len() as u64,
            seals,
            changed,
            ..self.tally
        };
        (findings, tally)
    }

    fn fault(&mut self, index: u64, rule: &'static str, detail: impl Into<String>) {
        self.docket.add(error(index, rule, detail));
    }

    fn notice(&mut self, index: Option<u64>, rule: &'static str, detail: impl Into<String>) {
        self.docket.add(Finding {
            index,
            rule,
            severity: Severity::Notice,
            detail: detail.into(),
        });
    }

    fn registry_act(&mut self, index: u64, entry: &Entry, event: &mut Event) {
        match self.registry.apply(index, entry) {
            Ok(()) if entry.seal.is_some() => self.docket.count_seal(),
            Ok(()) => {}
            Err(refused) => self.fault(index, rule::FOLD, refused.to_string()),
        }
        self.judge_open_again(entry.kind, entry.stamp.recorded_at_us);
        match entry.kind {
            Kind::Genesis => self.docket.origin(self.registry.origin()),
            Kind::AgreementAct
            | Kind::AgencyAct
            | Kind::OperatorAct
            | Kind::Approval
            | Kind::BorderAct => {
                self.look_after_subscriptions(entry.stamp.recorded_at_ms());
            }
            _ => {}
        }
        if self.told {
            entry.kind.name().clone_into(&mut event.summary);
        }
    }

    fn epoch(&mut self, reached: &Reached<'_, Prepared>, event: &mut Event) {
        let index = reached.index;
        let Ok(facts) = facts::epoch(&reached.entry.facts) else {
            return self.fault(index, rule::FACTS, "the facts are not those of an epoch");
        };
        // Where entries before it are missing, nobody can say what it must be.
        let other_root = reached
            .root_before()
            .is_some_and(|root| facts.previous_root[..] != root.0[..]);
        if facts.previous_size != index || other_root {
            let detail = format!(
                "the broker started from {} entries, {index} are here",
                facts.previous_size
            );
            self.fault(index, rule::EPOCH, detail);
        }
        event.summary = format!("version {} {}", facts.version, facts.recovery);
    }

    /// What every exchange entry's facts say: the times they claim, and how it ended.
    fn facts(&mut self, index: u64, entry: &Entry, facts: &ExchangeFacts, event: &mut Event) {
        let recorded_ms = entry.stamp.recorded_at_ms();
        self.days.turn(recorded_ms);
        if facts.decided_at_ms > recorded_ms
            || facts.decided_at_ms.saturating_add(RECORD_DELAY_MS) < recorded_ms
        {
            let detail = format!(
                "decided at {} ms, recorded at {recorded_ms} ms",
                facts.decided_at_ms
            );
            self.fault(index, rule::TIME, detail);
        }
        if !facts.code.is_empty() {
            let times = match entry.kind {
                Kind::Refusal => facts.count.max(1),
                _ => 1,
            };
            *self.tally.codes.entry(known(&facts.code)).or_insert(0) += times;
        }
        event.agreement = Digest::from_slice(&facts.agreement);
        if self.told {
            event.code.clone_from(&facts.code);
            event.clause.clone_from(&facts.clause);
            event.exchange = ExchangeId::from_slice(&facts.exchange_id);
        }
    }

    fn check_seen(&mut self, index: u64, seen: Option<Seen>) {
        let Some(seen) = seen else { return };
        // A header cannot have seen what was not yet there; a root that this log does not have is a fork.
        if seen.size > index {
            return self.fault(
                index,
                rule::FORK,
                format!(
                    "the header has seen {} entries, before this one there are {index}",
                    seen.size
                ),
            );
        }
        let here = self.heads.at(seen.size);
        if here.is_some_and(|root| root != seen.root) {
            let detail = format!(
                "the header has seen another log of {} entries, with root {}",
                seen.size, seen.root
            );
            self.fault(index, rule::FORK, detail);
        }
    }
}

/// The stable word that `code` is; one for all that are none, of which a log may hold any number.
fn known(code: &str) -> &'static str {
    Outcome::parse(code)
        .map(Outcome::name)
        .or_else(|| Code::parse(code).map(Code::name))
        .unwrap_or("unknown")
}
