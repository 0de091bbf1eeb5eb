//! The social insurance register: one record per living adult.

use time::{Date, Duration};

use super::Register;
use crate::demo::people::governorates::Governorate;
use crate::demo::people::households::{Household, Person};
use crate::demo::people::ids::{NationalId, Sex};
use crate::demo::people::rng::Chance;

/// Who pays the contributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sector {
    /// Ministries and local administration.
    Government,
    /// State-owned companies.
    PublicBusiness,
    /// Private employers.
    Private,
    /// Day labourers and the self-employed.
    Irregular,
}

impl Sector {
    /// The word in the register.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Government => "government",
            Self::PublicBusiness => "public_business",
            Self::Private => "private",
            Self::Irregular => "irregular",
        }
    }
}

/// What the social insurance register holds about one adult.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsuranceRecord {
    /// The key.
    pub national_id: NationalId,
    /// The name as this register spells it.
    pub name_ar: String,
    /// Where the file is kept: the governorate of residence.
    pub governorate: &'static Governorate,
    /// Contributions are being paid.
    pub insured: bool,
    /// The employer's sector; `None` unless insured.
    pub sector: Option<Sector>,
    /// Insurable wage per month in Egyptian pounds; `None` unless insured. In the range of the
    /// mid-2020s, not a statistic.
    pub monthly_wage_egp: Option<u32>,
    /// Old-age pension per month in Egyptian pounds; `None` without one.
    pub monthly_pension_egp: Option<u32>,
    /// First day of the last month paid for; `None` unless insured.
    pub last_contribution: Option<Date>,
}

/// The records of a household's living adults as of `reference`.
pub fn insurance(household: &Household, reference: Date) -> Vec<InsuranceRecord> {
    let mut chance = Chance::new(household.seed_for(Register::SocialInsurance));
    household
        .living()
        .filter(|person| person.age_on(reference) >= 18)
        .map(|person| record(person, household.means, reference, &mut chance))
        .collect()
}

fn record(person: &Person, means: u8, reference: Date, chance: &mut Chance) -> InsuranceRecord {
    let mut record = InsuranceRecord {
        national_id: person.national_id,
        name_ar: person.name_ar(Register::SocialInsurance),
        governorate: person.governorate,
        insured: false,
        sector: None,
        monthly_wage_egp: None,
        monthly_pension_egp: None,
        last_contribution: None,
    };
    let means = i64::from(means);
    if person.age_on(reference) >= 60 {
        let share = if person.sex == Sex::Male { 65 } else { 25 };
        if chance.percent(share) {
            let pension = 1_500 + means * chance.between(20, 90);
            record.monthly_pension_egp = u32::try_from(pension).ok();
        }
        return record;
    }
    let base = if person.sex == Sex::Male { 25 } else { 8 };
    if !chance.percent(base + means as u64 / 3) {
        return record;
    }
    let sector = draw_sector(means, chance);
    let months_behind = if sector == Sector::Irregular {
        chance.between(0, 9)
    } else {
        0
    };
    let day = reference.saturating_sub(Duration::days(30 * (months_behind + 1)));
    record.insured = true;
    record.sector = Some(sector);
    let wage = 2_300 + means * chance.between(20, 120);
    record.monthly_wage_egp = u32::try_from(wage / 10 * 10).ok();
    record.last_contribution = day.replace_day(1).ok();
    record
}

/// The poor work by the day more often than for the state.
fn draw_sector(means: i64, chance: &mut Chance) -> Sector {
    if chance.between(0, 99) > means + 20 {
        return Sector::Irregular;
    }
    match chance.below(10) {
        0..4 => Sector::Government,
        4 => Sector::PublicBusiness,
        _ => Sector::Private,
    }
}
