//! Many items in one request: what is judged of each before the backend sees any, and what becomes of each result.
//!
//! Takes a payload that is what the header commits to, item by item. Gives the backend those that the contract takes, and
//! the consumer one result for each, in its order. An item that nobody can answer is answered so; one that is not what was
//! sealed, or hides whom it names, is a reason to refuse all of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use proto::authorise::Row;
use proto::commitment::Form;
use proto::envelope::Envelope;
use proto::header::{AnswerStatus, RequestHeader};
use proto::id::Part;
use proto::items::{ItemResult, Items};
use proto::limits::PAYLOAD_BYTES_MAX;
use proto::refusal::Code;
use proto::registry::Registry;
use tokio_util::task::AbortOnDropHandle;

use super::contract::Enforced;
use super::exchange::{Delivered, Desk};
use super::kept::Outcome;
use super::promise::allowed;
use super::sealing::status_of;
use super::{Failure, Replies, Reply};
use crate::subjects::side_entry;

/// Bytes of a payload of items beside the items themselves: the manifest, and what comes before each.
const MANIFEST_ROOM: usize = 256;
const ITEM_ROOM: usize = 5;

impl Desk {
    /// What is asked is what the contract says, and names whom the header says: one thing, or many.
    pub(super) fn asked(
        &self,
        registry: &Registry,
        request: &RequestHeader,
        envelope: &Envelope,
        now_ms: u64,
    ) -> Result<Option<Vec<Option<Bytes>>>, Code> {
        if request.payload.form == Form::Items {
            return self
                .questions(registry, request, envelope, now_ms)
                .map(Some);
        }
        if request.is_upload() {
            return self.promised_chunks(registry, request).map(|()| None);
        }
        self.promised(registry, request, &envelope.payload)?;
        self.persons(registry, request, &envelope.payload, now_ms)?;
        Ok(None)
    }

    /// The items, opened: each that the contract takes, and `None` in the place of one that it does not take or that names
    /// a person in no form.
    fn questions(
        &self,
        registry: &Registry,
        request: &RequestHeader,
        envelope: &Envelope,
        now_ms: u64,
    ) -> Result<Vec<Option<Bytes>>, Code> {
        let opened = Items::open(&envelope.payload).map_err(|_| Code::PayloadMismatch)?;
        let contract = self.promise(registry, request)?;
        let form = self.backend.form(request.service.as_str());
        let content_type = &request.payload.content_type;
        let mut unnamed = self.unnamed(registry, request, &opened, now_ms)?;
        unnamed.resize(opened.items.len(), false);
        let questions = opened.items.iter().zip(unnamed).map(|(item, unnamed)| {
            let judged = contract.request(&request.operation, content_type, item, form);
            let holds = judged.is_ok() && !unnamed;
            holds.then(|| envelope.payload.slice_ref(item))
        });
        Ok(questions.collect())
    }

    /// Judges the side list under each key that counts; gives which items name a person in no form. Empty where nothing is
    /// judged.
    fn unnamed(
        &self,
        registry: &Registry,
        request: &RequestHeader,
        opened: &Items<'_>,
        now_ms: u64,
    ) -> Result<Vec<bool>, Code> {
        let Some((fields, start, keys)) = self.naming(registry, request, now_ms) else {
            return Ok(Vec::new());
        };
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        let content_type = &request.payload.content_type;
        let nobody: &[u8] = &[];
        for key in &keys {
            let mut listed = opened.subjects.iter();
            let judged = opened.items.iter().map(|item| {
                let said = *listed.next().unwrap_or(&nobody);
                match side_entry(fields, content_type, item, start, key) {
                    Ok(entry) if entry == said => Some(false),
                    Err(_) if said.is_empty() => Some(true),
                    Ok(_) | Err(_) => None,
                }
            });
            if let Some(unnamed) = judged.collect() {
                return Ok(unnamed);
            }
        }
        tracing::info!(exchange = %request.exchange_id, "the side list does not name the persons of the items");
        Err(Code::SubjectMismatch)
    }

