//! The population as a whole: the same every time, consistent, and the same in every register.

mod stores;

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest::{Context, SHA256};
use time::macros::date;
use unicode_normalization::is_nfc;

use super::names::fold;
use super::*;

const REFERENCE: Date = date!(2026 - 01 - 15);

fn plan(people: u64) -> Plan {
    Plan::new(42, people, REFERENCE).unwrap()
}

/// One digest over every row of every register, in a fixed form.
fn digest(plan: &Plan) -> String {
    let mut context = Context::new(&SHA256);
    let mut add = |row: String| context.update(row.as_bytes());
    for household in plan.households() {
        for person in &household.members {
            let names = Register::ALL
                .map(|register| person.name_ar(register))
                .join("|");
            let parents = [person.father, person.mother].map(|id| id.map_or(0, NationalId::number));
            add(format!(
                "{}|{names}|{}|{}|{:?}|{:?}|{:?}|{parents:?}|{:?}\n",
                person.national_id,
                person.name_en(),
                household.id,
                person.governorate.code,
                person.marital_status,
                person.role,
                person.death_date,
            ));
        }
    }
    for row in plan.insurance() {
        add(format!(
            "{}|{:?}|{:?}|{:?}|{:?}\n",
            row.national_id,
            row.sector,
            row.monthly_wage_egp,
            row.monthly_pension_egp,
            row.last_contribution
        ));
    }
    plan.applications()
        .for_each(|row| add(format!("{}\n", row.to_json())));
    for row in plan.vehicles() {
        add(format!(
            "{}|{}|{:?}|{}|{}\n",
            row.owner_id, row.plate, row.kind, row.model_year, row.licence_valid_until
        ));
    }
    hex::encode(context.finish())
}

#[test]
fn the_same_plan_gives_the_same_population() {
    assert_eq!(digest(&plan(3_000)), digest(&plan(3_000)));
    // Pinned, so that a change of the population, on another machine or by an edit, is noticed.
    // Documents quote IDs of this population.
    assert_eq!(
        digest(&plan(3_000)),
        "a4c57632fe803f1418e7106708fe1df5d78fe5fc7c0ed164c3274dfeb518941e"
    );
}

#[test]
fn seed_and_day_change_the_population() {
    let other_seed = Plan::new(43, 3_000, REFERENCE).unwrap();
    let other_day = Plan::new(42, 3_000, date!(2026 - 01 - 16)).unwrap();
    let all = HashSet::from([
        digest(&plan(3_000)),
        digest(&other_seed),
        digest(&other_day),
    ]);
    assert_eq!(all.len(), 3);
}

#[test]
fn a_larger_population_begins_with_the_smaller() {
    let small: Vec<Household> = plan(500).households().collect();
    let large: Vec<Household> = plan(5_000).households().take(small.len() - 16).collect();
    assert_eq!(small[..small.len() - 16], large);
}

#[test]
fn exactly_as_many_people_as_asked() {
    for people in [0, 1, 2, 15, 16, 17, 100, 999, 5_000] {
        assert_eq!(plan(people).people().count() as u64, people);
    }
}

#[test]
fn impossible_plans_are_refused() {
    let many = Plan::new(1, MAX_PEOPLE + 1, REFERENCE);
    assert!(matches!(many, Err(PeopleError::TooMany { asked }) if asked == MAX_PEOPLE + 1));
    for day in [date!(1999 - 12 - 31), date!(2100 - 01 - 01)] {
        assert!(matches!(
            Plan::new(1, 1, day),
            Err(PeopleError::ReferenceDate { .. })
        ));
    }
    for day in [
        date!(2000 - 01 - 01),
        date!(2000 - 02 - 29),
        date!(2099 - 12 - 31),
    ] {
        let plan = Plan::new(1, 2_000, day).unwrap();
        assert!(plan.people().all(|person| person.birth_date <= day));
    }
}

