//! The written registers read back: SQLite, CSV, and PostgreSQL where a test database is named.

use std::collections::HashMap;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};

use super::super::*;
use super::plan;

#[tokio::test]
async fn the_civil_registry_reads_back_from_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("civil.db");
    let plan = plan(3_500);
    // The second run replaces the first, which held other people.
    let first = Plan::new(7, 1_200, plan.reference()).unwrap();
    assert_eq!(write_sqlite(&first, &path, |_, _| ()).await.unwrap(), 1_200);
    let mut told = Vec::new();
    let written = write_sqlite(&plan, &path, |done, total| told.push((done, total))).await;
    assert_eq!(written.unwrap(), 3_500);
    assert_eq!(told.last(), Some(&(3_500, 3_500)));

    let options = SqliteConnectOptions::new().filename(&path).read_only(true);
    let mut connection = options.connect().await.unwrap();
    let rows = sqlx::query("SELECT * FROM persons")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let mut known: HashMap<String, Person> = plan
        .people()
        .map(|person| (person.national_id.to_string(), person))
        .collect();
    assert_eq!(rows.len(), known.len());
    for row in rows {
        let person = known.remove(row.get::<&str, _>("national_id")).unwrap();
        assert_eq!(
            row.get::<String, _>("name_ar"),
            person.name_ar(Register::CivilRegistry)
        );
        assert_eq!(row.get::<String, _>("name_en"), person.name_en());
        assert_eq!(
            row.get::<String, _>("birth_date"),
            person.birth_date.to_string()
        );
        assert_eq!(row.get::<&str, _>("sex"), person.sex.as_str());
        assert_eq!(
            row.get::<&str, _>("marital_status"),
            person.marital_status.as_str()
        );
        assert_eq!(
            row.get::<&str, _>("governorate_ar"),
            person.governorate.name_ar
        );
        assert_eq!(
            row.get::<String, _>("household_id"),
            person.household.to_string()
        );
        assert_eq!(row.get::<&str, _>("role"), person.role.as_str());
        let id = |id: Option<NationalId>| id.map(|id| id.to_string());
        assert_eq!(row.get::<Option<String>, _>("father_id"), id(person.father));
        assert_eq!(row.get::<Option<String>, _>("mother_id"), id(person.mother));
        assert_eq!(row.get::<bool, _>("alive"), person.is_alive());
        let died = person.death_date.map(|day| day.to_string());
        assert_eq!(row.get::<Option<String>, _>("death_date"), died);
    }
    households_read_back(&plan, &mut connection).await;
    connection.close().await.unwrap();
}

async fn households_read_back(plan: &Plan, connection: &mut sqlx::SqliteConnection) {
    let rows = sqlx::query("SELECT * FROM households ORDER BY household_id")
        .fetch_all(connection)
        .await
        .unwrap();
    let mut households: Vec<Household> = plan.households().collect();
    households.sort_by_key(|household| household.id);
    assert_eq!(rows.len(), households.len());
    for (row, household) in rows.iter().zip(&households) {
        assert_eq!(
            row.get::<String, _>("household_id"),
            household.id.to_string()
        );
        let head = household.head().unwrap().national_id.to_string();
        assert_eq!(row.get::<String, _>("head_id"), head);
        assert_eq!(
            row.get::<i64, _>("living_members"),
            household.living().count() as i64
        );
        let minors = household.minors(plan.reference()).count() as i64;
        assert_eq!(row.get::<i64, _>("minors"), minors);
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    std::fs::write(
        &path,
        "not a database, and longer than the header of one".repeat(40),
    )
    .unwrap();
    let refused = write_sqlite(&plan(10), &path, |_, _| ()).await;
    assert!(matches!(refused, Err(PeopleError::Sqlite { path: named, .. }) if named == path));
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("not a database")
    );
}

#[test]
fn the_traffic_register_reads_back_from_csv() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vehicles.csv");
    std::fs::write(&path, "an older file").unwrap();
    let plan = plan(5_000);
    let mut last = None;
    let written = write_csv(&plan, &path, |done, total| last = Some((done, total))).unwrap();
    assert_eq!(last, Some((5_000, 5_000)));

    let vehicles: Vec<Vehicle> = plan.vehicles().collect();
    assert_eq!(written, vehicles.len() as u64);
    let mut file = csv::Reader::from_path(&path).unwrap();
    let header = file.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = file.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), vehicles.len());
    for (row, vehicle) in rows.iter().zip(&vehicles) {
        let field = |name: &str| {
            let place = header.iter().position(|column| column == name).unwrap();
            row.get(place).unwrap()
        };
        assert_eq!(NationalId::parse(field("owner_id")), Ok(vehicle.owner_id));
        assert_eq!(field("owner_name_ar"), vehicle.owner_name_ar);
        assert_eq!(field("plate"), vehicle.plate);
        assert_eq!(field("kind"), vehicle.kind.as_str());
        assert_eq!(field("model_year"), vehicle.model_year.to_string());
        assert_eq!(field("governorate_en"), vehicle.governorate.name_en);
        assert_eq!(
            field("licence_valid_until"),
            vehicle.licence_valid_until.to_string()
        );
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "the unfinished file is gone");
}

#[test]
fn a_folder_that_does_not_exist_is_reported_with_its_path() {
    let path = std::path::Path::new("no-such-folder/vehicles.csv");
    let refused = write_csv(&plan(10), path, |_, _| ());
    assert!(matches!(refused, Err(PeopleError::Csv { path: named, .. }) if named == path));
}

#[tokio::test]
async fn the_insurance_register_reads_back_from_postgres() {
    let Ok(url) = std::env::var("MOHAWEL_TEST_POSTGRES") else {
        eprintln!("skipped: MOHAWEL_TEST_POSTGRES names no database");
        return;
    };
    let plan = plan(5_000);
    // Twice, to see that schema and rows are replaced and not doubled.
    let first = Plan::new(7, 900, plan.reference()).unwrap();
    write_postgres(&first, &url, |_, _| ()).await.unwrap();
    let mut last = None;
    let written = write_postgres(&plan, &url, |done, total| last = Some((done, total))).await;
    assert_eq!(last, Some((5_000, 5_000)));

    let mut known: HashMap<String, InsuranceRecord> = plan
        .insurance()
        .map(|record| (record.national_id.to_string(), record))
        .collect();
    assert_eq!(written.unwrap(), known.len() as u64);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let rows = sqlx::query(
        "SELECT *, last_contribution::text AS paid FROM social_insurance.insured_persons",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(rows.len(), known.len());
    for row in rows {
        let record = known.remove(row.get::<&str, _>("national_id")).unwrap();
        assert_eq!(row.get::<String, _>("name_ar"), record.name_ar);
        assert_eq!(row.get::<bool, _>("insured"), record.insured);
        let sector = record.sector.map(|sector| sector.as_str());
        assert_eq!(row.get::<Option<&str>, _>("sector"), sector);
        let wage = record.monthly_wage_egp.map(i64::from);
        assert_eq!(row.get::<Option<i64>, _>("monthly_wage_egp"), wage);
        let pension = record.monthly_pension_egp.map(i64::from);
        assert_eq!(row.get::<Option<i64>, _>("monthly_pension_egp"), pension);
        let paid = record.last_contribution.map(|day| day.to_string());
        assert_eq!(row.get::<Option<String>, _>("paid"), paid);
    }
    connection.close().await.unwrap();
}
