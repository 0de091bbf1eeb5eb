//! `mohawel certs`: the TLS certificates that the registry knows, and which of them need somebody.
//!
//! A running adapter renews its certificate with a third of its life left, so one that is about to end and that nothing
//! has replaced is an adapter that does not run, cannot reach the switch, or has its certificate from elsewhere.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use audit::clock::Clock;
use proto::act::{AgencyDeed, OutsideCertificate};
use proto::digest::Digest;
use proto::id::Part;
use proto::registry::Certificate;
use serde_json::{Value, json};

use super::operate::{self, membership};
use super::switch_dir::in_file;
use super::{members, registry};
use crate::args::{Acting, AuthorityKey, Certs, Source};
use crate::failure::{Exit, Failure};
use crate::output::{Output, isolated, time_of_ms};

/// Runs one of the certificate commands.
///
/// # Errors
/// What the command cannot do; [`Exit::Found`] when certificates are asked for that are about to end, and there are any.
pub async fn run(certs: Certs, output: Output) -> Result<(), Failure> {
    match certs {
        Certs::List { expiring, source } => {
            let registry = registry::read(&source).await?;
            let mut listed = list(registry.certificates(), Clock::System.now_ms());
            if let Some(within) = expiring {
                listed.retain(|listed| listed.ends_within(within));
            }
            print(&listed, output)?;
            match (expiring, listed.len()) {
                (None, _) | (_, 0) => Ok(()),
                (Some(_), found) => Err(expired_soon(found)),
            }
        }
        Certs::Revoke {
            sha256,
            reason,
            home,
            authority,
            switch,
            operator,
        } => match (home, switch) {
            (_, Some(switch)) => {
                let acting = Acting { switch, operator };
                membership::revoke_certificate(&acting, &sha256, reason, output).await
            }
            (Some(home), None) => revoke_own(&home, &authority, &sha256, reason, output).await,
            // The command line asks for one of them.
            (None, None) => Err(Failure::usage("give --home DIR or --switch DIR")),
        },
        Certs::Bind {
            file,
            home,
            authority,
        } => bind(&file, &home, &authority, output).await,
    }
}

async fn revoke_own(
    home: &Path,
    authority: &AuthorityKey,
    sha256: &str,
    reason: Part,
    output: Output,
) -> Result<(), Failure> {
    let source = Source {
        home: Some(home.to_owned()),
        ..Source::default()
    };
    let registry = registry::read(&source).await?;
    let known = registry
        .certificates()
        .filter(|certificate| certificate.revoked.is_none())
        .map(|certificate| &certificate.sha256);
    let sha256 = operate::find(sha256, known, "mohawel certs list")?;
    let deed = AgencyDeed::EndCertificate { sha256, reason };
    let told = ["The certificate is revoked", "أُلغيت الشهادة"];
    members::agency_act(home, authority, deed, told, output).await
}

async fn bind(
    file: &Path,
    home: &Path,
    authority: &AuthorityKey,
    output: Output,
) -> Result<(), Failure> {
    let chain = certs::pem::read_chain(file).map_err(|error| in_file(file, error))?;
    let leaf = chain
        .first()
        .ok_or_else(|| in_file(file, "no certificate"))?;
    let system = adapters::Home::open(home)
        .map_err(Failure::usage)?
        .system()
        .clone();
    let life = certs::Validity::of(leaf).ok_or_else(|| in_file(file, "not a certificate"))?;
    let seconds = |time: time::OffsetDateTime| u64::try_from(time.unix_timestamp()).unwrap_or(0);
    let deed = AgencyDeed::BindCertificate(OutsideCertificate {
        system,
        sha256: Digest::of(leaf),
        not_before: seconds(life.not_before),
        not_after: seconds(life.not_after),
    });
    let told = [
        "The certificate speaks for the system",
        "صارت الشهادة تتحدث باسم النظام",
    ];
    members::agency_act(home, authority, deed, told, output).await
}

/// Where a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the newest of its name.
    Current,
    /// A later one of the same name is there; until its own end it counts.
    Renewed,
    /// Its time is over, and nothing has replaced it.
    Ended,
    /// Ended before its time.
    Revoked,
}

impl Standing {
    /// The word in JSON, and in English.
    pub fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Renewed => "renewed",
            Self::Ended => "ended",
            Self::Revoked => "revoked",
        }
    }

    fn name_ar(self) -> &'static str {
        match self {
            Self::Current => "سارية",
            Self::Renewed => "جُدّدت",
            Self::Ended => "منتهية",
            Self::Revoked => "ملغاة",
        }
    }
}

/// A certificate in the list.
#[derive(Clone, Debug)]
pub struct Listed<'a> {
    /// As the registry knows it.
    pub certificate: &'a Certificate,
    /// Where it stands.
    pub standing: Standing,
    /// What is left of it.
    pub left: Duration,
}

impl Listed<'_> {
    /// Whether it ends within `span`, or has ended, and nothing has replaced it.
    pub fn ends_within(&self, span: Duration) -> bool {
        match self.standing {
            Standing::Current => self.left <= span,
            Standing::Ended => true,
            Standing::Renewed | Standing::Revoked => false,
        }
    }
}

