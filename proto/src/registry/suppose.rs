//! A registry in which agreements stand otherwise than anybody sealed. For [`crate::authorise::Supposed`] alone, which
//! gives it to nobody.

use std::sync::Arc;

use super::{Agreement, AgreementState, Registry};
use crate::authorise::Supposition;
use crate::digest::Digest;

impl Registry {
    /// A copy with everything changed that is supposed. What is supposed of an agreement that is not there (yet)
    /// changes nothing.
    pub(crate) fn supposing(&self, supposed: &Supposition) -> Self {
        let mut next = self.clone();
        for id in &supposed.revoked {
            next.change(id, |agreement| agreement.state = AgreementState::Revoked);
        }
        for (id, grant) in &supposed.without_grant {
            next.change(id, |agreement| {
                // From 1; the others keep their numbers.
                let place = (*grant as usize).checked_sub(1);
                if let Some(grant) = place.and_then(|at| agreement.content.grants.get_mut(at)) {
                    grant.operations.clear();
                }
            });
        }
        for content in &supposed.added {
            if let Some(older) = &content.supersedes {
                next.change(older, |agreement| {
                    let from_ms = agreement.superseded_from_ms.unwrap_or(u64::MAX);
                    agreement.superseded_from_ms = Some(from_ms.min(content.not_before_ms));
                });
            }
            let added = Agreement {
                id: content.id(),
                content: content.clone(),
                state: AgreementState::Active,
                superseded_from_ms: None,
                acts: Vec::new(),
            };
            next.index_agreement(&added);
            next.agreements.insert(added.id, Arc::new(added));
        }
        next
    }

    fn change(&mut self, id: &Digest, change: impl FnOnce(&mut Agreement)) {
        if let Some(agreement) = self.agreements.get_mut(id) {
            change(Arc::make_mut(agreement));
        }
    }
}
