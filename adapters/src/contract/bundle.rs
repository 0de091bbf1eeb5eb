//! A schema and everything it refers to → one schema that stands by itself.
//!
//! Takes a schema inside a document, gives JSON Schema 2020-12 in which every reference is
//! `#/$defs/NAME`, with exactly the definitions that are reached. A schema may refer to itself; a
//! chain of references that only ever leads to references is refused. Never follows a reference out
//! of the document.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value, json};

use super::keywords::{DIALECTS, Dialect, Role, role};
use super::{ContractError, REFERENCES_MAX, place};

/// Which way the value travels: what is `readOnly` is not required of a request, what is `writeOnly`
/// not of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Answer,
}

/// Collects the definitions of one schema.
pub(super) struct Bundle<'a> {
    document: &'a Value,
    dialect: Dialect,
    direction: Direction,
    /// Pointer of a definition in the document → its name here.
    names: BTreeMap<String, String>,
    waiting: VecDeque<(String, &'a Value)>,
    references: usize,
}

impl<'a> Bundle<'a> {
    pub(super) fn new(document: &'a Value, dialect: Dialect, direction: Direction) -> Self {
        Self {
            document,
            dialect,
            direction,
            names: BTreeMap::new(),
            waiting: VecDeque::new(),
            references: 0,
        }
    }

    /// The schema at `pointer` as an object; a reference that stands alone is replaced by its target.
    pub(super) fn root(
        &mut self,
        schema: &'a Value,
        pointer: &str,
    ) -> Result<Map<String, Value>, ContractError> {
        let (pointer, schema) = match self.alone(schema) {
            Some(reference) => self.follow(reference, pointer)?,
            None => (pointer.to_owned(), schema),
        };
        Ok(match self.convert(schema, &pointer)? {
            Value::Object(members) => members,
            Value::Bool(false) => Map::from_iter([("not".to_owned(), json!({}))]),
            _ => Map::new(),
        })
    }

    /// `root` with the definitions it needs.
    pub(super) fn finish(mut self, mut root: Map<String, Value>) -> Result<Value, ContractError> {
        let mut definitions = Map::new();
        while let Some((pointer, schema)) = self.waiting.pop_front() {
            let converted = self.convert(schema, &pointer)?;
            let name = self.names.get(&pointer).cloned().unwrap_or_default();
            definitions.insert(name, converted);
        }
        if !definitions.is_empty() {
            root.insert("$defs".to_owned(), Value::Object(definitions));
        }
        Ok(Value::Object(root))
    }

    /// The schema at `pointer`, its references turned to `#/$defs/NAME`.
    pub(super) fn convert(
        &mut self,
        schema: &'a Value,
        pointer: &str,
    ) -> Result<Value, ContractError> {
        let members = match schema {
            Value::Bool(open) => return Ok(Value::Bool(*open)),
            Value::Object(members) => members,
            _ => return Err(shape(pointer, "a schema is an object, true or false")),
        };
        if let Some(reference) = self.alone(schema) {
            let name = self.define(reference, pointer)?;
            return Ok(json!({ "$ref": format!("#/$defs/{name}") }));
        }
        let mut out = Map::new();
        for (keyword, value) in members {
            let place = place::below(pointer, keyword);
            match role(keyword, self.dialect) {
                Role::Dropped => known_dialect(keyword, value, &place)?,
                Role::Refused(remedy) => {
                    return Err(ContractError::Keyword {
                        pointer: pointer.to_owned(),
                        keyword: place::shown(keyword),
                        remedy,
                    });
                }
                Role::Plain => {
                    out.insert(keyword.clone(), value.clone());
                }
                Role::Reference => {
                    let reference = value
                        .as_str()
                        .ok_or_else(|| shape(&place, "a reference is a string"))?;
                    let name = self.define(reference, pointer)?;
                    out.insert(keyword.clone(), json!(format!("#/$defs/{name}")));
                }
                Role::Schema(_) => {
                    out.insert(keyword.clone(), self.convert(value, &place)?);
                }
                Role::List(_) => {
                    let items = value
                        .as_array()
                        .ok_or_else(|| shape(&place, "has to be a list of schemas"))?;
                    let schemas: Result<_, _> = (0..)
                        .zip(items)
                        .map(|(index, item)| self.convert(item, &place::item(&place, index)))
                        .collect();
                    out.insert(keyword.clone(), Value::Array(schemas?));
                }
                Role::Named(_) => {
                    let schemas: Result<_, _> = value
                        .as_object()
                        .ok_or_else(|| shape(&place, "has to be an object of schemas"))?
                        .iter()
                        .map(|(name, schema)| {
                            let converted = self.convert(schema, &place::below(&place, name))?;
                            Ok((name.clone(), converted))
                        })
                        .collect();
                    out.insert(keyword.clone(), Value::Object(schemas?));
                }
            }
        }
        self.relax(members, &mut out);
        if self.dialect == Dialect::OpenApi30 {
            out = translated(out);
        }
        Ok(Value::Object(out))
    }

