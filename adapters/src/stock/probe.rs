//! What databases say of the queries in a file, before anybody asks them: columns, rights, mistakes. Never reads a row.

use super::sql::{Column, Unread};
use super::{Providers, Service, StockError};

impl Providers {
    /// The columns that each query gives as its database describes them, by service and operation, or what the database
    /// said against the query. Only of databases; a table in a file was read when the file was loaded.
    pub async fn columns(&self) -> Vec<(&str, &str, Result<Vec<Column>, Unread>)> {
        let mut all = Vec::new();
        for (name, service) in &self.services {
            if let Service::Sql(sql) = service {
                let columns = sql.columns().await.into_iter();
                all.extend(columns.map(|(operation, columns)| (name.as_str(), operation, columns)));
            }
        }
        all
    }

    /// Whether each query may be run by whom the file names, by service and operation. A database prepares queries over
    /// tables that their reader has no right to, so each is begun, under a condition that no row fulfils.
    pub async fn readable(&self) -> Vec<(&str, &str, Result<(), Unread>)> {
        let mut all = Vec::new();
        for (name, service) in &self.services {
            if let Service::Sql(sql) = service {
                let readable = sql.readable().await.into_iter();
                all.extend(readable.map(|(operation, found)| (name.as_str(), operation, found)));
            }
        }
        all
    }

    /// Connects to every database and has it prepare and begin every query: a wrong table, column or type, or a right that
    /// is missing, is found here and not by the first request.
    ///
    /// # Errors
    /// [`StockError::Problems`] with all of them.
    pub async fn probe(&self) -> Result<(), StockError> {
        let mut problems = Vec::new();
        for (name, service) in &self.services {
            if let Service::Sql(sql) = service {
                for problem in sql.probe().await {
                    problems.push(format!("service.{name}: {problem}"));
                }
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(StockError::Problems(problems))
        }
    }
}
