//! Many requests of one operation, by one query: the operation's own for each row of a table of their arguments.
//!
//! ```sql
//! SELECT items.item, rows.* FROM unnest($1, …) WITH ORDINALITY AS items CROSS JOIN LATERAL (SELECT * FROM (QUERY) LIMIT …) AS rows
//! ```
//!
//! Takes opened requests. Fills each with its rows, in the order that the query gives them for it alone. Arguments travel as
//! arrays and never in the text.

use std::fmt::Write as _;

use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query as Sqlx;
use sqlx::{AssertSqlSafe, Connection, Postgres as Pg, Row};
use tokio_stream::StreamExt;

use super::postgres::{BEGIN, Lent, Postgres, broken, value};
use super::query::{ITEMS, Query};
use crate::provider::Failure;
use crate::stock::operation::{Argument, Asked};

impl Postgres {
    /// Runs the query for all of them.
    pub(super) async fn rows_of(&self, asked: &mut [&mut Asked<'_, Query>]) -> Result<(), Failure> {
        let Some(first) = asked.first() else {
            return Ok(());
        };
        let Some(text) = first.way.of_items.as_ref().map(|query| text(first, query)) else {
            for one in asked {
                self.rows(one).await?;
            }
            return Ok(());
        };
        let mut lent = Lent::of(&self.pool).await?;
        read(lent.connection()?, &text, asked).await?;
        lent.give_back();
        Ok(())
    }
}

/// The text: one for each operation, so that the database prepares it once.
fn text(asked: &Asked<'_, Query>, query: &str) -> String {
    let (mut arrays, mut columns) = (String::new(), String::new());
    for (position, name) in (1..).zip(&asked.way.order) {
        let kind = match asked.arguments.get(name.as_str()) {
            Some(Argument::Integer(_)) => "int8",
            Some(Argument::Real(_)) => "float8",
            Some(Argument::Bool(_)) => "bool",
            Some(Argument::Text(_) | Argument::Date(_)) | None => "text",
        };
        // To a String nothing fails.
        let _ = write!(arrays, "${position}::{kind}[], ");
        let _ = write!(columns, "p{position}, ");
    }
    let (arrays, limit) = (arrays.trim_end_matches(", "), asked.way.order.len() + 1);
    format!(
        "SELECT {ITEMS}.mohawel_item, mohawel_rows.* FROM unnest({arrays}) WITH ORDINALITY AS {ITEMS}({columns}mohawel_item) \
         CROSS JOIN LATERAL (SELECT * FROM ({query}) AS mohawel_query LIMIT ${limit}) AS mohawel_rows"
    )
}

async fn read(
    connection: &mut PgConnection,
    text: &str,
    asked: &mut [&mut Asked<'_, Query>],
) -> Result<(), Failure> {
    let mut transaction = connection
        .begin_with(BEGIN)
        .await
        .map_err(|error| broken(&error))?;
    let mut query = sqlx::query(AssertSqlSafe(text.to_owned()));
    let order = asked.first().map(|first| first.way.order.clone());
    for name in order.iter().flatten() {
        query = bind(
            query,
            asked
                .iter()
                .filter_map(|one| one.arguments.get(name.as_str())),
        )?;
    }
    // One more than may be given: then the answer says that it was cut. Where rows are left out here, nobody knows how many.
    let most = match asked.first() {
        Some(first) if !first.is_scoped() => first.rows.max() + 1,
        _ => usize::MAX,
    };
    query = query.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let mut rows = query.fetch(&mut *transaction);
    while let Some(row) = rows.next().await {
        let row = row.map_err(|error| broken(&error))?;
        let item: i64 = row
            .try_get("mohawel_item")
            .map_err(|error| broken(&error))?;
        let at = usize::try_from(item - 1).ok();
        let one = at.and_then(|at| asked.get_mut(at));
        let one = one.ok_or_else(|| Failure::failed("the database gave a row for no item"))?;
        one.push(|column| value(&row, column))?;
    }
    drop(rows);
    transaction
        .rollback()
        .await
        .map_err(|error| broken(&error))?;
    Ok(())
}

type Bound<'q> = Sqlx<'q, Pg, PgArguments>;

/// One parameter's arguments, as an array.
fn bind<'q, 'a>(
    query: Bound<'q>,
    arguments: impl Iterator<Item = &'a Argument>,
) -> Result<Bound<'q>, Failure> {
    let (mut texts, mut integers, mut reals, mut bools) = (vec![], vec![], vec![], vec![]);
    for argument in arguments {
        match argument {
            Argument::Text(text) | Argument::Date(text) => texts.push(text.clone()),
            Argument::Integer(integer) => integers.push(*integer),
            Argument::Real(real) => reals.push(*real),
            Argument::Bool(yes) => bools.push(*yes),
        }
    }
    // A parameter has one type, so at most one of them is not empty.
    match (!integers.is_empty(), !reals.is_empty(), !bools.is_empty()) {
        (true, false, false) => Ok(query.bind(integers)),
        (false, true, false) => Ok(query.bind(reals)),
        (false, false, true) => Ok(query.bind(bools)),
        (false, false, false) => Ok(query.bind(texts)),
        _ => Err(Failure::failed(
            "arguments of different types for one parameter",
        )),
    }
}
