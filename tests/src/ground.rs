//! What stands on disk before a switch runs, in the folder layout of `mohawel init`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit::checkpoint::LogKey;
use audit::clock::Clock;
use audit::log::Log;
use broker::Config;
use broker::switch::LogKeyFile;
use bytes::Bytes;
use certs::authority::LEAF_LIFE;
use certs::tls::{self, Trust};
use certs::{Authority, Identity, ReloadableIdentity, SealAlgorithm, SealKeyFile, TlsKey, request};
use proto::act::{Genesis, Operator};
use proto::digest::Digest;
use proto::entry::{Draft, Kind};
use proto::id::Part;
use proto::key::Signer;
use proto::limits::label;
use proto::seal::Seal;
use rustls::ClientConfig;
use rustls::time_provider::TimeProvider;
use tempfile::TempDir;
use time::OffsetDateTime;

/// The log's name.
pub const ORIGIN: &str = "switch.test/log";
/// The trust domain of every name.
pub const TRUST_DOMAIN: &str = "switch.test";
/// The broker's name.
pub const BROKER: &str = "b1";
/// The operator's name.
pub const OPERATOR: &str = "amina";
/// When scenarios with a clock of their own begin: 2026-11-22 12:00:00 UTC, in milliseconds.
pub const NOW_MS: u64 = 1_795_348_800_000;

/// A founded switch that does not run.
#[derive(Debug)]
pub struct Ground {
    dir: PathBuf,
    /// The one clock of switch and agencies.
    pub clock: Clock,
    /// SHA-256 of entry 0.
    pub genesis: Digest,
    /// Removed with the ground, unless the folder was given.
    _temporary: Option<TempDir>,
}

impl Ground {
    /// In a folder of its own, with a clock that stands at [`NOW_MS`].
    pub async fn found() -> Self {
        Self::found_at(Clock::fixed(NOW_MS * 1_000)).await
    }

    /// In a folder of its own.
    pub async fn found_at(clock: Clock) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().to_owned();
        Self::make(dir, Some(temporary), clock).await
    }

    /// In `dir`, which stays.
    pub async fn found_in(dir: &Path, clock: Clock) -> Self {
        Self::make(dir.to_owned(), None, clock).await
    }

    /// Issues the broker's certificate anew, for another [`LEAF_LIFE`] from now on.
    pub fn renew_broker(&self) {
        let authority = Authority::open(&self.dir.join("authority")).unwrap();
        let key = TlsKey::load(&self.dir.join("tls/broker.key")).unwrap();
        issue_broker(&authority, &self.dir, &key, now(&self.clock));
    }

    async fn make(dir: PathBuf, temporary: Option<TempDir>, clock: Clock) -> Self {
        let now = now(&clock);
        let authority = Authority::create(&dir.join("authority"), TRUST_DOMAIN, now).unwrap();
        let key = TlsKey::generate().unwrap();
        key.save(&dir.join("tls/broker.key")).unwrap();
        issue_broker(&authority, &dir, &key, now);
        for path in ["keys/log.key", "operator/operator.key"] {
            SealKeyFile::generate(SealAlgorithm::Ed25519)
                .unwrap()
                .save(&dir.join(path))
                .unwrap();
        }
        let mut ground = Self {
            dir,
            clock,
            genesis: Digest::default(),
            _temporary: temporary,
        };
        ground.write_config(loopback(), loopback(), "");
        let draft = ground.genesis_draft(&authority);
        let config = ground.log_config();
        let log = Log::create(config, draft, ground.log_signer())
            .await
            .unwrap();
        ground.genesis = Digest::of(&log.entry(0).await.unwrap().unwrap());
        log.close().await.unwrap();
        ground
    }

    fn genesis_draft(&self, authority: &Authority) -> Draft {
        let (log, operator) = (self.log_signer(), self.operator_signer());
        let genesis = Genesis {
            origin: ORIGIN.to_owned(),
            log_key: log.key().clone(),
            instance: Part::parse("EG").unwrap(),
            trust_domain: TRUST_DOMAIN.to_owned(),
            authority_root: Digest(authority.root_sha256()),
            operators: vec![Operator {
                name: Part::parse(OPERATOR).unwrap(),
                key: operator.key().clone(),
            }],
            created_at_ms: self.clock.now_ms(),
            purposes: vec![
                proto::act::Purpose::plain(proto::id::Part::parse("social-benefit").unwrap()),
                proto::act::Purpose::plain(proto::id::Part::parse("test").unwrap()),
            ],
        };
        let header = genesis.encode();
        let seal = Seal::one(label::GENESIS, ORIGIN, &header, &*log).unwrap();
        Draft {
            kind: Kind::Genesis,
            facts: Bytes::new(),
            header,
            seal: Some(seal),
        }
    }

    /// The folder as it stands on disk now, while a switch runs on this one: what a power cut would leave.
    pub fn image(&self) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        copy(&self.dir, temporary.path());
        Self {
            dir: temporary.path().to_owned(),
            clock: self.clock.clone(),
            genesis: self.genesis,
            _temporary: Some(temporary),
        }
    }

    /// The whole folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The log's directory.
    pub fn log_dir(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// The configuration's file.
    pub fn config_file(&self) -> PathBuf {
        self.dir.join("switch.toml")
    }

    /// Writes the configuration for these addresses. `limits` are lines of `[limits]`. Publishes often, so that no
    /// scenario waits for a second.
    pub fn write_config(&self, exchange: SocketAddr, enrol: SocketAddr, limits: &str) {
        // What is told to newcomers must be diallable; with port 0 the process says itself where it listens.
        let told = if exchange.port() == 0 {
            "127.0.0.1:7443".to_owned()
        } else {
            exchange.to_string()
        };
        let text = format!(
            "[switch]\nname = \"{BROKER}\"\nbroker = 1\norigin = \"{ORIGIN}\"\nexchange_listen = \"{exchange}\"\n\
             enrol_listen = \"{enrol}\"\nexchange_address = \"{told}\"\nreflection = true\n\n\
             [tls]\ncertificate_chain = \"tls/broker.pem\"\nkey = \"tls/broker.key\"\nauthority_dir = \"authority\"\n\n\
             [log]\ndir = \"log\"\nkey = \"keys/log.key\"\npublish_interval_ms = 100\n\n[limits]\n{limits}\n"
        );
        // The log's directory must be there to be found, and is made with the log.
        std::fs::create_dir_all(self.log_dir()).unwrap();
        std::fs::write(self.config_file(), text).unwrap();
    }

    /// The configuration as it stands.
    pub fn config(&self) -> Config {
        Config::load(&self.config_file()).unwrap()
    }

    /// How the switch runs its log.
    pub fn log_config(&self) -> audit::log::Config {
        broker::Switch::log_config(&self.config(), &self.clock)
    }

    /// The key that signs checkpoints.
    pub fn log_signer(&self) -> Arc<dyn Signer> {
        signer(&self.dir.join("keys/log.key"))
    }

    /// The key that seals invitations.
    pub fn operator_signer(&self) -> Arc<dyn Signer> {
        signer(&self.dir.join("operator/operator.key"))
    }

    /// The key that checkpoints are verified with.
    pub fn log_key(&self) -> LogKey {
        LogKey::new(ORIGIN, self.log_signer().key()).unwrap()
    }

    /// The authority that issues certificates.
    pub fn authority(&self) -> Authority {
        Authority::open(&self.dir.join("authority")).unwrap()
    }

    /// TLS of an operator.
    pub fn operator_tls(&self) -> Arc<ClientConfig> {
        let (authority, now) = (self.authority(), now(&self.clock));
        self.client_tls(&identity(|request| {
            authority
                .issue_operator(request, OPERATOR, LEAF_LIFE, now)
                .unwrap()
                .chain_pem
        }))
    }

    /// TLS of the system `system` with a certificate that the authority issued, whether or not anybody registered it.
    pub fn system_tls(&self, system: &str) -> Arc<ClientConfig> {
        let (authority, now) = (self.authority(), now(&self.clock));
        let uri = format!("spiffe://{TRUST_DOMAIN}/{system}");
        self.client_tls(&identity(|request| {
            authority
                .issue_agency(request, &uri, LEAF_LIFE, now)
                .unwrap()
                .chain_pem
        }))
    }

    /// TLS that shows `identity` and believes this switch's broker.
    pub fn client_tls(&self, identity: &Identity) -> Arc<ClientConfig> {
        let authority = self.authority();
        let trust = Trust::new(
            authority.trust_domain().clone(),
            std::slice::from_ref(authority.root()),
        )
        .unwrap();
        let broker = format!("spiffe://{TRUST_DOMAIN}/broker/{BROKER}");
        let identity = ReloadableIdentity::new(identity.clone());
        tls::client_config(&identity, &trust, &broker, time_of(&self.clock)).unwrap()
    }
}

