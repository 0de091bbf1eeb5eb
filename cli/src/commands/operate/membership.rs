//! Applications, suspensions, quotas, lost authority keys, revoked systems and certificates.

use std::fs;
use std::path::Path;
use std::time::Duration;

use audit::clock::Clock;
use proto::act::{Invitation, OperatorDeed};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::registry::{ApplicationRecord, ApplicationState, Registry};
use serde_json::{Value, json};

use super::{act, find, open, registry_of, send, settled, tell};
use crate::args::{Acting, Membership, Revoke};
use crate::commands::agency::LIFE_MAX;
use crate::commands::agency::fingerprint::of as fingerprint_of;
use crate::commands::registry;
use crate::failure::Failure;
use crate::output::{Output, time_of_ms};

/// Runs one of the commands on membership.
///
/// # Errors
/// What the command cannot do.
pub async fn run(membership: Membership, output: Output) -> Result<(), Failure> {
    match membership {
        Membership::Applications(source) => list(&*registry::read(&source).await?, output),
        Membership::Approve { id, hours, acting } => approve(&acting, &id, hours, output).await,
        Membership::Reject { id, reason, acting } => {
            let registry = registry_of(&acting).await?;
            let application = application(&registry, &id)?;
            let deed = OperatorDeed::RejectApplication {
                application,
                reason,
            };
            let done = act(&open(&acting)?, deed, &registry).await?;
            let done = settled(&acting, done).await?;
            tell(&done, "The application is turned down", "رُفض الطلب", output)
        }
        Membership::Suspend {
            agency,
            reason,
            acting,
        } => {
            let deed = OperatorDeed::SuspendAgency {
                agency,
                lifted: false,
                reason,
            };
            simple(
                &acting,
                deed,
                ["The agency is suspended", "أُوقفت الجهة"],
                output,
            )
            .await
        }
        Membership::Resume {
            agency,
            reason,
            acting,
        } => {
            let deed = OperatorDeed::SuspendAgency {
                agency,
                lifted: true,
                reason,
            };
            let told = ["The suspension is lifted", "رُفع الإيقاف"];
            simple(&acting, deed, told, output).await
        }
        Membership::Quota {
            agency,
            daily,
            acting,
        } => {
            let deed = OperatorDeed::SetQuota { agency, daily };
            simple(&acting, deed, ["The quota is set", "ضُبطت الحصة"], output).await
        }
        Membership::ReplaceAuthority { request, acting } => {
            let deed = replacement(&request)?;
            let told = [
                "The replacement of the authority key is asked for; it counts 72 hours after the second seal",
                "طُلب استبدال مفتاح السلطة؛ ويسري بعد 72 ساعة من الختم الثاني",
            ];
            simple(&acting, deed, told, output).await
        }
    }
}

/// Ends a system of any agency.
///
/// # Errors
/// As [`act`].
pub async fn revoke_system(revoke: Revoke, output: Output) -> Result<(), Failure> {
    let deed = OperatorDeed::EndSystem {
        system: revoke.system,
        reason: revoke.reason,
    };
    let told = ["The system is ended", "أُنهي النظام"];
    simple(&revoke.acting, deed, told, output).await
}

/// Ends a certificate of anybody.
///
/// # Errors
/// As [`act`].
pub async fn revoke_certificate(
    acting: &Acting,
    sha256: &str,
    reason: proto::id::Part,
    output: Output,
) -> Result<(), Failure> {
    let registry = registry_of(acting).await?;
    let known = registry
        .certificates()
        .filter(|certificate| certificate.revoked.is_none())
        .map(|certificate| &certificate.sha256);
    let sha256 = find(sha256, known, "mohawel certs list")?;
    let deed = OperatorDeed::EndCertificate { sha256, reason };
    let done = act(&open(acting)?, deed, &registry).await?;
    let done = settled(acting, done).await?;
    tell(&done, "The certificate is revoked", "أُلغيت الشهادة", output)
}

pub(super) async fn simple(
    acting: &Acting,
    deed: OperatorDeed,
    [english, arabic]: [&str; 2],
    output: Output,
) -> Result<(), Failure> {
    let registry = registry_of(acting).await?;
    let done = act(&open(acting)?, deed, &registry).await?;
    let done = settled(acting, done).await?;
    tell(&done, english, arabic, output)
}

