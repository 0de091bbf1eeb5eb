//! `mohawel audit find`: the entries that match, and whether the answer is proved.

use std::ops::ControlFlow;

use audit::find::{Check, Row, printable};
use audit::replay::Event;
use proto::entry::Kind;
use serde_json::json;

use super::scanned::{Asked, scan, scanned_json, tell};
use super::wanted::filter;
use super::{event_json, event_line};
use crate::args::Find;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

/// Rows that a table can have: all of them are held until it is drawn.
const TABLE_ROWS_MAX: u64 = 1_000;

/// Runs the command.
///
/// # Errors
/// What cannot be looked at; [`crate::failure::Exit::Untrusted`] when what was shown is not proved.
pub(super) fn run(find: &Find, output: Output) -> Result<(), Failure> {
    let mut shown = 0;
    let mut table = Vec::new();
    let mut failed = None;
    let limit = match find.limit {
        Some(limit) if find.table => limit.min(TABLE_ROWS_MAX),
        Some(limit) => limit,
        None if find.table => TABLE_ROWS_MAX,
        None => u64::MAX,
    };
    let mut on_row = |row: &Row| {
        if shown < limit {
            shown += 1;
            if output.json {
                failed = output.json_line(&event_json(&row.event)).err();
            } else if find.table {
                table.push(cells(&row.event));
            } else {
                output.line(event_line(&row.event));
            }
        }
        match failed {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    };
    let check = find.proved.check();
    // A replay reads everything anyway, and then nothing needs to rest on an index.
    let by_index = !find.no_index && check != Check::Replay;
    let asked = Asked {
        filter: filter(&find.wanted)?,
        check,
        by_index,
    };
    let scanned = scan(&find.log, asked, output, &mut on_row)?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    if find.table && !output.json {
        let heading = [
            output.say("entry", "القيد"),
            output.say("time", "الوقت"),
            output.say("kind", "النوع"),
            output.say("who asks", "الطالب"),
            output.say("who is asked", "المسؤول"),
            output.say("purpose", "الغرض"),
            output.say("outcome", "النتيجة"),
        ];
        output.table(heading, table);
    }
    if scanned.matched > shown {
        output.line(format!(
            "{} {}",
            scanned.matched - shown,
            output.say("more match and are not shown", "قيود مطابقة أخرى لم تُعرض")
        ));
    }
    if output.json {
        output.json_line(&json!({ "scan": scanned_json(&scanned) }))?;
    }
    tell(&scanned, output)
}

fn cells(event: &Event) -> [String; 7] {
    let text = |part: Option<&dyn std::fmt::Display>| part.map(ToString::to_string);
    let asked = event
        .provider
        .as_ref()
        .map(|provider| format!("{provider}/{} {}", event.service, event.operation));
    let outcome = match (event.code.as_str(), event.clause.as_str()) {
        ("", "") if event.kind == Kind::EventOutcome => "taken".to_owned(),
        (code, "") => code.to_owned(),
        (code, clause) => format!("{code} [{}]", printable(clause)),
    };
    [
        event.index.to_string(),
        time_of_ms(event.recorded_at_us / 1_000),
        event.kind.name().to_owned(),
        text(event.consumer.as_ref().map(|consumer| consumer as _)).unwrap_or_default(),
        asked.unwrap_or_default(),
        event.purpose.clone(),
        outcome,
    ]
}
