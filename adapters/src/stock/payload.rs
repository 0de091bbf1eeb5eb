//! The stock payload: a question as JSON, an answer as rows of JSON. Bounded both ways.

use bytes::Bytes;
use proto::limits::PAYLOAD_BYTES_MAX;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::provider::contract::is_json;
use crate::provider::{Failure, Request};

/// The media type of question and answer.
pub(super) const JSON: &str = "application/json";

const HEAD: &[u8] = br#"{"rows":["#;
/// The longer of the two tails.
const TAIL_CUT: &[u8] = br#"],"truncated":true}"#;
const TAIL_WHOLE: &[u8] = br#"],"truncated":false}"#;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    pub(super) operation: String,
    #[serde(default)]
    pub(super) parameters: Map<String, Value>,
}

impl Question {
    /// Opens the payload of a request for the operation that its header names.
    pub(super) fn open(request: &Request) -> Result<Self, Failure> {
        if !is_json(&request.content_type) {
            return Err(Failure::InvalidRequest(
                "the payload is not application/json".to_owned(),
            ));
        }
        let question: Self = request.json()?;
        if question.operation != request.operation.as_str() {
            return Err(Failure::InvalidRequest(
                "the payload names another operation".to_owned(),
            ));
        }
        Ok(question)
    }
}

/// The operation that a payload names; `None` when it is no question.
pub(super) fn operation_of(content_type: &str, payload: &[u8]) -> Option<String> {
    if !is_json(content_type) {
        return None;
    }
    let question: Question = serde_json::from_slice(payload).ok()?;
    Some(question.operation)
}

/// An answer as it grows, row by row. Never longer than a payload may be.
#[derive(Debug)]
pub(super) struct Rows {
    body: Vec<u8>,
    count: usize,
    max: usize,
    truncated: bool,
}

impl Rows {
    pub(super) fn new(max: usize) -> Self {
        Self {
            body: HEAD.to_vec(),
            count: 0,
            max,
            truncated: false,
        }
    }

    /// Adds a row. `false` when there was no place for it: then no other row is wanted.
    ///
    /// # Errors
    /// [`Failure::Failed`] when the first row alone is larger than a payload may be.
    pub(super) fn push(&mut self, row: &Map<String, Value>) -> Result<bool, Failure> {
        if self.truncated || self.count == self.max {
            self.truncated = true;
            return Ok(false);
        }
        let before = self.body.len();
        if self.count > 0 {
            self.body.push(b',');
        }
        serde_json::to_writer(&mut self.body, row).map_err(Failure::failed)?;
        if self.body.len() + TAIL_WHOLE.len() > PAYLOAD_BYTES_MAX {
            if self.count == 0 {
                return Err(Failure::failed(
                    "one row alone is larger than a payload may be",
                ));
            }
            self.body.truncate(before);
            self.truncated = true;
            return Ok(false);
        }
        self.count += 1;
        Ok(true)
    }

    /// Rows of it at most.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn finish(mut self) -> Bytes {
        self.body
            .extend_from_slice(if self.truncated { TAIL_CUT } else { TAIL_WHOLE });
        self.body.into()
    }
}
