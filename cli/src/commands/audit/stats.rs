//! `mohawel audit stats`: figures by one dimension, as a table with bars, or as days with their hours.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use audit::find::{Row, printable};
use audit::stats::{Counting, Dimension, Quantiles, Stats, Tally, Times, bytes, duration};
use proto::header::Outcome;
use serde_json::{Value, json};

use super::chart::{bar, blocks};
use super::scanned::{Asked, left_to_right, scan, scanned_json, tell};
use super::wanted::filter;
use crate::args;
use crate::failure::Failure;
use crate::output::Output;

/// Cells of the longest bar.
const BAR_CELLS: u32 = 16;

/// Rows shown when the command line does not say.
const ROWS_DEFAULT: usize = 20;

/// Runs the command.
///
/// # Errors
/// What cannot be looked at; [`crate::failure::Exit::Untrusted`] when the figures are not proved.
pub(super) fn run(stats: &args::Stats, output: Output) -> Result<(), Failure> {
    let mut counting = Counting::by(stats.by);
    let mut on_row = |row: &Row| {
        counting.take(row);
        ControlFlow::Continue(())
    };
    let asked = Asked {
        filter: filter(&stats.wanted)?,
        check: stats.proved.check(),
        by_index: false,
    };
    let scanned = scan(&stats.log, asked, output, &mut on_row)?;
    // Leaving out the quieter hours would show days that were not so.
    let all = match stats.by {
        Dimension::Hour => usize::MAX,
        _ => ROWS_DEFAULT,
    };
    let counted = counting.finish(stats.top.map_or(all, usize::from));
    let value = json!({
        "by": counted.by.name(),
        "rows": counted.rows.iter().map(|row| tally_json(&row.tally, json!({
            "key": row.key, "missed_max": row.missed_max,
        }))).collect::<Vec<_>>(),
        "others": counted.others.as_ref().map(|(keys, tally)| tally_json(tally, json!({ "keys": keys }))),
        "unnamed": tally_json(&counted.unnamed, json!({})),
        "total": tally_json(&counted.total, json!({})),
        "scan": scanned_json(&scanned),
    });
    output.show(&value, || {
        match counted.by {
            Dimension::Hour => print_days(&counted, output),
            _ => print_rows(&counted, output),
        }
        print_total(&counted, output);
    })?;
    tell(&scanned, output)
}

/// The figures, with what else is said of them.
fn tally_json(tally: &Tally, with: Value) -> Value {
    let mut figures = tally.to_json();
    if let Value::Object(with) = with {
        figures.extend(with);
    }
    Value::Object(figures)
}

fn print_rows(stats: &Stats, output: Output) {
    let heading = [
        dimension(stats.by, output),
        output.say("requests", "الطلبات"),
        output.say("refused", "المرفوضة"),
        output.say("answered", "المُجابة"),
        output.say("not answered", "دون إجابة"),
        output.say("answered bytes", "بايتات الإجابات"),
        output.say("decision p50 / p99", "القرار p50 / p99"),
        output.say("provider p50 / p99", "المزوّد p50 / p99"),
        "",
    ];
    let max = stats.rows.iter().map(|row| row.tally.asked()).max();
    let max = max.unwrap_or_default();
    let cells = |key: String, tally: &Tally, chart: String| {
        [
            key,
            tally.requests.to_string(),
            refused(tally),
            tally.ended_as(Outcome::Answered).to_string(),
            tally.not_answered().to_string(),
            bytes(tally.bytes_answered),
            times(&tally.decide),
            times(&tally.provider),
            chart,
        ]
    };
    let mut rows: Vec<_> = stats
        .rows
        .iter()
        .map(|row| {
            let mut key = left_to_right(output, &printable(&row.key));
            if row.missed_max > 0 {
                key += &format!(" (+≤{})", row.missed_max);
            }
            let chart = left_to_right(output, &bar(row.tally.asked(), max, BAR_CELLS));
            cells(key, &row.tally, chart)
        })
        .collect();
    if let Some((keys, tally)) = &stats.others {
        let key = format!("{} ({keys})", output.say("all others", "كل ما سواها"));
        rows.push(cells(key, tally, String::new()));
    }
    if stats.unnamed.asked() > 0 || stats.unnamed.not_answered() > 0 {
        let key = output.say("(names none)", "(بلا اسم)").to_owned();
        rows.push(cells(key, &stats.unnamed, String::new()));
    }
    output.table(heading, rows);
}

