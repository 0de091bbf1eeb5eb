//! Events: whether they were told by their publishers, to those that were permitted to be told, and what became of them.
//!
//! The same fold as the switch's ([`proto::events`]) says what may stand. Of what was pruned nothing more can be said.

use proto::Code;
use proto::authorise::{
    authorise, locate_topic, verify_event, verify_event_receipt, verify_subscription,
    verify_subscription_end,
};
use proto::entry::{Entry, Kind};
use proto::events::{Event as Told, Fate};
use proto::facts::{self, EventFacts};
use proto::seal::Seal;
use proto::{Digest, events};

use super::{Judge, known};
use crate::replay::{Event, RECORD_DELAY_MS, rule};

impl Judge<'_> {
    pub(super) fn of_events(&mut self, index: u64, entry: &Entry, leaf: Digest, event: &mut Event) {
        let Ok(facts) = facts::event(&entry.facts) else {
            return self.fault(index, rule::FACTS, "the facts are not in their one form");
        };
        let recorded_ms = entry.stamp.recorded_at_ms();
        let late_ms = facts.decided_at_ms.saturating_add(RECORD_DELAY_MS);
        if facts.decided_at_ms > recorded_ms || late_ms < recorded_ms {
            let detail = format!(
                "decided at {} ms, recorded at {recorded_ms} ms",
                facts.decided_at_ms
            );
            self.fault(index, rule::TIME, detail);
        }
        if !facts.code.is_empty() {
            *self.tally.codes.entry(known(&facts.code)).or_insert(0) += 1;
        }
        event.agreement = Digest::from_slice(&facts.agreement);
        if self.told {
            event.code.clone_from(&facts.code);
            event.clause.clone_from(&facts.clause);
        }
        self.events.forget(recorded_ms);
        let judged = match entry.kind {
            Kind::Event => self.published(entry, leaf, event),
            Kind::Subscription => self.subscribed(entry, leaf, &facts, event),
            Kind::SubscriptionEnd => self.unsubscribed(entry, &facts, event),
            _ => self.outcome(entry, &facts, event),
        };
        match judged {
            Ok(summary) if self.told => event.summary = summary,
            Ok(_) => {}
            Err(what) => self.fault(index, rule::EVENT, what),
        }
    }

    fn published(
        &mut self,
        entry: &Entry,
        leaf: Digest,
        event: &mut Event,
    ) -> Result<String, String> {
        let index = event.index;
        let header =
            verify_event(&self.registry, &entry.header, seal_of(entry)?, None).map_err(no_seal)?;
        self.docket.count_seal();
        self.check_seen(index, header.seen);
        if self.told {
            event.tells(&header.topic);
        }
        let publisher = &header.topic.publisher;
        if self.registry.is_suspended(&publisher.agency()) {
            return Err(format!("{publisher} was suspended"));
        }
        locate_topic(&self.registry, &header.topic, Some(&header.contract))
            .map_err(|code| format!("it is of an operation that is not offered: {code}"))?;
        self.events.judge_event(&header).map_err(fault)?;
        let summary = format!(
            "{publisher} {} {}: {}",
            header.topic.service, header.topic.operation, header.event_id
        );
        let recorded_ms = entry.stamp.recorded_at_ms();
        let told = Told::of(&header, &entry.header, leaf, recorded_ms);
        self.events.publish(index, told);
        Ok(summary)
    }

    fn subscribed(
        &mut self,
        entry: &Entry,
        leaf: Digest,
        facts: &EventFacts,
        event: &mut Event,
    ) -> Result<String, String> {
        let header =
            verify_subscription(&self.registry, &entry.header, seal_of(entry)?).map_err(no_seal)?;
        self.docket.count_seal();
        let question = header.question();
        if self.told {
            event.follows(&question);
        }
        let permission =
            authorise(&self.registry, &question, facts.decided_at_ms).map_err(|denial| {
                format!(
                    "the agreements do not permit it: {} ({})",
                    denial.code, denial.clause
                )
            })?;
        if facts.agreement[..] != permission.agreement.0[..] || facts.grant != permission.grant {
            return Err("its facts name another grant than the one that permits it".to_owned());
        }
        locate_topic(&self.registry, &header.topic, None)
            .map_err(|code| format!("it is of an operation that is not offered: {code}"))?;
        self.events.judge_begin(&header).map_err(fault)?;
        let topic = &header.topic;
        let summary = format!(
            "{} follows {} {} {}",
            header.subscriber, topic.publisher, topic.service, topic.operation
        );
        let recorded_ms = entry.stamp.recorded_at_ms();
        self.events.begin(event.index, leaf, header, recorded_ms);
        Ok(summary)
    }

    fn unsubscribed(
        &mut self,
        entry: &Entry,
        facts: &EventFacts,
        event: &mut Event,
    ) -> Result<String, String> {
        let subscription = facts.subscription_index;
        if self.is_pruned(subscription) {
            return Ok(format!("the subscription of entry {subscription}"));
        }
        let leaf = leaf_in(&facts.subscription_leaf)?;
        let held = self.events.living(subscription, &leaf).map_err(fault)?;
        if self.told {
            event.follows(&held.header.question());
        }
        let subscriber = held.header.subscriber.clone();
        if is_unsealed(entry) {
            let question = held.header.question();
            let judged = authorise(&self.registry, &question, facts.decided_at_ms);
            let agrees = judged.as_ref().is_err_and(|denial| {
                denial.code != Code::AgencySuspended
                    && denial.code.name() == facts.code
                    && denial.clause.to_string() == facts.clause
            });
            if !agrees {
                return Err(format!(
                    "the switch ended it as {}, and the agreements say otherwise",
                    facts.code
                ));
            }
        } else {
            let header = verify_subscription_end(&self.registry, &entry.header, seal_of(entry)?)
                .map_err(no_seal)?;
            self.docket.count_seal();
            if header.subscriber != subscriber
                || header.subscription_id != held.header.subscription_id
                || !facts.code.is_empty()
            {
                return Err("it is the end of another subscription".to_owned());
            }
        }
        self.events.end(subscription, event.index, &facts.code);
        Ok(format!("{subscriber} is told no more"))
    }

    fn outcome(
        &mut self,
        entry: &Entry,
        facts: &EventFacts,
        event: &mut Event,
    ) -> Result<String, String> {
        let (subscription, at) = (facts.subscription_index, facts.event_index);
        if self.is_pruned(subscription) || self.is_pruned(at) {
            return Ok(format!("the event of entry {at}"));
        }
        let leaves = [
            leaf_in(&facts.subscription_leaf)?,
            leaf_in(&facts.event_leaf)?,
        ];
        let fate = Fate::recorded(!is_unsealed(entry), &facts.code);
        let (held, told) = self
            .events
            .judge_outcome((subscription, &leaves[0]), (at, &leaves[1]), fate)
            .map_err(fault)?;
        if self.told {
            event.follows(&held.header.question());
        }
        let subscriber = &held.header.subscriber;
        if matches!(fate, Fate::Taken | Fate::Refused) {
            let header = verify_event_receipt(
                &self.registry,
                &entry.header,
                seal_of(entry)?,
                subscriber,
                None,
            )
            .map_err(no_seal)?;
            let is_this = header.subscription_id == held.header.subscription_id
                && header.event_id == told.id
                && header.event_header == told.header
                && header.refusal.map_or("", Code::name) == facts.code;
            if !is_this {
                return Err("it is the receipt of another event".to_owned());
            }
            self.docket.count_seal();
        } else {
            let expected = match fate {
                Fate::Withheld => (Code::FieldNotGranted, &["fields"][..]),
                _ => (Code::Deadline, &["attempts", "age"][..]),
            };
            if facts.code != expected.0.name() || !expected.1.contains(&facts.clause.as_str()) {
                return Err(format!("'{}' is no reason to give it up", facts.code));
            }
        }
        let word = match fate {
            Fate::Taken => "took",
            Fate::Refused => "refused",
            Fate::Dead => "was given up on with",
            Fate::Withheld => "may not have",
        };
        let summary = format!("{subscriber} {word} {}", told.id);
        self.events.settle(subscription, at, fate, event.index);
        Ok(summary)
    }

    fn is_pruned(&self, index: u64) -> bool {
        index < self.pruning.minimum()
    }
}

fn is_unsealed(entry: &Entry) -> bool {
    entry.header.is_empty() && entry.seal.is_none()
}

fn seal_of(entry: &Entry) -> Result<&Seal, String> {
    entry
        .seal
        .as_ref()
        .ok_or_else(|| "it has no seal".to_owned())
}

fn leaf_in(bytes: &[u8]) -> Result<Digest, String> {
    Digest::from_slice(bytes).ok_or_else(|| "its facts name no leaf".to_owned())
}

fn no_seal(code: Code) -> String {
    format!("it does not hold: {code}")
}

fn fault(fault: events::EventFault) -> String {
    fault.to_string()
}
