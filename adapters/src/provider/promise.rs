//! What the house promised, kept at both ends of an exchange: the contract, and nothing that was not asked for.

use std::sync::Arc;

use proto::act::SubjectField;
use proto::header::RequestHeader;
use proto::limits::{CONTENT_TYPE_BYTES_MAX, FIELDS_MAX, PAYLOAD_BYTES_MAX};
use proto::refusal::Code;
use proto::registry::Registry;
use proto::subject::SubjectKey;

use super::contract::Enforced;
use super::exchange::Desk;
use super::{Failure, Form, Reply, checks};
use crate::subjects::Start;

impl Desk {
    /// The contract that a request is held against, which has every field that it asks for.
    pub(super) fn promise(
        &self,
        registry: &Registry,
        request: &RequestHeader,
    ) -> Result<Arc<Enforced>, Code> {
        let contract = self.contracts.of(registry, request);
        let contract = contract.ok_or(Code::ContractViolation)?;
        let service = registry.service(&request.provider.service(&request.service));
        let operation =
            service.and_then(|service| service.definition.operation(&request.operation));
        // A field that the contract no longer has is given to nobody, whatever an older agreement grants.
        let unpublished = request
            .fields
            .iter()
            .find(|field| operation.is_none_or(|operation| !operation.fields.contains(field)));
        if let Some(field) = unpublished {
            tracing::info!(exchange = %request.exchange_id, %field, "the contract has no such field");
            return Err(Code::ContractViolation);
        }
        Ok(contract)
    }

    /// The payload is what the contract says of a request.
    pub(super) fn promised(
        &self,
        registry: &Registry,
        request: &RequestHeader,
        payload: &[u8],
    ) -> Result<(), Code> {
        let contract = self.promise(registry, request)?;
        let form = self.backend.form(request.service.as_str());
        let content_type = &request.payload.content_type;
        contract
            .request(&request.operation, content_type, payload, form)
            .map_err(|found| {
                tracing::info!(exchange = %request.exchange_id, pointer = found.pointer, rule = found.rule, "the request breaks its contract");
                Code::ContractViolation
            })
    }

    /// Where the contract describes a request by a schema, or marks persons in it, it comes in one piece: chunks cannot be
    /// held against it.
    pub(super) fn promised_chunks(
        &self,
        registry: &Registry,
        request: &RequestHeader,
    ) -> Result<(), Code> {
        let contract = self.promise(registry, request)?;
        let service = registry.service(&request.provider.service(&request.service));
        let operation =
            service.and_then(|service| service.definition.operation(&request.operation));
        let marks = operation.is_some_and(|operation| !operation.subjects.is_empty());
        if marks || contract.describes_request(&request.operation) {
            tracing::info!(exchange = %request.exchange_id, "refused: the contract says what is in the request, and chunks cannot be judged by it");
            return Err(Code::ContractViolation);
        }
        Ok(())
    }

    /// Where the payload names persons and the keys for their pseudonyms, if the contract says that it names any and this home
    /// has the agreement's key.
    pub(super) fn naming<'a>(
        &self,
        registry: &'a Registry,
        request: &RequestHeader,
        now_ms: u64,
    ) -> Option<(&'a [SubjectField], Start, Vec<SubjectKey>)> {
        let service = registry.service(&request.provider.service(&request.service));
        let operation =
            service.and_then(|service| service.definition.operation(&request.operation));
        let (operation, agreement) = operation.zip(request.agreement)?;
        let window_ms = self.adapter.home().config().window_ms;
        let keys = self.adapter.subject_keys();
        let keys = keys.accepted(&agreement, now_ms, window_ms)?;
        let start = match self.backend.form(request.service.as_str()) {
            Form::Whole => Start::Payload,
            Form::Rows => Start::Parameters,
        };
        Some((&operation.subjects, start, keys))
    }

    /// The header names exactly the persons whom the payload names.
    pub(super) fn persons(
        &self,
        registry: &Registry,
        request: &RequestHeader,
        payload: &[u8],
        now_ms: u64,
    ) -> Result<(), Code> {
        match self.naming(registry, request, now_ms) {
            Some((fields, start, keys)) => checks::subjects(request, fields, payload, start, &keys),
            None => Ok(()),
        }
    }

    /// Where the contract describes an answer by a schema, it comes in one piece: chunks cannot be held against it.
    pub(super) fn may_come_in_chunks(&self, request: &RequestHeader) -> Result<(), Failure> {
        let registry = self.adapter.mirror().snapshot();
        let contract = self.contracts.of(&registry, request);
        let contract = contract.ok_or_else(|| {
            Failure::failed("the service was published anew while it was being asked")
        })?;
        match contract.describes_answer(&request.operation) {
            true => Err(Failure::failed(
                "the contract has a schema for this answer, and chunks cannot be judged by it",
            )),
            false => Ok(()),
        }
    }

    /// The answer is what the contract says, and no more of it leaves than was asked for.
    pub(super) fn kept_to(&self, request: &RequestHeader, reply: Reply) -> Result<Reply, Failure> {
        let registry = self.adapter.mirror().snapshot();
        let contract = self.contracts.of(&registry, request);
        let contract = contract.ok_or_else(|| {
            Failure::failed("the service was published anew while it was being asked")
        })?;
        let form = self.backend.form(request.service.as_str());
        contract.answer(&request.operation, &request.fields, reply, form)
    }
}

/// Only fields that were asked for leave this house; anything else is the backend's fault.
pub(super) fn allowed(request: &RequestHeader, mut reply: Reply) -> Result<Reply, Failure> {
    reply.fields.sort_unstable();
    reply.fields.dedup();
    if let Some(field) = reply
        .fields
        .iter()
        .find(|field| !request.fields.contains(field))
    {
        return Err(Failure::failed(format!("field {field} was not asked for")));
    }
    let visible = |c: u8| c.is_ascii_graphic() || c == b' ';
    let typed = !reply.content_type.is_empty()
        && reply.content_type.len() <= CONTENT_TYPE_BYTES_MAX
        && reply.content_type.bytes().all(visible);
    if !typed {
        return Err(Failure::failed("the content type is not a media type"));
    }
    if reply.payload.len() > PAYLOAD_BYTES_MAX || reply.fields.len() > FIELDS_MAX {
        return Err(Failure::failed(format!(
            "the payload has {} bytes; the limit is {PAYLOAD_BYTES_MAX}",
            reply.payload.len()
        )));
    }
    Ok(reply)
}
