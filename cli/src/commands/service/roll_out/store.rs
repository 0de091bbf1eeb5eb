//! The own store under somebody else's contract: a providers table made from the plan. Asks no store; `probe` does.

use proto::act::{Operation, ServiceDefinition};
use proto::id::Part;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::plan::{Place, Plan};
use crate::failure::{Exit, Failure};

/// Bytes of a table's or column's name; PostgreSQL cuts longer ones.
const NAME_BYTES_MAX: usize = 63;

/// What stands under `[service.NAME]` in the providers file.
///
/// # Errors
/// Where plan and contract do not fit, a sentence each.
pub(super) fn described(plan: &Plan, contract: &ServiceDefinition) -> Result<Table, Vec<String>> {
    let mut found = Vec::new();
    let has = |key: &str| plan.store.contains_key(key);
    let kind = match (has("sqlite") || has("postgres"), has("file")) {
        (true, false) => "sql",
        (false, true) => "csv",
        _ => {
            return Err(vec![
                "store: say where the rows are: sqlite = \"PATH\", postgres = \"URL\" or file = \"TABLE.csv\"".to_owned(),
            ]);
        }
    };
    for key in ["kind", "operation"] {
        if has(key) {
            found.push(format!(
                "store: {key} follows from the rest of the plan; leave it out"
            ));
        }
    }
    for name in plan.operations.keys() {
        if !contract
            .operations
            .iter()
            .any(|one| one.name.as_str() == name)
        {
            found.push(format!(
                "operations.{name}: the contract has no such operation"
            ));
        }
    }
    let mut operations = Table::new();
    for operation in &contract.operations {
        let name = operation.name.as_str();
        let Some(place) = plan.operations.get(name) else {
            found.push(format!("operations.{name}: missing; the contract has it, and whoever copies the contract serves all of it"));
            continue;
        };
        fits(operation, place, kind, &mut found);
        match served(operation, place, kind) {
            Ok(table) => drop(operations.insert(name.to_owned(), Value::Table(table))),
            Err(problem) => found.push(format!("operations.{name}: {problem}")),
        }
    }
    if !found.is_empty() {
        return Err(found);
    }
    let mut service = plan.store.clone();
    service.insert("kind".to_owned(), kind.into());
    service.insert("operation".to_owned(), Value::Table(operations));
    Ok(service)
}

/// Whether the plan asks by what the contract asks by, and names only the contract's fields.
fn fits(operation: &Operation, place: &Place, kind: &str, found: &mut Vec<String>) {
    let at = format!("operations.{}", operation.name);
    match (kind, &place.table) {
        ("sql", None) => found.push(format!("{at}: table is missing")),
        ("csv", Some(_)) => found.push(format!("{at}: table is for databases; a CSV file is one")),
        _ => {}
    }
    for field in place.fields.keys() {
        if !operation.fields.iter().any(|one| one.as_str() == field) {
            found.push(format!("{at}.fields: the contract has no field '{field}'"));
        }
    }
    let schema = request(operation);
    let properties = schema["properties"].as_object();
    let required = schema["required"].as_array();
    let unknown = |name: &&String| properties.is_some_and(|all| !all.contains_key(*name));
    for name in place.key.keys().filter(unknown) {
        found.push(format!("{at}.key: the contract is not asked by '{name}'"));
    }
    for name in required.into_iter().flatten().filter_map(Json::as_str) {
        if !place.key.contains_key(name) {
            found.push(format!(
                "{at}.key: the contract is asked by '{name}'; say in which column that is"
            ));
        }
    }
}

pub(super) fn request(operation: &Operation) -> Json {
    serde_json::from_slice(&operation.request_schema).unwrap_or_default()
}

