//! Requests with their ends, and holds on them, in one pass over a log directory.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use proto::authorise::{verify_hold, verify_request};
use proto::digest::Digest;
use proto::entry::{Entry, Kind};
use proto::facts;
use proto::header::{AnswerHeader, RequestHeader};
use proto::id::{AgencyId, ExchangeId};
use proto::registry::Registry;

use crate::checkpoint::LogKey;
use crate::verify::{self, OnProgress, Report};

/// Faults kept; more are only counted.
const FAULTS_MAX: usize = 100;

/// A request, or a refused one, with how it ended.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) index: u64,
    pub(super) recorded_at_us: u64,
    pub(super) header: RequestHeader,
    /// Which key sealed it.
    pub(super) kid: Option<Digest>,
    /// The grant that permitted it, from 1; 0 when none did.
    pub(super) grant: u32,
    /// The answer in chunks that began, and which key sealed it: from there on its asker saw of it.
    pub(super) begun: Option<(AnswerHeader, Option<Digest>)>,
    pub(super) end: Option<End>,
}

impl Exchange {
    /// Whether its asker saw an answer, or the beginning of one.
    pub(super) fn was_answered(&self) -> bool {
        self.begun.is_some() || self.end.as_ref().is_some_and(|end| end.code == "answered")
    }
}

/// How it ended.
#[derive(Debug)]
pub(super) struct End {
    /// The closing entry; the same as the request's index for a refusal of the switch.
    pub(super) index: u64,
    /// Outcome, or refusal code.
    pub(super) code: String,
    pub(super) answer: Option<AnswerHeader>,
    pub(super) kid: Option<Digest>,
}

/// Something in the log that must not be there. `mohawel audit replay` says more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The entry.
    pub index: u64,
    /// What is wrong.
    pub detail: String,
}

/// The last word of one agency on one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRecord {
    /// Whose.
    pub agency: AgencyId,
    /// A code of the law that allows it.
    pub ground: String,
    /// When it is over by itself; Unix time, milliseconds.
    pub until_ms: u64,
    issued_at_ms: u64,
    ended: bool,
}

/// All holds of a log.
#[derive(Debug, Default)]
pub(super) struct Holds(HashMap<ExchangeId, BTreeMap<AgencyId, HoldRecord>>);

impl Holds {
    /// The hold of one of the two agencies that stands on the exchange at `at_ms`.
    pub(super) fn standing(
        &self,
        exchange: &ExchangeId,
        parties: [&AgencyId; 2],
        at_ms: u64,
    ) -> Option<&HoldRecord> {
        let holds = self.0.get(exchange)?;
        let mut standing = parties.into_iter().filter_map(|agency| holds.get(agency));
        standing.find(|hold| !hold.ended && at_ms < hold.until_ms)
    }

    pub(super) fn add(&mut self, hold: &proto::act::Hold) {
        for exchange in &hold.exchanges {
            let of = self.0.entry(*exchange).or_default();
            let known = of.get(&hold.agency).map(|known| known.issued_at_ms);
            if known.is_some_and(|known| known >= hold.issued_at_ms) {
                continue;
            }
            let record = HoldRecord {
                agency: hold.agency.clone(),
                ground: hold.ground.to_string(),
                until_ms: hold.until_ms,
                issued_at_ms: hold.issued_at_ms,
                ended: hold.ended,
            };
            of.insert(hold.agency.clone(), record);
        }
    }
}

/// What one pass gives beside the exchanges.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) files: Report,
    pub(super) registry: Registry,
    pub(super) holds: Holds,
    pub(super) faults: Vec<Fault>,
}

/// Which exchanges are wanted, and what becomes of them.
pub(super) trait Visit {
    /// Whether the exchange is followed to its end. The registry is that of its own place.
    fn wants(&mut self, exchange: &Exchange, registry: &Registry) -> bool;
    /// A wanted exchange, once it has ended or the log has.
    fn take(&mut self, exchange: Exchange, registry: &Registry);
}

/// Reads the log directory `dir` once.
pub(super) fn scan(
    dir: &Path,
    key: Option<LogKey>,
    mut on_progress: Option<OnProgress<'_>>,
    visit: &mut impl Visit,
) -> Scanned {
    let mut pass = Pass {
        registry: Registry::empty(),
        holds: Holds::default(),
        open: BTreeMap::new(),
        faults: Vec::new(),
        visit,
    };
    let mut on_entry = |index: u64, entry: &Entry| pass.entry(index, entry);
    let mut forward = |done, total| {
        if let Some(on_progress) = &mut on_progress {
            on_progress(done, total);
        }
    };
    let options = verify::Options {
        key,
        on_progress: Some(&mut forward),
        on_entry: Some(&mut on_entry),
        ..Default::default()
    };
    let files = verify::verify_directory(dir, options);
    for exchange in std::mem::take(&mut pass.open).into_values() {
        pass.visit.take(exchange, &pass.registry);
    }
    Scanned {
        files,
        registry: pass.registry,
        holds: pass.holds,
        faults: pass.faults,
    }
}

