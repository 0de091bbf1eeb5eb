//! Tests of reading compositions: what holds, and every mistake with its place.

use super::*;
use crate::testing::World;

const GOOD: &str = r#"composition = "licence"
name_en = "Licence"
name_ar = "رخصة"
deadline_ms = 5000

[[inputs]]
name = "nid"
name_en = "National ID"
name_ar = "الرقم القومي"
kind = "nid"

[[parts]]
name = "household"
name_en = "Civil registry"
name_ar = "السجل المدني"
service = "EG/GOV/CIVIL/registry/persons.v1"
operation = "household"
purpose = "licence"
fields = ["household_id", "alive"]
parameters = { national_id = { input = "nid" } }

[[parts]]
name = "property"
name_en = "Property"
name_ar = "العقارات"
service = "EG/GOV/PROPERTY/register/units.v1"
operation = "owned"
purpose = "licence"
fields = ["unit"]
parameters.household = { part = "household", field = "household_id" }
parameters.note = { text = "{input.nid} {household.alive}" }
parameters.limit = { value = 3 }
"#;

/// What is wrong with `text`, each with its line.
fn wrong(text: &str) -> Vec<(u32, What)> {
    let problems = Composition::parse(text.as_bytes()).unwrap_err();
    problems
        .into_iter()
        .map(|problem| (problem.at.line, problem.what))
        .collect()
}

/// The same of the good one with a piece replaced.
fn with(from: &str, to: &str) -> Vec<(u32, What)> {
    assert!(GOOD.contains(from), "{from}");
    wrong(&GOOD.replacen(from, to, 1))
}

#[test]
fn a_good_file_is_read_whole() {
    let read = Composition::parse(GOOD.as_bytes()).unwrap();
    assert_eq!(
        (read.deadline_ms, read.retries, read.actor_required),
        (5_000, 1, false)
    );
    assert_eq!(read.inputs[0].kind, Kind::Nid);
    let property = &read.parts[1];
    assert_eq!(property.needs, BTreeSet::from([0]));
    assert_eq!(property.title(Language::Arabic), "العقارات");
    let sources: Vec<&str> = property
        .parameters
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(sources, ["household", "limit", "note"]);
    let fields = &read.parts[0];
    assert_eq!(
        fields.fields.iter().map(Name::as_str).collect::<Vec<_>>(),
        ["alive", "household_id"]
    );
    // Places follow the fields, not the file.
    assert_eq!(
        (fields.places.fields[0].line, fields.places.fields[0].column),
        (19, 27)
    );
}

