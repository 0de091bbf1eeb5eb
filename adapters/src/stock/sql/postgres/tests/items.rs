//! Many items by one query say what each says alone.

use proto::authorise::Row;

use super::*;
use crate::provider::{Replies, Reply, Request};

fn asked(parameters: &[serde_json::Value], fields: &[&str]) -> (Request, Vec<Request>) {
    let single: Vec<Request> = parameters
        .iter()
        .map(|given| request("s", "q", fields, given.clone()))
        .collect();
    let mut common = single[0].clone();
    common.payload = Vec::new().into();
    (common, single)
}

async fn together(providers: &Providers, common: &Request, single: &[Request]) -> Replies {
    let items = single.iter().map(|one| one.payload.clone()).collect();
    providers.items(common.clone(), items).await
}

async fn alone(providers: &Providers, single: &[Request]) -> Replies {
    let mut replies = Vec::new();
    for one in single {
        replies.push(providers.answer(one.clone()).await);
    }
    replies
}

fn shown(replies: &[Result<Reply, Failure>]) -> Vec<String> {
    let show = |reply: &Result<Reply, Failure>| match reply {
        Ok(reply) => opened(reply).to_string(),
        Err(failure) => format!("{failure:?}"),
    };
    replies.iter().map(show).collect()
}

#[tokio::test]
async fn one_query_gives_each_item_what_it_gets_alone() {
    let Some(bed) = Bed::make("items").await else {
        return;
    };
    let providers = bed.load(
        "max_rows = 2",
        r#"{ id = "text" }"#,
        "SELECT national_id, n FROM {t}, generate_series(1, CASE WHEN short IS NULL THEN 2 ELSE 3 END) AS n WHERE national_id = :id ORDER BY n DESC;",
        r#"["national_id", "n"]"#,
    );
    providers.probe().await.unwrap();
    let id = |id: &str| json!({ "id": id });
    let given = [
        id("28005050100025"),
        id("nobody"),
        id("30101010100017"),
        json!({ "id": 7 }),
        id("28005050100025"),
        json!({ "id": "1", "other": "2" }),
        id("' OR true --"),
    ];
    let (common, single) = asked(&given, &["national_id", "n"]);
    let got = together(&providers, &common, &single).await;
    assert_eq!(shown(&got), shown(&alone(&providers, &single).await));
    let rows: Vec<_> = got
        .iter()
        .flatten()
        .map(|reply| opened(reply)["truncated"].clone())
        .collect();
    assert_eq!(rows, [false, true, false]);

    // A row rule of the grant holds for each, and cuts nothing that it does not cover.
    let row = Row {
        field: proto::id::Part::parse("n").unwrap(),
        equals: "1".to_owned(),
    };
    let mut scoped = common.clone();
    scoped.rows = vec![row];
    let single: Vec<Request> = single
        .iter()
        .map(|one| Request {
            rows: scoped.rows.clone(),
            ..one.clone()
        })
        .collect();
    let got = together(&providers, &scoped, &single).await;
    assert_eq!(shown(&got), shown(&alone(&providers, &single).await));
    assert_eq!(opened(got[2].as_ref().unwrap())["rows"][0]["n"], 1);
    bed.end().await;
}

#[tokio::test]
async fn arguments_of_every_type_travel_as_arrays() {
    let Some(bed) = Bed::make("item_types").await else {
        return;
    };
    let query = "WITH found AS (SELECT national_id FROM {t} WHERE last_contribution >= :since AND short = :i AND double = :r AND insured = :b) SELECT * FROM found";
    let parameters = r#"{ since = "date", i = "integer", r = "real", b = "bool" }"#;
    let providers = bed.load("", parameters, query, r#"["national_id"]"#);
    let given = |since: &str| json!({ "since": since, "i": -7, "r": 2.5, "b": true });
    let (common, single) = asked(
        &[given("2024-02-01"), given("2024-03-01")],
        &["national_id"],
    );
    let got = together(&providers, &common, &single).await;
    assert_eq!(shown(&got), shown(&alone(&providers, &single).await));
    assert!(got[0].is_ok() && got[1] == Err(Failure::NotFound));
    // Without parameters each is the same question.
    let providers = bed.load("", "{}", "SELECT count(*) AS n FROM {t}", r#"["n"]"#);
    let (common, single) = asked(&[json!({}), json!({})], &["n"]);
    let got = together(&providers, &common, &single).await;
    assert_eq!(shown(&got), shown(&alone(&providers, &single).await));
    // A database that breaks breaks for all.
    let providers = bed.load(
        "",
        r#"{ id = "text" }"#,
        "SELECT 1 / (short - short) AS n FROM {t} WHERE national_id = :id",
        r#"["n"]"#,
    );
    let (common, single) = asked(
        &[json!({ "id": "x" }), json!({ "id": "30101010100017" })],
        &["n"],
    );
    let got = together(&providers, &common, &single).await;
    assert!(
        got.iter()
            .all(|reply| matches!(reply, Err(Failure::Failed(_)))),
        "{got:?}"
    );
    bed.end().await;
}
