//! `mohawel init`: a new switch in an empty folder: authority, keys, configuration, and entry 0 of its log.
//!
//! Everything that can be wrong with the arguments is said before anything is written; `switch.toml` is written
//! last, so a folder that was cut short is never taken for a switch.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use adapters::identity::FileSigner;
use audit::checkpoint::LogKey;
use audit::clock::Clock;
use audit::log::{self, Log};
use certs::{Authority, TrustDomain};
use proto::act;
use proto::digest::Digest;
use proto::entry::{Draft, Kind};
use proto::facts::{self, RegistryFacts};
use proto::id::Part;
use proto::key::Signer;
use proto::limits::label;
use proto::seal::Seal;
use serde_json::json;
use time::OffsetDateTime;

use super::operator;
use super::switch_dir::{Addresses, SwitchDir, host_of, in_file, with_port};
use crate::args;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub mod certificates;
mod config;
mod purposes;

/// Name and number of the first broker.
const BROKER: (&str, u16) = ("b1", 1);
/// Ports told to agencies when the switch listens on port 0; the running switch says the real ones.
const PORTS: (u16, u16) = (7443, 7444);

/// What a new switch is.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// Its folder; must not exist or be empty.
    pub dir: PathBuf,
    /// First part of every name.
    pub instance: String,
    /// Name of the log, a URL without scheme.
    pub origin: String,
    /// SPIFFE trust domain; the origin's host when `None`.
    pub trust_domain: Option<String>,
    /// Name of the first operator.
    pub operator: String,
    /// Where agencies call.
    pub exchange_listen: SocketAddr,
    /// Where agencies enrol.
    pub enrol_listen: SocketAddr,
    /// host:port told to agencies; the listen address when `None`.
    pub exchange_address: Option<String>,
    /// host:port told to agencies; the listen address when `None`.
    pub enrol_address: Option<String>,
}

impl From<args::Init> for InitOptions {
    fn from(init: args::Init) -> Self {
        Self {
            dir: init.dir,
            instance: init.instance,
            origin: init.origin,
            trust_domain: init.trust_domain,
            operator: init.operator,
            exchange_listen: init.exchange_listen,
            enrol_listen: init.enrol_listen,
            exchange_address: init.exchange_address,
            enrol_address: init.enrol_address,
        }
    }
}

/// A switch that was made.
#[derive(Clone, Debug)]
pub struct Created {
    /// Its folder.
    pub switch: SwitchDir,
    /// Whom its checkpoints are verified with: what auditors must be given by another way.
    pub log_key: LogKey,
    /// SHA-256 of entry 0.
    pub genesis: Digest,
    /// SHA-256 of the authority's root certificate: the pin in invitations.
    pub root_sha256: Digest,
}

/// Makes the switch and says what was made.
///
/// # Errors
/// As [`create`].
pub async fn run(init: args::Init, output: Output) -> Result<(), Failure> {
    let created = create(&init.into(), &Clock::System).await?;
    let dir = created.switch.path().display().to_string();
    let value = json!({
        "switch": dir,
        "log_vkey": created.log_key.to_vkey(),
        "genesis_sha256": created.genesis.to_string(),
        "root_sha256": created.root_sha256.to_string(),
    });
    output.show(&value, || {
        output.line(format!("{} {dir}", output.say("A new switch stands in", "أُنشئ محوِّل جديد في")));
        output.line(format!("{}: {}", output.say("log key", "مفتاح السجل"), created.log_key.to_vkey()));
        output.line(format!("{}: {}", output.say("genesis", "قيد التأسيس"), created.genesis));
        output.line(format!("{}: {}", output.say("root", "شهادة الجذر"), created.root_sha256));
        output.line(output.say(
            "Give the log key to auditors by another way than this switch, and keep a copy of authority/root.key elsewhere.",
            "سلّم مفتاح السجل للمدققين بطريق غير هذا المحوِّل، واحفظ نسخة من authority/root.key في مكان آخر.",
        ));
        output.line(format!("{}: mohawel broker --switch {dir}", output.say("Next", "الخطوة التالية")));
    })
}

/// Makes a switch.
///
/// # Errors
/// A usage failure for a folder that is in use or a name that cannot be one; otherwise what could not be written.
pub async fn create(options: &InitOptions, clock: &Clock) -> Result<Created, Failure> {
    let plan = Plan::of(options)?;
    refuse_used(&options.dir)?;
    let switch = SwitchDir::new(&options.dir);
    certs::key_files::private_dir(switch.path()).map_err(Failure::usage)?;
    let now = now(clock)?;
    let authority = Authority::create(&switch.authority(), plan.trust_domain.as_str(), now)
        .map_err(Failure::usage)?;
    certificates::new_broker(&switch, &authority, BROKER.0, &plan.hosts, now)?;
    let log_signer = FileSigner::load_or_make(&switch.log_key()).map_err(Failure::usage)?;
    let log_key = LogKey::new(&options.origin, log_signer.key()).map_err(Failure::usage)?;
    let operator_key = FileSigner::load_or_make(&switch.operator().join(operator::SEAL_KEY))
        .map_err(Failure::usage)?;
    let root_sha256 = Digest(authority.root_sha256());
    let genesis = act::Genesis {
        origin: options.origin.clone(),
        log_key: log_signer.key().clone(),
        instance: plan.instance.clone(),
        trust_domain: plan.trust_domain.to_string(),
        authority_root: root_sha256,
        operators: vec![act::Operator {
            name: plan.operator.clone(),
            key: operator_key.key().clone(),
        }],
        created_at_ms: clock.now_ms(),
        purposes: purposes::standard()?,
    };
    let genesis = found_log(&switch, &options.origin, genesis, log_signer, clock).await?;
    let file = operator::File {
        name: plan.operator.to_string(),
        exchange: plan.addresses.exchange.clone(),
        enrol: plan.addresses.enrol.clone(),
        broker_uri: format!("spiffe://{}/broker/{}", plan.trust_domain, BROKER.0),
        genesis_sha256: genesis.to_string(),
    };
    certificates::new_operator(&switch, &authority, &file, &log_key, now)?;
    let text = config::text(options, &plan.addresses, BROKER);
    certs::key_files::replace_public(&switch.config(), text.as_bytes())
        .map_err(Failure::unavailable)?;
    Ok(Created {
        switch,
        log_key,
        genesis,
        root_sha256,
    })
}

