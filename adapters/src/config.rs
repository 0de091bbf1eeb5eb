//! An adapter's settings: `adapter.toml`, resolved and checked, every problem reported at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use certs::{PeerName, PeerRole, TrustDomain};
use proto::digest::Digest;
use proto::id::{Part, SystemId};
use proto::limits::{SEAL_SIZE_MAX, WINDOW_MS};
use thiserror::Error;

use crate::journal;

mod file;
mod parts;

use file::{File, Names, Subjects};
use parts::{journal_of, keys_of, plain_paths, witness_of};

/// The file's name in a home folder.
pub const FILE_NAME: &str = "adapter.toml";

/// How long an exchange waits for the own mirror, when the file does not say.
const MIRROR_WAIT_MS: u64 = 2_000;
/// How often the published checkpoint is looked at, when the file does not say.
const CHECKPOINT_EVERY_MS: u64 = 1_000;

/// What an adapter knows of itself and its switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// host:port of the exchange door.
    pub exchange: String,
    /// host:port of the enrolment door.
    pub enrol: String,
    /// The system this adapter speaks for.
    pub system: SystemId,
    /// The adapter instance.
    pub adapter: Part,
    /// The broker's SPIFFE URI.
    pub broker_uri: String,
    /// The trust domain inside it.
    pub trust_domain: TrustDomain,
    /// SHA-256 of entry 0.
    pub genesis: Digest,
    /// How far a request's time may lie from this machine's clock, milliseconds.
    pub window_ms: u64,
    /// How long an exchange waits for the own mirror.
    pub mirror_wait: Duration,
    /// How often the published checkpoint is looked at.
    pub checkpoint_every: Duration,
    /// Headers that go under one signature at most; 1: every header is sealed alone.
    pub seal_together: usize,
    /// Whether the consumer's calls share one stream.
    pub call_stream: bool,
    /// Keys and certificates of this agency that other adapters hold: SHA-256 of each.
    pub expected_keys: Vec<Digest>,
    /// The folder of subject keys, relative to the home folder.
    pub subject_keys: PathBuf,
    /// Where the other files lie, relative to the home folder.
    pub files: Files,
    /// The journal of receipts.
    pub journal: journal::Options,
    /// Who must vouch for published checkpoints.
    pub witness: Option<Witness>,
}

/// Who must vouch for published checkpoints, and how soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The policy file, relative to the home folder.
    pub policy: PathBuf,
    /// How long something may be known that is not under the quorum.
    pub lag: Duration,
    /// A provider refuses what is not.
    pub require: bool,
}

/// File names, relative to the home folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Root certificate, PEM.
    pub root: PathBuf,
    /// Log verifier key.
    pub log_key: PathBuf,
    /// TLS key.
    pub tls_key: PathBuf,
    /// TLS chain, PEM.
    pub chain: PathBuf,
    /// Seal key.
    pub seal_key: PathBuf,
    /// Where the agency's authority key last was; usually outside the home, then the whole path.
    pub authority_key: PathBuf,
    /// Largest verified checkpoint.
    pub checkpoint: PathBuf,
}

impl Default for Files {
    fn default() -> Self {
        Self::from_names(&Names::default())
    }
}

impl Files {
    fn from_names(names: &Names) -> Self {
        Self {
            root: PathBuf::from(&names.root),
            log_key: PathBuf::from(&names.log_key),
            tls_key: PathBuf::from(&names.tls_key),
            chain: PathBuf::from(&names.chain),
            seal_key: PathBuf::from(&names.seal_key),
            authority_key: PathBuf::from(&names.authority_key),
            checkpoint: PathBuf::from(&names.checkpoint),
        }
    }

