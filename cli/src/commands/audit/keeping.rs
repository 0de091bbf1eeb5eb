//! `mohawel audit rebuild`, `prune` and `index`: what keeps a log whole, as short as its retention, and quick to search.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use audit::checkpoint;
use audit::index::{INDEX_DIR, Index};
use audit::journal::StoreFound;
use audit::prune::{self, Before, PruneError};
use audit::rebuild::{self, RebuildError};
use audit::tiles::published::read_published;
use bytes::Bytes;
use serde_json::json;

use super::{directory, given_key, key_or_beside, witnesses};
use crate::args::{IndexLog, Prune, Rebuild};
use crate::commands::switch_dir::in_file;
use crate::failure::{Exit, Failure};
use crate::output::{Output, isolated};

/// Bytes that a checkpoint file can have at most.
const NOTE_BYTES_MAX: u64 = 64 * 1024;

/// Rebuilds a log.
pub(super) fn rebuild(asked: &Rebuild, output: Output) -> Result<(), Failure> {
    let bar = output.progress(0, "rebuilding", "جارٍ الترميم");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let options = rebuild::Options {
        from: asked.from.clone(),
        key: given_key(&asked.log)?,
        checkpoints: notes(&asked.checkpoint)?,
        check: asked.check,
        files_only: asked.files_only,
        accept_tail_loss: asked.accept_tail_loss,
        on_progress: Some(&mut on_progress),
        ..rebuild::Options::default()
    };
    let report = rebuild::rebuild(&asked.log.log, options);
    bar.finish_and_clear();
    let report = report.map_err(|error| not_rebuilt(&error))?;
    output.show(&rebuilt_json(&report), || {
        print_rebuilt(&report, asked.check, output)
    })?;
    let nothing = report.mended.files.is_empty() && !report.published;
    match (report.whole, asked.check) {
        (true, false) => {
            output.line(output.say("The log is whole.", "السجل مكتمل."));
            Ok(())
        }
        (true, true) if nothing => {
            output.line(output.say("There is nothing to rebuild.", "لا شيء يحتاج إلى ترميم."));
            Ok(())
        }
        (true, true) => Err(found(
            "The log can be rebuilt whole; nothing was changed.",
            "يمكن ترميم السجل كاملًا؛ ولم يُغيَّر شيء.",
            "Run the command again without --check.",
            "أعد تشغيل الأمر دون ‎--check‎.",
        )),
        (false, _) if !report.mended.lost.is_empty() => Err(found(
            "Entries cannot be restored; tail and store were left as they are.",
            "تعذّرت استعادة بعض القيود؛ وتُرك الذيل والمخزن كما هما.",
            "Name another copy of the log with --from: an auditor's, a replica's, a backup.",
            "اذكر نسخة أخرى من السجل بالخيار ‎--from‎: نسخة مدقّق أو نسخة مطابقة أو نسخة احتياطية.",
        )),
        (false, _) if report.loss.is_some() => Err(found(
            "The tail lost entries that may have been acknowledged.",
            "فُقدت من الذيل قيود ربما أُقرّ باستلامها.",
            "Restore tail/ from the disk or replica that has it. If it is lost for good, run the command again with --accept-tail-loss; the next start's entry says so.",
            "استعد مجلد tail/ من القرص أو النسخة التي تحويه. فإن فُقد نهائيًا فأعد الأمر مع ‎--accept-tail-loss‎، وسيُذكر ذلك في قيد التشغيل التالي.",
        )),
        (false, _) => Err(found(
            "The tail is damaged and can be put together again without loss; nothing was changed.",
            "الذيل تالف ويمكن جمعه من جديد دون فقد؛ ولم يُغيَّر شيء.",
            "Run the command again without --check.",
            "أعد تشغيل الأمر دون ‎--check‎.",
        )),
    }
}