/// Every file below `dir`.
pub fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path))
        } else {
            found.push(path)
        }
    }
    found
}

/// Copies `from` to `to`, whole.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for path in walk(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        // A file may go while its folder is copied: a tail segment that was let go.
        match std::fs::copy(&path, target) {
            Ok(_) => {}
            Err(error) => assert_eq!(
                error.kind(),
                std::io::ErrorKind::NotFound,
                "{}",
                path.display()
            ),
        }
    }
}

/// A loopback address of the system's choice.
pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A fresh TLS key and the chain that `issue` makes for its request.
pub fn identity(issue: impl FnOnce(&[u8]) -> String) -> Identity {
    let key = TlsKey::generate().unwrap();
    let chain = issue(&request::make(&key).unwrap());
    Identity::from_pem(&chain, &key).unwrap()
}

/// A key file as a signer.
pub fn signer(path: &Path) -> Arc<dyn Signer> {
    Arc::new(LogKeyFile::load(path).unwrap())
}

/// A key that stands nowhere.
pub fn loose_signer() -> Arc<dyn Signer> {
    Arc::new(LogKeyFile::new(SealKeyFile::generate(SealAlgorithm::Ed25519).unwrap()).unwrap())
}

fn issue_broker(authority: &Authority, dir: &Path, key: &TlsKey, now: OffsetDateTime) {
    let hosts = ["localhost".into(), "127.0.0.1".into()];
    let request = request::make(key).unwrap();
    let issued = authority
        .issue_broker(&request, BROKER, &hosts, LEAF_LIFE, now)
        .unwrap();
    std::fs::write(dir.join("tls/broker.pem"), issued.chain_pem).unwrap();
}

/// The clock's time as certificates take it.
pub fn now(clock: &Clock) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(clock.now_us()) * 1_000).unwrap()
}

/// Handshakes that take their time from `clock`.
pub fn time_of(clock: &Clock) -> tls::TimeSource {
    Arc::new(ClockTime(clock.clone()))
}

#[derive(Debug)]
struct ClockTime(Clock);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        Some(rustls::pki_types::UnixTime::since_unix_epoch(
            Duration::from_micros(self.0.now_us()),
        ))
    }
}
