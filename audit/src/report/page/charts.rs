//! The drawings of the page: how much, how long, and when.

use super::tongue::{Tongue, grouped};
use crate::report::{By, Line, Section};
use crate::stats::{Tally, duration};
use crate::svg::{Share, columns, shares};

/// Lines that are drawn; all stand in the table.
const DRAWN_MAX: usize = 12;

/// How much and how long, as two figures.
pub(super) fn section(section: &Section, title: &str, tongue: Tongue) -> String {
    let drawn = || section.lines.iter().take(DRAWN_MAX);
    let volumes: Vec<Share> = drawn()
        .map(|line| volume(label(section.by, line, tongue), &line.tally))
        .collect();
    let times: Vec<Share> = drawn()
        .filter_map(|line| {
            let whole = line.tally.whole.quantiles()?;
            let (p50, p95, p99) = (whole.p50_us, whole.p95_us, whole.p99_us);
            Some(Share {
                name: label(section.by, line, tongue),
                whole: p99 as f64,
                part: p50 as f64,
                mark: Some(p95 as f64),
                figures: format!("{} / {}", duration(p50), duration(p99)),
            })
        })
        .collect();
    let more = match section.lines.len() > DRAWN_MAX {
        true => tongue.say(
            " The busiest are drawn; all are in the table.",
            " المرسوم أكثرها نشاطًا، وكلها في الجدول.",
        ),
        false => "",
    };
    let volumes = shares(
        &named(title, tongue.say("how much was asked", "حجم الطلبات")),
        &volumes,
        tongue.mirrored(),
    );
    let mut out = format!(
        "<figure>{volumes}<figcaption>{}{more}</figcaption></figure>",
        legend(tongue)
    );
    if !times.is_empty() {
        let name = tongue.say("how long it took", "الزمن المستغرق");
        out += &format!(
            "<figure>{}<figcaption>{}</figcaption></figure>",
            shares(&named(title, name), &times, tongue.mirrored()),
            tongue.say(
                "From question to ending: <span class=\"key part\"></span> half (p50), the mark 95 of 100 (p95), <span class=\"key whole\"></span> 99 of 100 (p99).",
                "من السؤال إلى النهاية: <span class=\"key part\"></span> نصفها (p50)، والعلامة 95 من كل 100 (p95)، <span class=\"key whole\"></span> 99 من كل 100 (p99).",
            )
        );
    }
    out
}

/// What light and dark are.
pub(super) fn legend(tongue: Tongue) -> &'static str {
    tongue.say(
        "<span class=\"key whole\"></span> asked, <span class=\"key part\"></span> of it refused.",
        "<span class=\"key whole\"></span> المطلوب، <span class=\"key part\"></span> منه المرفوض.",
    )
}

pub(super) fn reasons(total: &Tally, title: &str, tongue: Tongue) -> String {
    let bars: Vec<Share> = super::tables::by_count(total)
        .into_iter()
        .map(|(reason, count)| Share {
            name: reason.to_owned(),
            whole: count as f64,
            part: count as f64,
            mark: None,
            figures: grouped(count),
        })
        .collect();
    shares(title, &bars, tongue.mirrored())
}

/// Days or hours.
pub(super) fn columns_of(lines: &[(String, &Tally)], title: &str, tongue: Tongue) -> String {
    let bars: Vec<Share> = lines
        .iter()
        .map(|(key, tally)| volume(short(key).to_owned(), tally))
        .collect();
    columns(title, &bars, tongue.mirrored())
}

/// `11-23` of `2026-11-23`.
fn short(key: &str) -> &str {
    key.split_once('-').map_or(key, |(_, rest)| rest)
}

fn volume(name: String, tally: &Tally) -> Share {
    let figures = match tally.refused {
        0 => grouped(tally.asked()),
        refused => format!("{} ({})", grouped(tally.asked()), grouped(refused)),
    };
    Share {
        name,
        whole: tally.asked() as f64,
        part: tally.refused as f64,
        mark: None,
        figures,
    }
}

fn named(title: &str, what: &str) -> String {
    format!("{title}: {what}")
}

/// What a person calls it, with what tells it from others of the same name.
fn label(by: By, line: &Line, tongue: Tongue) -> String {
    let name = line.names.as_ref().map(|names| tongue.one_of(names));
    match (by, name) {
        (By::Service | By::Agency | By::Provider, Some(name)) => name.to_owned(),
        (By::Centre, Some(name)) => {
            let system = line.key.rsplit('/').next().unwrap_or_default();
            format!("{name} · {system}")
        }
        (By::Official, _) => {
            let (system, pseudonym) = line.key.split_once(' ').unwrap_or(("", &line.key));
            let short: String = pseudonym.chars().take(12).collect();
            format!("{system} · {short}…")
        }
        (_, None) => line.key.clone(),
    }
}
