//! The social solidarity register: applications for Takaful (families with children) and Karama
//! (the old), and the in-memory backend that answers for them.
//!
//! Applicants declare how many children they have. A few declare another number than the civil
//! registry holds: the reason why the agency asks before it pays.

use std::collections::HashMap;

use serde_json::{Value, json};
use time::{Date, Duration};

use super::Register;
use crate::demo::people::Plan;
use crate::demo::people::governorates::Governorate;
use crate::demo::people::households::{Household, HouseholdId, Person, Role};
use crate::demo::people::ids::{NationalId, Sex};
use crate::demo::people::rng::Chance;

/// The two cash programmes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Programme {
    /// Families with children under eighteen.
    Takaful,
    /// People of sixty-five and more.
    Karama,
}

impl Programme {
    /// The word in the register.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Takaful => "takaful",
            Self::Karama => "karama",
        }
    }
}

/// How far an application has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplicationStatus {
    /// Waiting for the other agencies' answers.
    UnderReview,
    /// Paid every month.
    Active,
    /// Paid before, stopped.
    Suspended,
    /// Not granted.
    Rejected,
}

impl ApplicationStatus {
    /// The word in the register.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnderReview => "under_review",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Rejected => "rejected",
        }
    }
}

/// One household's application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The person who applied: in Takaful the mother where there is one.
    pub applicant_id: NationalId,
    /// The applicant's name as this register spells it.
    pub applicant_name_ar: String,
    /// The household applied for.
    pub household: HouseholdId,
    /// Where it lives.
    pub governorate: &'static Governorate,
    /// Which programme.
    pub programme: Programme,
    /// Day of the application, within three years before the reference date.
    pub applied_on: Date,
    /// How far it has come.
    pub status: ApplicationStatus,
    /// Children under eighteen as the applicant declared them, not as registered.
    pub declared_children: u32,
    /// What is, was or would be paid per month in Egyptian pounds; 0 when rejected. In the range
    /// of the mid-2020s, not the legal scale.
    pub monthly_amount_egp: u32,
}

impl Application {
    /// The row as the agency's HTTP backend sends it.
    pub fn to_json(&self) -> Value {
        json!({
            "applicant_id": self.applicant_id.to_string(),
            "applicant_name_ar": self.applicant_name_ar,
            "household_id": self.household.to_string(),
            "governorate_code": format!("{:02}", self.governorate.code),
            "governorate_ar": self.governorate.name_ar,
            "governorate_en": self.governorate.name_en,
            "programme": self.programme.as_str(),
            "applied_on": self.applied_on.to_string(),
            "status": self.status.as_str(),
            "declared_children": self.declared_children,
            "monthly_amount_egp": self.monthly_amount_egp,
        })
    }
}

/// The application of `household` as of `reference`, if it made one.
pub fn application(household: &Household, reference: Date) -> Option<Application> {
    let mut chance = Chance::new(household.seed_for(Register::SocialSolidarity));
    let children = household.minors(reference).count() as u32;
    let (applicant, programme) = choose(household, children, reference, &mut chance)?;
    let status = match chance.below(100) {
        0..62 => ApplicationStatus::Active,
        62..80 => ApplicationStatus::UnderReview,
        80..90 => ApplicationStatus::Suspended,
        _ => ApplicationStatus::Rejected,
    };
    let misstated = programme == Programme::Takaful && chance.percent(6);
    let declared_children = children
        + if misstated {
            1 + chance.below(2) as u32
        } else {
            0
        };
    let amount = match (status, programme) {
        (ApplicationStatus::Rejected, _) => 0,
        (_, Programme::Takaful) => 650 + 130 * declared_children.min(3),
        (_, Programme::Karama) => 800,
    };
    let days = match status {
        ApplicationStatus::UnderReview => chance.between(1, 60),
        ApplicationStatus::Active | ApplicationStatus::Suspended | ApplicationStatus::Rejected => {
            chance.between(90, 1_090)
        }
    };
    Some(Application {
        applicant_id: applicant.national_id,
        applicant_name_ar: applicant.name_ar(Register::SocialSolidarity),
        household: household.id,
        governorate: household.governorate,
        programme,
        applied_on: reference.saturating_sub(Duration::days(days)),
        status,
        declared_children,
        monthly_amount_egp: amount,
    })
}

/// Who applies and for what: most poor families with children for Takaful, otherwise most poor
/// households with an old member for Karama, all others not at all.
fn choose<'a>(
    household: &'a Household,
    children: u32,
    reference: Date,
    chance: &mut Chance,
) -> Option<(&'a Person, Programme)> {
    if household.means < 35 && children > 0 && chance.percent(75) {
        return Some((takaful_applicant(household)?, Programme::Takaful));
    }
    let elder = household
        .living()
        .find(|person| person.age_on(reference) >= 65)?;
    (household.means < 40 && chance.percent(60)).then_some((elder, Programme::Karama))
}

/// Takaful is paid to the mother; to the head where no mother lives in the household.
fn takaful_applicant(household: &Household) -> Option<&Person> {
    let is_mother = |woman: &&Person| {
        woman.sex == Sex::Female
            && household
                .members
                .iter()
                .any(|child| child.mother == Some(woman.national_id) && child.role == Role::Child)
    };
    household
        .living()
        .find(is_mother)
        .or_else(|| household.head())
}

/// The agency's backend for the HTTP provider: all applications, found by the applicant's
/// national ID. Memory grows with the applications, about one household in five.
#[derive(Debug, Default)]
pub struct SocialSolidarityBackend {
    rows: Vec<Application>,
    by_applicant: HashMap<NationalId, usize>,
}

impl SocialSolidarityBackend {
    /// Makes the register of `plan`. `progress` hears how many of the plan's people are done.
    pub fn of(plan: &Plan, mut progress: impl FnMut(u64, u64)) -> Self {
        let mut backend = Self::default();
        let mut done = 0;
        let mut told = 0;
        for household in plan.households() {
            if let Some(row) = application(&household, plan.reference()) {
                backend
                    .by_applicant
                    .insert(row.applicant_id, backend.rows.len());
                backend.rows.push(row);
            }
            done += household.members.len() as u64;
            if done - told >= 10_000 {
                told = done;
                progress(done, plan.total());
            }
        }
        progress(done, plan.total());
        backend
    }

    /// The application this person made, if any.
    pub fn find(&self, applicant: NationalId) -> Option<&Application> {
        self.by_applicant
            .get(&applicant)
            .and_then(|index| self.rows.get(*index))
    }

    /// All applications in the order of the households.
    pub fn rows(&self) -> &[Application] {
        &self.rows
    }
}
