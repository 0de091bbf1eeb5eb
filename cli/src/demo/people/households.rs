//! Households and the persons in them: what the civil registry knows.

mod making;

use std::fmt;

use time::Date;

pub use making::Households;

use super::governorates::Governorate;
use super::ids::{NationalId, Sex};
use super::names::{FullName, write_name};
use super::registers::Register;
use super::rng::scatter;
use super::years_between;

/// Number of a household, unique in its population, counted from 1. Written `HH-0000001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HouseholdId(u32);

impl HouseholdId {
    /// The bare number.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for HouseholdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HH-{:07}", self.0)
    }
}

/// A person's place in the household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The person the household is registered under; alive.
    Head,
    /// Married to the head.
    Spouse,
    /// The head's late husband or wife.
    LateSpouse,
    /// A child of the head.
    Child,
    /// The head's mother, living with the family.
    Mother,
}

impl Role {
    /// The word in the civil registry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Spouse => "spouse",
            Self::LateSpouse => "late_spouse",
            Self::Child => "child",
            Self::Mother => "mother",
        }
    }
}

/// Civil status; for the dead, the status at death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaritalStatus {
    /// Never married.
    Single,
    /// Married.
    Married,
    /// Divorced and not married again.
    Divorced,
    /// Outlived the spouse.
    Widowed,
}

impl MaritalStatus {
    /// The word in the civil registry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Married => "married",
            Self::Divorced => "divorced",
            Self::Widowed => "widowed",
        }
    }
}

/// One person of the civil registry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Person {
    /// Unique; its code says that it is synthetic.
    pub national_id: NationalId,
    /// The four names, in the identity card's spelling.
    pub name: FullName,
    /// As in the national ID.
    pub birth_date: Date,
    /// As in the national ID.
    pub sex: Sex,
    /// Civil status on the reference date.
    pub marital_status: MaritalStatus,
    /// Place of residence.
    pub governorate: &'static Governorate,
    /// The household of which this person is a member.
    pub household: HouseholdId,
    /// Place in the household.
    pub role: Role,
    /// The father, where he is in the population. A divorced father lives in another household.
    pub father: Option<NationalId>,
    /// The mother, where she is in the population.
    pub mother: Option<NationalId>,
    /// Day of death; `None` for the living.
    pub death_date: Option<Date>,
}

impl Person {
    /// Whether the registry shows the person as alive.
    pub fn is_alive(&self) -> bool {
        self.death_date.is_none()
    }

    /// Full years on `day`.
    pub fn age_on(&self, day: Date) -> u32 {
        years_between(self.birth_date, day)
    }

    /// The Arabic name as `register` spells it.
    pub fn name_ar(&self, register: Register) -> String {
        write_name(&self.name, register, self.national_id)
    }

    /// The name in Latin letters.
    pub fn name_en(&self) -> String {
        self.name.english()
    }
}

/// One household with its members, the head first among the living and parents before children.
#[derive(Debug, Clone, PartialEq)]
pub struct Household {
    /// Its number.
    pub id: HouseholdId,
    /// Where it lives.
    pub governorate: &'static Governorate,
    /// Everyone registered in it, the dead included.
    pub members: Vec<Person>,
    /// How well off it is, 0 (poor) to 99. No register shows it; wages, cars and applications
    /// follow from it, so that the registers agree with each other.
    pub(super) means: u8,
    /// The household's own chance, so that a register row needs nothing but its household.
    pub(super) noise: u64,
}

impl Household {
    /// The head. `None` only for a household emptied by its caller.
    pub fn head(&self) -> Option<&Person> {
        self.members.iter().find(|person| person.role == Role::Head)
    }

    /// The living members.
    pub fn living(&self) -> impl Iterator<Item = &Person> {
        self.members.iter().filter(|person| person.is_alive())
    }

    /// Living children under eighteen on `day`.
    pub fn minors(&self, day: Date) -> impl Iterator<Item = &Person> {
        self.living()
            .filter(move |person| person.role == Role::Child && person.age_on(day) < 18)
    }

    /// A seed for `register`'s rows about this household.
    pub(super) fn seed_for(&self, register: Register) -> u64 {
        scatter(self.noise ^ register.salt())
    }
}