/// A row for each day, its hours as blocks: the same height is the same number on every day.
fn print_days(stats: &Stats, output: Output) {
    let mut days: BTreeMap<&str, [(u64, u64); 24]> = BTreeMap::new();
    for row in &stats.rows {
        let Some((day, hour)) = row.key.split_once('T') else {
            continue;
        };
        let hours = days.entry(day).or_insert([(0, 0); 24]);
        let hour = hour.parse::<usize>().unwrap_or_default();
        if let Some(found) = hours.get_mut(hour) {
            *found = (row.tally.asked(), row.tally.refused);
        }
    }
    let all = days.values().flatten().map(|(asked, _)| *asked);
    let max = all.max().unwrap_or_default();
    let heading = [
        output.say("day (UTC)", "اليوم (UTC)"),
        "0h     6h    12h   18h  ",
        output.say("asked", "المطلوب"),
        output.say("refused", "المرفوض"),
        output.say("busiest hour", "أكثر الساعات"),
    ];
    output.table(
        heading,
        days.iter().map(|(day, hours)| {
            let asked = hours.map(|(asked, _)| asked);
            let refused: u64 = hours.iter().map(|(_, refused)| refused).sum();
            let busiest = (0..24).max_by_key(|hour| (asked.get(*hour), 24 - *hour));
            let busiest = busiest.map(|hour| format!("{hour:02}h: {}", asked[hour]));
            [
                (*day).to_owned(),
                left_to_right(output, &blocks(&asked, max)),
                asked.iter().sum::<u64>().to_string(),
                refused.to_string(),
                left_to_right(output, &busiest.unwrap_or_default()),
            ]
        }),
    );
    if let Some((keys, tally)) = &stats.others {
        let others = output.say(
            "quieter hours are not in the table, with requests",
            "ساعات أقل نشاطًا ليست في الجدول، وعدد طلباتها",
        );
        output.line(format!("{keys} {others}: {}", tally.asked()));
    }
}

fn print_total(stats: &Stats, output: Output) {
    let total = &stats.total;
    output.line(format!(
        "{}: {} {} · {} {} · {} {} · {} {} · {} {}",
        output.say("in all", "المجموع"),
        total.requests,
        output.say("requests let through", "طلبًا مسموحًا"),
        refused(total),
        output.say("refused", "مرفوضًا"),
        total.ended_as(Outcome::Answered),
        output.say("answered", "مُجابًا"),
        total.not_answered(),
        output.say("not answered", "دون إجابة"),
        bytes(total.bytes_asked.saturating_add(total.bytes_answered)),
        output.say("of payload", "من المحتوى"),
    ));
    if stats.rows.iter().any(|row| row.missed_max > 0) {
        output.line(output.say(
            "There were too many keys to keep all: (+≤n) says how many of a row's entries may stand among the others.",
            "كانت المفاتيح أكثر من أن تُحفظ كلها: ‎(+≤n)‎ يبيّن كم من قيود الصف قد يكون ضمن ما سواها.",
        ));
    }
}

fn dimension(by: Dimension, output: Output) -> &'static str {
    let (english, arabic) = match by {
        Dimension::Consumer => ("agency that asks", "الجهة الطالبة"),
        Dimension::ConsumerSystem => ("system that asks", "النظام الطالب"),
        Dimension::Provider => ("agency that is asked", "الجهة المزوّدة"),
        Dimension::Service => ("service", "الخدمة"),
        Dimension::Operation => ("operation", "العملية"),
        Dimension::Purpose => ("purpose", "الغرض"),
        Dimension::Agreement => ("agreement", "الاتفاقية"),
        Dimension::Outcome => ("outcome", "النتيجة"),
        Dimension::Hour => ("hour", "الساعة"),
        Dimension::Actor => ("clerk (pseudonym)", "الموظف (اسم مستعار)"),
    };
    output.say(english, arabic)
}

/// `12 (3.4 %)`.
fn refused(tally: &Tally) -> String {
    match tally.refused_share() {
        Some(share) if tally.refused > 0 => {
            format!("{} ({:.1} %)", tally.refused, share * 100.0)
        }
        _ => tally.refused.to_string(),
    }
}

fn times(times: &Times) -> String {
    times
        .quantiles()
        .map(|Quantiles { p50_us, p99_us, .. }| {
            format!("{} / {}", duration(p50_us), duration(p99_us))
        })
        .unwrap_or_default()
}
