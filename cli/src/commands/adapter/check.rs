//! `mohawel adapter check`: every hop from the home folder to the log, in order; names the one that fails and what
//! to do about it.

use std::path::Path;
use std::time::Duration;

use adapters::adapter::Adapter;
use adapters::identity::Home;
use audit::clock::Clock;
use certs::tls::{client_config, peer_refusal, system_time};
use proto::wire::audit::v1::CheckpointRequest;
use rustls::pki_types::ServerName;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::commands::switch_dir::host_of;
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

mod hop;

pub use hop::{Hop, Standing};
use hop::{failed, good};

/// How long one hop may take.
const HOP_WAIT: Duration = Duration::from_secs(10);
/// How long the switch may take to publish what it acknowledged.
const PUBLISH_WAIT: Duration = Duration::from_secs(5);
/// A certificate with less than this left should have been renewed by a running adapter.
const LIFE_WARN_MS: u64 = 24 * 3_600_000;

/// Checks and prints.
///
/// # Errors
/// [`Exit::Found`] when a hop fails.
pub async fn run(home: &Path, output: Output) -> Result<(), Failure> {
    let hops = Box::pin(check(home)).await;
    let value: Vec<_> = hops
        .iter()
        .map(|hop| {
            json!({
                "hop": hop.name[0],
                "standing": hop.standing.name(),
                "found": hop.found,
                "remedy": hop.remedy[0],
                "remedy_ar": hop.remedy[1],
            })
        })
        .collect();
    output.show(&value, || {
        let heading = [
            output.say("hop", "الحلقة"),
            output.say("state", "الحالة"),
            output.say("found", "النتيجة"),
        ];
        output.table(
            heading,
            hops.iter().map(|hop| {
                let state = output.say(hop.standing.name(), hop.standing.name_ar());
                [
                    output.say(hop.name[0], hop.name[1]).to_owned(),
                    state.to_owned(),
                    hop.found.clone(),
                ]
            }),
        );
        for hop in hops.iter().filter(|hop| hop.standing == Standing::Look) {
            output.line(format!(
                "{}: {}",
                output.say(hop.name[0], hop.name[1]),
                output.say(hop.remedy[0], hop.remedy[1])
            ));
        }
    })?;
    match hops.iter().find(|hop| hop.standing == Standing::Failed) {
        None => Ok(()),
        Some(hop) => Err(Failure::new(
            Exit::Found,
            [
                format!("The hop '{}' fails: {}", hop.name[0], hop.found),
                format!("الحلقة «{}» لا تعمل: {}", hop.name[1], hop.found),
            ],
            hop.remedy,
        )),
    }
}

/// Walks the hops in order and stops after the first that fails.
pub async fn check(dir: &Path) -> Vec<Hop> {
    let mut hops = Vec::new();
    let home = match files(dir) {
        Ok((hop, home)) => {
            hops.push(hop);
            home
        }
        Err(hop) => return vec![hop],
    };
    let certificate = certificate(&home, Clock::System.now_ms());
    let ended = certificate.standing == Standing::Failed;
    hops.push(certificate);
    if ended {
        return hops;
    }
    let network = [tcp(&home).await, Box::pin(tls(&home)).await];
    for hop in network {
        let failed = hop.standing == Standing::Failed;
        hops.push(hop);
        if failed {
            return hops;
        }
    }
    Box::pin(switch(&home, &mut hops)).await;
    hops
}

fn files(dir: &Path) -> Result<(Hop, Home), Hop> {
    let name = ["files", "الملفات"];
    let home = Home::open(dir).map_err(|error| {
        failed(name, error, ["Restore the file from the agency's backup, or enrol in a new folder with a new invitation.", "استعد الملف من نسخة الجهة الاحتياطية أو سجّل في مجلد جديد بدعوة جديدة."])
    })?;
    home.without_evidence().map_err(|error| {
        failed(name, error, ["Give the file to the auditor; nothing is exchanged before a person has moved it away.", "سلّم الملف للمدقّق؛ ولا تبادل قبل أن ينقله شخص مسؤول."])
    })?;
    let found = format!("{} in {}", home.system(), dir.display());
    let hop = match home.authority() {
        Err(_) => good(name, found),
        Ok(_) => Hop {
            name,
            standing: Standing::Look,
            found: format!("{found}; the agency's authority key lies here"),
            remedy: [
                "Let the agency's administrators keep authority/authority.key away from this machine; the adapter does not need it.",
                "احفظ authority/authority.key لدى مسؤولي الجهة بعيدًا عن هذا الجهاز؛ فالمحوّل الطرفي لا يحتاجه.",
            ],
        },
    };
    Ok((hop, home))
}

