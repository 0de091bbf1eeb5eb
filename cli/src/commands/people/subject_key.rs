//! `mohawel audit subject-key`: the data-protection authority makes, hands out, renews and destroys the secrets behind
//! the pseudonyms of persons. The switch has no part in it.

use std::path::{Path, PathBuf};

use adapters::subjects::KeyFile;
use certs::Passphrase;
use proto::act::{Erased, Erasure};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::id::Part;
use proto::limits::label;
use proto::refusal::Language;
use serde_json::{Value, json};

use super::epochs::{Epoch, Epochs};
use super::{now_ms, oversee, time};
use crate::args::{AuthorityKey, Begins, Masters, SubjectKey};
use crate::commands::act;
use crate::failure::{Exit, Failure};
use crate::output::{Output, isolated, time_of_ms};
use crate::passphrase;

const HOUR_MS: u64 = 3_600_000;

/// Runs one of the subject-key commands.
///
/// # Errors
/// What the command cannot do.
pub fn run(command: SubjectKey, output: Output) -> Result<(), Failure> {
    match command {
        SubjectKey::New { masters, begins } => new(&masters, &begins, output),
        SubjectKey::Derive {
            masters,
            agreement,
            epoch,
            output: file,
        } => derive(&masters, agreement, epoch, file, output),
        SubjectKey::Rotate {
            masters,
            begins,
            out,
        } => rotate(&masters, &begins, out.as_deref(), output),
        SubjectKey::List { dir } => list(&dir, output),
        SubjectKey::Destroy {
            dir,
            epoch,
            yes,
            home,
            ground,
            authority,
        } => {
            let recording = home.map(|home| Recording {
                home,
                ground,
                authority,
            });
            destroy(&dir, epoch, yes, recording, output)
        }
    }
}

fn new(masters: &Masters, begins: &Begins, output: Output) -> Result<(), Failure> {
    let mut epochs = Epochs::found(&masters.dir)?;
    let passphrase = match &masters.passphrase_file {
        Some(file) => Passphrase::load(file).map_err(Failure::usage)?,
        None => passphrase::ask_for_new(&epochs.master_path(1), output)?,
    };
    passphrase.suits_a_new_key().map_err(Failure::usage)?;
    begin(&mut epochs, begins, &passphrase)?;
    told(&epochs, &[], output)
}

fn rotate(
    masters: &Masters,
    begins: &Begins,
    out: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    let mut epochs = Epochs::open(&masters.dir)?;
    let before: Vec<_> = epochs.newest()?.derived.iter().copied().collect();
    let passphrase = epochs.passphrase(masters.passphrase_file.as_deref(), output)?;
    passphrase.suits_a_new_key().map_err(Failure::usage)?;
    begin(&mut epochs, begins, &passphrase)?;
    let number = epochs.newest()?.number;
    let mut written = Vec::new();
    if let Some(out) = out {
        for agreement in before {
            let file = epochs.derive(number, agreement, &passphrase)?;
            let path = out.join(file.file_name());
            file.save(&path).map_err(Failure::usage)?;
            written.push(path);
        }
    }
    told(&epochs, &written, output)
}

fn begin(epochs: &mut Epochs, begins: &Begins, passphrase: &Passphrase) -> Result<(), Failure> {
    let from_ms = time(begins.from.as_ref())?.unwrap_or_else(now_ms);
    let overlap_ms = u64::from(begins.overlap_hours) * HOUR_MS;
    epochs.begin(from_ms, overlap_ms, passphrase)
}

/// What began, and what to do with it.
fn told(epochs: &Epochs, written: &[PathBuf], output: Output) -> Result<(), Failure> {
    let newest = epochs.newest()?;
    let mut value = epoch_json(newest);
    value["key_files"] = json!(
        written
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
    );
    output.show(&value, || {
        let (number, from) = (newest.number, time_of_ms(newest.from_ms));
        output.line(match output.language {
            Language::English => format!("Epoch {number} begins at {from}."),
            Language::Arabic => format!("تبدأ الحقبة {number} في {}.", isolated(from)),
        });
        for path in written {
            output.line(path.display().to_string());
        }
        output.line(output.say(
            "Give both parties of an agreement its key file before that time, the asking one first: a provider that has it refuses who names nobody.",
            "سلّم طرفي كل اتفاقية ملف مفتاحها قبل ذلك الموعد، والجهة السائلة أولًا: فالمزوّد الذي لديه المفتاح يرفض من لا يذكر أحدًا.",
        ));
    })
}

