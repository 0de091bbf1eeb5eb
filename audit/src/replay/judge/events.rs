//! Events: whether they were told by their publishers, to those that were permitted to be told, and what became of them.
//!
//! The same fold as the switch's ([`proto::events`]) says what may stand. Of what was pruned nothing more can be said.

use proto::Code;
use proto::authorise::{
    Denial, authorise, locate_topic, verify_event, verify_event_receipt, verify_subscription,
    verify_subscription_end,
};
use proto::entry::{Entry, Kind};
use proto::events::{Event as Told, Fate, Subscription};
use proto::facts::{self, EventFacts};
use proto::id::SystemId;
use proto::limits::WINDOW_MS_MAX;
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
        if says_too_much(entry, &facts) {
            let detail = "the facts say what such an entry cannot";
            self.fault(index, rule::FACTS, detail);
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
            Kind::Event => self.published(entry, leaf, &facts, event),
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

    /// What every act of an agency must satisfy: it came over a certificate that counted, and soon after it was sealed.
    fn came(&mut self, index: u64, by: &SystemId, issued_at_ms: Option<u64>, facts: &EventFacts) {
        let peer = Digest::from_slice(&facts.peer_sha256);
        let connects = |peer| self.registry.may_connect(by, &peer);
        if let Some(Err(code)) = peer.map(connects) {
            let detail = format!("recorded over a certificate that may not connect: {code}");
            self.fault(index, rule::DECISION, detail);
        }
        let off_ms = issued_at_ms.map_or(0, |issued| facts.decided_at_ms.abs_diff(issued));
        if off_ms > WINDOW_MS_MAX {
            let detail = format!("recorded {off_ms} ms away from the time that it was sealed at");
            self.fault(index, rule::TIME, detail);
        }
    }

    fn published(
        &mut self,
        entry: &Entry,
        leaf: Digest,
        facts: &EventFacts,
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
        self.came(index, publisher, Some(header.issued_at_ms), facts);
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
        self.came(
            event.index,
            &header.subscriber,
            Some(header.issued_at_ms),
            facts,
        );
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
            return match self.pruning.unjudged(subscription, true) {
                true => Ok(format!("the subscription of entry {subscription}")),
                false => Err(fault(events::EventFault::Ended(subscription))),
            };
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
            let agrees = judged.is_err_and(|denial| is_reason(&denial, facts));
            if !agrees {
                return Err(format!(
                    "the switch ended it as {}, and the agreements say otherwise",
                    facts.code
                ));
            }
        } else {
            let header = verify_subscription_end(&self.registry, &entry.header, seal_of(entry)?)
                .map_err(no_seal)?;
            if header.subscriber != subscriber
                || header.subscription_id != held.header.subscription_id
                || !facts.code.is_empty()
            {
                return Err("it is the end of another subscription".to_owned());
            }
            self.docket.count_seal();
            self.came(event.index, &subscriber, Some(header.issued_at_ms), facts);
        }
        self.events.end(subscription, event.index, &facts.code);
        self.not_permitted.remove(&subscription);
        Ok(format!("{subscriber} is told no more"))
    }

    fn outcome(
        &mut self,
        entry: &Entry,
        facts: &EventFacts,
        event: &mut Event,
    ) -> Result<String, String> {
        let (subscription, at) = (facts.subscription_index, facts.event_index);
        let pruned = [subscription, at]
            .into_iter()
            .find(|at| self.is_pruned(*at));
        if let Some(pruned) = pruned {
            self.pruning.unjudged(pruned, false);
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
        let mut came_from = None;
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
            if self.was_over((subscription, held), told.recorded_at_ms) {
                return Err("it was brought long after what permitted it was over".to_owned());
            }
            self.docket.count_seal();
            came_from = Some(subscriber.clone());
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
        if let Some(by) = came_from {
            self.came(event.index, &by, None, facts);
        }
        Ok(summary)
    }

    /// After an act on the registry at `at_ms`: which subscriptions it ends. What ends by time needs no act.
    pub(super) fn look_after_subscriptions(&mut self, at_ms: u64) {
        for (index, held) in self.events.subscriptions() {
            if held.ended.is_some() || self.not_permitted.contains_key(&index) {
                continue;
            }
            let judged = authorise(&self.registry, &held.header.question(), at_ms);
            if judged.is_err_and(|denial| ends(&denial)) {
                self.not_permitted.insert(index, at_ms);
            }
        }
    }

    /// Whether the switch had known for long, at `at_ms`, that nothing permits the subscription any more.
    fn was_over(&self, (index, held): (u64, &Subscription), at_ms: u64) -> bool {
        let long_before_ms = at_ms.saturating_sub(RECORD_DELAY_MS);
        match self.not_permitted.get(&index) {
            Some(since_ms) => *since_ms < long_before_ms,
            None if held.recorded_at_ms >= long_before_ms => false,
            None => authorise(&self.registry, &held.header.question(), long_before_ms)
                .is_err_and(|denial| ends(&denial)),
        }
    }

    fn is_pruned(&self, index: u64) -> bool {
        index < self.pruning.minimum()
    }
}

/// A suspension holds a subscription up; everything else ends it.
fn ends(denial: &Denial) -> bool {
    denial.code != Code::AgencySuspended
}

/// Whether that is why the switch says that it ended a subscription.
fn is_reason(denial: &Denial, facts: &EventFacts) -> bool {
    let agreement = denial.agreement.as_ref().map_or(&[][..], |id| &id.0[..]);
    ends(denial)
        && denial.code.name() == facts.code
        && denial.clause.to_string() == facts.clause
        && agreement == &facts.agreement[..]
        && denial.grant == facts.grant
}

/// Whether the facts hold anything that has no meaning in an entry of that kind.
fn says_too_much(entry: &Entry, facts: &EventFacts) -> bool {
    let of_event = facts.event_index > 0 || !facts.event_leaf.is_empty() || facts.attempts > 0;
    let of_subscription = facts.subscription_index > 0 || !facts.subscription_leaf.is_empty();
    let of_decision = !facts.agreement.is_empty() || facts.grant > 0;
    let of_reason = !facts.code.is_empty() || !facts.clause.is_empty();
    match entry.kind {
        Kind::Event => of_event || of_subscription || of_decision || of_reason,
        Kind::Subscription => of_event || of_subscription || of_reason,
        Kind::SubscriptionEnd => of_event || entry.seal.is_some() && of_decision,
        _ => of_decision || entry.seal.is_some() && !facts.clause.is_empty(),
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