fn certificate(home: &Home, now_ms: u64) -> Hop {
    let name = ["certificate", "الشهادة"];
    let end = home.identity().current().not_after().unix_timestamp();
    let end_ms = u64::try_from(end).unwrap_or(0).saturating_mul(1_000);
    let found = format!("until {}", time_of_ms(end_ms));
    let remedy = [
        "A running adapter renews it by itself; run `mohawel adapter run`, or ask the operator for an invitation to a new system when it has ended.",
        "يجددها المحوّل الطرفي أثناء عمله؛ شغّل mohawel adapter run أو اطلب من المشغّل دعوة جديدة إن كانت قد انتهت.",
    ];
    match end_ms.saturating_sub(now_ms) {
        0 => Hop {
            name,
            standing: Standing::Failed,
            found,
            remedy,
        },
        left if left < LIFE_WARN_MS => Hop {
            name,
            standing: Standing::Look,
            found,
            remedy,
        },
        _ => good(name, found),
    }
}

async fn tcp(home: &Home) -> Hop {
    let name = ["TCP", "الاتصال"];
    let address = &home.config().exchange;
    let remedy = [
        "See that the switch runs, that the address in adapter.toml is right, and that the firewall lets this machine out.",
        "تأكد من عمل المحوِّل ومن صحة العنوان في adapter.toml ومن سماح الجدار الناري بالاتصال.",
    ];
    match tokio::time::timeout(HOP_WAIT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => good(name, address.clone()),
        Ok(Err(error)) => failed(name, format!("{address}: {error}"), remedy),
        Err(_) => failed(name, format!("{address}: no answer in 10 s"), remedy),
    }
}

async fn tls(home: &Home) -> Hop {
    let name = ["TLS and pin", "‏TLS والتثبيت"];
    let remedy = [
        "Compare root.pem and broker_uri with what the operator reads out; a firewall that opens TLS is not let through.",
        "قارن root.pem و broker_uri بما يقرؤه المشغّل؛ ولا يُقبل جدار ناري يفك تشفير TLS.",
    ];
    match tokio::time::timeout(HOP_WAIT, handshake(home)).await {
        Ok(Ok(())) => good(name, home.config().broker_uri.clone()),
        Ok(Err(reason)) => failed(name, reason, remedy),
        Err(_) => failed(name, "no handshake in 10 s", remedy),
    }
}

async fn handshake(home: &Home) -> Result<(), String> {
    let config = home.config();
    let trust = home.trust().map_err(|error| error.to_string())?;
    let tls = client_config(home.identity(), &trust, &config.broker_uri, system_time())
        .map_err(|error| error.to_string())?;
    let host = ServerName::try_from(host_of(&config.exchange).to_owned())
        .map_err(|error| error.to_string())?;
    let tcp = TcpStream::connect(&config.exchange)
        .await
        .map_err(|error| error.to_string())?;
    match TlsConnector::from(tls).connect(host, tcp).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let refusal = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                .and_then(peer_refusal);
            Err(refusal.map_or_else(|| error.to_string(), ToString::to_string))
        }
    }
}

/// Everything that needs the switch to answer: who we are to it, its clock, its registry, its log.
async fn switch(home: &Home, hops: &mut Vec<Hop>) {
    let adapter = match Adapter::start(home.clone(), Clock::System) {
        Ok(adapter) => adapter,
        Err(error) => {
            let remedy = [
                "Look at the message; the home folder holds what it names.",
                "راجع الرسالة؛ والمجلد يحوي ما تذكره.",
            ];
            hops.push(failed(["adapter", "المحوّل الطرفي"], error, remedy));
            return;
        }
    };
    let clock = match date_of(&adapter).await {
        Ok(date) => clock(
            date.as_deref(),
            Clock::System.now_ms(),
            home.config().window_ms,
        ),
        Err(hop) => hop,
    };
    let failed_here = clock.standing == Standing::Failed;
    hops.push(clock);
    if failed_here {
        return;
    }
    hops.push(registry(&adapter).await);
    hops.push(log(&adapter).await);
}

/// The date of the switch's answer to the smallest question there is.
async fn date_of(adapter: &Adapter) -> Result<Option<String>, Hop> {
    let name = ["switch", "المحوِّل"];
    let mut log = adapter.connection().log();
    match tokio::time::timeout(HOP_WAIT, log.checkpoint(CheckpointRequest {})).await {
        Ok(Ok(response)) => {
            let date = response.metadata().get("date");
            Ok(date.and_then(|date| date.to_str().ok()).map(str::to_owned))
        }
        Ok(Err(status)) => {
            let failure = crate::commands::refused::failure(&status);
            let remedy = [
                "The switch is reached and does not serve this certificate: ask the operator, and look at the clock.",
                "المحوِّل متاح لكنه لا يقبل هذه الشهادة: اسأل المشغّل وراجع الساعة.",
            ];
            Err(failed(name, &failure.what[0], remedy))
        }
        Err(_) => {
            let remedy = [
                "Ask the operator for the switch's state.",
                "اسأل المشغّل عن حالة المحوِّل.",
            ];
            Err(failed(name, "no answer in 10 s", remedy))
        }
    }
}

