//! SQLite: opened with `mode=ro` and `query_only`, interrupted when its time is over.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef,
};
use tokio_stream::StreamExt;

use super::column::Column as Described;
use super::query::Query;
use super::{Limits, bound, failure, no_value};
use crate::provider::Failure;
use crate::stock::file::Reading;
use crate::stock::operation::{Argument, Asked};

/// Steps of SQLite's machine between two looks at the clock: well under a millisecond.
const STEPS: i32 = 10_000;
/// Primary result codes that pass by themselves: BUSY, LOCKED, INTERRUPT, CANTOPEN.
const PASSING: [u32; 4] = [5, 6, 9, 14];

#[derive(Debug)]
pub(super) struct Sqlite {
    pool: SqlitePool,
}

impl Sqlite {
    pub(super) fn open(
        place: &str,
        path: &Path,
        limits: Limits,
        reading: &mut Reading,
    ) -> Option<Self> {
        let path = reading.path(path);
        if !path.is_file() {
            reading.say(
                place,
                format_args!("sqlite: there is no file {}", path.display()),
            );
            return None;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .create_if_missing(false)
            .pragma("query_only", "ON")
            .pragma("trusted_schema", "OFF")
            .busy_timeout(limits.timeout)
            .disable_statement_logging();
        // Without an age limit the pool needs no task of its own, and so no runtime while loading.
        let pool = SqlitePoolOptions::new()
            .max_connections(limits.connections)
            .acquire_timeout(limits.timeout)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options);
        Some(Self { pool })
    }

    /// Runs the query and fills the answer.
    pub(super) async fn rows(&self, asked: &mut Asked<'_, Query>) -> Result<(), Failure> {
        let deadline = Instant::now() + asked.within;
        let mut connection = self.pool.acquire().await.map_err(|error| broken(&error))?;
        // The query runs on a thread of its own, which a dropped future does not stop.
        connection
            .lock_handle()
            .await
            .map_err(|error| broken(&error))?
            .set_progress_handler(STEPS, move || Instant::now() < deadline);
        let mut query = sqlx::query(AssertSqlSafe(asked.way.text.clone()));
        for argument in bound(asked) {
            query = match argument {
                Argument::Text(text) | Argument::Date(text) => query.bind(text.clone()),
                Argument::Integer(integer) => query.bind(*integer),
                Argument::Real(real) => query.bind(*real),
                Argument::Bool(yes) => query.bind(*yes),
            };
        }
        let mut rows = query.fetch(&mut *connection);
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| broken(&error))?;
            if !asked.push(|column| value(&row, column))? {
                break;
            }
        }
        Ok(())
    }

    /// The columns of a query, as the database describes them.
    pub(super) async fn columns(&self, query: &Query) -> Result<Vec<Described>, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        connection.lock_handle().await?.remove_progress_handler();
        let statement = connection
            .prepare(AssertSqlSafe(query.text.clone()).into_sql_str())
            .await?;
        Ok(statement
            .columns()
            .iter()
            .map(|column| Described::of_sqlite(column.name(), column.type_info().name()))
            .collect())
    }
}

fn broken(error: &sqlx::Error) -> Failure {
    failure(error, |code| {
        code.parse::<u32>()
            .is_ok_and(|code| PASSING.contains(&(code & 0xff)))
    })
}

/// One value as JSON, by its own type: SQLite's columns hold anything.
fn value(row: &SqliteRow, column: &str) -> Result<Value, Failure> {
    let unreadable = |error: sqlx::Error| no_value(column, error);
    let index = row.try_column(column).map_err(unreadable)?.ordinal();
    let raw = row.try_get_raw(index).map_err(unreadable)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let own = raw.type_info().name().to_owned();
    drop(raw);
    let declared_bool = row.column(index).type_info().name() == "BOOLEAN";
    match own.as_str() {
        "INTEGER" => {
            let integer: i64 = row.try_get_unchecked(index).map_err(unreadable)?;
            Ok(match integer {
                0 | 1 if declared_bool => (integer == 1).into(),
                _ => integer.into(),
            })
        }
        "REAL" => {
            let real: f64 = row.try_get_unchecked(index).map_err(unreadable)?;
            serde_json::Number::from_f64(real)
                .map(Value::Number)
                .ok_or_else(|| no_value(column, "is no finite number"))
        }
        "TEXT" => {
            let text: String = row.try_get_unchecked(index).map_err(unreadable)?;
            Ok(text.into())
        }
        other => Err(no_value(
            column,
            format_args!("{other} cannot be given; cast it in the query"),
        )),
    }
}
