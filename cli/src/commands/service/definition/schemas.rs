//! From the contract module's operations to the registry's: schemas, fields and subjects of one operation.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use adapters::contract::{
    self, Contract, ContractError, DOCUMENT_BYTES_MAX, OperationSchemas, SchemaSet,
};
use bytes::Bytes;
use proto::act::{Operation, SubjectField};
use proto::id::Part;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// "An operation without an Arabic description".
const UNDESCRIBED_AR: &str = "عملية بلا وصف عربي";

/// A schema as a TOML file gives it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Given {
    /// JSON text, or the path of a JSON file.
    Text(String),
    /// Written in TOML.
    Table(toml::Table),
}

/// A subject as a TOML file gives it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenSubject {
    pointer: String,
    scheme: String,
}

impl Given {
    /// The schema; paths start at `dir`.
    fn read(self, dir: &Path) -> Result<Value, String> {
        match self {
            Self::Table(table) => serde_json::to_value(table).map_err(|error| error.to_string()),
            Self::Text(text) if text.trim_start().starts_with('{') => {
                serde_json::from_str(&text).map_err(|error| error.to_string())
            }
            Self::Text(path) => {
                let bytes =
                    bounded(&dir.join(&path)).map_err(|error| format!("{path}: {error}"))?;
                serde_json::from_slice(&bytes).map_err(|error| format!("{path}: {error}"))
            }
        }
    }
}

/// The bytes of a file that may be hostile: one more than a document may have at most.
pub(super) fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let one_more = DOCUMENT_BYTES_MAX as u64 + 1;
    File::open(path)?.take(one_more).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Gives `operation` its schemas, and the fields and subjects that follow from them. `fields` were given beside.
pub(super) fn describe(
    operation: &mut Operation,
    [request, answer]: [Option<Given>; 2],
    dir: &Path,
) -> Result<(), String> {
    let read = |given: Option<Given>| given.map(|given| given.read(dir)).transpose();
    let (request, answer) = (read(request)?, read(answer)?);
    if request.is_none() && answer.is_none() {
        return Ok(());
    }
    let (has_request, has_answer) = (request.is_some(), answer.is_some());
    let mut set = SchemaSet {
        operations: BTreeMap::new(),
    };
    // What is not given is not judged; the contract module wants both.
    set.operations.insert(
        operation.name.to_string(),
        OperationSchemas {
            request: request.unwrap_or_else(|| json!({})),
            answer: answer.unwrap_or_else(|| json!({ "properties": { "any": {} } })),
            ..OperationSchemas::default()
        },
    );
    let contract = Contract::from_schemas(&set).map_err(|error| error.to_string())?;
    let found = contract
        .operation(operation.name.as_str())
        .ok_or_else(|| ContractError::NoOperation.to_string())?;
    if has_request {
        operation.request_schema = compact(&found.request_schema);
        operation.subjects = subjects(found)?;
    }
    if has_answer {
        operation.answer_schema = compact(&found.answer_schema);
        let described = parts(&found.fields)?;
        if operation.fields.is_empty() {
            operation.fields = described;
        } else if let Some(odd) = operation.fields.iter().find(|f| !described.contains(f)) {
            return Err(format!(
                "the field '{odd}' is not in the answer's schema; describe it there, or leave 'fields' out"
            ));
        }
    }
    Ok(())
}

/// Adds the subjects that a file names beside those that its schema marks.
pub(super) fn add_subjects(
    operation: &mut Operation,
    given: Vec<GivenSubject>,
) -> Result<(), String> {
    for subject in given {
        let scheme = Part::parse(&subject.scheme).map_err(|error| error.to_string())?;
        let known = operation
            .subjects
            .iter()
            .find(|known| known.pointer == subject.pointer);
        match known {
            Some(known) if known.scheme == scheme => {}
            Some(_) => {
                return Err(format!(
                    "'{}' is marked with two schemes; leave one",
                    subject.pointer
                ));
            }
            None => operation.subjects.push(SubjectField {
                pointer: subject.pointer,
                scheme,
            }),
        }
    }
    operation
        .subjects
        .sort_by(|one, other| one.pointer.cmp(&other.pointer));
    Ok(())
}

/// An operation of an OpenAPI document as the registry has it. Without an English summary the words of its name stand
/// for one; without an Arabic one it says so, for an Arabic name holds no Latin letter.
pub(super) fn from_contract(found: &contract::Operation) -> Result<Operation, String> {
    let name = Part::parse(&found.name).map_err(|error| error.to_string())?;
    let name_ar = found.summary_ar.as_deref().unwrap_or(UNDESCRIBED_AR);
    let words: Vec<_> = found
        .name
        .split('_')
        .filter(|word| !word.is_empty())
        .collect();
    let name_en = found.summary_en.clone().unwrap_or_else(|| words.join(" "));
    Ok(Operation {
        name,
        name_ar: name_ar.to_owned(),
        name_en,
        fields: parts(&found.fields)?,
        method: found.method.clone().unwrap_or_default(),
        path: found.path.clone().unwrap_or_default(),
        request_schema: compact(&found.request_schema),
        answer_schema: compact(&found.answer_schema),
        subjects: subjects(found)?,
    })
}

/// An operation of the registry as the contract module compares it. What the registry does not say is anything.
pub(in super::super) fn to_contract(operation: &Operation) -> contract::Operation {
    let schema = |bytes: &Bytes| match bytes.is_empty() {
        true => Value::Object(Map::new()),
        false => serde_json::from_slice(bytes).unwrap_or_else(|_| Value::Object(Map::new())),
    };
    contract::Operation {
        name: operation.name.to_string(),
        method: (!operation.method.is_empty()).then(|| operation.method.clone()),
        path: (!operation.path.is_empty()).then(|| operation.path.clone()),
        summary_en: Some(operation.name_en.clone()),
        summary_ar: Some(operation.name_ar.clone()),
        request_schema: schema(&operation.request_schema),
        answer_schema: schema(&operation.answer_schema),
        fields: operation.fields.iter().map(ToString::to_string).collect(),
        subjects: operation
            .subjects
            .iter()
            .map(|subject| contract::Subject {
                pointer: subject.pointer.clone(),
                scheme: subject.scheme.to_string(),
            })
            .collect(),
    }
}

fn compact(schema: &Value) -> Bytes {
    Bytes::from(schema.to_string())
}

fn parts(names: &[String]) -> Result<Vec<Part>, String> {
    let mut parts = names
        .iter()
        .map(|name| Part::parse(name).map_err(|error| error.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    parts.sort();
    Ok(parts)
}

fn subjects(found: &contract::Operation) -> Result<Vec<SubjectField>, String> {
    found
        .subjects
        .iter()
        .map(|subject| {
            let scheme = Part::parse(&subject.scheme).map_err(|error| error.to_string())?;
            let pointer = subject.pointer.clone();
            Ok(SubjectField { pointer, scheme })
        })
        .collect()
}
