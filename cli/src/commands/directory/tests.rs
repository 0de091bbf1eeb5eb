//! A small directory, searched as people search: in both languages, spelt as they spell.

use audit::clock::Clock;

use super::*;
use crate::commands::service::definition::Definition;
use crate::commands::{act, service};
use crate::testing::Bench;

const SCHOOLS: &str = r#"
    service = "schools.v1"
    name_ar = "بيانات المدارس"
    name_en = "Schools"
    [[operations]]
    name = "enrolment"
    name_ar = "قيد طالب في مدرسة"
    name_en = "Enrolment of a pupil"
    fields = ["pupil_name", "school_year"]
    [[operations]]
    name = "results-2026"
    name_ar = "نتائج ٢٠٢٦"
    name_en = "Results of the year"
    fields = ["grade", "seat_number"]
"#;

const PERSONS: &str = r#"
    service = "persons.v1"
    name_ar = "بيانات الأشخاص"
    name_en = "Persons"
    [[operations]]
    name = "lookup"
    name_ar = "بحث بالرقم القومي"
    name_en = "One person by national ID"
    fields = ["birth_date", "school_name"]
"#;

/// Two agencies and what they offer, as the registry of a real switch has it.
async fn directory() -> std::sync::Arc<Registry> {
    let bench = Bench::new(Clock::System).await;
    let running = bench.start().await;
    let edu = bench.enrol(
        "EG/GOV/EDU/schools",
        ["وزارة التربية والتعليم", "Ministry of Education"],
    );
    let edu = act::connect(&edu.await).await.unwrap();
    let civil = bench.enrol(
        "EG/GOV/CIVIL/registry",
        ["مصلحة الأحوال المدنية - مكتب أحمد عرابي", "Civil Registry"],
    );
    let civil = act::connect(&civil.await).await.unwrap();
    for (adapter, text) in [(&edu, SCHOOLS), (&civil, PERSONS)] {
        let definition = Definition::parse(text).unwrap();
        let authority = crate::commands::act::plain_authority(adapter).unwrap();
        service::publish(adapter, &authority, &definition)
            .await
            .unwrap();
    }
    drop((edu, civil));
    running.shutdown().await.unwrap();
    registry::from_log(&bench.switch.log()).unwrap().into()
}

/// What a query finds, in order: `id`, or `id operation`.
fn found(registry: &Registry, typed: &str) -> Vec<String> {
    let query = Query::parse(&[typed.to_owned()]).unwrap();
    let name = |hit: &Hit<'_>| match hit.thing.operation {
        Some(operation) => format!("{} {operation}", hit.thing.id),
        None => hit.thing.id.clone(),
    };
    let hits = search::search(registry, &query);
    hits.iter().map(name).collect()
}

const CIVIL: &str = "EG/GOV/CIVIL";
const SCHOOLS_ID: &str = "EG/GOV/EDU/schools/schools.v1";
const ENROLMENT: &str = "EG/GOV/EDU/schools/schools.v1 enrolment";
const RESULTS: &str = "EG/GOV/EDU/schools/schools.v1 results-2026";
const PERSONS_ID: &str = "EG/GOV/CIVIL/registry/persons.v1";
const LOOKUP: &str = "EG/GOV/CIVIL/registry/persons.v1 lookup";

#[tokio::test(flavor = "multi_thread")]
async fn what_people_type_finds_what_agencies_wrote() {
    let registry = directory().await;
    for (typed, first) in [
        // However hamza, ta marbuta, alef maqsura, tatweel, marks and digits are written.
        ("احمد", CIVIL),
        ("مدرسه", ENROLMENT),
        ("المدرسة", ENROLMENT),
        ("الاحوال المدنيه", CIVIL),
        ("أحـــوال", CIVIL),
        ("قَيْد", ENROLMENT),
        ("٢٠٢٦", RESULTS),
        ("2026", RESULTS),
        ("۲۰۲۶", RESULTS),
        ("نتايج", RESULTS),
        // English, any case, parts of words, identifiers.
        ("EDUCATION", "EG/GOV/EDU"),
        ("perso", PERSONS_ID),
        ("persons.v1", PERSONS_ID),
        ("CIVIL/registry/persons.v1", PERSONS_ID),
        ("birth_date", LOOKUP),
        ("birth date", LOOKUP),
        ("lookup", LOOKUP),
        // All words, in any order, in either language, from service and operation together.
        ("national persons", LOOKUP),
        ("القومي persons", LOOKUP),
        ("pupil schools", ENROLMENT),
    ] {
        let found = found(&registry, typed);
        assert_eq!(
            found.first().map(String::as_str),
            Some(first),
            "{typed}: {found:?}"
        );
    }
    assert_eq!(found(&registry, "persons schools"), [LOOKUP; 0]);
    assert_eq!(found(&registry, "مستشفى"), [LOOKUP; 0]);
    shown(&registry);
}

/// The ranking: name, operation, field, agency among whole words; whole words before beginnings before insides.
#[tokio::test(flavor = "multi_thread")]
async fn whole_words_go_before_parts_and_names_before_operations_before_fields() {
    let registry = directory().await;
    // A word of the service's identifier, then a field of an operation elsewhere that begins with it.
    assert_eq!(found(&registry, "schools"), [SCHOOLS_ID]);
    assert_eq!(found(&registry, "school"), [LOOKUP, ENROLMENT, SCHOOLS_ID]);
    // "year" is a word of an operation's name in one and of a field in the other.
    assert_eq!(found(&registry, "year"), [RESULTS, ENROLMENT]);
    // The agency itself before what it offers; its services are found by its name, its operations not once more.
    assert_eq!(found(&registry, "التعليم"), ["EG/GOV/EDU", SCHOOLS_ID]);
    // The beginning of a word before the inside of one.
    assert_eq!(found(&registry, "sons"), [PERSONS_ID]);
    assert_eq!(found(&registry, "re"), [CIVIL, PERSONS_ID, RESULTS]);
}

/// A service is shown whole; one that is not there leads to the search.
fn shown(registry: &Registry) {
    let output = Output {
        language: proto::refusal::Language::Arabic,
        json: false,
    };
    show(registry, &PERSONS_ID.parse().unwrap(), output).unwrap();
    let other = "EG/GOV/CIVIL/registry/persons.v9".parse().unwrap();
    let failure = show(registry, &other, output).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.next[0].contains("directory search persons.v9"));
}

#[test]
fn a_query_without_a_word_or_with_too_much_is_told_so() {
    let query = |typed: &str| Query::parse(&[typed.to_owned()]);
    for nothing in ["", " ", "—", "؟!", "\u{200f}", "\u{64e}", "ء"] {
        let failure = query(nothing).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.what[0].contains("no word"), "{nothing:?}");
    }
    let many = (0..17).map(|n| format!("w{n} ")).collect::<String>();
    let huge = "مدرسة ".repeat(1_000_000);
    let long = "a".repeat(513);
    for much in [many.as_str(), &huge, &long] {
        let failure = query(much).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.what[0].contains("at most"));
    }
    // One word many times is one word; several arguments are one query.
    assert!(query(&"ab ".repeat(100)).is_ok());
    let apart = Query::parse(&["civil".to_owned(), "Registry".to_owned()]);
    assert_eq!(apart.unwrap(), query("registry CIVIL").unwrap());
}
