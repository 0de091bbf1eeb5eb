//! The log against the receipts: every exchange of these systems, in their time, that a side does not hold.
//!
//! Takes each entry in order, as [`crate::verify`] reads them. Gives the report. Judges no decision and no seal; that is
//! a replay's.

use std::collections::{BTreeMap, HashMap};

use proto::digest::Digest;
use proto::entry::Entry;
use proto::facts;
use proto::header::RequestHeader;
use proto::id::{ExchangeId, SystemId};

use super::against::{Against, Conflict, Held};
use super::line::Role;
use super::numbers::Numbers;
use super::{Has, Report, Row, Side, rule};
use crate::verify::{self, Severity};

/// Gaps told of one run.
const GAPS_MAX: usize = 10;
/// Refusals that are not recorded, and say so: nobody holds a receipt of one.
const UNRECORDED_CODES: [&str; 3] = ["rate_limited", "overloaded", "log_unavailable"];

/// The walk so far.
#[derive(Debug)]
pub(super) struct Walk {
    against: Against,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    /// Requests to providers whose receipts are here, until they end.
    open: HashMap<u64, Open>,
    /// Numbers in the log, of each key and run that a consumer's receipts name.
    recorded: BTreeMap<(Digest, [u8; 16]), Numbers>,
    /// Of the sides' unreceipted exchanges, those that the log has.
    found: std::collections::HashSet<ExchangeId>,
    agreed: u64,
}

#[derive(Debug)]
struct Open {
    exchange: ExchangeId,
    consumer: SystemId,
    provider: SystemId,
}

impl Walk {
    pub(super) fn new(against: Against, from_ms: Option<u64>, to_ms: Option<u64>) -> Self {
        Self {
            against,
            from_ms,
            to_ms,
            open: HashMap::new(),
            recorded: BTreeMap::new(),
            found: std::collections::HashSet::new(),
            agreed: 0,
        }
    }

    pub(super) fn entry(&mut self, index: u64, entry: &Entry) {
        match entry.kind {
            kind if kind.holds_request() && !entry.header.is_empty() => {
                if let Ok(header) = RequestHeader::open(&entry.header) {
                    self.asked(index, entry, &header);
                }
            }
            kind if kind.ends() => {
                if let Ok(facts) = facts::exchange(&entry.facts) {
                    self.ended(index, entry, facts.request_index);
                }
            }
            _ => {}
        }
    }

    fn asked(&mut self, index: u64, entry: &Entry, header: &RequestHeader) {
        let id = header.exchange_id;
        if let Some(conflict) = self.against.conflicts.get_mut(&id) {
            conflict.elsewhere.get_or_insert(index);
        }
        let run = entry
            .seal
            .as_ref()
            .and_then(|seal| seal.open().ok().map(|seal| (seal.kid(), header.run_id)));
        if let Some(run) = run {
            let sides = &self.against.sides;
            if sides.values().any(|held| held.sealed.contains_key(&run)) {
                self.recorded
                    .entry(run)
                    .or_default()
                    .insert(header.sequence);
            }
        }
        let at_us = entry.stamp.recorded_at_us;
        if let Some(held) = self.side(&header.consumer, Role::Consumer) {
            let holds = held.marks.has(index);
            let outcome = held.unreceipted.get(&id).cloned();
            let is_expected = self.expects(held, at_us);
            let in_conflict = self.against.conflicts.contains_key(&id);
            let provider = self.has(&header.provider, Role::Provider, index);
            if holds {
                self.agreed += 1;
            } else if let Some(outcome) = outcome {
                self.found.insert(id);
                let detail = format!("asked, and ended there as '{outcome}' without a receipt");
                self.found(rule::UNRECEIPTED, id, index, [Has::Yes, provider], detail);
            } else if is_expected && !in_conflict {
                let detail = format!(
                    "a request of {}, under its seal, that its journal does not hold",
                    header.consumer
                );
                self.found(
                    rule::UNKNOWN_TO_CONSUMER,
                    id,
                    index,
                    [Has::No, provider],
                    detail,
                );
            }
        }
        if entry.kind.asks() && self.side(&header.provider, Role::Provider).is_some() {
            let open = Open {
                exchange: id,
                consumer: header.consumer.clone(),
                provider: header.provider.clone(),
            };
            self.open.insert(index, open);
        }
    }

    fn ended(&mut self, index: u64, entry: &Entry, request_index: u64) {
        let Some(open) = self.open.remove(&request_index) else {
            return;
        };
        // An end without the provider's seal may never have reached it.
        let Some(held) = self
            .side(&open.provider, Role::Provider)
            .filter(|_| entry.seal.is_some())
        else {
            return;
        };
        if held.marks.has(index) || held.marks.has(request_index) {
            self.agreed += 1;
            return;
        }
        if !self.expects(held, entry.stamp.recorded_at_us)
            || self.against.conflicts.contains_key(&open.exchange)
        {
            return;
        }
        let consumer = self.has(&open.consumer, Role::Consumer, request_index);
        let detail = format!(
            "an answer of {}, under its seal, that its journal does not hold",
            open.provider
        );
        let has = [consumer, Has::No];
        self.found(rule::UNKNOWN_TO_PROVIDER, open.exchange, index, has, detail);
    }

