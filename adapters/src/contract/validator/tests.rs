//! Payloads against schemas, and schemas against the validator.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

fn person() -> Value {
    json!({
        "type": "object",
        "properties": {
            "nid": { "type": "string", "pattern": "^[0-9]{14}$" },
            "born": { "type": "string", "format": "date" },
            "age": { "type": ["integer", "null"], "minimum": 0 },
            "sex": { "enum": ["f", "m"] },
            "names": { "type": "array", "items": { "type": "string", "minLength": 1 }, "maxItems": 3, "uniqueItems": true },
            "address": { "$ref": "#/$defs/address" },
            "marks": { "type": "object", "additionalProperties": { "type": "integer" } },
            "id": { "oneOf": [{ "type": "string" }, { "type": "integer" }, { "minimum": 5 }] },
            "kind": { "const": "person" },
        },
        "required": ["nid"],
        "additionalProperties": false,
        "$defs": { "address": { "properties": { "city": { "type": "string", "maxLength": 5 } }, "required": ["city"] } },
    })
}

#[test]
fn one_validator_serves_every_thread() {
    fn shared<T: Send + Sync>() {}
    shared::<Validator>();
}

#[test]
fn a_payload_that_fits_is_handed_on_as_it_was_read() {
    let validator = Validator::new(&person()).unwrap();
    let text = r#"{"nid":"29001011234567","born":"1990-01-01","age":null,"sex":"f","names":["سارة"],"address":{"city":"Giza"},"marks":{"x":1},"id":3}"#;
    let value = validator.validate(text.as_bytes()).unwrap();
    assert_eq!(value["address"]["city"], "Giza");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row for each case")]
fn a_violation_says_where_and_why_and_never_what() {
    let validator = Validator::new(&person()).unwrap();
    let secret = "29001019999999";
    for (payload, pointer, rule, en) in [
        (
            json!({}),
            "",
            "required",
            "the required property 'nid' is missing",
        ),
        (
            json!({ "nid": "2900101999999" }),
            "/nid",
            "pattern",
            "pattern",
        ),
        (
            json!({ "nid": 29001019999999_i64 }),
            "/nid",
            "type",
            "string",
        ),
        (
            json!({ "nid": secret, "born": secret }),
            "/born",
            "format",
            "date",
        ),
        (
            json!({ "nid": secret, "age": secret }),
            "/age",
            "type",
            "integer",
        ),
        (
            json!({ "nid": secret, "age": -1 }),
            "/age",
            "minimum",
            "range",
        ),
        (
            json!({ "nid": secret, "sex": secret }),
            "/sex",
            "enum",
            "none of",
        ),
        (
            json!({ "nid": secret, "kind": secret }),
            "/kind",
            "const",
            "none of",
        ),
        (
            json!({ "nid": secret, "names": ["a", ""] }),
            "/names/1",
            "minLength",
            "at least 1",
        ),
        (
            json!({ "nid": secret, "names": [secret, secret] }),
            "/names",
            "uniqueItems",
            "different",
        ),
        (
            json!({ "nid": secret, "names": ["1", "2", "3", "4"] }),
            "/names",
            "maxItems",
            "at most 3",
        ),
        (
            json!({ "nid": secret, "address": { "city": secret } }),
            "/address/city",
            "maxLength",
            "at most 5",
        ),
        (
            json!({ "nid": secret, "address": { secret: 1 } }),
            "/address",
            "required",
            "city",
        ),
        (
            json!({ "nid": secret, secret: 1 }),
            "",
            "additionalProperties",
            "does not take",
        ),
        (
            json!({ "nid": secret, "marks": { secret: "x" } }),
            "/marks/*",
            "type",
            "integer",
        ),
        (
            json!({ "nid": secret, "id": 7 }),
            "/id",
            "oneOf",
            "more than one",
        ),
        (json!(secret), "", "type", "object"),
        (json!(null), "", "type", "object"),
    ] {
        let violation = validator
            .validate(payload.to_string().as_bytes())
            .unwrap_err();
        assert_eq!(violation.pointer, pointer, "{payload}");
        assert_eq!(violation.rule, rule, "{payload}");
        assert!(violation.en.contains(en), "{payload}: {}", violation.en);
        assert!(!violation.ar.is_ascii(), "{payload}: {}", violation.ar);
        let all = format!("{violation:?} {violation}");
        assert!(!all.contains("290010199"), "{payload}: {all}");
    }
}

#[test]
fn what_is_no_payload_is_told_before_the_schema_is_asked() {
    let validator = Validator::new(&json!({})).unwrap();
    let deep = "[".repeat(33) + &"]".repeat(33);
    let deepest = "[".repeat(100_000);
    let long = format!("\"{}\"", "x".repeat(PAYLOAD_BYTES_MAX));
    for (payload, rule) in [
        ("", "json"),
        ("{\"nid\":\"29001011234567\"", "json"),
        ("{\"nid\":1,\"nid\":2}", "json"),
        ("{} {}", "json"),
        (deep.as_str(), "json"),
        (deepest.as_str(), "json"),
        (long.as_str(), "bytes"),
    ] {
        let violation = validator.validate(payload.as_bytes()).unwrap_err();
        assert_eq!(violation.rule, rule);
        assert!(!violation.en.contains("2900101"), "{violation}");
    }
    assert!(validator.validate(b"\"\xff\xfe\"").is_err());
    assert!(
        validator
            .validate(&long.as_bytes()[2..PAYLOAD_BYTES_MAX])
            .is_err()
    );
    assert!(validator.validate(b"null").is_ok());
}

#[test]
fn a_hostile_pattern_takes_linear_time_or_is_refused() {
    let validator = Validator::new(&json!({ "pattern": "^(a+)+$" })).unwrap();
    let start = Instant::now();
    let payload = format!("\"{}!\"", "a".repeat(500_000));
    assert_eq!(
        validator.validate(payload.as_bytes()).unwrap_err().rule,
        "pattern"
    );
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(Validator::new(&json!({ "pattern": "^(a|b)\\1$" })).is_err());
    // The worst that is known for a linear engine: large, never matching, without a letter to look
    // out for.
    let mut state = 88_172_645_463_325_252_u64;
    let mut letters = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ['a', 'b', 'c'][(state % 3) as usize]
    });
    let text: String = letters.by_ref().take(1_000_000).collect();
    for (pattern, bytes) in [
        ("a[abc]{30}[ab]{60}", 400_000),
        ("a[abc]{300}[ab]{60}", 200_000),
        ("a[abc]{2000}[ab]{60}", 60_000),
    ] {
        let validator = Validator::new(&json!({ "pattern": pattern })).unwrap();
        let start = Instant::now();
        let violation = validator.judge(&json!(text[..bytes])).unwrap_err();
        assert_eq!(violation.rule, "pattern", "{pattern}");
        let took = start.elapsed();
        assert!(took < Duration::from_secs(20), "{pattern}: {took:?}");
    }
    let violation = Validator::new(&json!({ "pattern": "a[abc]{2000}[ab]{60}" }))
        .unwrap()
        .judge(&json!(text))
        .unwrap_err();
    assert_eq!(violation.rule, "work");
}