/// The certificates that still say something at `now_ms`, the first to end first. What is over and was replaced or
/// revoked is left out.
pub fn list<'a>(
    certificates: impl Iterator<Item = &'a Certificate>,
    now_ms: u64,
) -> Vec<Listed<'a>> {
    let certificates: Vec<_> = certificates.collect();
    // One that is revoked replaces nothing, and neither does another adapter's of the same system: each has its own TLS
    // key and keeps it when it renews.
    let mut newest: HashMap<(&str, Option<Digest>), (u64, u64)> = HashMap::new();
    for certificate in certificates.iter().filter(|one| one.revoked.is_none()) {
        let own = (certificate.not_after, certificate.index);
        let known = newest.entry(holder(certificate)).or_insert(own);
        *known = own.max(*known);
    }
    let mut listed: Vec<_> = certificates
        .into_iter()
        .filter_map(|certificate| {
            let end_ms = certificate.not_after.saturating_mul(1_000);
            let left = Duration::from_millis(end_ms.saturating_sub(now_ms));
            let own = (certificate.not_after, certificate.index);
            let is_newest = newest.get(&holder(certificate)) == Some(&own);
            let standing = match (certificate.revoked.is_some(), is_newest, left.is_zero()) {
                (true, _, false) => Standing::Revoked,
                (false, true, false) => Standing::Current,
                (false, true, true) => Standing::Ended,
                (false, false, false) => Standing::Renewed,
                (true, _, true) | (false, false, true) => return None,
            };
            Some(Listed {
                certificate,
                standing,
                left,
            })
        })
        .collect();
    listed.sort_by_key(|listed| {
        let certificate = listed.certificate;
        (certificate.not_after, Reverse(certificate.index))
    });
    listed
}

fn holder(certificate: &Certificate) -> (&str, Option<Digest>) {
    (&certificate.uri, certificate.key_sha256)
}

fn print(listed: &[Listed<'_>], output: Output) -> Result<(), Failure> {
    let value: Vec<_> = listed.iter().map(certificate_json).collect();
    output.show(&value, || {
        let heading = [
            output.say("name", "الاسم"),
            output.say("until", "حتى"),
            output.say("left", "المتبقي"),
            output.say("state", "الحالة"),
            output.say("issued by", "أصدرها"),
            output.say("SHA-256", "البصمة"),
            output.say("entry", "القيد"),
        ];
        output.table(
            heading,
            listed.iter().map(|listed| {
                let certificate = listed.certificate;
                let issuer = if certificate.outside {
                    output.say("another authority", "سلطة أخرى")
                } else {
                    output.say("the switch", "المحوِّل")
                };
                [
                    name_of(&certificate.uri).to_owned(),
                    time_of_ms(certificate.not_after.saturating_mul(1_000)),
                    left(listed.left),
                    output
                        .say(listed.standing.name(), listed.standing.name_ar())
                        .to_owned(),
                    issuer.to_owned(),
                    certificate.sha256.short(),
                    certificate.index.to_string(),
                ]
            }),
        );
    })
}

fn certificate_json(listed: &Listed<'_>) -> Value {
    let certificate = listed.certificate;
    let revoked = certificate.revoked.as_ref();
    json!({
        "uri": certificate.uri,
        "sha256": certificate.sha256.to_string(),
        "not_before": time_of_ms(certificate.not_before.saturating_mul(1_000)),
        "not_after": time_of_ms(certificate.not_after.saturating_mul(1_000)),
        "left_s": listed.left.as_secs(),
        "state": listed.standing.name(),
        "outside": certificate.outside,
        "index": certificate.index,
        "revoked": revoked.map(|(index, reason)| json!({ "index": index, "reason": reason.to_string() })),
    })
}

/// The name behind the trust domain, which is the same for all.
fn name_of(uri: &str) -> &str {
    let name = uri
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.split_once('/'));
    name.map_or(uri, |(_, name)| name)
}

/// A span in its two largest units.
fn left(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m {rest}s"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

fn expired_soon(found: usize) -> Failure {
    Failure::new(
        Exit::Found,
        [
            format!("{found} certificate(s) end within that time or have ended, and nothing has replaced them"),
            format!("عدد الشهادات التي تنتهي خلال هذه المدة أو انتهت ولم تُستبدل: {found}"),
        ],
        [
            "A running adapter renews its certificate with a third of its life left: see that it runs and reaches the switch (`mohawel adapter check`). One of another authority is renewed there. An adapter whose certificate has ended needs a new invitation.".to_owned(),
            format!(
                "يجدد المحوّل الطرفي شهادته أثناء عمله حين يبقى ثلث عمرها: تأكد من عمله ووصوله إلى المحوِّل ({}). وتُجدَّد شهادة السلطة الأخرى لديها. ومن انتهت شهادته يحتاج دعوة جديدة.",
                isolated("mohawel adapter check")
            ),
        ],
    )
}

#[cfg(test)]
mod tests;
