//! `mohawel audit about`: one person's record, for the counter of the data-protection authority.
//!
//! Says when, which agency asked which, for which service and purpose and by which law, and how it ended. Never which
//! clerk asked. What an agency's hold keeps back is left out of everything, and shown and counted only with `--held`,
//! which is for the authority itself and writes no page.

use std::io::Read as _;

use audit::people::{self, Consultation, Period, PersonRecord};
use proto::Code;
use proto::refusal::Language;
use serde_json::{Value, json};

use super::{now_ms, open_masters, proven, standing_json, time};
use crate::args::About;
use crate::commands::audit::{directory, given_key};
use crate::commands::new_file::NewFile;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

mod page;

/// Bytes of an id in a file or on standard input at most.
const ID_BYTES_MAX: u64 = 4_096;

/// Finds, prints, writes the page.
///
/// # Errors
/// A usage failure for an id that is none, or keys that do not open; [`crate::failure::Exit::Untrusted`] when the log
/// does not prove what was shown.
pub fn run(about: &About, output: Output) -> Result<(), Failure> {
    let dir = directory(&about.log)?;
    let id = id(&about.id)?;
    let period = Period {
        from_ms: time(about.since.as_ref())?,
        to_ms: time(about.until.as_ref())?,
    };
    let page = about.html.as_deref();
    // The page holds personal data.
    let page = page.map(|path| NewFile::at(path, 0o600)).transpose()?;
    let masters = open_masters(&about.masters, output)?;
    if masters.is_empty() {
        output.note(output.say(
            "Every epoch was destroyed: nobody can be found.",
            "أُتلفت كل الحقب: لا يمكن العثور على أحد.",
        ));
    }
    let bar = output.progress(0, "reading the log", "جارٍ قراءة السجل");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let key = given_key(&about.log)?;
    let asked_ms = now_ms();
    let person = (&about.scheme, id.as_str());
    let found = people::record(
        dir,
        key,
        Some(&mut on_progress),
        &masters,
        person,
        period,
        asked_ms,
    );
    bar.finish_and_clear();
    let mut found = found.map_err(|error| Failure::usage(format!("--id: {error}")))?;
    let held = found
        .consultations
        .iter()
        .filter(|one| one.held.is_some())
        .count();
    if !about.held {
        found.consultations.retain(|one| one.held.is_none());
    }
    let told = Told {
        found: &found,
        held: about.held.then_some(held),
        asked_ms,
    };
    output.show(&told.json(), || told.print(output))?;
    if let Some(file) = page {
        let path = file.path().display().to_string();
        let html = page::html(&found, (about.scheme.as_str(), &id), period, asked_ms);
        file.write(html.as_bytes())?;
        output.line(path);
    }
    proven(&found.files, &found.faults, output)
}

/// The id: as typed, `@FILE`, or `-` for standard input.
fn id(text: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let mut read = |input: &mut dyn std::io::Read| input.take(ID_BYTES_MAX).read_to_end(&mut bytes);
    match text.strip_prefix('@') {
        Some(path) => {
            let file = std::fs::File::open(path).and_then(|mut file| read(&mut file));
            file.map_err(|error| Failure::usage(format!("{path}: {error}")))?
        }
        None if text == "-" => read(&mut std::io::stdin().lock()).map_err(Failure::usage)?,
        None => return Ok(text.to_owned()),
    };
    String::from_utf8(bytes)
        .map(|text| text.trim().to_owned())
        .map_err(|_| Failure::usage("the id is not text"))
}

struct Told<'a> {
    found: &'a PersonRecord,
    /// How many are held, where the authority asked.
    held: Option<usize>,
    asked_ms: u64,
}

