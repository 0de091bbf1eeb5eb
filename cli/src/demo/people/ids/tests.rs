//! National IDs: what is read, what is refused, what is handed out.

use std::collections::HashSet;

use time::macros::date;

use super::*;

#[test]
fn the_synthetic_code_is_assigned_to_nobody() {
    let assigned = (1..=4)
        .chain(11..=19)
        .chain(21..=29)
        .chain(31..=35)
        .chain([88]);
    let listed: Vec<u8> = (0..=99)
        .filter(|code| governorates::is_assigned(*code))
        .collect();
    assert_eq!(listed, assigned.collect::<Vec<u8>>());
    assert!(!listed.contains(&SYNTHETIC_CODE));
}

#[test]
fn an_id_says_what_went_into_it() {
    for (birth, sex) in [
        (date!(1926 - 02 - 28), Sex::Female),
        (date!(1999 - 12 - 31), Sex::Male),
        (date!(2000 - 02 - 29), Sex::Female),
        (date!(2026 - 01 - 01), Sex::Male),
    ] {
        for serial in [0, 1, 4_999] {
            let id = NationalId::synthetic(birth, sex, serial);
            let again = NationalId::parse(&id.to_string()).unwrap();
            assert_eq!(again, id);
            assert_eq!((again.birth_date(), again.sex()), (birth, sex));
            assert!(again.is_synthetic() && again.check_digit_fits());
        }
    }
}

#[test]
fn a_known_id_reads_digit_by_digit() {
    // 2 99 12 31 99 0001: weights give 2*2+9*7+9*6+1*5+2*4+3*3+1*2+9*7+9*6+0+0+0+1*2 = 264,
    // a multiple of 11, so the digit is 11 mod 10.
    let id = NationalId::synthetic(date!(1999 - 12 - 31), Sex::Male, 0);
    assert_eq!(id.to_string(), "29912319900011");
}

#[test]
fn arabic_indic_digits_are_read() {
    let european = NationalId::parse("29912319900011").unwrap();
    assert_eq!(NationalId::parse("٢٩٩١٢٣١٩٩٠٠٠١١"), Ok(european));
    assert_eq!(NationalId::parse(" ۲۹۹۱۲۳۱۹۹۰۰۰۱۱ "), Ok(european));
}

#[test]
fn bad_ids_are_refused_with_the_reason() {
    let long = "2".repeat(10_000);
    for (text, reason) in [
        ("", IdError::Length { found: 0 }),
        ("2991231990001", IdError::Length { found: 13 }),
        ("299123199000111", IdError::Length { found: 15 }),
        (long.as_str(), IdError::Length { found: 10_000 }),
        ("2991231990001x", IdError::NotADigit { position: 14 }),
        ("29912 31990001", IdError::NotADigit { position: 6 }),
        ("-9912319900011", IdError::NotADigit { position: 1 }),
        ("²9912319900011", IdError::NotADigit { position: 1 }),
        ("19912319900011", IdError::Century { found: 1 }),
        ("49912319900011", IdError::Century { found: 4 }),
        ("29902299900011", IdError::Date),
        ("30013019900011", IdError::Date),
        ("30000019900011", IdError::Date),
        ("29912310500011", IdError::Governorate { found: 5 }),
        ("29912310000011", IdError::Governorate { found: 0 }),
    ] {
        assert_eq!(NationalId::parse(text), Err(reason));
    }
}

#[test]
fn a_wrong_check_digit_is_seen_but_not_refused() {
    let id = NationalId::parse("29912319900012").unwrap();
    assert!(!id.check_digit_fits());
}

#[test]
fn debug_hides_the_digits() {
    let id = NationalId::parse("29912319900011").unwrap();
    assert_eq!(format!("{id:?}"), "NationalId(..)");
}

#[test]
fn a_full_day_moves_to_the_day_before_and_repeats_nothing() {
    let day = date!(2001 - 03 - 01);
    let mut serials = Serials::until(day);
    let mut seen = HashSet::new();
    for turn in 0..12_000 {
        let id = serials.issue(day, Sex::Female);
        assert!(seen.insert(id), "ID {turn} was issued before");
        let expected = match turn / 5_000 {
            0 => day,
            1 => date!(2001 - 02 - 28),
            _ => date!(2001 - 02 - 27),
        };
        assert_eq!(id.birth_date(), expected);
    }
    assert_eq!(serials.issue(day, Sex::Male).birth_date(), day);
}
