//! `mohawel audit bundle`: one exchange or a range with everything that proves it, in one zip; and verifying one.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use audit::evidence::{
    self, Bundle, Collected, DISCLOSURE_BYTES_MAX, Disclosure, EvidenceError, Report, State,
    TRUST_BYTES_MAX, Trust, Wanted,
};
use serde_json::{Value, json};

use super::{directory, filter, given_key, key_of};
use crate::args::{Bundle as Arguments, TimeRoots, Verified, Vouched, Wanted as Typed};
use crate::commands::new_file::NewFile;
use crate::commands::switch_dir::in_file;
use crate::failure::{Exit, Failure};
use crate::output::{Output, isolated};

/// Permissions of what is written: it is made to be given away.
const MODE: u32 = 0o644;

/// Makes a bundle.
///
/// # Errors
/// What the command cannot do; nothing is written then.
pub(super) fn make(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let dir = directory(&arguments.log)?;
    let path = arguments
        .output
        .clone()
        .map_or_else(|| name_of(&arguments.wanted), Ok)?;
    let wanted = Wanted {
        key: given_key(&arguments.log)?,
        filter: filter(&arguments.wanted)?,
        whole_registry: arguments.whole_registry,
        disclosed: arguments
            .disclose
            .iter()
            .map(|file| disclosure(file))
            .collect::<Result<_, _>>()?,
        policy: read_trust(arguments.policy.as_deref())?,
        time_roots: read_trust(arguments.time_roots.as_deref())?,
    };
    let file = NewFile::at(&path, MODE)?;
    let key = wanted.key.clone();
    let bar = output.progress(0, "collecting evidence", "جارٍ جمع الأدلة");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let collected = evidence::collect(dir, wanted, &mut on_progress);
    bar.finish_and_clear();
    let collected = collected.map_err(|error| not_made(&error))?;
    let zip = collected
        .bundle
        .to_zip()
        .map_err(|error| not_made(&error))?;
    // As whoever receives it will look at it.
    let trust = Trust {
        key,
        ..Trust::default()
    };
    let report = evidence::verify(&collected.bundle, &trust);
    file.write(&zip)?;
    told(&path, zip.len(), &collected, &report, output)
}

fn told(
    path: &Path,
    bytes: usize,
    collected: &Collected,
    report: &Report,
    output: Output,
) -> Result<(), Failure> {
    let value = json!({
        "file": path.display().to_string(),
        "bytes": bytes,
        "wanted": collected.wanted,
        "registry_entries": collected.registry,
        "whole_registry": collected.whole_registry,
        "time_stamped_size": collected.stamped,
        "log_errors": collected.log_errors,
        "holds": report.holds(),
        "verdicts": verdicts_json(report, output),
    });
    output.show(&value, || {
        verdicts(report, output);
        let indexes: Vec<String> = collected
            .wanted
            .iter()
            .take(8)
            .map(u64::to_string)
            .collect();
        let shown = path.display().to_string();
        let shown = output.say(&shown, &isolated(&shown)).to_owned();
        let more = if collected.wanted.len() > indexes.len() {
            ", …"
        } else {
            ""
        };
        output.line(format!(
            "{} {} ({} {}{more}; {} {})",
            output.say("evidence written to", "كُتبت الأدلة في"),
            shown,
            output.say("entries", "القيود"),
            indexes.join(", "),
            collected.registry,
            output.say("registry entries beside them", "من قيود التسجيل معها"),
        ));
    })?;
    if collected.log_errors > 0 {
        output.note(format!(
            "{} {}",
            output.say(
                "A replay of this log finds errors; `mohawel audit replay` lists them:",
                "إعادة فحص هذا السجل تجد مخالفات يسردها الأمر mohawel audit replay، وعددها:"
            ),
            collected.log_errors
        ));
    }
    Ok(())
}

