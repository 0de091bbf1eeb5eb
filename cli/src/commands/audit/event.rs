//! One entry of a replay: as a line for people, as JSON for machines.

use audit::find::printable;
use audit::replay::Event;
use proto::entry::Kind;
use proto::header::Subject;
use serde_json::{Value, json};

use crate::output::time_of_ms;

/// One line a person reads: index, time, what, who asked whom for what, how it ended.
pub fn event_line(event: &Event) -> String {
    let mut line = format!(
        "{:>8}  {}  {:<13}",
        event.index,
        time_of_ms(event.recorded_at_us / 1_000),
        event.kind.name()
    );
    // Of events the summary says who told what to whom.
    if !event.kind.is_event()
        && let (Some(consumer), Some(provider)) = (&event.consumer, &event.provider)
    {
        line += &format!(
            "  {consumer} → {provider}/{} {} ({})",
            event.service, event.operation, event.purpose
        );
    }
    if let Some(request) = event.request_index {
        line += &format!("  of {request}");
    }
    if !event.code.is_empty() {
        line += &format!("  {}", printable(&event.code));
    }
    if !event.clause.is_empty() {
        line += &format!(" [{}]", printable(&event.clause));
    }
    if event.kind == Kind::Epoch || event.kind.is_event() {
        line += &format!("  {}", printable(&event.summary));
    }
    line
}

/// The same for machines.
pub fn event_json(event: &Event) -> Value {
    json!({
        "index": event.index,
        "kind": event.kind.name(),
        "recorded_at": time_of_ms(event.recorded_at_us / 1_000),
        "recorded_at_us": event.recorded_at_us,
        "exchange_id": event.exchange.map(|id| id.to_string()),
        "consumer": event.consumer.as_ref().map(ToString::to_string),
        "provider": event.provider.as_ref().map(ToString::to_string),
        "service": event.service,
        "operation": event.operation,
        "purpose": event.purpose,
        "actor": event.actor.map(|actor| actor.to_string()),
        "case_reference": event.case.map(|case| case.to_string()),
        "subjects": event.subjects.iter().map(subject_text).collect::<Vec<_>>(),
        "seal_key": event.key.map(|key| key.to_string()),
        "code": event.code,
        "clause": event.clause,
        "agreement": event.agreement.map(|id| id.to_string()),
        "request_index": event.request_index,
        "summary": event.summary,
    })
}

/// A person's pseudonym as `--subject` takes it.
pub fn subject_text(subject: &Subject) -> String {
    format!("{}:{}", subject.scheme, subject.pseudonym)
}
