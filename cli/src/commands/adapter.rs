//! `mohawel adapter`: get an agency on board, serve what it offers, find out what is wrong.

use std::path::Path;

use adapters::enrol::{EnrolError, EnrolOptions, Enrolled, enrol};
use audit::clock::Clock;
use serde_json::json;

use super::{doctor, refused};
use crate::args::Adapter;
use crate::failure::Failure;
use crate::output::Output;

pub mod renewal;
pub mod serving;

/// Runs one of the adapter commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(adapter: Adapter, output: Output) -> Result<(), Failure> {
    match adapter {
        Adapter::Enrol {
            invitation,
            home,
            system,
            adapter,
            name_ar,
            name_en,
        } => {
            let options = EnrolOptions {
                home,
                invitation: invitation_text(&invitation)?,
                address: None,
                system: system.to_string(),
                adapter: adapter.to_string(),
                name_ar,
                name_en,
                clock: Clock::System,
            };
            let enrolled = Box::pin(enrol(options))
                .await
                .map_err(|error| enrolling(&error))?;
            print_enrolled(&enrolled, output)
        }
        Adapter::Run { home, providers } => Box::pin(serving::run(&home, &providers, output)).await,
        Adapter::Check { home } => Box::pin(doctor::run_agency(&home, None, output)).await,
    }
}

/// The invitation's text, or the file's after `@`.
fn invitation_text(text: &str) -> Result<String, Failure> {
    match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(Path::new(path))
            .map_err(|error| Failure::usage(format!("{path}: {error}"))),
        None => Ok(text.to_owned()),
    }
}

/// Why an agency is not on board, with the exit code that fits.
pub fn enrolling(error: &EnrolError) -> Failure {
    match error {
        EnrolError::Switch(status) => refused::failure(status),
        EnrolError::OtherSwitch(_)
        | EnrolError::Certificate(_)
        | EnrolError::Receipts
        | EnrolError::Receipt(_)
        | EnrolError::Proof(_) => Failure::untrusted(error),
        EnrolError::Seal(_) | EnrolError::Request(_) => Failure::unavailable(error),
        EnrolError::Invitation(_)
        | EnrolError::Expired
        | EnrolError::Name(_)
        | EnrolError::DisplayName
        | EnrolError::OtherAgency { .. }
        | EnrolError::Already(_)
        | EnrolError::OtherHome(_)
        | EnrolError::Pending(_)
        | EnrolError::Connection(_)
        | EnrolError::Home(_)
        | EnrolError::Config(_)
        | EnrolError::File(_) => Failure::usage(error),
    }
}

fn print_enrolled(enrolled: &Enrolled, output: Output) -> Result<(), Failure> {
    let home = enrolled.home.dir().display().to_string();
    let system = enrolled.home.system();
    let value = json!({
        "system": system.to_string(),
        "home": home,
        "authority_kid": enrolled.authority_kid.to_string(),
        "seal_kid": enrolled.seal_kid.to_string(),
        "agency_index": enrolled.agency_index,
        "key_index": enrolled.key_index,
        "certificate_index": enrolled.certificate_index,
    });
    output.show(&value, || {
        output.line(format!("{system} {} {home}", output.say("is on board; its keys are in", "مسجّل الآن؛ ومفاتيحه في")));
        output.line(format!("{}: {}", output.say("authority key", "مفتاح السلطة"), enrolled.authority_kid));
        output.line(format!("{}: {}", output.say("seal key", "مفتاح الختم"), enrolled.seal_kid));
        output.line(format!(
            "{} {}, {}, {}",
            output.say("Proved in the log at", "ثبت في السجل بالأرقام"),
            enrolled.agency_index, enrolled.key_index, enrolled.certificate_index
        ));
        output.line(output.say(
            "Read the authority key's digest to the operator over the telephone, then move authority/ to the agency's administrators.",
            "اقرأ بصمة مفتاح السلطة للمشغّل هاتفيًا، ثم انقل مجلد authority/ إلى مسؤولي الجهة.",
        ));
    })
}
