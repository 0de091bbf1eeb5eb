//! The `inbox` kind: a folder into which questions are laid, and from which they are answered when somebody has an answer.
//!
//! Takes a question. Writes it as `EXCHANGE.json`, once, whole and durable; gives what stands in `EXCHANGE.answer.json` beside it,
//! and until then says "not now". So a clerk, or another program, answers tomorrow what was submitted today. Never writes
//! what is there already, and never names a file by anything that came from outside but the exchange's id.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::tiles::durable;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use super::file::{Names, OperationTables, Reading};
use super::operation::{self, Empty, Operation, Operations, ParameterType};
use crate::provider::{Failure, Reply, Request};

/// How long an answer may take: a file is written or read.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer's file.
const ANSWER_BYTES_MAX: u64 = proto::limits::PAYLOAD_BYTES_MAX as u64;

/// A folder that is answered from.
#[derive(Debug)]
pub(super) struct Inbox {
    folder: PathBuf,
    pub(super) operations: Operations<()>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    folder: PathBuf,
    #[serde(default)]
    operation: OperationTables,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationShape {
    #[serde(default)]
    parameters: std::collections::BTreeMap<String, ParameterType>,
    fields: Names,
}

impl Inbox {
    /// Reads the service's table. The folder is there from the beginning.
    pub(super) fn read(place: &str, table: toml::Table, reading: &mut Reading) -> Option<Self> {
        let shape: Shape = reading.shape(place, table)?;
        let folder = reading.path(&shape.folder);
        if !folder.is_dir() {
            reading.say(place, format_args!("{} is no folder", folder.display()));
        }
        let limits = (1, TIMEOUT);
        let operations = Operations::read(place, shape.operation, limits, reading, read_operation);
        Some(Self { folder, operations })
    }

    pub(super) async fn answer(&self, request: &Request) -> Result<Reply, Failure> {
        let mut asked = self.operations.open(request)?;
        let parameters: Map<String, Value> = asked
            .arguments
            .iter()
            .map(|(name, argument)| ((*name).to_owned(), argument.to_json()))
            .collect();
        let question = json!({
            "exchange": request.exchange_id.to_string(),
            "consumer": request.consumer.to_string(),
            "operation": request.operation.as_str(),
            "purpose": request.purpose.as_str(),
            "parameters": parameters,
            "answer_with": asked.wanted.iter().map(|(_, source)| *source).collect::<Vec<_>>(),
        });
        let at = |end: &str| self.folder.join(format!("{}{end}", request.exchange_id));
        let (question_at, answer_at) = (at(".json"), at(".answer.json"));
        let found = spawn_blocking(move || {
            let found = answered(&answer_at)?;
            if found.is_none() && !question_at.exists() {
                let text = serde_json::to_vec_pretty(&question).map_err(Failure::failed)?;
                durable::write_file(&question_at, &text).map_err(Failure::failed)?;
            }
            Ok::<_, Failure>(found)
        });
        let found = found.await.map_err(Failure::failed)??;
        let answer = found.ok_or(Failure::Unavailable)?;
        asked.push(|source| Ok(answer.get(source).cloned().unwrap_or(Value::Null)))?;
        asked.reply()
    }
}

/// The answer, where there is one. One that is still being written is none yet.
fn answered(path: &Path) -> Result<Option<Map<String, Value>>, Failure> {
    match std::fs::metadata(path) {
        Ok(found) if found.len() > ANSWER_BYTES_MAX => {
            return Err(Failure::failed(format_args!(
                "{} is larger than an answer may be",
                path.display()
            )));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::failed(error)),
    }
    let text = std::fs::read(path).map_err(Failure::failed)?;
    let read = serde_json::from_slice(&text);
    if let Err(error) = &read {
        tracing::warn!(path = %path.display(), %error, "an answer is not a JSON object, or not yet; it is looked at again");
    }
    Ok(read.ok())
}

fn read_operation(place: &str, table: toml::Table, reading: &mut Reading) -> Option<Operation<()>> {
    let shape: OperationShape = reading.shape(place, table)?;
    Some(Operation {
        parameters: shape.parameters,
        fields: operation::fields(place, shape.fields, reading),
        empty: Empty::NotFound,
        way: (),
    })
}

#[cfg(test)]
mod tests;
