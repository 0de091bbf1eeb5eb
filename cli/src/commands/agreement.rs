//! `mohawel agreement`: propose, accept, revoke, list, show. Only agencies' authority keys make any of it count.

use adapters::adapter::Adapter;
use audit::receipt::Receipt;
use bytes::Bytes;
use proto::act::{AgreementAct, AgreementContent, Grant, Step};
use proto::commitment::Salt;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::limits::label;
use proto::registry::{Agreement as Record, AgreementState, Registry};
use serde_json::{Value, json};

use super::{act, registry};
use crate::args::Agreement;
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

pub mod terms;

use terms::Terms;

/// Digits of an agreement's id that must be given at least.
const PREFIX_MIN: usize = 6;

/// Runs one of the agreement commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(agreement: Agreement, output: Output) -> Result<(), Failure> {
    match agreement {
        Agreement::Propose { file, home } => {
            let terms = Terms::load(&file)?;
            let adapter = act::connect(&home).await?;
            for [english, arabic] in terms.unknown(&adapter.mirror().snapshot()) {
                output.note(output.say(&english, &arabic));
            }
            let done = propose(&adapter, &terms).await?;
            print_done(&done, &adapter.mirror().snapshot(), output)
        }
        Agreement::Accept { id, home } => {
            let adapter = act::connect(&home).await?;
            let id = find(&adapter.mirror().snapshot(), &id)?.id;
            let done = accept(&adapter, &id).await?;
            print_done(&done, &adapter.mirror().snapshot(), output)
        }
        Agreement::Revoke { id, home } => {
            let adapter = act::connect(&home).await?;
            let id = find(&adapter.mirror().snapshot(), &id)?.id;
            let done = revoke(&adapter, &id).await?;
            print_done(&done, &adapter.mirror().snapshot(), output)
        }
        Agreement::List(source) => list(&*registry::read(&source).await?, output),
        Agreement::Show { id, source } => {
            let registry = registry::read(&source).await?;
            let record = find(&registry, &id)?;
            output.show(&agreement_json(record), || print(record, output))
        }
    }
}

/// An act on an agreement that stands in the log.
#[derive(Clone, Debug)]
pub struct Done {
    /// What was done.
    pub step: Step,
    /// To which agreement.
    pub id: Digest,
    /// The proof, verified.
    pub receipt: Receipt,
}

/// Proposes an agreement of these terms in the name of the adapter's agency.
///
/// # Errors
/// As [`act::submit`].
pub async fn propose(adapter: &Adapter, terms: &Terms) -> Result<Done, Failure> {
    let now_ms = adapter.clock().now_ms();
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&Salt::random().map_err(Failure::unavailable)?.0[..16]);
    let (not_before_ms, not_after_ms) = terms.validity.at(now_ms);
    let content = AgreementContent {
        nonce,
        origin: adapter.home().log_key().origin().to_owned(),
        consumer: terms.consumer.clone(),
        provider: terms.provider.clone(),
        grants: terms.grants.clone(),
        not_before_ms,
        not_after_ms,
        supersedes: None,
    };
    let (id, content) = (content.id(), content.encode());
    submit(adapter, Step::Propose, id, None, content).await
}

/// Accepts another agency's proposal.
///
/// # Errors
/// As [`act::submit`]; a usage failure for an id that the registry does not know.
pub async fn accept(adapter: &Adapter, id: &Digest) -> Result<Done, Failure> {
    let previous = known(&adapter.mirror().snapshot(), id)?.last_act();
    submit(adapter, Step::Accept, *id, Some(previous), Bytes::new()).await
}

/// Ends an agreement for good.
///
/// # Errors
/// As [`accept`].
pub async fn revoke(adapter: &Adapter, id: &Digest) -> Result<Done, Failure> {
    let previous = known(&adapter.mirror().snapshot(), id)?.last_act();
    submit(adapter, Step::Revoke, *id, Some(previous), Bytes::new()).await
}

async fn submit(
    adapter: &Adapter,
    step: Step,
    id: Digest,
    previous: Option<Digest>,
    content: Bytes,
) -> Result<Done, Failure> {
    let act = AgreementAct {
        step,
        agreement: id,
        previous,
        agency: adapter.home().system().agency(),
        issued_at_ms: adapter.clock().now_ms(),
        content,
    };
    let receipt = act::submit(adapter, Kind::AgreementAct, label::ACT, act.encode()).await?;
    Ok(Done { step, id, receipt })
}

/// The agreement of an id or of its first digits.
///
/// # Errors
/// A usage failure for too few digits, none that begins so, or several.
pub fn find<'a>(registry: &'a Registry, text: &str) -> Result<&'a Record, Failure> {
    let text = text.to_ascii_lowercase();
    if text.len() < PREFIX_MIN || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!(
            "'{text}' is not an agreement's id: give at least {PREFIX_MIN} of its hex digits"
        )));
    }
    let mut found = registry
        .agreements()
        .filter(|record| record.id.to_string().starts_with(&text));
    match (found.next(), found.next()) {
        (Some(record), None) => Ok(record),
        (None, _) => Err(unknown(&text)),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "several agreements begin with {text}: give more digits"
        ))),
    }
}

fn known<'a>(registry: &'a Registry, id: &Digest) -> Result<&'a Record, Failure> {
    registry
        .agreement(id)
        .ok_or_else(|| unknown(&id.to_string()))
}

