//! Which persons a request's payload names, where the contract says that it names one; and their pseudonyms.
//!
//! Takes the contract's pointers and the payload. Gives ids as they were written, or pseudonyms. Never repeats an id in
//! an error.

use proto::act::SubjectField;
use proto::header::Subject;
use proto::id::Part;
use proto::limits::SUBJECTS_MAX;
use proto::subject::{SubjectError, SubjectKey};
use serde_json::Value;
use thiserror::Error;

use crate::contract::read_strictly;
use crate::provider::contract::is_json;

/// Where in a payload the contract's pointers begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the payload itself.
    Payload,
    /// At the `parameters` of a stock payload.
    Parameters,
    /// At the payload, or, where that names nobody and it is a stock payload, at its `parameters`. For those who do not
    /// know how the provider reads it: a provider never does this.
    Either,
}

/// The pseudonyms of the persons that `payload` names, each once, in the order of the pointers.
///
/// # Errors
/// [`Unnamed`].
pub fn subjects_of(
    fields: &[SubjectField],
    content_type: &str,
    payload: &[u8],
    start: Start,
    key: &SubjectKey,
) -> Result<Vec<Subject>, Unnamed> {
    pseudonyms(&persons(fields, content_type, payload, start)?, key)
}

/// The persons that `payload` names: scheme, and id as it was written.
///
/// # Errors
/// [`Unnamed::NotJson`], [`Unnamed::Kind`].
pub fn persons<'a>(
    fields: &'a [SubjectField],
    content_type: &str,
    payload: &[u8],
    start: Start,
) -> Result<Vec<(&'a SubjectField, String)>, Unnamed> {
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    let value = is_json(content_type)
        .then(|| read_strictly(payload))
        .flatten()
        .ok_or(Unnamed::NotJson)?;
    let nothing = Value::Null;
    let parameters = || value.get("parameters").unwrap_or(&nothing);
    match start {
        Start::Payload => below(fields, &value),
        Start::Parameters => below(fields, parameters()),
        Start::Either => {
            let found = below(fields, &value)?;
            match found.is_empty() && is_stock(&value) {
                true => below(fields, parameters()),
                false => Ok(found),
            }
        }
    }
}

/// The pseudonyms of `persons`, each once.
///
/// # Errors
/// [`Unnamed::Form`], [`Unnamed::TooMany`].
pub fn pseudonyms(
    persons: &[(&SubjectField, String)],
    key: &SubjectKey,
) -> Result<Vec<Subject>, Unnamed> {
    let mut subjects: Vec<Subject> = Vec::new();
    for (field, id) in persons {
        let made = key.pseudonym(&field.scheme, id);
        let subject = Subject {
            scheme: field.scheme.clone(),
            pseudonym: made.map_err(|cause| Unnamed::Form {
                pointer: field.pointer.clone(),
                scheme: field.scheme.clone(),
                cause,
            })?,
        };
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    if subjects.len() > SUBJECTS_MAX {
        return Err(Unnamed::TooMany);
    }
    Ok(subjects)
}

/// The persons that one item names, as its place in a side list says them: for each pseudonym the length of its scheme, the
/// scheme, and 32 bytes. Empty when it names nobody.
///
/// # Errors
/// [`Unnamed`]. Such an item has an empty entry, and nobody answers it.
pub fn side_entry(
    fields: &[SubjectField],
    content_type: &str,
    item: &[u8],
    start: Start,
    key: &SubjectKey,
) -> Result<Vec<u8>, Unnamed> {
    let mut entry = Vec::new();
    for subject in subjects_of(fields, content_type, item, start, key)? {
        let scheme = subject.scheme.as_str().as_bytes();
        // A name part has at most 64 bytes.
        entry.push(scheme.len() as u8);
        entry.extend_from_slice(scheme);
        entry.extend_from_slice(&subject.pseudonym.0);
    }
    Ok(entry)
}

fn below<'a>(
    fields: &'a [SubjectField],
    root: &Value,
) -> Result<Vec<(&'a SubjectField, String)>, Unnamed> {
    let mut found = Vec::new();
    for field in fields {
        let id = match root.pointer(&field.pointer) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) if number.is_u64() || number.is_i64() => number.to_string(),
            Some(_) => return Err(Unnamed::Kind(field.pointer.clone())),
        };
        found.push((field, id));
    }
    Ok(found)
}

fn is_stock(value: &Value) -> bool {
    value.as_object().is_some_and(|members| {
        members.len() == 2
            && members.get("operation").is_some_and(Value::is_string)
            && members.get("parameters").is_some_and(Value::is_object)
    })
}

/// Why nobody can say whom a payload names.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unnamed {
    /// The contract marks places in JSON.
    #[error(
        "the contract marks where the request names a person, and the payload is not JSON (or names something twice)"
    )]
    NotJson,
    /// Neither text nor a whole number.
    #[error(
        "at {0} the contract says that a person is named, and neither a text nor a whole number stands there"
    )]
    Kind(String),
    /// The id has no form.
    #[error("at {pointer} no person of scheme '{scheme}' is named: {cause}")]
    Form {
        /// Where.
        pointer: String,
        /// Of which scheme.
        scheme: Part,
        /// Why.
        cause: SubjectError,
    },
    /// More than a header carries.
    #[error("it names more than {SUBJECTS_MAX} persons")]
    TooMany,
}
