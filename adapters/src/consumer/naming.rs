//! Whom a request names, as the contract says: in its header, or, of many items, in the list beside them.
//!
//! Takes payloads. Gives pseudonyms under the agreement's current key; nothing where there is no key, or where the contract
//! marks nobody. Never repeats an id.

use proto::header::RequestHeader;
use proto::limits::SUBJECTS_MAX;

use super::{Consumer, Draft, ExchangeError};
use crate::subjects::{Start, Unnamed, side_entry, subjects_of};

impl Consumer {
    /// Adds the pseudonyms of the persons whom the payload names, where the contract says that it names any and this
    /// home has the agreement's key. What the caller said of others stays.
    pub(super) fn name_subjects(
        &self,
        header: &mut RequestHeader,
        draft: &Draft,
    ) -> Result<(), ExchangeError> {
        if !draft.is_one_piece() {
            // Items have a list of their own, and nobody looks for persons in chunks.
            return Ok(());
        }
        let now_ms = header.issued_at_ms;
        let key = header
            .agreement
            .and_then(|agreement| self.adapter.subject_keys().current(&agreement, now_ms));
        let registry = self.adapter.mirror().snapshot();
        let operation = registry
            .service(&draft.service)
            .and_then(|service| service.definition.operation(&draft.operation));
        let (Some(key), Some(operation)) = (key, operation) else {
            return Ok(());
        };
        let unsent = |error: Unnamed| ExchangeError::Unsent(error.to_string());
        let (content_type, payload) = (&draft.content_type, &draft.payload);
        let named = &operation.subjects;
        let mut subjects =
            subjects_of(named, content_type, payload, Start::Either, &key).map_err(unsent)?;
        for said in &draft.subjects {
            if !subjects.contains(said) {
                subjects.push(said.clone());
            }
        }
        if subjects.len() > SUBJECTS_MAX {
            return Err(unsent(Unnamed::TooMany));
        }
        header.subjects = subjects;
        Ok(())
    }

    /// Whom each item names, where the contract says that it names any and this home has the agreement's key.
    pub(super) fn side_list<I: AsRef<[u8]>>(
        &self,
        header: &RequestHeader,
        draft: &Draft,
        items: &[I],
    ) -> Vec<Vec<u8>> {
        let registry = self.adapter.mirror().snapshot();
        let operation = registry
            .service(&draft.service)
            .and_then(|service| service.definition.operation(&draft.operation));
        let key = header.agreement.and_then(|agreement| {
            let keys = self.adapter.subject_keys();
            keys.current(&agreement, header.issued_at_ms)
        });
        let (Some(operation), Some(key)) = (operation, key) else {
            return Vec::new();
        };
        let entry = |item: &I| {
            let (fields, item) = (&operation.subjects, item.as_ref());
            // An item that names a person in no form has an empty entry, and comes back as invalid.
            side_entry(fields, &draft.content_type, item, Start::Either, &key).unwrap_or_default()
        };
        items.iter().map(entry).collect()
    }
}
