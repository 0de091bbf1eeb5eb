//! Grants opened to agencies of another country: made, listed, ended. Only the agency that answers can.

use adapters::adapter::Adapter;
use proto::act::{BorderAct, BorderDeed, OpeningAbroad};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::key::Signer;
use proto::limits::label;
use proto::registry::{Agreement as Record, Opening, Registry};
use serde_json::{Value, json};

use super::find;
use crate::args::{CloseAbroad, OpenAbroad};
use crate::commands::{act, operate};
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

const DAY_MS: u64 = 86_400_000;

/// Opens operations of a grant to another country.
///
/// # Errors
/// As [`act::submit`]; a usage failure for an agreement or grant that there is not.
pub(super) async fn open(args: OpenAbroad, output: Output) -> Result<(), Failure> {
    let authority = act::authority(&args.home, &args.authority, output)?;
    let adapter = act::connect(&args.home).await?;
    let opening = {
        let registry = adapter.mirror().snapshot();
        let agency = adapter.home().system().agency();
        let record = find(&registry, &args.id)?;
        planned(record, &args, agency, adapter.clock().now_ms())?
    };
    let (instance, operations) = (opening.instance.clone(), super::words(&opening.operations));
    let until = time_of_ms(opening.not_after_ms);
    let value = json!({
        "agreement": opening.agreement.to_string(),
        "grant": opening.grant,
        "instance": instance.to_string(),
        "operations": operations.split(' ').collect::<Vec<_>>(),
        "not_after": until,
    });
    let (id, index) = submit(&adapter, &authority, BorderDeed::Open(opening)).await?;
    let value = with(value, id, index);
    output.show(&value, || {
        output.line(format!(
            "{} {instance}: {operations}, {} {until} ({} {index})",
            output.say("Open to", "فُتح للبلد"),
            output.say("until", "حتى"),
            output.say("entry", "القيد"),
        ));
        output.line(format!(
            "{}: mohawel agreement close-abroad {}",
            output.say("It is ended with", "يُنهى بالأمر"),
            id.short()
        ));
    })
}

/// Ends what was opened.
///
/// # Errors
/// As [`open`].
pub(super) async fn close(args: CloseAbroad, output: Output) -> Result<(), Failure> {
    let authority = act::authority(&args.home, &args.authority, output)?;
    let adapter = act::connect(&args.home).await?;
    let opening = {
        let registry = adapter.mirror().snapshot();
        let open = registry.openings().filter(|record| record.ended.is_none());
        operate::find(
            &args.id,
            open.map(|record| &record.id),
            "mohawel agreement show",
        )?
    };
    let deed = BorderDeed::Close {
        agency: adapter.home().system().agency(),
        opening,
        reason: args.reason,
    };
    let (_, index) = submit(&adapter, &authority, deed).await?;
    let value = json!({ "opening": opening.to_string(), "index": index });
    output.show(&value, || {
        output.line(format!(
            "{} ({} {index})",
            output.say("Closed abroad again", "أُغلق من جديد أمام الخارج"),
            output.say("entry", "القيد"),
        ));
    })
}

/// What is asked for; what was left out is taken from the grant.
fn planned(
    record: &Record,
    args: &OpenAbroad,
    agency: proto::id::AgencyId,
    now_ms: u64,
) -> Result<OpeningAbroad, Failure> {
    let grants = &record.content.grants;
    let grant = usize::try_from(args.grant)
        .ok()
        .and_then(|number| grants.get(number.checked_sub(1)?))
        .ok_or_else(|| {
            Failure::usage(format!(
                "the agreement has {} grants, and none with number {}",
                grants.len(),
                args.grant
            ))
        })?;
    let mut operations = match args.operations.as_slice() {
        [] => grant.operations.clone(),
        chosen => chosen.to_vec(),
    };
    operations.sort();
    operations.dedup();
    let until_ms = record.content.not_after_ms;
    Ok(OpeningAbroad {
        agency,
        agreement: record.id,
        grant: args.grant,
        operations,
        instance: args.to.clone(),
        legal_basis: args.legal_basis.clone(),
        not_after_ms: match args.days {
            Some(days) => now_ms
                .saturating_add(u64::from(days) * DAY_MS)
                .min(until_ms),
            None => until_ms,
        },
    })
}

/// Seals the deed, has it recorded and proves it: the act's digest, and the entry's index.
///
/// # Errors
/// As [`act::submit`]; a usage failure for a deed that cannot be read back.
pub async fn submit(
    adapter: &Adapter,
    authority: &dyn Signer,
    deed: BorderDeed,
) -> Result<(Digest, u64), Failure> {
    let header = BorderAct {
        issued_at_ms: adapter.clock().now_ms(),
        deed,
    }
    .encode();
    BorderAct::open(&header).map_err(Failure::usage)?;
    let id = Digest::of(&header);
    let receipt = act::submit(adapter, authority, Kind::BorderAct, label::BORDER, header).await?;
    Ok((id, receipt.index))
}

fn with(mut value: Value, id: Digest, index: u64) -> Value {
    value["opening"] = json!(id.to_string());
    value["index"] = json!(index);
    value
}

/// All that is or was open abroad of an agreement, for machines.
pub(super) fn of_agreement_json(registry: &Registry, id: &Digest) -> Value {
    registry
        .openings_of(id)
        .map(|record| {
            let opening = &record.opening;
            let ended = record.ended.as_ref();
            json!({
                "opening": record.id.to_string(),
                "grant": opening.grant,
                "instance": opening.instance.to_string(),
                "operations": opening.operations.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "legal_basis": opening.legal_basis,
                "not_after": time_of_ms(opening.not_after_ms),
                "index": record.index,
                "ended": ended.map(|(index, reason)| json!({ "index": index, "reason": reason })),
            })
        })
        .collect()
}

/// The same as a table; nothing when nothing ever was.
pub(super) fn print_all(registry: &Registry, id: &Digest, output: Output) {
    let records: Vec<&Opening> = registry.openings_of(id).collect();
    if records.is_empty() {
        return;
    }
    output.table(
        [
            output.say("opening", "الفتح"),
            output.say("to", "إلى"),
            output.say("grant", "الإذن"),
            output.say("operations", "العمليات"),
            output.say("legal basis", "السند القانوني"),
            output.say("until", "حتى"),
            output.say("state", "الحالة"),
        ],
        records.into_iter().map(|record| {
            let opening = &record.opening;
            let state = match &record.ended {
                None => output.say("open", "مفتوح").to_owned(),
                Some((index, reason)) => format!(
                    "{} {index}: {reason}",
                    output.say("ended at", "انتهى عند القيد")
                ),
            };
            [
                record.id.short(),
                opening.instance.to_string(),
                opening.grant.to_string(),
                super::words(&opening.operations),
                opening.legal_basis.clone(),
                time_of_ms(opening.not_after_ms),
                state,
            ]
        }),
    );
}
