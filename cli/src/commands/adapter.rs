//! `mohawel adapter`: get an agency on board, serve what it offers, find out what is wrong.

use std::path::Path;

use adapters::authority::{AuthorityPlace, usual_path};
use adapters::enrol::{ApplyOptions, EnrolError, EnrolOptions, Enrolled, Invitation, apply, enrol};
use audit::clock::Clock;
use certs::Passphrase;
use proto::id::AgencyId;
use serde_json::json;

use super::agency::fingerprint;
use super::{doctor, refused};
use crate::args::{Adapter, Apply, AuthorityKey, Enrol};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::passphrase;

pub mod alarms;
pub mod encryption_key;
pub mod erase;
pub mod receipts;
pub mod serving;

/// Runs one of the adapter commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(adapter: Adapter, output: Output) -> Result<(), Failure> {
    match adapter {
        Adapter::Enrol(enrol) => Box::pin(enrol_agency(enrol, output)).await,
        Adapter::Apply(apply) => Box::pin(apply_to_join(apply, output)).await,
        Adapter::Run { home, providers } => Box::pin(serving::run(&home, &providers, output)).await,
        Adapter::Receipts(args) => receipts::run(&args, output),
        Adapter::Erase(args) => Box::pin(erase::run(args, output)).await,
        Adapter::Alarms(args) => alarms::run(&args, output),
        Adapter::EncryptionKey(args) => Box::pin(encryption_key::run(&args, output)).await,
        Adapter::Check { home } => Box::pin(doctor::run_agency(&home, None, output)).await,
    }
}

async fn enrol_agency(args: Enrol, output: Output) -> Result<(), Failure> {
    let Some(invitation) = args.invitation else {
        return enrol_applicant(args, output).await;
    };
    let invitation = text_or_file(&invitation)?;
    let agency = Invitation::parse(&invitation)
        .map_err(|error| enrolling(&error.into()))?
        .agency;
    let needed = |name: &str, value: Option<String>| {
        value.ok_or_else(|| Failure::usage(format!("with an invitation, --{name} is needed")))
    };
    let authority = place(
        &args.home,
        &agency,
        &args.authority,
        args.no_passphrase,
        output,
    )?;
    let options = EnrolOptions {
        home: args.home,
        invitation,
        address: None,
        system: needed("system", args.system.map(|system| system.to_string()))?,
        adapter: args.adapter.to_string(),
        name_ar: needed("name-ar", args.name_ar)?,
        name_en: needed("name-en", args.name_en)?,
        authority,
        clock: Clock::System,
    };
    let enrolled = Box::pin(enrol(options))
        .await
        .map_err(|error| enrolling(&error))?;
    print_enrolled(&enrolled, output)
}

/// Enrols with the home's approved application.
async fn enrol_applicant(args: Enrol, output: Output) -> Result<(), Failure> {
    let agency = apply::applied_for(&args.home)
        .map_err(|error| enrolling(&error))?
        .ok_or_else(|| {
            Failure::usage(
                "give the operator's invitation, or apply first with `mohawel adapter apply`",
            )
        })?;
    // How it stands is asked before the passphrase is.
    let standing = apply::standing(&args.home, &Clock::System)
        .await
        .map_err(|error| enrolling(&error))?;
    if !matches!(
        standing,
        apply::Standing::Approved(_) | apply::Standing::Enrolled
    ) {
        return Err(enrolling(&EnrolError::NotDecided(standing)));
    }
    let authority = place(
        &args.home,
        &agency,
        &args.authority,
        args.no_passphrase,
        output,
    )?;
    let enrolled = Box::pin(apply::enrol_approved(&args.home, authority, Clock::System))
        .await
        .map_err(|error| enrolling(&error))?;
    print_enrolled(&enrolled, output)
}

async fn apply_to_join(args: Apply, output: Output) -> Result<(), Failure> {
    let card = text_or_file(&args.card)?;
    let authority = place(
        &args.home,
        &args.agency,
        &args.authority,
        args.no_passphrase,
        output,
    )?;
    let applied = Box::pin(adapters::enrol::apply(ApplyOptions {
        home: args.home.clone(),
        card,
        agency: args.agency,
        system: args.system,
        adapter: args.adapter,
        name_ar: args.name_ar,
        name_en: args.name_en,
        contact: args.contact,
        authority,
        clock: Clock::System,
    }))
    .await
    .map_err(|error| enrolling(&error))?;
    let mut value = fingerprint::json(&applied.authority_key);
    value["application"] = json!(applied.id.to_string());
    value["index"] = json!(applied.index);
    output.show(&value, || {
        output.line(format!(
            "{} {} ({} {})",
            output.say("Applied:", "قُدّم الطلب:"),
            applied.id.short(),
            output.say("entry", "القيد"),
            applied.index
        ));
        for line in fingerprint::lines(&applied.authority_key, output) {
            output.line(line);
        }
        output.line(format!(
            "{}: mohawel adapter enrol --home {}",
            output.say(
                "Read the digits to the operator over the telephone. Once approved",
                "اقرأ الأرقام للمشغّل هاتفيًا. وبعد الاعتماد"
            ),
            args.home.display()
        ));
    })
}

/// Where the agency's authority key is made or lies, with its passphrase.
fn place(
    home: &Path,
    agency: &AgencyId,
    given: &AuthorityKey,
    no_passphrase: bool,
    output: Output,
) -> Result<AuthorityPlace, Failure> {
    let path = given
        .authority
        .clone()
        .unwrap_or_else(|| usual_path(home, agency));
    let passphrase = (!no_passphrase)
        .then(|| passphrase_for(&path, given, output))
        .transpose()?;
    Ok(AuthorityPlace::File { path, passphrase })
}

/// The text itself, or the file's after `@`.
///
/// # Errors
/// A usage failure for a file that cannot be read.
pub fn text_or_file(text: &str) -> Result<String, Failure> {
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
        EnrolError::NotDecided(_) => Failure {
            exit: Exit::Refused,
            ..Failure::usage(error)
        },
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
        | EnrolError::NoApplication(_)
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
