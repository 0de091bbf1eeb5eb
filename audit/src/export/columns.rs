//! The columns of an export: one table, from which every format takes names, types and values.

use std::fmt::Display;

use proto::Digest;
use proto::facts::ExchangeFacts;
use proto::header::{AnswerHeader, RequestHeader};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::find::Row;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// A count or size.
    Number,
    /// A time.
    Time,
    /// One text: a name, a word, an id. Digests are 64 hex digits.
    Text,
    /// Several texts, in order.
    Texts,
}

/// What one row has in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Nothing,
    Number(u64),
    /// Unix time in microseconds.
    Time(i64),
    Text(String),
    Texts(Vec<String>),
}

/// One column of a table of rows `R`.
#[derive(Debug)]
pub(crate) struct Column<R> {
    pub(crate) name: &'static str,
    pub(crate) holds: Type,
    pub(crate) value: fn(&R) -> Value,
}

/// A column by its parts.
pub(crate) const fn column<R>(
    name: &'static str,
    holds: Type,
    value: fn(&R) -> Value,
) -> Column<R> {
    Column { name, holds, value }
}

/// Every column, in order. New ones go to the end, and change [`super::manifest::FORMAT_VERSION`].
pub(super) const COLUMNS: &[Column<Row>] = &[
    // The stamp.
    column("index", Type::Number, |row| Value::Number(row.event.index)),
    column("kind", Type::Text, |row| text(row.event.kind.name())),
    column("kind_number", Type::Number, |row| {
        Value::Number(row.event.kind as u64)
    }),
    column("recorded_at", Type::Time, |row| {
        time_of_us(row.event.recorded_at_us)
    }),
    column("recorded_at_us", Type::Number, |row| {
        Value::Number(row.event.recorded_at_us)
    }),
    column("broker", Type::Number, |row| {
        Value::Number(row.entry.stamp.broker.into())
    }),
    column("registry_size", Type::Number, |row| {
        Value::Number(row.entry.stamp.registry_size)
    }),
    column("registry_root", Type::Text, |row| {
        text(row.entry.stamp.registry_root)
    }),
    column("leaf", Type::Text, |row| text(row.leaf)),
    column("seal_key", Type::Text, |row| some(row.event.key)),
    // The exchange. On endings, late answers and disputes: what the request says.
    column("exchange_id", Type::Text, |row| some(row.event.exchange)),
    column("consumer", Type::Text, |row| {
        some(row.event.consumer.as_ref())
    }),
    column("consumer_agency", Type::Text, |row| {
        some(row.event.consumer.as_ref().map(|system| system.agency()))
    }),
    column("provider", Type::Text, |row| {
        some(row.event.provider.as_ref())
    }),
    column("provider_agency", Type::Text, |row| {
        some(row.event.provider.as_ref().map(|system| system.agency()))
    }),
    column("service", Type::Text, |row| text(&row.event.service)),
    column("operation", Type::Text, |row| text(&row.event.operation)),
    column("purpose", Type::Text, |row| text(&row.event.purpose)),
    column("actor", Type::Text, |row| some(row.event.actor)),
    column("subjects", Type::Texts, |row| {
        let subjects = row.event.subjects.iter();
        texts(subjects.map(|subject| format!("{}:{}", subject.scheme, subject.pseudonym)))
    }),
    column("attempt_of", Type::Text, |row| {
        asked(row, |asked| some(asked.attempt_of))
    }),
    column("run_id", Type::Text, |row| {
        asked(row, |asked| text(hex::encode(asked.run_id)))
    }),
    column("sequence", Type::Number, |row| {
        asked(row, |asked| Value::Number(asked.sequence))
    }),
    column("contract", Type::Text, |row| {
        asked(row, |asked| text(asked.contract))
    }),
    column("stated_agreement", Type::Text, |row| {
        asked(row, |asked| some(asked.agreement))
    }),
    column("delegation", Type::Texts, |row| {
        asked(row, |asked| {
            texts(asked.delegation.iter().map(ToString::to_string))
        })
    }),
    column("external_id_hash", Type::Text, |row| {
        asked(row, |asked| some(asked.external_id_hash))
    }),
    column("case_reference", Type::Text, |row| {
        asked(row, |asked| some(asked.case_reference))
    }),
    column("fields", Type::Texts, |row| {
        asked(row, |asked| {
            texts(asked.fields.iter().map(ToString::to_string))
        })
    }),
    column("issued_at", Type::Time, |row| {
        asked(row, |asked| time_of_ms(asked.issued_at_ms))
    }),
    column("deadline_ms", Type::Number, |row| {
        asked(row, |asked| Value::Number(asked.deadline_ms.into()))
    }),
    column("asked_content_type", Type::Text, |row| {
        asked(row, |asked| text(&asked.payload.content_type))
    }),
    column("asked_bytes", Type::Number, |row| {
        asked(row, |asked| Value::Number(asked.payload.length))
    }),
    // The switch's decision.
    column("code", Type::Text, |row| text(&row.event.code)),
    column("clause", Type::Text, |row| text(&row.event.clause)),
    column("agreement", Type::Text, |row| some(row.event.agreement)),
    column("grant", Type::Number, |row| {
        facts(row, |facts| counted(facts.grant.into()))
    }),
    column("decided_at", Type::Time, |row| {
        facts(row, |facts| time_of_ms(facts.decided_at_ms))
    }),
    column("decide_us", Type::Number, |row| {
        facts(row, |facts| counted(facts.decide_us))
    }),
    column("provider_us", Type::Number, |row| {
        facts(row, |facts| counted(facts.provider_us))
    }),
    column("quota_used", Type::Number, |row| {
        facts(row, |facts| counted(facts.quota_used))
    }),
    column("refusals", Type::Number, |row| {
        let refused = row.event.kind == proto::entry::Kind::Refusal;
        facts(row, |facts| match refused {
            true => Value::Number(facts.count.max(1)),
            false => Value::Nothing,
        })
    }),
    column("peer_sha256", Type::Text, |row| {
        facts(row, |facts| some(Digest::from_slice(&facts.peer_sha256)))
    }),
    column("refused_sha256", Type::Text, |row| {
        facts(row, |facts| some(Digest::from_slice(&facts.refused_sha256)))
    }),
    // How it ended.
    column("request_index", Type::Number, |row| {
        row.event
            .request_index
            .map_or(Value::Nothing, Value::Number)
    }),
    column("request_leaf", Type::Text, |row| {
        facts(row, |facts| some(Digest::from_slice(&facts.request_leaf)))
    }),
    column("requested_at", Type::Time, |row| {
        row.asked_at_us.map_or(Value::Nothing, time_of_us)
    }),
    column("answer_status", Type::Text, |row| {
        answer(row, |answer| text(answer.status.name()))
    }),
    column("answer_fields", Type::Texts, |row| {
        answer(row, |answer| {
            texts(answer.fields.iter().map(ToString::to_string))
        })
    }),
    column("answered_at", Type::Time, |row| {
        answer(row, |answer| time_of_ms(answer.answered_at_ms))
    }),
    column("answer_content_type", Type::Text, |row| {
        answer(row, |answer| text(&answer.payload.content_type))
    }),
    column("answer_bytes", Type::Number, |row| match &row.trailer {
        Some(trailer) => Value::Number(trailer.length),
        None => answer(row, |answer| Value::Number(answer.payload.length)),
    }),
    column("summary", Type::Text, |row| text(&row.event.summary)),
];

