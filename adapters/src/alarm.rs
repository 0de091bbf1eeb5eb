//! Alarms about authority keys: every adapter says so when operators begin to replace an agency's key.
//!
//! For 72 hours the agency can object; nobody else can do it for it. So its own adapters say it as an error, those of
//! other agencies as a warning: whoever asks that agency should know that its key is about to change.

use std::collections::BTreeSet;

use proto::digest::Digest;
use proto::id::AgencyId;
use proto::registry::Registry;

use crate::mirror::Mirror;

/// A replacement that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Whose authority key.
    pub agency: AgencyId,
    /// SHA-256 of the operators' act: what an objection names.
    pub act: Digest,
    /// Unix time, milliseconds, from which the new key counts.
    pub due_at_ms: u64,
}

/// Replacements that are under way in `registry`, those of `own` first.
pub fn alarms(registry: &Registry, own: &AgencyId) -> Vec<Alarm> {
    let mut alarms: Vec<Alarm> = registry
        .agencies()
        .filter_map(|agency| {
            let replacement = agency.replacement.as_ref()?;
            Some(Alarm {
                agency: agency.id.clone(),
                act: replacement.act,
                due_at_ms: replacement.due_at_ms,
            })
        })
        .collect();
    alarms.sort_by_key(|alarm| alarm.agency != *own);
    alarms
}

/// Says each replacement once, as long as the adapter runs.
pub(crate) async fn watch(mirror: Mirror, own: AgencyId) {
    let mut told = BTreeSet::new();
    let mut sizes = mirror.sizes();
    loop {
        for alarm in alarms(&mirror.snapshot(), &own) {
            if !told.insert(alarm.act) {
                continue;
            }
            let (agency, act, due_at_ms) = (&alarm.agency, alarm.act, alarm.due_at_ms);
            if *agency == own {
                tracing::error!(%agency, %act, due_at_ms, "operators replace this agency's authority key: object with `mohawel agency object` if it is not lost");
            } else {
                tracing::warn!(%agency, %act, due_at_ms, "operators replace an agency's authority key");
            }
        }
        if sizes.changed().await.is_err() {
            return;
        }
    }
}
