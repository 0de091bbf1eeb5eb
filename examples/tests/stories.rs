//! Every story runs to its end, tells what it promises, and leaves a log that replays clean.

#![allow(clippy::unwrap_used, reason = "a story that cannot be run has failed")]

use std::process::Command;

fn run(binary: &str) -> String {
    let told = tell(binary, "en");
    assert!(told.contains("the log holds"), "{told}");
    told
}

/// Runs a story, and tells it aloud: `make stories` shows what a test prints.
fn tell(binary: &str, lang: &str) -> String {
    let output = Command::new(binary)
        .env("MOHAWEL_LANG", lang)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{told}");
    assert!(output.status.success(), "{told}\n{errors}");
    told
}

#[test]
fn a_new_agency_is_echoed() {
    let told = run(env!("CARGO_BIN_EXE_first_exchange"));
    assert!(
        told.contains("أهلًا") && told.contains("both proved"),
        "{told}"
    );
}

#[test]
fn an_own_provider_answers_and_an_ungranted_field_is_refused() {
    let told = run(env!("CARGO_BIN_EXE_own_provider"));
    assert!(
        told.contains("licence_valid") && told.contains("field_not_granted"),
        "{told}"
    );
}

#[test]
fn one_window_concludes_a_case_and_does_nothing_twice() {
    let told = run(env!("CARGO_BIN_EXE_one_window"));
    for said in [
        "3 of 4 parts",
        "done_earlier",
        "R-000001",
        "the case in it, one thread",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn two_agencies_see_what_each_was_granted() {
    let told = tell(env!("CARGO_BIN_EXE_registers_joined"), "ar");
    for said in [
        "no_agreement",
        "field_not_granted",
        "السجل سليم",
        "المطابقة: 7",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn restricted_data_of_the_state_goes_past_the_switch() {
    let told = tell(env!("CARGO_BIN_EXE_state_property"), "ar");
    for said in ["adapter encryption-key", "4117305291", "السجل سليم"] {
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn complaints_wait_for_a_system_that_is_away_and_are_answered() {
    let told = tell(env!("CARGO_BIN_EXE_complaints"), "en");
    for said in [
        "provider_offline",
        "waiting, before it: 2",
        "supervisor of the night shift",
        "C-2026-0418",
        "1 not answered yet",
        "ended without an answer (cancelled)",
        "C-2026-0418  received, assigned, answered",
        "C-2026-0419  received, assigned\n",
        "the log holds",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn a_withdrawn_licence_is_seen_everywhere_and_a_revoked_agreement_ends_what_it_permitted() {
    for (lang, said) in [
        (
            "en",
            ["1 of 2", "2 of 2", "waits", "by entry", "the log holds"],
        ),
        ("ar", ["1 من 2", "2 من 2", "ينتظر", "بالقيد", "السجل سليم"]),
    ] {
        let told = tell(env!("CARGO_BIN_EXE_nurseries"), lang);
        let both = [
            "operation_not_granted",
            "'telephone' is no field",
            "issued, suspended, renewed, withdrawn",
            "EG/GOV/GIZA/platform took",
            "agreement_revoked [revocation]  EG/COM/DAR-AMAL/office is told no more",
        ];
        for said in said.into_iter().chain(both) {
            assert!(told.contains(said), "{said}: {told}");
        }
    }
}

#[test]
fn the_glass_is_broken_reviewed_and_not_broken_again_while_a_review_is_overdue() {
    for (lang, holds) in [("en", "the log holds"), ("ar", "السجل سليم")] {
        let told = tell(env!("CARGO_BIN_EXE_prevention"), lang);
        for said in [
            "tramadol-7731",
            "field notes",
            "case_reference",
            "review_overdue",
            "EG/GOV/TREATMENT: unjustified of 1",
            holds,
        ] {
            assert!(told.contains(said), "{said}: {told}");
        }
    }
}

#[test]
fn a_governance_centre_reports_a_day_from_the_log_alone() {
    for (lang, rests, holds) in [
        ("en", "entries under the checkpoint: ", "the log holds"),
        ("ar", "القيود تحت نقطة التحقق: ", "السجل سليم"),
    ] {
        let told = tell(env!("CARGO_BIN_EXE_governance"), lang);
        for said in [
            "report.html",
            "report.parquet",
            "\"no_agreement\":2",
            "\"provider_offline\":1",
            rests,
            holds,
        ] {
            assert!(told.contains(said), "{said}: {told}");
        }
    }
}

#[test]
fn opportunities_are_published_to_a_class_and_a_bidders_standing_is_asked() {
    for (lang, holds) in [("en", "the log holds"), ("ar", "السجل سليم")] {
        let told = tell(env!("CARGO_BIN_EXE_tenders"), lang);
        for said in [
            "EG/COM/NILE: \"T-2026-014\"",
            "EG/COM/DELTA",
            "field_not_granted",
            "no_agreement",
            "JO/COM/PETRA: \"T-2026-014\"",
            "border_closed",
            holds,
        ] {
            assert!(told.contains(said), "{said}: {told}");
        }
    }
}

#[test]
fn a_month_of_cash_support_is_checked_corrected_paid_and_proved() {
    let told = tell(env!("CARGO_BIN_EXE_takaful_karama"), "en");
    for said in [
        "the control totals add up",
        "the beneficiary has died",
        "no such national ID",
        "above the means test",
        "condition not kept",
        "4.7 million households take",
        "it is item 1 /",
        "the log holds",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    assert!(!told.contains(" 0  stopped"), "{told}");
}

#[test]
fn a_proved_service_is_live_elsewhere_with_one_command() {
    let told = tell(env!("CARGO_BIN_EXE_roll_out"), "ar");
    for said in [
        "field_not_granted",
        "الخدمة متاحة بعد",
        "قائمة من قبل",
        "'valid_until'",
        "string (date)",
        "السجل سليم",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn a_fund_decides_by_rules_in_a_file_and_shows_its_grants_beside_the_need() {
    for (lang, said) in [
        (
            "en",
            ["the log holds", "to be asked again", "needs an agreement"],
        ),
        ("ar", ["السجل سليم", "يُعاد السؤال", "تحتاج اتفاقية"]),
    ] {
        let told = tell(env!("CARGO_BIN_EXE_associations"), lang);
        for said in said.into_iter().chain([
            "purpose_not_granted",
            "provider_offline",
            "84500",
            "not_found",
        ]) {
            assert!(told.contains(said), "{said}: {told}");
        }
    }
}
