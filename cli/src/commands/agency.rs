//! `mohawel agency`: invite one, list all, show one, print the fingerprint of its authority key.

use std::time::Duration;

use adapters::enrol::{Invitation, SwitchCard};
use audit::clock::Clock;
use audit::receipt::Receipt;
use proto::act;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::id::AgencyId;
use proto::limits::label;
use proto::registry::{Agency as Record, InvitationRecord, Registry};
use proto::seal::Seal;
use serde_json::{Value, json};

use super::new_file::NewFile;
use super::operate::membership;
use super::operator::Operator;
use super::people;
use super::registry;
use super::switch_dir::SwitchDir;
use crate::args::Agency;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

pub mod authority;
pub mod fingerprint;
mod shown;

/// The longest that an invitation may be good for: thirty days.
pub const LIFE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Runs one of the agency commands.
///
/// # Errors
/// What the command cannot do.
pub async fn run(agency: Agency, output: Output) -> Result<(), Failure> {
    match agency {
        Agency::Invite {
            agency,
            switch,
            hours,
            output: file,
        } => {
            // Before anything is recorded: an invitation whose file cannot be written would be lost.
            let file = file.as_deref().map(|path| NewFile::at(path, 0o600));
            let file = file.transpose()?;
            let operator = Operator::open(&SwitchDir::new(switch), &Clock::System)?;
            let life = Duration::from_secs(u64::from(hours) * 3600);
            let invited = invite(&operator, &agency, life, &Clock::System).await?;
            hand_over(&invited, file, output)
        }
        Agency::Membership(membership) => membership::run(membership, output).await,
        Agency::Card { switch } => card(&SwitchDir::new(switch), output),
        Agency::List(source) => list(&*registry::read(&source).await?, output),
        Agency::Show { agency, source } => {
            shown::show(&*registry::read(&source).await?, &agency, output)
        }
        Agency::NewAuthority {
            home,
            key,
            output: to,
        } => authority::request(&home, &key.into(), &to, output),
        Agency::RotateAuthority {
            home,
            authority: present,
            key,
        } => authority::rotate(&home, &present, &key.into(), output).await,
        Agency::Object {
            home,
            authority: present,
        } => authority::object(&home, &present, output).await,
        Agency::Hold(hold) => people::hold::run(hold, output).await,
        Agency::Fingerprint { home, authority } => {
            fingerprint::run(home.as_deref(), &authority, output)
        }
    }
}

fn card(switch: &SwitchDir, output: Output) -> Result<(), Failure> {
    let operator = Operator::open(switch, &Clock::System)?;
    let card = SwitchCard {
        root_sha256: proto::Digest::of(&operator.root),
        genesis_sha256: operator.genesis,
        enrol: operator.addresses.enrol.clone(),
    };
    let text = card.encode().map_err(Failure::usage)?;
    output.show(&json!({ "card": text }), || output.line(&text))
}

/// An invitation that stands in the log.
#[derive(Clone, Debug)]
pub struct Invited {
    /// What the agency is handed: a secret until it has enrolled.
    pub invitation: Invitation,
    /// The proof that it was recorded, verified. Only SHA-256 of the token is in the log.
    pub receipt: Receipt,
}

/// Invites `agency` for `life`.
///
/// # Errors
/// A usage failure for a life that cannot be; what the switch refuses; that it cannot be reached.
pub async fn invite(
    operator: &Operator,
    agency: &AgencyId,
    life: Duration,
    clock: &Clock,
) -> Result<Invited, Failure> {
    if life.is_zero() || life > LIFE_MAX {
        return Err(Failure::usage("an invitation is good for 1 to 720 hours"));
    }
    let now_ms = clock.now_ms();
    // At most thirty days, checked above.
    let expires_at_ms = now_ms.saturating_add(life.as_millis() as u64);
    let invitation = Invitation {
        agency: agency.clone(),
        token: Invitation::new_token().map_err(Failure::unavailable)?,
        expires_at_ms,
        root_sha256: proto::Digest::of(&operator.root),
        genesis_sha256: operator.genesis,
        enrol: operator.addresses.enrol.clone(),
    };
    let act = act::Invitation {
        agency: agency.clone(),
        token: invitation.token_sha256(),
        expires_at_ms,
        issued_at_ms: now_ms,
        authority_kid: None,
    };
    let header = act.encode();
    let seal = Seal::one(
        label::OPERATOR,
        operator.log_key.origin(),
        &header,
        &operator.signer,
    );
    let envelope = Envelope::bare(header, seal.map_err(Failure::unavailable)?);
    let (receipt, _) = operator.operate(Kind::Invitation, &envelope).await?;
    Ok(Invited {
        invitation,
        receipt,
    })
}

