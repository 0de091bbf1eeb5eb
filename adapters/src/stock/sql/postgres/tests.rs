//! PostgreSQL, where `MOHAWEL_TEST_POSTGRES` names one.

mod bulk;
mod items;
mod rights;

use std::str::FromStr;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::provider::Provider;
use crate::stock::tests::{opened, problems, request, secret};
use crate::stock::{Providers, StockError};

/// A PostgreSQL that this test may write to, as a URL.
const URL: &str = "MOHAWEL_TEST_POSTGRES";

const ROWS: &str = "
    CREATE TYPE sector AS ENUM ('public', 'private');
    CREATE TABLE insured_persons (national_id char(14) PRIMARY KEY, name_ar text, insured boolean, sector sector,
        monthly_wage_egp numeric(12,2), small numeric, single real, double double precision, short smallint,
        long bigint, last_contribution date, at timestamptz, local timestamp, clock time, note jsonb, id uuid, raw bytea);
    INSERT INTO insured_persons VALUES ('30101010100017', 'منى', true, 'private', 12345678.50, -0.00012, 0.1, 2.5, -7,
        9007199254740993, '2024-02-29', '2024-03-01 10:00:00.25+02', '1999-12-31 23:59:59', '08:30', '{\"أ\": [1]}',
        '018f0000-0000-7000-8000-000000000001', '\\x00');
    INSERT INTO insured_persons (national_id) VALUES ('28005050100025');";

/// A schema of this test's own, dropped at the end, and where to find it.
struct Bed {
    admin: PgConnection,
    schema: String,
    dir: TempDir,
    head: String,
}