/// The arguments, read: nothing in them can fail any more.
struct Plan {
    instance: Part,
    operator: Part,
    trust_domain: TrustDomain,
    addresses: Addresses,
    hosts: Vec<String>,
}

impl Plan {
    fn of(options: &InitOptions) -> Result<Self, Failure> {
        let part = |text: &str| Part::parse(text).map_err(Failure::usage);
        let known = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'/' | b'_' | b':')
        };
        let origin = &options.origin;
        if origin.is_empty()
            || origin.len() > 255
            || !origin.bytes().all(known)
            || origin.contains("://")
        {
            return Err(Failure::usage(format!(
                "'{origin}' is not a URL without scheme, for example switch.example/log"
            )));
        }
        let trust_domain = options.trust_domain.clone().unwrap_or_else(|| {
            let host = origin.split(['/', ':']).next().unwrap_or_default();
            host.to_ascii_lowercase()
        });
        let addresses = Addresses {
            exchange: told(
                "exchange",
                options.exchange_address.as_deref(),
                options.exchange_listen,
                PORTS.0,
            )?,
            enrol: told(
                "enrol",
                options.enrol_address.as_deref(),
                options.enrol_listen,
                PORTS.1,
            )?,
        };
        if options.exchange_listen == options.enrol_listen && options.exchange_listen.port() != 0 {
            return Err(Failure::usage(
                "newcomers have no certificate: give --enrol-listen a port of its own",
            ));
        }
        let mut hosts = vec![
            host_of(&addresses.exchange).to_owned(),
            host_of(&addresses.enrol).to_owned(),
        ];
        hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        for listen in [options.exchange_listen, options.enrol_listen] {
            if !listen.ip().is_unspecified() {
                hosts.push(listen.ip().to_string());
            }
        }
        hosts.sort();
        hosts.dedup();
        Ok(Self {
            instance: part(&options.instance)?,
            operator: part(&options.operator)?,
            trust_domain: trust_domain.parse().map_err(Failure::usage)?,
            addresses,
            hosts,
        })
    }
}

/// The address that agencies are told: the one given, or the one listened at.
fn told(door: &str, given: Option<&str>, listen: SocketAddr, port: u16) -> Result<String, Failure> {
    let Some(given) = given else {
        if listen.ip().is_unspecified() {
            let name = format!("--{door}-address");
            return Err(Failure::usage(format!(
                "nobody can dial {listen}: say {name} HOST:PORT as agencies reach it"
            )));
        }
        let listen = listen.to_string();
        return Ok(if listen.ends_with(":0") {
            with_port(&listen, port)
        } else {
            listen
        });
    };
    let readable = given.rsplit_once(':').is_some_and(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
        !host.is_empty()
            && host.bytes().all(known)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if readable {
        Ok(given.to_owned())
    } else {
        Err(Failure::usage(format!("'{given}' is not HOST:PORT")))
    }
}

/// A folder with anything in it is somebody's.
fn refuse_used(dir: &std::path::Path) -> Result<(), Failure> {
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => {
                let dir = dir.display();
                Err(Failure::new(
                    Exit::Usage,
                    [
                        format!("{dir} is not empty; a switch is never made over something"),
                        format!("المجلد {dir} ليس فارغًا؛ ولا يُنشأ محوِّل فوق شيء قائم"),
                    ],
                    [
                        "Name a folder that does not exist yet. If this one was left by an init that was cut short, remove it.",
                        "اذكر مجلدًا غير موجود. وإن كان هذا من إنشاء لم يكتمل فاحذفه.",
                    ],
                ))
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(in_file(dir, error)),
    }
}

/// Writes entry 0 and publishes it; gives its SHA-256.
async fn found_log(
    switch: &SwitchDir,
    origin: &str,
    genesis: act::Genesis,
    signer: FileSigner,
    clock: &Clock,
) -> Result<Digest, Failure> {
    let header = genesis.encode();
    // What nobody could read back must not become entry 0.
    act::Genesis::open(&header).map_err(Failure::usage)?;
    let seal = Seal::one(label::GENESIS, origin, &header, &signer).map_err(Failure::unavailable)?;
    let facts = facts::encode(&RegistryFacts::default());
    let draft = Draft {
        kind: Kind::Genesis,
        facts,
        header,
        seal: Some(seal),
    };
    let mut config = log::Config::new(&switch.log(), origin);
    config.broker = BROKER.1;
    config.clock = clock.clone();
    let log = Log::create(config, draft, std::sync::Arc::new(signer))
        .await
        .map_err(Failure::unavailable)?;
    let entry = log.entry(0).await.map_err(Failure::unavailable)?;
    let entry = entry.ok_or_else(|| Failure::unavailable("entry 0 was not recorded"))?;
    log.close().await.map_err(Failure::unavailable)?;
    Ok(Digest::of(&entry))
}

/// The clock's time as certificates take it.
///
/// # Errors
/// A failure for a clock outside what a certificate can say.
pub fn now(clock: &Clock) -> Result<OffsetDateTime, Failure> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(clock.now_us()) * 1_000)
        .map_err(Failure::unavailable)
}

#[cfg(test)]
mod tests;
