//! The file of a supposition: what it may say, and that every problem of it is told.

use super::*;

const TERMS: &str = r#"
consumer = "EG/GOV/MOSS"
provider = "EG/GOV/CIVIL"
days = 30
[[grants]]
system = "registry"
service = "persons.v1"
operations = ["person"]
purposes = ["takaful"]
fields = ["name"]
legal_basis = "Law"
daily_quota = 0
retention_days = 1
"#;

fn read(text: &str, terms: &str) -> Result<WhatIf, Failure> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("what-if.toml");
    fs::write(&path, text).unwrap();
    fs::write(dir.path().join("wider.toml"), terms).unwrap();
    load(&path)
}

#[test]
fn everything_that_can_be_supposed_is_read() {
    let what_if = read(
        "revoke = ['A1B2C3']\nadd = ['wider.toml', 'wider.toml']\n[[without_grant]]\nagreement = 'ffeedd'\ngrant = 2\n",
        TERMS,
    )
    .unwrap();
    assert_eq!(what_if.revoke, ["a1b2c3"]);
    assert_eq!(what_if.without_grant, [("ffeedd".to_owned(), 2)]);
    let [one, other] = &what_if.add[..] else {
        panic!("{what_if:?}")
    };
    assert_eq!(one.name, "wider.toml");
    // Days without a beginning: over the whole log.
    assert_eq!(
        (one.content.not_before_ms, one.content.not_after_ms),
        (0, u64::MAX)
    );
    assert_ne!(one.content.id(), other.content.id());
}

#[test]
fn times_that_are_written_down_count() {
    let with = |times: &str| {
        let terms = TERMS.replace("days = 30", times);
        let what_if = read("add = ['wider.toml']", &terms).unwrap();
        let content = &what_if.add[0].content;
        (content.not_before_ms, content.not_after_ms)
    };
    let from = "not_before = '1970-01-02T00:00:00Z'";
    let day_ms = 86_400_000;
    assert_eq!(with(&format!("{from}\ndays = 2")), (day_ms, 3 * day_ms));
    let until = "not_after = '1970-01-03T00:00:00Z'";
    assert_eq!(with(until), (0, 2 * day_ms));
    assert_eq!(with(&format!("{from}\n{until}")), (day_ms, 2 * day_ms));
}

#[test]
fn what_is_wrong_in_the_file_is_told_at_once() {
    for (text, wanted) in [
        ("", &["supposes nothing"][..]),
        ("revoke = ['a1b2']", &["'a1b2'"]),
        (
            "revoke = ['xyzxyz', '']\n[[without_grant]]\nagreement = 'no'\ngrant = 0",
            &["'xyzxyz'", "''", "'no'", "from 1"],
        ),
        ("revok = ['a1b2c3']", &["revok"]),
        ("add = ['missing.toml']", &["missing.toml"]),
        ("[[without_grant]]\nagreement = 'a1b2c3'", &["grant"]),
        ("revoke = 3", &["revoke"]),
        ("\u{0}", &["what-if.toml"]),
    ] {
        let failure = read(text, TERMS).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        for wanted in wanted {
            assert!(failure.what[0].contains(wanted), "{text}: {failure:?}");
        }
    }
    let bad = TERMS.replace("daily_quota = 0\n", "");
    let failure = read("add = ['wider.toml']", &bad).unwrap_err();
    assert!(failure.what[0].contains("daily_quota"), "{failure:?}");
    let bad = format!("supersedes = 'zz'\n{TERMS}");
    let failure = read("add = ['wider.toml']", &bad).unwrap_err();
    assert!(failure.what[0].contains("supersedes"), "{failure:?}");
}
