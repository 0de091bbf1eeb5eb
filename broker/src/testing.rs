//! A switch for tests: founded in a folder of its own, with a clock that stands still, reached over real TLS.

use std::sync::Arc;

use audit::clock::Clock;
use audit::log::Log;
use bytes::Bytes;
use certs::authority::{Authority, LEAF_LIFE};
use certs::tls::{self, Trust};
use certs::{Identity, ReloadableIdentity, SealAlgorithm, SealKeyFile, TlsKey, request};
use hyper_util::rt::TokioIo;
use proto::act::{AgencyEnrolment, Genesis, Invitation, KeyBinding, Operator};
use proto::digest::Digest;
use proto::entry::{Draft, Kind};
use proto::envelope::Envelope;
use proto::id::{AgencyId, Part, SystemId};
use proto::key::Signer as _;
use proto::limits::label;
use proto::seal::Seal;
use proto::wire::registry::v1 as wire;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::config::Config;
use crate::switch::{Listeners, LogKeyFile, Switch};

pub(crate) const ORIGIN: &str = "switch.example/log";
pub(crate) const TRUST_DOMAIN: &str = "switch.example";
pub(crate) const NOW_MS: u64 = 1_795_000_000_000;
pub(crate) const OPERATOR: &str = "nour";

/// A founded switch that is not running, and everything its operator holds.
pub(crate) struct Site {
    _dir: TempDir,
    pub(crate) clock: Clock,
    pub(crate) authority: Authority,
    pub(crate) operator: LogKeyFile,
    pub(crate) config: Config,
}

/// An agency's keys, all made by itself.
pub(crate) struct Applicant {
    pub(crate) agency: AgencyId,
    pub(crate) system: SystemId,
    pub(crate) token: Vec<u8>,
    pub(crate) authority_key: LogKeyFile,
    pub(crate) seal_key: LogKeyFile,
    pub(crate) tls: TlsKey,
}

pub(crate) fn part(text: &str) -> Part {
    Part::parse(text).unwrap()
}

pub(crate) fn seal_key() -> LogKeyFile {
    LogKeyFile::new(SealKeyFile::generate(SealAlgorithm::Ed25519).unwrap()).unwrap()
}

/// A sealed header on the wire.
pub(crate) fn sealed(label: &str, header: Bytes, key: &LogKeyFile) -> Envelope {
    let seal = Seal::one(label, ORIGIN, &header, key).unwrap();
    Envelope::bare(header, seal)
}

