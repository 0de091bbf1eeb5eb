//! Builds an index database from sealed bundles, chunk by chunk: which entry names what.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use proto::entry::Kind;
use proto::header::RequestHeader;
use proto::id::Part;

use super::database::{Database, State};
use super::{CHUNK_ENTRIES, Index, IndexError, Term};
use crate::find::Row;
use crate::tiles::proven::ProvenTiles;
use crate::tiles::reread::{RereadError, reread};
use crate::tiles::{Pruned, TILE_WIDTH, TileStore};

/// Requests remembered for their endings. An ending whose request is not among them costs a bundle.
const REQUESTS_MAX: usize = 100_000;

/// Indexes the entries of `wanted` from `from` on, and gives how far it came.
pub(super) fn database(
    index: &Index,
    tiles: &mut ProvenTiles<'_>,
    from: u64,
    wanted: Range<u64>,
    go_on: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<u64, IndexError> {
    let path = index.database(wanted.start);
    if from == wanted.start {
        // Nothing of it counts: another log's, damaged, or begun and never finished.
        Database::remove(&path)?;
    }
    let database = Database::open(&path)?;
    let mut builder = Builder {
        store: index.store.clone(),
        pruned: Pruned::of(&index.store)?,
        requests: HashMap::new(),
    };
    let mut upto = from;
    while upto < wanted.end {
        let chunk = upto / CHUNK_ENTRIES;
        let range = chunk * CHUNK_ENTRIES..((chunk + 1) * CHUNK_ENTRIES).min(wanted.end);
        let Some(pairs) = builder.chunk(tiles, range.clone(), wanted.end, go_on)? else {
            return Ok(upto);
        };
        database.put(chunk, range.end, pairs)?;
        upto = range.end;
        let state = State {
            origin: index.checkpoint.origin.clone(),
            first: wanted.start,
            upto,
            root: tiles.root_at(upto)?,
        };
        state.write(&path)?;
    }
    Ok(upto)
}

struct Builder {
    store: TileStore,
    pruned: Pruned,
    /// Terms of requests without an ending so far, and of subscriptions, by index.
    requests: HashMap<u64, Vec<Term>>,
}

impl Builder {
    /// What the entries of one chunk name; `None` when told to end.
    fn chunk(
        &mut self,
        tiles: &mut ProvenTiles<'_>,
        range: Range<u64>,
        end: u64,
        go_on: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<Vec<(Term, u32)>>, IndexError> {
        let width = u64::from(TILE_WIDTH);
        let mut pairs = Vec::new();
        for bundle in range.start / width..range.end.div_ceil(width) {
            if !go_on(bundle * width, end) {
                return Ok(None);
            }
            for (index, bytes) in self.bundle(tiles, bundle)? {
                // Below the size of a chunk.
                let offset = (index - range.start) as u32;
                let terms = self.terms(tiles, index, &bytes)?;
                pairs.extend(terms.into_iter().map(|term| (term, offset)));
            }
        }
        Ok(Some(pairs))
    }

    /// The entries of a bundle with their indexes; of a pruned one, those that are kept.
    fn bundle(
        &self,
        tiles: &mut ProvenTiles<'_>,
        bundle: u64,
    ) -> Result<Vec<(u64, Bytes)>, IndexError> {
        let first = bundle * u64::from(TILE_WIDTH);
        match reread(tiles, &self.store, bundle) {
            Ok(entries) => Ok((first..).zip(entries).collect()),
            Err(RereadError::Bundle(error)) if error.is_missing() && self.pruned.covers(bundle) => {
                Ok(self.pruned.kept(bundle)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What the entry at `index` names: at least everything that a [`Row`] says of it.
    fn terms(
        &mut self,
        tiles: &mut ProvenTiles<'_>,
        index: u64,
        bytes: &Bytes,
    ) -> Result<Vec<Term>, IndexError> {
        let Ok(row) = Row::alone(index, bytes) else {
            return Ok(vec![Term::unread()]);
        };
        let asked = row.request.as_deref().or(row.follows.as_deref());
        let mut terms = asked.map(named).unwrap_or_default();
        if row.event.kind == Kind::Event {
            terms.extend(told(&row));
        }
        if row.event.kind.asks() || row.follows.is_some() {
            if self.requests.len() >= REQUESTS_MAX {
                self.requests.clear();
            }
            self.requests.insert(index, terms.clone());
        }
        if let Some(request) = row.event.request_index {
            terms.extend(self.asked(tiles, request, row.event.kind)?);
        }
        let is_of_one = matches!(row.event.kind, Kind::EventOutcome | Kind::SubscriptionEnd);
        if let Some(facts) = row.told.filter(|_| is_of_one) {
            terms.extend(self.asked(tiles, facts.subscription_index, row.event.kind)?);
        }
        // An ending may name another exchange than its request does.
        terms.extend(row.event.exchange.iter().map(Term::exchange));
        terms.push(Term::hour(row.event.recorded_at_us / 1_000));
        terms.extend(row.event.key.iter().map(Term::key));
        Ok(terms)
    }

    /// What the request or subscription at `index` names, for an ending or outcome that names it.
    fn asked(
        &mut self,
        tiles: &mut ProvenTiles<'_>,
        index: u64,
        ending: Kind,
    ) -> Result<Vec<Term>, IndexError> {
        let known = match ending {
            ending if ending.ends() => self.requests.remove(&index),
            _ => self.requests.get(&index).cloned(),
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let entries = self.bundle(tiles, index / u64::from(TILE_WIDTH))?;
        let request = entries.into_iter().find(|(at, _)| *at == index);
        let row = request.and_then(|(at, bytes)| Row::alone(at, &bytes).ok());
        let header = row.and_then(|row| match row.event.kind.asks() {
            true => row.request,
            false => row.follows,
        });
        Ok(header.as_deref().map(named).unwrap_or_default())
    }
}

/// What an event names.
fn told(row: &Row) -> Vec<Term> {
    let publisher = row.event.provider.iter();
    let mut terms: Vec<Term> = publisher
        .flat_map(|system| [Term::agency(&system.agency()), Term::system(system)])
        .collect();
    terms.extend(
        Part::parse(&row.event.service)
            .ok()
            .as_ref()
            .map(Term::service),
    );
    terms
}

/// What a request names.
fn named(header: &RequestHeader) -> Vec<Term> {
    let mut terms = vec![
        Term::exchange(&header.exchange_id),
        Term::agency(&header.consumer.agency()),
        Term::agency(&header.provider.agency()),
        Term::system(&header.consumer),
        Term::system(&header.provider),
        Term::service(&header.service),
        Term::purpose(&header.purpose),
    ];
    terms.extend(header.actor.iter().map(Term::actor));
    terms.extend(header.case_reference.iter().map(Term::case));
    let subjects = header.subjects.iter();
    terms.extend(subjects.map(|subject| Term::subject(&subject.pseudonym)));
    terms
}
