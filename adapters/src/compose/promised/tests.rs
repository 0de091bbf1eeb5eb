//! Parts against request schemas: everything wrong is told at its place, and nothing that may be right.

use bytes::Bytes;
use proto::id::Part as Name;
use proto::refusal::Language;

use super::*;

const FILE: &str = r#"
composition = "visit"
name_en = "Visit"
name_ar = "زيارة"

[[inputs]]
name = "nid"
name_en = "National ID"
name_ar = "الرقم القومي"
kind = "nid"

[[inputs]]
name = "year"
name_en = "Year"
name_ar = "السنة"
kind = "integer"

[[parts]]
name = "person"
name_en = "Person"
name_ar = "الشخص"
service = "EG/GOV/CIVIL/registry/persons.v1"
operation = "read"
purpose = "social-benefit"
fields = ["name"]
PARAMETERS
"#;

const SCHEMA: &str = r##"{
    "type": "object",
    "properties": {
        "national_id": { "$ref": "#/$defs/nid" },
        "year": { "type": "integer", "minimum": 1900 },
        "note": { "type": ["string", "null"], "maxLength": 5 }
    },
    "required": ["national_id"],
    "additionalProperties": false,
    "$defs": { "nid": { "type": "string", "pattern": "^[0-9]{14}$" } }
}"##;

fn operation(schema: &str) -> Operation {
    Operation {
        name: Name::parse("read").unwrap(),
        name_ar: "قراءة".to_owned(),
        name_en: "Read".to_owned(),
        fields: vec![Name::parse("name").unwrap()],
        method: String::new(),
        path: String::new(),
        request_schema: Bytes::copy_from_slice(schema.as_bytes()),
        answer_schema: Bytes::new(),
        subjects: Vec::new(),
    }
}

/// What is told of these parameters, each with its line, counted from the first of them.
fn told(parameters: &str, schema: &str) -> Vec<(i64, String)> {
    let text = FILE.replace("PARAMETERS", parameters);
    let first = FILE.lines().position(|line| line == "PARAMETERS").unwrap() as i64 + 1;
    let composition = Composition::parse(text.as_bytes()).unwrap();
    let found = broken(&composition, &composition.parts[0], &operation(schema));
    let tell = |problem: &Problem| {
        assert!(!problem.sentence(Language::Arabic).is_empty());
        let line = i64::from(problem.at.line) - first;
        (line, problem.sentence(Language::English))
    };
    found.iter().map(tell).collect()
}

const NID: &str = "parameters.national_id = { input = \"nid\" }";

#[test]
fn what_the_contract_takes_is_not_spoken_of() {
    for more in [
        "",
        "parameters.year = { input = \"year\" }",
        "parameters.year = { value = 2026 }",
        "parameters.note = { text = \"short\" }",
        "parameters.note = { text = \"{input.year}\" }",
    ] {
        assert_eq!(told(&format!("{NID}\n{more}"), SCHEMA), [], "{more}");
    }
    // No schema, or none that can be read, and one that leaves everything open.
    for schema in ["", "no JSON", "true", "{}", r##"{"$ref":"#/$defs/none"}"##] {
        assert_eq!(told("parameters.x = { value = 1 }", schema), [], "{schema}");
    }
    // A circle of references ends.
    let circle = r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}}"##;
    assert_eq!(told("parameters.x = { value = 1 }", circle), []);
}

#[test]
fn what_it_does_not_take_is_told_at_its_place() {
    for (parameters, line, said) in [
        ("", -3, "'national_id'"),
        (
            &*format!("{NID}\nparameters.nid = {{ input = \"nid\" }}"),
            1,
            "'nid'",
        ),
        (
            &*format!("{NID}\nparameters.year = {{ input = \"nid\" }}"),
            1,
            "integer",
        ),
        (
            &*format!("{NID}\nparameters.year = {{ value = 1800 }}"),
            1,
            "'year'",
        ),
        (
            &*format!("{NID}\nparameters.year = {{ text = \"2026\" }}"),
            1,
            "'year'",
        ),
        (
            &*format!("{NID}\nparameters.note = {{ value = true }}"),
            1,
            "'note'",
        ),
        (
            &*format!("{NID}\nparameters.note = {{ text = \"too long\" }}"),
            1,
            "'note'",
        ),
        ("parameters.national_id = { input = \"year\" }", 0, "string"),
        (
            "parameters.national_id = { text = \"29\" }",
            0,
            "'national_id'",
        ),
    ] {
        let found = told(parameters, SCHEMA);
        let [(at, text)] = &found[..] else {
            panic!("{parameters}: {found:?}");
        };
        assert_eq!(*at, line, "{parameters}: {text}");
        assert!(text.contains(said), "{parameters}: {text}");
    }
}

#[test]
fn a_schema_of_the_whole_stock_payload_is_read_as_one() {
    let whole = format!(
        r#"{{"type":"object","required":["operation","parameters"],"additionalProperties":false,
            "properties":{{"operation":{{"const":"read"}},"parameters":{SCHEMA}}}}}"#
    );
    assert_eq!(told("", &whole).len(), 1);
    // There the parameter's own definitions are below it, which is not the place that its reference names.
    assert_eq!(told(NID, &whole), []);
}