impl Bed {
    /// `None` where there is no database, and says so.
    async fn make(name: &str) -> Option<Self> {
        let Ok(url) = std::env::var(URL) else {
            println!("skipped {name}: {URL} names no database");
            return None;
        };
        let options = PgConnectOptions::from_str(&url).unwrap();
        let mut admin = PgConnection::connect_with(&options).await.unwrap();
        let schema = format!("stock_{name}_{}", std::process::id());
        let text = format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; SET search_path = {schema}; {ROWS}"
        );
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut admin)
            .await
            .unwrap();
        let dir = TempDir::new().unwrap();
        let password = reqwest::Url::parse(&url)
            .ok()
            .and_then(|url| url.password().map(str::to_owned));
        secret(&dir, "password", password.as_deref().unwrap_or("none"));
        let (user, database) = (
            options.get_username(),
            options.get_database().unwrap_or("postgres"),
        );
        let place = match options.get_socket() {
            Some(socket) => format!(
                "{user}@:{}/{database}?host={}",
                options.get_port(),
                socket.display()
            ),
            None => format!(
                "{user}@{}:{}/{database}",
                options.get_host(),
                options.get_port()
            ),
        };
        let head = format!(
            "[service.s]\nkind = \"sql\"\npostgres = \"postgres://{place}\"\npassword = {{ file = \"password\" }}\n"
        );
        Some(Self {
            admin,
            schema,
            dir,
            head,
        })
    }

    fn load(&self, limits: &str, parameters: &str, query: &str, fields: &str) -> Providers {
        let query = query.replace("{t}", &format!("{}.insured_persons", self.schema));
        let text = format!(
            "{}{limits}\n[service.s.operation.q]\nparameters = {parameters}\nquery = '''{query}'''\nfields = {fields}\n",
            self.head
        );
        Providers::parse(&text, self.dir.path()).unwrap()
    }

    async fn count(&mut self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM insured_persons")
            .fetch_one(&mut self.admin)
            .await
            .unwrap()
    }

    async fn end(mut self) {
        let text = format!("DROP SCHEMA {} CASCADE", self.schema);
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut self.admin)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn every_type_comes_as_json() {
    let Some(bed) = Bed::make("types").await else {
        return;
    };
    let columns = "name_ar insured sector monthly_wage_egp small single double short long last_contribution at local clock note id";
    let names: Vec<&str> = columns.split(' ').collect();
    let query = format!(
        "SELECT {}, raw FROM {{t}} WHERE national_id = :id",
        names.join(", ")
    );
    let fields = format!("{:?}", [names.as_slice(), &["raw"]].concat());
    let providers = bed.load("", r#"{ id = "text" }"#, &query, &fields);
    providers.probe().await.unwrap();
    let ask = async |fields: &[&str], id: &str| {
        providers
            .answer(request("s", "q", fields, json!({ "id": id })))
            .await
    };
    let row = json!({
        "name_ar": "منى", "insured": true, "sector": "private", "monthly_wage_egp": "12345678.50", "small": "-0.00012",
        "single": 0.1, "double": 2.5, "short": -7, "long": 9_007_199_254_740_993_i64, "last_contribution": "2024-02-29",
        "at": "2024-03-01T08:00:00.250000Z", "local": "1999-12-31T23:59:59", "clock": "08:30:00", "note": { "أ": [1] },
        "id": "018f0000-0000-7000-8000-000000000001",
    });
    assert_eq!(
        opened(&ask(&names, "30101010100017").await.unwrap())["rows"],
        json!([row])
    );
    let empty = opened(&ask(&names, "28005050100025").await.unwrap());
    assert!(
        empty["rows"][0]
            .as_object()
            .unwrap()
            .values()
            .all(serde_json::Value::is_null)
    );
    assert_eq!(ask(&names, "' OR true --").await, Err(Failure::NotFound));
    let raw = ask(&["raw"], "30101010100017").await;
    assert!(matches!(raw, Err(Failure::Failed(reason)) if reason.contains("BYTEA")));
    bed.end().await;
}

#[tokio::test]
async fn arguments_have_their_types() {
    let Some(bed) = Bed::make("arguments").await else {
        return;
    };
    let query = "SELECT national_id FROM {t} WHERE last_contribution >= :since AND short = :i AND double = :r AND insured = :b";
    let parameters = r#"{ since = "date", i = "integer", r = "real", b = "bool" }"#;
    let providers = bed.load("", parameters, query, r#"["national_id"]"#);
    providers.probe().await.unwrap();
    let good = json!({ "since": "2024-02-01", "i": -7, "r": 2.5, "b": true });
    let reply = providers
        .answer(request("s", "q", &["national_id"], good))
        .await
        .unwrap();
    assert_eq!(
        opened(&reply)["rows"],
        json!([{ "national_id": "30101010100017" }])
    );
    let later = json!({ "since": "2024-03-01", "i": -7, "r": 2.5, "b": true });
    assert_eq!(
        providers
            .answer(request("s", "q", &["national_id"], later))
            .await,
        Err(Failure::NotFound)
    );
    bed.end().await;
}

#[tokio::test]
async fn nothing_can_be_written() {
    let Some(mut bed) = Bed::make("writes").await else {
        return;
    };
    for query in [
        "WITH gone AS (DELETE FROM {t} RETURNING national_id) SELECT national_id FROM gone",
        "WITH new AS (INSERT INTO {t} (national_id) VALUES ('1') RETURNING national_id) SELECT * FROM new",
        "SELECT national_id FROM {t} FOR UPDATE",
        "SELECT national_id INTO stolen FROM {t}",
        "SELECT set_config('transaction_read_only', 'off', false) AS national_id",
    ] {
        let providers = bed.load("", "{}", query, r#"["national_id"]"#);
        let answer = providers
            .answer(request("s", "q", &["national_id"], json!({})))
            .await;
        let Err(Failure::Failed(reason)) = answer else {
            panic!("{query}: {answer:?}");
        };
        let refused = reason.contains("read-only") || reason.contains("read-write mode");
        assert!(refused, "{query}: {reason}");
    }
    assert_eq!(bed.count().await, 2);
    // A session that was talked into writing by default still opens read-only transactions.
    let talk = "SELECT set_config('default_transaction_read_only', 'off', false) AS x";
    let delete = "WITH gone AS (DELETE FROM {t} RETURNING national_id AS x) SELECT x FROM gone";
    let providers = {
        let delete = delete.replace("{t}", &format!("{}.insured_persons", bed.schema));
        let text = format!(
            "{}connections = 1\n[service.s.operation.talk]\nquery = '''{talk}'''\nfields = [\"x\"]\n\
             [service.s.operation.delete]\nquery = '''{delete}'''\nfields = [\"x\"]\n",
            bed.head
        );
        Providers::parse(&text, bed.dir.path()).unwrap()
    };
    providers
        .answer(request("s", "talk", &["x"], json!({})))
        .await
        .unwrap();
    let answer = providers
        .answer(request("s", "delete", &["x"], json!({})))
        .await;
    assert!(matches!(answer, Err(Failure::Failed(reason)) if reason.contains("read-only")));
    assert_eq!(bed.count().await, 2);
    bed.end().await;
}

#[tokio::test]
async fn long_and_slow_answers_are_cut_and_the_next_one_comes() {
    let Some(bed) = Bed::make("limits").await else {
        return;
    };
    let endless = "SELECT generate_series(1, 1000000000)::bigint AS n, repeat('x', 100) AS x";
    let providers = bed.load("max_rows = 3\nconnections = 1", "{}", endless, r#"["n"]"#);
    for _ in 0..3 {
        let begun = Instant::now();
        let asked = request("s", "q", &["n"], json!({}));
        let reply = providers.answer(asked).await.unwrap();
        let rows = json!([{ "n": 1 }, { "n": 2 }, { "n": 3 }]);
        assert_eq!(opened(&reply), json!({ "rows": rows, "truncated": true }));
        assert!(begun.elapsed() < Duration::from_secs(4));
    }
    let sleep = bed.load(
        "timeout_ms = 300\nconnections = 1",
        "{}",
        "SELECT 1 AS n, pg_sleep(20)::text AS s",
        r#"["n"]"#,
    );
    for _ in 0..2 {
        let begun = Instant::now();
        let answer = sleep.answer(request("s", "q", &["n"], json!({}))).await;
        assert_eq!(answer, Err(Failure::Unavailable));
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
    bed.end().await;
}

#[tokio::test]
async fn a_probe_finds_wrong_queries() {
    let Some(bed) = Bed::make("probe").await else {
        return;
    };
    let providers = bed.load(
        "",
        r#"{ id = "integer" }"#,
        "SELECT x FROM {t} WHERE national_id = :id",
        r#"["x"]"#,
    );
    assert!(
        matches!(providers.probe().await, Err(StockError::Problems(found)) if found.len() == 1)
    );
    bed.end().await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_unavailable() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let text = format!(
        "[service.s]\nkind = \"sql\"\npostgres = \"postgres://u@{closed}/d\"\ntimeout_ms = 500\n\
         [service.s.operation.q]\nquery = \"SELECT 1 AS x\"\nfields = [\"x\"]\n"
    );
    let providers = Providers::parse(&text, std::path::Path::new("")).unwrap();
    let answer = providers.answer(request("s", "q", &["x"], json!({}))).await;
    assert_eq!(answer, Err(Failure::Unavailable));
    assert!(providers.probe().await.is_err());
}

#[test]
fn urls_hold_no_secret_and_leave_this_machine_only_when_told() {
    let dir = TempDir::new().unwrap();
    let text = |line: &str| {
        format!(
            "[service.s]\nkind = \"sql\"\n{line}\n[service.s.operation.q]\nquery = \"SELECT 1 AS x\"\nfields = [\"x\"]\n"
        )
    };
    for good in [
        "postgres = \"postgres://u@127.0.0.1/d\"",
        "postgres = \"postgresql://u@localhost:5433/d\"",
        "postgres = \"postgres://u@[::1]:5433/d\"",
        "postgres = \"postgres://u@/d?host=/run/postgresql\"",
        "postgres = \"postgres://u@:5433/d?host=/run/postgresql\"",
        "postgres = \"postgres://u@db.example:5432/d\"\nplaintext_network = true",
    ] {
        Providers::parse(&text(good), dir.path()).unwrap();
    }
    for bad in [
        "postgres = \"postgres://u:secret@127.0.0.1/d\"",
        "postgres = \"postgres://u@db.example/d\"",
        "postgres = \"postgres://127.0.0.1/d\"",
        "postgres = \"postgres://u@127.0.0.1\"",
        "postgres = \"postgres://u@127.0.0.1/d?options=-c%20statement_timeout=0\"",
        "postgres = \"postgres://u@/d?host=/run/postgresql&password=x\"",
        "postgres = \"mysql://u@127.0.0.1/d\"",
        "postgres = \"127.0.0.1\"",
        "sqlite = \"a\"\npostgres = \"postgres://u@127.0.0.1/d\"",
        "",
    ] {
        assert!(!problems(&text(bad), &dir).is_empty(), "{bad}");
    }
}

#[test]
fn decimals_keep_every_digit() {
    let numeric = |weight: i16, sign: u16, scale: u16, groups: &[u16]| {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&u16::try_from(groups.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&weight.to_be_bytes());
        bytes.extend_from_slice(&sign.to_be_bytes());
        bytes.extend_from_slice(&scale.to_be_bytes());
        groups
            .iter()
            .for_each(|group| bytes.extend_from_slice(&group.to_be_bytes()));
        cell::numeric(&bytes)
    };
    assert_eq!(numeric(0, 0, 0, &[]).as_deref(), Some("0"));
    assert_eq!(numeric(0, 0, 2, &[]).as_deref(), Some("0.00"));
    assert_eq!(
        numeric(1, 0, 2, &[1234, 5678, 5000]).as_deref(),
        Some("12345678.50")
    );
    assert_eq!(numeric(2, 0, 0, &[1]).as_deref(), Some("100000000"));
    assert_eq!(
        numeric(-1, 0x4000, 5, &[1, 2000]).as_deref(),
        Some("-0.00012")
    );
    assert_eq!(numeric(-2, 0, 8, &[1]).as_deref(), Some("0.00000001"));
    assert_eq!(numeric(0, 0, 1, &[7, 5000]).as_deref(), Some("7.5"));
    assert_eq!(numeric(0, 0xC000, 0, &[]), None);
    assert_eq!(cell::numeric(&[0, 1, 0, 0, 0, 0, 0, 0]), None);
    assert_eq!(cell::numeric(&[0]), None);
}