#[test]
fn mistakes_are_told_with_their_places() {
    let no_part = |name: &str| What::NoPart(name.to_owned());
    assert_eq!(
        with("part = \"household\"", "part = \"house\""),
        [(30, no_part("house"))]
    );
    let no_input = What::NoInput("id".to_owned());
    assert_eq!(with("input = \"nid\"", "input = \"id\""), [(20, no_input)]);
    let taken = What::NotTaken {
        part: "household".to_owned(),
        field: "household".to_owned(),
    };
    assert_eq!(
        with("field = \"household_id\"", "field = \"household\""),
        [(30, taken)]
    );
    let twice = What::Twice {
        what: "parts",
        name: "household".to_owned(),
    };
    assert!(with("name = \"property\"", "name = \"household\"").contains(&(23, twice)));
    let twice = What::Twice {
        what: "fields",
        name: "alive".to_owned(),
    };
    assert_eq!(
        with(
            "\"household_id\", \"alive\"",
            "\"household_id\", \"alive\", \"alive\""
        ),
        [(19, twice)]
    );
    let source = What::Source("limit".to_owned());
    assert_eq!(
        with("{ value = 3 }", "{ value = 3, input = \"nid\" }"),
        [(32, source.clone())]
    );
    assert_eq!(with("{ value = 3 }", "{ }"), [(32, source)]);
    let syntax = with("deadline_ms = 5000", "deadline_s = 5");
    assert!(
        matches!(&syntax[..], [(4, What::Syntax(said))] if said.contains("deadline_s")),
        "{syntax:?}"
    );
    let twice = with("deadline_ms = 5000", "deadline_ms = 5000\ndeadline_ms = 1");
    assert!(matches!(&twice[..], [(5, What::Syntax(_))]), "{twice:?}");
    for (from, to, line, key) in [
        (
            "deadline_ms = 5000",
            "deadline_ms = 120001",
            4,
            "deadline_ms",
        ),
        ("kind = \"nid\"", "kind = \"nod\"", 10, "kind"),
        (
            "\"EG/GOV/CIVIL/registry/persons.v1\"",
            "\"EG/GOV/CIVIL\"",
            16,
            "service",
        ),
        ("name_ar = \"العقارات\"", "name_ar = \" \"", 25, "name_ar"),
        ("{input.nid}", "{input}", 31, "text"),
        ("{ value = 3 }", "{ value = 2026-01-01 }", 32, "value"),
        ("name = \"property\"", "name = \"input\"", 23, "name"),
    ] {
        let found = with(from, to);
        let is_it = matches!(&found[..], [(at, What::NotOne { key: found, .. })] if *at == line && *found == key);
        assert!(is_it, "{from} → {to}: {found:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_in_both_languages() {
    let text = GOOD
        .replace("input = \"nid\"", "input = \"id\"")
        .replace("part = \"household\"", "part = \"x\"");
    let problems = Composition::parse(text.as_bytes()).unwrap_err();
    assert_eq!(problems.len(), 2);
    for problem in problems {
        for language in [Language::English, Language::Arabic] {
            assert!(!problem.sentence(language).is_empty());
        }
        assert_ne!(
            problem.sentence(Language::English),
            problem.sentence(Language::Arabic)
        );
    }
}

#[test]
fn a_circle_is_told_by_its_parts() {
    let found = with(
        "fields = [\"household_id\", \"alive\"]",
        "fields = [\"household_id\", \"alive\"]\nafter = [\"property\"]",
    );
    let circle = ["household", "property", "household"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(found, [(13, What::Circle(circle))]);
    let itself = with(
        "fields = [\"unit\"]",
        "fields = [\"unit\"]\nafter = [\"property\"]",
    );
    let circle = ["property", "property"].map(str::to_owned).to_vec();
    assert_eq!(itself, [(23, What::Circle(circle))]);
}

#[test]
fn what_is_huge_empty_or_no_text_is_refused_before_it_is_read() {
    let huge = vec![b'#'; FILE_BYTES_MAX + 1];
    let what = |bytes: &[u8]| Composition::parse(bytes).unwrap_err().remove(0).what;
    assert_eq!(what(&huge), What::Large(FILE_BYTES_MAX));
    assert_eq!(what(b"\xff\xfe"), What::NotText);
    assert!(matches!(what(b""), What::Syntax(_)));
    let head = GOOD.split("[[parts]]").next().unwrap();
    assert_eq!(what(format!("parts = []\n{head}").as_bytes()), What::Empty);
    let part = GOOD.split("[[parts]]").nth(1).unwrap();
    let many: String = (0..=PARTS_MAX)
        .map(|number| {
            format!(
                "[[parts]]{}",
                part.replace("\"household\"\nname_en", &format!("\"p{number}\"\nname_en"))
            )
        })
        .collect();
    assert_eq!(
        what(format!("{head}{many}").as_bytes()),
        What::TooMany {
            what: "parts",
            max: PARTS_MAX
        }
    );
    // As deep as a file can be.
    let deep = format!("{head}x = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(what(deep.as_bytes()), What::Syntax(_)));
}

#[test]
fn the_registry_says_beforehand_what_would_be_refused_and_where() {
    let world = World::new();
    let consumer = &world.consumer.system;
    let registry = &world.registry;
    let service = registry.services().next().unwrap();
    let operation = &service.definition.operations[0];
    let grant = &registry.agreement(&world.agreement).unwrap().content.grants[0];
    let text = |purpose: &str, fields: &str, operation: &str| {
        format!(
            "composition = \"c\"\nname_en = \"C\"\nname_ar = \"ج\"\n[[parts]]\nname = \"p\"\nname_en = \"P\"\nname_ar = \"ب\"\n\
             service = \"{}/{}\"\noperation = \"{operation}\"\npurpose = \"{purpose}\"\nfields = [{fields}]\n",
            world.provider.system, service.definition.service
        )
    };
    let check = |text: String| {
        let composition = Composition::parse(text.as_bytes()).unwrap();
        problems_in(&composition, registry, consumer, crate::testing::NOW)
    };
    let granted: Vec<String> = grant
        .fields
        .iter()
        .map(|field| format!("{:?}", field.as_str()))
        .collect();
    let (purpose, name) = (grant.purposes[0].as_str(), operation.name.as_str());
    assert_eq!(check(text(purpose, &granted.join(","), name)), []);
    let found = check(text("another", &granted.join(","), name));
    assert!(
        matches!(
            &found[..],
            [
                Problem {
                    at: At { line: 10, .. },
                    what: What::Denied {
                        code: proto::Code::PurposeNotGranted,
                        ..
                    }
                },
                ..
            ]
        ),
        "{found:?}"
    );
    let found = check(text(purpose, "\"nowhere\"", name));
    assert_eq!(found[0].what, What::NoField("nowhere".to_owned()));
    assert_eq!(found[0].at.line, 11);
    let found = check(text(purpose, &granted.join(","), "other"));
    assert_eq!(found[0].what, What::NoOperation("other".to_owned()));
    let found = check(text(purpose, &granted.join(","), name).replace("EG/GOV", "EG/GUV"));
    assert!(matches!(found[0].what, What::NoService(_)), "{found:?}");
    if let Some(field) = operation
        .fields
        .iter()
        .find(|field| !grant.fields.contains(field))
    {
        let found = check(text(purpose, &format!("{:?}", field.as_str()), name));
        assert!(
            matches!(
                &found[0].what,
                What::Denied {
                    code: proto::Code::FieldNotGranted,
                    ..
                }
            ),
            "{found:?}"
        );
        assert_eq!(found[0].at.line, 11);
    }
}

mod pages;
