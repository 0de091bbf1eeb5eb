//! The configuration: read once, checked whole, then never asked again whether it makes sense.
//!
//! Unknown keys are refused, every mistake is reported at once with what to do about it, and nothing that grants
//! trust has a default: names, keys, certificates, listeners and the log's place must be written down.
//! `switch.example.toml` beside this crate is a whole file with every key.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::digest::Digest;
use proto::id::Part;
use proto::limits;
use thiserror::Error;

mod file;
mod metrics;
mod reading;
mod resolve;
mod time;
mod witness;

pub use metrics::MetricsConfig;
pub use reading::duration_of;
pub use time::{TimeAuthority, TimeConfig};
pub use witness::WitnessConfig;

/// The largest configuration file, bytes.
pub const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A configuration that was checked. Paths are absolute or relative to the process, no longer to the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `switch.name`, one name part: the broker's name, as its certificate says (`spiffe://TD/broker/NAME`).
    /// Required. Another name than the certificate's and the switch does not start.
    pub name: Part,
    /// `switch.broker`, 0 to 65,535: this broker's number in every stamp. Required. Two brokers of one log with
    /// one number make stamps that do not say who wrote them.
    pub broker: u16,
    /// `switch.origin`, a schema-less URL: the log's name, as its genesis says. Required. Every seal is made for
    /// it; another one than the genesis' and the switch does not start.
    pub origin: String,
    /// `switch.exchange_listen`, address and port of the door for members. Required. Port 0 takes a free one.
    pub exchange_listen: SocketAddr,
    /// `switch.enrol_listen`, address and port of the door for newcomers, who have no certificate yet. Required.
    pub enrol_listen: SocketAddr,
    /// `switch.exchange_address`, host and port: how adapters dial the door for members; told to newcomers.
    /// Required. A host that the broker's certificate does not carry makes every adapter refuse the switch.
    pub exchange_address: String,
    /// `switch.reflection`, default false: gRPC reflection for members, so that tools can list services.
    pub reflection: bool,
    /// `[tls]`
    pub tls: Tls,
    /// `[[outside_authorities]]`, each with `root`, a PEM file that holds one certificate; default none: whose TLS
    /// certificates may speak for systems, beside the switch's own authority's. Each certificate counts only once
    /// its agency bound it in the log. A root that is not this nation's lets a stranger knock, and no more.
    pub outside_authorities: Vec<PathBuf>,
    /// `[log]`
    pub log: LogConfig,
    /// `[limits]`
    pub limits: Limits,
    /// `[witness]`; default none: nobody outside the switch holds the log to its word.
    pub witness: Option<WitnessConfig>,
    /// `[time]`; default none: no outside authority stamps the log, and its time is the switch's word alone.
    pub time: Option<TimeConfig>,
    /// `[metrics]`; default none: nobody can read figures.
    pub metrics: Option<MetricsConfig>,
    /// SHA-256 of the file's text: recorded at every start.
    pub sha256: Digest,
}

/// `[tls]`: who the switch is, and whom it believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `tls.certificate_chain`, a PEM file: the broker's certificate and its intermediate. Required.
    pub certificate_chain: PathBuf,
    /// `tls.key`, a PEM file that only its owner may read: the certificate's key. Required. Refused when others
    /// may read it.
    pub key: PathBuf,
    /// `tls.authority_dir`, a directory made by `mohawel init`: the authority that issues members' certificates.
    /// Required. Its root must be the one in the genesis.
    pub authority_dir: PathBuf,
}

/// `[log]`: where entries go and how soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `log.dir`, a directory on a local disk made by `mohawel init`. Required. A disk that lies about syncs
    /// loses acknowledged entries.
    pub dir: PathBuf,
    /// `log.key`, a PEM file that only its owner may read: the Ed25519 key that signs checkpoints. Required.
    pub key: PathBuf,
    /// `log.gather_us`, microseconds, 0 to 300, default 300: how long an entry may wait for others to share its
    /// sync. Never waited when nobody else is on the way. Larger: fewer syncs under load, later answers.
    pub gather_us: u32,
    /// `log.queue_entries`, 64 to 65,536, default 4,096: entries that may wait for the writer. One more is
    /// refused as `overloaded`.
    pub queue_entries: usize,
    /// `log.publish_interval_ms`, milliseconds, 100 to 60,000, default 1,000: how often a checkpoint is
    /// published. Larger: members and witnesses see the log later.
    pub publish_interval_ms: u64,
    /// `log.index`, default true: whether `index/` is kept up to date in the background, for `mohawel audit find`. Off:
    /// a search reads every entry, unless somebody runs `mohawel audit index`.
    pub index: bool,
}

