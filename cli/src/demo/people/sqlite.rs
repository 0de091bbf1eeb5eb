//! Writes the civil registry as a SQLite file.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Sqlite, SqliteConnection};

use super::households::{Household, Person};
use super::registers::Register;
use super::{PeopleError, Plan};

/// Rows per statement: fifteen columns each, below SQLite's 32,766 bound values.
const BATCH: usize = 1_000;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS persons (
    national_id      TEXT PRIMARY KEY,
    name_ar          TEXT NOT NULL,
    name_en          TEXT NOT NULL,
    birth_date       TEXT NOT NULL,
    sex              TEXT NOT NULL CHECK (sex IN ('male', 'female')),
    marital_status   TEXT NOT NULL,
    governorate_code TEXT NOT NULL,
    governorate_ar   TEXT NOT NULL,
    governorate_en   TEXT NOT NULL,
    household_id     TEXT NOT NULL,
    role             TEXT NOT NULL,
    father_id        TEXT,
    mother_id        TEXT,
    alive            INTEGER NOT NULL CHECK (alive IN (0, 1)),
    death_date       TEXT,
    CHECK ((alive = 1) = (death_date IS NULL))
) STRICT;
CREATE TABLE IF NOT EXISTS households (
    household_id     TEXT PRIMARY KEY,
    head_id          TEXT NOT NULL,
    governorate_code TEXT NOT NULL,
    governorate_ar   TEXT NOT NULL,
    governorate_en   TEXT NOT NULL,
    living_members   INTEGER NOT NULL,
    minors           INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS persons_household ON persons (household_id);
CREATE INDEX IF NOT EXISTS households_head ON households (head_id);
DELETE FROM persons;
DELETE FROM households;
";

/// Writes `plan`'s persons and households into the SQLite file at `path`, calls `progress` with
/// people done and in all, and gives the number of persons. The file is made when missing; rows
/// of an earlier run are replaced. All in one transaction, so a reader sees all or nothing.
/// Dates are text, `YYYY-MM-DD`.
///
/// # Errors
/// [`PeopleError::Sqlite`] when the file cannot be opened or written.
pub async fn write_sqlite(
    plan: &Plan,
    path: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<u64, PeopleError> {
    write(plan, path, progress)
        .await
        .map_err(|source| PeopleError::Sqlite {
            path: path.to_owned(),
            source,
        })
}

async fn write(
    plan: &Plan,
    path: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, sqlx::Error> {
    // Made-up data that can be made again: no need to wait for the disk at every step.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Off);
    let mut connection = options.connect().await?;
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
    let mut done = 0;
    let mut persons: Vec<Person> = Vec::with_capacity(BATCH);
    let mut households: Vec<Household> = Vec::with_capacity(BATCH);
    for household in plan.households() {
        for person in &household.members {
            persons.push(*person);
            if persons.len() == BATCH {
                done += insert_persons(&mut transaction, &mut persons).await?;
                progress(done, plan.total());
            }
        }
        households.push(household);
        if households.len() == BATCH {
            insert_households(&mut transaction, plan, &mut households).await?;
        }
    }
    done += insert_persons(&mut transaction, &mut persons).await?;
    insert_households(&mut transaction, plan, &mut households).await?;
    transaction.commit().await?;
    connection.close().await?;
    progress(done, plan.total());
    Ok(done)
}

async fn insert_persons(
    connection: &mut SqliteConnection,
    persons: &mut Vec<Person>,
) -> Result<u64, sqlx::Error> {
    if persons.is_empty() {
        return Ok(0);
    }
    let mut insert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO persons (national_id, name_ar, name_en, birth_date, sex, marital_status, \
         governorate_code, governorate_ar, governorate_en, household_id, role, father_id, \
         mother_id, alive, death_date) ",
    );
    insert.push_values(persons.iter(), |mut row, person| {
        row.push_bind(person.national_id.to_string())
            .push_bind(person.name_ar(Register::CivilRegistry))
            .push_bind(person.name_en())
            .push_bind(person.birth_date.to_string())
            .push_bind(person.sex.as_str())
            .push_bind(person.marital_status.as_str())
            .push_bind(format!("{:02}", person.governorate.code))
            .push_bind(person.governorate.name_ar)
            .push_bind(person.governorate.name_en)
            .push_bind(person.household.to_string())
            .push_bind(person.role.as_str())
            .push_bind(person.father.map(|id| id.to_string()))
            .push_bind(person.mother.map(|id| id.to_string()))
            .push_bind(person.is_alive())
            .push_bind(person.death_date.map(|day| day.to_string()));
    });
    insert.build().execute(connection).await?;
    let written = persons.len() as u64;
    persons.clear();
    Ok(written)
}

async fn insert_households(
    connection: &mut SqliteConnection,
    plan: &Plan,
    households: &mut Vec<Household>,
) -> Result<(), sqlx::Error> {
    // A household without a head does not leave the generator.
    let rows: Vec<_> = households
        .iter()
        .filter_map(|household| Some((household, household.head()?)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut insert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO households (household_id, head_id, governorate_code, governorate_ar, \
         governorate_en, living_members, minors) ",
    );
    insert.push_values(rows, |mut row, (household, head)| {
        row.push_bind(household.id.to_string())
            .push_bind(head.national_id.to_string())
            .push_bind(format!("{:02}", household.governorate.code))
            .push_bind(household.governorate.name_ar)
            .push_bind(household.governorate.name_en)
            .push_bind(household.living().count() as i64)
            .push_bind(household.minors(plan.reference()).count() as i64);
    });
    insert.build().execute(connection).await?;
    households.clear();
    Ok(())
}
