//! Which agreements lie between two agencies, without walking all of them.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Agreement, DelegationRecord, Registry};
use crate::act::ConsumerScope;
use crate::digest::Digest;
use crate::id::AgencyId;

/// Agreements by provider, and by consumer where there is one. Lists in the order of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Between {
    /// With one consumer, or handed on to one.
    pairs: HashMap<(AgencyId, AgencyId), Arc<Vec<Digest>>>,
    /// Public, or of a group.
    open: HashMap<AgencyId, Arc<Vec<Digest>>>,
    /// Delegations by agreement and by who may ask.
    handed_on: HashMap<(Digest, AgencyId), Arc<Vec<Digest>>>,
}

fn note(list: &mut Arc<Vec<Digest>>, id: Digest) {
    if !list.contains(&id) {
        Arc::make_mut(list).push(id);
    }
}

impl Registry {
    pub(super) fn index_agreement(&mut self, agreement: &Agreement) {
        let provider = agreement.content.provider.clone();
        let list = match &agreement.content.consumer {
            ConsumerScope::Agency(consumer) => self
                .between
                .pairs
                .entry((provider, consumer.clone()))
                .or_default(),
            ConsumerScope::Class(..) | ConsumerScope::Everyone(_) | ConsumerScope::Group { .. } => {
                self.between.open.entry(provider).or_default()
            }
        };
        note(list, agreement.id);
    }

    pub(super) fn index_delegation(&mut self, record: &DelegationRecord) {
        let consumer = record.delegation.consumer.clone();
        if let Some(agreement) = self.agreements.get(&record.agreement) {
            let pair = (agreement.content.provider.clone(), consumer.clone());
            note(self.between.pairs.entry(pair).or_default(), agreement.id);
        }
        let key = (record.agreement, consumer);
        note(self.between.handed_on.entry(key).or_default(), record.id);
    }

    /// Every agreement under which `consumer` could ever ask `provider`, in whatever state: its own, those
    /// handed on to it, and public ones.
    pub fn between<'a>(
        &'a self,
        consumer: &AgencyId,
        provider: &AgencyId,
    ) -> impl Iterator<Item = &'a Agreement> {
        let pairs = self
            .between
            .pairs
            .get(&(provider.clone(), consumer.clone()));
        let open = self.between.open.get(provider);
        let consumer = consumer.clone();
        let own = pairs.into_iter().flat_map(|list| list.iter());
        let public = open.into_iter().flat_map(|list| list.iter());
        own.filter_map(|id| self.agreement(id)).chain(
            public
                .filter_map(|id| self.agreement(id))
                .filter(move |agreement| agreement.content.consumer.covers(&consumer)),
        )
    }

    /// Delegations of an agreement that end at `consumer`, ended ones included.
    pub fn handed_on<'a>(
        &'a self,
        agreement: &Digest,
        consumer: &AgencyId,
    ) -> impl Iterator<Item = &'a DelegationRecord> {
        let list = self.between.handed_on.get(&(*agreement, consumer.clone()));
        list.into_iter()
            .flat_map(|list| list.iter())
            .filter_map(|id| self.delegation(id))
    }

    /// The chain of delegations that ends with `id`, outermost first: what a request header names.
    pub fn chain_of(&self, id: &Digest) -> Vec<Digest> {
        let mut chain = Vec::new();
        let mut link = self.delegation(id);
        while let Some(record) = link {
            chain.push(record.id);
            link = record
                .delegation
                .parent
                .and_then(|parent| self.delegation(&parent));
        }
        chain.reverse();
        chain
    }
}
