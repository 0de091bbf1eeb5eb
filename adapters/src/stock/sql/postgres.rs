//! PostgreSQL: every query in a READ ONLY transaction of a session that is read-only itself.

use std::collections::BTreeMap;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{
    PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow, PgSslMode, PgTypeInfo, PgTypeKind,
};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Executor, Postgres as Pg, Row, SqlSafeStr,
    Statement, Type, TypeInfo,
};
use tokio_stream::StreamExt;

use super::column::Column as Described;
use super::query::Query;
use super::{Limits, bound, cell, failure, no_value};
use crate::provider::Failure;
use crate::stock::file::{Reading, is_loopback};
use crate::stock::operation::{Argument, Asked, ParameterType};

/// Opens every transaction. The session's defaults say the same; a query could have changed those.
pub(super) const BEGIN: &str = "BEGIN TRANSACTION READ ONLY";
/// SQLSTATE classes that pass by themselves: connection, resources, operator's doing.
const PASSING: [&str; 3] = ["08", "53", "57"];

#[derive(Debug)]
pub(super) struct Postgres {
    pub(super) pool: PgPool,
}

impl Postgres {
    pub(super) fn open(
        place: &str,
        url: &str,
        password: Option<String>,
        plaintext_network: bool,
        limits: Limits,
        reading: &mut Reading,
    ) -> Option<Self> {
        let options = match options(url, plaintext_network) {
            Ok(options) => options,
            Err(problem) => {
                reading.say(place, format_args!("postgres: {problem}"));
                return None;
            }
        };
        let timeout = limits.timeout.as_millis().to_string();
        let options = options
            // Always set: what the environment says must not be used.
            .password(&password.unwrap_or_default())
            .ssl_mode(PgSslMode::Disable)
            .application_name("mohawel")
            .options([
                ("default_transaction_read_only", "on"),
                ("statement_timeout", timeout.as_str()),
                ("lock_timeout", timeout.as_str()),
                ("idle_in_transaction_session_timeout", timeout.as_str()),
                ("standard_conforming_strings", "on"),
            ])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(limits.connections)
            .acquire_timeout(limits.timeout)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options);
        Some(Self { pool })
    }

    /// Runs the query and fills the answer.
    pub(super) async fn rows(&self, asked: &mut Asked<'_, Query>) -> Result<(), Failure> {
        let mut lent = Lent::of(&self.pool).await?;
        let whole = read(lent.connection()?, asked).await?;
        if whole {
            lent.give_back();
        }
        Ok(())
    }

    /// The columns of a query, as the database describes them.
    pub(super) async fn columns(
        &self,
        query: &Query,
        parameters: &BTreeMap<String, ParameterType>,
    ) -> Result<Vec<Described>, sqlx::Error> {
        let types: Vec<PgTypeInfo> = query
            .order
            .iter()
            .filter_map(|name| parameters.get(name))
            .map(|kind| match kind {
                ParameterType::Text | ParameterType::Date => <String as Type<Pg>>::type_info(),
                ParameterType::Integer => <i64 as Type<Pg>>::type_info(),
                ParameterType::Real => <f64 as Type<Pg>>::type_info(),
                ParameterType::Bool => <bool as Type<Pg>>::type_info(),
            })
            .collect();
        let mut connection = self.pool.acquire().await?;
        let text = AssertSqlSafe(query.text.clone()).into_sql_str();
        let statement = connection.prepare_with(text, &types).await?;
        Ok(statement
            .columns()
            .iter()
            .map(|column| {
                let info = column.type_info();
                let is_enum = matches!(info.kind(), PgTypeKind::Enum(_));
                Described::of_postgres(column.name(), info.name(), is_enum)
            })
            .collect())
    }

    /// Begins a query under a condition that no row fulfils: the database then looks at every right that it needs.
    pub(super) async fn begin(
        &self,
        query: &Query,
        parameters: &BTreeMap<String, ParameterType>,
    ) -> Result<(), sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection.begin_with(BEGIN).await?;
        let text = format!(
            "SELECT * FROM ({}) AS mohawel_probe WHERE false",
            query.text
        );
        let mut begun = sqlx::query(AssertSqlSafe(text));
        for kind in query.order.iter().filter_map(|name| parameters.get(name)) {
            begun = match kind {
                ParameterType::Text | ParameterType::Date => begun.bind(None::<String>),
                ParameterType::Integer => begun.bind(None::<i64>),
                ParameterType::Real => begun.bind(None::<f64>),
                ParameterType::Bool => begun.bind(None::<bool>),
            };
        }
        begun.fetch_all(&mut *transaction).await?;
        transaction.rollback().await
    }
}

