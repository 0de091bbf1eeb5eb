//! Equal names in agreements share one text.
//!
//! A hundred thousand agreements name the same few operations, purposes, fields and systems. Shared, these lie
//! together and near; each with its own copy, a decision would fetch every one of them from far memory.

use std::collections::HashSet;
use std::sync::Arc;

use super::Registry;
use crate::act::{AgreementContent, ConsumerScope};

/// Texts of names. Only what stands in the registry comes in here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(HashSet<Arc<str>>);

impl Names {
    /// Gives `text` the memory of an equal one, if there is one.
    pub(crate) fn share(&mut self, text: &mut Arc<str>) {
        if let Some(known) = self.0.get(&**text) {
            *text = Arc::clone(known);
        } else {
            self.0.insert(Arc::clone(text));
        }
    }
}

impl Registry {
    pub(super) fn share_names(&mut self, content: &mut AgreementContent) {
        let names = Arc::make_mut(&mut self.shared);
        content.provider.share(names);
        match &mut content.consumer {
            ConsumerScope::Agency(agency) => agency.share(names),
            ConsumerScope::Group { members, .. } => {
                for member in members {
                    member.agency.share(names);
                }
            }
            ConsumerScope::Class(..) | ConsumerScope::Everyone(_) => {}
        }
        for grant in &mut content.grants {
            grant.system.share(names);
            grant.service.share(names);
            let lists = [
                &mut grant.operations,
                &mut grant.purposes,
                &mut grant.fields,
            ];
            for part in lists.into_iter().flatten() {
                part.share(names);
            }
        }
    }
}
