//! The backend asked: a request as it sees one, and what it says, kept to what the house promised.

use std::sync::Arc;

use proto::authorise::Row;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

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
        // On its own task, so that a panic of the agency's code is a failed answer and nothing more;
        // dropped with this future when the exchange is cancelled.
        let running =
            AbortOnDropHandle::new(tokio::spawn(Arc::clone(&self.backend).answer(request)));
        match self.replied(delivered, !rows.is_empty(), running.await) {
            Ok(reply) => Outcome::answered(reply),
            Err(failure) => Outcome::of(status_of(&failure, delivered)),
        }
    }

    /// What the backend said, kept to what the house promised.
    pub(super) fn replied(
        &self,
        delivered: &Delivered,
        is_scoped: bool,
        said: Result<Result<Reply, Failure>, JoinError>,
    ) -> Result<Reply, Failure> {
        let header = delivered.request();
        let reply = said.map_err(Failure::failed)??;
        if is_scoped && !reply.rows_applied {
            return Err(Failure::failed(
                "the grant has row rules and the backend does not say that it applied them",
            ));
        }
        let reply = allowed(header, self.kept_to(header, reply)?)?;
        fits_sealed(delivered, reply)
    }
}
