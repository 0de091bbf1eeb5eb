//! `mohawel backup` and `mohawel restore`: a switch's folder, copied whole while it runs, and made anew elsewhere.
//!
//! ```text
//! backup.json     what is in it: checkpoint, size, SHA-256 of every file of switch/
//! switch/         configuration, authority, keys, operator: owner-only
//! log/            checkpoint, tiles, tail (audit::backup)
//! ```
//!
//! Written last, `backup.json` says that the copy is whole. A restore proves the log before it puts anything in place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use audit::backup::{BackupError, Copied, copy_log};
use audit::checkpoint::LogKey;
use audit::clock::Clock;
use audit::tiles::durable;
use audit::verify::{self, VKEY_FILE};
use certs::key_files;
use proto::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::broker::load;
use super::switch_dir::{SwitchDir, in_file};
use crate::args::{Backup, Restore};
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

/// Says that a copy is whole.
const MANIFEST: &str = "backup.json";
/// The switch's own files.
const SWITCH: &str = "switch";
/// The log.
const LOG: &str = "log";
/// The form of the copy.
const FORM: u32 = 1;

/// What a copy holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    form: u32,
    /// The version of the program that made it.
    version: String,
    made_at: String,
    origin: String,
    /// Entries under the copied checkpoint, and its root.
    published: u64,
    root: String,
    /// Entries in all.
    size: u64,
    /// SHA-256 of every file under `switch/`, by path.
    files: BTreeMap<String, String>,
}

/// Copies a switch.
///
/// # Errors
/// What cannot be read or written, and that the copy there is of another switch or newer.
pub fn backup(args: &Backup, output: Output) -> Result<(), Failure> {
    let switch = SwitchDir::new(&args.switch);
    let config = load(&switch)?;
    let log = &config.log.dir;
    let vkey = log.join(VKEY_FILE);
    let text = fs::read_to_string(&vkey).map_err(|error| in_file(&vkey, error))?;
    let key = LogKey::from_vkey(&text).map_err(|error| in_file(&vkey, error))?;
    same_log(&args.to, &key)?;
    key_files::private_dir(&args.to).map_err(Failure::usage)?;
    // From here on it is whole again only with the new one.
    remove(&args.to.join(MANIFEST))?;
    let bar = output.progress(0, "copying", "جارٍ النسخ");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let copied = copy_log(log, &args.to.join(LOG), &key, Some(&mut on_progress));
    bar.finish_and_clear();
    let copied = copied.map_err(not_copied)?;
    let files = copy_switch(&switch, log, &args.to.join(SWITCH))?;
    let manifest = manifest(&key, copied, files);
    let text = serde_json::to_string_pretty(&manifest).map_err(Failure::unavailable)?;
    durable::write_file(&args.to.join(MANIFEST), text.as_bytes()).map_err(Failure::unavailable)?;
    output.show(&manifest, || {
        output.line(format!(
            "{}: {} {}, {} {}",
            args.to.display(),
            manifest.size,
            output.say("entries", "قيد"),
            manifest.files.len(),
            output.say("files of the switch", "من ملفات المحوِّل"),
        ));
        output.line(output.say(
            "It holds the switch's keys: keep it as safe as the switch itself.",
            "تحتوي النسخة على مفاتيح المحوِّل، فاحفظها كما تحفظ المحوِّل نفسه.",
        ));
    })
}

/// Makes a switch's folder out of a copy.
///
/// # Errors
/// The copy is not whole, does not hold, or the folder is there already.
pub fn restore(args: &Restore, output: Output) -> Result<(), Failure> {
    let switch = SwitchDir::new(&args.switch);
    if args.switch.exists() {
        return Err(Failure::usage(format!(
            "{} is already there; a restore never overwrites a switch. Name a folder that is not there",
            args.switch.display()
        )));
    }
    let manifest = read_manifest(&args.from)?;
    for (name, sha256) in &manifest.files {
        let path = args.from.join(SWITCH).join(plain(name)?);
        let bytes = fs::read(&path).map_err(|error| in_file(&path, error))?;
        if Digest::of(&bytes).to_string() != *sha256 {
            return Err(broken(&format!(
                "{} is not the file that was copied",
                path.display()
            )));
        }
    }
    let log = args.from.join(LOG);
    proven(&log, &manifest, output)?;
    // Under another name until it is whole: what is cut short must not pass for a switch.
    let building = args.switch.with_extension("restoring");
    if building.exists() {
        fs::remove_dir_all(&building).map_err(Failure::unavailable)?;
    }
    key_files::private_dir(&building).map_err(Failure::unavailable)?;
    for name in manifest.files.keys() {
        copy_file(&args.from.join(SWITCH).join(name), &building.join(name))?;
    }
    copy_folder(&log, &building.join(LOG))?;
    fs::rename(&building, &args.switch).map_err(Failure::unavailable)?;
    let parent = args
        .switch
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty());
    durable::sync_dir(parent.unwrap_or(Path::new("."))).map_err(Failure::unavailable)?;
    place_of_log(&switch)?;
    told(args, &manifest, output)
}

