//! Entries about events in a bundle: told by their publisher, followed as the agreements permit, and what became of them.
//!
//! An outcome, and an end by the switch, are judged against the subscription and the event that they name: a bundle has
//! them beside it. How many subscriptions there were, and what else was told, only the whole log can say.

use proto::authorise::{
    Denial, authorise, locate_topic, verify_event, verify_event_receipt, verify_subscription,
    verify_subscription_end,
};
use proto::entry::{Entry, Kind};
use proto::events::{Event, Fate};
use proto::facts::{self, EventFacts};
use proto::id::SystemId;
use proto::seal::Seal;
use proto::{Code, Digest};

use super::{About, Item, Judge, RECORD_DELAY_MS};

/// A fault, before anybody knows of which entry.
type Wrong = (About, String);

/// Indexes of what an entry about events names, which belong into a bundle with it.
pub(in crate::evidence) fn named(entry: &Entry) -> Vec<u64> {
    let facts = facts::event(&entry.facts).ok();
    match (entry.kind, facts) {
        (Kind::SubscriptionEnd, Some(facts)) => vec![facts.subscription_index],
        (Kind::EventOutcome, Some(facts)) => vec![facts.subscription_index, facts.event_index],
        _ => Vec::new(),
    }
}

impl Judge<'_> {
    pub(super) fn of_events(&mut self, item: &Item) {
        let entry = &item.entry;
        let Ok(facts) = facts::event(&entry.facts) else {
            return self.fault(item, About::Switch, "its facts are not in their one form");
        };
        let recorded_ms = entry.stamp.recorded_at_ms();
        let earliest_ms = recorded_ms.saturating_sub(RECORD_DELAY_MS);
        if !(earliest_ms..=recorded_ms).contains(&facts.decided_at_ms) {
            let what = "its decision was not made just before it was recorded";
            self.fault(item, About::Switch, what);
        }
        if entry.seal.is_some() {
            self.judged.seals += 1;
        }
        let judged = match entry.kind {
            Kind::Event => self.published(item, &facts),
            Kind::Subscription => self.subscribed(item, &facts),
            Kind::SubscriptionEnd => self.unsubscribed(item, &facts),
            _ => self.outcome(item, &facts),
        };
        if let Err((about, what)) = judged {
            self.fault(item, about, what);
        }
    }

    fn published(&mut self, item: &Item, facts: &EventFacts) -> Result<(), Wrong> {
        let entry = &item.entry;
        let seal = seal_of(entry)?;
        let header = verify_event(&self.registry, &entry.header, seal, None).map_err(no_seal)?;
        self.judged.decisions += 1;
        let publisher = &header.topic.publisher;
        let told = Event::of(
            &header,
            &entry.header,
            item.leaf,
            entry.stamp.recorded_at_ms(),
        );
        self.events.publish(item.index, told);
        if self.registry.is_suspended(&publisher.agency()) {
            return decision(format!("recorded while {publisher} was suspended"));
        }
        if let Err(code) = locate_topic(&self.registry, &header.topic, Some(&header.contract)) {
            return decision(format!("of an operation that is not offered: {code}"));
        }
        self.came(publisher, facts)
    }

    fn subscribed(&mut self, item: &Item, facts: &EventFacts) -> Result<(), Wrong> {
        let entry = &item.entry;
        let seal = seal_of(entry)?;
        let header = verify_subscription(&self.registry, &entry.header, seal).map_err(no_seal)?;
        self.judged.decisions += 1;
        let judged = authorise(&self.registry, &header.question(), facts.decided_at_ms);
        let located = locate_topic(&self.registry, &header.topic, None).map(drop);
        let (subscriber, recorded_ms) = (header.subscriber.clone(), entry.stamp.recorded_at_ms());
        self.events
            .begin(item.index, item.leaf, header, recorded_ms);
        match judged {
            Err(denial) => decision(format!(
                "begun, but {} ({}) refuses it",
                denial.code, denial.clause
            )),
            Ok(permission)
                if facts.agreement[..] != permission.agreement.0[..]
                    || facts.grant != permission.grant =>
            {
                decision("recorded under another grant than the one that permits it".to_owned())
            }
            Ok(_) => match located {
                Err(code) => decision(format!("of an operation that is not offered: {code}")),
                Ok(()) => self.came(&subscriber, facts),
            },
        }
    }

    fn unsubscribed(&mut self, item: &Item, facts: &EventFacts) -> Result<(), Wrong> {
        self.judged.endings += 1;
        let (entry, index) = (&item.entry, facts.subscription_index);
        let leaf = leaf_in(&facts.subscription_leaf)?;
        let held = self.events.living(index, &leaf).map_err(unfit)?;
        let (held, leaving) = (held.header.clone(), is_sealed(entry));
        self.events.end(index, item.index, &facts.code);
        if leaving {
            let seal = seal_of(entry)?;
            let header =
                verify_subscription_end(&self.registry, &entry.header, seal).map_err(no_seal)?;
            if header.subscriber != held.subscriber
                || header.subscription_id != held.subscription_id
                || !facts.code.is_empty()
            {
                return Err(unfit("it is the end of another subscription"));
            }
            return self.came(&held.subscriber, facts);
        }
        self.judged.decisions += 1;
        match authorise(&self.registry, &held.question(), facts.decided_at_ms) {
            Err(denial) if is_reason(&denial, facts) => Ok(()),
            Err(denial) => decision(format!(
                "ended as {}, but the rules give {} ({})",
                facts.code, denial.code, denial.clause
            )),
            Ok(_) => decision(format!(
                "ended as {}, but the agreements permit it",
                facts.code
            )),
        }
    }

    fn outcome(&mut self, item: &Item, facts: &EventFacts) -> Result<(), Wrong> {
        self.judged.endings += 1;
        let entry = &item.entry;
        let (subscription, at) = (facts.subscription_index, facts.event_index);
        let leaves = (
            leaf_in(&facts.subscription_leaf)?,
            leaf_in(&facts.event_leaf)?,
        );
        let fate = Fate::recorded(is_sealed(entry), &facts.code);
        let judged = self
            .events
            .judge_outcome((subscription, &leaves.0), (at, &leaves.1), fate);
        let (held, told) = judged.map_err(unfit)?;
        let (held, id, told) = (held.header.clone(), told.id, told.header);
        self.events.settle(subscription, at, fate, item.index);
        if !is_sealed(entry) {
            let reason = (facts.code.as_str(), facts.clause.as_str());
            let deadline = Code::Deadline.name();
            let is_one = match fate {
                Fate::Withheld => reason.1 == "fields",
                _ => reason == (deadline, "attempts") || reason == (deadline, "age"),
            };
            return match is_one {
                true => Ok(()),
                false => Err(unfit(format!(
                    "'{}' is no reason to give it up",
                    facts.code
                ))),
            };
        }
        let by = &held.subscriber;
        let seal = seal_of(entry)?;
        let receipt =
            verify_event_receipt(&self.registry, &entry.header, seal, by, None).map_err(no_seal)?;
        let is_this = receipt.subscription_id == held.subscription_id
            && receipt.event_id == id
            && receipt.event_header == told
            && receipt.refusal.map_or("", Code::name) == facts.code;
        if !is_this {
            return Err(unfit("it is the receipt of another event"));
        }
        self.came(by, facts)
    }

    /// Whether it came over a certificate that counted then.
    fn came(&self, by: &SystemId, facts: &EventFacts) -> Result<(), Wrong> {
        let peer = Digest::from_slice(&facts.peer_sha256);
        match peer.map(|peer| self.registry.may_connect(by, &peer)) {
            Some(Err(code)) => decision(format!(
                "recorded over a certificate that may not connect: {code}"
            )),
            _ => Ok(()),
        }
    }
}

fn is_sealed(entry: &Entry) -> bool {
    !entry.header.is_empty() || entry.seal.is_some()
}

/// A suspension holds a subscription up and ends nothing.
fn is_reason(denial: &Denial, facts: &EventFacts) -> bool {
    let agreement = denial.agreement.as_ref().map_or(&[][..], |id| &id.0[..]);
    denial.code != Code::AgencySuspended
        && denial.code.name() == facts.code
        && denial.clause.to_string() == facts.clause
        && agreement == &facts.agreement[..]
        && denial.grant == facts.grant
}

fn seal_of(entry: &Entry) -> Result<&Seal, Wrong> {
    let seal = entry.seal.as_ref();
    seal.ok_or_else(|| (About::Seal, "it has no seal".to_owned()))
}

fn leaf_in(bytes: &[u8]) -> Result<Digest, Wrong> {
    Digest::from_slice(bytes).ok_or_else(|| unfit("its facts name no leaf"))
}

fn no_seal(code: Code) -> Wrong {
    (About::Seal, format!("it does not hold: {code}"))
}

fn unfit(what: impl ToString) -> Wrong {
    (About::Answer, what.to_string())
}

fn decision(what: String) -> Result<(), Wrong> {
    Err((About::Decision, what))
}
