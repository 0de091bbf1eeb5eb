//! From the file's shape to a checked [`Config`]: collects every problem before it gives up.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::digest::Digest;
use proto::id::Part;
use proto::limits::WINDOW_MS_MAX;

use super::file::{
    File, Given, LimitsSection, LogSection, OutsideAuthoritySection, SwitchSection, TlsSection,
};
use super::reading::{Bounds, Files, Reading};
use super::{Config, ConfigError, Limits, LogConfig, Tls};

mod limits;

/// How long a member's certificate may live: time enough to renew it, and no longer than the authority issues.
const CERTIFICATE_LIFE: RangeInclusive<Duration> =
    Duration::from_secs(5)..=Duration::from_secs(90 * 86_400);

/// Reads `text`; all problems at once.
pub(super) fn resolve(text: &str, base_dir: &Path, files: Files) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text)?;
    let mut reading = Reading {
        base_dir,
        files,
        problems: Vec::new(),
    };
    reading.unknown(
        "",
        &file.unknown,
        "switch, tls, log, limits, witness, time, metrics, outside_authorities",
    );
    let switch = reading.section("switch", file.switch);
    let tls = reading.section("tls", file.tls);
    let log = reading.section("log", file.log);
    let limits = reading.section("limits", file.limits);
    let switch = reading.switch(switch);
    let tls = reading.tls(tls);
    let log = reading.log(log);
    let limits = reading.limits(limits);
    let witness = reading.witness(file.witness);
    let time = reading.time(file.time);
    let metrics = reading.metrics(file.metrics);
    let outside_authorities = reading.outside_authorities(file.outside_authorities);
    match (switch, tls, log) {
        (Some(switch), Some(tls), Some(log)) if reading.problems.is_empty() => Ok(Config {
            name: switch.name,
            broker: switch.broker,
            origin: switch.origin,
            exchange_listen: switch.exchange_listen,
            enrol_listen: switch.enrol_listen,
            exchange_address: switch.exchange_address,
            reflection: switch.reflection,
            tls,
            outside_authorities,
            log,
            limits,
            witness,
            time,
            metrics,
            sha256: Digest::of(text.as_bytes()),
        }),
        _ => Err(ConfigError::Problems(reading.problems)),
    }
}

/// `[switch]`, checked.
struct SwitchPart {
    name: Part,
    broker: u16,
    origin: String,
    exchange_listen: SocketAddr,
    enrol_listen: SocketAddr,
    exchange_address: String,
    reflection: bool,
}