    /// The report, once every entry was walked over.
    pub(super) fn finish(mut self, files: verify::Report) -> Report {
        let conflicts = std::mem::take(&mut self.against.conflicts);
        let mut conflicts: Vec<_> = conflicts.into_iter().collect();
        conflicts.sort_by_key(|(_, conflict)| conflict.index);
        for (exchange, conflict) in conflicts {
            self.conflict(exchange, conflict);
        }
        self.unrecorded();
        self.gaps();
        let sides = self
            .against
            .sides
            .iter()
            .map(|((system, role), held)| Side {
                system: system.clone(),
                role: *role,
                exchanges: held.exchanges,
                proven: held.proven,
                span_us: held.span_us,
            });
        Report {
            files,
            sides: sides.collect(),
            dropped: self.against.rows.dropped,
            errors: self.against.rows.errors,
            rows: self.against.rows.kept,
            agreed: self.agreed,
        }
    }

    fn conflict(&mut self, exchange: ExchangeId, conflict: Conflict) {
        let given = |role| self.against.sides.keys().any(|(_, given)| *given == role);
        let has = |role| match (conflict.sides.contains(&role), given(role)) {
            (true, _) => Has::Yes,
            (false, true) => Has::No,
            (false, false) => Has::Unknown,
        };
        let (consumer, provider) = (has(Role::Consumer), has(Role::Provider));
        let (rule, log) = match conflict.elsewhere {
            Some(index) => (rule::ALTERED, Has::Otherwise(index)),
            None => (rule::NOT_IN_LOG, Has::No),
        };
        self.against.rows.add(Row {
            rule,
            severity: Severity::Error,
            exchange: Some(exchange),
            index: Some(conflict.index),
            log,
            consumer,
            provider,
            detail: conflict.detail,
        });
    }

    /// What a consumer sealed and the log does not have, where the switch did not say so itself.
    fn unrecorded(&mut self) {
        let mut rows = Vec::new();
        for ((_, role), held) in &self.against.sides {
            if *role != Role::Consumer {
                continue;
            }
            for (exchange, outcome) in &held.unreceipted {
                if self.found.contains(exchange) || UNRECORDED_CODES.contains(&outcome.as_str()) {
                    continue;
                }
                let outcome = if outcome.is_empty() { "open" } else { outcome };
                rows.push((*exchange, format!("sealed, ended there as '{outcome}'")));
            }
        }
        rows.sort_by_key(|(exchange, _)| *exchange.as_bytes());
        for (exchange, detail) in rows {
            self.against.rows.add(Row {
                rule: rule::UNRECORDED,
                severity: Severity::Warning,
                exchange: Some(exchange),
                index: None,
                log: Has::No,
                consumer: Has::Yes,
                provider: Has::Unknown,
                detail,
            });
        }
    }

    /// Numbers of a run that neither the journal nor the log has.
    fn gaps(&mut self) {
        let none = Numbers::default();
        let mut found = Vec::new();
        for held in self.against.sides.values() {
            for ((kid, run), sealed) in &held.sealed {
                let recorded = self.recorded.get(&(*kid, *run)).unwrap_or(&none);
                let Some(span) = sealed.span() else { continue };
                for gap in sealed.missing(recorded, span, GAPS_MAX) {
                    found.push(format!(
                        "run {} of key {}: numbers {} to {} are in neither",
                        hex::encode(run),
                        kid.short(),
                        gap.start(),
                        gap.end()
                    ));
                }
            }
        }
        for detail in found {
            self.against.rows.note(rule::GAP, Severity::Warning, detail);
        }
    }

    fn side(&self, system: &SystemId, role: Role) -> Option<&Held> {
        self.against.sides.get(&(system.clone(), role))
    }

    fn has(&self, system: &SystemId, role: Role, index: u64) -> Has {
        match self.side(system, role) {
            Some(held) if held.marks.has(index) => Has::Yes,
            Some(_) => Has::No,
            None => Has::Unknown,
        }
    }

    /// Whether an entry recorded then should be in this side's journal.
    fn expects(&self, held: &Held, at_us: u64) -> bool {
        let (first, last) = held.span_us.unwrap_or((u64::MAX, 0));
        let from = self.from_ms.map_or(first, |ms| ms.saturating_mul(1_000));
        let to = self
            .to_ms
            .map_or(last, |ms| ms.saturating_mul(1_000).saturating_sub(1));
        (from..=to).contains(&at_us)
    }

    fn found(
        &mut self,
        rule: &'static str,
        exchange: ExchangeId,
        index: u64,
        [consumer, provider]: [Has; 2],
        detail: String,
    ) {
        let severity = match rule {
            rule::UNRECEIPTED => Severity::Warning,
            _ => Severity::Error,
        };
        self.against.rows.add(Row {
            rule,
            severity,
            exchange: Some(exchange),
            index: Some(index),
            log: Has::Yes,
            consumer,
            provider,
            detail,
        });
    }
}
