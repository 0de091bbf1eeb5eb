//! TOML files and OpenAPI documents, honest and hostile, through the command's own functions.

use super::*;

const GOOD: &str = r#"
    service = "persons.v1"
    name_ar = "بيانات الأشخاص"
    name_en = "Persons"
    [[operations]]
    name = "person"
    name_ar = "شخص"
    name_en = "One person"
    fields = ["name", "birth_date", "name"]
    [[operations]]
    name = "alive"
    name_ar = "حي"
    name_en = "Whether alive"
    fields = []
"#;

#[test]
fn lists_are_sorted_and_each_name_stands_once() {
    let definition = Definition::parse(GOOD).unwrap();
    let names: Vec<_> = definition
        .operations
        .iter()
        .map(|operation| operation.name.as_str())
        .collect();
    assert_eq!(names, ["alive", "person"]);
    let fields: Vec<_> = definition.operations[1]
        .fields
        .iter()
        .map(Part::as_str)
        .collect();
    assert_eq!(fields, ["birth_date", "name"]);
    let system = SystemId::parse("EG/GOV/CIVIL/registry").unwrap();
    let sealed = definition.of_system(&system, 7);
    assert_eq!(ServiceDefinition::open(&sealed.encode()).unwrap(), sealed);
}

#[test]
fn all_problems_are_told_at_once() {
    let bad = GOOD
        .replace("persons.v1", "per sons")
        .replace("birth_date", "birth/date")
        .replace("\"alive\"", "\"\"");
    assert_eq!(Definition::parse(&bad).unwrap_err().len(), 3);
}

#[test]
fn unknown_keys_missing_keys_twins_and_hidden_characters_are_refused() {
    let unknown = GOOD.replace("service =", "colour = 1\nservice =");
    assert!(Definition::parse(&unknown).unwrap_err()[0].contains("colour"));
    let missing = GOOD.replace("name_en = \"Persons\"", "");
    assert!(Definition::parse(&missing).unwrap_err()[0].contains("name_en"));
    let twins = GOOD.replace("\"alive\"", "\"person\"");
    assert!(Definition::parse(&twins).unwrap_err()[0].contains("twice"));
    let none = "service = 'a'\nname_ar = 'ا'\nname_en = 'a'\noperations = []";
    assert!(Definition::parse(none).is_err());
    let hidden = GOOD.replace("One person", "One\u{202e}person");
    assert!(Definition::parse(&hidden).unwrap_err()[0].contains("hidden"));
    let both = hidden
        .replace("\"Persons\"", "\"\"")
        .replace("Whether", "\u{202e}");
    assert_eq!(Definition::parse(&both).unwrap_err().len(), 3);
    let text = "not toml at all";
    assert_eq!(Definition::parse(text).unwrap_err().len(), 1);
}

fn naming() -> Naming {
    Naming {
        service: Part::parse("persons.v1").unwrap(),
        name_ar: "أشخاص".to_owned(),
        name_en: "Persons".to_owned(),
        owner_contact: "persons@civil.example".to_owned(),
        sensitivity: None,
    }
}

fn openapi(document: &str) -> Result<Definition, String> {
    Definition::from_openapi(document.as_bytes(), naming())
}

const DOCUMENT: &str = r##"
openapi: 3.1.0
info: { title: Persons, version: "1" }
paths:
  /persons/{nid}:
    get:
      operationId: read
      summary: One person
      x-summary-ar: شخص واحد
      parameters:
        - { name: nid, in: path, required: true, schema: { type: string }, x-mohawel-subject: nid }
      responses:
        "200":
          description: ok
          content:
            application/json:
              schema: { $ref: "#/components/schemas/person" }
components:
  schemas:
    person:
      type: object
      required: [name]
      properties:
        name: { type: string }
        mother: { $ref: "#/components/schemas/person" }
"##;

