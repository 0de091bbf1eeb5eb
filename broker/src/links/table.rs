//! Which links each system has.
//!
//! Read for every exchange without a lock. In [`SHARDS`] parts, of which an attach copies one: ten thousand adapters
//! that come back after a restart would else copy a table of ten thousand each.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwap;
use proto::id::SystemId;

use super::link::Link;

/// Parts of the table.
const SHARDS: usize = 256;

type Shard = HashMap<SystemId, Arc<[Entered]>>;

/// All links that adapters may be found on.
#[derive(Debug)]
pub(super) struct Table {
    shards: Vec<ArcSwap<Shard>>,
    hasher: RandomState,
}

/// A link in the table.
#[derive(Clone, Debug)]
pub(super) struct Entered {
    pub(super) link: Arc<Link>,
    /// Its adapter has attached once more, with its next certificate, and is about to drain this one.
    pub(super) superseded: bool,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Table {
    /// The links of `system`; `None` without any.
    pub(super) fn links_of(&self, system: &SystemId) -> Option<Arc<[Entered]>> {
        self.shard(system).load().get(system).map(Arc::clone)
    }

    /// Every system with its links.
    pub(super) fn all(&self) -> Vec<(SystemId, Arc<[Entered]>)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.load();
            let each = shard.iter();
            all.extend(each.map(|(system, links)| (system.clone(), Arc::clone(links))));
        }
        all
    }

    /// From now on it is found.
    pub(super) fn enter(&self, link: &Arc<Link>) {
        self.change(link.system(), |links| {
            links.push(Entered {
                link: Arc::clone(link),
                superseded: false,
            });
        });
    }

    /// From now on it is not.
    pub(super) fn leave(&self, link: &Arc<Link>) {
        self.change(link.system(), |links| {
            links.retain(|entered| !Arc::ptr_eq(&entered.link, link));
        });
    }

    /// Changes one system's links, and sees again which of them are superseded.
    fn change(&self, system: &SystemId, change: impl Fn(&mut Vec<Entered>)) {
        self.shard(system).rcu(|shard| {
            let mut shard = Shard::clone(shard);
            let mut links = shard.get(system).map(|links| links.to_vec());
            let links = links.get_or_insert_default();
            change(links);
            let peers: Vec<_> = links
                .iter()
                .map(|entered| Arc::clone(entered.link.peer()))
                .collect();
            for entered in &mut *links {
                let own = entered.link.peer();
                entered.superseded = peers.iter().any(|other| other.renews(own));
            }
            if links.is_empty() {
                shard.remove(system);
            } else {
                shard.insert(system.clone(), std::mem::take(links).into());
            }
            shard
        });
    }

    fn shard(&self, system: &SystemId) -> &ArcSwap<Shard> {
        // Keyed by a secret, so that nobody can choose names that all fall into one part.
        let at = self.hasher.hash_one(system) as usize % SHARDS;
        &self.shards[at]
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::door::Peer;
    use crate::links::Settings;

    fn link(number: u64) -> Arc<Link> {
        let system = SystemId::parse(&format!("EG/GOV/CIVIL/s{number}")).unwrap();
        let peer = Peer::of_system(&system, 1);
        let (late, _) = mpsc::channel(1);
        Arc::new(Link::new(number, peer, system, &Settings::default(), late))
    }

    #[test]
    fn thousands_are_found_and_one_that_attaches_copies_few_of_them() {
        let table = Table::default();
        let links: Vec<_> = (0..2_000).map(link).collect();
        links.iter().for_each(|link| table.enter(link));
        for link in &links {
            let found = table.links_of(link.system()).unwrap();
            assert!(found.len() == 1 && Arc::ptr_eq(&found[0].link, link));
        }
        assert_eq!(table.all().len(), 2_000);
        // About eight each; none has a tenth of all.
        assert!(table.shards.iter().all(|shard| shard.load().len() < 200));
        links.iter().for_each(|link| table.leave(link));
        assert!(table.all().is_empty() && table.links_of(links[0].system()).is_none());
    }
}
