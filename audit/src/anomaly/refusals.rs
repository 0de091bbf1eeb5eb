//! Whom the switch mostly tells no, and who was told no and then asked in another way.

use std::collections::{BTreeMap, HashMap};

use proto::Code;
use proto::header::{RequestHeader, Subject};

use super::{Asked, INDEXES_MAX, Odd, Oddity, Rules, Traces, Who};
use crate::stats::bounded::{Bounded, Merge};

/// Askers kept while counting.
const ASKERS_MAX: usize = 50_000;
/// Codes told of one asker.
const CODES_MAX: usize = 16;
/// Refusals that wait for a sequel.
const WAITING_MAX: usize = 50_000;

/// Counts what each asker was refused.
#[derive(Debug)]
pub(super) struct Clusters {
    askers: Bounded<Who, Refused>,
}

#[derive(Debug, Default)]
struct Refused {
    asked: u64,
    refused: u64,
    codes: BTreeMap<String, u64>,
    traces: Traces,
}

impl Merge for Refused {
    fn merge(&mut self, other: Self) {
        self.asked = self.asked.saturating_add(other.asked);
        self.refused = self.refused.saturating_add(other.refused);
    }
}

impl Clusters {
    pub(super) fn new() -> Self {
        Self {
            askers: Bounded::new(ASKERS_MAX),
        }
    }

    pub(super) fn take(&mut self, asked: &Asked<'_>) {
        let count = asked.count();
        let asker = self.askers.entry(&asked.who, count);
        asker.asked = asker.asked.saturating_add(count);
        let Some(code) = asked.refused.filter(|code| speaks_of_the_asker(code)) else {
            return;
        };
        asker.refused = asker.refused.saturating_add(count);
        if asker.codes.contains_key(code) || asker.codes.len() < CODES_MAX {
            *asker.codes.entry(code.to_owned()).or_insert(0) += count;
        }
        asker.traces.add(asked.row);
    }

    pub(super) fn finish(self, rules: &Rules) -> Vec<Oddity> {
        self.askers
            .finish(ASKERS_MAX)
            .kept
            .into_iter()
            .map(|kept| (kept.key, kept.value))
            .filter(|(_, found)| {
                found.refused >= rules.refused_min
                    && found.refused as f64 >= rules.refused_share * found.asked as f64
            })
            .map(|(who, found)| Oddity {
                who,
                odd: Odd::Refused {
                    asked: found.asked,
                    codes: found.codes,
                },
                count: found.refused,
                traces: found.traces,
            })
            .collect()
    }
}

/// Joins refusals for want of a right to the permitted request that followed.
#[derive(Debug)]
pub(super) struct Sequences {
    waiting: HashMap<About, Waiting>,
    found: Bounded<(Who, String), Sequels>,
    unwatched: u64,
}

/// The same asker, the same service, the same persons; where no person is named, the same operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct About {
    who: Who,
    service: String,
    subjects: Vec<(String, proto::Digest)>,
    operation: Option<String>,
}

#[derive(Debug)]
struct Waiting {
    at_ms: u64,
    index: u64,
    header: std::sync::Arc<RequestHeader>,
}

#[derive(Debug, Default)]
struct Sequels {
    count: u64,
    changed: Vec<&'static str>,
    traces: Traces,
}

impl Merge for Sequels {
    fn merge(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
    }
}

impl Sequences {
    pub(super) fn new() -> Self {
        Self {
            waiting: HashMap::new(),
            found: Bounded::new(ASKERS_MAX),
            unwatched: 0,
        }
    }

    pub(super) fn take(&mut self, rules: &Rules, asked: &Asked<'_>) {
        let Some(header) = &asked.row.request else {
            return;
        };
        let about = About::of(asked);
        let Some(code) = asked.refused else {
            if let Some(refused) = self.waiting.remove(&about)
                && asked.at_ms.saturating_sub(refused.at_ms) <= rules.sequel_ms
            {
                self.sequel(asked, &refused, about.service, header);
            }
            return;
        };
        if !is_about_rights(code) {
            return;
        }
        if self.waiting.len() >= WAITING_MAX && !self.waiting.contains_key(&about) {
            let before_ms = asked.at_ms.saturating_sub(rules.sequel_ms);
            self.waiting.retain(|_, waiting| waiting.at_ms >= before_ms);
            if self.waiting.len() >= WAITING_MAX {
                self.unwatched += 1;
                return;
            }
        }
        let waiting = Waiting {
            at_ms: asked.at_ms,
            index: asked.row.event.index,
            header: header.clone(),
        };
        self.waiting.insert(about, waiting);
    }

    fn sequel(
        &mut self,
        asked: &Asked<'_>,
        refused: &Waiting,
        service: String,
        header: &RequestHeader,
    ) {
        let sequels = self.found.entry(&(asked.who.clone(), service), 1);
        sequels.count += 1;
        for changed in changes(&refused.header, header) {
            if !sequels.changed.contains(&changed) {
                sequels.changed.push(changed);
            }
        }
        // Refusal and request stand together: both or neither.
        if sequels.traces.indexes.len() + 2 <= INDEXES_MAX {
            sequels.traces.add_at(refused.index, refused.at_ms);
            sequels.traces.add(asked.row);
        } else {
            sequels.traces.last_ms = asked.at_ms;
        }
    }

    pub(super) fn unwatched(&self) -> u64 {
        self.unwatched
    }

    pub(super) fn finish(self, rules: &Rules) -> Vec<Oddity> {
        self.found
            .finish(ASKERS_MAX)
            .kept
            .into_iter()
            .filter(|kept| kept.value.count >= rules.sequels_min)
            .map(|kept| {
                let (who, service) = kept.key;
                Oddity {
                    who,
                    odd: Odd::RefusedThenPermitted {
                        service,
                        changed: kept.value.changed,
                    },
                    count: kept.value.count,
                    traces: kept.value.traces,
                }
            })
            .collect()
    }
}

impl About {
    fn of(asked: &Asked<'_>) -> Self {
        let event = &asked.row.event;
        let subject = |subject: &Subject| (subject.scheme.to_string(), subject.pseudonym);
        Self {
            who: asked.who.clone(),
            service: asked.service(),
            subjects: event.subjects.iter().map(subject).collect(),
            operation: event.subjects.is_empty().then(|| event.operation.clone()),
        }
    }
}

/// What the second request says otherwise.
fn changes(first: &RequestHeader, second: &RequestHeader) -> Vec<&'static str> {
    [
        ("purpose", first.purpose != second.purpose),
        ("fields", first.fields != second.fields),
        ("operation", first.operation != second.operation),
        ("agreement", first.agreement != second.agreement),
        ("delegation", first.delegation != second.delegation),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect()
}

/// Whether a refusal says something about who asked or what was asked, rather than about load, clocks or outages.
fn speaks_of_the_asker(code: &str) -> bool {
    !matches!(
        Code::parse(code),
        Some(
            Code::Stale
                | Code::Duplicate
                | Code::RateLimited
                | Code::Overloaded
                | Code::QuotaExceeded
                | Code::ProviderOffline
                | Code::OperationDisabled
                | Code::LogUnavailable
        )
    )
}

/// Whether a refusal says that a right is missing.
fn is_about_rights(code: &str) -> bool {
    matches!(
        Code::parse(code),
        Some(
            Code::NoAgreement
                | Code::AgreementExpired
                | Code::AgreementRevoked
                | Code::PurposeNotGranted
                | Code::OperationNotGranted
                | Code::FieldNotGranted
                | Code::DelegationBroken
        )
    )
}
