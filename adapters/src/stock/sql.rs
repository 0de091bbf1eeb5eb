//! The `sql` kind: one query for each operation, against SQLite or PostgreSQL.
//!
//! Takes bound arguments. Gives rows. Never writes: the connection, the transaction and the queries
//! themselves are read-only, each on its own; never puts an argument into the text of a query.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

pub use self::column::{Column, Gives, Unread};
use self::postgres::Postgres;
use self::query::{Dialect, Query};
use self::sqlite::Sqlite;
use super::file::{Names, OperationTables, Reading, Secret};
use super::operation::{self, Asked, Empty, Operation, Operations, ParameterType};
use crate::provider::{Failure, Replies, Reply, Request};

mod cell;
mod column;
mod postgres;
mod postgres_items;
mod query;
mod sqlite;

/// How long a query may take when the file does not say.
const TIMEOUT_MS: u64 = 5_000;
/// Connections of one service, by default and at most.
const CONNECTIONS: u64 = 4;
const CONNECTIONS_MAX: u64 = 64;
/// Rows of one answer, by default and at most.
const ROWS: u64 = 100;
const ROWS_MAX: u64 = 10_000;

/// A database that answers.
#[derive(Debug)]
pub(super) struct Sql {
    store: Store,
    pub(super) operations: Operations<Query>,
}

#[derive(Debug)]
enum Store {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    sqlite: Option<PathBuf>,
    postgres: Option<String>,
    password: Option<Secret>,
    #[serde(default)]
    plaintext_network: bool,
    timeout_ms: Option<u64>,
    max_rows: Option<u64>,
    connections: Option<u64>,
    #[serde(default)]
    operation: OperationTables,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationShape {
    #[serde(default)]
    parameters: BTreeMap<String, ParameterType>,
    query: String,
    fields: Names,
    #[serde(default)]
    empty: Empty,
}

/// What both stores are told.
#[derive(Clone, Copy, Debug)]
struct Limits {
    timeout: Duration,
    connections: u32,
}

impl Sql {
    /// Reads the service's table.
    pub(super) fn read(place: &str, table: toml::Table, reading: &mut Reading) -> Option<Self> {
        let shape: Shape = reading.shape(place, table)?;
        let timeout = reading.timeout(place, "timeout_ms", shape.timeout_ms, TIMEOUT_MS);
        let max_rows = reading.size(place, "max_rows", shape.max_rows, ROWS, ROWS_MAX);
        let connections = reading.size(
            place,
            "connections",
            shape.connections,
            CONNECTIONS,
            CONNECTIONS_MAX,
        );
        let limits = Limits {
            timeout,
            connections: u32::try_from(connections).unwrap_or(1),
        };
        let dialect = if shape.postgres.is_some() {
            Dialect::Postgres
        } else {
            Dialect::Sqlite
        };
        let operations = Operations::read(
            place,
            shape.operation,
            (max_rows, timeout),
            reading,
            |place, table, reading| read_operation(place, table, dialect, reading),
        );
        let password = shape
            .password
            .as_ref()
            .map(|secret| reading.secret(place, secret));
        let store = match (shape.sqlite, shape.postgres) {
            (Some(path), None) => {
                if shape.password.is_some() || shape.plaintext_network {
                    reading.say(
                        place,
                        "password and plaintext_network are for postgres only",
                    );
                }
                Sqlite::open(place, &path, limits, reading).map(Store::Sqlite)
            }
            (None, Some(url)) => {
                let password = password.flatten();
                Postgres::open(
                    place,
                    &url,
                    password,
                    shape.plaintext_network,
                    limits,
                    reading,
                )
                .map(Store::Postgres)
            }
            _ => {
                reading.say(
                    place,
                    "needs either sqlite = \"PATH\" or postgres = \"URL\"",
                );
                None
            }
        };
        Some(Self {
            store: store?,
            operations,
        })
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: &Request) -> Result<Reply, Failure> {
        let mut asked = self.operations.open(request)?;
        let within = asked.within;
        let read = async {
            match &self.store {
                Store::Sqlite(sqlite) => sqlite.rows(&mut asked).await,
                Store::Postgres(postgres) => postgres.rows(&mut asked).await,
            }
        };
        match tokio::time::timeout(within, read).await {
            Ok(Ok(())) => asked.reply(),
            Ok(Err(failure)) => Err(failure),
            Err(_) => {
                tracing::warn!(exchange = %request.exchange_id, ?within, "the database did not answer in time");
                Err(Failure::Unavailable)
            }
        }
    }

