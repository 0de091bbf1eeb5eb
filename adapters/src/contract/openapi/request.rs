//! A request as one JSON object: path and query parameters beside the properties of the body.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Asked, Reader, nothing};
use crate::contract::bundle::{Bundle, Direction, shape};
use crate::contract::keywords::SUBJECT;
use crate::contract::{ContractError, place};

/// Keywords of a body that parameters can be put beside; any other would then judge them too.
const JOINABLE: [&str; 8] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "title",
    "description",
    "default",
    "deprecated",
];

/// A parameter that travels in the payload.
struct Parameter<'a> {
    required: bool,
    schema: &'a Value,
    schema_at: String,
    subject: Option<&'a Value>,
    pointer: String,
}

/// Name and place (`path` or `query`).
type Key<'a> = (&'a str, &'a str);
type Parameters<'a> = BTreeMap<Key<'a>, Parameter<'a>>;

impl<'a> Reader<'a> {
    /// The schema of the request.
    pub(super) fn request(&self, asked: &Asked<'a>) -> Result<Value, ContractError> {
        let parameters = self.parameters(asked)?;
        let body = match asked.operation.get("requestBody") {
            Some(body) => {
                let at = place::below(&asked.pointer, "requestBody");
                let (at, body) = self.object(body, at)?;
                Some(self.json_content(body, &at)?)
            }
            None => None,
        };
        let mut bundle = Bundle::new(self.document, self.dialect, Direction::Request);
        let root = match (parameters.is_empty(), body) {
            (true, None) => return Ok(nothing()),
            (true, Some((at, schema))) => bundle.root(schema, &at)?,
            (false, None) => {
                let mut root = Map::new();
                root.insert("additionalProperties".to_owned(), Value::Bool(false));
                join(&mut bundle, root, parameters)?
            }
            (false, Some((at, schema))) => {
                let root = bundle.root(schema, &at)?;
                let plain = |key: &String| {
                    JOINABLE.contains(&key.as_str()) || key.starts_with("x-mohawel-")
                };
                let is_object = root.get("type").is_none_or(|name| name == "object");
                if !is_object || !root.keys().all(plain) {
                    return Err(shape(
                        &at,
                        "parameters can stand beside a plain object only (type, properties, required, additionalProperties); move them into the body, or write it plainly",
                    ));
                }
                join(&mut bundle, root, parameters)?
            }
        };
        bundle.finish(root)
    }

    /// The parameters of the path and of the operation, which override those.
    fn parameters(&self, asked: &Asked<'a>) -> Result<Parameters<'a>, ContractError> {
        let mut found = Parameters::new();
        let own = (
            asked.operation.get("parameters"),
            place::below(&asked.pointer, "parameters"),
        );
        for (list, at) in [&asked.shared, &own] {
            let Some(list) = list else {
                continue;
            };
            let list = list
                .as_array()
                .ok_or_else(|| shape(at, "has to be a list of parameters"))?;
            let mut level = BTreeSet::new();
            for (index, entry) in list.iter().enumerate() {
                let (at, entry) = self.object(entry, place::item(at, index))?;
                if let Some((key, parameter)) = self.parameter(entry, &at)? {
                    if !level.insert(key) {
                        return Err(clash(at, key.0));
                    }
                    found.insert(key, parameter);
                }
            }
        }
        let declared: BTreeSet<_> = found
            .keys()
            .filter(|(_, place)| *place == "path")
            .map(|(name, _)| *name)
            .collect();
        if declared != placeholders(asked.path) {
            return Err(shape(
                &asked.pointer,
                "the {names} in its path and its path parameters differ; declare each",
            ));
        }
        Ok(found)
    }

    fn parameter(
        &self,
        entry: &'a Map<String, Value>,
        at: &str,
    ) -> Result<Option<(Key<'a>, Parameter<'a>)>, ContractError> {
        let text = |key: &str, what| {
            let value = entry.get(key).and_then(Value::as_str);
            value.ok_or_else(|| shape(&place::below(at, key), what))
        };
        let name = text("name", "a parameter needs a name")?;
        let place = text("in", "has to be path, query, header or cookie")?;
        let required = entry.get("required") == Some(&Value::Bool(true));
        match place {
            "path" if !required => {
                return Err(shape(at, "a path parameter has to say required: true"));
            }
            "path" | "query" => {}
            "header" | "cookie" => {
                // OpenAPI itself passes over these three.
                let own = ["accept", "content-type", "authorization"];
                if !required || own.contains(&name.to_ascii_lowercase().as_str()) {
                    return Ok(None);
                }
                return Err(shape(
                    at,
                    "headers and cookies do not travel with a request; make it a query parameter, or let the provider's own configuration send it",
                ));
            }
            _ => {
                let at = place::below(at, "in");
                return Err(shape(&at, "has to be path, query, header or cookie"));
            }
        }
        let (schema_at, schema) = match entry.get("schema") {
            Some(schema) => (place::below(at, "schema"), schema),
            None => self.json_content(entry, at)?,
        };
        let parameter = Parameter {
            required,
            schema,
            schema_at,
            subject: entry.get(SUBJECT),
            pointer: at.to_owned(),
        };
        Ok(Some(((name, place), parameter)))
    }
}

/// `root` with the parameters among its properties.
fn join<'a>(
    bundle: &mut Bundle<'a>,
    mut root: Map<String, Value>,
    parameters: Parameters<'a>,
) -> Result<Map<String, Value>, ContractError> {
    let mut properties = match root.remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    let mut required = match root.remove("required") {
        Some(Value::Array(required)) => required,
        _ => Vec::new(),
    };
    for ((name, _), parameter) in parameters {
        if properties.contains_key(name) {
            return Err(clash(parameter.pointer, name));
        }
        let mut schema = match bundle.convert(parameter.schema, &parameter.schema_at)? {
            Value::Object(schema) => schema,
            Value::Bool(false) => Map::from_iter([("not".to_owned(), json!({}))]),
            _ => Map::new(),
        };
        if let Some(subject) = parameter.subject {
            schema.insert(SUBJECT.to_owned(), subject.clone());
        }
        properties.insert(name.to_owned(), Value::Object(schema));
        if parameter.required {
            required.push(json!(name));
        }
    }
    root.insert("type".to_owned(), json!("object"));
    root.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        root.insert("required".to_owned(), Value::Array(required));
    }
    Ok(root)
}

fn clash(pointer: String, name: &str) -> ContractError {
    ContractError::Clash {
        pointer,
        name: place::shown(name),
    }
}

/// The names in a path template.
fn placeholders(path: &str) -> BTreeSet<&str> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}
