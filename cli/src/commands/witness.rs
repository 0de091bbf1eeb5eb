//! `mohawel witness`: a witness for logs that others run (C2SP tlog-witness), for an audit office or an agency.
//!
//! Takes a folder with a key, a configuration and a memory; answers `add-checkpoint` over HTTP. What it decides stands in
//! [`audit::witness`]. Never makes a memory at a start: one that is missing was lost.

use std::path::Path;
use std::sync::Arc;

use audit::checkpoint::LogKey;
use audit::clock::Clock;
use audit::cosignature::WitnessKey;
use audit::witness::{self, WitnessError};
use broker::switch::LogKeyFile;
use certs::SealKeyFile;
use certs::keys::SealAlgorithm;
use proto::key::Signer;
use serde_json::json;
use tokio::net::TcpListener;

use super::signal::{Stop, start_telemetry};
use super::switch_dir::in_file;
use crate::args::Witness;
use crate::failure::{Exit, Failure};
use crate::output::{Output, isolated, time_of_ms};

mod dir;
mod serve;
#[cfg(test)]
mod tests;

pub use dir::{File, WitnessDir};
pub use serve::{Served, serve};

/// Runs one of the witness commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(command: Witness, output: Output) -> Result<(), Failure> {
    match command {
        Witness::Init {
            dir,
            name,
            listen,
            log,
        } => {
            let logs = log
                .iter()
                .map(|text| key_of(text))
                .collect::<Result<Vec<_>, _>>()?;
            let file = File::new(name, listen, &logs);
            let key = init(&WitnessDir::new(&dir), &file, &logs)?;
            made(&key, &file, output)
        }
        Witness::Add { dir, log } => {
            let dir = WitnessDir::new(&dir);
            let log = key_of(&log)?;
            add(&dir, &log)?;
            let value = json!({ "origin": log.origin(), "vkey": log.to_vkey() });
            output.show(&value, || {
                output.line(format!(
                    "{} {}",
                    output.say(
                        "from its next start on it cosigns",
                        "من تشغيله القادم سيشهد على"
                    ),
                    isolated(log.origin())
                ));
            })
        }
        Witness::Status { dir } => status(&WitnessDir::new(&dir), output),
        Witness::Run { dir } => serve_until_told(&WitnessDir::new(&dir), output).await,
    }
}

/// Makes a witness.
///
/// # Errors
/// A usage failure for a folder that is not empty, a name that cannot name a witness, or one log twice.
pub fn init(dir: &WitnessDir, file: &File, logs: &[LogKey]) -> Result<WitnessKey, Failure> {
    dir.must_be_empty()?;
    let seal = SealKeyFile::generate(SealAlgorithm::Ed25519).map_err(Failure::unavailable)?;
    let signer = LogKeyFile::new(seal).map_err(Failure::unavailable)?;
    // Before anything is written: is the name one?
    let key = WitnessKey::new(&file.name, signer.key()).map_err(Failure::usage)?;
    signer
        .save(&dir.key())
        .map_err(|error| in_file(&dir.key(), error))?;
    let vkey = format!("{}\n", key.to_vkey());
    certs::key_files::replace_public(&dir.vkey(), vkey.as_bytes()).map_err(Failure::unavailable)?;
    std::fs::create_dir_all(dir.memory()).map_err(|error| in_file(&dir.memory(), error))?;
    for log in logs {
        witness::adopt(&dir.memory(), log.origin()).map_err(Failure::usage)?;
    }
    // Last: a folder that was cut short is never taken for a witness.
    dir.write(file)?;
    Ok(key)
}

/// Adds one log.
///
/// # Errors
/// A usage failure when the witness knows the log already, or has a memory of it.
pub fn add(dir: &WitnessDir, log: &LogKey) -> Result<(), Failure> {
    let mut file = dir.read()?;
    if file.logs()?.iter().any(|known| known == log) {
        return Err(Failure::new(
            Exit::Usage,
            [
                format!("{} is a log of this witness already", log.origin()),
                format!("السجل {} معروف لهذا الشاهد", isolated(log.origin())),
            ],
            [
                "Nothing was changed. A memory that is missing is never begun anew for a log that was cosigned: see docs/operating.md.",
                "لم يتغيّر شيء. ولا تُبدأ ذاكرة جديدة لسجل سبقت الشهادة عليه: راجع docs/operating.md.",
            ],
        ));
    }
    // A second key of a log that it knows shares its memory.
    if !file
        .logs()?
        .iter()
        .any(|known| known.origin() == log.origin())
    {
        witness::adopt(&dir.memory(), log.origin()).map_err(Failure::usage)?;
    }
    file.push(log);
    dir.write(&file)
}

/// A log's key as given: vkey text or @FILE.
fn key_of(text: &str) -> Result<LogKey, Failure> {
    let text = match text.strip_prefix('@') {
        Some(path) => {
            std::fs::read_to_string(path).map_err(|error| in_file(Path::new(path), error))?
        }
        None => text.to_owned(),
    };
    LogKey::from_vkey(&text).map_err(Failure::usage)
}

