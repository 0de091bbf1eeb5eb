//! SQLite, over real files.

use std::time::Instant;

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tempfile::TempDir;

use super::*;
use crate::provider::Provider;
use crate::stock::tests::{opened, problems, request};
use crate::stock::{Providers, StockError};

const SCHEMA: &str = "
    CREATE TABLE persons (national_id TEXT PRIMARY KEY, name_ar TEXT, born TEXT, children INTEGER, weight REAL,
                          alive BOOLEAN, photo BLOB);
    INSERT INTO persons VALUES ('30101010100017', 'مُنى عبد الرحمٰن', '2001-01-01', 3, 61.5, 1, x'00ff');
    INSERT INTO persons VALUES ('28005050100025', 'أحمد O''Neil', '1980-05-05', NULL, NULL, 0, NULL);
    INSERT INTO persons VALUES ('27003030100033', NULL, '1970-03-03', 9007199254740993, 0.1, NULL, NULL);";

async fn connect(dir: &TempDir) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(dir.path().join("db.sqlite"))
        .create_if_missing(true);
    options.connect().await.unwrap()
}

async fn database() -> TempDir {
    let dir = TempDir::new().unwrap();
    let mut connection = connect(&dir).await;
    sqlx::raw_sql(SCHEMA)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    dir
}

/// A service with one operation.
fn toml(limits: &str, parameters: &str, query: &str, fields: &str) -> String {
    format!(
        "[service.p]\nkind = \"sql\"\nsqlite = \"db.sqlite\"\n{limits}\n[service.p.operation.q]\n\
         parameters = {parameters}\nquery = '''{query}'''\nfields = {fields}\n"
    )
}

fn load(dir: &TempDir, limits: &str, parameters: &str, query: &str, fields: &str) -> Providers {
    Providers::parse(&toml(limits, parameters, query, fields), dir.path()).unwrap()
}

async fn count(dir: &TempDir) -> i64 {
    let mut connection = connect(dir).await;
    let count = sqlx::query_scalar("SELECT count(*) FROM persons")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    count
}

