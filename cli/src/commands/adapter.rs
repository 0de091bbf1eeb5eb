//! `mohawel adapter`: get an agency on board, serve what it offers, find out what is wrong.

use std::path::Path;

use adapters::authority::{AuthorityPlace, usual_path};
use adapters::enrol::{EnrolError, EnrolOptions, Enrolled, Invitation, enrol};
use audit::clock::Clock;
use certs::Passphrase;
use serde_json::json;

use super::agency::fingerprint;
use super::refused;
use crate::args::{Adapter, AuthorityKey};
use crate::failure::Failure;
use crate::output::Output;
use crate::passphrase;

pub mod check;
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
            authority,
            no_passphrase,
        } => {
            let invitation = invitation_text(&invitation)?;
            let agency = Invitation::parse(&invitation)
                .map_err(|error| enrolling(&error.into()))?
                .agency;
            let path = authority.authority.clone();
            let path = path.unwrap_or_else(|| usual_path(&home, &agency));
            let passphrase = (!no_passphrase)
                .then(|| passphrase_for(&path, &authority, output))
                .transpose()?;
            let options = EnrolOptions {
                home,
                invitation,
                address: None,
                system: system.to_string(),
                adapter: adapter.to_string(),
                name_ar,
                name_en,
                authority: AuthorityPlace::File { path, passphrase },
                clock: Clock::System,
            };
            let enrolled = Box::pin(enrol(options))
                .await
                .map_err(|error| enrolling(&error))?;
            print_enrolled(&enrolled, output)
        }
        Adapter::Run { home, providers } => Box::pin(serving::run(&home, &providers, output)).await,
        Adapter::Check { home } => Box::pin(check::run(&home, output)).await,
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

/// The passphrase of the authority key at `path`: a new one where no key lies yet.
fn passphrase_for(
    path: &Path,
    given: &AuthorityKey,
    output: Output,
) -> Result<Passphrase, Failure> {
    let is_new = path.symlink_metadata().is_err();
    let passphrase = match &given.passphrase_file {
        Some(file) => Passphrase::load(file).map_err(Failure::usage)?,
        None if is_new => return passphrase::ask_for_new(path, output),
        None => passphrase::ask(path, output)?,
    };
    if is_new {
        passphrase.suits_a_new_key().map_err(Failure::usage)?;
    }
    Ok(passphrase)
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
        | EnrolError::OtherAuthority(_)
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
    let key = &enrolled.authority_key;
    let path = enrolled.home.authority_path().display().to_string();
    let fingerprint = fingerprint::json(key);
    let value = json!({
        "system": system.to_string(),
        "home": home,
        "authority": path,
        "authority_kid": fingerprint["authority_kid"],
        "fingerprint": fingerprint["fingerprint"],
        "by_telephone": fingerprint["by_telephone"],
        "seal_kid": enrolled.seal_kid.to_string(),
        "agency_index": enrolled.agency_index,
        "key_index": enrolled.key_index,
        "certificate_index": enrolled.certificate_index,
    });
    output.show(&value, || {
        output.line(format!("{system} {} {home}", output.say("is on board; its keys are in", "مسجّل الآن؛ ومفاتيحه في")));
        output.line(format!("{} {path}", output.say("The agency's authority key is in", "مفتاح سلطة الجهة في")));
        for line in fingerprint::lines(key, output) {
            output.line(line);
        }
        output.line(format!("{}: {}", output.say("seal key", "مفتاح الختم"), enrolled.seal_kid));
        output.line(format!(
            "{} {}, {}, {}",
            output.say("Proved in the log at", "ثبت في السجل بالأرقام"),
            enrolled.agency_index, enrolled.key_index, enrolled.certificate_index
        ));
        output.line(output.say(
            "Read the digits to the operator over the telephone, then let the agency's administrators take the authority key and its passphrase away from this machine.",
            "اقرأ الأرقام للمشغّل هاتفيًا، ثم ليأخذ مسؤولو الجهة مفتاح السلطة وعبارة مروره بعيدًا عن هذا الجهاز.",
        ));
    })
}
