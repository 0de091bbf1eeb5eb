//! Entries about events, as far as a scan reads them: who tells, who follows, and what became of an event with whom.
//!
//! Takes an entry of one of these kinds. An outcome or an end is joined to the subscription that it names by index and leaf
//! hash, so that it says whose it is. Judges nothing.

use std::sync::Arc;

use proto::Digest;
use proto::entry::Kind;
use proto::facts;
use proto::header::{EventHeader, EventReceiptHeader, SubscriptionHeader};

use super::Row;
use super::requests::{Asked, Requests};

impl Row {
    /// Reads it as far as it goes without any other.
    pub(super) fn telling(&mut self) -> Result<(), String> {
        let facts = facts::event(&self.entry.facts).map_err(|error| error.to_string())?;
        let (header, event) = (&self.entry.header, &mut self.event);
        event.code.clone_from(&facts.code);
        event.clause.clone_from(&facts.clause);
        event.agreement = Digest::from_slice(&facts.agreement);
        match self.entry.kind {
            Kind::Event => {
                let header = EventHeader::open(header).map_err(|error| error.to_string())?;
                event.tells(&header.topic);
                event.summary = format!(
                    "{} {} {}: {}",
                    header.topic.publisher,
                    header.topic.service,
                    header.topic.operation,
                    header.event_id
                );
            }
            Kind::Subscription => {
                let header = SubscriptionHeader::open(header).map_err(|error| error.to_string())?;
                let question = header.question();
                event.follows(&question);
                let topic = &header.topic;
                event.summary = format!(
                    "{} follows {} {} {}",
                    header.subscriber, topic.publisher, topic.service, topic.operation
                );
                self.follows = Some(Arc::new(question));
            }
            Kind::EventOutcome if !header.is_empty() => {
                let header = EventReceiptHeader::open(header).map_err(|error| error.to_string())?;
                let word = match header.refusal {
                    None => "took",
                    Some(_) => "refused",
                };
                event.summary = format!("{word} {}", header.event_id);
            }
            Kind::EventOutcome => {
                event.summary = format!("was not told the event of entry {}", facts.event_index);
            }
            _ => "is told no more".clone_into(&mut event.summary),
        }
        self.told = Some(facts);
        Ok(())
    }

    /// Joins an outcome or an end to the subscription that it names, and keeps a subscription for them. Entries come in order.
    pub(super) fn join_subscription(&mut self, requests: &mut Requests) {
        if let Some(question) = &self.follows {
            let asked = Asked {
                kind: self.entry.kind,
                leaf: self.leaf,
                recorded_at_us: self.entry.stamp.recorded_at_us,
                header: question.clone(),
            };
            requests.remember(self.event.index, asked);
            return;
        }
        let Some(facts) = &self.told else {
            return;
        };
        if !matches!(self.entry.kind, Kind::EventOutcome | Kind::SubscriptionEnd) {
            return;
        }
        let index = facts.subscription_index;
        let asked = requests.named(index, &facts.subscription_leaf);
        let asked = asked.filter(|asked| asked.kind == Kind::Subscription);
        let whose = match asked {
            Some(asked) => {
                self.event.follows(&asked.header);
                asked.header.consumer.to_string()
            }
            None => format!("the subscription of entry {index}"),
        };
        self.event.summary = format!("{whose} {}", self.event.summary);
    }
}
