//! An answer's schema → the same, silent about which fields of the record are there.
//!
//! A backend gives only the fields that were asked for, so `required` and what depends on it would convict every
//! honest answer. What a field may be is left as it is. Only the record itself is relaxed: a definition that also
//! describes a value inside a field stays strict there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// Keywords that judge which fields are there, at the record and at a list of records.
const PRESENCE: [&str; 13] = [
    "required",
    "minProperties",
    "dependentRequired",
    "dependentSchemas",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedProperties",
    "unevaluatedItems",
];
/// References that lead to one another at most before it is called no list.
const REFERENCES_MAX: usize = 16;

/// The relaxed schema; self-contained as `schema` is.
pub(super) fn relaxed(schema: &Value) -> Value {
    let mut relaxing = Relaxing {
        whole: schema,
        names: BTreeMap::new(),
        definitions: Map::new(),
    };
    let mut root = relaxing.schema(schema, true);
    let mut definitions = relaxing.definitions;
    if let Some(Value::Object(given)) = schema.get("$defs") {
        for (name, definition) in given {
            definitions.insert(name.clone(), definition.clone());
        }
    }
    keep_reached(&root, &mut definitions);
    if let Value::Object(members) = &mut root
        && !definitions.is_empty()
    {
        members.insert("$defs".to_owned(), Value::Object(definitions));
    }
    root
}

/// Whether the schema describes a list of records and not one record.
pub(super) fn is_list(whole: &Value) -> bool {
    let mut schema = whole;
    for _ in 0..REFERENCES_MAX {
        match schema.get("type") {
            Some(Value::String(name)) => return name == "array",
            Some(_) => return false,
            None => {}
        }
        if schema.get("properties").is_some() {
            return false;
        }
        if schema.get("items").is_some() || schema.get("prefixItems").is_some() {
            return true;
        }
        let reference = schema.get("$ref").and_then(Value::as_str);
        match reference.and_then(|reference| target(whole, reference)) {
            Some(next) => schema = next,
            None => return false,
        }
    }
    false
}

struct Relaxing<'a> {
    whole: &'a Value,
    /// Reference and whether it stands outside a list → name of its relaxed copy.
    names: BTreeMap<(String, bool), String>,
    definitions: Map<String, Value>,
}

impl<'a> Relaxing<'a> {
    fn schema(&mut self, schema: &'a Value, outside_list: bool) -> Value {
        let Some(members) = schema.as_object() else {
            return schema.clone();
        };
        let mut out = Map::new();
        let mut alternatives = Vec::new();
        for (keyword, value) in members {
            let made = match (keyword.as_str(), value) {
                ("$defs", _) => continue,
                (word, _) if PRESENCE.contains(&word) => continue,
                ("allOf", Value::Array(all)) => {
                    let all = self.list(all, outside_list);
                    alternatives.extend(all);
                    continue;
                }
                // Without `required` several forms may fit: one is enough.
                ("oneOf" | "anyOf", Value::Array(forms)) => {
                    let forms = self.list(forms, outside_list);
                    alternatives.push(json!({ "anyOf": forms }));
                    continue;
                }
                ("$ref", Value::String(reference)) => json!(self.refer(reference, outside_list)),
                ("items", items) if outside_list => self.schema(items, false),
                ("prefixItems", Value::Array(items)) if outside_list => {
                    Value::Array(self.list(items, false))
                }
                (_, value) => value.clone(),
            };
            out.insert(keyword.clone(), made);
        }
        if !alternatives.is_empty() {
            out.insert("allOf".to_owned(), Value::Array(alternatives));
        }
        Value::Object(out)
    }

    fn list(&mut self, schemas: &'a [Value], outside_list: bool) -> Vec<Value> {
        schemas
            .iter()
            .map(|schema| self.schema(schema, outside_list))
            .collect()
    }

    fn refer(&mut self, reference: &str, outside_list: bool) -> String {
        let key = (reference.to_owned(), outside_list);
        if let Some(name) = self.names.get(&key) {
            return format!("#/$defs/{name}");
        }
        let Some(target) = target(self.whole, reference) else {
            return reference.to_owned();
        };
        let mut name = format!("record-{}", self.names.len());
        while target_of_name(self.whole, &name).is_some() {
            name.push('-');
        }
        self.names.insert(key, name.clone());
        let made = self.schema(target, outside_list);
        self.definitions.insert(name.clone(), made);
        format!("#/$defs/{name}")
    }
}

/// What `#/$defs/NAME` refers to: the only references of a self-contained schema.
fn target<'a>(whole: &'a Value, reference: &str) -> Option<&'a Value> {
    target_of_name(whole, reference.strip_prefix("#/$defs/")?)
}

fn target_of_name<'a>(whole: &'a Value, name: &str) -> Option<&'a Value> {
    whole.get("$defs")?.get(name)
}

/// Leaves the definitions that `root` reaches.
fn keep_reached(root: &Value, definitions: &mut Map<String, Value>) {
    let mut reached = BTreeSet::new();
    let mut waiting = references(root);
    while let Some(name) = waiting.pop() {
        if let Some(definition) = definitions.get(&name)
            && reached.insert(name)
        {
            waiting.extend(references(definition));
        }
    }
    // A reference that is spelt in another way reaches nobody knows what.
    let odd = |value: &Value| value.to_string().contains("\"$ref\":\"#\"");
    if !odd(root) && !definitions.values().any(odd) {
        definitions.retain(|name, _| reached.contains(name));
    }
}

fn references(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(items) => waiting.extend(items),
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref")
                    && let Some(rest) = reference.strip_prefix("#/$defs/")
                {
                    let name = rest.split('/').next().unwrap_or_default();
                    found.push(name.to_owned());
                }
                waiting.extend(members.values());
            }
            _ => {}
        }
    }
    found
}