fn derive(
    masters: &Masters,
    agreement: Digest,
    epoch: Option<u32>,
    to: Option<PathBuf>,
    output: Output,
) -> Result<(), Failure> {
    let mut epochs = Epochs::open(&masters.dir)?;
    let number = match epoch {
        Some(number) => epochs.epoch(number)?.number,
        None => epochs.newest()?.number,
    };
    let passphrase = epochs.passphrase(masters.passphrase_file.as_deref(), output)?;
    let file: KeyFile = epochs.derive(number, agreement, &passphrase)?;
    let path = to.unwrap_or_else(|| PathBuf::from(file.file_name()));
    file.save(&path).map_err(Failure::usage)?;
    let value = json!({
        "agreement": agreement.to_string(),
        "epoch": number,
        "from": time_of_ms(file.from_ms),
        "key_file": path.display().to_string(),
    });
    output.show(&value, || {
        output.line(path.display().to_string());
        output.line(output.say(
            "For the two parties of this agreement and nobody else: each puts it into its home's subjects folder, the asking one first.",
            "لطرفي هذه الاتفاقية وحدهما: يضعه كل منهما في مجلد subjects بمجلد موصّله، والجهة السائلة أولًا.",
        ));
    })
}

fn list(dir: &Path, output: Output) -> Result<(), Failure> {
    let epochs = Epochs::open(dir)?;
    let value: Vec<Value> = epochs.list.iter().map(epoch_json).collect();
    output.show(&value, || {
        let heading = [
            output.say("epoch", "الحقبة"),
            output.say("from", "من"),
            output.say("agreements with a key", "اتفاقيات لها مفتاح"),
            output.say("state", "الحالة"),
        ];
        let rows = epochs.list.iter().map(|epoch| {
            let state = match epoch.destroyed_at_ms {
                Some(at) => format!("{} {}", output.say("destroyed", "أُتلفت"), time_of_ms(at)),
                None => output.say("kept", "محفوظة").to_owned(),
            };
            [
                epoch.number.to_string(),
                time_of_ms(epoch.from_ms),
                epoch.derived.len().to_string(),
                state,
            ]
        });
        output.table(heading, rows);
    })
}

fn epoch_json(epoch: &Epoch) -> Value {
    json!({
        "epoch": epoch.number,
        "from": time_of_ms(epoch.from_ms),
        "overlap_ms": epoch.overlap_ms,
        "agreements": epoch.derived.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "destroyed_at": epoch.destroyed_at_ms.map(time_of_ms),
    })
}

/// How the destruction becomes an entry of the log.
struct Recording {
    home: PathBuf,
    ground: Part,
    authority: AuthorityKey,
}

fn destroy(
    dir: &Path,
    number: u32,
    yes: bool,
    recording: Option<Recording>,
    output: Output,
) -> Result<(), Failure> {
    let mut epochs = Epochs::open(dir)?;
    let epoch = epochs.epoch(number)?.clone();
    let next = epochs.list.iter().find(|later| later.number == number + 1);
    let Some(until_ms) = next.map(|next| next.from_ms.saturating_add(next.overlap_ms)) else {
        return Err(Failure::new(
            Exit::Usage,
            [
                format!("Epoch {number} is the newest one; nothing was destroyed"),
                format!("الحقبة {number} هي الأحدث؛ ولم يُتلف شيء"),
            ],
            [
                "Begin the next one first: `mohawel audit subject-key rotate`.",
                "ابدأ التالية أولًا: mohawel audit subject-key rotate.",
            ],
        ));
    };
    let lost = Lost { epoch, until_ms };
    if !yes {
        return Err(lost.unconfirmed());
    }
    let mut recorded = None;
    match recording {
        // Whoever wants it recorded is told before anything is destroyed that it cannot be.
        Some(recording) => crate::block_on(async {
            let destroy = || epochs.destroy(number, now_ms());
            recorded = Some(lost.record(recording, output, destroy).await?);
            Ok(())
        })?,
        None => epochs.destroy(number, now_ms())?,
    }
    let mut value = epoch_json(epochs.epoch(number)?);
    value["index"] = json!(recorded);
    output.show(&value, || lost.told(recorded, output))
}

