//! Databases that agencies had before the switch came: a story's SQL in a schema of PostgreSQL where
//! `MOHAWEL_TEST_POSTGRES` names a server, else in a SQLite file.
//!
//! In PostgreSQL the agency's adapter comes as a reader that may read these tables and nothing else. Schema and reader
//! are the story's own and are dropped at its end.

use std::path::Path;
use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use cli::demo::stores::Postgres;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::Town;
use crate::{show, told};

/// The variable that names a PostgreSQL server.
pub(super) const POSTGRES: &str = "MOHAWEL_TEST_POSTGRES";

/// A database, as files that ask it name it.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// Lines of a providers file or a plan.
    store: String,
    /// What stands before a table's name.
    schema: String,
}

impl Made {
    /// Fills the places in a file's text.
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("@STORE@", &self.store)
            .replace("@SCHEMA@", &self.schema)
    }
}

impl Town {
    /// Makes the ERP of an agency out of the story's `erp.sql`, with the agency's plan beside it; gives the plan.
    ///
    /// # Errors
    /// The disk, or what the database does not take.
    pub async fn erp(&mut self, key: &str) -> Result<String> {
        let (from, into) = (self.story.join(key), self.folder(key)?);
        let made = self.database(key, &from.join("erp.sql"), &into).await?;
        let plan = into.join("plan.toml");
        let text = std::fs::read_to_string(from.join("plan.toml"))?;
        std::fs::write(&plan, made.fill(&text))?;
        Ok(plan.display().to_string())
    }

    /// Whether the agencies' databases are PostgreSQL's.
    pub fn has_postgres(&self) -> bool {
        std::env::var(POSTGRES).is_ok()
    }

    /// Runs an agency's SQL where its rows are to lie. One that was made before stays as it is.
    pub(super) async fn database(&mut self, key: &str, sql: &Path, into: &Path) -> Result<Made> {
        if let Some(made) = self.databases.get(key) {
            return Ok(made.clone());
        }
        let statements = std::fs::read_to_string(sql)?;
        let made = match std::env::var(POSTGRES) {
            Ok(url) => in_postgres(&url, &name(key), &statements, into).await?,
            Err(_) => {
                show(self.voice.say(
                    &format!("(no PostgreSQL here: the database of {key} lies in SQLite)"),
                    &format!("(لا يوجد PostgreSQL هنا: قاعدة بيانات {key} في SQLite)"),
                ));
                in_sqlite(&statements, into).await?
            }
        };
        self.databases.insert(key.to_owned(), made.clone());
        Ok(made)
    }

    /// Drops what was made in PostgreSQL. Files go with the story's folder.
    pub(super) async fn drop_databases(&mut self) -> Result<()> {
        let made = std::mem::take(&mut self.databases);
        let (false, Ok(url)) = (made.is_empty(), std::env::var(POSTGRES)) else {
            return Ok(());
        };
        let names = made.keys().map(|key| name(key));
        let text: Vec<String> = names
            .map(|name| format!("DROP SCHEMA {name} CASCADE; DROP ROLE {name}"))
            .collect();
        run(&url, text.join("; ")).await
    }

    /// Takes from an agency's reader the right to read a table.
    ///
    /// # Errors
    /// What PostgreSQL does not take.
    pub async fn revoke_select(&self, key: &str, table: &str) -> Result<()> {
        let url = std::env::var(POSTGRES).context("no PostgreSQL here")?;
        let name = name(key);
        run(
            &url,
            format!("REVOKE SELECT ON {name}.\"{table}\" FROM {name}"),
        )
        .await
    }
}

/// Of an agency's schema, and of its reader.
fn name(key: &str) -> String {
    format!("story_{key}_{}", std::process::id())
}

async fn in_sqlite(statements: &str, into: &Path) -> Result<Made> {
    let mut file = SqliteConnectOptions::new()
        .filename(into.join("erp.sqlite"))
        .create_if_missing(true)
        .connect()
        .await?;
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(&mut file)
        .await?;
    file.close().await?;
    Ok(Made {
        store: "sqlite = \"erp.sqlite\"".to_owned(),
        schema: String::new(),
    })
}

async fn in_postgres(url: &str, name: &str, statements: &str, into: &Path) -> Result<Made> {
    let text = format!(
        "CREATE SCHEMA {name}; SET search_path = {name}; {statements}; \
         CREATE ROLE {name} LOGIN PASSWORD '{name}'; GRANT USAGE ON SCHEMA {name} TO {name}; \
         GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {name};"
    );
    run(url, text).await?;
    Ok(Made {
        store: reader(url, name, &into.join("password"))?,
        schema: format!("{name}."),
    })
}

async fn run(url: &str, text: String) -> Result<()> {
    let options = PgConnectOptions::from_str(url)?;
    let mut server = PgConnection::connect_with(&options).await?;
    sqlx::raw_sql(AssertSqlSafe(text))
        .execute(&mut server)
        .await?;
    server.close().await?;
    Ok(())
}

/// The lines by which the reader `name` comes to the server at `url`.
fn reader(url: &str, name: &str, password: &Path) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("a URL has a scheme")?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let url = format!("{scheme}://{name}:{name}@{place}");
    let postgres = Postgres::part(&url, password).map_err(told)?;
    Ok(format!(
        "postgres = {:?}\npassword = {{ file = {password:?} }}",
        postgres.url
    ))
}
