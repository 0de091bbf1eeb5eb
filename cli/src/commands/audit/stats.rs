//! `mohawel audit stats`: figures by one dimension, as a table with bars, or as days with their hours.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use audit::find::{Row, printable};
use audit::stats::{Counting, Dimension, Quantiles, Stats, Tally, Times};
use proto::header::Outcome;
use serde_json::{Map, Value, json};

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

fn tally_json(tally: &Tally, with: Value) -> Value {
    let ended: Map<String, Value> = Outcome::ALL
        .into_iter()
        .map(|outcome| (outcome.name().to_owned(), tally.ended_as(outcome).into()))
        .collect();
    let times = |times: &Times| {
        times.quantiles().map(|found| {
            json!({
                "count": found.count, "p50_us": found.p50_us, "p95_us": found.p95_us,
                "p99_us": found.p99_us, "max_us": found.max_us,
            })
        })
    };
    let mut value = json!({
        "requests": tally.requests,
        "refused": tally.refused,
        "refused_share": tally.refused_share(),
        "ended": ended,
        "late": tally.late,
        "disputes": tally.disputes,
        "bytes_asked": tally.bytes_asked,
        "bytes_answered": tally.bytes_answered,
        "decide": times(&tally.decide),
        "provider": times(&tally.provider),
    });
    if let (Some(value), Value::Object(with)) = (value.as_object_mut(), with) {
        value.extend(with);
    }
    value
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
            not_answered(tally).to_string(),
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
    if stats.unnamed.asked() > 0 || not_answered(&stats.unnamed) > 0 {
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
        not_answered(total),
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

fn not_answered(tally: &Tally) -> u64 {
    let ended: u64 = tally.ended.iter().sum();
    ended - tally.ended_as(Outcome::Answered)
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
        .map(|Quantiles { p50_us, p99_us, .. }| format!("{} / {}", ms(p50_us), ms(p99_us)))
        .unwrap_or_default()
}

fn ms(time_us: u64) -> String {
    match time_us {
        0..10_000 => format!("{:.2} ms", time_us as f64 / 1_000.0),
        10_000..10_000_000 => format!("{} ms", time_us / 1_000),
        _ => format!("{} s", time_us / 1_000_000),
    }
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1_024 {
        return format!("{count} B");
    }
    let power = (count.ilog2() / 10).min(UNITS.len() as u32);
    let scaled = count as f64 / 1_024_f64.powi(power as i32);
    let unit = UNITS.get(power as usize - 1).copied().unwrap_or("PiB");
    format!("{scaled:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_right() {
        let shown = [0, 1_023, 1_024, 1_536, 5 << 30, u64::MAX].map(bytes);
        assert_eq!(
            shown,
            [
                "0 B",
                "1023 B",
                "1.0 KiB",
                "1.5 KiB",
                "5.0 GiB",
                "16384.0 PiB"
            ]
        );
        let shown = [150, 9_999, 10_000, 59_999, 61_000_000].map(ms);
        assert_eq!(shown, ["0.15 ms", "10.00 ms", "10 ms", "59 ms", "61 s"]);
    }
}
