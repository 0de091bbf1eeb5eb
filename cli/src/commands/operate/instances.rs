//! `mohawel instance`: other countries, admitted and withdrawn by operators.

use audit::clock::Clock;
use proto::act::{BorderAct, BorderDeed, InstanceAdmission};
use proto::entry::Kind;
use proto::limits::label;
use proto::registry::{Instance as Record, Registry};
use serde_json::{Value, json};

use super::{Done, open, registry_of, send_under, settled, tell};
use crate::args::{Acting, Instance};
use crate::commands::operator::Operator;
use crate::commands::registry;
use crate::failure::Failure;
use crate::output::Output;

/// Runs one of the instance commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(instance: Instance, output: Output) -> Result<(), Failure> {
    match instance {
        Instance::List(source) => list(&*registry::read(&source).await?, output),
        Instance::Admit {
            instance,
            name_ar,
            name_en,
            legal_basis,
            acting,
        } => {
            let operator = open(&acting)?;
            let deed = BorderDeed::Admit(InstanceAdmission {
                operator: operator.name.clone(),
                instance,
                name_ar,
                name_en,
                legal_basis,
            });
            let told = [
                "The country is admitted: its agencies can be invited",
                "قُبل البلد: يمكن دعوة جهاته",
            ];
            act(&acting, &operator, deed, told, output).await
        }
        Instance::Withdraw {
            instance,
            reason,
            acting,
        } => {
            let operator = open(&acting)?;
            let deed = BorderDeed::Withdraw {
                operator: operator.name.clone(),
                instance,
                reason,
            };
            let told = [
                "The country is withdrawn: its agencies' questions are refused from now on",
                "سُحب قبول البلد: تُرفض أسئلة جهاته من الآن",
            ];
            act(&acting, &operator, deed, told, output).await
        }
    }
}

async fn act(
    acting: &Acting,
    operator: &Operator,
    deed: BorderDeed,
    [english, arabic]: [&str; 2],
    output: Output,
) -> Result<(), Failure> {
    let registry = registry_of(acting).await?;
    let done = submit(operator, deed, &registry).await?;
    let done = settled(acting, done).await?;
    tell(&done, english, arabic, output)
}

/// Seals a deed at the border in the operator's name and has it recorded. Whose name stands in it is the caller's.
///
/// # Errors
/// As [`send_under`]; a usage failure for a deed that cannot be read back.
pub async fn submit(
    operator: &Operator,
    deed: BorderDeed,
    policy: &Registry,
) -> Result<Done, Failure> {
    let waits = BorderDeed::needs_two(deed.name(), policy.policy());
    let header = BorderAct {
        issued_at_ms: Clock::System.now_ms(),
        deed,
    }
    .encode();
    // What cannot be read back is told here, in full: the switch would only say that it is malformed.
    BorderAct::open(&header).map_err(Failure::usage)?;
    let under = (Kind::BorderAct, label::BORDER);
    send_under(operator, under, header, waits).await
}

fn members(registry: &Registry, instance: &Record) -> usize {
    let of = |agency: &&proto::registry::Agency| agency.id.instance() == instance.id.as_str();
    registry.agencies().filter(of).count()
}

fn instance_json(registry: &Registry, instance: &Record) -> Value {
    let withdrawn = instance.withdrawn.as_ref();
    json!({
        "instance": instance.id.to_string(),
        "name_ar": instance.name_ar,
        "name_en": instance.name_en,
        "legal_basis": instance.legal_basis,
        "members": members(registry, instance),
        "index": instance.index,
        "withdrawn": withdrawn.map(|(index, reason)| json!({ "index": index, "reason": reason })),
    })
}

fn list(registry: &Registry, output: Output) -> Result<(), Failure> {
    let value: Vec<Value> = registry
        .instances()
        .map(|instance| instance_json(registry, instance))
        .collect();
    output.show(&value, || {
        output.table(
            [
                output.say("country", "البلد"),
                output.say("name", "الاسم"),
                output.say("legal basis", "السند القانوني"),
                output.say("members", "الأعضاء"),
                output.say("state", "الحالة"),
            ],
            registry.instances().map(|instance| {
                let state = match &instance.withdrawn {
                    None => output.say("admitted", "مقبول").to_owned(),
                    Some((index, reason)) => format!(
                        "{} {index}: {reason}",
                        output.say("withdrawn at", "سُحب عند القيد")
                    ),
                };
                [
                    instance.id.to_string(),
                    output.say(&instance.name_en, &instance.name_ar).to_owned(),
                    instance.legal_basis.clone(),
                    members(registry, instance).to_string(),
                    state,
                ]
            }),
        );
    })
}