    fn all(&self) -> [(&'static str, &Path); 7] {
        [
            ("root", &self.root),
            ("log_key", &self.log_key),
            ("tls_key", &self.tls_key),
            ("chain", &self.chain),
            ("seal_key", &self.seal_key),
            ("authority_key", &self.authority_key),
            ("checkpoint", &self.checkpoint),
        ]
    }
}

/// Where a switch stands and which one it is: what enrolment learns.
#[derive(Clone, Debug)]
pub struct Switch {
    /// host:port of the exchange door.
    pub exchange: String,
    /// host:port of the enrolment door.
    pub enrol: String,
    /// The broker's SPIFFE URI.
    pub broker_uri: String,
    /// SHA-256 of entry 0.
    pub genesis: Digest,
}

impl Config {
    /// Settings with every default, for a system that enrols at `switch`.
    ///
    /// # Errors
    /// [`ConfigError::Problems`] when the switch's names are not what they must be.
    pub fn new(switch: &Switch, system: &SystemId, adapter: &Part) -> Result<Self, ConfigError> {
        Self::check(File {
            exchange: switch.exchange.clone(),
            enrol: switch.enrol.clone(),
            system: system.to_string(),
            adapter: adapter.to_string(),
            broker_uri: switch.broker_uri.clone(),
            genesis_sha256: switch.genesis.to_string(),
            window_ms: None,
            mirror_wait_ms: None,
            checkpoint_every_ms: None,
            seal_together: None,
            call_stream: false,
            expected_keys: Vec::new(),
            subjects: Subjects::default(),
            files: Names::default(),
            journal: file::Journal::default(),
            witness: None,
        })
    }

    /// Reads the TOML text.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`] for text that is no such file, [`ConfigError::Problems`] with all of
    /// its problems at once.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file: File =
            toml::from_str(text).map_err(|error| ConfigError::Syntax(error.to_string()))?;
        Self::check(file)
    }

