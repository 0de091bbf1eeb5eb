//! Requests and answers against a published contract, in both forms.

use proto::id::SystemId;
use proto::registry::Registry;
use serde_json::json;

use super::*;
use crate::testing::part;

fn operation(request: &Value, answer: &Value, fields: &[&str]) -> Published {
    let fields = fields.iter().map(|field| part(field)).collect();
    let bytes = |schema: &Value| match schema {
        Value::Null => Bytes::new(),
        schema => Bytes::from(schema.to_string()),
    };
    Published {
        request_schema: bytes(request),
        answer_schema: bytes(answer),
        ..Published::plain(part("read"), "قراءة", "Read", fields)
    }
}

fn definition(operation: Published) -> ServiceDefinition {
    ServiceDefinition {
        system: SystemId::parse("EG/GOV/CIVIL/registry").unwrap(),
        service: part("persons.v1"),
        name_ar: "أشخاص".to_owned(),
        name_en: "Persons".to_owned(),
        operations: vec![operation],
        issued_at_ms: 1,
        owner_contact: String::new(),
        sensitivity: None,
    }
}

fn enforced(request: Value, answer: Value, fields: &[&str]) -> Enforced {
    Enforced::of(&definition(operation(&request, &answer, fields))).unwrap()
}

fn nid() -> Value {
    json!({ "type": "object", "required": ["nid"], "additionalProperties": false,
        "properties": { "nid": { "type": "string", "pattern": "^[0-9]{14}$" } } })
}

fn person() -> Value {
    json!({ "type": "object", "required": ["name", "born"], "properties": {
        "name": { "type": "string" },
        "born": { "type": "string", "format": "date" },
        "home": { "type": "object", "required": ["city"], "properties": { "city": { "type": "string" } } },
    } })
}

const JSON: &str = "application/json";

