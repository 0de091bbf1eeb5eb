//! What an exchange leaves in the switch's own trace: one span, ids only.
//!
//! Takes the W3C trace context beside the envelope, unsigned, so it is read as a hint and passed on as one.
//! Never holds a payload, a subject or a field.

use proto::header::RequestHeader;
use tonic::metadata::MetadataMap;
use tracing::{Span, field};

/// The metadata key of the trace context.
const TRACEPARENT: &str = "traceparent";

/// The caller's trace context if it has the one form of version 00; else empty.
#[must_use]
pub fn traceparent(metadata: &MetadataMap) -> String {
    let text = metadata
        .get(TRACEPARENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    plain(text)
}

/// The trace context that a message brought; empty for anything else.
pub fn plain(text: &str) -> String {
    if is_traceparent(text) {
        text.to_owned()
    } else {
        String::new()
    }
}

/// W3C Trace Context, version 00: `00-` 32 hex `-` 16 hex `-` 2 hex, lower case, neither id all zeros.
fn is_traceparent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut part = |len: usize| {
        let part = parts.next().unwrap_or_default();
        let hex = part.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        (part.len() == len && hex).then_some(part)
    };
    let fits = part(2) == Some("00")
        && part(32).is_some_and(|id| id.bytes().any(|c| c != b'0'))
        && part(16).is_some_and(|id| id.bytes().any(|c| c != b'0'))
        && part(2).is_some();
    fits && parts.next().is_none()
}

/// The span of one exchange. What is known later is recorded by [`opened`] and [`ended`]. At `debug`, for it was 8 % of the
/// switch's time where nobody had asked to see exchanges (`MOHAWEL_LOG=info,broker::door=debug` shows them).
#[must_use]
pub fn span(traceparent: &str) -> Span {
    tracing::debug_span!(
        "exchange",
        traceparent,
        id = field::Empty,
        consumer = field::Empty,
        provider = field::Empty,
        service = field::Empty,
        request = field::Empty,
        code = field::Empty,
    )
}

/// Adds the names that the verified header carries.
pub fn opened(header: &RequestHeader) {
    let span = Span::current();
    if !span.is_disabled() {
        span.record("id", field::display(header.exchange_id));
        span.record("consumer", header.consumer.as_str());
        span.record("provider", header.provider.as_str());
        span.record("service", header.service.as_str());
    }
}

/// Adds the log index of the request.
pub fn recorded(index: u64) {
    Span::current().record("request", index);
}

/// Adds how it ended.
pub fn ended(code: &str) {
    Span::current().record("code", code);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_form_of_a_trace_context_is_passed_on() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (text, fits) in [
            (good, true),
            ("", false),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
                false,
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
                false,
            ),
            (
                "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                false,
            ),
            (
                "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                false,
            ),
            (
                "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                false,
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                false,
            ),
        ] {
            let mut metadata = MetadataMap::new();
            metadata.insert(TRACEPARENT, text.parse().unwrap());
            assert_eq!(
                traceparent(&metadata),
                if fits { text } else { "" },
                "{text}"
            );
        }
        assert_eq!(traceparent(&MetadataMap::new()), "");
    }
}