    /// The reference of a schema that is nothing but one. OpenAPI 3.0 passes over what stands beside
    /// a reference.
    fn alone(&self, schema: &'a Value) -> Option<&'a str> {
        let members = schema.as_object()?;
        let reference = members.get("$ref")?.as_str()?;
        (members.len() == 1 || self.dialect == Dialect::OpenApi30).then_some(reference)
    }

    /// The name under which the target of `reference` will stand in `$defs`.
    fn define(&mut self, reference: &str, pointer: &str) -> Result<String, ContractError> {
        self.references += 1;
        if self.references > REFERENCES_MAX {
            return Err(ContractError::TooMany {
                what: "references in one schema",
                max: REFERENCES_MAX,
            });
        }
        let (target, schema) = self.follow(reference, pointer)?;
        if let Some(name) = self.names.get(&target) {
            return Ok(name.clone());
        }
        let wished: String = place::last(&target)
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
            .take(64)
            .collect();
        let wished = if wished.is_empty() {
            "root".to_owned()
        } else {
            wished
        };
        let mut name = wished.clone();
        let mut count = 1;
        while self.names.values().any(|taken| *taken == name) {
            count += 1;
            name = format!("{wished}-{count}");
        }
        self.names.insert(target.clone(), name.clone());
        self.waiting.push_back((target, schema));
        Ok(name)
    }

    /// Where a reference leads to when references that stand alone are followed to their end.
    fn follow(&self, reference: &str, pointer: &str) -> Result<(String, &'a Value), ContractError> {
        let mut seen = BTreeSet::new();
        let (mut target, mut schema) = local(self.document, reference, pointer)?;
        while let Some(next) = self.alone(schema) {
            if !seen.insert(target.clone()) {
                return Err(ContractError::Circle { pointer: target });
            }
            (target, schema) = local(self.document, next, &target)?;
        }
        Ok((target, schema))
    }

    /// Takes from `required` what does not travel this way.
    fn relax(&self, members: &'a Map<String, Value>, out: &mut Map<String, Value>) {
        let mark = match self.direction {
            Direction::Request => "readOnly",
            Direction::Answer => "writeOnly",
        };
        let properties = members.get("properties").and_then(Value::as_object);
        let (Some(properties), Some(Value::Array(required))) =
            (properties, out.get_mut("required"))
        else {
            return;
        };
        required.retain(|name| {
            let schema = name.as_str().and_then(|name| properties.get(name));
            let end = schema.map(|schema| match self.alone(schema) {
                Some(reference) => self.follow(reference, "").map_or(schema, |(_, end)| end),
                None => schema,
            });
            end.and_then(|schema| schema.get(mark)) != Some(&Value::Bool(true))
        });
        if required.is_empty() {
            out.remove("required");
        }
    }
}

/// What `reference`, standing at `pointer`, refers to in the same document.
pub(super) fn local<'a>(
    document: &'a Value,
    reference: &str,
    pointer: &str,
) -> Result<(String, &'a Value), ContractError> {
    if reference != "#" && !reference.starts_with("#/") {
        return Err(ContractError::Remote {
            pointer: pointer.to_owned(),
            reference: place::shown(reference),
        });
    }
    place::resolve(document, reference).ok_or_else(|| ContractError::Dangling {
        pointer: pointer.to_owned(),
        reference: place::shown(reference),
    })
}

pub(super) fn shape(pointer: &str, what: &'static str) -> ContractError {
    ContractError::Shape {
        pointer: pointer.to_owned(),
        what,
    }
}

fn known_dialect(keyword: &str, value: &Value, place: &str) -> Result<(), ContractError> {
    let known = |text: &str| DIALECTS.contains(&text.trim_end_matches('#'));
    if keyword == "$schema" && !value.as_str().is_some_and(known) {
        return Err(shape(
            place,
            "only JSON Schema 2020-12 is read here; translate the schema to it",
        ));
    }
    Ok(())
}

/// OpenAPI 3.0's own way of saying "or null" and "more than", in the words of 2020-12.
fn translated(mut schema: Map<String, Value>) -> Map<String, Value> {
    for (limit, exclusive) in [
        ("minimum", "exclusiveMinimum"),
        ("maximum", "exclusiveMaximum"),
    ] {
        if let Some(Value::Bool(is_exclusive)) = schema.get(exclusive).cloned() {
            schema.remove(exclusive);
            if is_exclusive && let Some(bound) = schema.remove(limit) {
                schema.insert(exclusive.to_owned(), bound);
            }
        }
    }
    if schema.remove("nullable") != Some(Value::Bool(true)) {
        return schema;
    }
    if let Some(Value::String(name)) = schema.get("type").cloned() {
        schema.insert("type".to_owned(), json!([name, "null"]));
        if let Some(Value::Array(values)) = schema.get_mut("enum")
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
        return schema;
    }
    // `nullable` beside `allOf` and no `type`: to the letter it says nothing, but everyone who writes
    // it means "or null".
    if schema.keys().any(|keyword| keyword.ends_with("Of")) {
        return Map::from_iter([("anyOf".to_owned(), json!([{ "type": "null" }, schema]))]);
    }
    schema
}