/// Verifies the bundle in `path`.
///
/// # Errors
/// What the command cannot do; [`Exit::Found`] when the bundle does not hold.
pub(super) fn verify(
    path: &Path,
    what: &Verified,
    vouched: &Vouched,
    time: &TimeRoots,
    output: Output,
) -> Result<(), Failure> {
    let trust = Trust {
        key: key_of(what.key.as_deref())?,
        policy: read_trust(vouched.policy.as_deref())?,
        time_roots: read_trust(time.time_roots.as_deref())?,
    };
    let bundle = Bundle::open(path).map_err(|error| not_a_bundle(&error))?;
    let page = what
        .page
        .as_deref()
        .map(|page| NewFile::at(page, MODE))
        .transpose()?;
    let report = evidence::verify(&bundle, &trust);
    let value = json!({
        "bundle": path.display().to_string(),
        "origin": report.origin,
        "size": report.size,
        "entries": report.entries,
        "holds": report.holds(),
        "verdicts": verdicts_json(&report, output),
    });
    output.show(&value, || verdicts(&report, output))?;
    if let (Some(page), Some(bytes)) = (page, &report.page) {
        page.write(bytes)?;
    }
    if report.holds() {
        output.line(output.say("The evidence holds.", "الأدلة صحيحة."));
        return Ok(());
    }
    Err(Failure::new(
        Exit::Found,
        [
            "The evidence does not hold: the table says what.",
            "الأدلة لا تصح: الجدول يبيّن السبب.",
        ],
        [
            "Keep the file as it is, and ask an auditor with a copy of the log for the same bundle: its bytes would be the same.",
            "احفظ الملف كما هو، واطلب الحزمة نفسها من مدقّق لديه نسخة من السجل: يجب أن تتطابق البايتات.",
        ],
    ))
}

fn verdicts(report: &Report, output: Output) {
    let heading = [
        output.say("checked", "المفحوص"),
        output.say("verdict", "الحكم"),
        output.say("with", "التفصيل"),
    ];
    let rows = report.verdicts.iter().map(|verdict| {
        let [title_en, title_ar] = verdict.title;
        let [detail_en, detail_ar] = &verdict.detail;
        [
            output.say(title_en, title_ar).to_owned(),
            word(verdict.state, output).to_owned(),
            output.say(detail_en, detail_ar).to_owned(),
        ]
    });
    output.table(heading, rows);
}

fn word(state: State, output: Output) -> &'static str {
    match state {
        State::Holds => output.say("holds", "يصح"),
        State::Inside => output.say("by its own word", "بشهادته لنفسه"),
        State::Absent => output.say("not shown", "لا يظهر"),
        State::Fails => output.say("DOES NOT HOLD", "لا يصح"),
    }
}

fn verdicts_json(report: &Report, output: Output) -> Vec<Value> {
    let one = |verdict: &evidence::Verdict| {
        let [en, ar] = &verdict.detail;
        json!({ "check": verdict.check, "state": verdict.state.name(), "detail": output.say(en, ar) })
    };
    report.verdicts.iter().map(one).collect()
}

/// The file that is written when none was named.
fn name_of(wanted: &Typed) -> Result<PathBuf, Failure> {
    match (wanted.exchange, wanted.from, wanted.to) {
        (Some(exchange), _, _) => Ok(format!("evidence-{exchange}.zip").into()),
        (None, Some(from), Some(to)) => Ok(format!("evidence-{from}-{to}.zip").into()),
        _ => Err(Failure::usage(
            "name the evidence that you want: --exchange ID, or --from INDEX and --to INDEX; with other filters, also the new file with --output",
        )),
    }
}

fn disclosure(path: &Path) -> Result<Disclosure, Failure> {
    let text = bounded(path, DISCLOSURE_BYTES_MAX)?;
    Disclosure::from_json(&text).map_err(|error| in_file(path, error))
}

fn read_trust(path: Option<&Path>) -> Result<Option<bytes::Bytes>, Failure> {
    path.map(|path| bounded(path, TRUST_BYTES_MAX).map(Into::into))
        .transpose()
}

fn bounded(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut text))
        .map_err(|error| in_file(path, error))?;
    if text.len() as u64 > limit {
        return Err(in_file(path, format!("longer than {limit} bytes")));
    }
    Ok(text)
}

fn not_made(error: &EvidenceError) -> Failure {
    match error {
        EvidenceError::Log(_) | EvidenceError::Unproven { .. } => Failure::untrusted(error),
        _ => Failure::usage(error),
    }
}

fn not_a_bundle(error: &EvidenceError) -> Failure {
    let text = error.to_string();
    Failure::new(
        Exit::Untrusted,
        [
            format!("This is no bundle of evidence that can be trusted: {text}"),
            format!("ليست هذه حزمة أدلة يُعتمد عليها: {text}"),
        ],
        [
            "Ask whoever made it for the file as `mohawel audit bundle` wrote it, or unpack it and name the folder.",
            "اطلب من صانعها الملف كما كتبه الأمر mohawel audit bundle، أو فك الحزمة واذكر المجلد.",
        ],
    )
}
