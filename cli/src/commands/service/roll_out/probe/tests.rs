//! Tables that do not carry a contract, in SQLite, in a file, and in PostgreSQL where `MOHAWEL_TEST_POSTGRES` names one.

use std::path::Path;
use std::str::FromStr as _;

use proto::id::SystemId;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::super::store::described;
use super::*;
use crate::commands::service::definition::Definition;
use crate::demo::stores::Postgres;

const DEFINITION: &str = r#"
service = "permits.v1"
name_en = "Permits"
name_ar = "التراخيص"
[[operations]]
name = "lookup"
name_en = "One permit"
name_ar = "ترخيص"
fields = ["fee", "floors", "holder", "valid_until"]
[operations.request_schema]
required = ["number", "year"]
properties = { number = { type = "string" }, year = { type = "integer" } }
[operations.answer_schema]
type = "object"
[operations.answer_schema.properties]
fee = { type = ["number", "null"] }
floors = { type = "integer" }
holder = { type = "string" }
valid_until = { type = "string", format = "date" }
"#;

const RIGHT: &str = "number TEXT, year INTEGER, fee DOUBLE PRECISION, floors INTEGER, holder TEXT, valid_until DATE";

fn contract() -> ServiceDefinition {
    let system = SystemId::parse("EG/GOV/QENA/local").unwrap();
    Definition::parse(DEFINITION).unwrap().of_system(&system, 1)
}

/// What a roll-out over `table` of `store` says, before anything is done.
async fn found(dir: &Path, store: &str, table: &str) -> Result<(), Failure> {
    let text = format!(
        "from = \"EG/GOV/GIZA/local/permits.v1\"\nowner_contact = \"p@qena.example\"\n[store]\n{store}\n\
         [operations.lookup]\n{table}\nkey = [\"number\", \"year\"]\n"
    );
    let plan = Plan::parse(&text, &dir.join("plan.toml")).unwrap();
    let table = described(&plan, &contract()).unwrap();
    probe(&plan, &contract(), &table).await
}

/// Both texts say each of these, and nothing is missing in one language.
fn says(found: Result<(), Failure>, all: &[&str]) {
    let failure = found.unwrap_err();
    for text in &failure.what {
        for said in all {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
    assert!(failure.next.iter().all(|text| !text.is_empty()));
}

async fn in_sqlite(columns: &str) -> Result<(), Failure> {
    let dir = tempfile::tempdir().unwrap();
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("erp.sqlite"));
    let mut open = file.create_if_missing(true).connect().await.unwrap();
    let text = format!("CREATE TABLE permits ({columns})");
    sqlx::raw_sql(AssertSqlSafe(text))
        .execute(&mut open)
        .await
        .unwrap();
    open.close().await.unwrap();
    found(dir.path(), "sqlite = \"erp.sqlite\"", "table = \"permits\"").await
}

#[tokio::test]
async fn sqlite_tells_what_it_declares() {
    in_sqlite(RIGHT).await.unwrap();
    // A column without a declared type may hold anything: only its rows can say.
    in_sqlite("number, year, fee, floors, holder, valid_until")
        .await
        .unwrap();
    let columns = "number TEXT, year TEXT, fee TEXT, floors REAL, holder BLOB";
    says(
        in_sqlite(columns).await,
        &[
            ": 4",
            "'fee'",
            "'floors'",
            "'holder'",
            "BLOB",
            "'valid_until'",
            "number, year",
        ],
    );
}

#[tokio::test]
async fn a_csv_file_holds_text_and_is_asked_by_text() {
    let dir = tempfile::tempdir().unwrap();
    let text = "number,year,fee,floors,holder,valid_until\nQ-1,2026,10,2,x,2027-01-01\n";
    std::fs::write(dir.path().join("p.csv"), text).unwrap();
    says(
        found(dir.path(), "file = \"p.csv\"", "").await,
        &[": 3", "'year'", "'fee'", "'floors'"],
    );
}

#[test]
fn a_contract_that_states_no_type_claims_none() {
    let schema = serde_json::json!({
        "type": "array",
        "items": { "properties": {
            "a": { "type": ["null", "string"], "format": "date" },
            "b": { "$ref": "#/$defs/b" }, "c": { "type": "null" },
        } },
    });
    let wanted_a = wanted(&schema, "a").unwrap();
    assert_eq!(wanted_a.to_string(), "string (date)");
    for field in ["b", "c", "d"] {
        assert_eq!(wanted(&schema, field), None, "{field}");
    }
    assert_eq!(wanted(&Json::Null, "a"), None);
}

/// A schema and a reader of this test's own.
struct Bed {
    server: PgConnection,
    name: String,
    dir: tempfile::TempDir,
    store: String,
}

impl Bed {
    /// `None` where there is no database, and says so.
    async fn make(name: &str) -> Option<Self> {
        let Ok(url) = std::env::var("MOHAWEL_TEST_POSTGRES") else {
            eprintln!("skipped {name}: MOHAWEL_TEST_POSTGRES names no database");
            return None;
        };
        let options = PgConnectOptions::from_str(&url).unwrap();
        let mut server = PgConnection::connect_with(&options).await.unwrap();
        let name = format!("roll_out_{name}_{}", std::process::id());
        let text = format!(
            "CREATE SCHEMA {name}; CREATE ROLE {name} LOGIN PASSWORD 'reader'; SET search_path = {name};"
        );
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut server)
            .await
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let place = url.rsplit_once('@').unwrap().1;
        let url = format!("postgres://{name}:reader@{place}");
        let parted = Postgres::part(&url, &dir.path().join("password")).unwrap();
        let store = format!(
            "postgres = {:?}\npassword = {{ file = \"password\" }}",
            parted.url
        );
        Some(Self {
            server,
            name,
            dir,
            store,
        })
    }

    async fn run(&mut self, text: &str) {
        let text = text.replace("{n}", &self.name);
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut self.server)
            .await
            .unwrap();
    }

    async fn found(&self) -> Result<(), Failure> {
        let table = format!("table = \"{}.permits\"", self.name);
        found(self.dir.path(), &self.store, &table).await
    }

    async fn end(mut self) {
        self.run("DROP SCHEMA {n} CASCADE; DROP ROLE {n}").await;
    }
}

