//! Judges the entries of a bundle in the order of the log: the registry entries among them are the registry, and every
//! seal, answer and decision is judged against it as it stood there.
//!
//! Deciding is [`proto::authorise`], the function that the switch itself decided with. What needs the entries in
//! between (starts of the broker, daily counts, gaps) is the replay's to judge, over the whole log.

use std::collections::BTreeMap;

use proto::authorise::{self, Clause};
use proto::entry::{Entry, Kind};
use proto::events::Events;
use proto::facts::{self, ExchangeFacts};
use proto::header::RequestHeader;
use proto::registry::Registry;
use proto::{Code, Digest};

use super::contents::Item;

mod endings;
mod events;
mod streams;

pub(super) use events::named;

/// How far the writer's stamp may lie behind the decision that it records.
const RECORD_DELAY_MS: u64 = 60_000;

/// What can be wrong, by the check that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// A registry entry that the fold refuses.
    Registry,
    /// A seal that no key bound at that time made.
    Seal,
    /// An ending that does not belong to its request.
    Answer,
    /// A decision that the agreements do not give.
    Decision,
    /// The switch's own part: facts and times.
    Switch,
}

/// One thing that does not hold.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) index: u64,
    pub(super) about: About,
    pub(super) what: String,
}

/// What was judged.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) faults: Vec<Fault>,
    /// Seals that were looked at, those of the registry not counted.
    pub(super) seals: usize,
    /// Requests and refusals that were judged again.
    pub(super) decisions: usize,
    /// Endings, late answers and disputes.
    pub(super) endings: usize,
}

impl Judged {
    /// The first fault of a kind.
    pub(super) fn first(&self, about: About) -> Option<&Fault> {
        self.faults.iter().find(|fault| fault.about == about)
    }
}

/// Judges `items`, which ascend by index.
pub(super) fn judge<'a>(items: impl IntoIterator<Item = &'a Item>) -> Judged {
    let mut judge = Judge {
        registry: Registry::empty(),
        requests: BTreeMap::new(),
        events: Events::default(),
        recorded_at_us: 0,
        judged: Judged::default(),
    };
    for item in items {
        judge.item(item);
    }
    judge.judged
}

struct Asked<'a> {
    item: &'a Item,
    opened: RequestHeader,
    facts: ExchangeFacts,
    /// SHA-256 of the answer header that began an answer in chunks, and the bytes that it announced.
    begun: Option<(Digest, u64)>,
    /// The trailer of its own chunks came.
    is_trailed: bool,
    ended: bool,
}

struct Judge<'a> {
    registry: Registry,
    requests: BTreeMap<u64, Asked<'a>>,
    events: Events,
    recorded_at_us: u64,
    judged: Judged,
}

impl<'a> Judge<'a> {
    fn item(&mut self, item: &'a Item) {
        let entry = &item.entry;
        if entry.stamp.recorded_at_us < self.recorded_at_us {
            self.fault(
                item,
                About::Switch,
                "recorded before an entry that precedes it",
            );
        }
        self.recorded_at_us = entry.stamp.recorded_at_us;
        match entry.kind {
            Kind::Request | Kind::Upload => self.request(item),
            Kind::Refusal => self.refusal(item),
            Kind::Closing => self.closing(item),
            Kind::Late => self.late(item),
            Kind::Dispute => self.dispute(item),
            Kind::Opening => self.opening(item),
            Kind::Trailer => self.trailer(item),
            Kind::UploadTrailer => self.upload_trailer(item),
            Kind::Hold => self.statement(item, |registry, entry| {
                let seal = entry.seal.as_ref().ok_or(Code::BadSeal)?;
                authorise::verify_hold(registry, &entry.header, seal).map(drop)
            }),
            Kind::Erasure => self.statement(item, |registry, entry| {
                let seal = entry.seal.as_ref().ok_or(Code::BadSeal)?;
                authorise::verify_erasure(registry, &entry.header, seal).map(drop)
            }),
            Kind::Review => self.statement(item, |registry, entry| {
                let seal = entry.seal.as_ref().ok_or(Code::BadSeal)?;
                authorise::verify_review(registry, &entry.header, seal).map(drop)
            }),
            kind if kind.is_event() => self.of_events(item),
            kind if kind.is_registry() => {
                if let Err(refused) = self.registry.apply(item.index, entry) {
                    self.fault(item, About::Registry, refused.to_string());
                }
            }
            _ => {}
        }
    }

    fn fault(&mut self, item: &Item, about: About, what: impl Into<String>) {
        let index = item.index;
        self.judged.faults.push(Fault {
            index,
            about,
            what: what.into(),
        });
    }

