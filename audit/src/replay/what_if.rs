//! What a change of agreements would have changed: the recorded decisions that would have been others.
//!
//! Takes agreements that are supposed to stand otherwise, as people write them. Gives each decision that flips, and sums
//! over who asked whom for what. Judges with the switch's own function over a registry that nothing else can use
//! ([`proto::authorise::Supposed`]). Counts no quotas and no rates, changes no finding, and says nothing about whether the
//! log holds. Memory: a second registry, and one line for each agency, service and purpose.

use std::collections::{BTreeMap, BTreeSet};

use proto::act::AgreementContent;
use proto::authorise::{Denial, Permission, Supposed, Supposition};
use proto::header::RequestHeader;
use proto::id::{AgencyId, ExchangeId, Part, ServiceId};
use proto::registry::Registry;
use proto::{Code, Digest};

/// Agreements that begin with what was written, told at most.
const MATCHES_MAX: usize = 4;

/// What is supposed, over the whole log. Agreements are named by the first hex digits of their ids, lower case.
#[derive(Clone, Debug, Default)]
pub struct WhatIf {
    /// Agreements that count as revoked.
    pub revoke: Vec<String>,
    /// Grants, by number from 1, that permit nothing.
    pub without_grant: Vec<(String, u32)>,
    /// Agreements that count as sealed by both, within the time that each says.
    pub add: Vec<Added>,
}

/// An agreement that nobody sealed.
#[derive(Clone, Debug)]
pub struct Added {
    /// What a person calls it, for example its file.
    pub name: String,
    /// Its terms; origin and [`AgreementContent::supersedes`] are left out.
    pub content: AgreementContent,
    /// The agreement that it takes the place of.
    pub supersedes: Option<String>,
}

/// A decision: as it was recorded, or as it would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Permitted by an agreement's grant.
    Permitted {
        /// The agreement.
        agreement: Digest,
        /// The grant's number, from 1.
        grant: u32,
    },
    /// Would be permitted by an agreement that nobody sealed.
    Supposed {
        /// Its place in [`WhatIf::add`].
        added: usize,
        /// The grant's number, from 1.
        grant: u32,
    },
    /// Refused.
    Refused {
        /// The code.
        code: Code,
        /// The clause that decided.
        clause: String,
    },
}

/// A recorded decision that would have been another.
#[derive(Clone, Debug)]
pub struct Flip {
    /// Log index.
    pub index: u64,
    /// Unix time, microseconds.
    pub recorded_at_us: u64,
    /// The exchange.
    pub exchange: ExchangeId,
    /// Which agency asked.
    pub consumer: AgencyId,
    /// Which service of whom.
    pub service: ServiceId,
    /// Which operation of it.
    pub operation: Part,
    /// For which purpose.
    pub purpose: Part,
    /// As it was recorded.
    pub was: Decision,
    /// As it would have been.
    pub would_be: Decision,
}

/// How many decisions would have been others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// Permitted, and would have been refused.
    pub refused: u64,
    /// Refused, and would have been permitted.
    pub permitted: u64,
}

/// What a supposition would have changed.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    /// Decisions by agreements that were judged again.
    pub decisions: u64,
    /// Flips by who asked, which service, for what.
    pub turned: BTreeMap<(AgencyId, ServiceId, Part), Turned>,
    /// What was written and names no agreement of this log, or several: with those that it names.
    pub unclear: Vec<(String, Vec<Digest>)>,
}

impl Changed {
    /// All flips together.
    pub fn total(&self) -> Turned {
        let sum = |sum: Turned, one: &Turned| Turned {
            refused: sum.refused + one.refused,
            permitted: sum.permitted + one.permitted,
        };
        self.turned.values().fold(Turned::default(), sum)
    }
}

/// Judges again, beside the judge.
#[derive(Debug)]
pub(super) struct Supposing {
    what_if: WhatIf,
    /// For how large a registry `supposed` was made.
    size: u64,
    supposed: Option<Supposed>,
    /// Agreements that each beginning of an id was found to name.
    named: BTreeMap<String, BTreeSet<Digest>>,
    changed: Changed,
}

/// One decision, for [`Supposing::judge`].
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) index: u64,
    pub(super) recorded_at_us: u64,
    pub(super) decided_at_ms: u64,
    pub(super) request: &'a RequestHeader,
    /// As the rules decide it; only where that is what was recorded.
    pub(super) real: &'a Result<Permission, Denial>,
}

