//! The judge: what each kind of entry must satisfy, given everything before it.

use std::collections::HashMap;

use proto::Digest;
use proto::authorise;
use proto::entry::{Entry, Kind};
use proto::facts::{self, ExchangeFacts};
use proto::header::{RequestHeader, Seen};
use proto::id::{AgencyId, ExchangeId};
use proto::registry::Registry;
use proto::seal::{Seal, SealMemory};

use super::heads::Heads;
use super::pairing::{Pairing, Recorded};
use super::{Event, error, rule};
use crate::tiles::TileStore;
use crate::tiles::published::read_published;
use crate::tree::Edge;
use crate::verify::Findings;

mod endings;
mod oversight;

/// How far the writer's stamp may lie behind the decision that it records.
const RECORD_DELAY_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// Requests counted under one grant on one day (UTC).
type QuotaKey = (Digest, u32, u64);
/// Requests of one agency on one day (UTC).
type AgencyDay = (AgencyId, u64);

/// Folds, judges and pairs, entry by entry.
#[derive(Debug)]
pub(super) struct Judge {
    registry: Registry,
    tree: Edge,
    heads: Heads,
    pairing: Pairing,
    memory: SealMemory,
    quotas: HashMap<QuotaKey, u64>,
    agency_days: HashMap<AgencyDay, u64>,
    /// Per key and run: headers seen and the largest sequence number.
    sequences: HashMap<(Digest, [u8; 16]), (u64, u64)>,
    published: u64,
    seals: u64,
    findings: Findings,
}

impl Judge {
    pub(super) fn new(store: &TileStore, findings: Findings) -> Self {
        let published = read_published(store.dir()).ok().flatten();
        Self {
            registry: Registry::empty(),
            tree: Edge::new(),
            heads: Heads::new(store),
            pairing: Pairing::default(),
            memory: SealMemory::default(),
            quotas: HashMap::new(),
            agency_days: HashMap::new(),
            sequences: HashMap::new(),
            published: published.map_or(0, |published| published.checkpoint.size),
            seals: 0,
            findings,
        }
    }

