//! Bytes that somebody sent → one JSON value: JSON or YAML, told by the content.
//!
//! Bounded in bytes and depth before anything looks inside.

use serde_json::Value;

use super::{ContractError, DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX, json, yaml};

/// Reads a document. What begins with `{` is JSON, everything else YAML.
pub(super) fn read(bytes: &[u8]) -> Result<Value, ContractError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(ContractError::DocumentBytes(bytes.len()));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| ContractError::Syntax("it is not UTF-8; save it as UTF-8".to_owned()))?;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('{') {
        json::read(text.as_bytes(), DOCUMENT_DEPTH_MAX)
            .map_err(|error| ContractError::Syntax(format!("as JSON: {error}")))
    } else {
        yaml::read(text, DOCUMENT_DEPTH_MAX)
            .map_err(|error| ContractError::Syntax(format!("as YAML: {error}")))
    }
}

/// Whether objects and arrays stand at most `levels` inside each other. Looks no deeper than that.
pub(super) fn is_flat(value: &Value, levels: usize) -> bool {
    let mut below: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => return true,
    };
    levels > 0 && below.all(|value| is_flat(value, levels - 1))
}
