//! The contract, enforced where it was promised: before the backend sees a request, before an answer leaves.
//!
//! Takes the published definition out of this adapter's own mirror, compiles its schemas once for each contract, and
//! judges. A request that breaks its schema is refused and never reaches the backend. An answer is judged as the
//! backend gave it, then cut to the fields that were asked for. Nothing here repeats what a payload says: a finding
//! names a place and a rule of the schema.
//!
//! | operation says | request | answer |
//! |---|---|---|
//! | a request schema | JSON that it accepts, or `contract_violation` | |
//! | an answer schema | | JSON whose fields are as it says, or the answer is `failed`; cut |
//! | fields and no schema | | JSON is cut, anything else passes |
//! | neither | anything | anything |
//!
//! A backend gives what was asked for, so which of a record's fields are there is not judged: `required` and its like
//! are relaxed for the record itself, never inside a field ([`relaxed()`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use proto::act::{Operation as Published, ServiceDefinition};
use proto::digest::Digest;
use proto::header::RequestHeader;
use proto::id::Part;
use proto::registry::Registry;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Failure, Reply};
use crate::contract::{ContractError, Stripped, Validator, Violation, strip};

mod relaxed;

use relaxed::{is_list, relaxed};

/// Contracts kept compiled. A system has a few services and publishes now and then.
const CONTRACTS_MAX: usize = 256;

/// What in a payload the contract's schemas describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The payload as it is: a request is one JSON value, an answer a record or a list of records.
    #[default]
    Whole,
    /// The stock payload: the request schema describes `parameters`, the answer schema each of `rows`, or all of them
    /// where it describes a list.
    Rows,
}

/// The schemas of one published definition, compiled.
#[derive(Debug)]
pub struct Enforced {
    operations: BTreeMap<Part, Operation>,
    /// Reads JSON strictly and accepts all of it.
    any: Validator,
}

#[derive(Debug)]
struct Operation {
    request: Option<Validator>,
    answer: Option<Answer>,
    /// The contract names fields, so an answer can be cut to them.
    has_fields: bool,
}

#[derive(Debug)]
struct Answer {
    /// With `required` relaxed for the record.
    schema: Validator,
    is_list: bool,
}

impl Enforced {
    /// Compiles every schema of `definition`, as an adapter that serves it does.
    ///
    /// # Errors
    /// [`Unenforceable`]: no adapter could serve this.
    pub fn of(definition: &ServiceDefinition) -> Result<Self, Unenforceable> {
        let operations = definition
            .operations
            .iter()
            .map(|operation| Ok((operation.name.clone(), Operation::of(operation)?)))
            .collect::<Result<_, Unenforceable>>()?;
        let any = Validator::new(&Value::Bool(true)).map_err(|cause| Unenforceable {
            operation: String::new(),
            part: "request",
            cause,
        })?;
        Ok(Self { operations, any })
    }

    /// Judges a request's payload, before the backend sees it.
    ///
    /// # Errors
    /// What it breaks first.
    pub fn request(
        &self,
        operation: &Part,
        content_type: &str,
        payload: &[u8],
        form: Form,
    ) -> Result<(), Violation> {
        let schema = self.operations.get(operation);
        let Some(schema) = schema.and_then(|operation| operation.request.as_ref()) else {
            return Ok(());
        };
        if !is_json(content_type) {
            return Err(violation(
                "",
                "content_type",
                "its media type is not application/json",
                "نوع محتواها ليس application/json",
            ));
        }
        if form == Form::Whole {
            return schema.validate(payload).map(drop);
        }
        let mut question = self.any.validate(payload)?;
        let empty = || Value::Object(Map::new());
        let parameters = question.as_object_mut().map(|members| {
            let given = members.get_mut("parameters").map(Value::take);
            given.unwrap_or_else(empty)
        });
        let parameters = parameters.ok_or_else(|| {
            violation(
                "",
                "type",
                "it is not an object with operation and parameters",
                "ليست كائنًا فيه operation وparameters",
            )
        })?;
        schema
            .judge(&parameters)
            .map_err(|found| below("/parameters", found))
    }

    /// Whether a schema says what the requests of `operation` are.
    pub fn describes_request(&self, operation: &Part) -> bool {
        let schemas = self.operations.get(operation);
        schemas.is_some_and(|operation| operation.request.is_some())
    }

    /// Whether a schema says what the answers of `operation` are.
    pub fn describes_answer(&self, operation: &Part) -> bool {
        let schemas = self.operations.get(operation);
        schemas.is_some_and(|operation| operation.answer.is_some())
    }

    /// Judges a backend's answer and cuts it to the fields that were asked for.
    ///
    /// # Errors
    /// [`Failure::Failed`] for what the contract does not promise; the reason names a place, never a value.
    pub fn answer(
        &self,
        operation: &Part,
        asked: &[Part],
        mut reply: Reply,
        form: Form,
    ) -> Result<Reply, Failure> {
        let Some(operation) = self.operations.get(operation) else {
            return Ok(reply);
        };
        if operation.answer.is_none() && !operation.has_fields {
            return Ok(reply);
        }
        if !is_json(&reply.content_type) {
            return match operation.answer {
                Some(_) => Err(Failure::failed(
                    "the answer is not application/json, as its contract says",
                )),
                None => Ok(reply),
            };
        }
        let broken = |found: Violation| {
            Failure::failed(format_args!(
                "the answer is not what its contract says: {found}"
            ))
        };
        let whole = self.any.validate(&reply.payload).map_err(broken)?;
        let (records, rest) = match form {
            Form::Whole => (whole, None),
            Form::Rows => rows(whole).map_err(broken)?,
        };
        if let Some(answer) = &operation.answer {
            answer.judge(&records, form).map_err(broken)?;
        }
        let names: Vec<&str> = asked.iter().map(Part::as_str).collect();
        let Stripped {
            answer,
            removed,
            not_records,
        } = strip(records, &names);
        add_present(&mut reply, &answer, asked);
        let is_cut = !removed.is_empty() || not_records > 0;
        if is_cut || rest.as_ref().is_some_and(|(_, extra)| *extra) {
            tracing::warn!(
                fields = removed.len(),
                not_records,
                "the answer was cut to the fields that were asked for"
            );
            let whole = match rest {
                Some((mut members, _)) => {
                    members.insert("rows".to_owned(), answer);
                    Value::Object(members)
                }
                None => answer,
            };
            reply.payload = Bytes::from(serde_json::to_vec(&whole).map_err(Failure::failed)?);
        }
        Ok(reply)
    }
}

