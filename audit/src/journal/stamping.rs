//! Stamps and hashes one batch: the step between a queue of drafts and durable entries.
//!
//! Takes the head and the admissions; gives entries and the next head. Never touches a disk or a
//! clock: the caller reads the clock once for the batch.

use proto::digest::leaf_hash;
use proto::entry::{Entry, Stamp};

use super::{Admission, Declined, Head, Recorded, Sealed};

/// Stamps `admissions` in order on `head`. `now_us` (Unix microseconds) never takes time backwards:
/// a stamp is the later of it and the stamp before. A draft judged against another registry than
/// the one that would stand in its stamp is declined, and so is one over its limit.
pub fn stamp_batch(head: &Head, admissions: Vec<Admission>, now_us: u64, broker: u16) -> Sealed {
    let mut next = head.clone();
    let mut registry_root = next.registry_edge.root();
    let outcomes = admissions
        .into_iter()
        .map(|admission| {
            let size = next.registry_size();
            if admission
                .judged_registry
                .is_some_and(|judged| judged != size)
            {
                return Err(Declined::RegistryMoved { size });
            }
            let stamp = Stamp {
                recorded_at_us: next.last_recorded_at_us.max(now_us),
                broker,
                registry_size: size,
                registry_root,
            };
            let entry = Entry::new(admission.draft, stamp);
            let bytes = entry.encode().map_err(Declined::TooLarge)?;
            let leaf = leaf_hash(&bytes);
            next.push(entry.kind, leaf, stamp.recorded_at_us);
            if entry.kind.is_registry() {
                registry_root = next.registry_edge.root();
            }
            Ok(Recorded { entry, bytes, leaf })
        })
        .collect();
    Sealed {
        outcomes,
        head: next,
    }
}
