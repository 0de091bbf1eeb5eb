//! Documents that are well made and still no service: no one request object, nothing to grant, names
//! that people would misread.

use super::*;

fn answer() -> Value {
    answering(json!({ "properties": { "a": {} } }))
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row for each case")]
fn a_request_that_is_not_one_object_is_refused() {
    let q = json!({ "name": "q", "in": "query", "schema": {} });
    let body = |schema: Value| json!({ "content": { "application/json": { "schema": schema } } });
    let object = json!({ "type": "object", "properties": { "q": {} } });
    for (operation, why) in [
        (
            json!({ "parameters": [q], "requestBody": body(object.clone()) }),
            "rename one",
        ),
        (json!({ "parameters": [q, q] }), "rename one"),
        (
            json!({ "parameters": [q], "requestBody": body(json!({ "type": "array" })) }),
            "plain object",
        ),
        (
            json!({ "parameters": [q], "requestBody": body(json!({ "allOf": [object] })) }),
            "plain object",
        ),
        (
            json!({ "parameters": [{ "name": "x", "in": "path", "required": true, "schema": {} }] }),
            "differ",
        ),
        (
            json!({ "parameters": [{ "name": "x", "in": "path", "schema": {} }] }),
            "required: true",
        ),
        (
            json!({ "parameters": [{ "name": "x", "in": "header", "required": true, "schema": {} }] }),
            "do not travel",
        ),
        (
            json!({ "parameters": [{ "name": "x", "in": "cookie", "required": true, "schema": {} }] }),
            "do not travel",
        ),
        (
            json!({ "parameters": [{ "name": "x", "in": "body", "schema": {} }] }),
            "path, query",
        ),
        (
            json!({ "parameters": [{ "in": "query", "schema": {} }] }),
            "name",
        ),
        (
            json!({ "parameters": [{ "name": "x", "in": "query" }] }),
            "media types",
        ),
        (json!({ "parameters": {} }), "list"),
        (json!({ "parameters": [1] }), "object"),
        (
            json!({ "requestBody": { "content": { "application/xml": {} } } }),
            "application/json",
        ),
        (json!({ "requestBody": body(json!(1)) }), "a schema is"),
        (
            json!({ "requestBody": { "content": { "application/json": {} } } }),
            "no schema",
        ),
        (json!({ "requestBody": {} }), "media types"),
    ] {
        let mut operation = operation;
        operation["responses"] = answer();
        let error = read(&document(operation.clone())).unwrap_err().to_string();
        assert!(error.contains(why), "{operation}: {error}");
    }
    let path =
        json!({ "openapi": "3.1.0", "paths": { "/a/{x}": { "get": { "responses": answer() } } } });
    assert!(
        read(&path)
            .unwrap_err()
            .to_string()
            .contains("declare each")
    );
    let relative = json!({ "openapi": "3.1.0", "paths": { "a": {} } });
    assert!(
        read(&relative)
            .unwrap_err()
            .to_string()
            .contains("begins with")
    );
}

#[test]
fn an_answer_of_which_nothing_could_be_granted_is_refused() {
    for (responses, why) in [
        (json!({}), "no success"),
        (json!({ "404": {}, "default": {} }), "no success"),
        (
            json!({ "200": { "content": { "application/pdf": {} } } }),
            "application/json",
        ),
        (answering(json!({})), "names no property"),
        (answering(json!({ "type": "string" })), "names no property"),
        (
            answering(
                json!({ "type": "array", "items": { "type": "array", "items": { "properties": { "a": {} } } } }),
            ),
            "names no property",
        ),
        (
            answering(json!({ "properties": { "national id": {} } })),
            "'national id' cannot be a field",
        ),
        (
            answering(json!({ "properties": { "الاسم": {} } })),
            "cannot be a field",
        ),
        (
            answering(json!({ "properties": { "_id": {} } })),
            "cannot be a field",
        ),
        (
            answering(
                json!({ "properties": (0..65).map(|n| (format!("f{n}"), json!({}))).collect::<serde_json::Map<_, _>>() }),
            ),
            "more than 64 fields",
        ),
    ] {
        let error = read(&document(json!({ "responses": responses })))
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{responses}: {error}");
    }
}

#[test]
fn names_and_summaries_that_people_would_misread_are_refused() {
    for (operation, why) in [
        (
            json!({ "operationId": "a b" }),
            "cannot be an operation's name",
        ),
        (
            json!({ "operationId": "بحث" }),
            "cannot be an operation's name",
        ),
        (
            json!({ "operationId": "l\u{043e}okup" }),
            "cannot be an operation's name",
        ),
        (
            json!({ "operationId": "" }),
            "cannot be an operation's name",
        ),
        (
            json!({ "operationId": "a/../b" }),
            "cannot be an operation's name",
        ),
        (json!({ "operationId": 1 }), "string"),
        (json!({ "summary": "a\u{202e}b" }), "summary"),
        (json!({ "x-summary-ar": "س".repeat(200) }), "summary"),
    ] {
        let mut operation = operation;
        operation["responses"] = answer();
        let error = read(&document(operation.clone())).unwrap_err().to_string();
        assert!(error.contains(why), "{operation}: {error}");
        assert!(!error.contains('\u{202e}'));
    }
    let twice = json!({ "openapi": "3.1.0", "paths": {
        "/a": { "get": { "operationId": "Lookup", "responses": answer() } },
        "/b": { "get": { "operationId": "lookup", "responses": answer() } } } });
    assert!(matches!(
        read(&twice).unwrap_err(),
        ContractError::Twice { .. }
    ));
}

#[test]
fn a_version_that_is_not_read_is_told_what_to_do() {
    for (document, why) in [
        (
            json!({ "swagger": "2.0", "paths": {} }),
            "convert it to OpenAPI 3",
        ),
        (json!({ "openapi": "3.2.0", "paths": {} }), "'3.2.0'"),
        (json!({ "openapi": "2.0", "paths": {} }), "'2.0'"),
        (
            json!({ "openapi": 3.2, "paths": {} }),
            "'3.2' is not a version",
        ),
        (json!({ "openapi": "3.10.0" }), "3.10.0"),
        (json!({ "paths": {} }), "''"),
        (json!({ "openapi": "3.1.0" }), "#/paths"),
        (json!({ "openapi": "3.1.0", "paths": {} }), "no operation"),
        (
            json!({ "openapi": "3.1.0", "jsonSchemaDialect": "http://x", "paths": {} }),
            "jsonSchemaDialect",
        ),
    ] {
        let error = read(&document).unwrap_err().to_string();
        assert!(error.contains(why), "{document}: {error}");
    }
}