    /// Answers many requests of one operation: PostgreSQL by one query for all of them, SQLite one after the other.
    pub(super) async fn items(&self, request: &Request, items: Vec<Bytes>) -> Replies {
        let requests: Vec<Request> = items.into_iter().map(|item| request.with(item)).collect();
        let Store::Postgres(postgres) = &self.store else {
            let mut replies = Vec::with_capacity(requests.len());
            for request in &requests {
                replies.push(self.answer(request).await);
            }
            return replies;
        };
        let mut opened: Vec<_> = requests
            .iter()
            .map(|request| self.operations.open(request))
            .collect();
        let mut asked: Vec<&mut Asked<'_, Query>> = opened.iter_mut().flatten().collect();
        let within = asked.first().map_or(Duration::ZERO, |asked| asked.within);
        let read = tokio::time::timeout(within, postgres.rows_of(&mut asked));
        let failure = match read.await {
            Ok(read) => read.err(),
            Err(_) => {
                tracing::warn!(exchange = %request.exchange_id, ?within, "the database did not answer in time");
                Some(Failure::Unavailable)
            }
        };
        let reply = |asked: Asked<'_, Query>| match &failure {
            None => asked.reply(),
            Some(failure) => Err(failure.clone()),
        };
        opened
            .into_iter()
            .map(|asked| asked.and_then(reply))
            .collect()
    }

    /// Has the database prepare every query: the columns of each operation's, or what the database does not like.
    pub(super) async fn columns(&self) -> Vec<(&str, Result<Vec<Column>, Unread>)> {
        let mut all = Vec::new();
        for (name, operation) in self.operations.iter() {
            let columns = match &self.store {
                Store::Sqlite(sqlite) => sqlite.columns(&operation.way).await,
                Store::Postgres(postgres) => {
                    postgres
                        .columns(&operation.way, &operation.parameters)
                        .await
                }
            };
            all.push((name, columns.map_err(Unread::from)));
        }
        all
    }

    /// Has the database begin every query, for no row. Who may read a SQLite file may read all of it.
    pub(super) async fn readable(&self) -> Vec<(&str, Result<(), Unread>)> {
        let mut all = Vec::new();
        for (name, operation) in self.operations.iter() {
            let begun = match &self.store {
                Store::Sqlite(sqlite) => sqlite.columns(&operation.way).await.map(drop),
                Store::Postgres(postgres) => {
                    postgres.begin(&operation.way, &operation.parameters).await
                }
            };
            all.push((name, begun.map_err(Unread::from)));
        }
        all
    }

    /// Has the database prepare and begin every query, and says what it does not like.
    pub(super) async fn probe(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let prepared = self.columns().await.into_iter();
        let begun = self.readable().await;
        for (((name, operation), (_, columns)), (_, begun)) in
            self.operations.iter().zip(prepared).zip(begun)
        {
            match (columns, begun) {
                (Ok(columns), Ok(())) => {
                    let has = |wanted: &str| columns.iter().any(|column| column.name == wanted);
                    let missing = operation.fields.iter().filter(|(_, column)| !has(column));
                    problems.extend(missing.map(|(field, column)| {
                        format!("operation.{name}: field '{field}' has no column '{column}' in the query")
                    }));
                }
                (Err(error), _) | (_, Err(error)) => {
                    problems.push(format!("operation.{name}: {error}"));
                }
            }
        }
        problems
    }
}

fn read_operation(
    place: &str,
    table: toml::Table,
    dialect: Dialect,
    reading: &mut Reading,
) -> Option<Operation<Query>> {
    let shape: OperationShape = reading.shape(place, table)?;
    let fields = operation::fields(place, shape.fields, reading);
    match Query::parse(&shape.query, dialect, &shape.parameters) {
        Ok(way) => Some(Operation {
            parameters: shape.parameters,
            fields,
            empty: shape.empty,
            way,
        }),
        Err(problem) => {
            reading.say(place, format_args!("query: {problem}"));
            None
        }
    }
}

/// Sorts a database's error: is it busy or gone, or does it not like the query?
fn failure(error: &sqlx::Error, is_passing: impl Fn(&str) -> bool) -> Failure {
    let passing = match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed => true,
        sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(database) => database.code().is_some_and(|code| is_passing(&code)),
        _ => false,
    };
    if passing {
        tracing::warn!(%error, "the database cannot answer now");
        Failure::Unavailable
    } else {
        Failure::failed(error)
    }
}

/// A column that cannot be given.
fn no_value(column: &str, why: impl std::fmt::Display) -> Failure {
    Failure::failed(format_args!("column '{column}': {why}"))
}

/// The argument bound at each position of a query.
fn bound<'a>(asked: &'a Asked<'_, Query>) -> impl Iterator<Item = &'a operation::Argument> {
    let order = asked.way.order.iter();
    order.filter_map(|name| asked.arguments.get(name.as_str()))
}

#[cfg(test)]
mod tests;
