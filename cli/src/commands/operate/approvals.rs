//! `mohawel approval` and `mohawel policy`: second seals, and which acts need them.

use proto::act::{BorderDeed, OperatorDeed, TwoOperators};
use proto::registry::{Registry, WaitingFor};
use serde_json::json;

use super::{act, answer, find, open, registry_of, settled, tell};
use crate::args::{Approvals, Policy};
use crate::commands::registry;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

/// Runs one of the approval commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(approvals: Approvals, output: Output) -> Result<(), Failure> {
    match approvals {
        Approvals::List(source) => list(&*registry::read(&source).await?, output),
        Approvals::Approve { id, acting } => {
            let registry = registry_of(&acting).await?;
            let id = find(
                &id,
                registry.waiting().map(|(id, _)| id),
                "mohawel approval list",
            )?;
            let done = answer(&open(&acting)?, id, false, "").await?;
            let done = settled(&acting, done).await?;
            tell(
                &done,
                "Approved; it counts now",
                "اعتُمد، وهو سارٍ الآن",
                output,
            )
        }
        Approvals::Reject { id, reason, acting } => {
            let registry = registry_of(&acting).await?;
            let id = find(
                &id,
                registry.waiting().map(|(id, _)| id),
                "mohawel approval list",
            )?;
            let done = answer(&open(&acting)?, id, true, &reason).await?;
            let done = settled(&acting, done).await?;
            tell(&done, "Turned down", "رُفض", output)
        }
    }
}

/// Runs one of the policy commands.
///
/// # Errors
/// What the command cannot do.
pub async fn policy(policy: Policy, output: Output) -> Result<(), Failure> {
    match policy {
        Policy::Show(source) => show(&*registry::read(&source).await?, output),
        Policy::Set {
            mut two_operators,
            acting,
        } => {
            two_operators.sort();
            two_operators.dedup();
            let registry = registry_of(&acting).await?;
            let deed = OperatorDeed::SetPolicy(TwoOperators(two_operators));
            let done = act(&open(&acting)?, deed, &registry).await?;
            let done = settled(&acting, done).await?;
            tell(&done, "The policy is set", "ضُبطت السياسة", output)
        }
    }
}

fn what(waiting: &WaitingFor) -> &'static str {
    match waiting {
        WaitingFor::Act(act) => act.deed.name(),
        WaitingFor::Invitation(_) => "invitation",
        WaitingFor::Border(act) => act.deed.name(),
    }
}

fn list(registry: &Registry, output: Output) -> Result<(), Failure> {
    let mut waiting: Vec<_> = registry.waiting().collect();
    waiting.sort_by_key(|(_, record)| record.index);
    let value: Vec<_> = waiting
        .iter()
        .map(|(id, record)| {
            json!({
                "act": id.to_string(),
                "what": what(&record.what),
                "detail": detail(registry, &record.what),
                "operator": record.operator.to_string(),
                "recorded_at": time_of_ms(record.recorded_at_ms),
                "index": record.index,
            })
        })
        .collect();
    output.show(&value, || {
        output.table(
            [
                output.say("act", "الإجراء"),
                output.say("what", "النوع"),
                output.say("detail", "التفاصيل"),
                output.say("by", "من"),
                output.say("since", "منذ"),
            ],
            waiting.iter().map(|(id, record)| {
                [
                    id.short(),
                    what(&record.what).to_owned(),
                    detail(registry, &record.what),
                    record.operator.to_string(),
                    time_of_ms(record.recorded_at_ms),
                ]
            }),
        );
    })
}

/// What a second person must know before putting a seal.
fn detail(registry: &Registry, waiting: &WaitingFor) -> String {
    match waiting {
        WaitingFor::Invitation(token) => registry
            .invitation(token)
            .map_or_else(String::new, |record| record.invitation.agency.to_string()),
        WaitingFor::Border(act) => match &act.deed {
            BorderDeed::Admit(admission) => {
                format!("{} {}", admission.instance, admission.legal_basis)
            }
            BorderDeed::Withdraw {
                instance, reason, ..
            } => format!("{instance} {reason}"),
            BorderDeed::Open(_) | BorderDeed::Close { .. } => String::new(),
        },
        WaitingFor::Act(act) => match &act.deed {
            OperatorDeed::RejectApplication {
                application,
                reason,
            } => format!("{} {reason}", application.short()),
            OperatorDeed::SuspendAgency {
                agency,
                lifted,
                reason,
            } => format!("{agency} {} {reason}", if *lifted { "-" } else { "+" }),
            OperatorDeed::EndSystem { system, reason } => format!("{system} {reason}"),
            OperatorDeed::EndCertificate { sha256, reason } => {
                format!("{} {reason}", sha256.short())
            }
            OperatorDeed::ReplaceAuthority { agency, key, .. } => {
                format!("{agency} {}", crate::commands::agency::fingerprint::of(key))
            }
            OperatorDeed::SetPurpose(purpose) => purpose.code.to_string(),
            OperatorDeed::SetRole {
                role, name, ended, ..
            } => format!("{} {role} {name}", if *ended { "-" } else { "+" }),
            OperatorDeed::SetQuota { agency, daily } => format!("{agency} {daily}"),
            OperatorDeed::SetPolicy(policy) => names(policy),
        },
    }
}

fn names(policy: &TwoOperators) -> String {
    let names: Vec<_> = policy.0.iter().map(ToString::to_string).collect();
    names.join(" ")
}

/// Every act with whether it needs two seals. Those at the border follow the policy, which cannot name them.
fn seals_needed(policy: &TwoOperators) -> impl Iterator<Item = (&'static str, bool)> {
    let named = TwoOperators::NAMES.map(|name| (name, policy.covers(name)));
    let border = BorderDeed::OF_OPERATORS.map(|name| (name, BorderDeed::needs_two(name, policy)));
    named.into_iter().chain(border)
}

fn show(registry: &Registry, output: Output) -> Result<(), Failure> {
    let policy = registry.policy();
    let value = json!({
        "two_operators": policy.0.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "acts": TwoOperators::NAMES,
    });
    output.show(&value, || {
        output.table(
            [
                output.say("act", "الإجراء"),
                output.say("seals needed", "عدد الأختام"),
            ],
            seals_needed(policy).map(|(name, two)| {
                let seals = if two { "2" } else { "1" };
                [name.to_owned(), seals.to_owned()]
            }),
        );
    })
}