/// What goes with an epoch's master.
struct Lost {
    epoch: Epoch,
    /// When the last pseudonym of this epoch was accepted.
    until_ms: u64,
}

impl Lost {
    fn unconfirmed(&self) -> Failure {
        let (number, from, until) = self.parts();
        let (from_ar, until_ar) = (isolated(&from), isolated(&until));
        Failure::new(
            Exit::Usage,
            [
                format!(
                    "Nothing was destroyed. After it nobody can be found in exchanges of epoch {number}, from {from} to {until}; no copy and no court brings that back"
                ),
                format!(
                    "لم يُتلف شيء. وبعد الإتلاف لا يمكن العثور على أحد في تبادلات الحقبة {number} من {from_ar} إلى {until_ar}، ولا تعيد ذلك نسخة ولا محكمة"
                ),
            ],
            [
                "If that is what the law asks for, run the command again with --yes.",
                "إن كان هذا ما يطلبه القانون فأعد تشغيل الأمر مع ‎--yes‎.",
            ],
        )
    }

    fn parts(&self) -> (u32, String, String) {
        let Self { epoch, until_ms } = self;
        (
            epoch.number,
            time_of_ms(epoch.from_ms),
            time_of_ms(*until_ms),
        )
    }

    /// Destroys, then has it recorded. Everything that recording needs is there before.
    async fn record(
        &self,
        recording: Recording,
        output: Output,
        destroy: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let authority = act::authority(&recording.home, &recording.authority, output)?;
        let adapter = act::connect(&recording.home).await?;
        destroy()?;
        let erasure = Erasure {
            agency: adapter.home().system().agency(),
            erased: Erased::SubjectKeys(vec![self.epoch.number]),
            ground: recording.ground,
            issued_at_ms: now_ms(),
        };
        let what = (Kind::Erasure, label::ERASURE);
        let submitted = oversee::submit(&adapter, &authority, what, erasure.encode()).await;
        let receipt = submitted.inspect_err(|_| {
            output.note(output.say(
                "The master is destroyed and that is not recorded yet: run the command again.",
                "أُتلف المفتاح الأصل ولم يُسجَّل ذلك بعد: أعد تشغيل الأمر.",
            ));
        })?;
        Ok(receipt.index)
    }

    fn told(&self, recorded: Option<u64>, output: Output) {
        let (number, from, until) = self.parts();
        let agreements = self.epoch.derived.len();
        let english = output.language == Language::English;
        output.line(match english {
            true => format!("The master of epoch {number} is destroyed: nobody can be found any more in exchanges from {from} to {until} that were named under it."),
            false => format!("أُتلف المفتاح الأصل للحقبة {number}: لم يعد ممكنًا العثور على أحد في التبادلات من {} إلى {} المسمّاة به.", isolated(&from), isolated(&until)),
        });
        output.line(match english {
            true => format!("Left to do: destroy every backup of its file; the parties of {agreements} agreement(s) delete their key files of epoch {number}, with which each can still find its own."),
            false => format!("بقي: إتلاف كل نسخة احتياطية من ملفه؛ وأن يحذف أطراف {agreements} من الاتفاقيات ملفات مفاتيح الحقبة {number}، إذ يمكن لكل منهم أن يجد بها ما يخصه."),
        });
        for agreement in &self.epoch.derived {
            output.line(format!("  {agreement}"));
        }
        output.line(match (recorded, english) {
            (Some(index), true) => format!("It is recorded as entry {index}."),
            (Some(index), false) => format!("سُجّل ذلك في القيد {index}."),
            (None, true) => "It is not recorded. Where the authority is an agency of the switch, run the command again with --home.".to_owned(),
            (None, false) => "لم يُسجَّل ذلك. وحيث تكون السلطة جهةً على المحوِّل أعد تشغيل الأمر مع ‎--home‎.".to_owned(),
        });
    }
}
