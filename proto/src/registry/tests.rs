//! The fold under hostile acts: nothing stands that its agency did not seal.

mod abroad;
mod agencies;
mod agreements;
mod delegations;
mod ends;
mod joining;
mod keys;
mod log_keys;
mod people;
mod rights;
mod supersession;
mod world;

pub(crate) use world::*;

use super::*;
use crate::act::{
    AgencyDeed, AgreementContent, ConsumerScope, Delegation, Grant, GroupMember, KeyEnd,
    KeySuccession, OperationNotice, OperatorDeed, OutsideCertificate, Purpose, RowRule, Step,
};
use crate::authorise::{Clause, Denial, Permission, Question, Row, authorise, row_scope};
use crate::entry::Kind;
use crate::header::RequestHeader;
use crate::key::Signer as _;
use crate::limits::{APPLICATION_MS, APPLICATIONS_MAX, DELEGATION_MAX, REPLACEMENT_MS, label};
use crate::testing::Ed25519;

/// A request of `consumer` to [`PERSONS`].
pub(crate) fn request(
    world: &World,
    consumer: &str,
    (operation, purpose, fields): (&str, &str, &[&str]),
) -> RequestHeader {
    let question = Question {
        consumer: system(consumer),
        service: crate::id::ServiceId::parse(PERSONS).unwrap(),
        operation: part(operation),
        purpose: part(purpose),
        fields: parts(fields),
    };
    question.request(&world.registry)
}

/// Whether `consumer` may `lookup` the field `name_ar` for `takaful`.
pub(crate) fn ask(
    world: &World,
    consumer: &str,
    agreement: Digest,
    delegation: &[Digest],
    at_ms: u64,
) -> Result<Permission, Denial> {
    let named = RequestHeader {
        agreement: Some(agreement),
        delegation: delegation.to_vec(),
        ..request(world, consumer, ("lookup", "takaful", &["name_ar"]))
    };
    authorise(&world.registry, &named, at_ms)
}

/// The clause that refuses what [`ask`] asks.
pub(crate) fn clause(
    world: &World,
    consumer: &str,
    agreement: Digest,
    delegation: &[Digest],
    at_ms: u64,
) -> Clause {
    ask(world, consumer, agreement, delegation, at_ms)
        .unwrap_err()
        .clause
}
