//! The same agreements for the own service: what the origin agreed with each consumer, word for word, readdressed.

use proto::act::Grant;
use proto::digest::Digest;
use proto::id::ServiceId;
use proto::registry::{Agreement, AgreementState, Registry};

use crate::commands::agreement::terms::{End, Terms, Validity};

/// An agreement that shall be made here.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Who may ask.
    pub(super) consumer: String,
    /// What the origin agreed, about the own service.
    pub(super) terms: Terms,
    /// Where it stands already.
    pub(super) standing: Standing,
}

/// Where an agreement of the same terms stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It counts.
    Counts(Digest),
    /// The consumer proposed it.
    Offered(Digest),
    /// It was proposed here, and waits for the consumer.
    Waits(Digest),
    /// Nowhere.
    Missing,
}

/// What shall be agreed with each of `consumers`, in their order.
///
/// # Errors
/// Whoever has no agreement about `from`, a sentence each in English and Arabic.
pub(super) fn wanted(
    registry: &Registry,
    [from, own]: [&ServiceId; 2],
    consumers: &[String],
    now_ms: u64,
) -> Result<Vec<Wanted>, Vec<[String; 2]>> {
    let mut all = Vec::new();
    let mut found = Vec::new();
    for consumer in consumers {
        let before = all.len();
        for record in registry.agreements() {
            let counts = record.state == AgreementState::Active
                && record.superseded_from_ms.is_none()
                && record.content.not_after_ms > now_ms;
            let grants = readdressed(record, from, own);
            if !counts || grants.is_empty() || record.content.consumer.to_string() != *consumer {
                continue;
            }
            let terms = Terms {
                consumer: record.content.consumer.clone(),
                provider: own.system().agency(),
                validity: Validity {
                    not_before_ms: None,
                    end: End::At(record.content.not_after_ms),
                },
                grants,
                supersedes: None,
            };
            let standing = standing(registry, &terms, length(record), now_ms);
            all.push(Wanted {
                consumer: consumer.clone(),
                terms,
                standing,
            });
        }
        if all.len() == before {
            found.push([
                format!("consumers: {consumer} has no agreement about {from} that counts now; there is nothing to copy"),
                format!("‎consumers‎: ليس للجهة {consumer} اتفاقية سارية بشأن {from} يمكن نسخها"),
            ]);
        }
    }
    if found.is_empty() {
        Ok(all)
    } else {
        Err(found)
    }
}

/// The grants about `from`, as grants about `own`.
fn readdressed(record: &Agreement, from: &ServiceId, own: &ServiceId) -> Vec<Grant> {
    let grants = record.content.grants.iter();
    grants
        .filter(|grant| grant.system.service(&grant.service) == *from)
        .map(|grant| Grant {
            system: own.system(),
            service: own.service(),
            ..grant.clone()
        })
        .collect()
}

fn length(record: &Agreement) -> u64 {
    let content = &record.content;
    content.not_after_ms.saturating_sub(content.not_before_ms)
}

/// The agreement of these terms that has come furthest. One that a consumer offers for longer than the origin's is
/// another agreement, and is not taken as this one.
fn standing(registry: &Registry, terms: &Terms, length_ms: u64, now_ms: u64) -> Standing {
    let consumer = terms.consumer.to_string();
    let mut best = Standing::Missing;
    for record in registry.agreements() {
        let content = &record.content;
        let same = content.provider == terms.provider
            && content.consumer.to_string() == consumer
            && content.grants == terms.grants
            && content.not_after_ms > now_ms
            && record.superseded_from_ms.is_none();
        if !same {
            continue;
        }
        let own = record
            .acts
            .first()
            .is_some_and(|act| act.agency == terms.provider);
        match (record.state, own) {
            (AgreementState::Active, _) => return Standing::Counts(record.id),
            (AgreementState::Proposed, false) if length(record) <= length_ms => {
                best = Standing::Offered(record.id);
            }
            (AgreementState::Proposed, true) if best == Standing::Missing => {
                best = Standing::Waits(record.id);
            }
            _ => {}
        }
    }
    best
}
