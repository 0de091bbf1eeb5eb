//! How exchanges end: closings, late answers, disputes, each against the request that it names.

use proto::Code;
use proto::authorise::{self, SealedRequest};
use proto::facts::ExchangeFacts;
use proto::header::{AnswerHeader, Outcome};

use super::{About, Judge};
use crate::evidence::contents::Item;

impl<'a> Judge<'a> {
    /// The request that an ending, a late answer or a dispute names, by index and leaf hash.
    pub(super) fn named(&mut self, item: &Item, facts: &ExchangeFacts) -> Option<u64> {
        self.judged.endings += 1;
        let at = facts.request_index;
        match self.requests.get(&at) {
            Some(asked) if facts.request_leaf[..] == asked.item.leaf.0[..] => Some(at),
            Some(_) => {
                self.fault(
                    item,
                    About::Answer,
                    "it names another leaf hash than its request has",
                );
                None
            }
            None => {
                self.fault(
                    item,
                    About::Answer,
                    format!("the request at {at} is not here, or does not hold"),
                );
                None
            }
        }
    }

    pub(super) fn closing(&mut self, item: &'a Item) {
        let Some(facts) = self.facts(item) else {
            return;
        };
        let Some(at) = self.named(item, &facts) else {
            return;
        };
        let Some(outcome) = Outcome::parse(&facts.code) else {
            return self.fault(
                item,
                About::Switch,
                format!("'{}' is no outcome", facts.code),
            );
        };
        let answer = self.answer(item, at);
        self.around_chunks(item, at, answer.as_ref());
        let wrong = match answer.map(|answer| answer.status.outcome()) {
            Some(said) if said != outcome => Some(format!(
                "recorded as {}, the sealed answer says {}",
                outcome.name(),
                said.name()
            )),
            None if item.entry.header.is_empty() && outcome == Outcome::Answered => {
                Some("recorded as answered without a sealed answer".to_owned())
            }
            _ => None,
        };
        if let Some(what) = wrong {
            self.fault(item, About::Answer, what);
        }
        self.end(item, at, &facts);
    }

    /// The request at `at` ends here, once, and under its own grant.
    pub(super) fn end(&mut self, item: &'a Item, at: u64, facts: &ExchangeFacts) {
        let Some(asked) = self.requests.get_mut(&at) else {
            return;
        };
        let twice = std::mem::replace(&mut asked.ended, true);
        let other = asked.facts.agreement != facts.agreement || asked.facts.grant != facts.grant;
        if twice {
            self.fault(
                item,
                About::Answer,
                format!("the request at {at} had ended before"),
            );
        }
        if other {
            self.fault(
                item,
                About::Switch,
                "it names another grant than its request",
            );
        }
    }

    /// The sealed answer; `None` where there is none that holds.
    pub(super) fn answer(&mut self, item: &Item, at: u64) -> Option<AnswerHeader> {
        let entry = &item.entry;
        if entry.header.is_empty() && entry.seal.is_none() {
            return None;
        }
        self.judged.seals += 1;
        let asked = self.requests.get(&at)?;
        let judged = match (&entry.seal, &asked.item.entry.seal) {
            (Some(seal), Some(request_seal)) => {
                let sealed = SealedRequest {
                    header: &asked.item.entry.header,
                    opened: &asked.opened,
                    seal: request_seal,
                };
                authorise::verify_answer(&self.registry, sealed, &entry.header, seal, None)
                    .map_err(|fault| fault.to_string())
            }
            _ => Err("it has no seal".to_owned()),
        };
        match judged {
            Ok(answer) => Some(answer),
            Err(what) => {
                self.fault(
                    item,
                    About::Answer,
                    format!("the sealed answer does not hold: {what}"),
                );
                None
            }
        }
    }

    pub(super) fn late(&mut self, item: &'a Item) {
        let Some(facts) = self.facts(item) else {
            return;
        };
        if let Some(at) = self.named(item, &facts) {
            self.answer(item, at);
        }
    }

    pub(super) fn dispute(&mut self, item: &'a Item) {
        let Some(facts) = self.facts(item) else {
            return;
        };
        let Some(at) = self.named(item, &facts) else {
            return;
        };
        self.judged.seals += 1;
        let Some(asked) = self.requests.get(&at) else {
            return;
        };
        let judged = item
            .entry
            .seal
            .as_ref()
            .ok_or(Code::BadSeal)
            .and_then(|seal| {
                let consumer = &asked.opened.consumer;
                authorise::verify_dispute(&self.registry, &item.entry.header, seal, consumer)
            });
        let wrong = match judged {
            Ok(dispute) if dispute.exchange_id == asked.opened.exchange_id => return,
            Ok(_) => (
                About::Answer,
                "the dispute is about another exchange".to_owned(),
            ),
            Err(code) => (About::Seal, format!("the dispute does not hold: {code}")),
        };
        self.fault(item, wrong.0, wrong.1);
    }
}