impl Supposing {
    pub(super) fn new(what_if: WhatIf) -> Self {
        let revoked = what_if.revoke.iter();
        let without = what_if.without_grant.iter().map(|(text, _)| text);
        let superseded = what_if
            .add
            .iter()
            .filter_map(|added| added.supersedes.as_ref());
        let named = revoked.chain(without).chain(superseded);
        let named = named.map(|text| (text.clone(), BTreeSet::new())).collect();
        Self {
            what_if,
            size: 0,
            supposed: None,
            named,
            changed: Changed::default(),
        }
    }

    /// Judges a decision again; gives it if it would have been another.
    pub(super) fn judge(&mut self, registry: &Registry, asked: &Asked<'_>) -> Option<Flip> {
        self.changed.decisions += 1;
        let Asked {
            request,
            decided_at_ms,
            ..
        } = *asked;
        let supposed = self.supposed(registry);
        let would = supposed.authorise(request, decided_at_ms);
        let (was, would_be) = match (asked.real, would) {
            (Ok(permission), Err(denial)) => (permitted(permission), refused(&denial)),
            (Err(denial), Ok(would)) if supposed.locate(request).is_ok() => {
                let grant = would.permission.grant;
                let would_be = match would.added {
                    Some(added) => Decision::Supposed { added, grant },
                    None => permitted(&would.permission),
                };
                (refused(denial), would_be)
            }
            _ => return None,
        };
        Some(Flip {
            index: asked.index,
            recorded_at_us: asked.recorded_at_us,
            exchange: request.exchange_id,
            consumer: request.consumer.agency(),
            service: request.provider.service(&request.service),
            operation: request.operation.clone(),
            purpose: request.purpose.clone(),
            was,
            would_be,
        })
    }

    /// Counts a flip that somebody wants to know of.
    pub(super) fn count(&mut self, flip: &Flip) {
        let key = (
            flip.consumer.clone(),
            flip.service.clone(),
            flip.purpose.clone(),
        );
        let turned = self.changed.turned.entry(key).or_default();
        match flip.was {
            Decision::Refused { .. } => turned.permitted += 1,
            Decision::Permitted { .. } | Decision::Supposed { .. } => turned.refused += 1,
        }
    }

    /// The supposed registry beside `registry`, made again only when that has grown.
    fn supposed(&mut self, registry: &Registry) -> &Supposed {
        let (size, grown) = (registry.size(), registry.size() != self.size);
        let made = self.supposed.take().filter(|_| !grown);
        let made = made.unwrap_or_else(|| Supposed::new(registry, &self.resolve(registry)));
        self.size = size;
        self.supposed.insert(made)
    }

    /// Finds what was written among the agreements that there are by now.
    fn resolve(&mut self, registry: &Registry) -> Supposition {
        for agreement in registry.agreements() {
            let id = agreement.id.to_string();
            for (text, found) in &mut self.named {
                if id.starts_with(text.as_str()) && found.len() < MATCHES_MAX {
                    found.insert(agreement.id);
                }
            }
        }
        let one = |text: &String| self.named.get(text)?.first().copied();
        Supposition {
            revoked: self.what_if.revoke.iter().filter_map(one).collect(),
            without_grant: self
                .what_if
                .without_grant
                .iter()
                .filter_map(|(text, grant)| Some((one(text)?, *grant)))
                .collect(),
            added: self
                .what_if
                .add
                .iter()
                .map(|added| AgreementContent {
                    supersedes: added.supersedes.as_ref().and_then(one),
                    ..added.content.clone()
                })
                .collect(),
        }
    }

    /// What would have changed, over the log whose registry is `registry` at its end.
    pub(super) fn finish(mut self, registry: &Registry) -> Changed {
        self.resolve(registry);
        let unclear = self.named.into_iter().filter(|(_, found)| found.len() != 1);
        self.changed.unclear = unclear
            .map(|(text, found)| (text, found.into_iter().collect()))
            .collect();
        self.changed
    }
}

fn permitted(permission: &Permission) -> Decision {
    Decision::Permitted {
        agreement: permission.agreement,
        grant: permission.grant,
    }
}

fn refused(denial: &Denial) -> Decision {
    Decision::Refused {
        code: denial.code,
        clause: denial.clause.to_string(),
    }
}