fn asked(row: &Row, value: impl FnOnce(&RequestHeader) -> Value) -> Value {
    row.request.as_deref().map_or(Value::Nothing, value)
}

fn answer(row: &Row, value: impl FnOnce(&AnswerHeader) -> Value) -> Value {
    row.answer.as_ref().map_or(Value::Nothing, value)
}

fn facts(row: &Row, value: impl FnOnce(&ExchangeFacts) -> Value) -> Value {
    row.facts.as_ref().map_or(Value::Nothing, value)
}

/// A number whose zero stands for what is not there.
fn counted(number: u64) -> Value {
    match number {
        0 => Value::Nothing,
        number => Value::Number(number),
    }
}

/// A text whose empty form stands for what is not there.
fn text(text: impl Display) -> Value {
    match text.to_string() {
        text if text.is_empty() => Value::Nothing,
        text => Value::Text(text),
    }
}

fn some(value: Option<impl Display>) -> Value {
    value.map_or(Value::Nothing, text)
}

fn texts(texts: impl Iterator<Item = String>) -> Value {
    Value::Texts(texts.collect())
}

fn time_of_ms(unix_ms: u64) -> Value {
    unix_ms
        .checked_mul(1_000)
        .map_or(Value::Nothing, time_of_us)
}

/// A time up to the year 9999. What claims another one is no time; JSON Lines have its bytes all the same.
fn time_of_us(unix_us: u64) -> Value {
    match i64::try_from(unix_us) {
        Ok(unix_us) if time_text(unix_us).is_some() => Value::Time(unix_us),
        _ => Value::Nothing,
    }
}

const MICROSECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// ISO 8601 in UTC, with microseconds.
pub(super) fn time_text(unix_us: i64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_us) * 1_000).ok()?;
    time.format(MICROSECONDS).ok()
}
