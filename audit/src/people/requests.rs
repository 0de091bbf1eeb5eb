//! Requests by their exchange ids, with the places at which their contracts say that a person is named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proto::act::SubjectField;
use proto::header::RequestHeader;
use proto::id::ExchangeId;
use proto::registry::Registry;

use super::exchanges::{Exchange, Fault, Visit, scan};
use crate::checkpoint::LogKey;
use crate::verify::{OnProgress, Report};

/// One request.
#[derive(Clone, Debug)]
pub struct Requested {
    /// Its entry.
    pub index: u64,
    /// As its consumer sealed it.
    pub header: RequestHeader,
    /// Where the contract that it names marks persons.
    pub fields: Vec<SubjectField>,
}

/// What was found.
#[derive(Debug)]
pub struct Requests {
    /// What the files prove.
    pub files: Report,
    /// What must not stand in the log; such requests are left out.
    pub faults: Vec<Fault>,
    /// By exchange id, which is unique for one consumer only.
    pub found: BTreeMap<ExchangeId, Vec<Requested>>,
}

/// Finds the requests of these exchanges.
pub fn requests(
    dir: &Path,
    key: Option<LogKey>,
    on_progress: Option<OnProgress<'_>>,
    ids: &BTreeSet<ExchangeId>,
) -> Requests {
    let mut search = Search {
        ids,
        fields: BTreeMap::new(),
        found: BTreeMap::new(),
    };
    let scanned = scan(dir, key, on_progress, &mut search);
    Requests {
        files: scanned.files,
        faults: scanned.faults,
        found: search.found,
    }
}

struct Search<'a> {
    ids: &'a BTreeSet<ExchangeId>,
    /// Of each wanted request, by index: what the contract marks at that place in the log.
    fields: BTreeMap<u64, Vec<SubjectField>>,
    found: BTreeMap<ExchangeId, Vec<Requested>>,
}

impl Visit for Search<'_> {
    fn wants(&mut self, exchange: &Exchange, registry: &Registry) -> bool {
        let header = &exchange.header;
        if !self.ids.contains(&header.exchange_id) {
            return false;
        }
        let service = registry.service(&header.provider.service(&header.service));
        let marked = service
            .filter(|service| service.contract == header.contract)
            .and_then(|service| service.definition.operation(&header.operation))
            .map(|operation| operation.subjects.clone());
        self.fields
            .insert(exchange.index, marked.unwrap_or_default());
        true
    }

    fn take(&mut self, exchange: Exchange, _: &Registry) {
        let Exchange { index, header, .. } = exchange;
        let fields = self.fields.remove(&index).unwrap_or_default();
        let of = self.found.entry(header.exchange_id).or_default();
        of.push(Requested {
            index,
            header,
            fields,
        });
    }
}
