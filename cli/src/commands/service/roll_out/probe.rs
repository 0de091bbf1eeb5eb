//! Whether the own store carries the contract: tables, columns, their types, and the right to read them.
//!
//! Takes the store's description of itself, never a row. Gives everything that is in the way, at once and before anything
//! is published.

use adapters::stock::{Column, Providers, Unread};
use proto::act::{Operation, ServiceDefinition};
use serde_json::Value as Json;
use toml::Table;

use super::plan::{Place, Plan};
use super::store::{broken, fields, request, whole, word, written};
use super::unfit::{Unfit, Why, told};
use crate::failure::Failure;

/// Asks the store whether it carries the contract.
///
/// # Errors
/// A usage failure that names everything that is missing, of another type or not to be read; or what the store said.
pub(super) async fn probe(
    plan: &Plan,
    contract: &ServiceDefinition,
    service: &Table,
) -> Result<(), Failure> {
    let parse = |table: Table| {
        let text = written(plan.name.as_str(), table).map_err(|error| broken(plan, &error))?;
        Providers::parse(&text, plan.dir()).map_err(|error| broken(plan, &error.to_string()))
    };
    let mut found = Vec::new();
    let providers = parse(service.clone())?;
    if service["kind"].as_str() == Some("sql") {
        // Every column of the table, so that all that are missing are told at once and beside those that are there.
        let all = parse(whole(plan, service).map_err(|error| broken(plan, &error))?)?;
        for (_, name, columns) in all.columns().await {
            let Some((operation, place)) = asked(plan, contract, name) else {
                continue;
            };
            match columns {
                Ok(columns) => compare(operation, place, &columns, &mut found),
                Err(unread) => found.push(refused(plan, operation, place, unread)?),
            }
        }
        for (_, name, begun) in providers.readable().await {
            let Some((operation, place)) = asked(plan, contract, name) else {
                continue;
            };
            // A query that has no chance is not worth its database's words.
            let is_hopeless = |one: &Unfit| one.operation == name && one.why.stops_the_query();
            if let (Err(unread), false) = (begun, found.iter().any(is_hopeless)) {
                found.push(refused(plan, operation, place, unread)?);
            }
        }
    } else {
        // A file was read when it was loaded: its columns are there, and all of them are text.
        for (name, place) in &plan.operations {
            if let Some((operation, _)) = asked(plan, contract, name) {
                let columns = place.key.values().map(String::as_str);
                let columns = columns.chain(fields(operation, place).map(|(_, column)| column));
                let columns: Vec<_> = columns.map(Column::in_file).collect();
                compare(operation, place, &columns, &mut found);
            }
        }
    }
    if !found.is_empty() {
        return Err(told(plan, &found));
    }
    // As an adapter will load it: nothing else may be in the way.
    let probed = providers.probe().await;
    probed.map_err(|error| broken(plan, &error.to_string()))
}

fn asked<'a>(
    plan: &'a Plan,
    contract: &'a ServiceDefinition,
    name: &str,
) -> Option<(&'a Operation, &'a Place)> {
    let mut operations = contract.operations.iter();
    let operation = operations.find(|one| one.name.as_str() == name)?;
    Some((operation, plan.operations.get(name)?))
}

/// What the database said of a table; what it said of itself ends the command.
fn refused(
    plan: &Plan,
    operation: &Operation,
    place: &Place,
    unread: Unread,
) -> Result<Unfit, Failure> {
    let why = match unread {
        Unread::NoTable(said) => Why::NoTable { said },
        Unread::NoRight(said) => Why::NoRight { said },
        Unread::Other(said) => return Err(broken(plan, &format!("{}: {said}", operation.name))),
    };
    Ok(unfit(operation, place, why))
}

fn unfit(operation: &Operation, place: &Place, why: Why) -> Unfit {
    Unfit {
        operation: operation.name.to_string(),
        table: place.table.clone().unwrap_or_default(),
        why,
    }
}

/// Names and types, the contract's beside the table's.
fn compare(operation: &Operation, place: &Place, has: &[Column], found: &mut Vec<Unfit>) {
    let column = |name: &str| has.iter().find(|one| one.name == name);
    let lacking = |what: &str, column: &str| Why::NoColumn {
        what: what.to_owned(),
        column: column.to_owned(),
        has: has.iter().map(|one| one.name.clone()).collect(),
    };
    let asks = request(operation);
    for (parameter, name) in &place.key {
        let word = word(&asks["properties"][parameter]);
        let why = match column(name) {
            None => lacking(parameter, name),
            Some(column) if column.is_asked_by(word) => continue,
            Some(column) => Why::Key {
                parameter: parameter.clone(),
                word,
                column: column.clone(),
            },
        };
        found.push(unfit(operation, place, why));
    }
    let answer: Json = serde_json::from_slice(&operation.answer_schema).unwrap_or_default();
    for (field, name) in fields(operation, place) {
        let wanted = wanted(&answer, field.as_str());
        let why = match column(name) {
            None => lacking(field.as_str(), name),
            Some(column) => match wanted {
                Some(wanted) if !wanted.is_carried_by(column) => Why::Type {
                    field: field.to_string(),
                    wanted: wanted.to_string(),
                    column: column.clone(),
                },
                _ => continue,
            },
        };
        found.push(unfit(operation, place, why));
    }
}

/// What a contract says of a field.
#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    /// JSON types, null left out.
    kinds: Vec<&'a str>,
    format: Option<&'a str>,
}

impl Wanted<'_> {
    fn is_carried_by(&self, column: &Column) -> bool {
        let carries = |kind: &&str| column.carries(kind, self.format);
        self.kinds.iter().any(carries)
    }
}

impl std::fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kinds.join(" / "))?;
        match self.format {
            Some(format) => write!(f, " ({format})"),
            None => Ok(()),
        }
    }
}

/// The types that the answer schema states for a field, in a record or in each of a list. A contract that says it
/// otherwise, by reference or alternatives, is left to the adapter, which judges every answer by it.
fn wanted<'a>(answer: &'a Json, field: &str) -> Option<Wanted<'a>> {
    let record = match answer["type"].as_str() {
        Some("array") => &answer["items"],
        _ => answer,
    };
    let schema = &record["properties"][field];
    let stated = match &schema["type"] {
        Json::String(kind) => vec![kind.as_str()],
        Json::Array(kinds) => kinds.iter().filter_map(Json::as_str).collect(),
        _ => return None,
    };
    let kinds: Vec<_> = stated.into_iter().filter(|kind| *kind != "null").collect();
    let format = schema["format"].as_str();
    (!kinds.is_empty()).then_some(Wanted { kinds, format })
}

#[cfg(test)]
mod tests;
