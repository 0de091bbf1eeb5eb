//! Which entries somebody wants to see, by what stands in them.
//!
//! Takes: an [`Event`]. Gives: yes or no. Never: says whether the entry is right; every entry is judged whatever
//! the filter says.

use proto::Digest;
use proto::entry::Kind;
use proto::header::Subject;
use proto::id::{ExchangeId, SystemId};

use super::Event;

/// What an entry must have, all of it; what is `None` does not matter. Names are compared as they are written.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only entries of this kind.
    pub kind: Option<Kind>,
    /// Only this exchange.
    pub exchange: Option<ExchangeId>,
    /// Only entries in which this system, or this agency (a prefix of parts), takes part.
    pub party: Option<String>,
    /// Only entries in which this system or agency asks.
    pub consumer: Option<String>,
    /// Only entries in which this system or agency is asked.
    pub provider: Option<String>,
    /// Only this service name.
    pub service: Option<String>,
    /// Only this operation.
    pub operation: Option<String>,
    /// Only this purpose.
    pub purpose: Option<String>,
    /// Only this outcome or refusal code.
    pub code: Option<String>,
    /// Only what this agreement decided.
    pub agreement: Option<Digest>,
    /// Only entries whose own seal names this key.
    pub key: Option<Digest>,
    /// Only what this clerk asked, under the pseudonym.
    pub actor: Option<Digest>,
    /// Only what belongs to this case, as its consumer commits to it.
    pub case: Option<Digest>,
    /// Only what is about this person, under the pseudonym.
    pub subject: Option<Subject>,
    /// Only from this Unix time in milliseconds on, and before that one.
    pub from_ms: Option<u64>,
    /// See `from_ms`.
    pub to_ms: Option<u64>,
    /// Only from this index on, and before that one.
    pub from: Option<u64>,
    /// See `from`.
    pub to: Option<u64>,
}

impl Filter {
    /// Whether `event` is wanted.
    pub fn admits(&self, event: &Event) -> bool {
        let recorded_ms = event.recorded_at_us / 1_000;
        let asks = |wanted: &String| is_or_belongs(event.consumer.as_ref(), wanted);
        let asked = |wanted: &String| is_or_belongs(event.provider.as_ref(), wanted);
        wanted(&self.kind, |kind| event.kind == *kind)
            && wanted(&self.exchange, |id| event.exchange == Some(*id))
            && wanted(&self.party, |party| asks(party) || asked(party))
            && wanted(&self.consumer, asks)
            && wanted(&self.provider, asked)
            && wanted(&self.service, |name| event.service == *name)
            && wanted(&self.operation, |name| event.operation == *name)
            && wanted(&self.purpose, |name| event.purpose == *name)
            && wanted(&self.code, |code| event.code == *code)
            && wanted(&self.agreement, |id| event.agreement == Some(*id))
            && wanted(&self.key, |key| event.key == Some(*key))
            && wanted(&self.actor, |actor| event.actor == Some(*actor))
            && wanted(&self.case, |case| event.case == Some(*case))
            && wanted(&self.subject, |subject| event.subjects.contains(subject))
            && wanted(&self.from_ms, |from| recorded_ms >= *from)
            && wanted(&self.to_ms, |to| recorded_ms < *to)
            && wanted(&self.from, |from| event.index >= *from)
            && wanted(&self.to, |to| event.index < *to)
    }
}

/// Whether what is asked for, if anything, is there.
fn wanted<T>(what: &Option<T>, there: impl FnOnce(&T) -> bool) -> bool {
    what.as_ref().is_none_or(there)
}

