//! The table of live connections of one listener: caps per owner, and the way to close them.
//!
//! Takes a peer that finished its handshake. Gives a [`Place`] that the connection holds. A connection ends at
//! its certificate's end and when its peer is revoked, because TLS asks for a certificate only once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::Peer;

/// Who owns the connections of those that may not be here. No agency has a name with a space.
const TURNED_AWAY: &str = "turned away";

/// The live connections of one listener.
#[derive(Debug)]
pub struct Connections {
    all: usize,
    per_owner: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    live: HashMap<u64, Live>,
    by_owner: HashMap<String, usize>,
}

#[derive(Debug)]
struct Live {
    owner: String,
    closed: CancellationToken,
    /// Absent on the enrolment listener, where nobody shows a certificate.
    peer: Option<Arc<Peer>>,
}

/// A connection's place in the table; leaving cancels the connection's token.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    number: u64,
}

impl Table {
    /// Whether a connection moves over to its next certificate: for that time its adapter has two.
    fn renews(&self, newer: &Live) -> bool {
        newer.peer.as_ref().is_some_and(|newer| {
            self.live
                .values()
                .filter_map(|live| live.peer.as_ref())
                .any(|older| newer.renews(older))
        })
    }

    fn give_back(&mut self, owner: &str) {
        if let Some(own) = self.by_owner.get_mut(owner) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.by_owner.remove(owner);
            }
        }
    }
}

impl Connections {
    /// An empty table with its caps.
    pub(super) fn new(all: usize, per_owner: usize) -> Arc<Self> {
        Arc::new(Self {
            all,
            per_owner,
            table: Mutex::default(),
        })
    }

    /// A place for a peer with a certificate. Its agency owns the connection; without an agency, itself. An owner at
    /// its cap may still renew: all of its adapters can move to their next certificates at once.
    pub(super) fn enter_peer(self: &Arc<Self>, peer: &Arc<Peer>) -> Result<Place, Full> {
        let owner = match &peer.agency {
            Some(agency) => agency.to_string(),
            None => peer.identity.role.to_string(),
        };
        let closed = peer.closed.clone();
        self.enter(Live {
            owner,
            closed,
            peer: Some(Arc::clone(peer)),
        })
    }

    /// A place for a stranger from `address`.
    pub(super) fn enter_stranger(
        self: &Arc<Self>,
        address: String,
        closed: CancellationToken,
    ) -> Result<Place, Full> {
        self.enter(Live {
            owner: address,
            closed,
            peer: None,
        })
    }

    fn enter(self: &Arc<Self>, live: Live) -> Result<Place, Full> {
        let mut table = self.lock();
        let own = table.by_owner.get(&live.owner).copied().unwrap_or(0);
        if own >= self.per_owner && !(own < self.per_owner * 2 && table.renews(&live)) {
            return Err(Full::Owner(live.owner));
        }
        if table.live.len() >= self.all {
            return Err(Full::All);
        }
        table.by_owner.insert(live.owner.clone(), own + 1);
        let number = table.next;
        table.next += 1;
        table.live.insert(number, live);
        Ok(Place {
            connections: Arc::clone(self),
            number,
        })
    }

    /// Takes a peer that may not be here off its agency's account: whoever holds a certificate that was ended must
    /// not use up the places of those who hold others. False when there are too many of that kind already.
    pub(super) fn turn_away(&self, peer: &Arc<Peer>) -> bool {
        let mut table = self.lock();
        let mut of_peer = table.live.values_mut().filter(|live| {
            let found = live.peer.as_ref();
            found.is_some_and(|found| Arc::ptr_eq(found, peer))
        });
        let Some(live) = of_peer.next() else {
            return false;
        };
        let owner = std::mem::replace(&mut live.owner, TURNED_AWAY.to_owned());
        table.give_back(&owner);
        let all = table.by_owner.entry(TURNED_AWAY.to_owned()).or_default();
        *all += 1;
        *all <= self.per_owner
    }