    /// The TOML text that [`Config::parse`] reads back to the same settings.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`] when a path is not text.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let unless = |value: u64, default: u64| (value != default).then_some(value);
        let file = File {
            exchange: self.exchange.clone(),
            enrol: self.enrol.clone(),
            system: self.system.to_string(),
            adapter: self.adapter.to_string(),
            broker_uri: self.broker_uri.clone(),
            genesis_sha256: self.genesis.to_string(),
            window_ms: unless(self.window_ms, WINDOW_MS),
            mirror_wait_ms: unless(ms(self.mirror_wait), MIRROR_WAIT_MS),
            checkpoint_every_ms: unless(ms(self.checkpoint_every), CHECKPOINT_EVERY_MS),
            seal_together: unless(self.seal_together as u64, u64::from(SEAL_SIZE_MAX)),
            call_stream: self.call_stream,
            expected_keys: self.expected_keys.iter().map(ToString::to_string).collect(),
            journal: file::Journal {
                dir: text(&self.journal.dir),
                keep_payload: self.journal.keep_payload,
                when_unwritable: self.journal.when_unwritable.name().to_owned(),
            },
            witness: self.witness.as_ref().map(|witness| file::Witness {
                policy: text(&witness.policy),
                witness_lag_ms: ms(witness.lag),
                require: witness.require,
            }),
            subjects: Subjects {
                keys: text(&self.subject_keys),
            },
            files: Names {
                root: text(&self.files.root),
                log_key: text(&self.files.log_key),
                tls_key: text(&self.files.tls_key),
                chain: text(&self.files.chain),
                seal_key: text(&self.files.seal_key),
                authority_key: text(&self.files.authority_key),
                checkpoint: text(&self.files.checkpoint),
            },
        };
        let body =
            toml::to_string(&file).map_err(|error| ConfigError::Syntax(error.to_string()))?;
        Ok(format!(
            "# An adapter of Mohawel. docs/operating.md explains every key.\n{body}"
        ))
    }

    /// `text` with another place of the authority key, and nothing else changed. `None` when `text` does not say the
    /// place in a line of its own, or is no such file.
    pub(crate) fn with_authority_key(text: &str, path: &Path) -> Option<String> {
        let mut wanted = Self::parse(text).ok()?;
        path.clone_into(&mut wanted.files.authority_key);
        let value = toml::Value::String(path.to_str()?.to_owned());
        let lines = text.lines().map(|line| {
            let key = line.split_once('=').map(|(key, _)| key.trim());
            match key {
                Some("authority_key") => format!("authority_key = {value}\n"),
                _ => format!("{line}\n"),
            }
        });
        let changed: String = lines.collect();
        (Self::parse(&changed).ok()? == wanted).then_some(changed)
    }

    fn check(file: File) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        for (key, address) in [("exchange", &file.exchange), ("enrol", &file.enrol)] {
            if !is_address(address) {
                problems.push(format!("{key} = '{address}' is not host:port"));
            }
        }
        let system = SystemId::parse(&file.system)
            .map_err(|error| problems.push(format!("system: {error}")));
        let adapter =
            Part::parse(&file.adapter).map_err(|error| problems.push(format!("adapter: {error}")));
        let broker: Result<PeerName, _> = file.broker_uri.parse();
        let trust_domain = match broker {
            Ok(name) if matches!(name.role(), PeerRole::Broker(_)) => {
                Some(name.trust_domain().clone())
            }
            _ => {
                problems.push("broker_uri is not spiffe://TRUST-DOMAIN/broker/NAME".to_owned());
                None
            }
        };
        let genesis = Digest::from_hex(&file.genesis_sha256);
        if genesis.is_none() {
            problems.push("genesis_sha256 is not 64 hex digits".to_owned());
        }
        let window_ms = file.window_ms.unwrap_or(WINDOW_MS);
        let mirror_wait_ms = file.mirror_wait_ms.unwrap_or(MIRROR_WAIT_MS);
        let checkpoint_every_ms = file.checkpoint_every_ms.unwrap_or(CHECKPOINT_EVERY_MS);
        let seal_together = file.seal_together.unwrap_or(u64::from(SEAL_SIZE_MAX));
        for (key, value, max) in [
            ("window_ms", window_ms, 600_000),
            ("mirror_wait_ms", mirror_wait_ms, 60_000),
            ("checkpoint_every_ms", checkpoint_every_ms, 3_600_000),
            ("seal_together", seal_together, u64::from(SEAL_SIZE_MAX)),
        ] {
            if value == 0 || value > max {
                problems.push(format!("{key} = {value} is not within 1 and {max}"));
            }
        }
        let expected_keys = keys_of(&file.expected_keys, &mut problems);
        let files = Files::from_names(&file.files);
        let subject_keys = PathBuf::from(&file.subjects.keys);
        plain_paths(&files, &subject_keys, &mut problems);
        let journal = journal_of(file.journal, &mut problems);
        let witness = witness_of(file.witness, &mut problems);
        match (system, adapter, trust_domain, genesis) {
            (Ok(system), Ok(adapter), Some(trust_domain), Some(genesis)) if problems.is_empty() => {
                Ok(Self {
                    exchange: file.exchange,
                    enrol: file.enrol,
                    system,
                    adapter,
                    broker_uri: file.broker_uri,
                    trust_domain,
                    genesis,
                    window_ms,
                    mirror_wait: Duration::from_millis(mirror_wait_ms),
                    checkpoint_every: Duration::from_millis(checkpoint_every_ms),
                    // At most 64.
                    seal_together: seal_together as usize,
                    call_stream: file.call_stream,
                    expected_keys,
                    subject_keys,
                    files,
                    journal,
                    witness,
                })
            }
            _ => Err(ConfigError::Problems(problems)),
        }
    }
}

/// Whether `text` is `host:port` with a host and a port above 0; IPv6 hosts stand in brackets.
pub(crate) fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let host_holds = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.len() <= 253
                && host
                    .bytes()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-'))
        }
    };
    host_holds && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Why a text is not an adapter's settings.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Not TOML, a key is missing, or a key is unknown.
    #[error("adapter.toml cannot be read: {0}")]
    Syntax(String),
    /// All problems of the values.
    #[error("adapter.toml: {}", .0.join("; "))]
    Problems(Vec<String>),
}

#[cfg(test)]
mod tests;
