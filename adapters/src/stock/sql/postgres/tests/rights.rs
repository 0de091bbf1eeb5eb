//! A reader without a right: found by a probe, and no row is read for it.

use super::*;
use crate::stock::Unread;

#[tokio::test]
async fn a_probe_finds_a_right_that_is_missing_and_reads_no_row() {
    let Some(mut bed) = Bed::make("rights").await else {
        return;
    };
    // A row whose value breaks whoever reads it; only its administrator may read the table.
    let (schema, reader) = (bed.schema.clone(), format!("reader_{}", bed.schema));
    let run = |text: String| sqlx::raw_sql(AssertSqlSafe(text));
    run(format!(
        "CREATE VIEW broken AS SELECT national_id, 1 / (length(national_id) - 14) AS never FROM insured_persons; \
         CREATE ROLE {reader} LOGIN PASSWORD 'reader'; GRANT USAGE ON SCHEMA {schema} TO {reader}"
    ))
    .execute(&mut bed.admin)
    .await
    .unwrap();
    let place = bed.head.split_once("postgres://").unwrap().1;
    let place = place
        .split_once('@')
        .unwrap()
        .1
        .split_once('"')
        .unwrap()
        .0
        .to_owned();
    secret(&bed.dir, "reader", "reader");
    bed.head = format!(
        "[service.s]\nkind = \"sql\"\npostgres = \"postgres://{reader}@{place}\"\npassword = {{ file = \"reader\" }}\n"
    );
    let query = format!(
        "SELECT never FROM {schema}.broken WHERE national_id = :id AND :since > '2000-01-01'"
    );
    let providers = bed.load(
        "",
        r#"{ id = "text", since = "date" }"#,
        &query,
        r#"["never"]"#,
    );
    let begun = providers.readable().await;
    let denied = matches!(&begun[0].2, Err(Unread::NoRight(said)) if said.contains("broken"));
    assert!(denied, "{begun:?}");
    assert!(providers.columns().await[0].2.is_ok());
    assert!(
        matches!(providers.probe().await, Err(StockError::Problems(found)) if found[0].contains("permission denied"))
    );
    run(format!("GRANT SELECT ON {schema}.broken TO {reader}"))
        .execute(&mut bed.admin)
        .await
        .unwrap();
    providers.probe().await.unwrap();
    run(format!("DROP OWNED BY {reader}; DROP ROLE {reader}"))
        .execute(&mut bed.admin)
        .await
        .unwrap();
    bed.end().await;
}
