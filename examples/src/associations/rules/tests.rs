//! The committee's own file over answers that decide, and over answers that must not.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::*;

const RULES: &str = include_str!("../../../stories/associations/fund/rules.toml");

fn row(value: Value) -> Answer {
    Answer::Row(value.as_object().unwrap().clone())
}

/// An association that keeps to everything.
fn good() -> Answers {
    let parts = [
        (
            "register",
            row(
                json!({ "status": "registered", "board_until": "2028-03-15", "accounts_year": "2025" }),
            ),
        ),
        ("tax", row(json!({ "arrears_egp": "0" }))),
        (
            "insurance",
            row(json!({ "contributions_until": "2026-09-30", "insured_staff": 12 })),
        ),
        ("need", row(json!({ "nurseries_per_1000_children": "4.4" }))),
    ];
    Answers {
        reference: "ab".to_owned(),
        entries: Vec::new(),
        parts: BTreeMap::from(parts.map(|(part, answer)| (part.to_owned(), answer))),
    }
}

fn with(part: &str, answer: Answer) -> Answers {
    let mut answers = good();
    answers.parts.insert(part.to_owned(), answer);
    answers
}

fn why(english: &str) -> [String; 2] {
    [english.to_owned(), "لأن".to_owned()]
}

#[test]
fn what_was_asked_for_is_granted_up_to_the_ceiling_of_the_need() {
    let rules = Rules::parse(RULES).unwrap();
    let amount = |answers: &Answers, asked| match rules.judge(answers, asked) {
        Verdict::Eligible { amount_egp, .. } => amount_egp,
        other => panic!("{other:?}"),
    };
    assert_eq!(amount(&good(), 100), 100);
    assert_eq!(amount(&good(), u64::MAX), 400_000);
    for served in [json!("5"), json!(5.0), json!(12)] {
        let answers = with(
            "need",
            row(json!({ "nurseries_per_1000_children": served })),
        );
        assert_eq!(amount(&answers, 300_000), 250_000, "{served}");
    }
}

#[test]
fn a_broken_condition_is_told_with_what_the_register_says() {
    let rules = Rules::parse(RULES).unwrap();
    let answers = with("tax", row(json!({ "arrears_egp": 84_500 })));
    let Verdict::NotEligible(reasons) = rules.judge(&answers, 1) else {
        panic!("it owes tax");
    };
    assert_eq!(reasons.len(), 1);
    assert!(
        reasons[0].iter().all(|text| text.contains("84500")),
        "{reasons:?}"
    );
    let unknown = with("register", Answer::NoRecord);
    assert!(
        matches!(rules.judge(&unknown, 1), Verdict::NotEligible(reasons) if reasons.len() == 1)
    );
}

#[test]
fn without_every_answer_nobody_is_turned_away() {
    let rules = Rules::parse(RULES).unwrap();
    // It owes tax, and the insurance register is away: still no decision.
    let mut answers = with("tax", row(json!({ "arrears_egp": 1 })));
    let away = Answer::Away(why("away"));
    answers.parts.insert("insurance".to_owned(), away.clone());
    assert_eq!(
        rules.judge(&answers, 1),
        Verdict::AskAgain(vec![why("away")])
    );
    // Who may not be asked comes first: asking again would not help.
    let denied = Answer::NotPermitted(why("denied"));
    answers.parts.insert("tax".to_owned(), denied);
    assert_eq!(
        rules.judge(&answers, 1),
        Verdict::NotCovered(vec![why("denied")])
    );
    let silent = [
        with("tax", Answer::NoRecord),
        with("need", Answer::NotAsked),
        with(
            "need",
            row(json!({ "nurseries_per_1000_children": "many" })),
        ),
        with(
            "insurance",
            row(json!({ "contributions_until": "30/09/2026" })),
        ),
        with("tax", row(json!({ "arrears_egp": null }))),
        with("tax", row(json!({ "arrears_egp": "NaN" }))),
    ];
    for answers in silent {
        let verdict = rules.judge(&answers, 1);
        assert!(
            matches!(verdict, Verdict::AskAgain(_)),
            "{answers:?}: {verdict:?}"
        );
    }
    let mut gone = good();
    gone.parts.remove("insurance");
    assert!(matches!(rules.judge(&gone, 1), Verdict::AskAgain(_)));
}

#[test]
fn rules_that_cannot_be_meant_are_not_read() {
    for (text, by) in [
        ("at_most = 0", ""),
        ("at_most = 0", "at_most = 0\nat_least = 0"),
        ("not_before = \"2026-11-01\"", "not_before = \"soon\""),
        ("at_most = 0", "no_more_than = 0"),
        ("below = 5", ""),
        ("part = \"need\"", ""),
        ("egp = 250000", "egp = -1"),
    ] {
        let wrong = RULES.replacen(text, by, 1);
        assert_ne!(wrong, RULES);
        assert!(Rules::parse(&wrong).is_err(), "{by}");
    }
    assert!(Rules::load(Path::new("/nowhere")).is_err());
}

#[test]
fn a_rule_over_what_nobody_asks_for_is_told() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/stories/associations/fund/eligibility.toml"
    );
    let composition = Composition::load(Path::new(file)).unwrap();
    Rules::parse(RULES).unwrap().fit(&composition).unwrap();
    for (right, slip) in [
        ("\"arrears_egp\"", "\"arears_egp\""),
        ("\"need\"", "\"needs\""),
    ] {
        let rules = Rules::parse(&RULES.replace(right, slip)).unwrap();
        let said = rules.fit(&composition).unwrap_err().to_string();
        assert!(said.contains(slip.trim_matches('"')), "{said}");
    }
}
