//! What must hold before the agency's code sees an event: the log has it, its publisher sealed it, an agreement of this very
//! moment permits it by the own mirror, and its payload is the one that was committed to.

use audit::receipt::Receipt;
use proto::Digest;
use proto::authorise::Choice;
use proto::authorise::{choose, locate_topic, verify_recorded_event};
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::{EventHeader, EventReceiptHeader, SubscriptionHeader};
use proto::id::SubscriptionId;
use proto::refusal::Code;
use proto::wire::exchange::v1::DeliverEvent;

use super::Told;
use crate::adapter::Adapter;

/// Why an event is not given to the agency's code.
#[derive(Debug)]
pub enum Unfit {
    /// It cannot be judged now: it comes again.
    Later(String),
    /// It does not hold, which this system says under its seal.
    Refused {
        /// The receipt, without its code.
        header: Box<EventReceiptHeader>,
        /// Why.
        code: Code,
    },
    /// It is not even an event.
    Nothing,
}

pub(super) async fn judge(adapter: &Adapter, event: DeliverEvent) -> Result<Told, Unfit> {
    let envelope = Envelope::from_wire(event.event).map_err(|_| Unfit::Nothing)?;
    let header = EventHeader::open(&envelope.header).map_err(|_| Unfit::Nothing)?;
    let subscription_id =
        SubscriptionId::from_slice(&event.subscription_id).ok_or(Unfit::Nothing)?;
    let now_ms = adapter.clock().now_ms();
    let digest = Digest::of(&envelope.header);
    let refused = |code| Unfit::Refused {
        header: Box::new(EventReceiptHeader {
            subscription_id,
            event_id: header.event_id,
            event_header: digest,
            refusal: None,
            taken_at_ms: now_ms,
        }),
        code,
    };
    // First of all the log: what it does not hold did not happen.
    let receipt = event
        .receipt
        .and_then(|receipt| Receipt::from_wire(receipt).ok())
        .ok_or_else(|| refused(Code::NotLogged))?;
    let proven = adapter
        .prove(&receipt, &envelope.header, Some(&envelope.seal))
        .map_err(|_| refused(Code::NotLogged))?;
    if proven.entry.kind != Kind::Event {
        return Err(refused(Code::NotLogged));
    }
    let wait = adapter.home().config().mirror_wait;
    let stamp = &proven.entry.stamp;
    let registry = adapter.mirror().agrees(stamp, wait).await;
    let registry = registry.map_err(|error| Unfit::Later(error.to_string()))?;
    // Its key may have ended since: what it sealed before still counts.
    let sealed = (&header, &envelope.header[..]);
    verify_recorded_event(&registry, sealed, &envelope.seal, receipt.index).map_err(refused)?;
    header
        .payload
        .open(&envelope.payload, &envelope.salt)
        .map_err(|_| refused(Code::PayloadMismatch))?;
    // The agreement may have ended a moment ago, or the mirror may not have it yet: nothing final is said of it.
    permitted(adapter, &header, now_ms)
        .map_err(|code| Unfit::Later(format!("by the own mirror: {code}")))?;
    adapter
        .standing()
        .hold()
        .map_err(|distrust| Unfit::Later(distrust.to_string()))?;
    Ok(Told {
        event_id: header.event_id,
        subscription_id,
        publisher: header.topic.publisher,
        service: header.topic.service,
        operation: header.topic.operation,
        fields: header.fields,
        key: header.key,
        occurred_at_ms: header.occurred_at_ms,
        recorded_at_ms: stamp.recorded_at_ms(),
        index: receipt.index,
        attempt: event.attempt,
        content_type: header.payload.content_type,
        payload: envelope.payload,
        header: digest,
    })
}

/// Whether this system may be told this, by its own mirror and clock: for any purpose of an agreement that covers what is in
/// the event. Which purpose its subscription states, the switch judges, and the log shows.
fn permitted(adapter: &Adapter, header: &EventHeader, now_ms: u64) -> Result<(), Code> {
    let registry = adapter.mirror().snapshot();
    locate_topic(&registry, &header.topic, None)?;
    let subscriber = adapter.home().system();
    let (own, publisher) = (subscriber.agency(), header.topic.publisher.agency());
    let mut closest = Code::NoAgreement;
    for agreement in registry.between(&own, &publisher) {
        for purpose in agreement
            .content
            .grants
            .iter()
            .flat_map(|grant| &grant.purposes)
        {
            let question = SubscriptionHeader {
                subscription_id: header.event_id,
                subscriber: subscriber.clone(),
                topic: header.topic.clone(),
                purpose: purpose.clone(),
                agreement: Some(agreement.id),
                delegation: Vec::new(),
                fields: header.fields.clone(),
                from_ms: None,
                attempts: None,
                pause_ms: None,
                issued_at_ms: now_ms,
            }
            .question();
            // Also under a delegation.
            match choose(&registry, &question, now_ms) {
                Choice::Permits { .. } => return Ok(()),
                Choice::Closest { denial, .. } | Choice::Nothing(denial) => closest = denial.code,
            }
        }
    }
    Err(closest)
}
