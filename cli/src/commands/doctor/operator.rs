//! The operator's side: configuration, keys, certificates, log, disk, clock, doors.

use std::path::Path;

use audit::checkpoint::LogKey;
use audit::clock::Clock;
use broker::Config;
use broker::switch::LogKeyFiles;
use certs::pem::read_chain;
use certs::{Authority, Identity, PeerIdentity, PeerRole, Validity};
use time::{Duration, OffsetDateTime};

use super::check::Check;
use super::disk;
use super::doors;
use super::life::{self, Renewal};
use super::log::{self, Depth, Ends};
use super::modes::{self, cause};
use super::row::{Row, same};
use super::witnesses;
use crate::commands::init::now;
use crate::commands::operator;
use crate::commands::switch_dir::SwitchDir;
use crate::output::time_of_ms;

/// The running broker makes its certificate anew with thirty days left and looks hourly.
const BROKER_OVERDUE: Duration = Duration::days(29);
/// An intermediate issues nothing that outlives it, and replacing it takes planning.
const AUTHORITY_OVERDUE: Duration = Duration::days(180);
/// How far the log's last entry may lie ahead of this clock: reading both takes a moment.
const CLOCK_SLACK_MS: u64 = 2_000;

/// What the configuration's files hold, opened.
pub(super) struct Parts {
    pub(super) authority: Authority,
    pub(super) identity: Identity,
    log_key: LogKey,
}

/// All checks of the folder `switch`.
pub async fn examine(switch: &SwitchDir, depth: Depth, clock: &Clock) -> Vec<Row> {
    let after_configuration = [
        Check::Permissions,
        Check::Disk,
        Check::Parts,
        Check::BrokerCertificate,
        Check::AuthorityCertificates,
        Check::Log,
        Check::Pins,
        Check::Clock,
        Check::ExchangeDoor,
        Check::EnrolmentDoor,
    ];
    let config = match configuration(switch) {
        Ok(config) => config,
        Err(row) => {
            let not_tried = after_configuration.map(|check| check.not_tried(Check::Configuration));
            return [row].into_iter().chain(not_tried).collect();
        }
    };
    let mut rows = vec![
        Check::Configuration.ok(same(switch.config().display())),
        permissions(switch, &config),
        disk::examine(Check::Disk, &config.log.dir, disk::LOG),
    ];
    let parts = match parts(&config) {
        Ok(parts) => parts,
        Err(row) => {
            rows.push(row);
            rows.extend(
                after_configuration
                    .into_iter()
                    .skip(3)
                    .map(|check| check.not_tried(Check::Parts)),
            );
            return rows;
        }
    };
    let (log, ends) = log::examine(&config.log.dir, &parts.log_key, depth);
    rows.push(together(&config, &parts, ends.as_ref()));
    rows.push(broker_certificate(&parts, clock));
    rows.push(authority_certificates(&config, clock));
    rows.push(log);
    rows.extend(witnesses::examine(&config, ends.as_ref(), clock));
    rows.push(pins(&parts, ends.as_ref()));
    rows.push(clock_row(&parts, ends.as_ref(), clock));
    rows.extend(Box::pin(doors::examine(switch, &config, &parts, clock)).await);
    rows
}

fn configuration(switch: &SwitchDir) -> Result<Config, Row> {
    Config::load(&switch.config()).map_err(|error| {
        Check::Configuration.failed(
            same(error),
            [
                "Correct the file; `mohawel broker --check` lists what is in force.",
                "صحّح الملف؛ ويعرض mohawel broker --check القيم السارية.",
            ],
        )
    })
}