fn hand_over(invited: &Invited, file: Option<NewFile>, output: Output) -> Result<(), Failure> {
    let text = invited.invitation.encode().map_err(Failure::usage)?;
    let path = file.as_ref().map(|file| file.path().to_owned());
    let written = file.map(|file| file.write(format!("{text}\n").as_bytes()));
    // It is recorded: where the file fails after all, it is handed out here.
    let (written, file) = match written {
        Some(Err(failure)) => (Err(failure), None),
        _ => (Ok(()), path.as_deref()),
    };
    let Invited {
        invitation,
        receipt,
    } = invited;
    let until = time_of_ms(invitation.expires_at_ms);
    let value = json!({
        "agency": invitation.agency.to_string(),
        "invitation": if file.is_none() { Some(&text) } else { None },
        "file": file.map(|path| path.display().to_string()),
        "expires_at": until,
        "index": receipt.index,
    });
    output.show(&value, || {
        match file {
            Some(path) => output.line(format!(
                "{} {}",
                output.say("Invitation written to", "كُتبت الدعوة في"),
                path.display()
            )),
            None => output.line(&text),
        }
        // Not into a pipe that takes the invitation itself.
        output.note(format!(
            "{} {} {} {until}. {}",
            output.say("For", "إلى"),
            invitation.agency,
            output.say("until", "حتى"),
            output.say(
                "Hand it over in person; whoever holds it can enrol in this name, once.",
                "سلّمها باليد؛ فمن يحملها يستطيع التسجيل بهذا الاسم مرة واحدة.",
            )
        ));
    })?;
    written
}

fn list(registry: &Registry, output: Output) -> Result<(), Failure> {
    let mut open: Vec<&InvitationRecord> = registry
        .invitations()
        .filter(|record| record.used.is_none())
        .collect();
    open.sort_by_key(|record| record.index);
    let agencies: Vec<&Record> = registry.agencies().collect();
    let value = json!({
        "agencies": agencies.iter().map(|agency| agency_json(registry, agency)).collect::<Vec<_>>(),
        "open_invitations": open.iter().map(|record| json!({
            "agency": record.invitation.agency.to_string(),
            "operator": record.operator.to_string(),
            "expires_at": time_of_ms(record.invitation.expires_at_ms),
            "index": record.index,
        })).collect::<Vec<_>>(),
    });
    output.show(&value, || {
        let heading = [
            output.say("agency", "الجهة"),
            output.say("name", "الاسم"),
            output.say("systems", "الأنظمة"),
            output.say("entry", "القيد"),
        ];
        output.table(
            heading,
            agencies.iter().map(|agency| {
                let systems: Vec<_> = systems_of(registry, &agency.id)
                    .map(|system| system.part(3).to_owned())
                    .collect();
                let name = output.say(&agency.name_en, &agency.name_ar).to_owned();
                [
                    agency.id.to_string(),
                    name,
                    systems.join(" "),
                    agency.index.to_string(),
                ]
            }),
        );
        if !open.is_empty() {
            let heading = [
                output.say("open invitation", "دعوة مفتوحة"),
                output.say("by", "من"),
                output.say("until", "حتى"),
                output.say("entry", "القيد"),
            ];
            output.table(
                heading,
                open.iter().map(|record| {
                    let until = time_of_ms(record.invitation.expires_at_ms);
                    [
                        record.invitation.agency.to_string(),
                        record.operator.to_string(),
                        until,
                        record.index.to_string(),
                    ]
                }),
            );
        }
    })
}

fn systems_of<'a>(
    registry: &'a Registry,
    agency: &'a AgencyId,
) -> impl Iterator<Item = &'a proto::id::SystemId> {
    registry
        .systems()
        .map(|system| &system.id)
        .filter(move |system| system.belongs_to(agency))
}

/// Where its country was admitted and is no longer: the entry of the withdrawal, and the reason.
fn withdrawn<'a>(registry: &'a Registry, agency: &Record) -> Option<&'a (u64, String)> {
    let country = registry.instance(agency.id.instance())?;
    country.withdrawn.as_ref()
}

fn agency_json(registry: &Registry, agency: &Record) -> Value {
    let key = fingerprint::json(&agency.authority_key);
    let withdrawn = withdrawn(registry, agency);
    json!({
        "agency": agency.id.to_string(),
        "name_ar": agency.name_ar,
        "name_en": agency.name_en,
        "authority_kid": key["authority_kid"],
        "fingerprint": key["fingerprint"],
        "by_telephone": key["by_telephone"],
        "systems": systems_of(registry, &agency.id).map(ToString::to_string).collect::<Vec<_>>(),
        "suspended": agency.suspended.as_ref().map(|(index, reason)| json!({ "index": index, "reason": reason })),
        "country_withdrawn": withdrawn.map(|(index, reason)| json!({ "index": index, "reason": reason })),
        "daily_quota": agency.daily_quota,
        "authority_replacement": agency.replacement.as_ref().map(|replacement| json!({
            "act": replacement.act.to_string(),
            "fingerprint": fingerprint::of(&replacement.key),
            "due_at": time_of_ms(replacement.due_at_ms),
        })),
        "administrators": agency.administrators.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "index": agency.index,
    })
}
