//! Publishing: judged by the own contract, sealed, recorded.

use bytes::Bytes;
use proto::act::ServiceDefinition;
use proto::commitment::{Commitment, Salt};
use proto::entry::Kind;
use proto::header::{EventHeader, Topic};
use proto::id::{EventId, Part};
use proto::limits::EVENT_BYTES_MAX;
use proto::refusal::Code;
use proto::wire::events::v1 as wire;
use serde_json::Value;

use super::{EventError, Events, Publication, Published, send};
use crate::provider::contract::Enforced;
use crate::provider::{Failure, Form, Reply};
use crate::subjects;

/// What the payloads of events are.
const CONTENT_TYPE: &str = "application/json";

impl Events {
    /// Tells what happened to everybody who follows it. Once this returns the event is in the log and will be brought,
    /// whoever is there now.
    ///
    /// # Errors
    /// [`EventError::Unsent`] for what the own contract does not promise; after [`EventError::Transport`] publish again
    /// with the same id, which makes no second event.
    pub async fn publish(&self, publication: Publication) -> Result<Published, EventError> {
        let adapter = &self.adapter;
        adapter.standing().hold()?;
        let unsent = |error: &dyn std::fmt::Display| EventError::Unsent(error.to_string());
        if publication.payload.len() > EVENT_BYTES_MAX {
            return Err(EventError::Unsent(format!(
                "the payload has {} bytes; an event has at most {EVENT_BYTES_MAX}. Tell where the record is asked for instead",
                publication.payload.len()
            )));
        }
        let topic = Topic {
            publisher: adapter.home().system().clone(),
            service: publication.service,
            operation: publication.operation,
        };
        let registry = adapter.mirror().snapshot();
        let service = registry
            .service(&topic.publisher.service(&topic.service))
            .ok_or_else(|| {
                EventError::Unsent(format!(
                    "this system publishes no service {}; publish its contract first",
                    topic.service
                ))
            })?;
        let fields = keeps_to(&service.definition, &topic, &publication.payload)?;
        let key = publication.key.as_deref().map(|key| {
            // Of events, and of this topic: nobody recognises it elsewhere.
            let name = format!("event {} {} {key}", topic.service, topic.operation);
            subjects::clerk(adapter.home(), &name)
        });
        let salt = Salt::random().map_err(|error| unsent(&error))?;
        let now_ms = adapter.clock().now_ms();
        let event_id = match publication.event_id {
            Some(id) => id,
            None => self.new_id()?,
        };
        let header = EventHeader {
            event_id,
            topic,
            contract: service.contract,
            key: key.transpose().map_err(|error| unsent(&error))?,
            fields,
            occurred_at_ms: publication.occurred_at_ms.unwrap_or(now_ms),
            issued_at_ms: now_ms,
            payload: Commitment::new(CONTENT_TYPE, &publication.payload, &salt),
            seen: adapter.checkpoints().seen(),
        };
        let sealed = adapter.sealer().event(header).await?;
        let envelope = sealed.with_payload(salt, publication.payload).to_wire();
        let sent = send::again(|| {
            let event = Some(envelope.clone());
            let mut client = adapter.connection().events();
            async move { client.publish(wire::PublishRequest { event }).await }
        })
        .await;
        let published = match sent {
            Ok(published) => published,
            // Told before, by whoever was in doubt.
            Err(EventError::Refused {
                code: Code::Duplicate,
                ..
            }) if publication.event_id.is_some() => return self.published_before(event_id).await,
            Err(error) => return Err(error),
        };
        let receipt = send::proved(adapter, published.receipt, &sealed, Kind::Event)?;
        Ok(Published {
            event_id,
            index: receipt.index,
            receipt: Some(receipt),
            subscribers: published.subscribers,
        })
    }

    async fn published_before(&self, event_id: EventId) -> Result<Published, EventError> {
        let (events, _) = self.status(Some(event_id), 0, false).await?;
        let event = events.first().ok_or(EventError::Refused {
            code: Code::Duplicate,
            clause: None,
            retry_after: None,
        })?;
        Ok(Published {
            event_id,
            index: event.index,
            receipt: None,
            subscribers: u32::try_from(event.deliveries.len()).unwrap_or(u32::MAX),
        })
    }
}

/// Judges a payload by the contract, as the answers of its operation are judged; the fields in it.
fn keeps_to(
    definition: &ServiceDefinition,
    topic: &Topic,
    payload: &Bytes,
) -> Result<Vec<Part>, EventError> {
    let (service, name) = (&topic.service, &topic.operation);
    let operation = definition
        .operation(name)
        .ok_or_else(|| EventError::Unsent(format!("{service} has no operation {name}")))?;
    let enforced =
        Enforced::of(definition).map_err(|error| EventError::Unsent(error.to_string()))?;
    let fields = fields_of(payload)?;
    let unknown = fields
        .iter()
        .find(|field| !operation.fields.contains(field));
    if let Some(field) = unknown {
        return Err(EventError::Unsent(format!(
            "'{field}' is no field of {service} {name}"
        )));
    }
    let names = fields.iter().map(Part::as_str);
    let broken = |failure: Failure| match failure {
        Failure::Failed(reason) => EventError::Unsent(reason.replace("answer", "event")),
        failure => EventError::Unsent(format!("{failure:?}")),
    };
    let reply = Reply::new(names, CONTENT_TYPE, payload.clone()).map_err(broken)?;
    enforced
        .answer(name, &operation.fields, reply, Form::Whole)
        .map_err(broken)?;
    Ok(fields)
}

/// The members of a record, or of all records of a list, ascending.
fn fields_of(payload: &Bytes) -> Result<Vec<Part>, EventError> {
    let value: Value = serde_json::from_slice(payload)
        .map_err(|error| EventError::Unsent(format!("the payload is not JSON: {error}")))?;
    let records = match &value {
        Value::Array(records) => records.as_slice(),
        record => std::slice::from_ref(record),
    };
    let mut fields = Vec::new();
    for record in records {
        let record = record.as_object().ok_or_else(|| {
            EventError::Unsent("the payload is not a JSON object, or a list of such".to_owned())
        })?;
        for name in record.keys() {
            let field = Part::parse(name)
                .map_err(|_| EventError::Unsent(format!("'{name}' is no field name")))?;
            fields.push(field);
        }
    }
    fields.sort();
    fields.dedup();
    Ok(fields)
}
