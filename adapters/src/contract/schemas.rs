//! Services without OpenAPI: one request and one answer schema for each operation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bundle::{Bundle, Direction};
use super::keywords::Dialect;
use super::{
    ContractError, DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX, Draft, Operation, document, place,
};

/// The shape of a JSON or TOML file that describes a service by its schemas.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaSet {
    /// Name of an operation → its schemas.
    pub operations: BTreeMap<String, OperationSchemas>,
}

/// One operation of a [`SchemaSet`].
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OperationSchemas {
    /// What it does, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary_en: Option<String>,
    /// The same in Arabic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary_ar: Option<String>,
    /// JSON Schema 2020-12 of the request; refers to its own `$defs` only.
    pub request: Value,
    /// JSON Schema 2020-12 of the answer; refers to its own `$defs` only.
    pub answer: Value,
}

pub(super) fn operations(set: &SchemaSet) -> Result<Vec<Operation>, ContractError> {
    let mut bytes = 0;
    set.operations
        .iter()
        .map(|(name, operation)| {
            for (part, schema) in [
                ("request", &operation.request),
                ("answer", &operation.answer),
            ] {
                if !document::is_flat(schema, DOCUMENT_DEPTH_MAX) {
                    return Err(ContractError::Syntax(format!(
                        "the {part} schema of operation '{}' is nested too deep",
                        place::shown(name)
                    )));
                }
                bytes += schema.to_string().len();
                if bytes > DOCUMENT_BYTES_MAX {
                    return Err(ContractError::DocumentBytes(bytes));
                }
            }
            let whole = |schema, direction| {
                let mut bundle = Bundle::new(schema, Dialect::Draft2020, direction);
                let root = bundle.root(schema, "#")?;
                bundle.finish(root)
            };
            Draft {
                name: name.clone(),
                method: None,
                path: None,
                summary_en: operation.summary_en.clone(),
                summary_ar: operation.summary_ar.clone(),
                request_schema: whole(&operation.request, Direction::Request)?,
                answer_schema: whole(&operation.answer, Direction::Answer)?,
                silent: false,
            }
            .complete(&place::below("#/operations", name))
        })
        .collect()
}
