//! One value of PostgreSQL, from its binary form to JSON.

use serde_json::{Number, Value};
use sqlx::postgres::{PgTypeKind, PgValueFormat, PgValueRef};
use sqlx::{TypeInfo, ValueRef};
use time::format_description::StaticFormatDescription;
use time::macros::{date, format_description};
use time::{Date, Duration, PrimitiveDateTime, Time};

use crate::stock::operation::DATE;

/// Where PostgreSQL counts from.
const EPOCH: Date = date!(2000 - 01 - 01);
const MOMENT: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");
const CLOCK: StaticFormatDescription =
    format_description!("[hour]:[minute]:[second].[subsecond digits:6]");

/// The value as JSON; says in words why not.
pub(super) fn json(raw: &PgValueRef<'_>) -> Result<Value, String> {
    if raw.is_null() {
        return Ok(Value::Null);
    }
    if raw.format() != PgValueFormat::Binary {
        return Err("did not come in binary form".to_owned());
    }
    let info = raw.type_info();
    let bytes = raw.as_bytes().map_err(|error| error.to_string())?;
    if matches!(info.kind(), PgTypeKind::Enum(_)) {
        return text(bytes);
    }
    let name = info.name();
    let value = match name {
        "BOOL" => fixed(bytes).map(|[yes]: [u8; 1]| (yes != 0).into()),
        "INT2" => fixed(bytes).map(|bytes| i16::from_be_bytes(bytes).into()),
        "INT4" => fixed(bytes).map(|bytes| i32::from_be_bytes(bytes).into()),
        "INT8" => fixed(bytes).map(|bytes| i64::from_be_bytes(bytes).into()),
        // Through its own shortest text: 0.1 stays 0.1 and does not become 0.10000000149.
        "FLOAT4" => {
            fixed(bytes).and_then(|bytes| real(f32::from_be_bytes(bytes).to_string().parse().ok()?))
        }
        "FLOAT8" => fixed(bytes).and_then(|bytes| real(f64::from_be_bytes(bytes))),
        "NUMERIC" => numeric(bytes).map(Value::from),
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" => return text(bytes),
        "DATE" => fixed(bytes).and_then(day).map(Value::from),
        "TIME" => fixed(bytes).and_then(clock).map(Value::from),
        "TIMESTAMP" => fixed(bytes).and_then(moment).map(Value::from),
        "TIMESTAMPTZ" => fixed(bytes)
            .and_then(moment)
            .map(|text| format!("{text}Z").into()),
        "UUID" => fixed(bytes).map(|bytes| uuid::Uuid::from_bytes(bytes).to_string().into()),
        "JSON" => serde_json::from_slice(bytes).ok(),
        // One byte of version stands before it.
        "JSONB" => bytes
            .strip_prefix(&[1])
            .and_then(|json| serde_json::from_slice(json).ok()),
        _ => return Err(format!("{name} cannot be given; cast it in the query")),
    };
    value.ok_or_else(|| format!("a {name} without a JSON value"))
}

fn text(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    Ok(text.into())
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn real(real: f64) -> Option<Value> {
    Number::from_f64(real).map(Value::Number)
}

fn day(bytes: [u8; 4]) -> Option<String> {
    let days = Duration::days(i64::from(i32::from_be_bytes(bytes)));
    EPOCH.checked_add(days)?.format(DATE).ok()
}

fn clock(bytes: [u8; 8]) -> Option<String> {
    let since_midnight = Duration::microseconds(i64::from_be_bytes(bytes));
    let (days, time) = (since_midnight.whole_days(), Time::MIDNIGHT + since_midnight);
    // 24:00 is a time to PostgreSQL and to nobody else.
    (days == 0)
        .then(|| time.format(CLOCK).ok().map(whole))
        .flatten()
}

fn moment(bytes: [u8; 8]) -> Option<String> {
    let since = Duration::microseconds(i64::from_be_bytes(bytes));
    let moment = PrimitiveDateTime::new(EPOCH, Time::MIDNIGHT).checked_add(since)?;
    moment.format(MOMENT).ok().map(whole)
}

/// Without a fraction of nothing.
fn whole(text: String) -> String {
    match text.strip_suffix(".000000") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// A decimal number with every digit: groups of four, the first of weight 10000^weight.
pub(super) fn numeric(bytes: &[u8]) -> Option<String> {
    let (head, groups) = bytes.split_first_chunk::<8>()?;
    let at = |index: usize| i16::from_be_bytes([head[index], head[index + 1]]);
    let (count, weight, scale) = (at(0), at(2), usize::try_from(at(6)).ok()?);
    let sign = match u16::from_be_bytes([head[4], head[5]]) {
        0 => "",
        0x4000 => "-",
        // Not a number, or not a finite one.
        _ => return None,
    };
    if groups.len() != usize::try_from(count).ok()? * 2 {
        return None;
    }
    let group = |place: i32| -> u16 {
        let index = usize::try_from(i32::from(weight) - place).ok();
        let bytes = index.and_then(|index| groups.get(index * 2..index * 2 + 2));
        bytes.map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    let mut text = String::new();
    for place in (0..=i32::from(weight.max(0))).rev() {
        let digits = group(place);
        if text.is_empty() {
            text = digits.to_string();
        } else {
            text.push_str(&format!("{digits:04}"));
        }
    }
    if scale > 0 {
        text.push('.');
        let end = text.len() + scale;
        let mut place = -1;
        while text.len() < end {
            text.push_str(&format!("{:04}", group(place)));
            place -= 1;
        }
        text.truncate(end);
    }
    Some(format!("{sign}{text}"))
}