impl Site {
    /// Founds a switch: authority, log with its genesis, the broker's certificate, a configuration.
    pub(crate) async fn found() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let clock = Clock::fixed(NOW_MS * 1_000);
        let now = OffsetDateTime::from_unix_timestamp((NOW_MS / 1_000) as i64).unwrap();
        let authority = Authority::create(&at("authority"), TRUST_DOMAIN, now).unwrap();
        let tls_key = TlsKey::generate().unwrap();
        tls_key.save(&at("broker.key")).unwrap();
        let asked = request::make(&tls_key).unwrap();
        let hosts = ["127.0.0.1".into()];
        let issued = authority
            .issue_broker(&asked, "cairo-1", &hosts, LEAF_LIFE, now)
            .unwrap();
        std::fs::write(at("broker.pem"), issued.chain_pem).unwrap();
        let log_key = SealKeyFile::generate(SealAlgorithm::Ed25519).unwrap();
        log_key.save(&at("log.key")).unwrap();
        let log_key = LogKeyFile::new(log_key).unwrap();
        let config = Config::from_toml(
            &format!(
                "[switch]\nname = 'cairo-1'\nbroker = 1\norigin = '{ORIGIN}'\nreflection = true\n\
                 exchange_listen = '127.0.0.1:0'\nenrol_listen = '127.0.0.1:0'\nexchange_address = 'localhost:7400'\n\
                 [tls]\ncertificate_chain = 'broker.pem'\nkey = 'broker.key'\nauthority_dir = 'authority'\n\
                 [log]\ndir = 'log'\nkey = 'log.key'\npublish_interval_ms = 100\n"
            ),
            dir.path(),
        )
        .unwrap();
        let site = Self {
            operator: seal_key(),
            _dir: dir,
            clock,
            authority,
            config,
        };
        let log = site.create_log(Arc::new(log_key)).await;
        log.close().await.unwrap();
        site
    }

    async fn create_log(&self, key: Arc<LogKeyFile>) -> Log {
        let genesis = Genesis {
            origin: ORIGIN.into(),
            log_key: key.key().clone(),
            instance: part("EG"),
            trust_domain: TRUST_DOMAIN.into(),
            authority_root: Digest(self.authority.root_sha256()),
            operators: vec![Operator {
                name: part(OPERATOR),
                key: self.operator.key().clone(),
            }],
            created_at_ms: NOW_MS,
            purposes: vec![proto::act::Purpose::plain(
                proto::id::Part::parse("social-support").unwrap(),
            )],
        };
        let header = genesis.encode();
        let seal = Seal::one(label::GENESIS, ORIGIN, &header, &*key).unwrap();
        let draft = Draft {
            kind: Kind::Genesis,
            facts: Bytes::new(),
            header,
            seal: Some(seal),
        };
        Log::create(Switch::log_config(&self.config, &self.clock), draft, key)
            .await
            .unwrap()
    }

    pub(crate) async fn listeners() -> Listeners {
        Listeners {
            exchange: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            enrol: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        }
    }

    pub(crate) async fn start(&self) -> Switch {
        Switch::start(
            self.config.clone(),
            Self::listeners().await,
            self.clock.clone(),
        )
        .await
        .unwrap()
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp((self.clock.now_ms() / 1_000) as i64).unwrap()
    }

    fn members_config(&self, chain_pem: &str, key: &TlsKey) -> Arc<ClientConfig> {
        let identity = ReloadableIdentity::new(Identity::from_pem(chain_pem, key).unwrap());
        let trust = Trust::new(
            TRUST_DOMAIN.parse().unwrap(),
            &[self.authority.root().clone()],
        )
        .unwrap();
        let broker = format!("spiffe://{TRUST_DOMAIN}/broker/cairo-1");
        tls::client_config(&identity, &trust, &broker, tls::fixed_time(self.now())).unwrap()
    }

    /// A connection to the members' door with this certificate.
    pub(crate) async fn connect(&self, switch: &Switch, chain_pem: &str, key: &TlsKey) -> Channel {
        let config = self.members_config(chain_pem, key);
        connect(switch.exchange_address().port(), config).await
    }

    /// A connection to the members' door as the operator `name`.
    pub(crate) async fn connect_operator(&self, switch: &Switch, name: &str) -> Channel {
        let key = TlsKey::generate().unwrap();
        let asked = request::make(&key).unwrap();
        let issued = self
            .authority
            .issue_operator(&asked, name, LEAF_LIFE, self.now())
            .unwrap();
        self.connect(switch, &issued.chain_pem, &key).await
    }

    /// A connection to the newcomers' door that has pinned the root.
    pub(crate) async fn connect_newcomer(&self, switch: &Switch) -> Channel {
        let time = tls::fixed_time(self.now());
        let config = tls::enrolment_client_config(self.authority.root_sha256(), time).unwrap();
        connect(switch.enrol_address().port(), config).await
    }

    /// An invitation of `applicant`, sealed by the operator.
    pub(crate) fn invitation(&self, applicant: &Applicant) -> Envelope {
        let invitation = Invitation {
            agency: applicant.agency.clone(),
            token: Digest::of(&applicant.token),
            expires_at_ms: NOW_MS + 3_600_000,
            issued_at_ms: NOW_MS,
            authority_kid: None,
        };
        sealed(label::OPERATOR, invitation.encode(), &self.operator)
    }
}

async fn connect(port: u16, config: Arc<ClientConfig>) -> Channel {
    let connector = TlsConnector::from(config);
    let dial = tower::service_fn(move |_: http::Uri| {
        let connector = connector.clone();
        async move {
            let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
            let name = ServerName::try_from("127.0.0.1").map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, tcp).await?))
        }
    });
    Endpoint::from_static("http://switch")
        .connect_with_connector(dial)
        .await
        .unwrap()
}

impl Applicant {
    pub(crate) fn new(system: &str) -> Self {
        let system: SystemId = system.parse().unwrap();
        Self {
            agency: system.agency(),
            token: Digest::of(system.as_str().as_bytes()).0.to_vec(),
            system,
            authority_key: seal_key(),
            seal_key: seal_key(),
            tls: TlsKey::generate().unwrap(),
        }
    }

    /// Its own word that it is there, for the switch with this genesis.
    pub(crate) fn enrolment(&self, genesis: Digest) -> Envelope {
        let enrolment = AgencyEnrolment {
            agency: self.agency.clone(),
            name_ar: "وزارة التضامن الاجتماعي".into(),
            name_en: "Ministry of Social Solidarity".into(),
            authority_key: self.authority_key.key().clone(),
            token: Digest::of(&self.token),
            issued_at_ms: NOW_MS,
            genesis,
        };
        sealed(label::AUTHORITY, enrolment.encode(), &self.authority_key)
    }

    /// The binding of a seal key to its system.
    pub(crate) fn binding(&self, key: &LogKeyFile) -> Envelope {
        let mut binding = KeyBinding {
            system: self.system.clone(),
            adapter: part("a1"),
            key: key.key().clone(),
            issued_at_ms: NOW_MS,
            possession: Bytes::new(),
        };
        let proof = Seal::one(label::POSSESSION, ORIGIN, &binding.possession_bytes(), key).unwrap();
        binding.possession = proof.cose;
        sealed(label::AUTHORITY, binding.encode(), &self.authority_key)
    }

    /// The whole request.
    pub(crate) fn request(&self, genesis: Digest) -> wire::EnrolRequest {
        wire::EnrolRequest {
            token: self.token.clone().into(),
            agency: Some(self.enrolment(genesis).to_wire()),
            key_binding: Some(self.binding(&self.seal_key).to_wire()),
            certificate_request: request::make(&self.tls).unwrap().into(),
        }
    }
}