#[tokio::test]
async fn postgresql_tells_a_missing_table_a_missing_right_and_then_carries_the_contract() {
    let Some(mut bed) = Bed::make("rights").await else {
        return;
    };
    bed.run("GRANT USAGE ON SCHEMA {n} TO {n}; ALTER ROLE {n} PASSWORD 'another'")
        .await;
    says(bed.found().await, &["password authentication failed"]);
    bed.run("ALTER ROLE {n} PASSWORD 'reader'").await;
    says(bed.found().await, &[": 1", "permits", "does not exist"]);
    bed.run(&format!("CREATE TABLE permits ({RIGHT})")).await;
    says(
        bed.found().await,
        &[": 1", "permits", "permission denied for table"],
    );
    // All columns but one.
    bed.run("GRANT SELECT (number, year, fee, floors, holder) ON permits TO {n}")
        .await;
    says(bed.found().await, &[": 1", "permission denied for table"]);
    bed.run("GRANT SELECT ON permits TO {n}; REVOKE USAGE ON SCHEMA {n} FROM {n}")
        .await;
    says(bed.found().await, &[": 1", "permission denied for schema"]);
    bed.run("GRANT USAGE ON SCHEMA {n} TO {n}").await;
    bed.found().await.unwrap();
    // A view of the administrator's gives what its reader could not read by itself.
    bed.run(
        "REVOKE SELECT ON permits FROM {n}; ALTER TABLE permits RENAME TO kept; \
             CREATE VIEW permits AS SELECT * FROM kept; GRANT SELECT ON permits TO {n}",
    )
    .await;
    bed.found().await.unwrap();
    bed.end().await;
}

#[tokio::test]
async fn postgresql_tells_every_column_of_another_type_and_every_missing_one_at_once() {
    let Some(mut bed) = Bed::make("types").await else {
        return;
    };
    bed.run(
        "CREATE TABLE permits (number BIGINT, year TEXT, fee NUMERIC, floors TEXT, holder BYTEA); \
             GRANT USAGE ON SCHEMA {n} TO {n}; GRANT SELECT ON permits TO {n}",
    )
    .await;
    let told = [
        "INT8",
        "'number'",
        "'year'",
        "NUMERIC",
        "'floors'",
        "BYTEA",
        "'valid_until'",
        ": 6",
    ];
    says(bed.found().await, &told);
    // Only types: the right is asked for all the same, and both are told.
    bed.run(
        "DROP TABLE permits; CREATE TABLE permits (number VARCHAR(20), year SMALLINT, fee NUMERIC, \
             floors INTEGER, holder TEXT, valid_until TIMESTAMP)",
    )
    .await;
    says(
        bed.found().await,
        &[": 3", "NUMERIC", "TIMESTAMP", "permission denied"],
    );
    bed.run("GRANT SELECT ON permits TO {n}").await;
    says(
        bed.found().await,
        &[": 2", "'fee'", "'valid_until'", "string (date)"],
    );
    // What the remedy says helps.
    bed.run("ALTER TABLE permits RENAME TO kept; CREATE VIEW permits AS SELECT number, year, \
             CAST(fee AS double precision) AS fee, floors, holder, CAST(valid_until AS date) AS valid_until FROM kept; \
             GRANT SELECT ON permits TO {n}")
        .await;
    bed.found().await.unwrap();
    bed.end().await;
}
