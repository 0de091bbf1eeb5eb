//! A scan as every command runs it: with progress, and at its end with what was looked at and whether it is proved.

use std::ops::ControlFlow;

use audit::find::{self, Check, Row, Scanned, Standing};
use audit::replay::Filter;
use proto::refusal::Language;
use serde_json::{Value, json};

use super::{directory, given_key};
use crate::args::LogDir;
use crate::failure::{Exit, Failure};
use crate::output::{Output, isolated};

/// What is asked of a log.
pub(super) struct Asked {
    pub(super) filter: Filter,
    pub(super) check: Check,
    /// Whether the index beside the log may say which entries need not be read.
    pub(super) by_index: bool,
}

/// Scans the log and gives `on_row` what passes the filter.
///
/// # Errors
/// Where there is no log to look at; whether it holds is told by [`tell`].
pub(super) fn scan(
    log: &LogDir,
    asked: Asked,
    output: Output,
    on_row: &mut dyn FnMut(&Row) -> ControlFlow<()>,
) -> Result<Scanned, Failure> {
    let dir = directory(log)?;
    let bar = output.progress(0, "looking", "جارٍ البحث");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let options = find::Options {
        key: given_key(log)?,
        filter: asked.filter,
        check: asked.check,
        by_index: asked.by_index,
        on_progress: Some(&mut on_progress),
        ..Default::default()
    };
    let scanned = find::scan(dir, options, on_row).map_err(Failure::usage);
    bar.finish_and_clear();
    scanned
}

/// Says what was looked at, and whether it is proved.
///
/// # Errors
/// [`Exit::Untrusted`] when a proof was asked for and does not hold, [`Exit::Found`] when entries could not be read.
pub(super) fn tell(scanned: &Scanned, output: Output) -> Result<(), Failure> {
    let checkpoint = &scanned.checkpoint;
    let range = match scanned.range.end.checked_sub(1) {
        Some(last) if scanned.range.start <= last => {
            left_to_right(output, &format!("{}–{last}", scanned.range.start))
        }
        _ => "–".to_owned(),
    };
    output.line(format!(
        "{}: {} ({range})  {}: {}",
        output.say("entries looked at", "القيود المفحوصة"),
        scanned.scanned,
        output.say("matched", "المطابقة"),
        scanned.matched
    ));
    output.line(format!(
        "{}: {}",
        output.say("under the checkpoint", "تحت نقطة التحقق"),
        left_to_right(
            output,
            &format!(
                "{} {} {}",
                checkpoint.origin, checkpoint.size, checkpoint.root
            )
        )
    ));
    tell_index(scanned, output);
    tell_standing(scanned, output);
    if scanned.standing != Standing::NotLooked && !scanned.key_given {
        output.line(output.say(
            "The key is the one beside the log; give the one you trust with --key.",
            "المفتاح هو الموجود بجانب السجل؛ اذكر المفتاح الذي تثق به بـ ‎--key‎.",
        ));
    }
    if let Standing::Broken(why) = &scanned.standing {
        return Err(Failure::untrusted(format!("not proved: {why}")));
    }
    match &scanned.unreadable {
        None => Ok(()),
        Some(unreadable) => Err(Failure::new(
            Exit::Found,
            [
                format!(
                    "{} entries could not be read and are in no result; the first is {}: {}",
                    unreadable.count, unreadable.first, unreadable.what
                ),
                format!(
                    "تعذّرت قراءة {} من القيود وليست في أي نتيجة؛ أولها {}: {}",
                    unreadable.count, unreadable.first, unreadable.what
                ),
            ],
            [
                "`mohawel audit verify` says what is wrong; compare with an earlier copy.",
                "يبيّن الأمر mohawel audit verify الخلل؛ وقارن بنسخة سابقة.",
            ],
        )),
    }
}

/// What an index was believed about, and why not about more.
fn tell_index(scanned: &Scanned, output: Output) {
    if scanned.skipped > 0 {
        output.line(format!(
            "{}: {}",
            output.say("passed over, as the index says", "تُخطّيت بناءً على الفهرس"),
            scanned.skipped
        ));
    }
    if let Some(remark) = &scanned.index_remark {
        output.note(format!(
            "{}: {remark}",
            output.say(
                "The index was not used, or not for everything, and those entries were read instead; remove index/ and run \
                 `mohawel audit index` to make it again",
                "لم يُستخدم الفهرس أو لم يُستخدم في كل شيء، وقُرئت تلك القيود بدلًا منه؛ احذف ‎index/‎ ونفّذ \
                 ‎mohawel audit index‎ لصنعه من جديد",
            )
        ));
    }
}

/// Whether it is proved, and what of it.
fn tell_standing(scanned: &Scanned, output: Output) {
    match &scanned.standing {
        Standing::InTheLog if scanned.skipped > 0 => output.line(output.say(
            "Proved: every entry shown is in the signed log. That none is left out is the word of the index, which you made or \
             somebody gave you; --no-index reads everything and proves that, too.",
            "مُثبت: كل قيد معروض موجود في السجل الموقّع. أما عدم إغفال أي قيد فعلى مسؤولية الفهرس الذي صنعته أنت أو أعطاك إياه \
             غيرك؛ ويقرأ ‎--no-index‎ كل شيء فيثبت ذلك أيضًا.",
        )),
        Standing::NotLooked => output.line(output.say(
            "NOT PROVED: nothing was verified; this is what the files say.",
            "غير مُثبت: لم يُتحقق من شيء، وهذا ما تقوله الملفات.",
        )),
        Standing::InTheLog => output.line(output.say(
            "Proved: every entry looked at is in the signed log. Decisions were not judged again; --verified does that.",
            "مُثبت: كل قيد مفحوص موجود في السجل الموقّع. ولم يُعَد الحكم في القرارات، ويفعل ذلك ‎--verified‎.",
        )),
        Standing::Replayed => output.line(output.say(
            "Proved, and replayed: every seal and every decision of the log holds.",
            "مُثبت ومُعاد فحصه: كل ختم وكل قرار في السجل صحيح.",
        )),
        Standing::Broken(_) => {}
    }
}

/// The same for machines.
pub(super) fn scanned_json(scanned: &Scanned) -> Value {
    let broken = match &scanned.standing {
        Standing::Broken(why) => Some(why),
        Standing::NotLooked | Standing::InTheLog | Standing::Replayed => None,
    };
    json!({
        "scanned": scanned.scanned,
        "skipped": scanned.skipped,
        "index_remark": scanned.index_remark,
        "matched": scanned.matched,
        "from": scanned.range.start,
        "to": scanned.range.end,
        "checkpoint": {
            "origin": scanned.checkpoint.origin,
            "size": scanned.checkpoint.size,
            "root": scanned.checkpoint.root.to_string(),
        },
        "key_given": scanned.key_given,
        "proved": scanned.standing.is_proved(),
        "replayed": scanned.standing == Standing::Replayed,
        "not_proved_because": broken,
        "unreadable": scanned.unreadable.as_ref().map(|unreadable| json!({
            "count": unreadable.count, "first": unreadable.first, "what": unreadable.what,
        })),
    })
}

/// Names and figures that read left to right, inside a sentence of either language.
pub(super) fn left_to_right(output: Output, text: &str) -> String {
    match output.language {
        Language::English => text.to_owned(),
        Language::Arabic => isolated(text),
    }
}
