//! Placeholders and what stands between quotes.

use super::*;

#[test]
fn placeholders_become_positions() {
    let parameters = BTreeMap::from([
        ("a".to_owned(), ParameterType::Text),
        ("ab".to_owned(), ParameterType::Date),
    ]);
    let text = "SELECT x::text, 'م :a''s', \":a\" FROM t WHERE ab = :ab AND a = :a AND c[1:2] = :a";
    let query = Query::parse(text, Dialect::Postgres, &parameters).unwrap();
    let expected = "SELECT x::text, 'م :a''s', \":a\" FROM t WHERE ab = CAST($1 AS date) AND a = $2 AND c[1:2] = $2";
    assert_eq!(
        (&*query.text, query.order),
        (expected, vec!["ab".to_owned(), "a".to_owned()])
    );
    let of_items = query.of_items.unwrap();
    assert!(
        of_items.ends_with("WHERE ab = CAST(mohawel_items.p1 AS date) AND a = mohawel_items.p2 AND c[1:2] = mohawel_items.p2"),
        "{of_items}"
    );
    let query = Query::parse("SELECT :a, :ab, :a", Dialect::Sqlite, &parameters).unwrap();
    assert_eq!(&*query.text, "SELECT ?1, ?2, ?1");
    for bad in [
        "SELECT :a, :ab, E'\\''",
        "SELECT :a, :ab, $$x$$",
        "SELECT :a, :ab, $1",
    ] {
        Query::parse(bad, Dialect::Postgres, &parameters).unwrap_err();
    }
    Query::parse("SELECT :a, :ab, table_e'x'", Dialect::Postgres, &parameters).unwrap();
}