/// Whether the registry comes, proves itself, and knows this adapter's key.
async fn registry(adapter: &Adapter) -> Hop {
    match adapter.ready(HOP_WAIT).await {
        Ok(()) => mirror(adapter),
        Err(error) => {
            let remedy = [
                "Ask the operator for the switch's state; if the switch is not believed, tell the auditor.",
                "اسأل المشغّل عن حالة المحوِّل؛ وإن لم يعد موثوقًا فأبلغ المدقّق.",
            ];
            failed(["registry", "السجل العام"], error, remedy)
        }
    }
}

/// Whether the published log extends everything that this home has seen of it.
async fn log(adapter: &Adapter) -> Hop {
    let name = ["log", "سجل القيود"];
    let remedy = [
        "Keep the home folder as it is and tell the auditor.",
        "أبقِ المجلد كما هو وأبلغ المدقّق.",
    ];
    let reconciled = adapter.checkpoints().reconcile(adapter.connection());
    match tokio::time::timeout(HOP_WAIT, reconciled).await {
        Ok(Ok(())) => settled(adapter, name).await,
        Ok(Err(error)) => failed(name, error, remedy),
        Err(_) => failed(name, "no answer in 10 s", remedy),
    }
}

/// Whether what receipts promised is published by now, or will be in a moment.
async fn settled(adapter: &Adapter, name: [&'static str; 2]) -> Hop {
    let checkpoints = adapter.checkpoints();
    let settled = checkpoints
        .settled(adapter.connection(), PUBLISH_WAIT)
        .await;
    let size = checkpoints.seen().map_or(0, |seen| seen.size);
    let remedy = [
        "Keep the home folder as it is. If the same is said a minute later, the switch's log was put back to an older copy: tell the auditor.",
        "أبقِ المجلد كما هو. فإن تكرر ذلك بعد دقيقة فقد أُعيد سجل المحوِّل إلى نسخة أقدم: أبلغ المدقّق.",
    ];
    match settled {
        Ok(true) => good(
            name,
            format!("{size} entries, consistent with all that was seen before"),
        ),
        Ok(false) => failed(
            name,
            format!("{size} entries are published, and a receipt proves that there were more"),
            remedy,
        ),
        Err(error) => failed(name, error, remedy),
    }
}

/// Whether this machine's clock is the switch's, by the date of its answer, whole seconds.
fn clock(date: Option<&str>, now_ms: u64, window_ms: u64) -> Hop {
    let name = ["clock", "الساعة"];
    let remedy = [
        "Set this machine's clock (NTP).",
        "اضبط ساعة هذا الجهاز (NTP).",
    ];
    let read = date.and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
    let Some(theirs_ms) = read
        .and_then(|time| u64::try_from(time.unix_timestamp()).ok())
        .map(|seconds| seconds * 1_000)
    else {
        return Hop {
            name,
            standing: Standing::Look,
            found: "the switch said no time".to_owned(),
            remedy,
        };
    };
    let apart_ms = now_ms.abs_diff(theirs_ms);
    let found = format!(
        "{} s apart, {} s are allowed",
        apart_ms / 1_000,
        window_ms / 1_000
    );
    match apart_ms {
        apart if apart > window_ms => Hop {
            name,
            standing: Standing::Failed,
            found,
            remedy,
        },
        apart if apart > window_ms / 3 => Hop {
            name,
            standing: Standing::Look,
            found,
            remedy,
        },
        _ => good(name, found),
    }
}

/// Whether the registry knows this adapter's key.
fn mirror(adapter: &Adapter) -> Hop {
    let name = ["registry", "السجل العام"];
    let registry = adapter.mirror().snapshot();
    let kid = adapter.home().signer().key().kid();
    let found = format!("{} entries", registry.size());
    match registry.seal_key(&kid, adapter.home().system()) {
        Ok(_) => good(name, format!("{found}; this adapter's seal key is bound")),
        Err(code) => failed(
            name,
            format!("{found}; this adapter's seal key may not seal ({code})"),
            [
                "Bind a new key: enrol again with a new invitation.",
                "اربط مفتاحًا جديدًا: سجّل من جديد بدعوة جديدة.",
            ],
        ),
    }
}

#[cfg(test)]
mod tests;
