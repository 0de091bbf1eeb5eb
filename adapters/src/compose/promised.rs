//! What a part sends, held against what its service says it takes: the request schema of the published contract.
//!
//! Takes a part and the operation as the registry knows it. Gives what every run of the case would be refused for, with its
//! place: a parameter that must be there and is not, one that there is not, a value of another kind. What only a run
//! knows is judged as far as its kind is known, and no further. Where no schema is published, nothing is said.

use proto::act::Operation;
use serde_json::{Map, Value, json};

use super::inputs::Kind;
use super::problem::{Problem, What};
use super::template::Chunk;
use super::{Composition, Part, Source};
use crate::contract::Validator;

/// References followed from one schema to the next.
const REFERENCES_MAX: usize = 16;
/// What is taken over into the schema of one parameter, for what that refers to.
const DEFINITIONS: &str = "$defs";

/// Everything that the contract refuses of `part`, whoever runs it.
pub(super) fn broken(
    composition: &Composition,
    part: &Part,
    operation: &Operation,
) -> Vec<Problem> {
    let Ok(schema) = serde_json::from_slice::<Value>(&operation.request_schema) else {
        // None is published; one that nobody can read is no adapter's to enforce either.
        return Vec::new();
    };
    let schema = Schema { root: &schema };
    let Some(record) = schema.resolved(schema.root) else {
        return Vec::new();
    };
    // A provider whose schema describes the stock payload as a whole says so itself.
    let whole = ["operation", "parameters"].map(|name| schema.property(record, name));
    let record = match whole {
        [Some(_), Some(parameters)] if !part.plain => match schema.resolved(parameters) {
            Some(parameters) => parameters,
            None => return Vec::new(),
        },
        _ => record,
    };
    let named = |name: &str| part.parameters.iter().any(|(given, _)| given == name);
    let required = record.get("required").and_then(Value::as_array);
    let missing = required.into_iter().flatten().filter_map(Value::as_str);
    let missing = missing.filter(|name| !named(name)).map(|name| Problem {
        at: part.places.operation,
        what: What::Needed(name.to_owned()),
    });
    let given = part.parameters.iter().zip(&part.places.parameters);
    let wrong = given.filter_map(|((name, source), at)| {
        let what = schema.refuses(record, composition, name, source)?;
        Some(Problem { at: *at, what })
    });
    missing.chain(wrong).collect()
}

/// A schema that may refer to its own definitions.
struct Schema<'a> {
    root: &'a Value,
}

impl<'a> Schema<'a> {
    /// The schema itself, behind references.
    fn resolved(&self, mut schema: &'a Value) -> Option<&'a Map<String, Value>> {
        for _ in 0..REFERENCES_MAX {
            let object = schema.as_object()?;
            let Some(reference) = object.get("$ref") else {
                return Some(object);
            };
            schema = self.root.pointer(reference.as_str()?.strip_prefix('#')?)?;
        }
        None
    }

    fn property(&self, record: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
        record.get("properties")?.get(name)
    }

    /// What is wrong with one parameter.
    fn refuses(
        &self,
        record: &'a Map<String, Value>,
        composition: &Composition,
        name: &str,
        source: &Source,
    ) -> Option<What> {
        let Some(property) = self.property(record, name) else {
            let is_closed = record.get("additionalProperties") == Some(&Value::Bool(false));
            let may_match = record.contains_key("patternProperties");
            return (is_closed && !may_match).then(|| What::NotTakenIn(name.to_owned()));
        };
        match sent(composition, source) {
            Sent::Value(value) => {
                let mut schema = json!({ "allOf": [property] });
                if let Some(definitions) = self.root.get(DEFINITIONS) {
                    schema[DEFINITIONS] = definitions.clone();
                }
                // One that does not compile is enforced by nobody.
                let found = Validator::new(&schema).ok()?.judge(&value).err()?;
                Some(What::Unfit {
                    name: name.to_owned(),
                    en: found.en,
                    ar: found.ar,
                })
            }
            Sent::Of(kinds) => {
                let wanted = self.resolved(property)?.get("type")?;
                let wanted: Vec<&str> = match wanted {
                    Value::Array(wanted) => wanted.iter().filter_map(Value::as_str).collect(),
                    wanted => wanted.as_str().into_iter().collect(),
                };
                let fits = kinds.iter().any(|kind| wanted.contains(kind));
                (!fits && !wanted.is_empty()).then(|| What::OtherKind {
                    name: name.to_owned(),
                    given: kinds.first().copied().unwrap_or_default(),
                    wanted: wanted.join(", "),
                })
            }
            Sent::Unknown => None,
        }
    }
}

/// What is known of a value before the case is run.
enum Sent {
    /// All of it.
    Value(Value),
    /// One of these types of JSON Schema.
    Of(&'static [&'static str]),
    /// Nothing.
    Unknown,
}

fn sent(composition: &Composition, source: &Source) -> Sent {
    match source {
        Source::Value(value) => Sent::Value(value.clone()),
        Source::Text(chunks) => {
            let literal: Option<String> = chunks
                .iter()
                .map(|chunk| match chunk {
                    Chunk::Literal(text) => Some(text.as_str()),
                    Chunk::Input(_) | Chunk::Field(..) => None,
                })
                .collect();
            literal.map_or(Sent::Of(&["string"]), |text| Sent::Value(text.into()))
        }
        Source::Input(place) => match composition.inputs.get(*place).map(|input| input.kind) {
            Some(Kind::Text | Kind::Date | Kind::Nid) => Sent::Of(&["string"]),
            Some(Kind::Integer) => Sent::Of(&["integer", "number"]),
            Some(Kind::Bool) => Sent::Of(&["boolean"]),
            None => Sent::Unknown,
        },
        // What another agency answers, its own contract says.
        Source::Field(..) => Sent::Unknown,
    }
}

#[cfg(test)]
mod tests;
