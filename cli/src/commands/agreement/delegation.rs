//! Grants handed on: made, listed, ended. A delegation can only narrow, and ends with whatever stands above it.

use std::path::Path;

use bytes::Bytes;
use proto::act::{AgreementAct, Delegation, Step};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::Part;
use proto::limits::label;
use proto::registry::{Agreement as Record, DelegationRecord, Registry};
use serde_json::{Value, json};

use super::find;
use crate::args::{AuthorityKey, HandOn};
use crate::commands::{act, operate};
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

const DAY_MS: u64 = 86_400_000;

/// Hands a grant on.
///
/// # Errors
/// As [`act::submit`]; a usage failure for an agreement, grant or delegation that there is not.
pub(super) async fn delegate(hand_on: HandOn, output: Output) -> Result<(), Failure> {
    let authority = act::authority(&hand_on.home, &hand_on.authority, output)?;
    let adapter = act::connect(&hand_on.home).await?;
    let registry = adapter.mirror().snapshot();
    let record = find(&registry, &hand_on.id)?;
    let now_ms = adapter.clock().now_ms();
    let delegation = planned(&registry, record, &hand_on, now_ms)?;
    let header = AgreementAct {
        step: Step::Delegate,
        agreement: record.id,
        previous: record.acts.first().map(|act| act.id),
        agency: adapter.home().system().agency(),
        issued_at_ms: now_ms,
        content: delegation.encode(),
    }
    .encode();
    let id = Digest::of(&header);
    let receipt = act::submit(&adapter, &authority, Kind::AgreementAct, label::ACT, header).await?;
    let value = json!({
        "delegation": id.to_string(),
        "agreement": record.id.to_string(),
        "to": delegation.consumer.to_string(),
        "index": receipt.index,
    });
    output.show(&value, || {
        output.line(format!(
            "{} {} → {} ({} {})",
            output.say("Handed on", "فُوّض"),
            id.short(),
            delegation.consumer,
            output.say("entry", "القيد"),
            receipt.index
        ));
    })
}

/// What is asked for; what was left out is taken from what is held.
fn planned(
    registry: &Registry,
    record: &Record,
    hand_on: &HandOn,
    now_ms: u64,
) -> Result<Delegation, Failure> {
    let parent = match &hand_on.parent {
        Some(text) => Some(of_text(registry, text)?),
        None => None,
    };
    let grant = usize::try_from(hand_on.grant)
        .ok()
        .and_then(|number| record.content.grants.get(number.checked_sub(1)?))
        .ok_or_else(|| {
            Failure::usage(format!(
                "the agreement has {} grants, and none with number {}",
                record.content.grants.len(),
                hand_on.grant
            ))
        })?;
    let (operations, purposes, fields, until) = match parent {
        Some(above) => (
            &above.delegation.operations,
            &above.delegation.purposes,
            &above.delegation.fields,
            above.delegation.not_after_ms,
        ),
        None => (
            &grant.operations,
            &grant.purposes,
            &grant.fields,
            record.content.not_after_ms,
        ),
    };
    let chosen = |asked: &[Part], held: &[Part]| {
        let mut parts = if asked.is_empty() { held } else { asked }.to_vec();
        parts.sort();
        parts.dedup();
        parts
    };
    let from = match parent {
        Some(above) => above.delegation.not_before_ms.max(now_ms),
        None => record.content.not_before_ms.max(now_ms),
    };
    Ok(Delegation {
        grant: hand_on.grant,
        parent: parent.map(|above| above.id),
        consumer: hand_on.to.clone(),
        operations: chosen(&hand_on.operations, operations),
        purposes: chosen(&hand_on.purposes, purposes),
        fields: chosen(&hand_on.fields, fields),
        not_before_ms: from,
        not_after_ms: match hand_on.days {
            Some(days) => from.saturating_add(u64::from(days) * DAY_MS).min(until),
            None => until,
        },
        depth: hand_on.depth,
    })
}