#[tokio::test]
async fn values_come_as_what_they_are_and_only_those_asked_for() {
    let dir = database().await;
    let by_id =
        "SELECT name_ar, born, children, weight, alive, photo FROM persons WHERE national_id = :id";
    let fields = r#"{ name = "name_ar", born = "born", children = "children", weight = "weight", alive = "alive", photo = "photo" }"#;
    let providers = load(&dir, "", r#"{ id = "text" }"#, by_id, fields);
    providers.probe().await.unwrap();
    let ask = async |id: &str, fields: &[&str]| {
        providers
            .answer(request("p", "q", fields, json!({ "id": id })))
            .await
    };
    let all = ["name", "born", "children", "weight", "alive"];
    for (id, row) in [
        (
            "30101010100017",
            json!({"name": "مُنى عبد الرحمٰن", "born": "2001-01-01", "children": 3, "weight": 61.5, "alive": true}),
        ),
        (
            "28005050100025",
            json!({"name": "أحمد O'Neil", "born": "1980-05-05", "children": null, "weight": null, "alive": false}),
        ),
        (
            "27003030100033",
            json!({"name": null, "born": "1970-03-03", "children": 9_007_199_254_740_993_i64, "weight": 0.1, "alive": null}),
        ),
    ] {
        let reply = ask(id, &all).await.unwrap();
        assert_eq!(opened(&reply), json!({ "rows": [row], "truncated": false }));
        assert_eq!(reply.fields.len(), 5);
    }
    let one = ask("30101010100017", &["alive"]).await.unwrap();
    assert_eq!(opened(&one)["rows"], json!([{ "alive": true }]));
    assert_eq!(ask("1", &all).await, Err(Failure::NotFound));
    let photo = ask("30101010100017", &["photo"]).await;
    assert!(matches!(photo, Err(Failure::Failed(reason)) if reason.contains("BLOB")));
}

#[tokio::test]
async fn an_argument_is_never_part_of_the_query() {
    let dir = database().await;
    let query = "SELECT name_ar FROM persons WHERE national_id = :id OR ':id' = :id";
    let providers = load(&dir, "", r#"{ id = "text" }"#, query, r#"["name_ar"]"#);
    for id in [
        "' OR '1'='1",
        "'; DROP TABLE persons; --",
        "30101010100017' --",
        "\" OR \"\"=\"",
        "?1",
        "1 UNION SELECT name FROM sqlite_master",
        "%",
        "",
    ] {
        let answer = providers
            .answer(request("p", "q", &["name_ar"], json!({ "id": id })))
            .await;
        assert_eq!(answer, Err(Failure::NotFound), "{id}");
    }
    // What stands between quotes is text, also when it looks like a placeholder.
    let answer = providers
        .answer(request("p", "q", &["name_ar"], json!({ "id": ":id" })))
        .await;
    assert_eq!(
        opened(&answer.unwrap())["rows"].as_array().unwrap().len(),
        3
    );
    let nul = providers
        .answer(request("p", "q", &["name_ar"], json!({ "id": "a\u{0}" })))
        .await;
    assert!(matches!(nul, Err(Failure::InvalidRequest(_))));
    let long = providers
        .answer(request(
            "p",
            "q",
            &["name_ar"],
            json!({ "id": "9".repeat(4097) }),
        ))
        .await;
    assert!(matches!(long, Err(Failure::InvalidRequest(_))));
    assert_eq!(count(&dir).await, 3);
}

#[tokio::test]
async fn arguments_have_their_types() {
    let dir = database().await;
    let parameters = r#"{ t = "text", i = "integer", r = "real", b = "bool", d = "date" }"#;
    let query = "SELECT typeof(:t) AS t, typeof(:i) AS i, typeof(:r) AS r, :b AS b, :d AS d, :i + :i AS twice";
    let providers = load(
        &dir,
        "",
        parameters,
        query,
        r#"["t", "i", "r", "b", "d", "twice"]"#,
    );
    let good = json!({ "t": "x", "i": 4, "r": 4, "b": true, "d": "2024-02-29" });
    let ask = async |parameters| {
        providers
            .answer(request(
                "p",
                "q",
                &["t", "i", "r", "b", "d", "twice"],
                parameters,
            ))
            .await
    };
    let reply = ask(good.clone()).await.unwrap();
    let row =
        json!({ "t": "text", "i": "integer", "r": "real", "b": 1, "d": "2024-02-29", "twice": 8 });
    assert_eq!(opened(&reply)["rows"], json!([row]));
    for (name, wrong) in [
        ("t", json!(1)),
        ("t", json!(null)),
        ("t", json!(["x"])),
        ("i", json!("4")),
        ("i", json!(4.5)),
        ("i", json!(9_223_372_036_854_775_808_u64)),
        ("r", json!("4")),
        ("b", json!(1)),
        ("d", json!("2023-02-29")),
        ("d", json!("24-02-29")),
        ("d", json!("2024-2-29")),
        ("d", json!("2024-02-29; --")),
    ] {
        let mut parameters = good.clone();
        parameters[name] = wrong.clone();
        let failure = ask(parameters).await.unwrap_err();
        assert!(
            matches!(failure, Failure::InvalidRequest(_)),
            "{name} {wrong}: {failure:?}"
        );
    }
}

#[tokio::test]
async fn nothing_can_be_written() {
    let dir = database().await;
    for query in [
        "WITH x AS (SELECT 1) DELETE FROM persons RETURNING national_id",
        "WITH x AS (SELECT 1) UPDATE persons SET name_ar = 'x' RETURNING national_id",
        "WITH x AS (SELECT 'n') INSERT INTO persons (national_id) SELECT * FROM x RETURNING national_id",
    ] {
        let providers = load(&dir, "", "{}", query, r#"["national_id"]"#);
        let answer = providers
            .answer(request("p", "q", &["national_id"], json!({})))
            .await;
        assert!(
            matches!(answer, Err(Failure::Failed(reason)) if reason.contains("readonly")),
            "{query}"
        );
    }
    assert_eq!(count(&dir).await, 3);
}

#[tokio::test]
async fn queries_that_are_not_one_select_are_refused() {
    let dir = database().await;
    for (query, why) in [
        ("DELETE FROM persons", "begin with SELECT"),
        ("PRAGMA query_only = OFF", "begin with SELECT"),
        ("ATTACH 'x' AS y", "begin with SELECT"),
        ("SELECTED", "begin with SELECT"),
        ("", "begin with SELECT"),
        ("SELECT 1; DELETE FROM persons", "more than one"),
        ("SELECT ';'; SELECT 2", "more than one"),
        ("SELECT 1 -- ; DROP", "comment"),
        ("SELECT /* ' */ 1", "comment"),
        ("SELECT 'open", "never closed"),
        ("SELECT \"open", "never closed"),
        ("SELECT [open", "never closed"),
        ("SELECT ?", "binds nothing"),
        ("SELECT ?1", "binds nothing"),
        ("SELECT $id", "binds nothing"),
        ("SELECT @id", "binds nothing"),
        ("SELECT :1", "binds nothing"),
        ("SELECT :id", "not among"),
    ] {
        let found = problems(&toml("", "{}", query, r#"["x"]"#), &dir);
        assert!(
            found.len() == 1 && found[0].contains(why),
            "{query}: {found:?}"
        );
    }
    let unused = problems(
        &toml("", r#"{ id = "text" }"#, "SELECT 1 AS x", r#"["x"]"#),
        &dir,
    );
    assert!(unused[0].contains("'id' is not used"));
    let twice = problems(&toml("", "{}", "SELECT 1 AS x", r#"["x", "x"]"#), &dir);
    assert!(twice[0].contains("stands twice"));
    // One statement may end with its semicolon.
    load(
        &dir,
        "",
        "{}",
        "SELECT 'a;--' AS \"x:y\" ; ",
        r#"{ x = "x:y" }"#,
    );
}

#[tokio::test]
async fn too_many_and_too_large_rows_are_cut() {
    let dir = database().await;
    let all = "SELECT national_id FROM persons ORDER BY national_id";
    let providers = load(&dir, "max_rows = 2", "{}", all, r#"["national_id"]"#);
    let reply = providers
        .answer(request("p", "q", &["national_id"], json!({})))
        .await
        .unwrap();
    let rows = json!([{ "national_id": "27003030100033" }, { "national_id": "28005050100025" }]);
    assert_eq!(opened(&reply), json!({ "rows": rows, "truncated": true }));
    let exact = load(&dir, "max_rows = 3", "{}", all, r#"["national_id"]"#);
    let reply = exact
        .answer(request("p", "q", &["national_id"], json!({})))
        .await
        .unwrap();
    assert_eq!(opened(&reply)["truncated"], json!(false));

    let wide = "SELECT hex(zeroblob(200000)) AS x FROM persons UNION ALL SELECT hex(zeroblob(200000)) FROM persons";
    let providers = load(&dir, "", "{}", wide, r#"["x"]"#);
    let reply = providers
        .answer(request("p", "q", &["x"], json!({})))
        .await
        .unwrap();
    assert!(reply.payload.len() <= proto::limits::PAYLOAD_BYTES_MAX);
    let answer = opened(&reply);
    assert_eq!(
        (
            answer["rows"].as_array().unwrap().len(),
            &answer["truncated"]
        ),
        (2, &json!(true))
    );

    let huge = load(
        &dir,
        "",
        "{}",
        "SELECT hex(zeroblob(600000)) AS x",
        r#"["x"]"#,
    );
    let answer = huge.answer(request("p", "q", &["x"], json!({}))).await;
    assert!(matches!(answer, Err(Failure::Failed(reason)) if reason.contains("larger")));
}

#[tokio::test]
async fn no_rows_are_an_answer_where_the_operation_says_so() {
    let dir = database().await;
    let text = toml(
        "",
        "{}",
        "SELECT name_ar FROM persons WHERE 0",
        "[\"name_ar\"]\nempty = \"answer\"",
    );
    let providers = Providers::parse(&text, dir.path()).unwrap();
    let reply = providers
        .answer(request("p", "q", &["name_ar"], json!({})))
        .await
        .unwrap();
    assert_eq!(opened(&reply), json!({ "rows": [], "truncated": false }));
    assert!(reply.fields.is_empty());
}

#[tokio::test]
async fn a_query_without_end_is_stopped_and_its_connection_serves_again() {
    let dir = database().await;
    let text = format!(
        "{}[service.p.operation.quick]\nquery = 'SELECT 1 AS x'\nfields = [\"x\"]\n",
        toml(
            "timeout_ms = 300\nconnections = 1",
            "{}",
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) AS x FROM n",
            r#"["x"]"#
        )
    );
    let providers = Providers::parse(&text, dir.path()).unwrap();
    let begun = Instant::now();
    let endless = providers.answer(request("p", "q", &["x"], json!({}))).await;
    assert_eq!(endless, Err(Failure::Unavailable));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let mut quick = Err(Failure::Unavailable);
    for _ in 0..10 {
        quick = providers
            .answer(request("p", "quick", &["x"], json!({})))
            .await;
        if quick.is_ok() {
            break;
        }
    }
    assert_eq!(opened(&quick.unwrap())["rows"], json!([{ "x": 1 }]));
}

#[tokio::test]
async fn a_probe_finds_what_a_request_would() {
    let dir = database().await;
    let no_column = load(
        &dir,
        "",
        "{}",
        "SELECT name_ar FROM persons",
        r#"["name_ar", "name"]"#,
    );
    let Err(StockError::Problems(found)) = no_column.probe().await else {
        panic!("nothing found");
    };
    assert_eq!(
        found,
        ["service.p: operation.q: field 'name' has no column 'name' in the query"]
    );
    assert!(matches!(
        no_column
            .answer(request("p", "q", &["name"], json!({})))
            .await,
        Err(Failure::Failed(_))
    ));
    let no_table = load(&dir, "", "{}", "SELECT x FROM nowhere", r#"["x"]"#);
    assert!(
        matches!(no_table.probe().await, Err(StockError::Problems(found)) if found[0].contains("nowhere"))
    );
}
