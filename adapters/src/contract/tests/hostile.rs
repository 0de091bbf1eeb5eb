//! Documents that nobody should write: huge, cyclic, pointing elsewhere, meaning two things.

use std::time::{Duration, Instant};

use super::*;

fn answer() -> Value {
    answering(json!({ "properties": { "a": {} } }))
}

/// The error of a document of one operation that answers by `schema`.
fn refused(schema: Value, components: Value) -> ContractError {
    let mut document = document(json!({ "operationId": "x", "responses": answering(schema) }));
    document["components"] = components;
    read(&document).unwrap_err()
}

#[test]
fn a_reference_that_leaves_the_document_is_refused_by_its_pointer() {
    for reference in [
        "http://169.254.169.254/latest",
        "https://example.com/a.json#/A",
        "file:///etc/passwd",
        "other.yaml#/components/schemas/A",
        "//example.com/a",
        "components/schemas/A",
        "#A",
        "#%2Fcomponents/schemas/A",
        "",
    ] {
        let error = refused(
            json!({ "properties": { "a": { "$ref": reference } } }),
            json!({}),
        );
        let ContractError::Remote { pointer, .. } = &error else {
            panic!("{reference}: {error}");
        };
        assert!(pointer.ends_with("/schema/properties/a"), "{pointer}");
    }
    for (place, document) in [
        (
            "path",
            json!({ "openapi": "3.0.0", "paths": { "/a": { "$ref": "a.yaml" } } }),
        ),
        (
            "parameter",
            document(json!({ "parameters": [{ "$ref": "a.yaml" }], "responses": answer() })),
        ),
        (
            "body",
            document(json!({ "requestBody": { "$ref": "a.yaml" }, "responses": answer() })),
        ),
        (
            "response",
            document(json!({ "responses": { "200": { "$ref": "a.yaml" } } })),
        ),
    ] {
        let error = read(&document).unwrap_err();
        assert!(
            matches!(error, ContractError::Remote { .. }),
            "{place}: {error}"
        );
    }
    for keyword in [
        "$id",
        "$anchor",
        "$dynamicRef",
        "$dynamicAnchor",
        "$recursiveRef",
        "$vocabulary",
    ] {
        let error = refused(
            json!({ "properties": { "a": { keyword: "http://x/" } } }),
            json!({}),
        );
        assert!(
            matches!(error, ContractError::Keyword { .. }),
            "{keyword}: {error}"
        );
    }
    let error = refused(
        json!({ "$schema": "http://json-schema.org/draft-07/schema#" }),
        json!({}),
    );
    assert!(error.to_string().contains("2020-12"), "{error}");
}

#[test]
fn a_chain_that_never_reaches_a_schema_is_refused() {
    let to = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let circle = json!({ "schemas": { "A": to("B"), "B": to("C"), "C": to("A"), "D": { "allOf": [to("D")] }, "E": to("nobody") } });
    for schema in [
        to("A"),
        json!({ "items": to("A") }),
        json!({ "properties": { "d": to("D") } }),
    ] {
        let error = refused(schema.clone(), circle.clone());
        assert!(
            matches!(error, ContractError::Circle { .. }),
            "{schema}: {error}"
        );
    }
    let error = refused(to("E"), circle);
    assert!(matches!(error, ContractError::Dangling { .. }), "{error}");
    let parameters = json!({ "parameters": { "p": { "$ref": "#/components/parameters/p" } } });
    let mut document = document(
        json!({ "parameters": [{ "$ref": "#/components/parameters/p" }], "responses": answer() }),
    );
    document["components"] = parameters;
    assert!(matches!(
        read(&document).unwrap_err(),
        ContractError::Circle { .. }
    ));
}

#[test]
fn a_reference_to_what_is_no_schema_is_refused() {
    for (reference, components) in [
        ("#/paths", json!({})),
        ("#/components", json!({ "schemas": {} })),
        ("#/components/x", json!({ "x": [1] })),
        ("#/openapi", json!({})),
        ("#", json!({})),
    ] {
        let error = refused(json!({ "items": { "$ref": reference } }), components);
        let kind = matches!(
            error,
            ContractError::Keyword { .. } | ContractError::Shape { .. }
        );
        assert!(kind, "{reference}: {error}");
    }
}

#[test]
fn a_keyword_that_would_be_passed_over_is_refused() {
    for keyword in [
        "requird",
        "minLenght",
        "nullable",
        "dependencies",
        "additionalItems",
        "id",
        "divisibleBy",
    ] {
        let error = refused(
            json!({ "properties": { "a": { keyword: true } } }),
            json!({}),
        );
        assert!(
            matches!(error, ContractError::Keyword { .. }),
            "{keyword}: {error}"
        );
    }
    for (schema, why) in [
        (json!({ "properties": [] }), "object of schemas"),
        (json!({ "anyOf": {} }), "list of schemas"),
        (json!({ "properties": { "a": "string" } }), "a schema is"),
        (json!({ "properties": { "a": { "$ref": 1 } } }), "string"),
        (json!({ "properties": { "a": { "type": "file" } } }), "file"),
        (
            json!({ "properties": { "a": { "pattern": "(?<x>a)\\k<x>" } } }),
            "go back",
        ),
    ] {
        let error = refused(schema.clone(), json!({})).to_string();
        assert!(error.contains(why), "{schema}: {error}");
    }
}