fn of_text<'a>(registry: &'a Registry, text: &str) -> Result<&'a DelegationRecord, Failure> {
    let in_force = registry
        .delegations()
        .filter(|record| record.ended.is_none());
    let id = operate::find(
        text,
        in_force.map(|record| &record.id),
        "mohawel agreement show",
    )?;
    registry
        .delegation(&id)
        .ok_or_else(|| Failure::usage("there is no such delegation"))
}

/// Ends a delegation.
///
/// # Errors
/// As [`delegate`].
pub(super) async fn end(
    home: &Path,
    authority: &AuthorityKey,
    id: &str,
    output: Output,
) -> Result<(), Failure> {
    let authority = act::authority(home, authority, output)?;
    let adapter = act::connect(home).await?;
    let registry = adapter.mirror().snapshot();
    let record = of_text(&registry, id)?;
    let header = AgreementAct {
        step: Step::EndDelegation,
        agreement: record.agreement,
        previous: Some(record.id),
        agency: adapter.home().system().agency(),
        issued_at_ms: adapter.clock().now_ms(),
        content: Bytes::new(),
    }
    .encode();
    let receipt = act::submit(&adapter, &authority, Kind::AgreementAct, label::ACT, header).await?;
    let value = json!({ "delegation": record.id.to_string(), "index": receipt.index });
    output.show(&value, || {
        output.line(format!(
            "{} ({} {})",
            output.say(
                "Ended, with everything handed on below it",
                "أُنهي التفويض وكل ما تفرّع منه"
            ),
            output.say("entry", "القيد"),
            receipt.index
        ));
    })
}

fn of_agreement<'a>(registry: &'a Registry, id: &Digest) -> Vec<&'a DelegationRecord> {
    let mut records: Vec<_> = registry
        .delegations()
        .filter(|record| record.agreement == *id)
        .collect();
    records.sort_by_key(|record| record.index);
    records
}

/// All delegations of an agreement, for machines.
pub(super) fn of_agreement_json(registry: &Registry, id: &Digest) -> Value {
    let texts = |parts: &[Part]| parts.iter().map(ToString::to_string).collect::<Vec<_>>();
    of_agreement(registry, id)
        .into_iter()
        .map(|record| {
            let delegation = &record.delegation;
            json!({
                "delegation": record.id.to_string(),
                "from": record.from.to_string(),
                "to": delegation.consumer.to_string(),
                "parent": delegation.parent.map(|parent| parent.to_string()),
                "grant": delegation.grant,
                "operations": texts(&delegation.operations),
                "purposes": texts(&delegation.purposes),
                "fields": texts(&delegation.fields),
                "not_before": time_of_ms(delegation.not_before_ms),
                "not_after": time_of_ms(delegation.not_after_ms),
                "depth": delegation.depth,
                "index": record.index,
                "ended": record.ended,
            })
        })
        .collect()
}

/// All delegations of an agreement, as a table; nothing when there is none.
pub(super) fn print_all(registry: &Registry, id: &Digest, output: Output) {
    let records = of_agreement(registry, id);
    if records.is_empty() {
        return;
    }
    output.table(
        [
            output.say("delegation", "التفويض"),
            output.say("from", "من"),
            output.say("to", "إلى"),
            output.say("grant", "الإذن"),
            output.say("fields", "الحقول"),
            output.say("until", "حتى"),
            output.say("state", "الحالة"),
        ],
        records.into_iter().map(|record| {
            let state = match record.ended {
                None => output.say("in force", "قائم").to_owned(),
                Some(index) => format!("{} {index}", output.say("ended at", "انتهى عند")),
            };
            [
                record.id.short(),
                record.from.to_string(),
                record.delegation.consumer.to_string(),
                record.delegation.grant.to_string(),
                super::words(&record.delegation.fields),
                time_of_ms(record.delegation.not_after_ms),
                state,
            ]
        }),
    );
}
