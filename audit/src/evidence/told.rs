//! The exchanges of a bundle in the order of the log, with what the registry entries beside them say of names,
//! purposes, services and agreements. Read from entries; nothing is judged.

use std::collections::BTreeMap;

use proto::Digest;
use proto::act::{
    AgencyEnrolment, AgreementAct, AgreementContent, Genesis, OperatorAct, OperatorDeed, Purpose,
    ServiceDefinition, Step,
};
use proto::entry::Kind;
use proto::facts::{self, ExchangeFacts};
use proto::header::{AnswerHeader, RequestHeader, TrailerHeader};
use proto::id::{AgencyId, Part};

use super::contents::{Contents, Item};

/// One question and everything that followed.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    /// Its request entry, or the refusal.
    pub(super) item: &'a Item,
    /// What was asked; absent where the switch refused it unread.
    pub(super) request: Option<RequestHeader>,
    pub(super) facts: ExchangeFacts,
    /// The answer header that began an answer in chunks.
    pub(super) opening: Option<(&'a Item, AnswerHeader)>,
    pub(super) ending: Option<Ending<'a>>,
    /// Late answers and disputes.
    pub(super) later: Vec<&'a Item>,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    pub(super) item: &'a Item,
    pub(super) facts: ExchangeFacts,
    /// The sealed answer; of one in chunks, the one that began it.
    pub(super) answer: Option<AnswerHeader>,
    pub(super) trailer: Option<TrailerHeader>,
}

/// One act on an agreement.
#[derive(Debug)]
pub(super) struct ActOn {
    pub(super) index: u64,
    pub(super) recorded_at_ms: u64,
    pub(super) act: AgreementAct,
}

/// What the entries of a bundle say.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    pub(super) exchanges: Vec<Exchange<'a>>,
    /// Arabic and English names.
    pub(super) agencies: BTreeMap<AgencyId, [String; 2]>,
    pub(super) purposes: BTreeMap<Part, Purpose>,
    /// By contract digest.
    pub(super) services: BTreeMap<Digest, ServiceDefinition>,
    pub(super) agreements: BTreeMap<Digest, AgreementContent>,
    pub(super) acts: BTreeMap<Digest, Vec<ActOn>>,
}

impl<'a> Told<'a> {
    /// Reads the entries in order. What cannot be read says nothing.
    pub(super) fn of(contents: &'a Contents) -> Self {
        let mut told = Self::default();
        for item in &contents.items {
            match item.entry.kind {
                kind if kind.holds_request() => told.ask(item),
                kind if kind.is_exchange() => told.follow(item),
                _ => told.act(item),
            }
        }
        told
    }

    fn ask(&mut self, item: &'a Item) {
        self.exchanges.push(Exchange {
            item,
            request: RequestHeader::open(&item.entry.header).ok(),
            facts: facts::exchange(&item.entry.facts).unwrap_or_default(),
            opening: None,
            ending: None,
            later: Vec::new(),
        });
    }

    fn follow(&mut self, item: &'a Item) {
        let facts = facts::exchange(&item.entry.facts).unwrap_or_default();
        let place = |exchange: &Exchange<'_>| exchange.item.index;
        let Ok(at) = self
            .exchanges
            .binary_search_by_key(&facts.request_index, place)
        else {
            return;
        };
        let exchange = &mut self.exchanges[at];
        let header = &item.entry.header;
        if item.entry.kind == Kind::Opening && exchange.opening.is_none() {
            exchange.opening = AnswerHeader::open(header).ok().map(|answer| (item, answer));
        } else if item.entry.kind.ends() && exchange.ending.is_none() {
            let begun = exchange.opening.as_ref().map(|(_, answer)| answer.clone());
            let trails = item.entry.kind == Kind::Trailer;
            exchange.ending = Some(Ending {
                item,
                facts,
                answer: AnswerHeader::open(header).ok().or(begun),
                trailer: trails.then(|| TrailerHeader::open(header).ok()).flatten(),
            });
        } else {
            exchange.later.push(item);
        }
    }

    fn act(&mut self, item: &Item) {
        let header = &item.entry.header;
        match item.entry.kind {
            Kind::Genesis => {
                if let Ok(genesis) = Genesis::open(header) {
                    let named = |purpose: Purpose| (purpose.code.clone(), purpose);
                    self.purposes
                        .extend(genesis.purposes.into_iter().map(named));
                }
            }
            Kind::OperatorAct => {
                if let Ok(act) = OperatorAct::open(header)
                    && let OperatorDeed::SetPurpose(purpose) = act.deed
                {
                    self.purposes.insert(purpose.code.clone(), purpose);
                }
            }
            Kind::Agency => {
                if let Ok(act) = AgencyEnrolment::open(header) {
                    self.agencies.insert(act.agency, [act.name_ar, act.name_en]);
                }
            }
            Kind::Service => {
                if let Ok(service) = ServiceDefinition::open(header) {
                    self.services.insert(Digest::of(header), service);
                }
            }
            Kind::AgreementAct => {
                if let Ok(act) = AgreementAct::open(header) {
                    self.agree(item, act);
                }
            }
            _ => {}
        }
    }

    fn agree(&mut self, item: &Item, act: AgreementAct) {
        if act.step == Step::Propose
            && let Ok(content) = AgreementContent::open(&act.content)
        {
            self.agreements.insert(act.agreement, content);
        }
        self.acts.entry(act.agreement).or_default().push(ActOn {
            index: item.index,
            recorded_at_ms: item.entry.stamp.recorded_at_ms(),
            act,
        });
    }
}