    /// Closes every connection of a peer that `goes`; gives how many.
    pub fn close_where(&self, goes: impl Fn(&Peer) -> bool) -> usize {
        let going: Vec<CancellationToken> = {
            let table = self.lock();
            let leaving = table
                .live
                .values()
                .filter(|live| live.peer.as_deref().is_some_and(&goes));
            leaving.map(|live| live.closed.clone()).collect()
        };
        // Outside the lock: cancelling wakes tasks, and a woken connection leaves the table.
        going.iter().for_each(CancellationToken::cancel);
        going.len()
    }

    /// Who is connected now, once for each connection.
    #[must_use]
    pub fn peers(&self) -> Vec<Arc<Peer>> {
        let table = self.lock();
        let peers = table.live.values().filter_map(|live| live.peer.clone());
        peers.collect()
    }

    /// Closes what outlived its certificate.
    pub fn close_ended(&self, now_ms: u64) -> usize {
        self.close_where(|peer| peer.not_after_ms() <= now_ms)
    }

    /// Closes everything.
    pub fn close_all(&self) {
        let all: Vec<_> = self
            .lock()
            .live
            .values()
            .map(|live| live.closed.clone())
            .collect();
        all.iter().for_each(CancellationToken::cancel);
    }

    /// Connections now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().live.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn leave(&self, number: u64) -> Option<Live> {
        let mut table = self.lock();
        let live = table.live.remove(&number)?;
        table.give_back(&live.owner);
        Some(live)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(live) = self.connections.leave(self.number) {
            live.closed.cancel();
        }
    }
}

/// Why a connection was turned away after its handshake.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Full {
    /// This owner has all its connections.
    #[error("{0} has as many connections as one owner may have")]
    Owner(String),
    /// The listener has all its connections.
    #[error("the listener has as many connections as it may have")]
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(
        connections: &Arc<Connections>,
        owner: &str,
    ) -> Result<(Place, CancellationToken), Full> {
        let closed = CancellationToken::new();
        let place = connections.enter_stranger(owner.into(), closed.clone())?;
        Ok((place, closed))
    }

    #[test]
    fn an_agency_at_its_cap_can_renew_each_connection_once() {
        let system = proto::id::SystemId::parse("EG/GOV/CIVIL/registry").unwrap();
        let connections = Connections::new(64, 2);
        let enter = |peer: Arc<Peer>| connections.enter_peer(&peer);
        let old = [
            enter(Peer::of_system(&system, 1)).unwrap(),
            enter(Peer::of_system(&system, 2)).unwrap(),
        ];
        // The same certificate, another key, an earlier end: none of them is a renewal.
        assert!(enter(Peer::of_system(&system, 1)).is_err());
        assert!(enter(Peer::renewed(&system, 3, 7)).is_err());
        assert!(enter(Peer::renewed(&system, 1, -7)).is_err());
        let _new = [
            enter(Peer::renewed(&system, 1, 7)).unwrap(),
            enter(Peer::renewed(&system, 2, 7)).unwrap(),
        ];
        assert!(enter(Peer::renewed(&system, 1, 8)).is_err());
        // The move is over: the cap is what it was.
        drop(old);
        assert_eq!((connections.len(), connections.peers().len()), (2, 2));
        assert!(enter(Peer::of_system(&system, 4)).is_err());
    }

    #[test]
    fn caps_hold_per_owner_and_in_all_and_places_come_back() {
        let connections = Connections::new(3, 2);
        let (first, first_closed) = enter(&connections, "a").unwrap();
        let _second = enter(&connections, "a").unwrap();
        assert_eq!(
            enter(&connections, "a").unwrap_err(),
            Full::Owner("a".into())
        );
        let _third = enter(&connections, "b").unwrap();
        assert_eq!(enter(&connections, "b").unwrap_err(), Full::All);
        drop(first);
        assert!(first_closed.is_cancelled());
        assert_eq!(connections.len(), 2);
        let (_fourth, closed) = enter(&connections, "b").unwrap();
        connections.close_all();
        assert!(closed.is_cancelled());
    }
}
