//! The difference between what a directory describes and a registry, and who can do away with each part of it.
//!
//! Takes a registry and a time, gives rows; reads and writes nothing. What the directory does not mention is never
//! changed, only named.

use audit::clock::Clock;
use proto::act::{OperatorDeed, PersonRole};
use proto::digest::Digest;
use proto::id::{AgencyId, Part};
use proto::registry::{Registry, WaitingFor};

use super::described::Described;

mod agencies;
mod people;
mod purposes;

pub(super) use agencies::in_force;

/// Both languages, English first.
pub type Said = [String; 2];

/// What is done away with by one act or request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What happens to it.
    pub action: Action,
    /// What kind of thing it is.
    pub what: What,
    /// Which one.
    pub which: String,
    /// As the registry has it; empty when it has nothing.
    pub from: Said,
    /// As the directory has it.
    pub to: Said,
    /// How it can be made so.
    pub way: Way,
}

/// What happens to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is new.
    Create,
    /// It becomes another.
    Change,
    /// It counts no longer.
    End,
}

/// What directories describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A purpose of the catalogue.
    Purpose,
    /// A person's role.
    Role,
    /// Which acts need two seals.
    Policy,
    /// An agency.
    Agency,
    /// An agency's name.
    AgencyName,
    /// An agency's suspension.
    Suspension,
    /// An agency's daily quota.
    Quota,
    /// A system.
    System,
    /// An adapter of a system.
    Adapter,
    /// A service.
    Service,
    /// An agreement.
    Agreement,
}

/// How a difference goes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// An operator seals this now.
    Seal(Deed),
    /// An operator sealed it; it waits for a second person's seal.
    Waits {
        /// What the approval names.
        act: Digest,
        /// Who put the first seal.
        by: Part,
    },
    /// An operator will be able to, after something else counts.
    Later(Said),
    /// Somebody else must act.
    Request {
        /// Who.
        of: Whom,
        /// What they run.
        command: String,
    },
    /// It cannot be made so in this way; says what to do instead.
    Stuck(Said),
}

/// What an operator seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// An act.
    Act(OperatorDeed),
    /// The invitation of an agency.
    Invite(AgencyId),
}

impl Deed {
    /// The stable word, as policies name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Act(deed) => deed.name(),
            Self::Invite(_) => "invitation",
        }
    }
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// An operator, by hand.
    Operator,
    /// An agency's administrators.
    Agency(String),
    /// The person.
    Person(Part),
}

/// A plan: every difference, and what the registry has beside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the files.
    pub differences: Vec<Difference>,
    /// What the registry has and the directory does not mention: left as it is.
    pub not_described: Vec<(What, String)>,
}

impl Plan {
    /// What operators can seal now.
    pub fn sealed(&self) -> impl Iterator<Item = (&Difference, &Deed)> {
        self.differences.iter().filter_map(|one| match &one.way {
            Way::Seal(deed) => Some((one, deed)),
            _ => None,
        })
    }
}

/// Compares `described` with `registry` at `at_ms` (Unix time, milliseconds).
pub fn between(described: &Described, registry: &Registry, at_ms: u64) -> Plan {
    let mut comparison = Comparison {
        registry,
        at_ms,
        plan: Plan::default(),
    };
    if let Some(purposes) = &described.purposes {
        comparison.purposes(purposes);
    }
    if let Some(people) = &described.people {
        comparison.people(people);
    }
    if let Some(policy) = &described.policy {
        comparison.policy(policy, described.people.as_deref());
    }
    if let Some(agencies) = &described.agencies {
        comparison.agencies(agencies);
    }
    if let Some(agreements) = &described.agreements {
        comparison.agreements(agreements);
    }
    comparison.plan
}

/// As [`between`], now.
pub fn now(described: &Described, registry: &Registry) -> Plan {
    between(described, registry, Clock::System.now_ms())
}

struct Comparison<'a> {
    registry: &'a Registry,
    at_ms: u64,
    plan: Plan,
}

impl Comparison<'_> {
    fn differs(
        &mut self,
        (action, what): (Action, What),
        which: impl ToString,
        [from, to]: [Said; 2],
        way: Way,
    ) {
        self.plan.differences.push(Difference {
            action,
            what,
            which: which.to_string(),
            from,
            to,
            way,
        });
    }

    fn not_described(&mut self, what: What, which: impl ToString) {
        self.plan.not_described.push((what, which.to_string()));
    }

    /// The deed, or what waits already to do the same.
    fn seal(&self, deed: OperatorDeed) -> Way {
        let waits = self.registry.waiting().find(
            |(_, waiting)| matches!(&waiting.what, WaitingFor::Act(act) if same(&act.deed, &deed)),
        );
        match waits {
            Some((id, waiting)) => Way::Waits {
                act: *id,
                by: waiting.operator.clone(),
            },
            None => Way::Seal(Deed::Act(deed)),
        }
    }

    /// People in office who can put a seal, and how many of them are operators.
    fn sealing(&self) -> (usize, usize) {
        let in_office = || self.registry.people().filter(|one| one.ended.is_none());
        let operators = in_office().filter(|one| one.role == PersonRole::Operator);
        (
            in_office().filter(|one| one.role.seals()).count(),
            operators.count(),
        )
    }
}

/// Whether two deeds come to the same; the words of a reason make no difference.
fn same(one: &OperatorDeed, other: &OperatorDeed) -> bool {
    match (one, other) {
        (
            OperatorDeed::SuspendAgency { agency, lifted, .. },
            OperatorDeed::SuspendAgency {
                agency: other,
                lifted: other_lifted,
                ..
            },
        ) => agency == other && lifted == other_lifted,
        _ => one == other,
    }
}

fn nothing() -> Said {
    [String::new(), String::new()]
}

/// The same in both languages: names, digits.
fn text(text: impl ToString) -> Said {
    let text = text.to_string();
    [text.clone(), text]
}

fn said(english: &str, arabic: &str) -> Said {
    [english.to_owned(), arabic.to_owned()]
}

#[cfg(test)]
mod tests;
