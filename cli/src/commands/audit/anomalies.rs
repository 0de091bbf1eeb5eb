//! `mohawel audit anomalies`: what in a log is unlike the rest, each with the reason why it is there. No judgement.

use std::ops::ControlFlow;

use audit::anomaly::{Odd, Oddity, Report, Rules, Watch, Who};
use audit::find::Row;
use serde_json::{Value, json};

use super::event::subject_text;
use super::scanned::{Asked, left_to_right, scan, scanned_json, tell};
use super::wanted::filter;
use crate::args::Anomalies;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

mod why;

use why::{about, why};

/// Runs the command. That something stands out is no failure: whether it is right is for people to find out.
///
/// # Errors
/// What cannot be looked at; [`crate::failure::Exit::Untrusted`] when what was looked at is not proved.
pub(super) fn run(anomalies: &Anomalies, output: Output) -> Result<(), Failure> {
    let rules = anomalies.thresholds.rules();
    let mut watch = Watch::new(rules.clone());
    let mut on_row = |row: &Row| {
        watch.take(row);
        ControlFlow::Continue(())
    };
    let asked = Asked {
        filter: filter(&anomalies.wanted)?,
        check: anomalies.proved.check(),
        by_index: false,
    };
    let scanned = scan(&anomalies.log, asked, output, &mut on_row)?;
    let report = watch.finish();
    let rows = report.oddities.iter();
    let value = json!({
        "rows": rows.map(|oddity| oddity_json(oddity, &rules, output)).collect::<Vec<_>>(),
        "left_out": report.left_out,
        "not_watched": report.unwatched,
        "scan": scanned_json(&scanned),
    });
    output.show(&value, || print(&report, &rules, anomalies.limit, output))?;
    tell(&scanned, output)
}

fn print(report: &Report, rules: &Rules, limit: usize, output: Output) {
    let mut rest = &report.oddities[..];
    while let Some(first) = rest.first() {
        let same = |oddity: &Oddity| oddity.odd.rule() == first.odd.rule();
        let (here, after) = rest.split_at(rest.iter().take_while(|oddity| same(oddity)).count());
        output.line(format!(
            "{} ({}): {}",
            first.odd.rule(),
            here.len(),
            about(&first.odd, output)
        ));
        for oddity in here.iter().take(limit) {
            output.line(format!("  {}", why(oddity, rules, output)));
            output.line(format!(
                "    {}: {}",
                output.say("entries to look at", "قيود يُنظر فيها"),
                left_to_right(output, &indexes(oddity))
            ));
        }
        if here.len() > limit {
            output.line(format!(
                "  {} {}",
                here.len() - limit,
                output.say("more; -n shows them", "غيرها، ويعرضها ‎-n‎")
            ));
        }
        rest = after;
    }
    if report.oddities.is_empty() {
        output.line(output.say(
            "Nothing stands out under these thresholds (--help lists them).",
            "لا شيء لافت وفق هذه الحدود (يسردها ‎--help‎).",
        ));
    } else {
        output.line(output.say(
            "These are places to look at. None of them says that anybody did wrong.",
            "هذه مواضع تستحق النظر، ولا يعني أي منها أن أحدًا أخطأ.",
        ));
    }
    if report.left_out > 0 {
        output.line(format!(
            "{} {}",
            report.left_out,
            output.say(
                "more stand out and were left out: raise the thresholds",
                "غيرها لافتة ولم تُذكر: ارفع الحدود"
            )
        ));
    }
    for (rule, count) in &report.unwatched {
        output.line(format!(
            "{rule}: {count} {}",
            output.say(
                "requests could not be watched, there was too much at once: look at less with --since and --until",
                "طلبًا تعذّرت متابعتها لكثرتها في وقت واحد: انظر في أقل بـ ‎--since‎ و‎--until‎"
            )
        ));
    }
}

fn indexes(oddity: &Oddity) -> String {
    let traces = oddity.traces.indexes.iter();
    traces.map(u64::to_string).collect::<Vec<_>>().join(", ")
}

fn oddity_json(oddity: &Oddity, rules: &Rules, output: Output) -> Value {
    let who = match &oddity.who {
        Who::Agency(agency) => json!({ "agency": agency.to_string() }),
        Who::Clerk(system, actor) => {
            json!({ "system": system.to_string(), "actor": actor.to_string() })
        }
        Who::System(system) => json!({ "system": system.to_string() }),
        Who::Connection(peer) => json!({ "peer_sha256": peer.to_string() }),
    };
    let figures = match &oddity.odd {
        Odd::Volume {
            service,
            hour_ms,
            median,
            deviation,
            limit,
            hours,
        } => json!({
            "service": service, "hour": time_of_ms(*hour_ms), "median": median,
            "deviation": deviation, "limit": limit, "active_hours": hours,
        }),
        Odd::OutsideHours { total } => json!({ "total": total }),
        Odd::UnusualHour {
            hour,
            days,
            days_in_all,
        } => json!({ "hour": hour, "days": days, "days_in_all": days_in_all }),
        Odd::Repeated {
            subject,
            missed_max,
        } => json!({ "subject": subject_text(subject), "missed_max": missed_max }),
        Odd::ManySubjects => json!({}),
        Odd::Refused { asked, codes } => json!({ "asked": asked, "codes": codes }),
        Odd::RefusedThenPermitted { service, changed } => {
            json!({ "service": service, "changed": changed })
        }
        Odd::ReviewOverdue { consumer } => json!({ "consumer": consumer.to_string() }),
        Odd::Unjustified { provider } => json!({ "provider": provider.to_string() }),
    };
    json!({
        "rule": oddity.odd.rule(),
        "who": who,
        "count": oddity.count,
        "figures": figures,
        "first_at": time_of_ms(oddity.traces.first_ms),
        "last_at": time_of_ms(oddity.traces.last_ms),
        "indexes": oddity.traces.indexes,
        "why": why(oddity, rules, output),
    })
}