#[test]
fn ids_are_unique_valid_and_nobodys() {
    let mut seen = HashSet::new();
    for person in plan(60_000).people() {
        let text = person.national_id.to_string();
        assert_eq!(text.len(), 14);
        assert_eq!(&text[7..9], "99", "the unassigned governorate code");
        let read = NationalId::parse(&text).unwrap();
        assert!(read.is_synthetic() && read.check_digit_fits());
        assert_eq!(
            (read.birth_date(), read.sex()),
            (person.birth_date, person.sex)
        );
        assert!(seen.insert(text));
    }
    assert_eq!(seen.len(), 60_000);
}

#[test]
fn families_fit_together() {
    let people: Vec<Person> = plan(40_000).people().collect();
    let by_id: HashMap<NationalId, &Person> = people
        .iter()
        .map(|person| (person.national_id, person))
        .collect();
    let mut links = 0;
    for person in &people {
        assert!(person.birth_date <= REFERENCE && person.age_on(REFERENCE) <= 100);
        for (parent, sex) in [(person.father, Sex::Male), (person.mother, Sex::Female)] {
            let Some(parent) = parent else { continue };
            let parent = by_id[&parent];
            links += 1;
            assert_eq!(parent.sex, sex);
            let years = parent.age_on(person.birth_date);
            assert!((16..=70).contains(&years), "a parent at {years}");
            assert!(parent.death_date.is_none_or(|day| day >= person.birth_date));
        }
        if let Some(father) = person.father {
            let father = by_id[&father].name;
            assert_eq!(person.name.father, father.given);
            assert_eq!(person.name.grandfather, father.father);
            assert_eq!(person.name.family, father.family);
        }
        if person.age_on(REFERENCE) < 18 {
            assert_eq!(person.marital_status, MaritalStatus::Single);
            assert!(person.father.is_some() && person.mother.is_some());
        }
        assert!(
            person
                .death_date
                .is_none_or(|day| day > person.birth_date && day <= REFERENCE)
        );
    }
    assert!(
        links > 20_000,
        "most people are somebody's children: {links}"
    );
}

#[test]
fn households_fit_together() {
    let mut numbers = HashSet::new();
    let mut statuses = HashMap::new();
    for household in plan(40_000).households() {
        assert!(numbers.insert(household.id));
        let heads = household
            .members
            .iter()
            .filter(|person| person.role == Role::Head);
        assert_eq!(heads.count(), 1);
        let head = household.head().unwrap();
        assert!(head.is_alive() && head.age_on(REFERENCE) >= 18);
        let spouses = household
            .living()
            .filter(|person| person.role == Role::Spouse)
            .count();
        assert_eq!(spouses > 0, head.marital_status == MaritalStatus::Married);
        let late = household
            .members
            .iter()
            .filter(|person| person.role == Role::LateSpouse);
        assert!(late.clone().all(|person| !person.is_alive()));
        assert!(late.count() == 0 || head.marital_status == MaritalStatus::Widowed);
        let children = household
            .members
            .iter()
            .filter(|person| person.role == Role::Child);
        let names: Vec<_> = children.map(|child| child.name.given.ar).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        for person in &household.members {
            assert_eq!(person.household, household.id);
            assert_eq!(person.governorate, household.governorate);
            *statuses.entry(person.marital_status.as_str()).or_insert(0) += 1;
        }
    }
    assert_eq!(statuses.len(), 4, "every civil status occurs: {statuses:?}");
}

#[test]
fn names_are_nfc_and_fold_to_one_form() {
    for person in plan(20_000).people() {
        let written = Register::ALL.map(|register| person.name_ar(register));
        for name in &written {
            assert!(is_nfc(name), "{name}");
            assert_eq!(fold(name), fold(&written[0]), "{name} for {}", written[0]);
        }
        let ways: HashSet<&String> = written.iter().collect();
        assert!(ways.len() > 1, "{} is written alike everywhere", written[0]);
        assert!(person.name_en().is_ascii());
    }
}

#[test]
fn every_two_registers_disagree_about_some_names() {
    let people: Vec<Person> = plan(2_000).people().collect();
    for (place, one) in Register::ALL.into_iter().enumerate() {
        for other in &Register::ALL[place + 1..] {
            let differ = people
                .iter()
                .filter(|p| p.name_ar(one) != p.name_ar(*other))
                .count();
            assert!(
                (400..=2_000).contains(&differ),
                "{one:?} and {other:?}: {differ}"
            );
        }
    }
}

