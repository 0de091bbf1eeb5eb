//! Terms as people write them: sorted, whole, and refused with every problem.

use super::validity::DAY_MS;
use super::*;

const GOOD: &str = r#"
        consumer = "EG/GOV/MOSS"
        provider = "EG/GOV/CIVIL"
        days = 365
        [[grants]]
        system = "registry"
        service = "persons.v1"
        operations = ["person", "alive", "person"]
        purposes = ["takaful"]
        fields = ["name", "birth_date"]
        legal_basis = "Law 12 of 2023"
        daily_quota = 0
        retention_days = 90
    "#;

#[test]
fn lists_are_sorted_and_days_count_from_the_minute() {
    let terms = Terms::parse(GOOD).unwrap();
    let grant = &terms.grants[0];
    assert_eq!(grant.system.as_str(), "EG/GOV/CIVIL/registry");
    let operations: Vec<_> = grant.operations.iter().map(|part| part.as_str()).collect();
    assert_eq!(operations, ["alive", "person"]);
    assert_eq!(terms.validity.at(90_000), (60_000, 60_000 + 365 * DAY_MS));
    let dated = GOOD.replace(
        "days = 365",
        "not_before = '2026-01-01T00:00:00Z'\nnot_after = '2026-01-02T00:00:00Z'",
    );
    let (from, until) = Terms::parse(&dated).unwrap().validity.at(0);
    assert_eq!(until - from, DAY_MS);
    for scope in ["EG/GOV/*", "EG/*/*"] {
        assert!(
            Terms::parse(&GOOD.replace("EG/GOV/MOSS", scope))
                .unwrap()
                .consumer
                .is_public()
        );
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let bad = GOOD
        .replace("EG/GOV/MOSS", "EG/MOSS")
        .replace("days = 365", "")
        .replace("persons.v1", "persons v1")
        .replace("[\"takaful\"]", "[]");
    let found = Terms::parse(&bad).unwrap_err();
    assert_eq!(found.len(), 4, "{found:?}");
    // A provider that cannot be read hides nothing; nor does one grant's legal basis hide another's.
    let bad = bad.replace("EG/GOV/CIVIL", "CIVIL");
    assert_eq!(Terms::parse(&bad).unwrap_err().len(), 5);
    let grant = &GOOD[GOOD.find("[[grants]]").unwrap()..];
    let bad = format!("{GOOD}{grant}").replace("Law 12 of 2023", "\u{202e}Law");
    assert_eq!(Terms::parse(&bad).unwrap_err().len(), 2);
}

#[test]
fn what_grants_anything_must_be_written_down() {
    for key in [
        "operations",
        "purposes",
        "fields",
        "legal_basis",
        "daily_quota",
        "retention_days",
    ] {
        let missing: String = GOOD
            .lines()
            .filter(|line| !line.trim().starts_with(key))
            .map(|line| format!("{line}\n"))
            .collect();
        let found = Terms::parse(&missing).unwrap_err();
        assert!(found[0].contains(key), "{key}: {found:?}");
    }
}

#[test]
fn a_group_with_row_rules_reads_sorted_and_its_contradictions_are_told() {
    let grouped = GOOD.replace(
            "consumer = \"EG/GOV/MOSS\"",
            "consumer = '@governorates'\nsupersedes = 'abcdef'\nmembers = [{ agency = 'EG/GOV/GIZA', value = 'giza' }, { agency = 'EG/GOV/CAIRO', value = 'cairo' }]",
        ) + "rate_per_s = 5\ndelegation_depth = 1\n[[grants.rows]]\nfield = 'governorate'\nown_value = true\n";
    let terms = Terms::parse(&grouped).unwrap();
    let giza = AgencyId::parse("EG/GOV/GIZA").unwrap();
    assert_eq!(terms.consumer.member(&giza).unwrap().value, "giza");
    assert_eq!(terms.grants[0].row_scope[0].equals, None);
    assert_eq!(terms.supersedes.as_deref(), Some("abcdef"));
    for (from, to) in [
        ("own_value = true", ""),
        ("own_value = true", "own_value = true\nequals = 'x'"),
        ("EG/GOV/CAIRO", "EG/GOV/GIZA"),
        ("'@governorates'", "'EG/GOV/MOSS'"),
        ("delegation_depth = 1", "delegation_depth = 9"),
    ] {
        assert!(Terms::parse(&grouped.replace(from, to)).is_err(), "{to}");
    }
    // A rule that asks for the agency's own value means nothing without a group.
    let single = GOOD.to_owned() + "[[grants.rows]]\nfield = 'x'\nown_value = true\n";
    assert!(Terms::parse(&single).is_err());
}

#[test]
fn contradictions_and_unknown_keys_are_refused() {
    for (from, to) in [
        (
            "days = 365",
            "days = 365\nnot_after = '2027-01-01T00:00:00Z'",
        ),
        ("days = 365", "days = 0"),
        (
            "days = 365",
            "not_before = '2027-01-02T00:00:00Z'\nnot_after = '2027-01-01T00:00:00Z'",
        ),
        ("days = 365", "not_after = 'tomorrow'"),
        ("days = 365", "days = 365\ncolour = 'green'"),
        ("\"Law 12 of 2023\"", "\"\""),
        ("\"Law 12 of 2023\"", "\"\u{202e}Law\""),
        ("\"EG/GOV/CIVIL\"", "\"EG/GOV/*\""),
    ] {
        assert!(Terms::parse(&GOOD.replace(from, to)).is_err(), "{to}");
    }
}