#[test]
fn a_request_is_what_its_schema_says_or_is_refused_by_place_and_rule_only() {
    let contract = enforced(nid(), Value::Null, &[]);
    let judged = |content_type: &str, payload: &str| {
        contract
            .request(&part("read"), content_type, payload.as_bytes(), Form::Whole)
            .map_err(|found| (found.pointer.clone(), found.rule.clone(), found.to_string()))
    };
    judged(JSON, r#"{"nid":"29001018800017"}"#).unwrap();
    judged(
        "application/json; charset=utf-8",
        r#"{"nid":"29001018800017"}"#,
    )
    .unwrap();
    for (content_type, payload, pointer, rule) in [
        (JSON, r#"{"nid":"x9001018800017"}"#, "/nid", "pattern"),
        (JSON, r#"{"nid":1}"#, "/nid", "type"),
        (JSON, "{}", "", "required"),
        (JSON, "", "", "json"),
        (JSON, r#"{"nid":"29001018800017","#, "", "json"),
        (
            JSON,
            r#"{"nid":"29001018800017","nid":"29001018800018"}"#,
            "",
            "json",
        ),
        (
            "text/plain",
            r#"{"nid":"29001018800017"}"#,
            "",
            "content_type",
        ),
        ("", r#"{"nid":"29001018800017"}"#, "", "content_type"),
    ] {
        let (at, by, said) = judged(content_type, payload).unwrap_err();
        assert_eq!(
            (at.as_str(), by.as_str()),
            (pointer, rule),
            "{payload}: {said}"
        );
        assert!(!said.contains("9001018800017"), "{said}");
    }
    let huge = format!(r#"{{"nid":"{}"}}"#, "9".repeat(2 * 1024 * 1024));
    assert_eq!(judged(JSON, &huge).unwrap_err().1, "bytes");
}

#[test]
fn of_a_stock_question_the_schema_describes_the_parameters() {
    let contract = enforced(nid(), Value::Null, &[]);
    let judged = |payload: &str| {
        let payload = payload.as_bytes();
        contract.request(&part("read"), JSON, payload, Form::Rows)
    };
    judged(r#"{"operation":"read","parameters":{"nid":"29001018800017"}}"#).unwrap();
    for (payload, pointer) in [
        (
            r#"{"operation":"read","parameters":{"nid":"2"}}"#,
            "/parameters/nid",
        ),
        (r#"{"operation":"read"}"#, "/parameters"),
        (r#"{"nid":"29001018800017"}"#, "/parameters"),
        (r#"{"operation":"read","parameters":[]}"#, "/parameters"),
        ("[]", ""),
        ("7", ""),
    ] {
        assert_eq!(judged(payload).unwrap_err().pointer, pointer, "{payload}");
    }
}

#[test]
fn where_the_contract_says_nothing_nothing_is_judged() {
    let contract = enforced(Value::Null, Value::Null, &[]);
    let (read, gone) = (part("read"), part("gone"));
    contract.request(&read, "", b"\xff", Form::Whole).unwrap();
    contract.request(&gone, JSON, b"{", Form::Rows).unwrap();
    for payload in [&b"{"[..], b"", b"{\"secret\":1}"] {
        let reply = Reply::new([""; 0], JSON, payload).unwrap();
        assert_eq!(
            contract.answer(&read, &[], reply.clone(), Form::Whole),
            Ok(reply)
        );
    }
}

fn answered(
    contract: &Enforced,
    asked: &[&str],
    payload: &str,
    form: Form,
) -> Result<(Vec<String>, Value), Failure> {
    let asked: Vec<_> = asked.iter().map(|field| part(field)).collect();
    let reply = Reply::new([""; 0], JSON, payload.to_owned()).unwrap();
    let reply = contract.answer(&part("read"), &asked, reply, form)?;
    let fields = reply.fields.iter().map(ToString::to_string).collect();
    Ok((fields, serde_json::from_slice(&reply.payload).unwrap()))
}

#[test]
fn only_what_was_asked_for_leaves_and_the_header_names_all_of_it() {
    for schema in [Value::Null, person()] {
        let contract = enforced(Value::Null, schema, &["born", "home", "name"]);
        let record = r#"{"name":"Mona","born":"1990-01-01","diagnosis":"x"}"#;
        let (fields, left) = answered(&contract, &["name"], record, Form::Whole).unwrap();
        assert_eq!(
            (fields, left),
            (vec!["name".to_owned()], json!({ "name": "Mona" }))
        );
        let rows = format!(r#"{{"rows":[{record},{record}],"truncated":true,"debug":{record}}}"#);
        let (fields, left) = answered(&contract, &["name"], &rows, Form::Rows).unwrap();
        assert_eq!(fields, ["name"]);
        assert_eq!(
            left,
            json!({ "rows": [{ "name": "Mona" }, { "name": "Mona" }], "truncated": true })
        );
        let (fields, left) = answered(&contract, &[], record, Form::Whole).unwrap();
        assert_eq!((fields.len(), left), (0, json!({})));
    }
    // What is no record has no fields, so nothing permits it.
    let contract = enforced(Value::Null, Value::Null, &["name"]);
    let (_, left) = answered(&contract, &["name"], "\"a secret\"", Form::Whole).unwrap();
    assert_eq!(left, Value::Null);
    // A second member of the same name would hide the first one from us and not from every reader.
    let twice = r#"{"rows":[{"diagnosis":"x"}],"rows":[]}"#;
    assert!(answered(&contract, &["name"], twice, Form::Rows).is_err());
}

#[test]
fn bytes_that_need_no_cut_are_left_as_they_are() {
    let contract = enforced(Value::Null, person(), &["name"]);
    let payload = b"{ \"name\" : \"Mona\" }";
    let reply = Reply::new(["name"], JSON, &payload[..]).unwrap();
    let asked = [part("name")];
    let reply = contract.answer(&part("read"), &asked, reply, Form::Whole);
    assert_eq!(reply.unwrap().payload, &payload[..]);
}

#[test]
fn an_answer_may_lack_what_was_not_asked_for_and_not_differ_from_its_schema() {
    let contract = enforced(Value::Null, person(), &["born", "home", "name"]);
    for good in [
        r#"{"name":"Mona"}"#,
        "{}",
        r#"{"home":{"city":"Giza"}}"#,
        r#"{"born":"1990-01-01"}"#,
    ] {
        answered(&contract, &["born", "home", "name"], good, Form::Whole).unwrap();
    }
    for (bad, pointer) in [
        (r#"{"name":29001018800017}"#, "/name"),
        (r#"{"born":"29001018800017"}"#, "/born"),
        (r#"{"home":{}}"#, "/home"),
        ("[]", "the payload"),
        ("", "the payload"),
    ] {
        let failure = answered(&contract, &["name"], bad, Form::Whole).unwrap_err();
        let Failure::Failed(reason) = failure else {
            panic!("{failure:?}")
        };
        assert!(reason.contains(pointer), "{bad}: {reason}");
        assert!(!reason.contains("29001018800017"), "{reason}");
        let rows = format!(r#"{{"rows":[{{}},{bad}]}}"#);
        assert!(
            answered(&contract, &["name"], &rows, Form::Rows).is_err(),
            "{rows}"
        );
    }
    let reply = Reply::new([""; 0], "text/plain", "Mona").unwrap();
    let failure = contract.answer(&part("read"), &[], reply, Form::Whole);
    assert!(matches!(failure, Err(Failure::Failed(_))));
}

#[test]
fn the_record_is_relaxed_through_references_lists_and_alternatives_and_what_is_inside_is_not() {
    let mother = json!({
        "$ref": "#/$defs/person",
        "$defs": {
            "person": { "type": "object", "required": ["name"], "properties": {
                "name": { "type": "string" }, "mother": { "$ref": "#/$defs/person" } } },
            "unused": { "type": "string" },
        },
    });
    let list =
        json!({ "type": "array", "items": { "$ref": "#/$defs/person" }, "$defs": mother["$defs"] });
    let either = json!({ "oneOf": [{ "$ref": "#/$defs/person" }, { "type": "object", "required": ["code"],
        "properties": { "code": { "type": "integer" } } }], "$defs": mother["$defs"] });
    let fields = ["code", "mother", "name"];
    for (schema, good, bad) in [
        (&mother, r#"{"mother":{"name":"A"}}"#, r#"{"mother":{}}"#),
        (
            &list,
            r#"[{"mother":{"name":"A"}},{}]"#,
            r#"[{"mother":{}}]"#,
        ),
        (
            &either,
            r#"{"mother":{"name":"A"}}"#,
            r#"{"code":"x","name":1}"#,
        ),
    ] {
        let contract = enforced(Value::Null, schema.clone(), &fields);
        answered(&contract, &fields, good, Form::Whole).unwrap();
        assert!(
            answered(&contract, &fields, bad, Form::Whole).is_err(),
            "{bad}"
        );
        // What nothing refers to is not carried along.
        assert!(relaxed(schema)["$defs"].get("unused").is_none());
    }
    // A schema of a list describes all rows of a stock answer.
    let contract = enforced(Value::Null, list, &fields);
    answered(&contract, &fields, r#"{"rows":[{"name":"A"}]}"#, Form::Rows).unwrap();
    assert!(answered(&contract, &fields, r#"{"rows":[{"name":1}]}"#, Form::Rows).is_err());
}

#[test]
fn a_definition_that_cannot_be_compiled_serves_nothing() {
    for schema in [
        Bytes::from_static(b"{"),
        Bytes::from_static(b"{\"type\":7}"),
        Bytes::from_static(b"{\"$ref\":\"https://example.org/s.json\"}"),
        Bytes::from_static(b"{\"$ref\":\"#/$defs/gone\"}"),
        Bytes::from(format!("{}{}", "[".repeat(9_999), "]".repeat(9_999))),
    ] {
        let mut hostile = operation(&Value::Null, &Value::Null, &["name"]);
        hostile.request_schema = schema.clone();
        assert!(
            Enforced::of(&definition(hostile.clone())).is_err(),
            "{schema:?}"
        );
        std::mem::swap(&mut hostile.request_schema, &mut hostile.answer_schema);
        assert!(Enforced::of(&definition(hostile)).is_err(), "{schema:?}");
    }
}

#[test]
fn a_contract_is_compiled_once_and_an_unknown_one_is_none() {
    let world = crate::testing::World::new();
    let envelope = world.request(|_| {});
    let request = RequestHeader::open(&envelope.header).unwrap();
    let contracts = Contracts::default();
    let first = contracts.of(&world.registry, &request).unwrap();
    // Once compiled it stays, also for what is under way while another definition is published.
    let again = contracts.of(&Registry::empty(), &request).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    let mut other = request;
    other.contract = Digest::of(b"another");
    assert!(contracts.of(&world.registry, &other).is_none());
}