fn print_rebuilt(report: &rebuild::Report, check: bool, output: Output) {
    output.line(format!(
        "{}: {} ({})",
        output.say("published", "المنشور"),
        report.checkpoint.size,
        report.checkpoint.root
    ));
    output.line(format!(
        "{}: {} ({})",
        output.say("the log ends at", "ينتهي السجل عند"),
        report.end.size,
        report.end.root
    ));
    if !report.key_given {
        output.line(output.say(
            "the key comes from the directory itself; compare it with one you trust",
            "المفتاح مأخوذ من المجلد نفسه؛ قارنه بمفتاح تثق به",
        ));
    }
    let written = if check {
        output.say("would be written", "يُكتب")
    } else {
        output.say("written again", "أُعيدت كتابته")
    };
    for file in &report.mended.files {
        output.line(format!(
            "{written}: {}",
            isolated(file.display().to_string())
        ));
    }
    for lost in &report.mended.lost {
        output.line(format!(
            "{} {}..{}: {}: {}",
            output.say("cannot be restored:", "تتعذّر استعادة:"),
            lost.entries.start,
            lost.entries.end,
            isolated(&lost.path),
            lost.what
        ));
    }
    for damage in &report.tail {
        output.line(format!("{}: {damage}", output.say("tail", "الذيل")));
    }
    if let Some(index) = report.loss {
        output.line(format!(
            "{} {index}",
            output.say(
                "entries that may have been acknowledged are not there, from",
                "قيود ربما أُقرّ باستلامها غير موجودة، ابتداءً من"
            )
        ));
    }
    if let Some(store) = report.store.as_ref().and_then(store_word) {
        output.line(format!(
            "{}: {store}",
            output.say("store made again, it was", "أُعيد بناء المخزن، وكان")
        ));
    }
    for path in &report.set_aside {
        output.line(format!(
            "{}: {}",
            output.say("set aside", "نُحّي جانبًا"),
            isolated(path.display().to_string())
        ));
    }
}

/// Why a store was made again.
fn store_word(store: &StoreFound) -> Option<String> {
    match store {
        StoreFound::Whole => None,
        StoreFound::Missing => Some("missing".to_owned()),
        StoreFound::Empty => Some("empty".to_owned()),
        StoreFound::Corrupt(reason) => Some(format!("corrupt ({reason})")),
    }
}

fn rebuilt_json(report: &rebuild::Report) -> serde_json::Value {
    let lost = report.mended.lost.iter().map(|lost| {
        json!({ "from": lost.entries.start, "to": lost.entries.end, "file": lost.path, "what": lost.what })
    });
    json!({
        "origin": report.checkpoint.origin,
        "published": report.checkpoint.size,
        "key_given": report.key_given,
        "checkpoint_written": report.published,
        "files_written": report.mended.files,
        "lost": lost.collect::<Vec<_>>(),
        "tail_damage": report.tail,
        "tail_rebuilt": report.tail_rebuilt,
        "store": report.store.as_ref().map(|store| store_word(store).unwrap_or_else(|| "whole".to_owned())),
        "size": report.end.size,
        "root": report.end.root.to_string(),
        "may_be_lost_from": report.loss,
        "set_aside": report.set_aside,
        "whole": report.whole,
    })
}

fn found(en: &str, ar: &str, next_en: &str, next_ar: &str) -> Failure {
    Failure::new(Exit::Found, [en, ar], [next_en, next_ar])
}

fn not_rebuilt(error: &RebuildError) -> Failure {
    match error {
        RebuildError::Forked { .. } | RebuildError::Inconsistent { .. } => {
            Failure::untrusted(error)
        }
        RebuildError::NoLog(_)
        | RebuildError::NoKey { .. }
        | RebuildError::Key(_)
        | RebuildError::OtherLog { .. }
        | RebuildError::Checkpoint { .. } => Failure::usage(error),
        _ => Failure::new(
            Exit::Found,
            [error.to_string(), format!("تعذّر الترميم: {error}")],
            [
                "Stop the switch, name further copies of the log with --from, and run the command again; nothing was deleted.",
                "أوقف المحوِّل واذكر نسخًا أخرى من السجل بالخيار ‎--from‎ ثم أعد الأمر؛ لم يُحذف شيء.",
            ],
        ),
    }
}

/// Prunes a log.
pub(super) fn prune(asked: &Prune, output: Output) -> Result<(), Failure> {
    let dir = directory(&asked.log)?;
    let before = match (asked.before_index, asked.older_than) {
        (Some(index), _) => Before::Index(index),
        (None, Some(days)) => Before::OlderThanDays(days),
        (None, None) => return Err(Failure::usage("say --before-index or --older-than")),
    };
    let bar = output.progress(0, "pruning", "جارٍ التقليم");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let options = prune::Options {
        key: given_key(&asked.log)?,
        checkpoints: notes(&asked.checkpoint)?,
        policy: witnesses::given(&asked.vouched)?,
        despite_retention: asked.despite_retention,
        check: asked.check,
        on_progress: Some(&mut on_progress),
        ..prune::Options::new(before)
    };
    let report = prune::prune(dir, options);
    bar.finish_and_clear();
    let report = report.map_err(|error| not_pruned(&error))?;
    let value = json!({
        "minimum_index_before": report.minimum_before,
        "minimum_index": report.minimum_index,
        "entries_removed": report.removed,
        "registry_entries_kept": report.kept,
        "bytes_removed": report.removed_bytes,
        "retention_days": report.retention_days,
        "age_days": report.age_days,
        "databases_removed": report.databases,
        "look_at": report.left,
        "done": !asked.check,
    });
    output.show(&value, || print_pruned(&report, asked.check, output))
}

