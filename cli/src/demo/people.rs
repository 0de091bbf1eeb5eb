//! The people of the demo: a made-up population for the agencies' registers.
//!
//! A [`Plan`] (seed, number of people, reference date) stands for one population. From it come
//! the households ([`Plan::households`]), and from those the register of each agency:
//!
//! | agency | rows | written by |
//! |---|---|---|
//! | civil registry | [`Person`], [`Household`] | [`write_sqlite`] |
//! | social insurance | [`InsuranceRecord`] | [`write_postgres`] |
//! | traffic | [`Vehicle`] | [`write_csv`] |
//! | social solidarity | [`Application`] | [`SocialSolidarityBackend`], held in memory |
//!
//! Same plan, same rows, on every machine: there is no clock here and no other source of chance
//! than the seed. Everything is made household by household, so memory does not grow with the
//! number of people. No generated national ID and no number plate can be a real person's
//! ([`ids`], [`Vehicle::plate`]).

pub mod governorates;
mod households;
pub mod ids;
pub mod names;
mod postgres;
pub mod registers;
mod rng;
mod sqlite;
mod traffic_csv;

use std::path::PathBuf;

use time::Date;

pub use households::{Household, HouseholdId, Households, MaritalStatus, Person, Role};
pub use ids::{NationalId, Sex};
pub use postgres::write_postgres;
pub use registers::{
    Application, ApplicationStatus, InsuranceRecord, Programme, Register, Sector,
    SocialSolidarityBackend, Vehicle, VehicleKind, Vehicles,
};
pub use sqlite::write_sqlite;
pub use traffic_csv::write_csv;

/// People in the demo when nothing else is asked for.
pub const DEFAULT_PEOPLE: u64 = 5_000;

/// The largest population: far below what the four-digit serials of [`ids`] can number.
pub const MAX_PEOPLE: u64 = 10_000_000;

/// What a population is made from. Two equal plans give the same population.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    seed: u64,
    people: u64,
    reference: Date,
}

impl Plan {
    /// A population of exactly `people` persons as the registers show it on `reference`. Ages,
    /// deaths and applications all lie before that day. A larger plan with the same seed and day
    /// begins with the same households.
    ///
    /// # Errors
    /// [`PeopleError::TooMany`] above [`MAX_PEOPLE`]; [`PeopleError::ReferenceDate`] outside the
    /// years 2000 to 2099, which the century digit of the IDs allows.
    pub fn new(seed: u64, people: u64, reference: Date) -> Result<Self, PeopleError> {
        if people > MAX_PEOPLE {
            return Err(PeopleError::TooMany { asked: people });
        }
        if !(2000..=2099).contains(&reference.year()) {
            return Err(PeopleError::ReferenceDate { asked: reference });
        }
        Ok(Self {
            seed,
            people,
            reference,
        })
    }

    /// How many persons the population has.
    pub fn total(&self) -> u64 {
        self.people
    }

    /// The day whose state the registers show.
    pub fn reference(&self) -> Date {
        self.reference
    }

    /// The households, made one by one.
    pub fn households(&self) -> Households {
        Households::new(self.seed, self.people, self.reference)
    }

    /// The persons, household by household.
    pub fn people(&self) -> impl Iterator<Item = Person> + use<> {
        self.households().flat_map(|household| household.members)
    }

    /// The traffic register, household by household.
    pub fn vehicles(&self) -> impl Iterator<Item = Vehicle> + use<> {
        let mut vehicles = Vehicles::new(self.reference);
        self.households()
            .flat_map(move |household| vehicles.of(&household))
    }

    /// The social insurance register, household by household.
    pub fn insurance(&self) -> impl Iterator<Item = InsuranceRecord> + use<> {
        let reference = self.reference;
        self.households()
            .flat_map(move |household| registers::insurance(&household, reference))
    }

    /// The social solidarity register, household by household.
    pub fn applications(&self) -> impl Iterator<Item = Application> + use<> {
        let reference = self.reference;
        self.households()
            .filter_map(move |household| registers::application(&household, reference))
    }
}

/// Full years between `birth` and `on`; 0 when `on` is earlier.
fn years_between(birth: Date, on: Date) -> u32 {
    let before_birthday = (on.month() as u8, on.day()) < (birth.month() as u8, birth.day());
    u32::try_from(on.year() - birth.year() - i32::from(before_birthday)).unwrap_or(0)
}

/// Why a population could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// More people than IDs can number with a margin.
    #[error("{asked} people were asked for; the generator makes at most {MAX_PEOPLE}")]
    TooMany {
        /// The number asked for.
        asked: u64,
    },
    /// A reference date the century digit cannot express.
    #[error("the reference date {asked} is outside the years 2000 to 2099")]
    ReferenceDate {
        /// The date asked for.
        asked: Date,
    },
    /// The civil registry's SQLite file could not be written.
    #[error("writing the civil registry to {path} failed")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The social insurance database could not be written. The URL is left out: it may hold a
    /// password.
    #[error("writing the social insurance register to PostgreSQL failed")]
    Postgres(#[source] sqlx::Error),
    /// The traffic register's CSV file could not be written.
    #[error("writing the traffic register to {path} failed")]
    Csv {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: csv::Error,
    },
}

#[cfg(test)]
mod tests;
