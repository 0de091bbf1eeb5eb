//! The backend asked: a request as it sees one, and what it says, kept to what the house promised.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use proto::authorise::Row;

use super::blind::fits_sealed;
use super::exchange::{Delivered, Desk};
use super::kept::Outcome;
use super::promise::allowed;
use super::sealing::status_of;
use super::{Failure, Reply, Request};

impl Desk {
    /// As the backend sees it.
    pub(super) fn request(
        &self,
        delivered: &Delivered,
        request_index: u64,
        rows: &[Row],
    ) -> Request {
        let header = delivered.request();
        Request {
            exchange_id: header.exchange_id,
            request_index,
            consumer: header.consumer.clone(),
            service: header.service.clone(),
            operation: header.operation.clone(),
            purpose: header.purpose.clone(),
            fields: header.fields.clone(),
            rows: rows.to_vec(),
            content_type: header.payload.content_type.clone(),
            payload: delivered.in_the_open().payload.clone(),
            remaining: delivered.remaining,
            traceparent: delivered.traceparent.clone(),
        }
    }

    pub(super) async fn ask_backend(
        &self,
        delivered: &Delivered,
        request_index: u64,
        rows: Vec<Row>,
    ) -> Arc<Outcome> {
        let request = self.request(delivered, request_index, &rows);
        // A panic of the agency's code is a failed answer and nothing more. On the exchange's task: another one for each
        // answer wakes a further thread of the runtime to go on here.
        let answering = AssertUnwindSafe(Arc::clone(&self.backend).answer(request)).catch_unwind();
        let said = answering.await.unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<&str>().copied();
            let message = message.or(panic.downcast_ref::<String>().map(String::as_str));
            let message = message.unwrap_or_default();
            Err(Failure::failed(format_args!(
                "the provider's code panicked: {message}"
            )))
        });
        match self.replied(delivered, !rows.is_empty(), said) {
            Ok(reply) => Outcome::answered(reply),
            Err(failure) => Outcome::of(status_of(&failure, delivered)),
        }
    }

    /// What the backend said, kept to what the house promised.
    pub(super) fn replied(
        &self,
        delivered: &Delivered,
        is_scoped: bool,
        said: Result<Reply, Failure>,
    ) -> Result<Reply, Failure> {
        let header = delivered.request();
        let reply = said?;
        if is_scoped && !reply.rows_applied {
            return Err(Failure::failed(
                "the grant has row rules and the backend does not say that it applied them",
            ));
        }
        let reply = allowed(header, self.kept_to(header, reply)?)?;
        fits_sealed(delivered, reply)
    }
}
