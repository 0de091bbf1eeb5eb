//! An OpenAPI 3.0 or 3.1 document → operations.
//!
//! Takes a value that nobody has checked. Reads `paths` and what they refer to; servers, security,
//! callbacks and webhooks are the provider's own affair and are passed over. `options`, `head` and
//! `trace` carry no record and become no operation.

mod request;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::bundle::{Bundle, Direction, local, shape};
use super::keywords::{DIALECTS, Dialect};
use super::{ContractError, Draft, Operation, place};

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];
/// Where an answer's content is looked for, in this order.
const ANSWERS: [&str; 5] = ["200", "201", "202", "203", "2XX"];

/// Every operation of the document.
pub(super) fn operations(document: &Value) -> Result<Vec<Operation>, ContractError> {
    let reader = Reader {
        document,
        dialect: dialect(document)?,
    };
    let paths = document
        .get("paths")
        .and_then(Value::as_object)
        .ok_or_else(|| shape("#/paths", "has to be an object of paths"))?;
    let mut found = Vec::new();
    for (path, entry) in paths {
        if path.starts_with("x-") {
            continue;
        }
        let pointer = place::below("#/paths", path);
        if !path.starts_with('/') {
            return Err(shape(&pointer, "a path begins with '/'"));
        }
        let (pointer, entry) = reader.object(entry, pointer)?;
        for method in METHODS {
            if let Some(operation) = entry.get(method) {
                let at = place::below(&pointer, method);
                let (at, operation) = reader.object(operation, at)?;
                let asked = Asked {
                    path,
                    method,
                    shared: (
                        entry.get("parameters"),
                        place::below(&pointer, "parameters"),
                    ),
                    operation,
                    pointer: at,
                };
                found.push(reader.operation(&asked)?);
            }
        }
    }
    Ok(found)
}

/// One operation as it stands in the document.
struct Asked<'a> {
    path: &'a str,
    method: &'a str,
    /// The parameters of its path, and where they stand.
    shared: (Option<&'a Value>, String),
    operation: &'a Map<String, Value>,
    pointer: String,
}

struct Reader<'a> {
    document: &'a Value,
    dialect: Dialect,
}