impl Operation {
    fn of(published: &Published) -> Result<Self, Unenforceable> {
        let fault = |part| {
            move |cause| Unenforceable {
                operation: published.name.to_string(),
                part,
                cause,
            }
        };
        let request = schema(&published.request_schema)
            .and_then(|schema| schema.as_ref().map(Validator::new).transpose())
            .map_err(fault("request"))?;
        let answer = schema(&published.answer_schema)
            .and_then(|schema| schema.as_ref().map(Answer::of).transpose())
            .map_err(fault("answer"))?;
        Ok(Self {
            request,
            answer,
            has_fields: !published.fields.is_empty(),
        })
    }
}

impl Answer {
    fn of(schema: &Value) -> Result<Self, ContractError> {
        // As it was published it has to compile, too: others read it.
        Validator::new(schema)?;
        Ok(Self {
            schema: Validator::new(&relaxed(schema))?,
            is_list: is_list(schema),
        })
    }

    fn judge(&self, records: &Value, form: Form) -> Result<(), Violation> {
        match (form, records) {
            (Form::Rows, Value::Array(rows)) if !self.is_list => {
                rows.iter().enumerate().try_for_each(|(index, row)| {
                    self.schema
                        .judge(row)
                        .map_err(|found| below(&format!("/rows/{index}"), found))
                })
            }
            (Form::Rows, rows) => self
                .schema
                .judge(rows)
                .map_err(|found| below("/rows", found)),
            (Form::Whole, record) => self.schema.judge(record),
        }
    }
}

/// The published bytes of a schema; `None` where the definition says nothing.
fn schema(bytes: &[u8]) -> Result<Option<Value>, ContractError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(bytes)
        .map(Some)
        .map_err(|error| ContractError::Syntax(error.to_string()))
}

/// What stands beside the rows of a stock answer, and whether something was left out of it.
type Beside = (Map<String, Value>, bool);

fn rows(whole: Value) -> Result<(Value, Option<Beside>), Violation> {
    let missing = || {
        violation(
            "/rows",
            "type",
            "it has no list of rows",
            "ليس فيها قائمة rows",
        )
    };
    let Value::Object(mut members) = whole else {
        return Err(missing());
    };
    let rows = members.remove("rows").filter(Value::is_array);
    let rows = rows.ok_or_else(missing)?;
    let before = members.len();
    members.retain(|name, value| name == "truncated" && value.is_boolean());
    let extra = members.len() < before;
    Ok((rows, Some((members, extra))))
}

/// The header names every field that is in the payload, also one that the backend forgot to name.
fn add_present(reply: &mut Reply, answer: &Value, asked: &[Part]) {
    let records = match answer {
        Value::Array(records) => records.as_slice(),
        record => std::slice::from_ref(record),
    };
    let present: BTreeSet<&str> = records
        .iter()
        .filter_map(Value::as_object)
        .flat_map(|record| record.keys().map(String::as_str))
        .collect();
    for field in asked {
        if present.contains(field.as_str()) && !reply.fields.contains(field) {
            reply.fields.push(field.clone());
        }
    }
}

/// Whether a media type is JSON, whatever its parameters.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn violation(pointer: &str, rule: &str, en: &str, ar: &str) -> Violation {
    Violation {
        pointer: pointer.to_owned(),
        rule: rule.to_owned(),
        en: en.to_owned(),
        ar: ar.to_owned(),
    }
}

fn below(pointer: &str, mut found: Violation) -> Violation {
    found.pointer.insert_str(0, pointer);
    found
}

/// Every contract that was needed so far, compiled once.
#[derive(Debug, Default)]
pub(super) struct Contracts(Mutex<HashMap<Digest, Option<Arc<Enforced>>>>);

impl Contracts {
    /// The contract that `request` names. `None` when the registry has it no more, or when it cannot be compiled: then
    /// nobody can say what it promises.
    pub(super) fn of(&self, registry: &Registry, request: &RequestHeader) -> Option<Arc<Enforced>> {
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&request.contract)
            .cloned();
        if let Some(known) = known {
            return known;
        }
        let service = registry.service(&request.provider.service(&request.service))?;
        if service.contract != request.contract {
            return None;
        }
        let enforced = Enforced::of(&service.definition)
            .inspect_err(|error| {
                tracing::error!(service = %service.definition.id(), %error, "the published contract cannot be enforced, so nothing is answered");
            })
            .ok()
            .map(Arc::new);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= CONTRACTS_MAX {
            kept.clear();
        }
        kept.insert(request.contract, enforced.clone());
        enforced
    }
}

/// A definition that no adapter could serve.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the {part} schema of operation '{operation}' cannot be enforced: {cause}")]
pub struct Unenforceable {
    /// Of which operation.
    pub operation: String,
    /// `request` or `answer`.
    pub part: &'static str,
    /// Why.
    pub cause: ContractError,
}

#[cfg(test)]
mod tests;