    /// Judges the next entry and says what it is.
    pub(super) fn entry(&mut self, index: u64, entry: &Entry) -> Event {
        let mut event = Event::of(index, entry);
        match entry.kind {
            Kind::Epoch => self.epoch(index, entry, &mut event),
            Kind::Request => self.request(index, entry, &mut event),
            Kind::Closing => self.closing(index, entry, &mut event),
            Kind::Refusal => self.refusal(index, entry, &mut event),
            Kind::Late => self.late(index, entry, &mut event),
            Kind::Dispute => self.dispute(index, entry, &mut event),
            Kind::Access | Kind::Hold | Kind::Erasure | Kind::Witnesses => {
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
            | Kind::AgencyAct => self.registry_act(index, entry, &mut event),
        }
        if let Ok(leaf) = entry.leaf() {
            self.tree.push(leaf);
        }
        event
    }

    /// Findings, requests still open, seals verified.
    pub(super) fn finish(mut self) -> (Findings, u64, u64) {
        let open = self.pairing.still_open();
        for index in &open {
            self.findings.notice(
                Some(*index),
                rule::OPEN,
                "the request has no ending yet".to_owned(),
            );
        }
        for ((_, run), (count, largest)) in &self.sequences {
            if count < largest {
                let run = hex::encode(&run[..4]);
                let detail = format!(
                    "run {run}… sealed {largest} requests, {count} are here; ask the agency for the rest"
                );
                self.findings.notice(None, rule::SEQUENCE, detail);
            }
        }
        (self.findings, open.len() as u64, self.seals)
    }

    fn fault(&mut self, index: u64, rule: &'static str, detail: impl Into<String>) {
        self.findings.add(error(index, rule, detail));
    }

    fn registry_act(&mut self, index: u64, entry: &Entry, event: &mut Event) {
        match self.registry.apply(index, entry) {
            Ok(()) => self.seals += u64::from(entry.seal.is_some()),
            Err(refused) => self.fault(index, rule::FOLD, refused.to_string()),
        }
        event.summary = entry.kind.name().to_owned();
    }

    fn epoch(&mut self, index: u64, entry: &Entry, event: &mut Event) {
        let Ok(facts) = facts::epoch(&entry.facts) else {
            return self.fault(index, rule::FACTS, "the facts are not those of an epoch");
        };
        if facts.previous_size != index || facts.previous_root[..] != self.tree.root().0[..] {
            let detail = format!(
                "the broker started from {} entries, {index} are here",
                facts.previous_size
            );
            self.fault(index, rule::EPOCH, detail);
        }
        event.summary = format!("version {} {}", facts.version, facts.recovery);
    }

    /// Facts of an exchange entry, with the times they claim.
    fn facts(&mut self, index: u64, entry: &Entry, event: &mut Event) -> Option<ExchangeFacts> {
        let Ok(facts) = facts::exchange(&entry.facts) else {
            self.fault(index, rule::FACTS, "the facts are not in their one form");
            return None;
        };
        let recorded_ms = entry.stamp.recorded_at_ms();
        if facts.decided_at_ms > recorded_ms || facts.decided_at_ms + RECORD_DELAY_MS < recorded_ms
        {
            let detail = format!(
                "decided at {} ms, recorded at {recorded_ms} ms",
                facts.decided_at_ms
            );
            self.fault(index, rule::TIME, detail);
        }
        event.code.clone_from(&facts.code);
        event.clause.clone_from(&facts.clause);
        event.agreement = Digest::from_slice(&facts.agreement);
        if event.exchange.is_none() {
            event.exchange = ExchangeId::from_slice(&facts.exchange_id);
        }
        Some(facts)
    }

    fn request(&mut self, index: u64, entry: &Entry, event: &mut Event) {
        let Some(facts) = self.facts(index, entry, event) else {
            return;
        };
        let Some((opened, seal)) = self.sealed_request(index, entry, event) else {
            return;
        };
        match authorise::authorise(&self.registry, &opened, facts.decided_at_ms) {
            Ok(permission) => {
                let same = facts.agreement[..] == permission.agreement.0[..]
                    && facts.grant == permission.grant;
                if !same {
                    self.fault(
                        index,
                        rule::DECISION,
                        "recorded under another grant than the one that permits it",
                    );
                }
                self.count(index, &facts, permission.daily_quota);
            }
            Err(denial) => {
                let detail = format!(
                    "let through, but {} ({}) refuses it",
                    denial.code, denial.clause
                );
                self.fault(index, rule::DECISION, detail);
            }
        }
        if let Err(code) = authorise::locate(&self.registry, &opened) {
            self.fault(
                index,
                rule::DECISION,
                format!("let through, but its service is {code}"),
            );
        }
        self.count_agency(index, &facts, opened.consumer.agency());
        let peer = Digest::from_slice(&facts.peer_sha256);
        let connects = |peer| self.registry.may_connect(&opened.consumer, &peer);
        if let Some(Err(code)) = peer.map(connects) {
            let detail = format!("let through over a certificate that may not connect: {code}");
            self.fault(index, rule::DECISION, detail);
        }
        self.follow_sequence(&seal, &opened);
        let recorded = Recorded {
            index,
            leaf: entry.leaf().unwrap_or_default(),
            recorded_at_us: entry.stamp.recorded_at_us,
            header: entry.header.clone(),
            seal,
            agreement: event.agreement,
            grant: facts.grant,
            opened,
            ended: false,
        };
        if !self.pairing.begin(recorded) {
            self.fault(
                index,
                rule::DUPLICATE,
                "this system recorded a request with this exchange id before",
            );
        }
    }

    /// Opens and verifies the sealed request of a request or refusal entry.
    fn sealed_request(
        &mut self,
        index: u64,
        entry: &Entry,
        event: &mut Event,
    ) -> Option<(RequestHeader, Seal)> {
        let Some(seal) = entry.seal.clone() else {
            self.fault(index, rule::SEAL, "a request without a seal");
            return None;
        };
        let memory = Some((&self.memory, entry.stamp.recorded_at_ms()));
        match authorise::verify_request(&self.registry, &entry.header, &seal, memory) {
            Ok(opened) => {
                self.seals += 1;
                event.describe(&opened);
                self.check_seen(index, opened.seen);
                Some((opened, seal))
            }
            Err(code) => {
                self.fault(
                    index,
                    rule::SEAL,
                    format!("the sealed request does not hold: {code}"),
                );
                None
            }
        }
    }

    fn count(&mut self, index: u64, facts: &ExchangeFacts, daily_quota: u64) {
        if daily_quota == 0 {
            return;
        }
        let Some(agreement) = Digest::from_slice(&facts.agreement) else {
            return;
        };
        let day = facts.decided_at_ms / DAY_MS;
        self.quotas.retain(|(_, _, counted), _| counted + 1 >= day);
        let used = self
            .quotas
            .entry((agreement, facts.grant, day))
            .or_insert(0);
        *used += 1;
        if *used > daily_quota || facts.quota_used == 0 || facts.quota_used > daily_quota {
            let detail = format!(
                "request {used} of the day under a quota of {daily_quota}, counted as {}",
                facts.quota_used
            );
            self.fault(index, rule::QUOTA, detail);
        }
    }

    /// Every agency is counted: operators may set a quota in the middle of a day.
    fn count_agency(&mut self, index: u64, facts: &ExchangeFacts, agency: AgencyId) {
        let known = self.registry.agency(&agency);
        let daily_quota = known.map_or(0, |known| known.daily_quota);
        let key = (agency, facts.decided_at_ms / DAY_MS);
        if !self.agency_days.contains_key(&key) {
            self.agency_days
                .retain(|(_, counted), _| counted + 1 >= key.1);
        }
        let used = self.agency_days.entry(key).or_insert(0);
        *used += 1;
        if daily_quota > 0 && *used > daily_quota {
            let detail =
                format!("request {used} of its agency's day, under a quota of {daily_quota}");
            self.fault(index, rule::QUOTA, detail);
        }
    }

    fn follow_sequence(&mut self, seal: &Seal, opened: &RequestHeader) {
        let Ok(open) = seal.open() else { return };
        let (count, largest) = self
            .sequences
            .entry((open.kid(), opened.run_id))
            .or_insert((0, 0));
        *count += 1;
        *largest = (*largest).max(opened.sequence);
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
        let here = self.heads.at(seen.size, self.published);
        if here.is_some_and(|root| root != seen.root) {
            let detail = format!(
                "the header has seen another log of {} entries, with root {}",
                seen.size, seen.root
            );
            self.fault(index, rule::FORK, detail);
        }
    }
}