fn permissions(switch: &SwitchDir, config: &Config) -> Row {
    let authority = |name: &str| config.tls.authority_dir.join(name);
    let own = |name: &str| switch.operator().join(name);
    let (brokers, agencies, root) = (
        authority("brokers.key"),
        authority("agencies.key"),
        authority("root.key"),
    );
    let (seal, tls) = (own(operator::SEAL_KEY), own(operator::TLS_KEY));
    let keys = [
        (config.tls.key.as_path(), true),
        (&config.log.key, true),
        (&brokers, true),
        (&agencies, true),
        (&root, false),
        (&seal, false),
        (&tls, false),
    ];
    let public = [
        switch.config(),
        config.tls.certificate_chain.clone(),
        config.tls.authority_dir.clone(),
        config.log.dir.clone(),
    ];
    let public: Vec<&Path> = public.iter().map(AsRef::as_ref).collect();
    let row = modes::examine(Check::Permissions, switch.path(), &keys, &public);
    if row.is_failed() || !root.exists() {
        return row;
    }
    Check::Permissions.warning(
        [
            format!("{}; authority/root.key lies here", row.found[0]),
            format!(
                "{}؛ ومفتاح الجذر authority/root.key موجود هنا",
                row.found[1]
            ),
        ],
        [
            "Move root.key off this machine: issuing does not need it.",
            "انقل root.key خارج هذا الجهاز: فالإصدار لا يحتاجه.",
        ],
    )
}

const PUT_BACK: [&str; 2] = [
    "Put the right file back from the backup: docs/operating.md, \"Backup\", says which.",
    "استعد الملف الصحيح من النسخة الاحتياطية: راجع قسم «Backup» في docs/operating.md.",
];

fn parts(config: &Config) -> Result<Parts, Row> {
    let fail = |error: &dyn std::error::Error| Check::Parts.failed(same(cause(error)), PUT_BACK);
    let authority = Authority::open(&config.tls.authority_dir).map_err(|error| fail(&error))?;
    let identity = Identity::load(&config.tls.certificate_chain, &config.tls.key)
        .map_err(|error| fail(&error))?;
    let keys = LogKeyFiles::load(&config.log.key).map_err(|error| fail(&error))?;
    let log_key = keys
        .log_key(&config.origin, &config.log.dir, Clock::System.now_ms())
        .map_err(|error| Check::Parts.failed(same(error), PUT_BACK))?;
    Ok(Parts {
        authority,
        identity,
        log_key,
    })
}

/// Whether configuration, certificate, authority and log are one switch's; the broker asks the same at its start.
fn together(config: &Config, parts: &Parts, ends: Option<&Ends>) -> Row {
    let mut found = Vec::new();
    let domain = parts.authority.trust_domain();
    let leaf = parts.identity.chain().first();
    match leaf.map(|leaf| PeerIdentity::from_certificate(leaf, domain)) {
        Some(Ok(peer)) if peer.role == PeerRole::Broker(config.name.to_string()) => {}
        Some(Ok(peer)) => found.push(format!(
            "tls.certificate_chain is for {}, switch.name says {}",
            peer.uri, config.name
        )),
        Some(Err(error)) => found.push(format!("tls.certificate_chain: {error}")),
        None => found.push("tls.certificate_chain is empty".to_owned()),
    }
    if let Some(Ends { genesis, .. }) = ends {
        let mut differ = |what: &str, here: &str, there: &str| {
            if here != there {
                found.push(format!("{what} is {here}, entry 0 says {there}"));
            }
        };
        let root = proto::Digest(parts.authority.root_sha256());
        differ("switch.origin", &config.origin, &genesis.origin);
        differ("the trust domain", domain.as_str(), &genesis.trust_domain);
        differ(
            "the root",
            &root.to_string(),
            &genesis.authority_root.to_string(),
        );
    }
    if found.is_empty() {
        Check::Parts.ok(same(format!("{}, {domain}", config.name)))
    } else {
        Check::Parts.failed(same(found.join("; ")), PUT_BACK)
    }
}