fn told(args: &Restore, manifest: &Manifest, output: Output) -> Result<(), Failure> {
    let value = json!({
        "switch": args.switch.display().to_string(),
        "size": manifest.size,
        "published": manifest.published,
        "made_at": manifest.made_at,
    });
    output.show(&value, || {
        output.line(format!(
            "{}: {} {} ({})",
            args.switch.display(),
            manifest.size,
            output.say("entries", "قيد"),
            manifest.made_at
        ));
        output.line(output.say(
            "Start it only when the old machine is off for good: two switches of one log convict each other. What the old one acknowledged after this copy is missing here, and witnesses and agencies that saw it will say so.",
            "لا تشغّله إلا بعد إيقاف الجهاز القديم نهائيًا: محوِّلان لسجل واحد يدين كلٌّ منهما الآخر. وما أقرّه القديم بعد هذه النسخة غير موجود هنا، وسيكشفه الشهود والجهات التي رأته.",
        ));
    })
}

fn manifest(key: &LogKey, copied: Copied, files: BTreeMap<String, String>) -> Manifest {
    Manifest {
        form: FORM,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: time_of_ms(Clock::System.now_ms()),
        origin: key.origin().to_owned(),
        published: copied.published.size,
        root: copied.published.root.to_string(),
        size: copied.size,
        files,
    }
}

/// A folder that holds a copy of another switch is left alone.
fn same_log(to: &Path, key: &LogKey) -> Result<(), Failure> {
    let vkey = to.join(LOG).join(VKEY_FILE);
    match fs::read_to_string(&vkey) {
        Ok(text) if text.trim() == key.to_vkey() => Ok(()),
        Ok(text) => Err(Failure::usage(format!(
            "{} holds a copy of another switch ({}); name another folder",
            to.display(),
            text.trim()
        ))),
        Err(_) if fs::read_dir(to).is_ok_and(|mut names| names.next().is_some()) => {
            // A first copy that was cut short before its key has nothing but these.
            let ours = to.join(LOG).is_dir() || to.join(SWITCH).is_dir();
            if ours {
                Ok(())
            } else {
                Err(Failure::usage(format!(
                    "{} is not empty and no copy of a switch; name another folder",
                    to.display()
                )))
            }
        }
        Err(_) => Ok(()),
    }
}

/// Every file of the switch but its log and what is of the running process alone.
fn copy_switch(
    switch: &SwitchDir,
    log: &Path,
    to: &Path,
) -> Result<BTreeMap<String, String>, Failure> {
    if to.exists() {
        fs::remove_dir_all(to).map_err(Failure::unavailable)?;
    }
    key_files::private_dir(to).map_err(Failure::unavailable)?;
    let log = fs::canonicalize(log).map_err(|error| in_file(log, error))?;
    let mut files = BTreeMap::new();
    for path in files_of(switch.path())? {
        // Submissions and events come and go while the switch runs: what is gone by now had ended.
        let comes_and_goes = ["submissions", "events"].map(|folder| switch.path().join(folder));
        if !path.exists() && comes_and_goes.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let real = fs::canonicalize(&path).map_err(|error| in_file(&path, error))?;
        if real.starts_with(&log) || path == switch.running() {
            continue;
        }
        let name = path
            .strip_prefix(switch.path())
            .map_err(Failure::unavailable)?;
        let target = to.join(name);
        copy_file(&path, &target)?;
        let bytes = fs::read(&target).map_err(|error| in_file(&target, error))?;
        let name = name
            .to_str()
            .ok_or_else(|| in_file(&path, "its name is not UTF-8"))?;
        files.insert(name.to_owned(), Digest::of(&bytes).to_string());
    }
    Ok(files)
}