#[test]
fn work_without_end_is_stopped_in_time() {
    let twice = |next: Value| json!({ "anyOf": [{ "properties": { "x": next } }, { "properties": { "x": next } }] });
    let schema = json!({ "$ref": "#/$defs/t", "$defs": {
        "t": { "allOf": [twice(json!({ "$ref": "#/$defs/t" })), { "type": "object", "required": ["y"] }] } } });
    let validator = Validator::new(&schema).unwrap();
    for levels in [1, 5, 10, 15, 20, 30] {
        let payload = (0..levels).fold(json!({ "z": 1 }), |inner, _| json!({ "x": inner, "y": 1 }));
        let start = Instant::now();
        assert!(validator.validate(payload.to_string().as_bytes()).is_err());
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{levels}: {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn the_most_work_that_is_allowed_takes_seconds() {
    // A list of as many values as a payload can have, each under ten schemas.
    let schema = json!({ "items": { "allOf": vec![json!({ "type": "integer" }); 4] } });
    let validator = Validator::new(&schema).unwrap();
    let fits: Vec<_> = std::iter::repeat_n(1, 300_000).collect();
    let start = Instant::now();
    let result = validator.validate(json!(fits).to_string().as_bytes());
    assert!(result.is_ok(), "{result:?}");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    let schema = json!({ "items": { "allOf": vec![json!({ "type": "integer" }); 20] } });
    let validator = Validator::new(&schema).unwrap();
    let violation = validator
        .validate(json!(fits).to_string().as_bytes())
        .unwrap_err();
    assert_eq!(violation.rule, "work");
}

#[test]
fn the_deepest_payload_under_the_deepest_schema_fits_on_a_small_stack() {
    // 22 schemas inside each other at each of 32 levels.
    let inner = json!({ "properties": { "x": { "$ref": "#/$defs/t" } }, "items": { "$ref": "#/$defs/t" }, "type": ["object", "array", "null"] });
    let all = |schema| json!({ "allOf": [schema] });
    let any = |schema| json!({ "anyOf": [schema, { "const": 7 }] });
    let one = |schema| json!({ "oneOf": [schema, { "const": 7 }] });
    let wraps: [&dyn Fn(Value) -> Value; 3] = [&all, &any, &one];
    let t = (0..22).fold(inner, |schema, level| wraps[level % 3](schema));
    let schema = json!({ "$ref": "#/$defs/t", "$defs": { "t": t } });
    let good = (0..31).fold(json!(null), |inner, _| json!({ "x": inner }));
    let bad = (0..31).fold(json!("no"), |inner, _| json!([inner]));
    // What a worker thread of tokio has is 2 MiB.
    std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(move || {
            let validator = Validator::new(&schema).unwrap();
            validator.judge(&good).unwrap();
            validator.judge(&bad).unwrap_err();
            let _ = validator.schema.validate(&bad);
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_long_row_of_definitions_compiles_on_a_small_stack() {
    let mut defs = serde_json::Map::new();
    for level in 0..200 {
        defs.insert(
            format!("d{level}"),
            json!({ "properties": { "x": { "$ref": format!("#/$defs/d{}", level + 1) } } }),
        );
    }
    defs.insert("d200".to_owned(), json!({}));
    let schema = json!({ "$ref": "#/$defs/d0", "$defs": defs });
    std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(move || Validator::new(&schema).unwrap())
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_schema_that_is_none_or_too_large_is_refused() {
    let deep = (0..40).fold(
        json!({}),
        |inner, _| json!({ "properties": { "x": inner } }),
    );
    for (schema, why) in [
        (json!({ "type": "strin" }), "strin"),
        (json!({ "minLength": -1 }), "-1"),
        (json!({ "required": "nid" }), "nid"),
        (json!({ "exclusiveMinimum": true }), "true"),
        (
            json!({ "description": "x".repeat(OPERATION_BYTES_MAX) }),
            "bytes",
        ),
        (deep, "deep"),
        (json!(1), "object"),
    ] {
        let error = Validator::new(&schema).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(Validator::new(&json!(true)).is_ok());
    assert!(Validator::new(&json!({})).is_ok());
}

#[test]
fn a_format_that_is_not_checked_is_a_note() {
    for format in ["regex", "uri", "hostname", "int32", "byte", "nid"] {
        let validator = Validator::new(&json!({ "format": format })).unwrap();
        assert!(validator.validate(b"\"((( no\"").is_ok(), "{format}");
    }
    for (format, good) in [
        ("date", "1990-01-31"),
        ("date-time", "1990-01-31T10:00:00Z"),
        ("time", "10:00:00Z"),
        ("duration", "P1D"),
        ("uuid", "0190a0a0-0000-7000-8000-000000000000"),
        ("email", "a@example.com"),
        ("ipv4", "127.0.0.1"),
        ("ipv6", "::1"),
    ] {
        assert!(FORMATS.contains(&format));
        let validator = Validator::new(&json!({ "format": format })).unwrap();
        assert!(validator.judge(&json!(good)).is_ok(), "{format}");
        assert!(validator.judge(&json!("((( no")).is_err(), "{format}");
    }
}