/// Whether `system` is `wanted`, or a system of the agency `wanted`.
fn is_or_belongs(system: Option<&SystemId>, wanted: &str) -> bool {
    let rest = system.and_then(|system| system.as_str().strip_prefix(wanted));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use proto::id::Part;

    use super::*;

    fn event() -> Event {
        let system = |name| SystemId::parse(name).unwrap();
        Event {
            index: 7,
            kind: Kind::Closing,
            recorded_at_us: 5_000_999,
            exchange: ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b"),
            consumer: Some(system("EG/GOV/MOSS/takaful")),
            provider: Some(system("EG/GOV/CIVIL/registry")),
            service: "persons.v1".to_owned(),
            operation: "lookup".to_owned(),
            purpose: "takaful".to_owned(),
            actor: Some(Digest([1; 32])),
            case: Some(Digest([6; 32])),
            subjects: vec![subject("nid", 2), subject("tax", 3)],
            key: Some(Digest([4; 32])),
            code: "answered".to_owned(),
            clause: String::new(),
            agreement: Some(Digest([5; 32])),
            request_index: Some(6),
            summary: String::new(),
        }
    }

    fn subject(scheme: &str, byte: u8) -> Subject {
        Subject {
            scheme: Part::parse(scheme).unwrap(),
            pseudonym: Digest([byte; 32]),
        }
    }

    /// A filter with nothing but what `set` sets.
    fn only(set: impl FnOnce(&mut Filter)) -> Filter {
        let mut filter = Filter::default();
        set(&mut filter);
        filter
    }

    #[test]
    fn each_part_of_the_filter_decides_alone() {
        type Set = fn(&mut Filter);
        let admitted: &[Set] = &[
            |_| {},
            |f| f.kind = Some(Kind::Closing),
            |f| f.exchange = event().exchange,
            |f| f.party = Some("EG/GOV/MOSS".to_owned()),
            |f| f.party = Some("EG/GOV/CIVIL/registry".to_owned()),
            |f| f.consumer = Some("EG/GOV/MOSS/takaful".to_owned()),
            |f| f.provider = Some("EG/GOV/CIVIL".to_owned()),
            |f| f.service = Some("persons.v1".to_owned()),
            |f| f.operation = Some("lookup".to_owned()),
            |f| f.purpose = Some("takaful".to_owned()),
            |f| f.code = Some("answered".to_owned()),
            |f| f.agreement = Some(Digest([5; 32])),
            |f| f.key = Some(Digest([4; 32])),
            |f| f.actor = Some(Digest([1; 32])),
            |f| f.case = Some(Digest([6; 32])),
            |f| f.subject = Some(subject("tax", 3)),
            |f| (f.from_ms, f.to_ms) = (Some(5_000), Some(5_001)),
            |f| (f.from, f.to) = (Some(7), Some(8)),
        ];
        for (number, set) in admitted.iter().enumerate() {
            assert!(only(set).admits(&event()), "{number}");
        }
        let left_out: &[Set] = &[
            |f| f.kind = Some(Kind::Request),
            |f| f.exchange = ExchangeId::parse("0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5c"),
            |f| f.party = Some("EG/GOV/MOS".to_owned()),
            |f| f.consumer = Some("EG/GOV/CIVIL".to_owned()),
            |f| f.provider = Some("EG/GOV/MOSS".to_owned()),
            |f| f.service = Some("persons".to_owned()),
            |f| f.operation = Some("list".to_owned()),
            |f| f.purpose = Some("test".to_owned()),
            |f| f.code = Some("deadline".to_owned()),
            |f| f.agreement = Some(Digest([4; 32])),
            |f| f.key = Some(Digest([5; 32])),
            |f| f.actor = Some(Digest([2; 32])),
            |f| f.case = Some(Digest([1; 32])),
            // The same bytes under another scheme are another person.
            |f| f.subject = Some(subject("nid", 3)),
            |f| f.from_ms = Some(5_001),
            |f| f.to_ms = Some(5_000),
            |f| f.from = Some(8),
            |f| f.to = Some(7),
        ];
        for (number, set) in left_out.iter().enumerate() {
            assert!(!only(set).admits(&event()), "{number}");
        }
    }
}
