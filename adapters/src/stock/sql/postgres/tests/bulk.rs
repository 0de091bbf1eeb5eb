//! What a register costs when it is asked by segments, beside psql doing the same lookup at once. Takes the database of the tests, gives
//! one printed line, and compares both results. The switch is not in it; `batches::measured` has the switch without a store.
//! `tests/scripts/postgres.sh cargo test --release -p adapters bulk -- --ignored --nocapture`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

/// Rows in the register, and questions.
const PERSONS: usize = 100_000;
/// Questions in one query, as in a batch's segment.
const SEGMENT: usize = 4_096;

#[tokio::test]
#[ignore = "a measurement, for a machine at rest"]
async fn segments_are_measured_beside_psql() {
    let Some(mut bed) = Bed::make("bulk").await else {
        return;
    };
    let table = format!("{}.persons", bed.schema);
    let text = format!(
        "CREATE TABLE {table} (id char(14) PRIMARY KEY, n bigint); INSERT INTO {table}
         SELECT lpad(n::text, 14, '0'), n % 97 FROM generate_series(1, {PERSONS}) AS n; ANALYZE {table};"
    );
    sqlx::raw_sql(AssertSqlSafe(text))
        .execute(&mut bed.admin)
        .await
        .unwrap();
    // Every third is unknown to the register, and neighbours are far apart in it.
    let ids: Vec<String> = (0..PERSONS)
        .map(|n| format!("{:014}", n * 7_919 % (PERSONS * 3 / 2) + 1))
        .collect();

    // Without the cast the index of a char(14) is not used, and every question reads the whole table.
    let query = format!("SELECT n FROM {table} WHERE id = CAST(:id AS char(14))");
    let providers = bed.load("", r#"{ id = "text" }"#, &query, r#"["n"]"#);
    providers.probe().await.unwrap();
    let began = Instant::now();
    let (mut found, mut sum) = (0, 0);
    for segment in ids.chunks(SEGMENT) {
        let ask = |id: &String| request("s", "q", &["n"], json!({ "id": id }));
        let items = segment.iter().map(|id| ask(id).payload).collect();
        let common = crate::provider::Request {
            payload: Vec::new().into(),
            ..ask(&segment[0])
        };
        for reply in providers.items(common, items).await {
            match reply {
                Ok(reply) => {
                    found += 1;
                    sum += opened(&reply)["rows"][0]["n"].as_i64().unwrap();
                }
                Err(failure) => assert_eq!(failure, Failure::NotFound),
            }
        }
    }
    let ours = began.elapsed();

    let (lines, theirs) = psql(&table, &ids);
    let numbers: Vec<i64> = lines.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(numbers.len(), found);
    assert_eq!(numbers.iter().sum::<i64>(), sum);
    println!(
        "{PERSONS} questions, {found} found: {:.2} s by segments, {:.2} s by psql, {:.1} times as long",
        ours.as_secs_f64(),
        theirs.as_secs_f64(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
    bed.end().await;
}

/// The ids copied into a table of its own, and one join.
fn psql(table: &str, ids: &[String]) -> (String, Duration) {
    let began = Instant::now();
    let mut psql = Command::new("psql")
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
        .arg(std::env::var(URL).unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let script = format!(
        "CREATE TEMP TABLE asked (at bigserial, id char(14));\nCOPY asked (id) FROM STDIN;\n{}\n\\.\nANALYZE asked;\n\
         SELECT n FROM asked JOIN {table} USING (id) ORDER BY at;\n",
        ids.join("\n")
    );
    // psql answers only after it has read all of it.
    let mut input = psql.stdin.take().unwrap();
    input.write_all(script.as_bytes()).unwrap();
    drop(input);
    let output = psql.wait_with_output().unwrap();
    assert!(output.status.success());
    (String::from_utf8(output.stdout).unwrap(), began.elapsed())
}