/// Which dialect the document's schemas are written in.
fn dialect(document: &Value) -> Result<Dialect, ContractError> {
    if document.get("swagger").is_some() {
        return Err(ContractError::Swagger);
    }
    let version = match document.get("openapi") {
        Some(Value::String(version)) => version.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    if version.starts_with("3.0.") || version == "3.0" {
        return Ok(Dialect::OpenApi30);
    }
    if !version.starts_with("3.1.") && version != "3.1" {
        return Err(ContractError::Version(place::shown(&version)));
    }
    match document.get("jsonSchemaDialect") {
        Some(Value::String(dialect)) if !DIALECTS.contains(&dialect.as_str()) => Err(shape(
            "#/jsonSchemaDialect",
            "only JSON Schema 2020-12 is read here; leave this out",
        )),
        _ => Ok(Dialect::Draft2020),
    }
}

impl<'a> Reader<'a> {
    fn operation(&self, asked: &Asked<'a>) -> Result<Operation, ContractError> {
        let text = |name: &str| {
            let value = asked.operation.get(name).and_then(Value::as_str)?;
            let value = value.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let answer = self.answer(asked)?;
        Draft {
            name: match asked.operation.get("operationId") {
                Some(Value::String(name)) => name.clone(),
                Some(_) => {
                    let at = place::below(&asked.pointer, "operationId");
                    return Err(shape(&at, "has to be a string"));
                }
                None => derived(asked.method, asked.path),
            },
            method: Some(asked.method.to_ascii_uppercase()),
            path: Some(asked.path.to_owned()),
            summary_en: text("summary"),
            summary_ar: text("x-summary-ar").or_else(|| text("x-mohawel-ar")),
            request_schema: self.request(asked)?,
            silent: answer.is_none(),
            answer_schema: answer.unwrap_or_else(nothing),
        }
        .complete(&asked.pointer)
    }

    /// The answer's schema; `None` when nothing is answered.
    fn answer(&self, asked: &Asked<'a>) -> Result<Option<Value>, ContractError> {
        let at = place::below(&asked.pointer, "responses");
        let responses = asked
            .operation
            .get("responses")
            .and_then(Value::as_object)
            .ok_or_else(|| shape(&at, "has to be an object of responses"))?;
        for status in ANSWERS {
            let Some(response) = responses.get(status) else {
                continue;
            };
            let (at, response) = self.object(response, place::below(&at, status))?;
            if has_content(response) {
                let (at, schema) = self.json_content(response, &at)?;
                let mut bundle = Bundle::new(self.document, self.dialect, Direction::Answer);
                let root = bundle.root(schema, &at)?;
                return bundle.finish(root).map(Some);
            }
        }
        if responses.keys().any(|status| status.starts_with('2')) {
            Ok(None)
        } else {
            Err(shape(&at, "says no success; describe the answer under 200"))
        }
    }

    /// The schema of the JSON content of a body or response.
    fn json_content(
        &self,
        carrier: &'a Map<String, Value>,
        pointer: &str,
    ) -> Result<(String, &'a Value), ContractError> {
        let at = place::below(pointer, "content");
        let content = carrier
            .get("content")
            .and_then(Value::as_object)
            .ok_or_else(|| shape(&at, "has to be an object of media types"))?;
        let essence = |name: &str| {
            let name = name.split(';').next().unwrap_or_default();
            name.trim().to_ascii_lowercase()
        };
        let exact = content
            .iter()
            .find(|(name, _)| essence(name) == "application/json");
        let (name, media) = exact
            .or_else(|| {
                content
                    .iter()
                    .find(|(name, _)| essence(name).ends_with("+json"))
            })
            .ok_or_else(|| shape(&at, "has no application/json; payloads are JSON"))?;
        let at = place::below(&at, name);
        let schema = media
            .get("schema")
            .ok_or_else(|| shape(&at, "has no schema; describe what is sent"))?;
        Ok((place::below(&at, "schema"), schema))
    }

    /// The object at `pointer`, or the one that it refers to.
    fn object(
        &self,
        value: &'a Value,
        pointer: String,
    ) -> Result<(String, &'a Map<String, Value>), ContractError> {
        let mut seen = BTreeSet::new();
        let (mut pointer, mut value) = (pointer, value);
        while let Some(reference) = value.get("$ref") {
            let reference = reference
                .as_str()
                .ok_or_else(|| shape(&pointer, "a reference is a string"))?;
            let (target, next) = local(self.document, reference, &pointer)?;
            if !seen.insert(target.clone()) {
                return Err(ContractError::Circle { pointer: target });
            }
            (pointer, value) = (target, next);
        }
        match value.as_object() {
            Some(members) => Ok((pointer, members)),
            None => Err(shape(&pointer, "has to be an object")),
        }
    }
}

fn has_content(response: &Map<String, Value>) -> bool {
    match response.get("content") {
        Some(Value::Object(types)) => !types.is_empty(),
        Some(_) => true,
        None => false,
    }
}

/// The schema of a payload that says nothing.
fn nothing() -> Value {
    json!({ "type": "object", "additionalProperties": false })
}

/// `get /persons/{nid}` → `get.persons.nid`.
fn derived(method: &str, path: &str) -> String {
    let mut name = method.to_owned();
    for part in path.split('/') {
        let part: String = part
            .chars()
            .filter(|c| !matches!(c, '{' | '}'))
            .map(|c| {
                let plain = c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
                if plain { c } else { '-' }
            })
            .collect();
        if !part.is_empty() {
            name.push('.');
            name.push_str(&part);
        }
    }
    name
}