    /// Asks the backend for all of them, and puts its results together.
    pub(super) async fn ask_items(
        &self,
        delivered: &Delivered,
        request_index: u64,
        rows: &[Row],
        asked: &[Option<Bytes>],
    ) -> Arc<Outcome> {
        let mut request = self.request(delivered, request_index, rows);
        request.payload = Bytes::new();
        let valid: Vec<Bytes> = asked.iter().flatten().cloned().collect();
        let count = valid.len();
        let running = Arc::clone(&self.backend).items(request, valid);
        let results = match AbortOnDropHandle::new(tokio::spawn(running)).await {
            Ok(replies) if replies.len() == count => {
                self.results(delivered.request(), !rows.is_empty(), asked, replies)
            }
            Ok(replies) => Err(Failure::failed(format_args!(
                "the backend gave {} results for {count} items",
                replies.len()
            ))),
            Err(error) => Err(Failure::failed(error)),
        };
        match results {
            Ok(outcome) => Arc::new(outcome),
            Err(failure) => Outcome::of(status_of(&failure, delivered)),
        }
    }

    /// One result for each item, each kept to the contract as a single answer is.
    fn results(
        &self,
        request: &RequestHeader,
        is_scoped: bool,
        asked: &[Option<Bytes>],
        replies: Replies,
    ) -> Result<Outcome, Failure> {
        let registry = self.adapter.mirror().snapshot();
        let contract = self.contracts.of(&registry, request);
        let contract = contract.ok_or_else(|| {
            Failure::failed("the service was published anew while it was being asked")
        })?;
        let form = self.backend.form(request.service.as_str());
        let mut content_type: Option<String> = None;
        let mut one = |reply: Result<Reply, Failure>| {
            let reply = kept(&contract, request, is_scoped, reply?, form)?;
            match content_type.get_or_insert_with(|| reply.content_type.clone())
                == &reply.content_type
            {
                true => Ok(reply),
                false => Err(Failure::failed(
                    "its media type is not that of the results before it",
                )),
            }
        };
        let (mut fields, mut results) = (BTreeSet::<Part>::new(), Vec::with_capacity(asked.len()));
        let (mut length, mut failed, mut reason) = (MANIFEST_ROOM, 0_u64, None);
        let mut replies = replies.into_iter();
        for question in asked {
            let reply = question.as_ref().and_then(|_| replies.next());
            let result = match reply.map(&mut one) {
                Some(Ok(reply)) => {
                    fields.extend(reply.fields);
                    ItemResult {
                        status: AnswerStatus::Answered,
                        payload: reply.payload,
                    }
                }
                Some(Err(Failure::NotFound)) => ItemResult::without(AnswerStatus::NotFound),
                Some(Err(Failure::InvalidRequest(_))) | None => {
                    ItemResult::without(AnswerStatus::InvalidRequest)
                }
                Some(Err(Failure::Unavailable)) => ItemResult::without(AnswerStatus::Unavailable),
                Some(Err(Failure::Failed(why))) => {
                    failed += 1;
                    reason.get_or_insert(why);
                    ItemResult::without(AnswerStatus::Failed)
                }
            };
            let result = Bytes::from(result.encode());
            length += ITEM_ROOM + result.len();
            results.push(result);
        }
        if let Some(reason) = reason {
            tracing::error!(exchange = %request.exchange_id, failed, reason, "the backend failed for some items");
        }
        if length > PAYLOAD_BYTES_MAX {
            return Err(Failure::failed(format_args!(
                "the results of {} items have {length} bytes; the limit is {PAYLOAD_BYTES_MAX}: the consumer has to ask for fewer at once",
                results.len()
            )));
        }
        let reply = Reply {
            fields: fields.into_iter().collect(),
            content_type: content_type.unwrap_or_else(|| request.payload.content_type.clone()),
            payload: Bytes::new(),
            rows_applied: true,
        };
        Ok(Outcome {
            status: AnswerStatus::Answered,
            reply: Some(reply),
            results,
        })
    }
}

/// One item's reply, kept to what a single answer is kept to.
fn kept(
    contract: &Enforced,
    request: &RequestHeader,
    is_scoped: bool,
    reply: Reply,
    form: super::Form,
) -> Result<Reply, Failure> {
    if is_scoped && !reply.rows_applied {
        return Err(Failure::failed(
            "the grant has row rules and the backend does not say that it applied them",
        ));
    }
    let reply = contract.answer(&request.operation, &request.fields, reply, form)?;
    allowed(request, reply)
}
