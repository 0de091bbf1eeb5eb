//! The table: what was, what is, and what that breaks in a request and in an answer.

use serde_json::{Value, json};

/// old, new, and what it breaks in a request and in an answer (kind and place below `/p`).
pub(super) type Row = (
    Value,
    Value,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
);

#[expect(clippy::too_many_lines, reason = "one row for each case")]
pub(super) fn rows() -> Vec<Row> {
    let person = json!({ "type": "object", "properties": { "n": { "type": "string" } } });
    let more = json!({ "type": "object", "properties": { "n": { "type": "string" }, "m": {} } });
    vec![
        // types
        (
            json!({ "type": "string" }),
            json!({ "type": "integer" }),
            &[("type_changed", "")],
            &[("type_changed", "")],
        ),
        (
            json!({ "type": ["string", "null"] }),
            json!({ "type": "string" }),
            &[("type_narrowed", "")],
            &[],
        ),
        (
            json!({ "type": "string" }),
            json!({ "type": ["string", "null"] }),
            &[],
            &[("type_widened", "")],
        ),
        (
            json!({ "type": "integer" }),
            json!({ "type": "number" }),
            &[],
            &[("type_widened", "")],
        ),
        (
            json!({ "type": "number" }),
            json!({ "type": "integer" }),
            &[("type_narrowed", "")],
            &[],
        ),
        (
            json!({}),
            json!({ "type": "string" }),
            &[("type_narrowed", "")],
            &[],
        ),
        (
            json!({ "type": "string" }),
            json!({ "anyOf": [{ "type": "null" }, { "type": "string" }] }),
            &[],
            &[("type_widened", "")],
        ),
        (
            json!({ "type": ["string", "null"] }),
            json!({ "oneOf": [{ "type": "string" }, { "type": "null" }] }),
            &[],
            &[],
        ),
        (
            json!(true),
            json!(false),
            &[("type_changed", "")],
            &[("type_changed", "")],
        ),
        (
            json!(false),
            json!({ "type": "string" }),
            &[],
            &[("type_widened", "")],
        ),
        // values
        (
            json!({ "enum": ["a", "b"] }),
            json!({ "enum": ["a"] }),
            &[("enum_value_removed", "")],
            &[],
        ),
        (
            json!({ "enum": ["a"] }),
            json!({ "enum": ["b", "a"] }),
            &[],
            &[("enum_value_added", "")],
        ),
        (
            json!({ "type": "string" }),
            json!({ "type": "string", "enum": ["a"] }),
            &[("enum_value_removed", "")],
            &[],
        ),
        (
            json!({ "enum": ["a"] }),
            json!({ "type": "string" }),
            &[],
            &[("enum_value_added", "")],
        ),
        (json!({ "enum": ["a"] }), json!({ "const": "a" }), &[], &[]),
        // properties
        (
            more.clone(),
            person.clone(),
            &[("property_removed", "/m")],
            &[("property_removed", "/m")],
        ),
        (person.clone(), more.clone(), &[], &[]),
        (
            person.clone(),
            json!({ "type": "object", "properties": { "n": { "type": "integer" } } }),
            &[("type_changed", "/n")],
            &[("type_changed", "/n")],
        ),
        (
            person.clone(),
            json!({ "type": "object", "properties": { "n": { "type": "string" } }, "required": ["n"] }),
            &[("property_required", "/n")],
            &[],
        ),
        (
            person.clone(),
            json!({ "type": "object", "properties": { "n": { "type": "string" }, "x": {} }, "required": ["x"] }),
            &[("property_required", "/x")],
            &[],
        ),
        (
            json!({ "properties": { "n": {} }, "required": ["n"] }),
            json!({ "properties": { "n": {} } }),
            &[],
            &[("property_optional", "/n")],
        ),
        (
            json!({ "properties": { "n": {} }, "required": ["n"] }),
            json!({ "properties": {} }),
            &[("property_removed", "/n")],
            &[("property_removed", "/n")],
        ),
        (
            person.clone(),
            json!({ "type": "object", "properties": { "n": { "type": "string" } }, "additionalProperties": false }),
            &[("properties_closed", "")],
            &[],
        ),
        (
            json!({ "additionalProperties": false }),
            json!({}),
            &[],
            &[],
        ),
        (
            json!({ "additionalProperties": { "type": "string" } }),
            json!({ "additionalProperties": { "type": "integer" } }),
            &[("type_changed", "/*")],
            &[("type_changed", "/*")],
        ),
        (
            json!({}),
            json!({ "additionalProperties": { "type": "integer" } }),
            &[("constraint_tightened", "/*")],
            &[],
        ),
        (
            json!({}),
            json!({ "additionalProperties": {}, "items": true, "unevaluatedProperties": true }),
            &[],
            &[],
        ),
        // items
        (
            json!({ "items": { "type": "string" } }),
            json!({ "items": { "type": "boolean" } }),
            &[("type_changed", "/*")],
            &[("type_changed", "/*")],
        ),
        (
            json!({ "items": { "type": "string" } }),
            json!({}),
            &[],
            &[("constraint_loosened", "/*")],
        ),
        (
            json!({ "prefixItems": [{}] }),
            json!({ "prefixItems": [{}, {}] }),
            &[("constraint_tightened", "")],
            &[("constraint_loosened", "")],
        ),
        // conditions
        (
            json!({ "maxLength": 9 }),
            json!({ "maxLength": 8 }),
            &[("constraint_tightened", "")],
            &[],
        ),
        (
            json!({ "maxLength": 8 }),
            json!({ "maxLength": 9 }),
            &[],
            &[("constraint_loosened", "")],
        ),
        (
            json!({ "minimum": 1 }),
            json!({ "minimum": 2.5 }),
            &[("constraint_tightened", "")],
            &[],
        ),
        (
            json!({ "minimum": 1 }),
            json!({}),
            &[],
            &[("constraint_loosened", "")],
        ),
        (
            json!({}),
            json!({ "minItems": 1 }),
            &[("constraint_tightened", "")],
            &[],
        ),
        (
            json!({ "pattern": "a" }),
            json!({ "pattern": "b" }),
            &[("constraint_tightened", "")],
            &[("constraint_loosened", "")],
        ),
        (
            json!({ "format": "date" }),
            json!({}),
            &[],
            &[("constraint_loosened", "")],
        ),
        (
            json!({ "uniqueItems": true }),
            json!({ "uniqueItems": false }),
            &[],
            &[("constraint_loosened", "")],
        ),
        (json!({ "uniqueItems": false }), json!({}), &[], &[]),
        (
            json!({ "not": { "const": 1 } }),
            json!({ "not": { "const": 2 } }),
            &[("constraint_tightened", "")],
            &[("constraint_loosened", "")],
        ),
        (
            json!({ "patternProperties": { "title": {} } }),
            json!({ "patternProperties": { "title": { "type": "string" } } }),
            &[("constraint_tightened", "")],
            &[("constraint_loosened", "")],
        ),
        // forms
        (
            json!({ "anyOf": [person, more] }),
            json!({ "anyOf": [more, person] }),
            &[],
            &[],
        ),
        (
            json!({ "oneOf": [person, more, true] }),
            json!({ "oneOf": [person, more] }),
            &[("alternatives_changed", "")],
            &[],
        ),
        (
            json!({ "anyOf": [person, more] }),
            json!({ "anyOf": [person, more, { "type": "string" }] }),
            &[],
            &[("alternatives_changed", "")],
        ),
        (
            json!({ "anyOf": [person, { "type": "string" }] }),
            json!({ "anyOf": [person, { "type": "integer" }] }),
            &[("type_changed", "")],
            &[("type_changed", "")],
        ),
        (
            json!({}),
            json!({ "anyOf": [person, more] }),
            &[("alternatives_changed", "")],
            &[],
        ),
        // the same said otherwise
        (
            person.clone(),
            json!({ "allOf": [{ "type": "object" }, { "properties": { "n": { "type": "string" } } }] }),
            &[],
            &[],
        ),
        (
            json!({ "title": "a", "description": "b", "default": 1 }),
            json!({ "title": "c", "deprecated": true }),
            &[],
            &[],
        ),
        (
            json!({ "allOf": [{ "minLength": 1 }, { "minLength": 5 }] }),
            json!({ "minLength": 5 }),
            &[],
            &[],
        ),
        (
            json!({ "properties": { "title": {} } }),
            json!({ "properties": { "title": { "type": "string" } } }),
            &[("type_narrowed", "/title")],
            &[],
        ),
        (
            json!({ "anyOf": [{ "properties": { "title": {} } }, true, false] }),
            json!({ "anyOf": [{ "properties": { "title": false } }, true, false] }),
            &[("type_changed", "/title")],
            &[("type_changed", "/title")],
        ),
    ]
}