impl Told<'_> {
    fn json(&self) -> Value {
        let mut value = json!({
            "log": standing_json(&self.found.files, &self.found.faults),
            "asked_at": time_of_ms(self.asked_ms),
            "consultations": self.found.consultations.iter().map(|one| self.one(one)).collect::<Vec<_>>(),
        });
        if let Some(held) = self.held {
            value["held"] = json!(held);
        }
        value
    }

    fn one(&self, one: &Consultation) -> Value {
        let mut value = json!({
            "index": one.index,
            "closing_index": one.closing_index,
            "recorded_at": time_of_ms(one.recorded_at_us / 1_000),
            "exchange_id": one.exchange.to_string(),
            "consumer": { "id": one.consumer.id.to_string(), "name_ar": one.consumer.ar, "name_en": one.consumer.en },
            "provider": { "id": one.provider.id.to_string(), "name_ar": one.provider.ar, "name_en": one.provider.en },
            "service": { "id": one.service.id.to_string(), "name_ar": one.service.ar, "name_en": one.service.en },
            "operation": { "id": one.operation.id.to_string(), "name_ar": one.operation.ar, "name_en": one.operation.en },
            "purpose": purpose(one),
            "agreement": one.agreement.to_string(),
            "agreed_basis": one.agreed_basis,
            "outcome": one.outcome,
            "fields_asked": one.asked.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "fields_given": one.given.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "epoch": one.epoch,
        });
        if let (Some(_), Some(hold)) = (self.held, &one.held) {
            value["held"] = json!({
                "agency": hold.agency.to_string(),
                "ground": hold.ground,
                "until": time_of_ms(hold.until_ms),
            });
        }
        value
    }

    fn print(&self, output: Output) {
        let found = &self.found.consultations;
        let heading = [
            output.say("entry", "القيد"),
            output.say("when", "متى"),
            output.say("who asked", "السائل"),
            output.say("whom", "المسؤول"),
            output.say("what", "الخدمة"),
            output.say("purpose and law", "الغرض والقانون"),
            output.say("given", "ما قُدّم"),
            output.say("outcome", "النتيجة"),
        ];
        let rows = found.iter().map(|one| {
            let hold = one.held.as_ref().map(|hold| {
                let held = output.say("held until", "مؤجَّل حتى");
                format!(" [{held} {}, {}]", time_of_ms(hold.until_ms), hold.ground)
            });
            [
                one.index.to_string(),
                time_of_ms(one.recorded_at_us / 1_000),
                shown(
                    &one.consumer.id,
                    (&one.consumer.ar, &one.consumer.en),
                    output,
                ),
                shown(
                    &one.provider.id,
                    (&one.provider.ar, &one.provider.en),
                    output,
                ),
                format!("{} {}", one.service.id.service(), one.operation.id),
                law(one, output.language),
                given(one),
                outcome(one, output.language) + &hold.unwrap_or_default(),
            ]
        });
        output.table(heading, rows);
        let count = found.len();
        output.line(format!(
            "{} {count}",
            output.say("exchanges about this person:", "التبادلات عن هذا الشخص:")
        ));
        if let Some(held) = self.held {
            output.line(format!(
                "{} {held}",
                output.say(
                    "of these the person is not told yet:",
                    "منها ما لا يُطلع عليه الشخص بعد:"
                )
            ));
        }
    }
}

fn purpose(one: &Consultation) -> Value {
    let texts = one.purpose_texts.as_ref();
    json!({
        "code": one.purpose.to_string(),
        "name_ar": texts.map(|texts| &texts.name_ar),
        "name_en": texts.map(|texts| &texts.name_en),
        "legal_basis_ar": texts.map(|texts| &texts.legal_basis_ar),
        "legal_basis_en": texts.map(|texts| &texts.legal_basis_en),
    })
}

/// An id with the name that the reader's language has for it.
fn shown(id: &impl ToString, (ar, en): (&str, &str), output: Output) -> String {
    match (output.say(en, ar), id.to_string()) {
        ("", id) => id,
        (name, id) => format!("{name} ({id})"),
    }
}

/// Purpose and legal basis in one language: the catalogue's, or else the agreement's.
fn law(one: &Consultation, language: Language) -> String {
    let texts = one.purpose_texts.as_ref().map(|texts| match language {
        Language::English => (texts.name_en.as_str(), texts.legal_basis_en.as_str()),
        Language::Arabic => (texts.name_ar.as_str(), texts.legal_basis_ar.as_str()),
    });
    let (name, basis) = texts.unwrap_or_default();
    let name = if name.is_empty() {
        one.purpose.as_str()
    } else {
        name
    };
    let basis = if basis.is_empty() {
        one.agreed_basis.as_str()
    } else {
        basis
    };
    match basis {
        "" => name.to_owned(),
        basis => format!("{name}: {basis}"),
    }
}

fn given(one: &Consultation) -> String {
    let fields: Vec<_> = one.given.iter().map(ToString::to_string).collect();
    fields.join(", ")
}

/// How it ended, in words of one language.
fn outcome(one: &Consultation, language: Language) -> String {
    let say = |en: &'static str, ar: &'static str| match language {
        Language::English => en,
        Language::Arabic => ar,
    };
    let told = match one.outcome.as_str() {
        "" => say("not ended yet", "لم ينته بعد"),
        "answered" if one.given.is_empty() => {
            say("answered: nothing was given", "أُجيب دون تقديم بيانات")
        }
        "answered" => say("answered", "أُجيب"),
        // The closing entry is another one than the request's where the request went through.
        _ if one.closing_index != Some(one.index) => say("no answer", "بلا إجابة"),
        code => match Code::parse(code) {
            Some(code) => code.sentence(language),
            None => code,
        },
    };
    told.to_owned()
}