/// One operation's table.
fn served(operation: &Operation, place: &Place, kind: &str) -> Result<Table, String> {
    let mut table = Table::new();
    let columns: Vec<(&Part, &str)> = fields(operation, place).collect();
    if kind == "sql" {
        let schema = request(operation);
        let parameters = place.key.keys().map(|name| {
            let word = word(&schema["properties"][name]);
            (name.clone(), Value::from(word))
        });
        table.insert("parameters".to_owned(), Value::Table(parameters.collect()));
        let columns: Vec<String> = columns
            .iter()
            .map(|(_, column)| Ok(format!("t.{}", quoted(column)?)))
            .collect::<Result<_, String>>()?;
        let keys: Vec<String> = place
            .key
            .iter()
            .map(|(name, column)| Ok(format!("t.{} = :{name}", quoted(column)?)))
            .collect::<Result<_, String>>()?;
        let query = format!(
            "SELECT {} FROM {} AS t WHERE {}",
            columns.join(", "),
            source(place)?,
            keys.join(" AND ")
        );
        table.insert("query".to_owned(), query.into());
    } else {
        let key = place
            .key
            .iter()
            .map(|(name, column)| (name.clone(), column.as_str().into()));
        table.insert("key".to_owned(), Value::Table(key.collect()));
    }
    let fields = columns
        .iter()
        .map(|(field, column)| (field.to_string(), Value::from(*column)));
    table.insert("fields".to_owned(), Value::Table(fields.collect()));
    if let Some(empty) = &place.empty {
        table.insert("empty".to_owned(), empty.as_str().into());
    }
    Ok(table)
}

/// The contract's fields and their columns here.
pub(super) fn fields<'a>(
    operation: &'a Operation,
    place: &'a Place,
) -> impl Iterator<Item = (&'a Part, &'a str)> {
    operation.fields.iter().map(|field| {
        let column = place.fields.get(field.as_str());
        (field, column.map_or(field.as_str(), String::as_str))
    })
}

/// What a stock provider calls a parameter of this schema.
pub(super) fn word(schema: &Json) -> &'static str {
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("integer"), _) => "integer",
        (Some("number"), _) => "real",
        (Some("boolean"), _) => "bool",
        (_, Some("date")) => "date",
        _ => "text",
    }
}

/// The table's name as a query takes it.
fn source(place: &Place) -> Result<String, String> {
    let name = place.table.as_deref().unwrap_or_default();
    let parts: Vec<String> = name.split('.').map(quoted).collect::<Result<_, _>>()?;
    Ok(parts.join("."))
}

/// A name in quotes. What could end them, or mean something to the reader of queries, is no name.
fn quoted(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | ' ');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(plain) {
        return Err(format!(
            "'{name}' cannot be the name of a table or column: letters, digits, spaces and _, {NAME_BYTES_MAX} bytes at most"
        ));
    }
    Ok(format!("\"{name}\""))
}

/// The same service, each operation giving every column and asking by none.
pub(super) fn whole(plan: &Plan, service: &Table) -> Result<Table, String> {
    let mut operations = Table::new();
    for (name, place) in &plan.operations {
        let mut table = Table::new();
        let query = format!("SELECT * FROM {} AS t", source(place)?);
        table.insert("query".to_owned(), query.into());
        table.insert("fields".to_owned(), Value::Array(Vec::new()));
        operations.insert(name.clone(), Value::Table(table));
    }
    let mut whole = service.clone();
    whole.insert("operation".to_owned(), Value::Table(operations));
    Ok(whole)
}

/// What the store, or the providers file, says against it.
pub(super) fn broken(plan: &Plan, error: &str) -> Failure {
    let path = plan.path.display();
    Failure::new(
        Exit::Usage,
        [
            format!(
                "{path}: the store does not serve this plan, and nothing was published: {error}"
            ),
            format!("{path}: المخزن لا يخدم هذه الخطة ولم يُنشر شيء: {error}"),
        ],
        [
            "Correct the plan's [store] and tables, and run the command again.",
            "صحّح ‎[store]‎ والجداول في الخطة ثم أعد تشغيل الأمر.",
        ],
    )
}

/// `service` as the text of a providers file.
pub(super) fn written(name: &str, service: Table) -> Result<String, String> {
    let one = Table::from_iter([(name.to_owned(), Value::Table(service))]);
    let file = Table::from_iter([("service".to_owned(), Value::Table(one))]);
    toml::to_string(&file).map_err(|error| error.to_string())
}
