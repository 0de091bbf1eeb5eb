//! Writes the social insurance register into PostgreSQL.

use sqlx::{Connection, PgConnection};

use super::registers::{InsuranceRecord, insurance};
use super::{PeopleError, Plan};

/// Rows per statement.
const BATCH: usize = 2_000;

/// Holds one writer at a time: two that make the same schema at once would fail each other.
/// Released when the transaction ends. The number is arbitrary.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7040619221)";

const SCHEMA: &str = "
CREATE SCHEMA IF NOT EXISTS social_insurance;
CREATE TABLE IF NOT EXISTS social_insurance.insured_persons (
    national_id         text PRIMARY KEY,
    name_ar             text NOT NULL,
    governorate_code    text NOT NULL,
    insured             boolean NOT NULL,
    sector              text,
    monthly_wage_egp    bigint,
    monthly_pension_egp bigint,
    last_contribution   date,
    CHECK (insured = (sector IS NOT NULL))
);
TRUNCATE social_insurance.insured_persons;
";

const INSERT: &str = "
INSERT INTO social_insurance.insured_persons (national_id, name_ar, governorate_code, insured,
    sector, monthly_wage_egp, monthly_pension_egp, last_contribution)
SELECT national_id, name_ar, governorate_code, insured,
    sector, wage, pension, last_contribution::date
FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[],
    $5::text[], $6::bigint[], $7::bigint[], $8::text[])
    AS row (national_id, name_ar, governorate_code, insured,
    sector, wage, pension, last_contribution)";

/// Writes `plan`'s insurance records into the table `social_insurance.insured_persons` of the
/// database at `url`, calls `progress` with people done and in all, and gives the number of
/// records. Schema and table are made when missing; rows of an earlier run are replaced. All in
/// one transaction, so a reader sees all or nothing.
///
/// # Errors
/// [`PeopleError::Postgres`] when the database cannot be reached or written.
pub async fn write_postgres(
    plan: &Plan,
    url: &str,
    progress: impl FnMut(u64, u64),
) -> Result<u64, PeopleError> {
    write(plan, url, progress)
        .await
        .map_err(PeopleError::Postgres)
}

async fn write(
    plan: &Plan,
    url: &str,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(LOCK).execute(&mut *transaction).await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
    let (mut done, mut rows) = (0, 0);
    let mut batch = Columns::default();
    for household in plan.households() {
        for record in insurance(&household, plan.reference()) {
            batch.push(record);
        }
        done += household.members.len() as u64;
        if batch.national_id.len() >= BATCH {
            rows += batch.insert(&mut transaction).await?;
            progress(done, plan.total());
        }
    }
    rows += batch.insert(&mut transaction).await?;
    transaction.commit().await?;
    connection.close().await?;
    progress(done, plan.total());
    Ok(rows)
}

/// A batch turned on its side: `unnest` takes one array per column.
#[derive(Default)]
struct Columns {
    national_id: Vec<String>,
    name_ar: Vec<String>,
    governorate_code: Vec<String>,
    insured: Vec<bool>,
    sector: Vec<Option<&'static str>>,
    wage: Vec<Option<i64>>,
    pension: Vec<Option<i64>>,
    last_contribution: Vec<Option<String>>,
}

impl Columns {
    fn push(&mut self, record: InsuranceRecord) {
        self.national_id.push(record.national_id.to_string());
        self.name_ar.push(record.name_ar);
        self.governorate_code
            .push(format!("{:02}", record.governorate.code));
        self.insured.push(record.insured);
        self.sector
            .push(record.sector.map(|sector| sector.as_str()));
        self.wage.push(record.monthly_wage_egp.map(i64::from));
        self.pension.push(record.monthly_pension_egp.map(i64::from));
        self.last_contribution
            .push(record.last_contribution.map(|day| day.to_string()));
    }

    /// Inserts what has gathered and empties the columns.
    async fn insert(&mut self, connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
        let full = std::mem::take(self);
        if full.national_id.is_empty() {
            return Ok(0);
        }
        let written = sqlx::query(INSERT)
            .bind(full.national_id)
            .bind(full.name_ar)
            .bind(full.governorate_code)
            .bind(full.insured)
            .bind(full.sector)
            .bind(full.wage)
            .bind(full.pension)
            .bind(full.last_contribution)
            .execute(connection)
            .await?;
        Ok(written.rows_affected())
    }
}
