//! The exchanges about one person: for the counter of the data-protection authority.
//!
//! A header does not say its epoch, so the pseudonym of every epoch is made for each agreement that the log names, once.
//! When a record is shown is the reader's to say: what a hold keeps back is marked, and left out by whoever shows it to
//! the person. Which clerk asked is not here at all (CJEU C-579/21).

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use proto::act::Purpose;
use proto::digest::Digest;
use proto::id::{AgencyId, ExchangeId, Part, ServiceId};
use proto::registry::Registry;
use proto::subject::{EpochMaster, SubjectError, normalise};

use super::exchanges::{Exchange, Fault, HoldRecord, Visit, scan};
use crate::checkpoint::LogKey;
use crate::verify::{OnProgress, Report};

/// The epoch masters that still exist.
pub type Masters = Vec<(u32, EpochMaster)>;

/// From when to when, Unix time in milliseconds: from the first on, before the second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Period {
    /// From this time on.
    pub from_ms: Option<u64>,
    /// Before this time.
    pub to_ms: Option<u64>,
}

impl Period {
    /// Whether a time lies in it.
    pub fn covers(&self, at_ms: u64) -> bool {
        self.from_ms.is_none_or(|from| at_ms >= from) && self.to_ms.is_none_or(|to| at_ms < to)
    }
}

/// One exchange about the person.
#[derive(Clone, Debug)]
pub struct Consultation {
    /// The request's entry.
    pub index: u64,
    /// The entry that ended it; the request's own for a refusal of the switch. `None` while it is open.
    pub closing_index: Option<u64>,
    /// Unix time, microseconds.
    pub recorded_at_us: u64,
    /// The exchange.
    pub exchange: ExchangeId,
    /// Who asked: id, Arabic and English name.
    pub consumer: Named<AgencyId>,
    /// Who was asked.
    pub provider: Named<AgencyId>,
    /// Which service.
    pub service: Named<ServiceId>,
    /// Which operation of it.
    pub operation: Named<Part>,
    /// The stated purpose's code.
    pub purpose: Part,
    /// The purpose with its texts and the law it stands on, as the catalogue had it then.
    pub purpose_texts: Option<Purpose>,
    /// The law that the two agencies' agreement names.
    pub agreed_basis: String,
    /// The agreement.
    pub agreement: Digest,
    /// Outcome, or refusal code; empty while it is open.
    pub outcome: String,
    /// What was asked for.
    pub asked: Vec<Part>,
    /// What was given.
    pub given: Vec<Part>,
    /// In which epoch the pseudonym was made.
    pub epoch: u32,
    /// A hold stands on it: the person is not told yet.
    pub held: Option<HoldRecord>,
}

/// Something with its names for people; empty where the registry has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// The id.
    pub id: T,
    /// Arabic.
    pub ar: String,
    /// English.
    pub en: String,
}

/// What the log says of one person.
#[derive(Debug)]
pub struct PersonRecord {
    /// What the files prove.
    pub files: Report,
    /// What must not stand in the log; the exchanges of such entries are left out.
    pub faults: Vec<Fault>,
    /// In the order of the log.
    pub consultations: Vec<Consultation>,
    /// Agreements for which pseudonyms were made.
    pub agreements: usize,
}

/// Finds every exchange about the person `id` of `scheme`. Holds are judged at `now_ms`.
///
/// # Errors
/// [`SubjectError`] when `id` has no form.
pub fn record(
    dir: &Path,
    key: Option<LogKey>,
    on_progress: Option<OnProgress<'_>>,
    masters: &Masters,
    (scheme, id): (&Part, &str),
    period: Period,
    now_ms: u64,
) -> Result<PersonRecord, SubjectError> {
    let mut search = Search {
        masters,
        scheme,
        id: normalise(scheme, id)?,
        period,
        known: HashMap::new(),
        found: Vec::new(),
    };
    let scanned = scan(dir, key, on_progress, &mut search);
    let mut consultations = search.found;
    consultations.sort_by_key(|consultation| consultation.index);
    for consultation in &mut consultations {
        let parties = [&consultation.consumer.id, &consultation.provider.id];
        let held = scanned
            .holds
            .standing(&consultation.exchange, parties, now_ms);
        consultation.held = held.cloned();
    }
    Ok(PersonRecord {
        files: scanned.files,
        faults: scanned.faults,
        consultations,
        agreements: search.known.len(),
    })
}

