//! Schemas that would keep a validator busy, and payloads that would.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;

/// `#/$defs/d0` … each of which applies the next one twice, by `keyword`.
fn doubling(levels: usize, last: &Value, twice: impl Fn(Value) -> Value) -> Value {
    let mut defs = serde_json::Map::new();
    for level in 0..levels {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        defs.insert(format!("d{level}"), twice(next));
    }
    defs.insert(format!("d{levels}"), last.clone());
    json!({ "$ref": "#/$defs/d0", "$defs": defs })
}

fn nested(levels: usize, one: impl Fn(Value) -> Value) -> Value {
    (0..levels).fold(json!({}), |inner, _| one(inner))
}

#[test]
fn a_schema_that_never_ends_is_refused() {
    for schema in [
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/a" } } }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "allOf": [{ "$ref": "#/$defs/b" }] },
            "b": { "anyOf": [{ "not": { "$ref": "#/$defs/a" } }] } } }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "minLength": 1, "$ref": "#/$defs/a" } } }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "dependentSchemas": { "x": { "$ref": "#/$defs/a" } } } } }),
    ] {
        let error = Work::of(&schema).unwrap_err();
        assert!(matches!(error, ContractError::Circle { .. }), "{error}");
    }
    let tree = json!({ "$ref": "#/$defs/t", "$defs": { "t": { "properties": { "left": { "$ref": "#/$defs/t" } } } } });
    assert!(Work::of(&tree).is_ok());
}

#[test]
fn definitions_that_use_each_other_twice_are_refused_before_any_payload() {
    let all = |next: Value| json!({ "allOf": [next, next] });
    assert!(Work::of(&doubling(8, &json!({}), all)).is_ok());
    let error = Work::of(&doubling(12, &json!({ "type": "string" }), all)).unwrap_err();
    assert!(matches!(error, ContractError::Schema { .. }), "{error}");
    let wide = doubling(6, &json!({ "enum": vec![0; 2000] }), all);
    assert!(Work::of(&wide).is_err());
}

#[test]
fn schemas_inside_each_other_end_before_the_stack_does() {
    let not = |inner: Value| json!({ "not": inner });
    assert!(Work::of(&nested(20, not)).is_ok());
    let error = Work::of(&nested(40, not)).unwrap_err();
    assert!(error.to_string().contains("inside each other"), "{error}");
}

#[test]
fn a_payload_that_multiplies_the_work_is_stopped() {
    // Each of 30 levels is judged twice by each judge above it.
    let twice = |next: Value| json!({ "anyOf": [{ "properties": { "x": next } }, { "properties": { "x": next } }] });
    let recursive =
        json!({ "$ref": "#/$defs/t", "$defs": { "t": twice(json!({ "$ref": "#/$defs/t" })) } });
    let payload = |levels| (0..levels).fold(json!({}), |inner, _| json!({ "x": inner }));
    let work = Work::of(&recursive).unwrap();
    assert!(work.for_payload(&payload(8)).is_some());
    assert_eq!(work.for_payload(&payload(30)), None);
    // The same once: as much work as there are levels.
    let once = json!({ "$ref": "#/$defs/t", "$defs": { "t": { "properties": { "x": { "$ref": "#/$defs/t" } } } } });
    let units = Work::of(&once).unwrap().for_payload(&payload(30)).unwrap();
    assert!(units < 200, "{units}");
}

#[test]
fn the_price_of_a_payload_grows_with_what_is_looked_at() {
    let price = |schema: Value, payload: Value| Work::of(&schema).unwrap().for_payload(&payload);
    let text = "x".repeat(100_000);
    let free = price(json!({}), json!([text, text])).unwrap();
    let paid = price(
        json!({ "items": { "pattern": "^x*$" } }),
        json!([text, text]),
    )
    .unwrap();
    assert!(free < 10 && paid > 200_000, "{free} {paid}");
    // Names are text too.
    let names = price(
        json!({ "patternProperties": { "^x*y$": {} } }),
        json!({ text: 1 }),
    )
    .unwrap();
    assert!(names > 100_000, "{names}");
    let large = json!({ "pattern": "(?:[a-z]{3}[0-9]x){400}y" });
    assert_eq!(price(large, json!("x".repeat(600_000))), None);
    let items: Vec<_> = (0..1000).collect();
    let unique = price(json!({ "uniqueItems": true }), json!(items)).unwrap();
    assert!(unique > 8_000, "{unique}");
    // What no schema judges costs nothing, however much of it there is.
    let unread = price(
        json!({ "properties": { "a": { "type": "string" } } }),
        json!({ "b": items }),
    );
    assert!(unread.unwrap() < 100);
    let second_look = json!({ "allOf": [{ "allOf": [{ "properties": { "a": {} } }] }], "unevaluatedProperties": false });
    assert!(
        price(second_look.clone(), json!({ "a": 1 }))
            > price(json!({ "allOf": second_look["allOf"] }), json!({ "a": 1 }))
    );
}

#[test]
fn a_place_in_a_list_has_its_own_schemas() {
    let schema = json!({ "prefixItems": [{ "enum": [1, 2, 3, 4, 5, 6, 7, 8] }, {}], "items": { "type": "string" } });
    let work = Work::of(&schema).unwrap();
    let first = work.for_payload(&json!([1])).unwrap();
    let second = work.for_payload(&json!([1, 1])).unwrap();
    assert!(second - first < first, "{first} {second}");
}

#[test]
fn a_schema_from_anywhere_is_read_as_strictly_as_ours() {
    let mut many = "{\"$defs\":{}".to_owned();
    for index in 0..70 {
        write!(many, ",\"x-{index}\":1").unwrap();
    }
    many += "}";
    assert!(Work::of(&serde_json::from_str(&many).unwrap()).is_ok());
    let patterns: serde_json::Map<_, _> = (0..70)
        .map(|index| (format!("^{index}$"), json!({})))
        .collect();
    for (schema, why) in [
        (json!({ "$ref": "http://example.com/x" }), "not followed"),
        (json!({ "$ref": "file:///etc/passwd" }), "not followed"),
        (json!({ "$ref": "other.json#/$defs/a" }), "not followed"),
        (json!({ "$ref": "#anchor" }), "not followed"),
        (
            json!({ "$ref": "#/properties/a", "properties": { "a": {} } }),
            "not followed",
        ),
        (json!({ "$ref": "#/$defs/a" }), "refers to nothing"),
        (json!({ "$ref": 1 }), "string"),
        (json!({ "$id": "http://example.com" }), "not used here"),
        (json!({ "items": { "$dynamicRef": "#a" } }), "not used here"),
        (
            json!({ "$schema": "http://json-schema.org/draft-04/schema#" }),
            "leave it out",
        ),
        (json!({ "requird": ["a"] }), "not used here"),
        (json!({ "properties": { "a": 1 } }), "a schema is"),
        (json!({ "patternProperties": patterns }), "patterns"),
        (json!({ "pattern": "(a)\\1" }), "go back"),
        (json!({ "patternProperties": { "(?<=a)b": {} } }), "go back"),
        (json!({ "anyOf": vec![json!({}); 1100] }), "schemas in one"),
        (json!([]), "a schema is"),
    ] {
        let error = Work::of(&schema).unwrap_err().to_string();
        assert!(error.contains(why), "{schema}: {error}");
    }
}