fn broker_certificate(parts: &Parts, clock: &Clock) -> Row {
    let remedy = [
        "The broker makes it anew at its start and while it runs: see that authority/brokers.key is here, then start the broker again.",
        "يجدّدها الوسيط عند تشغيله وأثناءه: تأكد من وجود authority/brokers.key ثم أعد تشغيله.",
    ];
    let leaf = parts.identity.chain().first();
    let lives: Vec<_> = leaf
        .and_then(|leaf| Validity::of(leaf))
        .map(|life| ("", life))
        .into_iter()
        .collect();
    judge(
        Check::BrokerCertificate,
        &lives,
        BROKER_OVERDUE,
        clock,
        remedy,
    )
}

fn authority_certificates(config: &Config, clock: &Clock) -> Row {
    let remedy = [
        "Plan the authority's renewal with root.key: below an ended certificate nobody connects.",
        "خطّط لتجديد السلطة بمفتاح الجذر: فلا اتصال تحت شهادة منتهية.",
    ];
    let mut lives = Vec::new();
    for name in ["root", "brokers", "agencies"] {
        let path = config.tls.authority_dir.join(format!("{name}.pem"));
        let life = read_chain(&path)
            .ok()
            .and_then(|chain| Validity::of(chain.first()?));
        match life {
            Some(life) => lives.push((name, life)),
            None => return Check::AuthorityCertificates.failed(same(path.display()), remedy),
        }
    }
    judge(
        Check::AuthorityCertificates,
        &lives,
        AUTHORITY_OVERDUE,
        clock,
        remedy,
    )
}

fn judge(
    check: Check,
    lives: &[(&str, Validity)],
    overdue: Duration,
    clock: &Clock,
    remedy: [&str; 2],
) -> Row {
    match now(clock) {
        Ok(now) => life::judge(check, lives, Renewal::Before(overdue), now, remedy),
        Err(failure) => check.failed(failure.what, remedy),
    }
}

/// What people compare over the telephone.
fn pins(parts: &Parts, ends: Option<&Ends>) -> Row {
    let vkey = parts.log_key.newest().to_vkey();
    let root = proto::Digest(parts.authority.root_sha256());
    let Some(Ends { genesis_sha256, .. }) = ends else {
        return Check::Pins.not_tried(Check::Log);
    };
    Check::Pins.ok([
        format!("log key {vkey}\nroot {root}\ngenesis {genesis_sha256}"),
        format!("مفتاح السجل {vkey}\nالجذر {root}\nقيد التأسيس {genesis_sha256}"),
    ])
}

/// The clock never stands before what was recorded, nor before the certificates it issued.
fn clock_row(parts: &Parts, ends: Option<&Ends>, clock: &Clock) -> Row {
    let now_ms = clock.now_ms();
    let remedy = [
        "Set this machine's clock (NTP): while it runs behind, entries are stamped with the last one's time.",
        "اضبط ساعة هذا الجهاز (NTP): فما دامت متأخرة تُختم القيود بوقت آخر قيد.",
    ];
    let leaf = parts.identity.chain().first();
    let issued = leaf
        .and_then(|leaf| Validity::of(leaf))
        .map_or(0, |life| ms(life.not_before));
    let recorded = ends.map_or(0, |ends| ends.last_recorded_at_ms);
    let latest_ms = issued.max(recorded);
    let (here, latest) = (time_of_ms(now_ms), time_of_ms(latest_ms));
    if now_ms.saturating_add(CLOCK_SLACK_MS) < latest_ms {
        return Check::Clock.failed(
            [
                format!(
                    "{here}, which is before {latest}, when the switch last recorded or issued"
                ),
                format!("{here}، وهو قبل {latest} حين سجّل المحوِّل أو أصدر آخر مرة"),
            ],
            remedy,
        );
    }
    Check::Clock.ok([
        format!("{here}, after all that was recorded"),
        format!("{here}، بعد كل ما سُجّل"),
    ])
}

fn ms(time: OffsetDateTime) -> u64 {
    u64::try_from(time.unix_timestamp())
        .unwrap_or(0)
        .saturating_mul(1_000)
}