/// `[limits]`: what one member, or all together, may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `limits.window_ms`, milliseconds, 1,000 to 300,000, default 30,000: how far a request's time may lie from
    /// the switch's clock. Smaller: clocks must be better. Larger: more exchange ids are remembered.
    pub window_ms: u64,
    /// `limits.in_flight`, 1 to 65,536, default 4,096: exchanges under way at once, all members together. Above:
    /// `overloaded`. Each may hold a payload of 1 MiB in memory.
    pub in_flight: usize,
    /// `limits.in_flight_per_agency`, 1 to `in_flight`, default 1,024: exchanges under way of one consumer agency.
    /// Above: `rate_limited`. As large as `in_flight` and one agency can starve all others.
    pub in_flight_per_agency: usize,
    /// `limits.in_flight_per_provider`, 1 to `in_flight`, default 2,048: exchanges under way with one provider's system,
    /// whoever asks; of one agency three quarters of its own. Above: `overloaded`. As large as `in_flight` and a
    /// provider that hangs holds the places of all others.
    pub in_flight_per_provider: usize,
    /// `limits.waiting`, 1 to `in_flight`, default 768: of the exchanges under way, those that the switch has not begun.
    /// Above, the agency with most of them hears `overloaded`. Larger: whoever is let in waits longer.
    pub waiting: usize,
    /// `limits.connections`, 1 to 65,536, default 4,096: connections at once. Above: closed before TLS.
    pub connections: usize,
    /// `limits.connections_per_agency`, 1 to `connections`, default 64: connections of one agency, beside the second
    /// ones of adapters that renew. Above: closed after TLS.
    pub connections_per_agency: usize,
    /// `limits.handshake_timeout_ms`, milliseconds, 100 to 60,000, default 5,000: how long a TLS handshake may
    /// take. Larger: idle strangers hold connections longer.
    pub handshake_timeout_ms: u64,
    /// `limits.stream_idle_ms`, milliseconds, 100 to 60,000, default 60,000: how long an answer or a request in chunks may
    /// stand still, because one side sends nothing or takes nothing. Then it is void.
    pub stream_idle_ms: u64,
    /// `limits.refusals_per_minute`, 1 to 6,000, default 60: refusals of one peer that are recorded singly. Above,
    /// one entry a minute, peer and code counts them. Larger: a flood fills the log.
    pub refusals_per_minute: u32,
    /// `limits.submissions_per_agency`, 0 to 1,000,000, default 10,000: submissions of one agency that may wait here at
    /// once, for their provider or to be collected. Above: `overloaded`. 0: none is taken.
    pub submissions_per_agency: u64,
    /// `limits.submission_mib_per_agency`, MiB, 1 to 65,536, default 256: how much of them. They lie in the folder
    /// `submissions` beside the log's, which needs as much room for each agency.
    pub submission_mib_per_agency: u64,
    /// `limits.event_mib`, MiB, 0 to 1,048,576, default 1,024: events kept here at once, in the folder `events` beside the
    /// log's; 0: none is taken.
    pub event_mib: u64,
    /// `limits.event_days`, 1 to 29, default 7: how long an event is kept.
    pub event_days: u32,
    /// `limits.event_attempts`, 1 to 1,000, default 50: how often it is brought to a subscriber that does not acknowledge it.
    pub event_attempts: u32,
    /// `limits.event_pause_ms`, 100 to 3,600,000, default 30,000: the pause after the first time; it doubles, up to an hour.
    pub event_pause_ms: u64,
    /// `limits.certificate_life`, a whole number with its unit (`90s`, `45m`, `36h`, `7d`), 5 seconds to 90 days,
    /// default 7 days: life of a member's certificate. Larger: a stolen one serves longer. Smaller: adapters renew
    /// more often, each time with an entry, and what is under way longer than a third of it is cut off with the old
    /// connection.
    pub certificate_life: Duration,
    /// `limits.drain_ms`, milliseconds, 0 to 600,000, default 30,000: how long exchanges under way may go on when
    /// the switch is told to stop. What is still open then is closed as abandoned at the next start.
    pub drain_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window_ms: limits::WINDOW_MS,
            in_flight: 4_096,
            in_flight_per_agency: 1_024,
            in_flight_per_provider: 2_048,
            waiting: 768,
            connections: 4_096,
            connections_per_agency: 64,
            handshake_timeout_ms: 5_000,
            stream_idle_ms: limits::STREAM_IDLE_MS,
            refusals_per_minute: 60,
            submissions_per_agency: 10_000,
            submission_mib_per_agency: 256,
            event_mib: 1_024,
            event_days: 7,
            event_attempts: 50,
            event_pause_ms: 30_000,
            certificate_life: Duration::from_secs(7 * 86_400),
            drain_ms: 30_000,
        }
    }
}

impl LogConfig {
    /// Where events are kept: beside the log's folder, too.
    #[must_use]
    pub fn events_dir(&self) -> PathBuf {
        self.dir.with_file_name("events")
    }

    /// Where submissions wait: beside the log's folder, which holds the log and nothing else.
    #[must_use]
    pub fn submissions_dir(&self) -> PathBuf {
        self.dir.with_file_name("submissions")
    }
}

impl Config {
    /// Reads a file. Relative paths in it are taken from the file's own folder; every file and directory that it
    /// names must be there.
    ///
    /// # Errors
    /// [`ConfigError`]; every mistake is in it, not only the first.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |cause| ConfigError::Read {
            path: path.to_owned(),
            cause,
        };
        let length = std::fs::metadata(path).map_err(read)?.len();
        if length > FILE_BYTES_MAX {
            return Err(ConfigError::TooLarge {
                path: path.to_owned(),
                length,
            });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        resolve::resolve(&text, folder, reading::Files::MustExist)
    }

    /// Reads a file's text; relative paths are taken from `base_dir`. Does not look at any other file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_toml(text: &str, base_dir: &Path) -> Result<Self, ConfigError> {
        resolve::resolve(text, base_dir, reading::Files::Unseen)
    }
}

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `section.key`.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. {}", self.key, self.what, self.remedy)
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {cause}; `mohawel init` makes one", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is larger than [`FILE_BYTES_MAX`].
    #[error("{} has {length} bytes; a configuration has at most {FILE_BYTES_MAX}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: u64,
    },
    /// The text is not TOML.
    #[error("the configuration is not TOML: {0}")]
    Syntax(#[from] toml::de::Error),
    /// The text is TOML and says things that cannot be.
    #[error("the configuration has {} problem(s):{}", .0.len(), lines(.0))]
    Problems(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect()
}

#[cfg(test)]
mod tests;
