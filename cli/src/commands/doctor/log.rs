//! The log directory: its first and last entries proved under the published checkpoint, or all of it verified.
//!
//! Reads only published files, so it may run beside a broker. What a broker alone can judge, its tail and store, it
//! judges at each start.

use std::path::Path;

use audit::checkpoint::LogKey;
use audit::tiles::published::read_published;
use audit::verify::{Options, Severity, prove, verify_directory};
use proto::act::Genesis;

use super::check::Check;
use super::row::{Row, same};
use crate::output::Output;

/// Entries at the end that a quick look proves, each with its path to the root.
const END_ENTRIES: u64 = 16;

/// How much of the log is looked at.
#[derive(Clone, Copy, Debug)]
pub enum Depth {
    /// The first entry and the last ones.
    End,
    /// Every byte; says on `Output`'s standard error how far it is.
    Whole(Output),
}

/// What the log says of itself.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// Entry 0.
    pub(super) genesis: Genesis,
    /// SHA-256 of entry 0.
    pub(super) genesis_sha256: proto::Digest,
    /// When the last entry was recorded, Unix milliseconds.
    pub(super) last_recorded_at_ms: u64,
}

/// Looks at the log of `key` in `dir`.
pub(super) fn examine(dir: &Path, key: &LogKey, depth: Depth) -> (Row, Option<Ends>) {
    let remedy = [
        "Change nothing in the log directory. Copy it, run `mohawel audit verify --log COPY`, and tell the auditor; docs/operating.md says what the broker repairs by itself.",
        "لا تغيّر شيئًا في مجلد السجل. انسخه وشغّل mohawel audit verify على النسخة وأبلغ المدقّق؛ وتذكر docs/operating.md ما يصلحه الوسيط بنفسه.",
    ];
    let (size, ends) = match ends(dir, key) {
        Ok(found) => found,
        Err(reason) => return (Check::Log.failed(same(reason), remedy), None),
    };
    if let Err(reason) = match depth {
        Depth::End => Ok(()),
        Depth::Whole(output) => whole(dir, key, size, output),
    } {
        return (Check::Log.failed(same(reason), remedy), Some(ends));
    }
    let found = match depth {
        Depth::End => [
            format!(
                "size {size}; the first entry and the last {} prove themselves",
                size.min(END_ENTRIES)
            ),
            format!(
                "الحجم {size}؛ أول قيد وآخر القيود ({}) تثبت نفسها",
                size.min(END_ENTRIES)
            ),
        ],
        Depth::Whole(_) => [
            format!("size {size}; every entry proves itself"),
            format!("الحجم {size}؛ كل قيد يثبت نفسه"),
        ],
    };
    if !dir.join("tail").is_dir() {
        let found = [
            "the broker's own tail/ is not there".to_owned(),
            "مجلد الوسيط tail/ غير موجود".to_owned(),
        ];
        return (Check::Log.failed(found, remedy), Some(ends));
    }
    if !dir.join("store").is_dir() {
        let found = [
            format!("{}; store/ is not there", found[0]),
            format!("{}؛ مجلد store/ غير موجود", found[1]),
        ];
        let remedy = [
            "The broker rebuilds it at its next start from tile/ and tail/.",
            "يعيد الوسيط بناءه عند التشغيل التالي من tile/ و tail/.",
        ];
        return (Check::Log.warning(found, remedy), Some(ends));
    }
    (Check::Log.ok(found), Some(ends))
}

/// Proves the first entry and the last ones; gives how many there are.
fn ends(dir: &Path, key: &LogKey) -> Result<(u64, Ends), String> {
    let published = read_published(dir).map_err(|error| error.to_string())?;
    let size = published
        .ok_or_else(|| format!("{} holds no published checkpoint", dir.display()))?
        .checkpoint
        .size;
    let at = |index: u64| prove(dir, index, key).map_err(|error| format!("entry {index}: {error}"));
    let first = at(0)?;
    let mut last_recorded_at_us = 0;
    for index in size.saturating_sub(END_ENTRIES)..size {
        let recorded_at_us = at(index)?.entry.stamp.recorded_at_us;
        if recorded_at_us < last_recorded_at_us {
            return Err(format!(
                "entry {index} was recorded before the one that precedes it"
            ));
        }
        last_recorded_at_us = recorded_at_us;
    }
    let ends = Ends {
        genesis: Genesis::open(&first.entry.header).map_err(|error| format!("entry 0: {error}"))?,
        genesis_sha256: proto::Digest::of(&first.bytes),
        last_recorded_at_ms: last_recorded_at_us / 1_000,
    };
    Ok((size, ends))
}

fn whole(dir: &Path, key: &LogKey, size: u64, output: Output) -> Result<(), String> {
    let bar = output.progress(size, "verifying", "جارٍ التحقق");
    let mut told = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let report = verify_directory(
        dir,
        Options {
            key: Some(key.clone()),
            on_progress: Some(&mut told),
            ..Options::default()
        },
    );
    bar.finish_and_clear();
    if report.is_proven() {
        return Ok(());
    }
    let errors = report.findings.errors();
    let mut kept = report.findings.kept().iter();
    let first = kept.find(|finding| finding.severity == Severity::Error);
    Err(match first {
        Some(first) => format!("{errors} findings, the first: {first}"),
        None => "the checkpoint's signature does not hold".to_owned(),
    })
}
