//! `mohawel audit export`: entries as a file for other tools, with a manifest; and whether both still hold.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use audit::export::{self, Checked, Compared, ExportError, Exported, Format, Manifest};
use serde_json::json;

use super::scanned::{left_to_right, scanned_json, tell};
use super::wanted::filter;
use super::{directory, given_key};
use crate::args::{ExportEntries, LogDir};
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

/// Runs the command.
///
/// # Errors
/// What cannot be exported; [`Exit::Untrusted`] when log, file or manifest do not hold.
pub(super) fn run(arguments: &ExportEntries, output: Output) -> Result<(), Failure> {
    let log = arguments.log.clone().map(|log| LogDir {
        log,
        key: arguments.key.clone(),
    });
    match (&arguments.check, log, &arguments.output) {
        (Some(manifest), log, _) => check(manifest, log.as_ref(), arguments, output),
        (None, Some(log), Some(file)) => write(&log, file, arguments, output),
        _ => Err(Failure::usage(
            "name a log and a file, or a manifest to --check",
        )),
    }
}

fn write(
    log: &LogDir,
    file: &Path,
    arguments: &ExportEntries,
    output: Output,
) -> Result<(), Failure> {
    let by_name = || Format::parse(file.extension()?.to_str()?);
    let format = arguments.format.or_else(by_name).ok_or_else(|| {
        Failure::usage("say --format jsonl, csv or parquet, or end the file's name so")
    })?;
    if arguments.bom && format != Format::Csv {
        return Err(Failure::usage("--bom is for csv"));
    }
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = since_1970.map_or(0, |since| since.as_millis());
    let made_at = time_of_ms(u64::try_from(now_ms).unwrap_or_default());
    let options = export::Options {
        key: given_key(log)?,
        filter: filter(&arguments.wanted)?,
        check: arguments.proved.check(),
        format,
        byte_order_mark: arguments.bom,
        replace: arguments.force,
        made_at: &made_at,
    };
    let dir = directory(log)?;
    let bar = output.progress(0, "exporting", "جارٍ التصدير");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let exported = export::export(dir, file, &options, &mut on_progress);
    bar.finish_and_clear();
    let Exported { scanned, manifest } = exported.map_err(|error| failure(&error))?;
    let beside = Manifest::beside(file);
    let value = json!({
        "file": file,
        "manifest": beside,
        "bytes": manifest.bytes,
        "sha256": manifest.sha256,
        "rows": manifest.matched,
        "scan": scanned_json(&scanned),
    });
    output.show(&value, || {
        output.line(format!(
            "{}: {} ({})",
            output.say("exported to", "صُدِّر إلى"),
            left_to_right(output, &file.display().to_string()),
            manifest.matched
        ));
        output.line(format!("SHA-256: {}", manifest.sha256));
        output.line(format!(
            "{}: {}",
            output.say("what it is and what proves it", "وصفه وما يثبته"),
            left_to_right(output, &beside.display().to_string())
        ));
    })?;
    tell(&scanned, output)
}

/// Why a file of a log was not written.
pub(super) fn failure(error: &ExportError) -> Failure {
    match error {
        ExportError::Find(error) => Failure::usage(error),
        ExportError::NotProved(_) => Failure::new(
            Exit::Untrusted,
            [
                error.to_string(),
                format!("لم يُكتب شيء لأن السجل غير مُثبت: {error}"),
            ],
            [
                "Keep the directory as it is; `mohawel audit verify` says what is wrong. --unverified writes what the files say, and says so.",
                "احفظ المجلد كما هو؛ ويبيّن mohawel audit verify الخلل. ويكتب ‎--unverified‎ ما تقوله الملفات ويذكر ذلك.",
            ],
        ),
        ExportError::Exists(place) => Failure::new(
            Exit::Usage,
            [
                error.to_string(),
                format!("الملف {place} موجود ولا يُكتب فوقه؛ ولم يُنفَّذ شيء"),
            ],
            [
                "Name a new file, or replace that one with --force.",
                "اذكر ملفًا جديدًا أو استبدل الموجود بـ ‎--force‎.",
            ],
        ),
        ExportError::Io(_) => Failure::new(
            Exit::Unavailable,
            [error.to_string(), format!("تعذّرت كتابة الملف: {error}")],
            [
                "Look at the folder and at the room on its disk; nothing was left behind.",
                "راجع المجلد والمساحة على قرصه؛ ولم يبق شيء وراءه.",
            ],
        ),
    }
}

fn check(
    manifest: &Path,
    log: Option<&LogDir>,
    arguments: &ExportEntries,
    output: Output,
) -> Result<(), Failure> {
    let key = match (log, &arguments.key) {
        (Some(log), _) => Some(super::key_or_beside(log)?),
        (None, Some(key)) => given_key(&LogDir {
            log: Path::new(".").to_owned(),
            key: Some(key.clone()),
        })?,
        (None, None) => None,
    };
    let dir = log.map(directory).transpose()?;
    let bar = output.progress(0, "comparing", "جارٍ المقارنة");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let checked = export::check(manifest, key, dir, &mut on_progress);
    bar.finish_and_clear();
    let checked = checked.map_err(|error| match error {
        export::CheckError::Unreadable { .. } => Failure::usage(error),
        other => Failure::untrusted(other),
    })?;
    tell_checked(&checked, output)
}

fn tell_checked(checked: &Checked, output: Output) -> Result<(), Failure> {
    let Checked {
        manifest,
        checkpoint,
        signed,
        compared,
    } = checked;
    let compared_word = compared.map(|compared| match compared {
        Compared::Bytes => "bytes",
        Compared::Counts => "counts",
    });
    let value = json!({
        "file": manifest.file,
        "rows": manifest.matched,
        "sha256": manifest.sha256,
        "filter": manifest.filter,
        "checkpoint": {
            "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.to_string(),
        },
        "signed": signed,
        "compared": compared_word,
        "proved": manifest.proved,
    });
    output.show(&value, || {
        output.line(format!(
            "{}: {} ({})",
            output.say("the file is that of its manifest", "الملف هو الموصوف"),
            left_to_right(output, &manifest.file),
            manifest.matched
        ));
        output.line(format!(
            "{}: {}",
            output.say("under the checkpoint", "تحت نقطة التحقق"),
            left_to_right(
                output,
                &format!("{} {} {}", checkpoint.origin, checkpoint.size, checkpoint.root)
            )
        ));
        output.line(match (compared, signed) {
            (Some(Compared::Bytes), _) => output.say(
                "The log makes the very same file again.",
                "يُنتج السجل الملف نفسه تمامًا من جديد.",
            ),
            (Some(Compared::Counts), _) => output.say(
                "The log gives the same numbers; the file was made by another version of this program, so its bytes were not compared.",
                "يعطي السجل الأعداد نفسها؛ والملف من إصدار آخر من البرنامج فلم تُقارَن بايتاته.",
            ),
            (None, true) => output.say(
                "The checkpoint's signature holds. That the file has what the log holds is shown with --log.",
                "توقيع نقطة التحقق صحيح. ويُبيَّن تطابق الملف مع السجل بـ ‎--log‎.",
            ),
            (None, false) => output.say(
                "Neither the checkpoint's signature nor the log was looked at: give --key or --log.",
                "لم يُنظر في توقيع نقطة التحقق ولا في السجل: اذكر ‎--key‎ أو ‎--log‎.",
            ),
        });
    })
}