/// Every file below `dir`. A link would lead a copy somewhere else, so it is refused.
fn files_of(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| in_file(dir, error))? {
        let entry = entry.map_err(|error| in_file(dir, error))?;
        let (path, kind) = (entry.path(), entry.file_type());
        let kind = kind.map_err(|error| in_file(&path, error))?;
        if kind.is_dir() {
            files.append(&mut files_of(&path)?);
        } else if kind.is_file() {
            files.push(path);
        } else {
            return Err(in_file(
                &path,
                "a link or a special file is not copied; move it away",
            ));
        }
    }
    Ok(files)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    for path in files_of(from)? {
        let name = path.strip_prefix(from).map_err(Failure::unavailable)?;
        copy_file(&path, &to.join(name))?;
    }
    Ok(())
}

/// Copies one file with its permissions, durably.
fn copy_file(from: &Path, to: &Path) -> Result<(), Failure> {
    let dir = to.parent().unwrap_or(Path::new("."));
    durable::create_dirs(dir).map_err(|error| in_file(dir, error))?;
    fs::copy(from, to).map_err(|error| in_file(from, error))?;
    let synced = fs::File::open(to).and_then(|file| file.sync_all());
    synced
        .and_then(|()| durable::sync_dir(dir))
        .map_err(|error| in_file(to, error))
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(in_file(path, error)),
        _ => Ok(()),
    }
}

fn read_manifest(from: &Path) -> Result<Manifest, Failure> {
    let path = from.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|error| {
        in_file(
            &path,
            format!("{error}; without it the copy was cut short: make it again"),
        )
    })?;
    let manifest: Manifest = serde_json::from_str(&text).map_err(|error| in_file(&path, error))?;
    if manifest.form != FORM {
        return Err(in_file(
            &path,
            "a newer version made this copy; restore it with that one",
        ));
    }
    Ok(manifest)
}

/// A name inside the copy: no way out of it.
fn plain(name: &str) -> Result<&Path, Failure> {
    let path = Path::new(name);
    let inside = path
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if inside && !name.is_empty() {
        Ok(path)
    } else {
        Err(broken(&format!("it names the file {name:?}")))
    }
}

/// The log of the copy must hold, and be the one that the copy says.
fn proven(log: &Path, manifest: &Manifest, output: Output) -> Result<(), Failure> {
    let bar = output.progress(0, "verifying", "جارٍ التحقق");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let options = verify::Options {
        on_progress: Some(&mut on_progress),
        ..Default::default()
    };
    let report = verify::verify_directory(log, options);
    bar.finish_and_clear();
    let said = (
        manifest.origin.as_str(),
        manifest.published,
        manifest.root.clone(),
    );
    let holds = report.checkpoint.as_ref().is_some_and(|checkpoint| {
        said == (
            &checkpoint.origin,
            checkpoint.size,
            checkpoint.root.to_string(),
        )
    });
    if holds && report.is_proven() {
        return Ok(());
    }
    let first = report.findings.kept().first();
    let what = first.map_or_else(
        || "its checkpoint is not the one that the copy names".to_owned(),
        ToString::to_string,
    );
    Err(broken(&what))
}

/// The configuration must look for the log where it now is.
fn place_of_log(switch: &SwitchDir) -> Result<(), Failure> {
    let config = load(switch)?;
    let (named, here) = (
        fs::canonicalize(&config.log.dir),
        fs::canonicalize(switch.log()),
    );
    match (named, here) {
        (Ok(named), Ok(here)) if named == here => Ok(()),
        _ => Err(Failure::usage(format!(
            "the files are in place, but [log] dir of {} names {}; the restored log is in {}: move it there, or change the file",
            switch.config().display(),
            config.log.dir.display(),
            switch.log().display()
        ))),
    }
}

fn not_copied(error: BackupError) -> Failure {
    match error {
        BackupError::NoLog(_) => Failure::usage(error),
        BackupError::Moving(_) | BackupError::Tail(_) | BackupError::Io { .. } => {
            Failure::unavailable(error)
        }
        _ => Failure::untrusted(error),
    }
}

fn broken(what: &str) -> Failure {
    Failure::new(
        Exit::Untrusted,
        [
            format!("The copy does not hold: {what}."),
            format!("النسخة لا تصح: {what}."),
        ],
        [
            "Restore from another copy; nothing was put in place.",
            "استعد من نسخة أخرى؛ لم يوضع أي شيء في مكانه.",
        ],
    )
}

#[cfg(test)]
mod tests;