struct Pass<'a, V> {
    registry: Registry,
    holds: Holds,
    /// Wanted, and not ended yet.
    open: BTreeMap<u64, Exchange>,
    faults: Vec<Fault>,
    visit: &'a mut V,
}

impl<V: Visit> Pass<'_, V> {
    fn entry(&mut self, index: u64, entry: &Entry) {
        match entry.kind {
            kind if kind.asks() => self.request(index, entry),
            Kind::Refusal if !entry.header.is_empty() => self.request(index, entry),
            Kind::Opening => self.opening(index, entry),
            kind if kind.ends() => self.closing(index, entry),
            Kind::Hold => match &entry.seal {
                Some(seal) => match verify_hold(&self.registry, &entry.header, seal) {
                    Ok(hold) => self.holds.add(&hold),
                    Err(code) => self.fault(index, format!("the hold does not count: {code}")),
                },
                None => self.fault(index, "the hold has no seal".to_owned()),
            },
            kind if kind.is_registry() => {
                if let Err(error) = self.registry.apply(index, entry) {
                    self.fault(index, format!("the registry does not take it: {error}"));
                }
            }
            _ => {}
        }
    }

    fn request(&mut self, index: u64, entry: &Entry) {
        let opened = RequestHeader::open(&entry.header);
        let (Ok(header), Ok(facts)) = (opened, facts::exchange(&entry.facts)) else {
            return self.fault(index, "header or facts are malformed".to_owned());
        };
        let mut exchange = Exchange {
            index,
            recorded_at_us: entry.stamp.recorded_at_us,
            header,
            kid: kid_of(entry),
            grant: facts.grant,
            begun: None,
            end: None,
        };
        if !self.visit.wants(&exchange, &self.registry) {
            return;
        }
        let sealed = entry
            .seal
            .as_ref()
            .is_some_and(|seal| verify_request(&self.registry, &entry.header, seal, None).is_ok());
        if !sealed {
            // Nobody is told of a look-up, or accused of one, that its system did not seal.
            return self.fault(index, "the consumer's seal does not hold".to_owned());
        }
        if entry.kind.asks() {
            self.open.insert(index, exchange);
            return;
        }
        exchange.end = Some(End {
            index,
            code: facts.code,
            answer: None,
            kid: None,
        });
        self.visit.take(exchange, &self.registry);
    }

    fn opening(&mut self, index: u64, entry: &Entry) {
        let Ok(facts) = facts::exchange(&entry.facts) else {
            return self.fault(index, "its facts are malformed".to_owned());
        };
        let Some(exchange) = self.open.get_mut(&facts.request_index) else {
            return;
        };
        match AnswerHeader::open(&entry.header) {
            Ok(answer) => exchange.begun = Some((answer, kid_of(entry))),
            Err(error) => self.fault(index, format!("the answer's header: {error}")),
        }
    }

    fn closing(&mut self, index: u64, entry: &Entry) {
        let Ok(facts) = facts::exchange(&entry.facts) else {
            return self.fault(index, "its facts are malformed".to_owned());
        };
        let Some(mut exchange) = self.open.remove(&facts.request_index) else {
            return;
        };
        let answers = entry.kind == Kind::Closing && !entry.header.is_empty();
        let answer = answers.then(|| AnswerHeader::open(&entry.header));
        let (answer, kid) = match (answer.transpose(), &exchange.begun) {
            (Ok(None), Some((answer, kid))) => (Some(answer.clone()), kid_of(entry).or(*kid)),
            (Ok(answer), _) => (answer, kid_of(entry)),
            (Err(error), _) => {
                self.fault(index, format!("the answer's header: {error}"));
                (None, kid_of(entry))
            }
        };
        exchange.end = Some(End {
            index,
            code: facts.code,
            answer,
            kid,
        });
        self.visit.take(exchange, &self.registry);
    }

    fn fault(&mut self, index: u64, detail: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { index, detail });
        }
    }
}

fn kid_of(entry: &Entry) -> Option<Digest> {
    let seal = entry.seal.as_ref()?;
    seal.open().ok().map(|open| open.kid())
}