#[test]
fn an_openapi_document_becomes_operations_with_schemas_fields_and_subjects() {
    let definition = openapi(DOCUMENT).unwrap();
    let [operation] = &definition.operations[..] else {
        panic!("{definition:?}")
    };
    assert_eq!(operation.name.as_str(), "read");
    assert_eq!(
        (operation.method.as_str(), operation.path.as_str()),
        ("GET", "/persons/{nid}")
    );
    assert_eq!(operation.name_ar, "شخص واحد");
    let fields: Vec<_> = operation.fields.iter().map(Part::as_str).collect();
    assert_eq!(fields, ["mother", "name"]);
    assert_eq!(operation.subjects[0].pointer, "/nid");
    let system = SystemId::parse("EG/GOV/CIVIL/registry").unwrap();
    let sealed = definition.of_system(&system, 7);
    assert_eq!(ServiceDefinition::open(&sealed.encode()).unwrap(), sealed);
    assert_eq!(sealed.owner_contact, "persons@civil.example");
}

#[test]
fn what_a_document_does_not_say_is_not_made_up_and_a_wrong_name_is_found() {
    let silent = DOCUMENT
        .replace("      summary: One person\n", "")
        .replace("      x-summary-ar: شخص واحد\n", "")
        .replace("operationId: read", "operationId: read_one__person");
    let definition = openapi(&silent).unwrap();
    let operation = &definition.operations[0];
    assert_eq!(operation.name_en, "read one person");
    assert!(!operation.name_ar.chars().any(|c| c.is_ascii_alphabetic()));
    let wrong = GOOD.replace("Whether alive", "Whether\u{202e}alive");
    let problem = Definition::parse(&wrong).unwrap_err().join("; ");
    assert!(problem.contains("operation alive"), "{problem}");
    let wrong = GOOD.replace("\"Persons\"", "\"Per\u{202e}sons\"");
    let problem = Definition::parse(&wrong).unwrap_err().join("; ");
    assert!(!problem.contains("operation "), "{problem}");
}

#[test]
fn a_hostile_document_is_refused_with_a_reason() {
    let remote = DOCUMENT.replace(
        "\"#/components/schemas/person\" }\ncomponents",
        "\"https://evil.example/s.json#/person\" }\ncomponents",
    );
    assert_ne!(remote, DOCUMENT);
    let local_file = DOCUMENT.replace("#/components/schemas/person", "/etc/passwd");
    let circle = DOCUMENT.replace(
        "type: object\n      required",
        "$ref: \"#/components/schemas/person\"\n      x: object\n      required",
    );
    let dangling = DOCUMENT.replace("    person:", "    nobody:");
    let bomb = format!(
        "a: &a [{}]\nb: &b [{}]\nc: &c [{}]\n{DOCUMENT}",
        "x,".repeat(100),
        "*a,".repeat(100),
        "*b,".repeat(100)
    );
    for (document, reason) in [
        (remote.as_str(), "is not followed"),
        (&local_file, "is not followed"),
        (&circle, ""),
        (&dangling, "refers to nothing"),
        (&bomb, ""),
        ("", ""),
        ("{", ""),
        ("swagger: \"2.0\"", "Swagger"),
        ("openapi: 3.0.0\npaths: {}", "no operation"),
        (
            &format!("# {}\n{DOCUMENT}", "x".repeat(1024 * 1024)),
            "bytes",
        ),
        (&"[".repeat(100_000), ""),
        (
            &DOCUMENT.replace("operationId: read", "operationId: \"../read\""),
            "operation's name",
        ),
        (
            &DOCUMENT.replace("One person", "One\u{202e}person"),
            "summary",
        ),
    ] {
        let problem = openapi(document).unwrap_err();
        assert!(problem.contains(reason), "{reason}: {problem}");
        assert!(problem.len() < 1_000, "{problem}");
    }
}

