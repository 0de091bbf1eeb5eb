//! What the schemas that judge one value say together.
//!
//! `$ref`, `allOf` and the common "this or null" are taken apart; everything else is kept as it
//! stands. Takes any value: schemas from a registry are not believed to be well made.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::keywords::SUBJECT;
use super::place;

/// Every type of JSON, `integer` counted beside `number`.
pub(super) const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];
/// Schemas looked at for one value at most.
const SCHEMAS_MAX: usize = 256;

/// What is said of one value.
#[derive(Debug, Default)]
pub(super) struct View<'a> {
    /// Types that it can have.
    pub(super) types: BTreeSet<&'a str>,
    /// Values that it can have; `None` for any.
    pub(super) values: Option<Vec<&'a Value>>,
    /// Described properties, each with all schemas that judge it.
    pub(super) properties: BTreeMap<&'a str, Vec<&'a Value>>,
    /// Names of properties that it has to have.
    pub(super) required: BTreeSet<&'a str>,
    /// Undescribed properties are refused.
    pub(super) closed: bool,
    /// What judges undescribed properties.
    pub(super) additional: Vec<&'a Value>,
    /// What judges every item.
    pub(super) items: Vec<&'a Value>,
    /// Forms to choose from, one list for each `anyOf` and `oneOf`.
    pub(super) choices: Vec<&'a Vec<Value>>,
    /// Every other condition.
    pub(super) conditions: BTreeMap<&'a str, Vec<&'a Value>>,
    /// There was more than is looked at.
    pub(super) cut_short: bool,
}

impl<'a> View<'a> {
    /// What `schemas`, whose definitions stand in `whole`, say together.
    pub(super) fn of(schemas: &[&'a Value], whole: &'a Value) -> Self {
        Self::gather(schemas, whole, &mut { SCHEMAS_MAX })
    }

    fn gather(schemas: &[&'a Value], whole: &'a Value, left: &mut usize) -> Self {
        let mut view = Self {
            types: TYPES.into(),
            ..Self::default()
        };
        let mut seen = BTreeSet::new();
        let mut waiting = schemas.to_vec();
        while let Some(schema) = waiting.pop() {
            let Some(fewer) = left.checked_sub(1) else {
                view.cut_short = true;
                break;
            };
            *left = fewer;
            let members = match schema {
                Value::Object(members) => members,
                Value::Bool(false) => {
                    view.types.clear();
                    continue;
                }
                _ => continue,
            };
            let reference = members.get("$ref").and_then(Value::as_str);
            if let Some(reference) = reference
                && seen.insert(reference)
                && let Some((_, target)) = place::resolve(whole, reference)
            {
                waiting.push(target);
            }
            for (keyword, value) in members {
                if let (true, Value::Array(schemas)) = (keyword == "allOf", value) {
                    waiting.extend(schemas);
                } else {
                    view.take(keyword, value, members, (whole, &mut *left));
                }
            }
        }
        view
    }

    fn take(
        &mut self,
        keyword: &'a str,
        value: &'a Value,
        members: &'a Map<String, Value>,
        rest: (&'a Value, &mut usize),
    ) {
        match (keyword, value) {
            ("type", value) => self.narrow(types(value)),
            ("enum", Value::Array(values)) => {
                if !members.contains_key("type") {
                    self.narrow(values.iter().map(type_of).collect());
                }
                self.only(values.iter().collect());
            }
            ("const", value) => {
                self.narrow([type_of(value)].into());
                self.only(vec![value]);
            }
            ("properties", Value::Object(properties)) => {
                for (name, schema) in properties {
                    self.properties.entry(name).or_default().push(schema);
                }
            }
            ("required", Value::Array(names)) => {
                self.required.extend(names.iter().filter_map(Value::as_str));
            }
            ("additionalProperties" | "unevaluatedProperties", Value::Bool(false)) => {
                self.closed = true;
            }
            ("additionalProperties" | "unevaluatedProperties" | "items", schema)
                if says_nothing(schema) => {}
            ("additionalProperties", schema) => self.additional.push(schema),
            ("items", schema) => self.items.push(schema),
            ("anyOf" | "oneOf", Value::Array(schemas)) => self.choose(schemas, rest),
            (
                "$ref" | "$defs" | "title" | "description" | "default" | "deprecated" | "readOnly"
                | "writeOnly" | "contentEncoding" | "contentMediaType",
                _,
            ) => {}
            // Compared with the operation's subjects.
            (SUBJECT, _) => {}
            (keyword, value) if !keyword.starts_with("x-") => {
                self.conditions.entry(keyword).or_default().push(value);
            }
            _ => {}
        }
    }

    /// "This or null" is this, and null beside its types.
    fn choose(&mut self, schemas: &'a Vec<Value>, (whole, left): (&'a Value, &mut usize)) {
        let is_null = |schema: &&Value| {
            let members = schema.as_object();
            members.is_some_and(|members| {
                members.len() == 1 && members.get("type").is_some_and(|name| name == "null")
            })
        };
        let others: Vec<_> = schemas.iter().filter(|schema| !is_null(schema)).collect();
        if others.len() != 1 || schemas.len() != 2 {
            self.choices.push(schemas);
            return;
        }
        let mut other = Self::gather(&others, whole, left);
        other.types.insert("null");
        if let Some(values) = &mut other.values {
            values.push(&Value::Null);
        }
        self.narrow(other.types);
        if let Some(values) = other.values {
            self.only(values);
        }
        for (name, schemas) in other.properties {
            self.properties.entry(name).or_default().extend(schemas);
        }
        for (keyword, values) in other.conditions {
            self.conditions.entry(keyword).or_default().extend(values);
        }
        self.required.extend(other.required);
        self.closed |= other.closed;
        self.cut_short |= other.cut_short;
        self.additional.extend(other.additional);
        self.items.extend(other.items);
        self.choices.extend(other.choices);
    }

    fn narrow(&mut self, types: BTreeSet<&'a str>) {
        self.types.retain(|name| types.contains(name));
    }

    fn only(&mut self, values: Vec<&'a Value>) {
        match &mut self.values {
            Some(so_far) => so_far.retain(|value| values.contains(value)),
            None => self.values = Some(values),
        }
    }
}

fn says_nothing(schema: &Value) -> bool {
    match schema {
        Value::Bool(open) => *open,
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// The types that `type` names; every `number` can be an `integer`.
fn types(value: &Value) -> BTreeSet<&str> {
    let named: BTreeSet<_> = match value {
        Value::String(name) => [name.as_str()].into(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => TYPES.into(),
    };
    let integer = named.contains("number").then_some("integer");
    named.into_iter().chain(integer).collect()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
