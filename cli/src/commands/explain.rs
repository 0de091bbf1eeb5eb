//! `mohawel explain` and `mohawel who-can`: the deciding function asked in advance, and its answers told.

use audit::clock::Clock;
use proto::authorise::{Choice, Explanation, Permission, Question, Reader, explain, who_can};
use proto::registry::Registry;
use serde_json::{Value, json};

use super::registry;
use crate::args::{Explain, WhoCan};
use crate::failure::{Exit, Failure};
use crate::output::{Output, ms_of_time, time_of_ms};

/// Explains one question. Ends with 3 when the request would be refused, as a call would.
///
/// # Errors
/// What the command cannot do; a refused failure for a request that would be refused.
pub async fn run(args: Explain, output: Output) -> Result<(), Failure> {
    let at_ms = at(args.at.as_deref())?;
    let registry = registry::read(&args.source).await?;
    let mut fields = args.fields;
    fields.sort();
    fields.dedup();
    let question = Question {
        consumer: args.consumer,
        service: args.service,
        operation: args.operation,
        purpose: args.purpose,
        fields,
    };
    let explanation = explain(&registry, &question, at_ms);
    let value = explanation_json(&registry, &explanation, at_ms);
    output.show(&value, || print(&question, &explanation, output))?;
    match explanation.code() {
        None => Ok(()),
        Some(code) => Err(Failure {
            exit: Exit::Refused,
            what: [
                format!("{code}: the request would be refused"),
                format!("{code}: سيُرفض الطلب"),
            ],
            next: [String::new(), String::new()],
        }),
    }
}

fn at(text: Option<&str>) -> Result<u64, Failure> {
    text.map_or_else(|| Ok(Clock::System.now_ms()), ms_of_time)
}

fn explanation_json(registry: &Registry, explanation: &Explanation, at_ms: u64) -> Value {
    let (agreement, delegation, grant, clause) = match &explanation.choice {
        Choice::Permits {
            agreement,
            delegation,
            permission,
        } => (Some(agreement), &delegation[..], permission.grant, None),
        Choice::Closest {
            agreement,
            delegation,
            denial,
        } => (
            Some(agreement),
            &delegation[..],
            denial.grant,
            Some(denial.clause.to_string()),
        ),
        Choice::Nothing(denial) => (None, &[][..], denial.grant, Some(denial.clause.to_string())),
    };
    let changes: Vec<Value> = explanation
        .changes
        .iter()
        .map(|change| {
            json!({
                "change": change.name(),
                "en": change.sentence(proto::refusal::Language::English),
                "ar": change.sentence(proto::refusal::Language::Arabic),
            })
        })
        .collect();
    json!({
        "allowed": explanation.is_allowed(),
        "code": explanation.code().map(|code| code.name()),
        "clause": clause,
        "agreement": agreement.map(ToString::to_string),
        "grant": grant,
        "delegation": delegation.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "changes": changes,
        "at": time_of_ms(at_ms),
        "registry_size": registry.size(),
    })
}

/// What a break-glass grant wants beside.
fn glass(permission: &Permission, output: Output) {
    if permission.wants_review {
        output.line(output.say(
            "Break-glass: the request names who asks (--actor) and the case (--case), and the agency that is asked reviews it within seven days.",
            "كسر الزجاج: يذكر الطلب الشخص (‎--actor‎) والحالة (‎--case‎)، وتراجعه الجهة المسؤولة خلال سبعة أيام.",
        ));
    }
}

fn print(question: &Question, explanation: &Explanation, output: Output) {
    output.line(format!(
        "{} → {} {} ({})",
        question.consumer, question.service, question.operation, question.purpose
    ));
    if explanation.is_allowed() {
        output.line(output.say("Allowed.", "مسموح."));
    }
    match &explanation.choice {
        Choice::Permits {
            agreement,
            delegation,
            permission,
        } => {
            output.line(format!(
                "{} {}, {} {}",
                output.say("Permitted by the agreement", "تسمح به الاتفاقية"),
                agreement.short(),
                output.say("grant", "الإذن"),
                permission.grant
            ));
            for link in delegation {
                output.line(format!(
                    "{} {}",
                    output.say("handed on by", "مفوَّض بالتفويض"),
                    link.short()
                ));
            }
            glass(permission, output);
            if permission.daily_quota > 0 {
                output.line(format!(
                    "{}: {}",
                    output.say("requests a day under it", "طلبات اليوم بموجبها"),
                    permission.daily_quota
                ));
            }
        }
        Choice::Closest {
            agreement, denial, ..
        } => output.line(format!(
            "{} {}; {}: {}",
            output.say("The closest agreement is", "أقرب اتفاقية هي"),
            agreement.short(),
            output.say("the clause that decides", "البند الحاسم"),
            denial.clause
        )),
        Choice::Nothing(denial) => output.line(format!(
            "{}; {}: {}",
            output.say(
                "No agreement lies between the two agencies",
                "لا اتفاقية بين الجهتين"
            ),
            output.say("the clause that decides", "البند الحاسم"),
            denial.clause
        )),
    }
    let Some(code) = explanation.code() else {
        return;
    };
    output.line(format!("{code}: {}", code.sentence(output.language)));
    if explanation.changes.is_empty() {
        output.line(code.remedy(output.language));
        return;
    }
    output.line(output.say("What would change it:", "ما الذي يغيّر ذلك:"));
    for change in &explanation.changes {
        output.line(format!("  • {}", change.sentence(output.language)));
    }
}

/// Lists every system that may read a field.
///
/// # Errors
/// What the command cannot do; a usage failure for a service or field that is not published.
pub async fn readers(args: WhoCan, output: Output) -> Result<(), Failure> {
    let at_ms = at(args.at.as_deref())?;
    let registry = registry::read(&args.source).await?;
    let service = registry.service(&args.service).ok_or_else(|| {
        Failure::usage(format!(
            "{} is not published; `mohawel service list` shows all services",
            args.service
        ))
    })?;
    let offers = |field: &proto::id::Part| {
        let mut operations = service.definition.operations.iter();
        operations.any(|operation| operation.fields.contains(field))
    };
    if !offers(&args.field) {
        return Err(Failure::usage(format!(
            "no operation of {} returns the field '{}'",
            args.service, args.field
        )));
    }
    let readers = who_can(&registry, &args.service, &args.field, at_ms);
    let value: Vec<Value> = readers.iter().map(reader_json).collect();
    output.show(&value, || {
        output.table(
            [
                output.say("system", "النظام"),
                output.say("operation", "العملية"),
                output.say("purpose", "الغرض"),
                output.say("agreement", "الاتفاقية"),
                output.say("grant", "الإذن"),
                output.say("handed on by", "بتفويض"),
            ],
            readers.iter().map(|reader| {
                let chain: Vec<_> = reader.delegation.iter().map(proto::Digest::short).collect();
                [
                    reader.system.to_string(),
                    reader.operation.to_string(),
                    reader.purpose.to_string(),
                    reader.agreement.short(),
                    reader.grant.to_string(),
                    chain.join(" "),
                ]
            }),
        );
    })
}

fn reader_json(reader: &Reader) -> Value {
    json!({
        "system": reader.system.to_string(),
        "operation": reader.operation.to_string(),
        "purpose": reader.purpose.to_string(),
        "agreement": reader.agreement.to_string(),
        "grant": reader.grant,
        "delegation": reader.delegation.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