fn print_pruned(report: &prune::Report, check: bool, output: Output) {
    if report.removed == 0 {
        output.line(output.say("There is nothing to prune.", "لا شيء يحتاج إلى التقليم."));
    } else if check {
        output.line(format!(
            "{}: {}",
            output.say("entries that would be removed", "القيود التي ستُحذف"),
            report.removed
        ));
    } else {
        output.line(format!(
            "{}: {}",
            output.say("entries removed", "القيود المحذوفة"),
            report.removed
        ));
    }
    let rows = [
        ("minimum index", "أدنى فهرس", report.minimum_index),
        (
            "registry entries kept of them",
            "قيود السجل العام المُبقاة منها",
            report.kept,
        ),
        ("bytes", "البايتات", report.removed_bytes),
        (
            "longest retention, days",
            "أطول مدة احتفاظ بالأيام",
            u64::from(report.retention_days),
        ),
        (
            "age where it is cut, days",
            "العمر عند موضع القطع بالأيام",
            report.age_days,
        ),
    ];
    for (en, ar, number) in rows {
        output.line(format!("{}: {number}", output.say(en, ar)));
    }
    for path in &report.left {
        output.line(format!(
            "{}: {}",
            output.say(
                "may hold pruned entries still; look, and remove it",
                "ربما بقيت فيه قيود مقلّمة؛ راجعه ثم احذفه"
            ),
            isolated(path.display().to_string())
        ));
    }
}

fn not_pruned(error: &PruneError) -> Failure {
    match error {
        PruneError::OtherHistory(_)
        | PruneError::Inconsistent { .. }
        | PruneError::Fold { .. }
        | PruneError::Entry { .. }
        | PruneError::Checkpoint(_) => Failure::untrusted(error),
        PruneError::Beyond { .. } => Failure::usage(error),
        _ => Failure::new(
            Exit::Found,
            [error.to_string(), format!("لم يُقلَّم السجل: {error}")],
            [
                "Nothing that was refused is gone. Do what the message says and run the command again.",
                "لم يُحذف شيء مما رُفض حذفه. نفّذ ما تذكره الرسالة ثم أعد الأمر.",
            ],
        ),
    }
}

/// Builds or refreshes the indexes.
pub(super) fn index(asked: &IndexLog, output: Output) -> Result<(), Failure> {
    let dir = directory(&asked.log)?;
    let published = read_published(dir).map_err(Failure::unavailable)?;
    let published = published.ok_or_else(|| Failure::usage("the directory holds no checkpoint"))?;
    let key = key_or_beside(&asked.log)?;
    let checkpoint = checkpoint::open(&published.note, &key).map_err(Failure::untrusted)?;
    let place = dir.join(INDEX_DIR);
    if asked.anew && place.exists() {
        fs::remove_dir_all(&place).map_err(|error| in_file(&place, error))?;
    }
    let mut index = Index::open(dir, checkpoint).map_err(Failure::unavailable)?;
    let bar = output.progress(0, "indexing", "جارٍ الفهرسة");
    let began = Instant::now();
    let refreshed = index.refresh(false, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
        true
    });
    bar.finish_and_clear();
    let refreshed = refreshed.map_err(Failure::unavailable)?;
    let seconds = began.elapsed().as_secs_f64();
    let bytes = bytes_under(&place);
    let value = json!({
        "indexed": refreshed.entries,
        "upto": refreshed.upto,
        "seconds": seconds,
        "bytes": bytes,
    });
    output.show(&value, || {
        output.line(format!(
            "{}: {}",
            output.say("entries indexed now", "القيود المفهرسة الآن"),
            refreshed.entries
        ));
        output.line(format!(
            "{}: {}",
            output.say("indexed below", "المفهرس حتى ما قبل"),
            refreshed.upto
        ));
        output.line(format!("{}: {bytes}", output.say("bytes", "البايتات")));
    })
}

/// Bytes of all files under `dir`.
fn bytes_under(dir: &Path) -> u64 {
    let mut bytes = 0;
    let mut todo: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(at).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(data) if data.is_dir() => todo.push(entry.path()),
                Ok(data) => bytes += data.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// Signed notes from files.
fn notes(paths: &[PathBuf]) -> Result<Vec<Bytes>, Failure> {
    let read = |path: &PathBuf| {
        let length = fs::metadata(path)
            .map_err(|error| in_file(path, error))?
            .len();
        if length > NOTE_BYTES_MAX {
            return Err(Failure::usage(format!(
                "{}: too long to be a signed checkpoint",
                path.display()
            )));
        }
        fs::read(path)
            .map(Bytes::from)
            .map_err(|error| in_file(path, error))
    };
    paths.iter().map(read).collect()
}