fn unknown(id: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        [
            format!("no agreement begins with {id}"),
            format!("لا توجد اتفاقية تبدأ بالرقم {id}"),
        ],
        [
            "`mohawel agreement list` shows all of them.",
            "يعرضها كلها الأمر mohawel agreement list.",
        ],
    )
}

fn print_done(done: &Done, registry: &Registry, output: Output) -> Result<(), Failure> {
    let record = known(registry, &done.id)?;
    let value = json!({
        "step": done.step.name(),
        "index": done.receipt.index,
        "agreement": agreement_json(record),
    });
    output.show(&value, || {
        print(record, output);
        output.line(format!(
            "{} {}",
            output.say("Proved in the log at", "ثبت في السجل برقم"),
            done.receipt.index
        ));
        if record.state == AgreementState::Proposed && done.step == Step::Propose {
            output.line(format!(
                "{}: mohawel agreement accept {} --home HOME",
                output.say(
                    "The other agency accepts it with",
                    "تقبلها الجهة الأخرى بالأمر"
                ),
                done.id
            ));
        }
    })
}

fn list(registry: &Registry, output: Output) -> Result<(), Failure> {
    let mut records: Vec<&Record> = registry.agreements().collect();
    records.sort_by_key(|record| record.acts.first().map_or(0, |act| act.index));
    output.show(
        &records
            .iter()
            .map(|record| agreement_json(record))
            .collect::<Vec<_>>(),
        || {
            let heading = [
                output.say("agreement", "الاتفاقية"),
                output.say("consumer", "الطالب"),
                output.say("provider", "المزوّد"),
                output.say("state", "الحالة"),
                output.say("until", "حتى"),
            ];
            output.table(
                heading,
                records.iter().map(|record| {
                    let content = &record.content;
                    let until = time_of_ms(content.not_after_ms);
                    [
                        record.id.short(),
                        content.consumer.to_string(),
                        content.provider.to_string(),
                        state(record.state, output),
                        until,
                    ]
                }),
            );
        },
    )
}

/// Where an agreement stands, for people.
pub fn state(state: AgreementState, output: Output) -> String {
    let arabic = match state {
        AgreementState::Proposed => "مقترحة",
        AgreementState::Active => "سارية",
        AgreementState::Revoked => "ملغاة",
    };
    output.say(state.name(), arabic).to_owned()
}

fn print(record: &Record, output: Output) {
    let content = &record.content;
    output.line(format!(
        "{} {}",
        output.say("agreement", "اتفاقية"),
        record.id
    ));
    output.line(format!(
        "{} → {}  {}",
        content.consumer,
        content.provider,
        state(record.state, output)
    ));
    let (from, until) = (
        time_of_ms(content.not_before_ms),
        time_of_ms(content.not_after_ms),
    );
    output.line(format!(
        "{} {from} {} {until}",
        output.say("counts from", "تسري من"),
        output.say("until", "حتى")
    ));
    let heading = [
        output.say("grant", "الإذن"),
        output.say("operations", "العمليات"),
        output.say("purposes", "الأغراض"),
        output.say("fields", "الحقول"),
        output.say("quota a day", "الحصة اليومية"),
        output.say("legal basis", "السند القانوني"),
    ];
    output.table(
        heading,
        content.grants.iter().map(|grant| {
            let quota = match grant.daily_quota {
                0 => output.say("none", "بلا حد").to_owned(),
                quota => quota.to_string(),
            };
            let service = format!("{}/{}", grant.system.part(3), grant.service);
            [
                service,
                words(&grant.operations),
                words(&grant.purposes),
                words(&grant.fields),
                quota,
                grant.legal_basis.clone(),
            ]
        }),
    );
    let heading = [
        output.say("act", "الإجراء"),
        output.say("by", "من"),
        output.say("recorded", "سُجّل في"),
        output.say("entry", "القيد"),
    ];
    output.table(
        heading,
        record.acts.iter().map(|act| {
            [
                act.step.name().to_owned(),
                act.agency.to_string(),
                time_of_ms(act.recorded_at_ms),
                act.index.to_string(),
            ]
        }),
    );
}

fn words(parts: &[proto::id::Part]) -> String {
    parts
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

/// An agreement for machines.
pub fn agreement_json(record: &Record) -> Value {
    let content = &record.content;
    json!({
        "agreement": record.id.to_string(),
        "state": record.state.name(),
        "consumer": content.consumer.to_string(),
        "provider": content.provider.to_string(),
        "not_before": time_of_ms(content.not_before_ms),
        "not_after": time_of_ms(content.not_after_ms),
        "grants": content.grants.iter().map(grant_json).collect::<Vec<_>>(),
        "acts": record.acts.iter().map(|act| json!({
            "step": act.step.name(),
            "agency": act.agency.to_string(),
            "recorded_at": time_of_ms(act.recorded_at_ms),
            "index": act.index,
        })).collect::<Vec<_>>(),
    })
}

fn grant_json(grant: &Grant) -> Value {
    let texts =
        |parts: &[proto::id::Part]| parts.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "service": grant.system.service(&grant.service).to_string(),
        "operations": texts(&grant.operations),
        "purposes": texts(&grant.purposes),
        "fields": texts(&grant.fields),
        "legal_basis": grant.legal_basis,
        "daily_quota": grant.daily_quota,
        "retention_days": grant.retention_days,
    })
}