    /// The switch's own part of an exchange entry.
    fn facts(&mut self, item: &Item) -> Option<ExchangeFacts> {
        let Ok(facts) = facts::exchange(&item.entry.facts) else {
            self.fault(item, About::Switch, "its facts are not in their one form");
            return None;
        };
        let recorded_ms = item.entry.stamp.recorded_at_ms();
        let (earliest, latest) = (recorded_ms.saturating_sub(RECORD_DELAY_MS), recorded_ms);
        if !(earliest..=latest).contains(&facts.decided_at_ms) {
            self.fault(
                item,
                About::Switch,
                "its decision was not made just before it was recorded",
            );
        }
        Some(facts)
    }

    /// The sealed request of a request or refusal entry.
    fn sealed(&mut self, item: &Item) -> Option<RequestHeader> {
        self.judged.seals += 1;
        let opened = item
            .entry
            .seal
            .as_ref()
            .ok_or(Code::BadSeal)
            .and_then(|seal| {
                authorise::verify_request(&self.registry, &item.entry.header, seal, None)
            });
        match opened {
            Ok(opened) => Some(opened),
            Err(code) => {
                self.fault(
                    item,
                    About::Seal,
                    format!("the sealed request does not hold: {code}"),
                );
                None
            }
        }
    }

    fn request(&mut self, item: &'a Item) {
        let (Some(facts), Some(opened)) = (self.facts(item), self.sealed(item)) else {
            return;
        };
        self.judged.decisions += 1;
        let located = authorise::locate(&self.registry, &opened).err();
        let connects = Digest::from_slice(&facts.peer_sha256)
            .and_then(|peer| self.registry.may_connect(&opened.consumer, &peer).err());
        let wrong = match authorise::authorise(&self.registry, &opened, facts.decided_at_ms) {
            Err(denial) => Some(format!(
                "let through, but {} ({}) refuses it",
                denial.code, denial.clause
            )),
            Ok(permission)
                if facts.agreement[..] != permission.agreement.0[..]
                    || facts.grant != permission.grant =>
            {
                Some("recorded under another grant than the one that permits it".to_owned())
            }
            Ok(_) => located.map(|code| format!("let through, but its service is {code}")),
        };
        let wrong = wrong.or_else(|| {
            connects
                .map(|code| format!("let through over a certificate that may not connect: {code}"))
        });
        if let Some(what) = wrong {
            self.fault(item, About::Decision, what);
        }
        let asked = Asked {
            item,
            opened,
            facts,
            begun: None,
            is_trailed: false,
            ended: false,
        };
        self.requests.insert(item.index, asked);
    }

    fn refusal(&mut self, item: &'a Item) {
        let Some(facts) = self.facts(item) else {
            return;
        };
        let Some(code) = Code::parse(&facts.code) else {
            return self.fault(
                item,
                About::Switch,
                format!("'{}' is no refusal code", facts.code),
            );
        };
        if item.entry.header.is_empty() {
            return;
        }
        let Some(opened) = self.sealed(item) else {
            return;
        };
        self.judged.decisions += 1;
        let judged = authorise::authorise(&self.registry, &opened, facts.decided_at_ms);
        let agrees = match (code, &judged) {
            // The clock, the ids, the counts and who is attached are the switch's own: a bundle cannot show them.
            (Code::Stale | Code::Duplicate, _)
            | (Code::QuotaExceeded | Code::ProviderOffline, Ok(_)) => true,
            // What else waited for a review then is not in the bundle.
            (Code::PurposeNotGranted, Ok(permission)) => {
                permission.wants_review && facts.clause == Clause::ReviewOverdue.to_string()
            }
            (Code::OperationDisabled, Ok(_))
                if opened.is_upload() && facts.clause == Clause::Upload.to_string() =>
            {
                true
            }
            (Code::UnknownService | Code::ContractViolation | Code::OperationDisabled, Ok(_)) => {
                authorise::locate(&self.registry, &opened).err() == Some(code)
            }
            (_, Err(denial)) => denial.code == code && denial.clause.to_string() == facts.clause,
            (_, Ok(_)) => false,
        };
        if !agrees {
            let instead = judged.map_or_else(
                |denial| format!("the rules give {} ({})", denial.code, denial.clause),
                |_| "the agreements permit it".to_owned(),
            );
            self.fault(
                item,
                About::Decision,
                format!("refused as {code}, but {instead}"),
            );
        }
    }

    /// A hold or an erasure.
    fn statement(
        &mut self,
        item: &Item,
        verify: impl FnOnce(&Registry, &Entry) -> Result<(), Code>,
    ) {
        self.judged.seals += 1;
        if let Err(code) = verify(&self.registry, &item.entry) {
            self.fault(item, About::Seal, format!("it does not hold: {code}"));
        }
    }
}