async fn approve(acting: &Acting, id: &str, hours: u32, output: Output) -> Result<(), Failure> {
    let life = Duration::from_secs(u64::from(hours) * 3600);
    if life.is_zero() || life > LIFE_MAX {
        return Err(Failure::usage("an approval is good for 1 to 720 hours"));
    }
    let registry = registry_of(acting).await?;
    let id = application(&registry, id)?;
    let record = registry
        .application(&id)
        .ok_or_else(|| Failure::usage("there is no such application"))?;
    let now_ms = Clock::System.now_ms();
    let invitation = Invitation {
        agency: record.application.agency.clone(),
        token: record.application.token,
        // At most thirty days, checked above.
        expires_at_ms: now_ms.saturating_add(life.as_millis() as u64),
        issued_at_ms: now_ms,
        authority_kid: Some(record.application.authority_key.kid()),
    };
    let waits = registry.policy().covers("invitation");
    let done = send(&open(acting)?, Kind::Invitation, invitation.encode(), waits).await?;
    let done = settled(acting, done).await?;
    tell(
        &done,
        "Approved: the applicant can enrol with the key that it named",
        "اعتُمد الطلب: يمكن لمقدّمه التسجيل بالمفتاح الذي ذكره",
        output,
    )
}

/// The application that begins with `text` and still waits.
fn application(registry: &Registry, text: &str) -> Result<Digest, Failure> {
    let now_ms = Clock::System.now_ms();
    let waiting = registry
        .applications()
        .filter(|(_, record)| record.waits_at(now_ms))
        .map(|(id, _)| id);
    find(text, waiting, "mohawel agency applications")
}

fn replacement(path: &Path) -> Result<OperatorDeed, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| crate::commands::switch_dir::in_file(path, error))?;
    crate::commands::agency::authority::read_replacement(&text)
        .map_err(|error| crate::commands::switch_dir::in_file(path, error))
}

fn state(record: &ApplicationRecord) -> (&'static str, &'static str) {
    match &record.state {
        ApplicationState::Waiting if record.waits_at(Clock::System.now_ms()) => {
            ("waiting", "قيد النظر")
        }
        ApplicationState::Waiting => ("expired", "انتهت مدته"),
        ApplicationState::Approved { .. } => ("approved", "معتمد"),
        ApplicationState::Rejected { .. } => ("rejected", "مرفوض"),
        ApplicationState::Enrolled => ("enrolled", "مسجَّل"),
    }
}

fn application_json((id, record): (&Digest, &ApplicationRecord)) -> Value {
    let application = &record.application;
    json!({
        "application": id.to_string(),
        "agency": application.agency.to_string(),
        "name_ar": application.name_ar,
        "name_en": application.name_en,
        "contact": application.contact,
        "authority_fingerprint": fingerprint_of(&application.authority_key),
        "state": state(record).0,
        "reason": match &record.state {
            ApplicationState::Rejected { reason } => Some(reason),
            _ => None,
        },
        "expires_at": time_of_ms(record.expires_at_ms),
        "index": record.index,
    })
}

fn list(registry: &Registry, output: Output) -> Result<(), Failure> {
    let mut records: Vec<_> = registry.applications().collect();
    records.sort_by_key(|(_, record)| record.index);
    let value: Vec<Value> = records.iter().copied().map(application_json).collect();
    output.show(&value, || {
        output.table(
            [
                output.say("application", "الطلب"),
                output.say("agency", "الجهة"),
                output.say("name", "الاسم"),
                output.say("contact", "للتواصل"),
                output.say("authority key", "مفتاح السلطة"),
                output.say("state", "الحالة"),
            ],
            records.iter().map(|(id, record)| {
                let application = &record.application;
                let (english, arabic) = state(record);
                [
                    id.short(),
                    application.agency.to_string(),
                    output
                        .say(&application.name_en, &application.name_ar)
                        .to_owned(),
                    application.contact.clone(),
                    fingerprint_of(&application.authority_key),
                    output.say(english, arabic).to_owned(),
                ]
            }),
        );
        if records
            .iter()
            .any(|(_, record)| state(record).0 == "waiting")
        {
            output.note(output.say(
                "Before approving, call the agency and compare the authority key's fingerprint.",
                "قبل الاعتماد اتصل بالجهة وقارن بصمة مفتاح السلطة.",
            ));
        }
    })
}
