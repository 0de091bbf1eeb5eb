//! What a stolen key, or an intruder in an agency or system, exposed in a stretch of time: for the notice that the law
//! asks for within 72 hours.
//!
//! Persons are counted by pseudonym, so one person under two agreements or epochs counts more than once, and exchanges
//! that name nobody are counted apart: the number is neither a lower nor an upper bound, and whoever reports it says so.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use proto::digest::Digest;
use proto::id::{AgencyId, ExchangeId, Part, ServiceId, SystemId};
use proto::registry::Registry;

use super::exchanges::{Exchange, Fault, Visit, scan};
use super::record::Period;
use crate::checkpoint::LogKey;
use crate::verify::{OnProgress, Report};

/// Exchanges listed one by one; more are only counted.
const LISTED_MAX: usize = 100_000;

/// What was stolen or broken into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspect {
    /// A seal key, by its kid.
    Key(Digest),
    /// An agency with all its systems.
    Agency(AgencyId),
    /// One system.
    System(SystemId),
}

/// In which way an exchange is exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exposure {
    /// The key sealed the question: a thief may have asked it, and has what was answered.
    Asked,
    /// The key sealed the answer: a thief may have given it.
    Answered,
    /// The agency asked, so whoever is in it saw the answer.
    SawAnswer,
    /// The agency was asked, so whoever is in it saw the question.
    SawQuestion,
}

impl Exposure {
    /// A stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::SawAnswer => "saw_answer",
            Self::SawQuestion => "saw_question",
        }
    }
}

/// One exposed exchange.
#[derive(Clone, Debug)]
pub struct Exposed {
    /// The request's entry.
    pub index: u64,
    /// The entry that ended it.
    pub closing_index: Option<u64>,
    /// Unix time, microseconds.
    pub recorded_at_us: u64,
    /// The exchange.
    pub exchange: ExchangeId,
    /// Who asked.
    pub consumer: SystemId,
    /// Which service.
    pub service: ServiceId,
    /// Which operation.
    pub operation: Part,
    /// The stated purpose.
    pub purpose: Part,
    /// Outcome, empty while it is open.
    pub outcome: String,
    /// What was given.
    pub given: Vec<Part>,
    /// Persons named.
    pub persons: usize,
    /// In which way.
    pub exposure: Exposure,
}

/// What of one service was exposed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfService {
    /// Exchanges.
    pub exchanges: u64,
    /// Every field that one of them gave.
    pub fields: BTreeSet<Part>,
}

/// What was exposed.
#[derive(Debug)]
pub struct Breach {
    /// What the files prove.
    pub files: Report,
    /// What must not stand in the log; the exchanges of such entries are left out.
    pub faults: Vec<Fault>,
    /// Whether the registry of this log knows the suspect at all.
    pub known: bool,
    /// Whose the suspect is: the agency that has to notify.
    pub agency: Option<AgencyId>,
    /// All exposed exchanges.
    pub exchanges: u64,
    /// Of each way, how many.
    pub exposures: BTreeMap<Exposure, u64>,
    /// Different pseudonyms in them.
    pub persons: u64,
    /// Exchanges that name nobody.
    pub unnamed: u64,
    /// By service.
    pub services: BTreeMap<ServiceId, OfService>,
    /// The other agencies, with how many exchanges: they are to be told.
    pub parties: BTreeMap<AgencyId, u64>,
    /// Keys that followed a stolen key, and theirs: a thief may have bound them.
    pub followers: Vec<Digest>,
    /// The first [`LISTED_MAX`] of them, in the order of the log.
    pub listed: Vec<Exposed>,
}

/// Finds what `suspect` exposed in `period`, by when requests were recorded.
pub fn breach(
    dir: &Path,
    key: Option<LogKey>,
    on_progress: Option<OnProgress<'_>>,
    suspect: &Suspect,
    period: Period,
) -> Breach {
    let mut search = Search {
        suspect,
        period,
        persons: HashSet::new(),
        found: Found::default(),
    };
    let scanned = scan(dir, key, on_progress, &mut search);
    let persons = search.persons.len() as u64;
    let mut found = search.found;
    found.listed.sort_by_key(|exposed| exposed.index);
    found.listed.truncate(LISTED_MAX);
    let registry = &scanned.registry;
    let (known, agency) = match suspect {
        Suspect::Key(kid) => {
            let system = registry.key(kid).map(|key| key.system.agency());
            (system.is_some(), system)
        }
        Suspect::Agency(id) => (registry.agency(id).is_some(), Some(id.clone())),
        Suspect::System(id) => (registry.system(id).is_some(), Some(id.agency())),
    };
    Breach {
        followers: followers(registry, suspect),
        files: scanned.files,
        faults: scanned.faults,
        known,
        agency,
        exchanges: found.exchanges,
        exposures: found.exposures,
        persons,
        unnamed: found.unnamed,
        services: found.services,
        parties: found.parties,
        listed: found.listed,
    }
}

