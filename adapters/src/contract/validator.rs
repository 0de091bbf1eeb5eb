//! One schema, compiled once: payload in, value or violation out.
//!
//! The schema may come from anyone: [`Validator::new`] refuses what cannot be judged in bounded time,
//! looks at no other document, and runs patterns in linear time only. A payload may come from anyone
//! too: it is bounded in bytes, depth and work before the schema sees it.

use std::collections::BTreeSet;
use std::fmt;

use jsonschema::Draft;
use proto::limits::PAYLOAD_BYTES_MAX;
use serde_json::Value;

use super::work::{WORK_MAX, Work};
use super::{
    ContractError, DOCUMENT_DEPTH_MAX, OPERATION_BYTES_MAX, Violation, document, json, patterns,
    place,
};

/// Objects and arrays inside each other at most in a payload.
const PAYLOAD_DEPTH_MAX: usize = 32;

/// Formats that are checked. Every other one is a note to readers, also where the library would check
/// it: one compiles what the payload holds, the others are rarely what their writers mean.
const FORMATS: [&str; 8] = [
    "date",
    "date-time",
    "time",
    "duration",
    "uuid",
    "email",
    "ipv4",
    "ipv6",
];
/// A compiled schema.
pub struct Validator {
    schema: jsonschema::Validator,
    work: Work,
    /// Property names that may be repeated to whoever sent a payload.
    names: BTreeSet<String>,
}

impl Validator {
    /// Compiles a self-contained schema, as [`super::Operation`] has it.
    ///
    /// # Errors
    /// [`ContractError`], its pointer into the schema.
    pub fn new(schema: &Value) -> Result<Self, ContractError> {
        if !document::is_flat(schema, DOCUMENT_DEPTH_MAX) {
            return Err(refused(String::new(), "it is nested too deep".to_owned()));
        }
        if schema.to_string().len() > OPERATION_BYTES_MAX {
            let what = format!("it has more than {OPERATION_BYTES_MAX} bytes");
            return Err(refused(String::new(), what));
        }
        let work = Work::of(schema)?;
        let mut options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .with_pattern_options(patterns::options())
            .should_validate_formats(true);
        let words = Words::of(schema);
        for format in words.formats {
            if FORMATS.contains(&format.as_str()) {
                continue;
            }
            options = options.with_format(format, |_| true);
        }
        let compiled = options.build(schema).map_err(|error| {
            let pointer = format!("#{}", error.instance_path().as_str());
            refused(pointer, place::shown(&error.to_string()))
        })?;
        Ok(Self {
            schema: compiled,
            work,
            names: words.names,
        })
    }

    /// Parses and judges a payload.
    ///
    /// # Errors
    /// [`Violation`]: what is wrong first. It repeats nothing that only the payload says.
    pub fn validate(&self, payload: &[u8]) -> Result<Value, Violation> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Violation::whole(
                "bytes",
                format!("it has more than {PAYLOAD_BYTES_MAX} bytes"),
                format!("أكبر من {PAYLOAD_BYTES_MAX} بايت"),
            ));
        }
        let value = json::read(payload, PAYLOAD_DEPTH_MAX).map_err(|error| {
            Violation::whole(
                "json",
                format!("it is not JSON that is read here ({error}); its depth is at most {PAYLOAD_DEPTH_MAX}"),
                format!(
                    "ليست JSON مقبولة هنا (السطر {}، العمود {})",
                    error.line(),
                    error.column()
                ),
            )
        })?;
        self.judge(&value)?;
        Ok(value)
    }

    /// Judges a value that is parsed already, for example an answer on its way out.
    ///
    /// # Errors
    /// As [`Validator::validate`].
    pub fn judge(&self, value: &Value) -> Result<(), Violation> {
        if !document::is_flat(value, PAYLOAD_DEPTH_MAX) {
            return Err(Violation::whole(
                "depth",
                format!("its depth is more than {PAYLOAD_DEPTH_MAX}"),
                format!("عمقها أكثر من {PAYLOAD_DEPTH_MAX}"),
            ));
        }
        let units = self.work.for_payload(value).ok_or_else(|| {
            Violation::whole(
                "work",
                "it takes too long to check against this schema; send less at once".to_owned(),
                "التحقق منها يطول أكثر مما ينبغي؛ أرسل قدرًا أقل في المرة الواحدة".to_owned(),
            )
        })?;
        if self.schema.is_valid(value) {
            return Ok(());
        }
        // Looking for the place judges alternatives anew at every level, which is worth it for small
        // payloads only.
        let levels = (1 + self.work.levels) * depth(value);
        if units.saturating_mul(levels) > WORK_MAX {
            return Err(Violation::somewhere());
        }
        match self.schema.validate(value) {
            Err(error) => Err(Violation::of(&error, value, &self.names)),
            Ok(()) => Err(Violation::somewhere()),
        }
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Validator({} names)", self.names.len())
    }
}

fn refused(pointer: String, what: String) -> ContractError {
    ContractError::Schema { pointer, what }
}

/// Values inside each other, itself counted.
fn depth(value: &Value) -> u64 {
    let below = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => None,
    };
    1 + below.unwrap_or(0)
}

/// The schema's own words.
#[derive(Default)]
struct Words {
    /// What stands in `properties` anywhere.
    names: BTreeSet<String>,
    /// What stands after `format` anywhere.
    formats: BTreeSet<String>,
}

impl Words {
    fn of(schema: &Value) -> Self {
        let mut words = Self::default();
        words.collect(schema);
        words
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (keyword, value) in members {
                    match (keyword.as_str(), value) {
                        ("properties", Value::Object(properties)) => {
                            self.names.extend(properties.keys().cloned());
                        }
                        ("format", Value::String(format)) => {
                            self.formats.insert(format.clone());
                        }
                        _ => {}
                    }
                    self.collect(value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