/// Says what others need to know of a new witness.
fn made(key: &WitnessKey, file: &File, output: Output) -> Result<(), Failure> {
    let label = key.name().rsplit('/').next().unwrap_or_default();
    let line = format!("witness {label} {} http://{}", key.to_vkey(), file.listen);
    let value = json!({ "name": key.name(), "vkey": key.to_vkey(), "policy_line": line });
    output.show(&value, || {
        output.line(format!(
            "{}: {}",
            output.say("key of this witness", "مفتاح هذا الشاهد"),
            key.to_vkey()
        ));
        output.line(output.say(
            "line for the policies of those who trust it (with the address at which they reach it):",
            "السطر الذي يوضع في سياسات من يثقون به (بالعنوان الذي يصلون إليه منه):",
        ));
        output.line(format!("  {line}"));
    })
}

/// The witness of a folder.
///
/// # Errors
/// A usage failure for its configuration or key; [`Exit::Untrusted`] for a memory that is gone or damaged.
pub fn open(dir: &WitnessDir) -> Result<witness::Witness, Failure> {
    let file = dir.read()?;
    let logs = file
        .logs()
        .map_err(|failure| in_file(&dir.config(), &failure.what[0]))?;
    let signer = LogKeyFile::load(&dir.key()).map_err(|error| in_file(&dir.key(), error))?;
    witness::Witness::open(&dir.memory(), &file.name, Arc::new(signer), &logs).map_err(|error| {
        let exit = match &error {
            WitnessError::Key(_) => Exit::Usage,
            WitnessError::Memory(
                witness::MemoryError::InUse(_) | witness::MemoryError::Io { .. },
            ) => Exit::Unavailable,
            WitnessError::Memory(_) => Exit::Untrusted,
        };
        Failure::new(
            exit,
            [
                format!("The witness does not start: {error}"),
                format!("لا يمكن تشغيل الشاهد: {error}"),
            ],
            [
                "docs/operating.md, \"Be a witness\", says what to do.",
                "راجع قسم «Be a witness» في docs/operating.md.",
            ],
        )
    })
}

async fn serve_until_told(dir: &WitnessDir, output: Output) -> Result<(), Failure> {
    start_telemetry()?;
    let stop = Stop::listen()?;
    let witness = Arc::new(open(dir)?);
    let listen = dir.read()?.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        let what = format!("{listen}: {error}");
        Failure::new(
            Exit::Unavailable,
            [
                format!("cannot listen at {what}"),
                format!("تعذّر الاستماع على {what}"),
            ],
            [
                "See who listens there already, or change listen in witness.toml.",
                "تحقق ممن يستمع هناك أو غيّر listen في witness.toml.",
            ],
        )
    })?;
    let served =
        serve(listener, Arc::clone(&witness), Clock::System).map_err(Failure::unavailable)?;
    let value = json!({ "listening": served.address.to_string(), "vkey": witness.key().to_vkey() });
    if output.json {
        output.json_line(&value)?;
    }
    // Scripts wait for this line: it is the same in every language.
    output.line(format!("listening witness {}", served.address));
    stop.wait().await;
    output.note(output.say("stopping", "جارٍ الإيقاف"));
    served.end().await;
    Ok(())
}

fn status(dir: &WitnessDir, output: Output) -> Result<(), Failure> {
    let file = dir.read()?;
    let key = dir.public_key()?;
    let mut origins: Vec<_> = file
        .logs()?
        .iter()
        .map(|log| log.origin().to_owned())
        .collect();
    origins.dedup();
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    for origin in origins {
        match witness::look(&dir.memory(), &origin, &key) {
            Ok((last, evidence)) => rows.push((origin, last, evidence)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let logs: Vec<_> = rows
        .iter()
        .map(|(origin, last, evidence)| {
            json!({
                "origin": origin,
                "size": last.as_ref().map(|last| last.checkpoint.size),
                "root": last.as_ref().map(|last| last.checkpoint.root.to_string()),
                "cosigned_at": last.as_ref().map(|last| time_of_ms(last.time_s.saturating_mul(1_000))),
                "evidence": evidence,
            })
        })
        .collect();
    let value = json!({ "vkey": key.to_vkey(), "listen": file.listen.to_string(), "logs": logs, "problems": problems });
    output.show(&value, || {
        output.line(key.to_vkey());
        let heading = [
            output.say("log", "السجل"),
            output.say("entries", "القيود"),
            output.say("cosigned at", "وقت الشهادة"),
            output.say("evidence kept", "أدلة محفوظة"),
        ];
        output.table(
            heading,
            rows.iter().map(|(origin, last, evidence)| {
                let never = || output.say("never", "لم يحدث").to_owned();
                [
                    origin.clone(),
                    last.as_ref()
                        .map_or_else(never, |last| last.checkpoint.size.to_string()),
                    last.as_ref()
                        .map_or_else(never, |last| time_of_ms(last.time_s.saturating_mul(1_000))),
                    evidence.to_string(),
                ]
            }),
        );
    })?;
    let kept: usize = rows.iter().map(|(.., evidence)| evidence).sum();
    if let Some(problem) = problems.first() {
        return Err(Failure::untrusted(problem));
    }
    if kept > 0 {
        return Err(Failure::new(
            Exit::Found,
            [
                format!("{kept} signed checkpoint(s) did not extend what this witness cosigned."),
                format!("عدد نقاط التحقق الموقّعة التي لا تمتد مما شهد عليه هذا الشاهد: {kept}."),
            ],
            [
                "They are kept under memory/evidence. Two signed trees of one size convict the log's operator; anything else may also be somebody's wrong proof.",
                "حُفظت في memory/evidence. شجرتان موقّعتان بالحجم نفسه تدينان مشغّل السجل، وما عدا ذلك قد يكون إثباتًا خاطئًا من طرف ما.",
            ],
        ));
    }
    Ok(())
}