/// Every key that leads back to the stolen one.
fn followers(registry: &Registry, suspect: &Suspect) -> Vec<Digest> {
    let Suspect::Key(stolen) = suspect else {
        return Vec::new();
    };
    let mut chain = vec![*stolen];
    let mut keys: Vec<_> = registry.keys().collect();
    // A key is bound after the one that it follows.
    keys.sort_by_key(|key| key.index);
    for key in keys {
        if key.follows.is_some_and(|before| chain.contains(&before)) {
            chain.push(key.key.kid());
        }
    }
    chain.split_off(1)
}

#[derive(Debug, Default)]
struct Found {
    exchanges: u64,
    exposures: BTreeMap<Exposure, u64>,
    unnamed: u64,
    services: BTreeMap<ServiceId, OfService>,
    parties: BTreeMap<AgencyId, u64>,
    listed: Vec<Exposed>,
}

struct Search<'a> {
    suspect: &'a Suspect,
    period: Period,
    persons: HashSet<[u8; 32]>,
    found: Found,
}

impl Search<'_> {
    /// In which way, once the end is known.
    fn exposure(&self, exchange: &Exchange) -> Option<Exposure> {
        let end = exchange.end.as_ref();
        // Without a request that went to the provider nobody saw anything.
        let delivered = end.is_none_or(|end| end.index != exchange.index);
        let answered = exchange.was_answered();
        let of = |system: &SystemId| match self.suspect {
            Suspect::Key(_) => false,
            Suspect::Agency(agency) => system.belongs_to(agency),
            Suspect::System(wanted) => system == wanted,
        };
        match self.suspect {
            Suspect::Key(kid) if exchange.kid == Some(*kid) => Some(Exposure::Asked),
            Suspect::Key(kid) if end.and_then(|end| end.kid) == Some(*kid) => {
                Some(Exposure::Answered)
            }
            Suspect::Key(_) => None,
            _ if of(&exchange.header.consumer) && answered => Some(Exposure::SawAnswer),
            _ if of(&exchange.header.provider) && delivered => Some(Exposure::SawQuestion),
            _ => None,
        }
    }
}

impl Visit for Search<'_> {
    fn wants(&mut self, exchange: &Exchange, registry: &Registry) -> bool {
        let header = &exchange.header;
        let concerns = match self.suspect {
            Suspect::Key(kid) => {
                let answers = registry.key(kid).map(|key| &key.system);
                exchange.kid == Some(*kid) || answers == Some(&header.provider)
            }
            Suspect::Agency(agency) => {
                header.consumer.belongs_to(agency) || header.provider.belongs_to(agency)
            }
            Suspect::System(system) => header.consumer == *system || header.provider == *system,
        };
        concerns && self.period.covers(exchange.recorded_at_us / 1_000)
    }

    fn take(&mut self, exchange: Exchange, _: &Registry) {
        let Some(exposure) = self.exposure(&exchange) else {
            return;
        };
        let Exchange {
            index,
            recorded_at_us,
            header,
            end,
            ..
        } = exchange;
        let (closing_index, outcome, answer) = match end {
            Some(end) => (Some(end.index), end.code, end.answer),
            None => (None, String::new(), None),
        };
        let given = answer.map(|answer| answer.fields).unwrap_or_default();
        let service = header.provider.service(&header.service);
        let found = &mut self.found;
        found.exchanges += 1;
        *found.exposures.entry(exposure).or_default() += 1;
        found.unnamed += u64::from(header.subjects.is_empty());
        self.persons
            .extend(header.subjects.iter().map(|subject| subject.pseudonym.0));
        let of_service = found.services.entry(service.clone()).or_default();
        of_service.exchanges += 1;
        of_service.fields.extend(given.iter().cloned());
        let own = match exposure {
            Exposure::Asked | Exposure::SawAnswer => header.consumer.agency(),
            Exposure::Answered | Exposure::SawQuestion => header.provider.agency(),
        };
        let parties = [header.consumer.agency(), header.provider.agency()];
        for other in parties.into_iter().filter(|agency| *agency != own) {
            *found.parties.entry(other).or_default() += 1;
        }
        // Ends come in another order than requests: twice as many are kept as are listed, the earliest of them.
        if found.listed.len() >= LISTED_MAX * 2 {
            found.listed.sort_by_key(|exposed| exposed.index);
            found.listed.truncate(LISTED_MAX);
        }
        found.listed.push(Exposed {
            index,
            closing_index,
            recorded_at_us,
            exchange: header.exchange_id,
            consumer: header.consumer,
            service,
            operation: header.operation,
            purpose: header.purpose,
            outcome,
            given,
            persons: header.subjects.len(),
            exposure,
        });
    }
}