#[test]
fn the_spelling_variants_all_occur() {
    let mut text = String::new();
    for person in plan(3_000).people() {
        for register in Register::ALL {
            text.push_str(&person.name_ar(register));
            text.push(' ');
        }
    }
    for sample in [
        "أحمد",
        "احمد",
        "إبراهيم",
        "ابراهيم",
        "أبراهيم",
        "آدم",
        "ادم",
        "فاطمة",
        "فاطمه",
        "مصطفى",
        "مصطفي",
        "علي",
        "على",
        "عبد الله",
        "عبدالله",
        "مُحَمَّد",
        "ـ",
    ] {
        assert!(text.contains(sample), "{sample} does not occur");
    }
}

#[test]
fn sixty_given_names_of_each_sex_occur() {
    let mut seen: HashMap<(&str, Sex), usize> = HashMap::new();
    for person in plan(40_000).people() {
        *seen.entry((person.name.given.ar, person.sex)).or_default() += 1;
    }
    for sex in [Sex::Male, Sex::Female] {
        assert!(seen.keys().filter(|(_, of)| *of == sex).count() >= 60);
    }
}

#[test]
fn registers_know_only_people_of_the_population() {
    let plan = plan(20_000);
    let people: HashMap<NationalId, Person> = plan
        .people()
        .map(|person| (person.national_id, person))
        .collect();
    let records: Vec<InsuranceRecord> = plan.insurance().collect();
    let adults = people
        .values()
        .filter(|p| p.is_alive() && p.age_on(REFERENCE) >= 18)
        .count();
    assert_eq!(records.len(), adults);
    assert!(
        records
            .iter()
            .any(|record| record.monthly_pension_egp.is_some())
    );
    for record in &records {
        assert_eq!(record.insured, record.sector.is_some());
        assert_eq!(record.insured, record.monthly_wage_egp.is_some());
        assert!(
            record
                .last_contribution
                .is_none_or(|day| day < REFERENCE && day.day() == 1)
        );
        let age = people[&record.national_id].age_on(REFERENCE);
        assert!(!record.insured || (18..60).contains(&age));
    }
    let mut plates = HashSet::new();
    for vehicle in plan.vehicles() {
        let owner = people[&vehicle.owner_id];
        assert!(owner.is_alive() && owner.age_on(REFERENCE) >= 18);
        assert!(vehicle.plate.contains('٠'), "a real plate has no zero");
        assert!(plates.insert(vehicle.plate));
    }
    assert!(plates.len() > 500, "{} vehicles", plates.len());
}

#[test]
fn applications_can_be_found_and_some_declare_too_many_children() {
    let plan = plan(20_000);
    let mut told = Vec::new();
    let backend = SocialSolidarityBackend::of(&plan, |done, total| told.push((done, total)));
    assert_eq!(told.last(), Some(&(20_000, 20_000)));
    assert!(told.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    let minors: HashMap<HouseholdId, u32> = plan
        .households()
        .map(|household| (household.id, household.minors(REFERENCE).count() as u32))
        .collect();
    let (mut honest, mut misstated) = (0, 0);
    for row in backend.rows() {
        assert_eq!(backend.find(row.applicant_id), Some(row));
        assert!(row.applied_on < REFERENCE);
        let known = minors[&row.household];
        assert!(row.programme == Programme::Karama || known > 0);
        assert!(row.declared_children >= known);
        if row.declared_children == known {
            honest += 1
        } else {
            misstated += 1
        }
    }
    assert!(
        misstated > 5 && honest > 10 * misstated,
        "{honest} honest, {misstated} not"
    );
    let statuses: HashSet<_> = backend
        .rows()
        .iter()
        .map(|row| row.status.as_str())
        .collect();
    assert_eq!(statuses.len(), 4);
    let stranger = NationalId::parse("29912319900011").unwrap();
    assert!(backend.find(stranger).is_none());
}