struct Search<'a> {
    masters: &'a Masters,
    scheme: &'a Part,
    id: String,
    period: Period,
    /// Of each agreement that the log named so far: the person's pseudonym in each epoch.
    known: HashMap<Digest, Vec<(u32, Digest)>>,
    found: Vec<Consultation>,
}

impl Search<'_> {
    /// In which epoch the exchange names the person.
    fn epoch_of(&mut self, exchange: &Exchange) -> Option<(Digest, u32)> {
        let agreement = exchange.header.agreement?;
        let (masters, scheme, id) = (self.masters, self.scheme, &self.id);
        let pseudonyms = self.known.entry(agreement).or_insert_with(|| {
            let made = masters.iter().filter_map(|(epoch, master)| {
                let key = master.key(&agreement).ok()?;
                Some((*epoch, key.pseudonym(scheme, id).ok()?))
            });
            made.collect()
        });
        let named = exchange.header.subjects.iter();
        let mut named = named.filter(|subject| subject.scheme == *scheme);
        let epoch = named.find_map(|subject| {
            let same = |(_, made): &&(u32, Digest)| *made == subject.pseudonym;
            pseudonyms.iter().find(same).map(|(epoch, _)| *epoch)
        });
        epoch.map(|epoch| (agreement, epoch))
    }
}

impl Visit for Search<'_> {
    fn wants(&mut self, exchange: &Exchange, _: &Registry) -> bool {
        let about_somebody = !exchange.header.subjects.is_empty();
        about_somebody
            && self.period.covers(exchange.recorded_at_us / 1_000)
            && self.epoch_of(exchange).is_some()
    }

    fn take(&mut self, exchange: Exchange, registry: &Registry) {
        let Some((agreement, epoch)) = self.epoch_of(&exchange) else {
            return;
        };
        let header = exchange.header;
        let basis = registry
            .agreement(&agreement)
            .and_then(|record| {
                let at = usize::try_from(exchange.grant).ok()?.checked_sub(1)?;
                record.content.grants.get(at)
            })
            .map(|grant| grant.legal_basis.clone());
        let (closing_index, outcome, answer) = match exchange.end {
            Some(end) => (Some(end.index), end.code, end.answer),
            None => (None, String::new(), None),
        };
        let agency = |id: AgencyId| {
            let record = registry.agency(&id);
            named(id, record.map(|agency| (&agency.name_ar, &agency.name_en)))
        };
        let service_id = header.provider.service(&header.service);
        let service = registry.service(&service_id);
        let operation = service.and_then(|service| service.definition.operation(&header.operation));
        self.found.push(Consultation {
            index: exchange.index,
            closing_index,
            recorded_at_us: exchange.recorded_at_us,
            exchange: header.exchange_id,
            consumer: agency(header.consumer.agency()),
            provider: agency(header.provider.agency()),
            service: named(
                service_id,
                service.map(|service| (&service.definition.name_ar, &service.definition.name_en)),
            ),
            operation: named(
                header.operation,
                operation.map(|operation| (&operation.name_ar, &operation.name_en)),
            ),
            purpose_texts: registry
                .purpose(&header.purpose)
                .map(|record| record.purpose.clone()),
            purpose: header.purpose,
            agreed_basis: basis.unwrap_or_default(),
            agreement,
            outcome,
            asked: header.fields,
            given: answer.map(|answer| answer.fields).unwrap_or_default(),
            epoch,
            held: None,
        });
    }
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Search({} found)", self.found.len())
    }
}

fn named<T>(id: T, names: Option<(&String, &String)>) -> Named<T> {
    let (ar, en) = names
        .map(|(ar, en)| (ar.clone(), en.clone()))
        .unwrap_or_default();
    Named { id, ar, en }
}
