//! One row for each way to break a promise, and for each that looks like one and is none.

mod rows;

use serde_json::{Value, json};

use super::*;
use crate::contract::{OperationSchemas, SchemaSet};
use rows::rows;

fn contract(request: &Value, answer: &Value) -> Contract {
    let schemas = OperationSchemas {
        request: request.clone(),
        answer: answer.clone(),
        ..OperationSchemas::default()
    };
    Contract::from_schemas(&SchemaSet {
        operations: [("op".to_owned(), schemas)].into(),
    })
    .unwrap()
}

fn kinds(changes: &[Change]) -> Vec<(&'static str, &str)> {
    changes
        .iter()
        .map(|change| (change.kind.word(), change.pointer.as_str()))
        .collect()
}

/// What changes when `p` of the request is judged by `new` instead of `old`.
fn request(old: Value, new: Value) -> Vec<(&'static str, String)> {
    let whole = |schema: &Value| json!({ "properties": { "p": schema } });
    let answer = json!({ "properties": { "a": {} } });
    let changes = breaking(
        &contract(&whole(&old), &answer),
        &contract(&whole(&new), &answer),
    );
    owned(&changes)
}

fn answer(old: Value, new: Value) -> Vec<(&'static str, String)> {
    let whole = |schema: &Value| json!({ "properties": { "p": schema } });
    let changes = breaking(
        &contract(&json!({}), &whole(&old)),
        &contract(&json!({}), &whole(&new)),
    );
    owned(&changes)
}

fn owned(changes: &[Change]) -> Vec<(&'static str, String)> {
    for change in changes {
        assert!(change.en.starts_with("op"), "{}", change.en);
        assert!(!change.ar.is_ascii(), "{}", change.ar);
    }
    kinds(changes)
        .into_iter()
        .map(|(kind, pointer)| (kind, pointer.to_owned()))
        .collect()
}

#[test]
fn every_difference_is_judged_from_the_side_of_those_who_ask() {
    for (old, new, in_request, in_answer) in rows() {
        let expect = |changes: &[(&'static str, &str)]| -> Vec<_> {
            let placed = |(kind, at): &(&'static str, &str)| (*kind, format!("/p{at}"));
            changes.iter().map(placed).collect()
        };
        assert_eq!(
            request(old.clone(), new.clone()),
            expect(in_request),
            "request {old} -> {new}"
        );
        assert_eq!(
            answer(old.clone(), new.clone()),
            expect(in_answer),
            "answer {old} -> {new}"
        );
    }
}

#[test]
fn the_same_contract_breaks_nothing() {
    for (old, new, ..) in rows() {
        for schema in [old, new] {
            assert_eq!(request(schema.clone(), schema.clone()), [], "{schema}");
            assert_eq!(answer(schema.clone(), schema.clone()), [], "{schema}");
        }
    }
}

#[test]
fn an_operation_a_field_and_a_subject_that_are_gone_are_told() {
    let nid = json!({ "properties": { "nid": { "x-mohawel-subject": "nid" } } });
    let card = json!({ "properties": { "nid": { "x-mohawel-subject": "card" } } });
    let list = |fields: Value| json!({ "type": "array", "items": { "properties": fields } });
    let old = contract(&nid, &list(json!({ "a": {}, "b": {} })));
    let new = contract(&card, &list(json!({ "b": {}, "c": {} })));
    let changes = breaking(&old, &new);
    assert_eq!(
        kinds(&changes),
        [
            ("subject_changed", "/nid"),
            ("subject_changed", "/nid"),
            ("field_removed", "/a")
        ]
    );
    assert_eq!(changes[2].field(), Some("a"));
    assert_eq!(breaking(&old, &old), []);
    let none = Contract {
        operations: Vec::new(),
    };
    assert_eq!(kinds(&breaking(&old, &none)), [("operation_removed", "")]);
    assert_eq!(breaking(&none, &old), []);
    // Marked no more is told once.
    let unmarked = contract(
        &json!({ "properties": { "nid": {} } }),
        &list(json!({ "a": {}, "b": {} })),
    );
    assert_eq!(
        kinds(&breaking(&old, &unmarked)),
        [("subject_changed", "/nid")]
    );
}

#[test]
fn a_definition_is_followed_by_whatever_name_and_to_its_end() {
    let tree = |name: &str, value: Value| {
        let reference = json!({ "$ref": format!("#/$defs/{name}") });
        json!({ "properties": { "t": reference, "u": reference },
            "$defs": { name: { "properties": { "value": value, "left": reference, "right": reference } } } })
    };
    let string = json!({ "type": "string" });
    let old = contract(&json!({}), &tree("tree", string.clone()));
    assert_eq!(
        breaking(&old, &contract(&json!({}), &tree("node", string))),
        []
    );
    let changed = breaking(
        &old,
        &contract(&json!({}), &tree("node", json!({ "type": "integer" }))),
    );
    // Once for each field that is touched.
    let fields: Vec<_> = changed
        .iter()
        .map(|change| change.field().unwrap())
        .collect();
    assert!(
        fields.contains(&"t") && fields.contains(&"u"),
        "{changed:?}"
    );
    assert!(
        changed
            .iter()
            .all(|change| change.kind == ChangeKind::TypeChanged)
    );
}

#[test]
fn contracts_that_are_not_well_made_end_the_comparison() {
    let operation = |schema: &Value| Operation {
        name: "op".to_owned(),
        method: None,
        path: None,
        summary_en: None,
        summary_ar: None,
        request_schema: schema.clone(),
        answer_schema: schema.clone(),
        fields: Vec::new(),
        subjects: Vec::new(),
    };
    let whole = |schema: &Value| Contract {
        operations: vec![operation(schema)],
    };
    let double = |last: &str| {
        let mut defs = serde_json::Map::new();
        for level in 0..30 {
            let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
            defs.insert(
                format!("d{level}"),
                json!({ "properties": { "a": next, "b": next }, "allOf": [next, next] }),
            );
        }
        defs.insert("d30".to_owned(), json!({ "type": last }));
        json!({ "$ref": "#/$defs/d0", "$defs": defs })
    };
    let hostile = [
        json!({ "anyOf": [{ "type": "null" }, { "$ref": "#" }] }),
        json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }, { "$ref": "#" }] }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "$ref": "#/nowhere" }),
        json!({ "properties": 1, "required": {}, "enum": 2, "type": 3, "items": [], "anyOf": {}, "minimum": "x", "maximum": {} }),
        json!(7),
        json!({ "not": { "not": { "$ref": "#" } } }),
        double("string"),
        double("integer"),
    ];
    for old in &hostile {
        for new in &hostile {
            let changes = breaking(&whole(old), &whole(new));
            assert!(changes.len() < 10_000, "{}", changes.len());
        }
    }
    let changes = breaking(&whole(&double("string")), &whole(&double("integer")));
    assert!(!changes.is_empty());
}
