//! After the story: an auditor's copy of the log, verified, replayed, and every line found in it.

use std::fs;
use std::path::Path;

use audit::checkpoint::LogKey;
use audit::replay::{self, Event, Filter};
use audit::verify;
use proto::entry::Kind;
use proto::id::ExchangeId;

use super::story::{Line, Place};
use super::tell::Teller;
use crate::failure::Failure;
use crate::output::isolated;

/// Copies what auditors get of a log: the checkpoint, the key, the tiles, and tokens if there are any. No store, no tail.
pub(super) fn copy_log(log: &Path, copy: &Path) -> Result<(), Failure> {
    fs::create_dir_all(copy).map_err(Failure::unavailable)?;
    for name in ["checkpoint", verify::VKEY_FILE] {
        fs::copy(log.join(name), copy.join(name)).map_err(Failure::unavailable)?;
    }
    copy_tree(&log.join("tile"), &copy.join("tile"))?;
    let time = log.join(audit::timestamp::TIME_DIR);
    if time.is_dir() {
        copy_tree(&time, &copy.join(audit::timestamp::TIME_DIR))?;
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(Failure::unavailable)?;
    for item in fs::read_dir(from).map_err(Failure::unavailable)? {
        let item = item.map_err(Failure::unavailable)?;
        let target = to.join(item.file_name());
        if item.file_type().map_err(Failure::unavailable)?.is_dir() {
            copy_tree(&item.path(), &target)?;
        } else {
            fs::copy(item.path(), target).map_err(Failure::unavailable)?;
        }
    }
    Ok(())
}

/// Verifies and replays the copy, finds every line of the story in it, and proves each entry.
pub(super) fn examine(
    copy: &Path,
    key: &LogKey,
    lines: &[Line],
    teller: Teller,
) -> Result<(), Failure> {
    let mut events = Vec::new();
    let mut on_event = |event: &Event| events.push(event.clone());
    let options = replay::Options {
        key: Some(key.clone()),
        filter: Filter::default(),
        on_event: Some(&mut on_event),
        ..Default::default()
    };
    let report = replay::replay(copy, options);
    if !report.is_clean() {
        let findings: Vec<String> = report.all_findings().map(ToString::to_string).collect();
        return Err(Failure::untrusted(format!(
            "the log does not hold: {}",
            findings.join("; ")
        )));
    }
    let entries = report.files.entries;
    let root = report.files.root.unwrap_or_default().short();
    teller.good([
        &format!("verified: {entries} entries, root {root}…, the checkpoint's signature holds"),
        &format!(
            "تم التحقق: عدد القيود {entries}، الجذر {}، وتوقيع نقطة التحقق صحيح",
            isolated(format!("{root}…"))
        ),
    ]);
    teller.good([
        &format!("replayed: {} seals verified, every decision judged again, every request paired with its ending", report.seals),
        &format!("أُعيد الفحص: {} ختمًا، وكل قرار حُكم فيه من جديد، وكل طلب قُرن بنهايته", report.seals),
    ]);
    let mut rows = Vec::new();
    for line in lines {
        rows.push(row_of(copy, key, line, &events)?);
    }
    teller.table(
        [
            ["the story", "القصة"],
            ["decision", "القرار"],
            ["entries", "القيود"],
            ["proof", "الإثبات"],
        ],
        rows,
    );
    Ok(())
}

fn row_of(
    copy: &Path,
    key: &LogKey,
    line: &Line,
    events: &[Event],
) -> Result<[String; 4], Failure> {
    let found: Vec<&Event> = events
        .iter()
        .filter(|event| is_of(event, &line.place))
        .collect();
    let last = found
        .last()
        .ok_or_else(|| Failure::untrusted(format!("'{}' is not in the log", line.title)))?;
    if last.code != line.code || !matches!(last.kind, Kind::Closing | Kind::Refusal) {
        return Err(Failure::untrusted(format!(
            "'{}' ended with {}, the log says '{}'",
            line.title, line.code, last.code
        )));
    }
    let mut indices = Vec::new();
    for event in &found {
        verify::prove(copy, event.index, key).map_err(Failure::untrusted)?;
        indices.push(event.index.to_string());
    }
    Ok([
        line.title.clone(),
        line.code.clone(),
        indices.join(", "),
        "✔".to_owned(),
    ])
}

fn is_of(event: &Event, place: &Place) -> bool {
    match place {
        Place::Exchange(id) => event.exchange.is_some() && event.exchange == ExchangeId::parse(id),
        Place::Index(index) => event.index == *index,
    }
}