#[test]
fn what_is_too_large_is_refused_quickly() {
    let start = Instant::now();
    let huge = vec![b' '; DOCUMENT_BYTES_MAX + 1];
    assert_eq!(
        Contract::from_openapi(&huge),
        Err(ContractError::DocumentBytes(huge.len()))
    );
    let deep = format!("{}1{}", "{\"a\":".repeat(70), "}".repeat(70));
    assert!(
        Contract::from_openapi(deep.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("deep")
    );
    let paths: serde_json::Map<_, _> = (0..65)
        .map(|n| {
            (
                format!("/p{n}"),
                json!({ "get": { "responses": answer() } }),
            )
        })
        .collect();
    let many = json!({ "openapi": "3.1.0", "paths": paths });
    assert_eq!(
        read(&many).unwrap_err(),
        ContractError::TooMany {
            what: "operations",
            max: 64
        }
    );
    let wordy = answering(json!({ "properties": { "a": { "description": "x".repeat(25_000) } } }));
    let error = read(&document(json!({ "operationId": "x", "responses": wordy }))).unwrap_err();
    assert!(
        matches!(
            error,
            ContractError::OperationBytes {
                bytes: 25_000..,
                ..
            }
        ),
        "{error}"
    );
    // Definitions that use each other twice are few; to unfold them would be gigabytes.
    let schemas: serde_json::Map<_, _> = (0..40)
        .map(|n| {
            let next = json!({ "$ref": format!("#/components/schemas/s{}", n + 1) });
            (
                format!("s{n}"),
                json!({ "properties": { "a": next, "b": next } }),
            )
        })
        .chain([("s40".to_owned(), json!({ "type": "string" }))])
        .collect();
    let mut doubling =
        document(json!({ "responses": answering(json!({ "$ref": "#/components/schemas/s0" })) }));
    doubling["components"] = json!({ "schemas": schemas });
    let operation = one(&doubling);
    assert!(operation.answer_schema.to_string().len() < 4_000);
    let references: Vec<_> = (0..300)
        .map(|_| json!({ "$ref": "#/components/schemas/s40" }))
        .collect();
    let mut many = document(json!({ "responses": answering(json!({ "anyOf": references })) }));
    many["components"] = doubling["components"].clone();
    assert!(matches!(
        read(&many).unwrap_err(),
        ContractError::TooMany { .. }
    ));
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn subjects_behind_definitions_that_double_end_the_search() {
    let schemas: serde_json::Map<_, _> = (0..20)
        .map(|n| {
            let next = json!({ "$ref": format!("#/components/schemas/s{}", n + 1) });
            (
                format!("s{n}"),
                json!({ "properties": { "a": next, "b": next } }),
            )
        })
        .chain([("s20".to_owned(), json!({ "x-mohawel-subject": "nid" }))])
        .collect();
    let mut document = document(json!({
        "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/s0" } } } },
        "responses": answer(),
    }));
    document["components"] = json!({ "schemas": schemas });
    assert!(matches!(
        read(&document).unwrap_err(),
        ContractError::TooMany { .. }
    ));
}

#[test]
fn bytes_that_are_no_document_are_refused() {
    for (bytes, why) in [
        (&b""[..], "empty"),
        (b"\xff\xfe", "UTF-8"),
        (b"{", "as JSON"),
        (b"{\"openapi\":\"3.1.0\",\"openapi\":\"3.0.0\"}", "twice"),
        (b"openapi: 3.1.0\nopenapi: 3.0.0", "twice"),
        (b"a: &a [*a]", "anchor"),
        (b"- 1", "''"),
        (b"null", "''"),
        (b"<html>", "''"),
    ] {
        let error = Contract::from_openapi(bytes).unwrap_err().to_string();
        assert!(
            error.contains(why),
            "{}: {error}",
            String::from_utf8_lossy(bytes)
        );
    }
    // Cut anywhere, a document is refused or means less; nothing breaks.
    for end in (0..REGISTRY.len())
        .filter(|end| REGISTRY.is_char_boundary(*end))
        .step_by(7)
    {
        let _ = Contract::from_openapi(&REGISTRY.as_bytes()[..end]);
    }
}

/// Any place of `value`, chosen by the numbers that `next` gives.
fn anywhere<'a>(mut value: &'a mut Value, next: &mut impl FnMut() -> usize) -> &'a mut Value {
    loop {
        let stop = next().is_multiple_of(6);
        let empty = match value {
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => true,
        };
        if stop || empty {
            return value;
        }
        value = match value {
            Value::Array(items) => {
                let place = next() % items.len();
                &mut items[place]
            }
            Value::Object(members) => {
                let place = next() % members.len();
                members.values_mut().nth(place).unwrap()
            }
            _ => unreachable!(),
        };
    }
}

#[test]
fn a_document_changed_anywhere_is_refused_or_is_a_contract_that_holds() {
    let original = yaml::read(REGISTRY, 64).unwrap();
    let contract = read(&original).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    let (mut read_well, mut refused) = (0, 0);
    for _ in 0..1_500 {
        let mut changed = original.clone();
        for _ in 0..=next() % 3 {
            let piece = anywhere(&mut original.clone(), &mut next).clone();
            let new = match next() % 9 {
                0 => Value::Null,
                1 => json!(true),
                2 => json!(-1.5),
                3 => json!("#/components/schemas/Person"),
                4 => json!({ "$ref": "#/components/schemas/Person" }),
                5 => json!({ "$ref": "#/components/schemas/Person/properties/children/items" }),
                6 => json!([]),
                _ => piece,
            };
            *anywhere(&mut changed, &mut next) = new;
        }
        match read(&changed) {
            Ok(other) => {
                read_well += 1;
                let _ = breaking(&contract, &other);
                assert_eq!(breaking(&other, &other), []);
                for operation in &other.operations {
                    Validator::new(&operation.request_schema).unwrap();
                    Validator::new(&operation.answer_schema).unwrap();
                }
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(read_well > 100 && refused > 100, "{read_well} {refused}");
}
