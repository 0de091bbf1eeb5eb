//! Fills the agencies' real stores with the synthetic people, and says how to serve them.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::agencies::Stores;
use super::people::{self, Plan};
use crate::failure::Failure;

/// Rows written in one transaction: large enough to be quick, small enough to stay in memory.
const ROWS_PER_TRANSACTION: usize = 10_000;

/// Writes social insurance into SQLite, for machines without PostgreSQL.
///
/// # Errors
/// The file cannot be written.
pub async fn write_insurance_sqlite(plan: &Plan, path: &Path) -> Result<(), Failure> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .connect()
        .await
        .map_err(Failure::unavailable)?;
    sqlx::query(
        "CREATE TABLE insured_persons (national_id TEXT PRIMARY KEY, insured BOOLEAN NOT NULL, sector TEXT, \
         monthly_wage_egp INTEGER, monthly_pension_egp INTEGER)",
    )
    .execute(&mut connection)
    .await
    .map_err(Failure::unavailable)?;
    let mut rows = plan.insurance().peekable();
    while rows.peek().is_some() {
        write_some(&mut connection, rows.by_ref().take(ROWS_PER_TRANSACTION)).await?;
    }
    connection.close().await.map_err(Failure::unavailable)
}

async fn write_some(
    connection: &mut SqliteConnection,
    rows: impl Iterator<Item = people::InsuranceRecord>,
) -> Result<(), Failure> {
    let mut transaction = connection.begin().await.map_err(Failure::unavailable)?;
    for row in rows {
        sqlx::query("INSERT INTO insured_persons VALUES (?, ?, ?, ?, ?)")
            .bind(row.national_id.to_string())
            .bind(row.insured)
            .bind(row.sector.map(people::Sector::as_str))
            .bind(row.monthly_wage_egp.map(i64::from))
            .bind(row.monthly_pension_egp.map(i64::from))
            .execute(&mut *transaction)
            .await
            .map_err(Failure::unavailable)?;
    }
    transaction.commit().await.map_err(Failure::unavailable)
}

/// The stock providers of one agency, TOML; empty for an agency that only asks.
pub(super) fn providers_toml(key: &str, stores: &Stores<'_>) -> String {
    match key {
        "civil" => civil(stores.civil),
        "moss" => moss(stores.moss),
        "nosi" => nosi(stores),
        "traffic" => traffic(stores.traffic),
        _ => String::new(),
    }
}

fn civil(file: &Path) -> String {
    format!(
        r#"[service."persons.v1"]
kind = "sql"
sqlite = {file:?}

[service."persons.v1".operation.household]
parameters = {{ national_id = "text" }}
query = """SELECT h.household_id, h.governorate_ar, h.governorate_en, h.living_members, h.minors
           FROM persons p JOIN households h ON h.household_id = p.household_id
           WHERE p.national_id = :national_id"""
fields = ["governorate_ar", "governorate_en", "household_id", "living_members", "minors"]

[service."persons.v1".operation.lookup]
parameters = {{ national_id = "text" }}
query = """SELECT alive, birth_date, father_id, governorate_ar, marital_status, mother_id, name_ar, name_en, sex
           FROM persons WHERE national_id = :national_id"""
fields = ["alive", "birth_date", "father_id", "governorate_ar", "marital_status", "mother_id", "name_ar", "name_en", "sex"]
"#
    )
}

fn moss(address: &str) -> String {
    format!(
        r#"[service."applications.v1"]
kind = "http"
backend = "http://{address}"

[service."applications.v1".operation.status]
method = "GET"
path = "/applications/{{national_id}}"
parameters = {{ national_id = "text" }}
fields = {{ applied_on = "/applied_on", monthly_amount_egp = "/monthly_amount_egp", programme = "/programme", status = "/status" }}
"#
    )
}

fn nosi(stores: &Stores<'_>) -> String {
    let (store, table) = match &stores.nosi_postgres {
        Some(postgres) => {
            let password = match &postgres.password_file {
                Some(file) => format!("password = {{ file = {file:?} }}\n"),
                None => String::new(),
            };
            (
                format!("postgres = {:?}\n{password}", postgres.url),
                "social_insurance.insured_persons",
            )
        }
        None => (
            format!("sqlite = {:?}\n", stores.nosi_file),
            "insured_persons",
        ),
    };
    format!(
        r#"[service."insured.v1"]
kind = "sql"
{store}
[service."insured.v1".operation.lookup]
parameters = {{ national_id = "text" }}
query = """SELECT insured, sector, monthly_wage_egp, monthly_pension_egp
           FROM {table} WHERE national_id = :national_id"""
fields = ["insured", "monthly_pension_egp", "monthly_wage_egp", "sector"]
empty = "answer"
"#
    )
}

fn traffic(file: &Path) -> String {
    format!(
        r#"[service."vehicles.v1"]
kind = "csv"
file = {file:?}

[service."vehicles.v1".operation.owned]
key = {{ national_id = "owner_id" }}
fields = ["kind", "licence_valid_until", "model_year", "plate"]
empty = "answer"
"#
    )
}

/// A PostgreSQL server as a stock provider names it: the password apart, in a file of its own.
#[derive(Debug)]
pub struct Postgres {
    /// The URL without the password.
    pub url: String,
    /// Owner-only file that holds the password, if there is one.
    pub password_file: Option<PathBuf>,
}

impl Postgres {
    /// Takes the password out of `url` and puts it into `file`.
    ///
    /// # Errors
    /// No URL, or the file cannot be written.
    pub fn part(url: &str, file: &Path) -> Result<Self, Failure> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| Failure::usage("the PostgreSQL URL has no scheme"))?;
        let Some((login, place)) = rest.split_once('@') else {
            return Ok(Self {
                url: url.to_owned(),
                password_file: None,
            });
        };
        let Some((user, password)) = login.split_once(':') else {
            return Ok(Self {
                url: url.to_owned(),
                password_file: None,
            });
        };
        certs::key_files::write_private(file, password.as_bytes()).map_err(Failure::unavailable)?;
        Ok(Self {
            url: format!("{scheme}://{user}@{place}"),
            password_file: Some(file.to_owned()),
        })
    }
}