/// As many operations as are needed, each under the limit of its own.
fn wide(operations: usize) -> String {
    let mut paths = String::new();
    for index in 0..operations {
        let size = if index == 1 { 300 } else { 150 };
        let properties: Vec<_> = (0..size)
            .map(|field| format!(r#""{}{field}":{{"type":"string"}}"#, "f".repeat(40)))
            .collect();
        // Nested, so that they are no fields.
        let person = format!(
            r#"{{"type":"object","properties":{{"all":{{"type":"object","properties":{{{}}}}}}}}}"#,
            properties.join(",")
        );
        let comma = if index == 0 { "" } else { "," };
        paths.push_str(&format!(
            r#"{comma}"/p{index}":{{"get":{{"operationId":"op{index}","responses":{{"200":{{"description":"","content":{{"application/json":{{"schema":{person}}}}}}}}}}}}}"#
        ));
    }
    format!(r#"{{"openapi":"3.1.0","info":{{}},"paths":{{{paths}}}}}"#)
}

#[test]
fn what_does_not_fit_into_an_entry_names_its_biggest_operation() {
    assert_eq!(openapi(&wide(2)).unwrap().operations.len(), 2);
    let problem = openapi(&wide(6)).unwrap_err();
    assert!(
        problem.contains("'op1'") && problem.contains("57344"),
        "{problem}"
    );
}

const DESCRIBED: &str = r##"
    service = "persons.v1"
    name_ar = "أشخاص"
    name_en = "Persons"
    owner_contact = "persons@civil.example"
    sensitivity = "personal"
    [[operations]]
    name = "person"
    name_ar = "شخص"
    name_en = "One person"
    answer_schema = "answer.json"
    subjects = [{ pointer = "/mother", scheme = "nid" }]
    [operations.request_schema]
    required = ["nid"]
    [operations.request_schema.properties]
    nid = { type = "string", x-mohawel-subject = "nid" }
    mother = { type = "string" }
"##;

#[test]
fn a_file_may_give_schemas_as_tables_text_and_files_and_name_subjects() {
    let dir = tempfile::tempdir().unwrap();
    let answer = r#"{"properties":{"name":{"type":"string"},"alive":{"type":"boolean"}}}"#;
    std::fs::write(dir.path().join("answer.json"), answer).unwrap();
    let from_file = Definition::parse_in(DESCRIBED, dir.path()).unwrap();
    let text = DESCRIBED.replace("\"answer.json\"", &format!("'{answer}'"));
    assert_eq!(Definition::parse(&text).unwrap(), from_file);
    let operation = &from_file.operations[0];
    let fields: Vec<_> = operation.fields.iter().map(Part::as_str).collect();
    assert_eq!(fields, ["alive", "name"]);
    let subjects: Vec<_> = operation
        .subjects
        .iter()
        .map(|subject| subject.pointer.as_str())
        .collect();
    assert_eq!(subjects, ["/mother", "/nid"]);
    assert!(!operation.request_schema.is_empty());
    assert_eq!(
        from_file.sensitivity.as_ref().map(Part::as_str),
        Some("personal")
    );
    for (from, to, said) in [
        ("answer.json", "gone.json", "gone.json"),
        ("\"answer.json\"", "'{'", "EOF"),
        (
            "\"answer.json\"",
            "'{\"$ref\":\"other.json\"}'",
            "not followed",
        ),
        ("\"personal\"", "\"secret\"", "sensitivity"),
        ("scheme = \"nid\"", "scheme = \"n/d\"", "person"),
        ("\"/mother\"", "\"mother\"", "subjects"),
        (
            "\"/mother\", scheme = \"nid\"",
            "\"/nid\", scheme = \"card\"",
            "two schemes",
        ),
        (
            "answer_schema",
            "fields = [\"income\"]\nanswer_schema",
            "income",
        ),
        ("answer_schema = \"answer.json\"", "", "fields"),
    ] {
        let text = DESCRIBED.replace(from, to);
        assert_ne!(text, DESCRIBED, "{from}");
        let problems = Definition::parse_in(&text, dir.path())
            .unwrap_err()
            .join("; ");
        assert!(problems.contains(said), "{to}: {problems}");
    }
}
