//! Every change says what it names, in both languages.

use super::*;

#[test]
fn a_moment_is_written_as_people_read_it() {
    for (at_ms, text) in [
        (0, "1970-01-01 00:00:00 UTC"),
        (951_782_399_000, "2000-02-28 23:59:59 UTC"),
        (951_782_400_000, "2000-02-29 00:00:00 UTC"),
        (1_709_251_199_001, "2024-03-01 00:00:00 UTC"),
        (1_795_000_000_000, "2026-11-18 11:06:40 UTC"),
        (4_107_542_400_000, "2100-03-01 00:00:00 UTC"),
    ] {
        assert_eq!(utc(at_ms), text);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one line or more for each change")]
fn every_change_says_what_it_names_in_both_languages() {
    let agency = AgencyId::parse("EG/GOV/MOSS").unwrap();
    let system = SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    let service = ServiceId::parse("EG/GOV/CIVIL/registry/persons.v1").unwrap();
    let part = |text| Part::parse(text).unwrap();
    let agreement = Digest::of(b"agreement");
    let id = agreement.short();
    let named = [
        (Change::EnrolAgency(agency.clone()), "EG/GOV/MOSS"),
        (Change::LiftSuspension(agency.clone()), "EG/GOV/MOSS"),
        (Change::AdmitInstance("JO".to_owned()), "JO"),
        (
            Change::OpenAbroad {
                provider: agency.clone(),
                operation: part("lookup"),
                instance: "JO".to_owned(),
            },
            "lookup",
        ),
        (Change::AcceptAgreement(agreement), &id),
        (
            Change::ProposeAgreement {
                consumer: agency.clone(),
                provider: service.system().agency(),
            },
            "EG/GOV/CIVIL",
        ),
        (Change::NewAgreement(agreement), &id),
        (
            Change::AddGrant {
                agreement,
                service: service.clone(),
            },
            "persons.v1",
        ),
        (
            Change::AddOperation {
                agreement,
                grant: 7,
                operation: part("lookup"),
            },
            "lookup",
        ),
        (
            Change::AddPurpose {
                agreement,
                grant: 7,
                purpose: part("takaful"),
            },
            "takaful",
        ),
        (
            Change::AddField {
                agreement,
                grant: 7,
                field: part("income"),
            },
            "income",
        ),
        (Change::ListPurpose(part("takaful")), "takaful"),
        (
            Change::Delegate {
                agreement,
                from: agency,
                to: service.system().agency(),
            },
            "EG/GOV/CIVIL",
        ),
        (Change::WaitUntil { at_ms: 0 }, "1970-01-01"),
        (Change::PublishService(service.clone()), "persons.v1"),
        (
            Change::PublishOperation {
                service: service.clone(),
                operation: part("lookup"),
            },
            "lookup",
        ),
        (Change::UseContract(agreement), &id),
        (
            Change::SwitchOn {
                service,
                operation: None,
                notice_ar: "!".to_owned(),
                notice_en: "!".to_owned(),
            },
            "!",
        ),
        (Change::BindKey(system.clone()), "EG/GOV/MOSS/takaful"),
        (Change::SealPayload(system.clone()), "EG/GOV/MOSS/takaful"),
        (
            Change::NameActorAndCase(system.clone()),
            "EG/GOV/MOSS/takaful",
        ),
        (Change::AskFromOutside(system.agency()), "EG/GOV/MOSS"),
        (Change::UseOtherSystem(system), "EG/GOV/MOSS/takaful"),
    ];
    let mut words: Vec<_> = named.iter().map(|(change, _)| change.name()).collect();
    for (change, name) in &named {
        let (english, arabic) = (change.english(), change.arabic());
        assert!(english.contains(name) && arabic.contains(name), "{english}");
        assert!(
            english.is_ascii() && !arabic.is_ascii(),
            "{english} {arabic}"
        );
    }
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), named.len(), "each has a word of its own");
}
