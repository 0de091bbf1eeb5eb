//! The echo: what a new agency asks first.

use crate::provider::{Failure, Provider, Reply, Request};

/// Gives every payload back unchanged, with its media type and no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Echo;

impl Provider for Echo {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        Ok(Reply {
            fields: Vec::new(),
            content_type: request.content_type,
            payload: request.payload,
            // What is given back was the consumer's own.
            rows_applied: true,
        })
    }
}