impl Reading<'_> {
    fn outside_authorities(
        &mut self,
        given: Given<Vec<Given<OutsideAuthoritySection>>>,
    ) -> Vec<PathBuf> {
        let mut roots = Vec::new();
        for (position, given) in self
            .section("outside_authorities", given)
            .into_iter()
            .enumerate()
        {
            let section = format!("outside_authorities.{}", position + 1);
            let given = self.section(&section, given);
            self.unknown(&section, &given.unknown, "root");
            roots.extend(self.path(
                &format!("{section}.root"),
                given.root,
                "Name the PEM file of the authority's root certificate.",
            ));
        }
        roots
    }

    fn listen(&mut self, key: &str, given: Given<String>) -> Option<SocketAddr> {
        let remedy = "Write address:port, for example 0.0.0.0:7400.";
        self.parsed(key, given, remedy, |text| text.parse().ok())
    }

    fn switch(&mut self, given: SwitchSection) -> Option<SwitchPart> {
        self.unknown(
            "switch",
            &given.unknown,
            "name, broker, origin, exchange_listen, enrol_listen, exchange_address, reflection",
        );
        let name = self.parsed(
            "switch.name",
            given.name,
            "Write the NAME of the broker's certificate, spiffe://TRUST-DOMAIN/broker/NAME.",
            |text| Part::parse(text).ok(),
        );
        let broker = self.need(
            "switch.broker",
            given.broker,
            "Write this broker's number, 0 to 65535.",
        );
        let origin = self.parsed(
            "switch.origin",
            given.origin,
            "Write the log's origin as its genesis says, for example switch.gov.example/log.",
            |text| is_origin(text).then(|| text.to_owned()),
        );
        let exchange_listen = self.listen("switch.exchange_listen", given.exchange_listen);
        let enrol_listen = self.listen("switch.enrol_listen", given.enrol_listen);
        let exchange_address = self.parsed(
            "switch.exchange_address",
            given.exchange_address,
            "Write host:port as adapters dial it; the host must stand in the broker's certificate.",
            |text| is_address(text).then(|| text.to_owned()),
        );
        if let (Some(one), Some(other)) = (exchange_listen, enrol_listen)
            && one == other
            && one.port() != 0
        {
            self.problem(
                "switch.enrol_listen",
                "the same as switch.exchange_listen",
                "Newcomers have no certificate and need a port of their own.",
            );
        }
        let reflection = match given.reflection {
            Given::Absent => Some(false),
            given => self.need("switch.reflection", given, "Write true or false."),
        };
        Some(SwitchPart {
            name: name?,
            broker: broker?,
            origin: origin?,
            exchange_listen: exchange_listen?,
            enrol_listen: enrol_listen?,
            exchange_address: exchange_address?,
            reflection: reflection?,
        })
    }

    fn tls(&mut self, given: TlsSection) -> Option<Tls> {
        self.unknown(
            "tls",
            &given.unknown,
            "certificate_chain, key, authority_dir",
        );
        let certificate_chain = self.path(
            "tls.certificate_chain",
            given.certificate_chain,
            "Write the PEM file with the broker's certificate and its intermediate.",
        );
        let key = self.path(
            "tls.key",
            given.key,
            "Write the PEM file with the certificate's key.",
        );
        let authority_dir = self.path(
            "tls.authority_dir",
            given.authority_dir,
            "Write the directory of the authority that `mohawel init` made.",
        );
        Some(Tls {
            certificate_chain: certificate_chain?,
            key: key?,
            authority_dir: authority_dir?,
        })
    }

    fn log(&mut self, given: LogSection) -> Option<LogConfig> {
        self.unknown(
            "log",
            &given.unknown,
            "dir, key, gather_us, queue_entries, publish_interval_ms, index",
        );
        let dir = self.path(
            "log.dir",
            given.dir,
            "Write the directory of the log that `mohawel init` made.",
        );
        let key = self.path(
            "log.key",
            given.key,
            "Write the PEM file with the log's Ed25519 key.",
        );
        let gather_us = self.number(
            "log.gather_us",
            given.gather_us,
            &Bounds {
                default: 300,
                min: 0,
                max: 300,
            },
        );
        let queue_entries = self.number(
            "log.queue_entries",
            given.queue_entries,
            &Bounds {
                default: 4_096,
                min: 64,
                max: 65_536,
            },
        );
        let publish_interval_ms = self.number(
            "log.publish_interval_ms",
            given.publish_interval_ms,
            &Bounds {
                default: 1_000,
                min: 100,
                max: 60_000,
            },
        );
        let index = match given.index {
            Given::Absent => Some(true),
            given => self.need("log.index", given, "Write true or false."),
        };
        Some(LogConfig {
            index: index?,
            dir: dir?,
            key: key?,
            gather_us: gather_us as u32,
            queue_entries: queue_entries as usize,
            publish_interval_ms,
        })
    }

    fn limits(&mut self, given: LimitsSection) -> Limits {
        self.unknown(
            "limits",
            &given.unknown,
            "window_ms, in_flight, in_flight_per_agency, in_flight_per_provider, waiting, connections, connections_per_agency, \
             handshake_timeout_ms, stream_idle_ms, refusals_per_minute, submissions_per_agency, submission_mib_per_agency, event_mib, \
             event_days, event_attempts, event_pause_ms, certificate_life, drain_ms",
        );
        let mut limits = Limits::default();
        let l = &mut limits;
        self.limit(
            "window_ms",
            given.window_ms,
            &mut l.window_ms,
            1_000,
            WINDOW_MS_MAX,
        );
        self.limit("in_flight", given.in_flight, &mut l.in_flight, 1, 65_536);
        let most = &mut l.connections;
        self.limit("connections", given.connections, most, 1, 65_536);
        let (in_flight, connections) = (l.in_flight, l.connections);
        for (key, given, into, whole) in [
            (
                "in_flight_per_agency",
                given.in_flight_per_agency,
                &mut l.in_flight_per_agency,
                in_flight,
            ),
            (
                "in_flight_per_provider",
                given.in_flight_per_provider,
                &mut l.in_flight_per_provider,
                in_flight,
            ),
            ("waiting", given.waiting, &mut l.waiting, in_flight),
            (
                "connections_per_agency",
                given.connections_per_agency,
                &mut l.connections_per_agency,
                connections,
            ),
        ] {
            // A share's default never passes the whole.
            *into = (*into).min(whole);
            self.limit(key, given, into, 1, whole as u64);
        }
        self.patience([given.handshake_timeout_ms, given.stream_idle_ms], l);
        let submissions = [
            given.submissions_per_agency,
            given.submission_mib_per_agency,
        ];
        self.submissions(submissions, l);
        let events = [
            given.event_mib,
            given.event_days,
            given.event_attempts,
            given.event_pause_ms,
        ];
        self.events(events, l);
        let refusals = &mut l.refusals_per_minute;
        let given_refusals = given.refusals_per_minute;
        self.limit("refusals_per_minute", given_refusals, refusals, 1, 6_000);
        l.certificate_life = self.duration(
            "limits.certificate_life",
            given.certificate_life,
            l.certificate_life,
            CERTIFICATE_LIFE,
        );
        self.limit("drain_ms", given.drain_ms, &mut l.drain_ms, 0, 600_000);
        limits
    }

    /// Reads one limit over its default, which stands in `into`. `max` fits the type.
    fn limit<T: Copy + TryFrom<u64> + TryInto<u64>>(
        &mut self,
        key: &str,
        given: Given<u64>,
        into: &mut T,
        min: u64,
        max: u64,
    ) {
        let default = (*into).try_into().unwrap_or(max);
        let read = self.number(
            &format!("limits.{key}"),
            given,
            &Bounds { default, min, max },
        );
        *into = read.try_into().unwrap_or(*into);
    }
}

/// The alphabet of a genesis' origin.
fn is_origin(text: &str) -> bool {
    let known =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'/' | b'_' | b':');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(known)
}

/// `host:port` or `[v6]:port`, with a port that can be dialled.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let host_reads = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            !host.is_empty() && host.len() <= 253 && host.bytes().all(known)
        }
    };
    host_reads && port.parse::<u16>().is_ok_and(|port| port != 0)
}