/// Reads the rows. `true` when all were read, so that the connection can be used again.
async fn read(
    connection: &mut PgConnection,
    asked: &mut Asked<'_, Query>,
) -> Result<bool, Failure> {
    let mut transaction = connection
        .begin_with(BEGIN)
        .await
        .map_err(|error| broken(&error))?;
    let mut query = sqlx::query(AssertSqlSafe(asked.way.text.clone()));
    for argument in bound(asked) {
        query = match argument {
            Argument::Text(text) | Argument::Date(text) => query.bind(text.clone()),
            Argument::Integer(integer) => query.bind(*integer),
            Argument::Real(real) => query.bind(*real),
            Argument::Bool(yes) => query.bind(*yes),
        };
    }
    let mut rows = query.fetch(&mut *transaction);
    while let Some(row) = rows.next().await {
        let row = row.map_err(|error| broken(&error))?;
        if !asked.push(|column| value(&row, column))? {
            return Ok(false);
        }
    }
    drop(rows);
    transaction
        .rollback()
        .await
        .map_err(|error| broken(&error))?;
    Ok(true)
}

pub(super) fn value(row: &PgRow, column: &str) -> Result<serde_json::Value, Failure> {
    let raw = row
        .try_get_raw(column)
        .map_err(|error| no_value(column, error))?;
    cell::json(&raw).map_err(|problem| no_value(column, problem))
}

pub(super) fn broken(error: &sqlx::Error) -> Failure {
    failure(error, |code| {
        PASSING.iter().any(|class| code.starts_with(class))
    })
}

/// A connection in use. Unless it is given back it is closed at once: after a cut answer, an error or
/// a consumer that hung up nobody waits for the rest of the rows.
pub(super) struct Lent(Option<PoolConnection<Pg>>);

impl Lent {
    pub(super) async fn of(pool: &PgPool) -> Result<Self, Failure> {
        let lent = pool.acquire().await.map_err(|error| broken(&error))?;
        Ok(Self(Some(lent)))
    }

    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, Failure> {
        let lent = self.0.as_deref_mut();
        lent.ok_or_else(|| Failure::failed("no connection"))
    }

    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// Takes the URL apart; only what is understood may stand in it.
fn options(url: &str, plaintext_network: bool) -> Result<PgConnectOptions, String> {
    // The URL parser wants a host; a socket's URL has none.
    let (text, socket) = match url.split_once('?') {
        Some((rest, query)) => {
            let dir = query
                .strip_prefix("host=/")
                .filter(|dir| !dir.contains('&'));
            let dir = dir.ok_or("the one thing after '?' is host=/SOCKET/FOLDER")?;
            (
                rest.replacen("@/", "@socket/", 1)
                    .replacen("@:", "@socket:", 1),
                Some(format!("/{dir}")),
            )
        }
        None => (url.to_owned(), None),
    };
    let parsed = reqwest::Url::parse(&text).map_err(|error| error.to_string())?;
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err("the URL does not begin with postgres://".to_owned());
    }
    if parsed.password().is_some() {
        return Err(
            "a password never stands in the URL; use password = { file = \"...\" }".to_owned(),
        );
    }
    let (user, database) = (parsed.username(), parsed.path().trim_start_matches('/'));
    let host = parsed.host_str().unwrap_or_default();
    let is_plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.'))
    };
    if !is_plain(user) || !is_plain(database) || host.is_empty() || parsed.fragment().is_some() {
        return Err("the URL is postgres://USER@HOST:PORT/DATABASE".to_owned());
    }
    let options = PgConnectOptions::new_without_pgpass()
        .username(user)
        .database(database);
    let port = parsed.port().unwrap_or(5432);
    if let Some(dir) = socket {
        return Ok(options.socket(dir).port(port));
    }
    if !is_loopback(host) && !plaintext_network {
        return Err(format!(
            "{host} is another machine and the connection is not encrypted: bring it here through a tunnel, or say \
             plaintext_network = true where the network itself protects it"
        ));
    }
    Ok(options
        .host(host.trim_start_matches('[').trim_end_matches(']'))
        .port(port))
}

#[cfg(test)]
mod tests;
