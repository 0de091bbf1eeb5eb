//! From the file's shape to a checked [`Config`]: collects every problem before it gives up.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use proto::digest::Digest;
use proto::id::Part;

use super::file::{File, Given, LimitsSection, LogSection, SwitchSection, TlsSection, Unknown};
use super::{Config, ConfigError, Limits, LogConfig, Problem, Tls};

/// Whether the files that a configuration names are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// Each must be there.
    MustExist,
    /// Not looked for.
    Unseen,
}

/// Reads `text`; all problems at once.
pub(super) fn resolve(text: &str, base_dir: &Path, files: Files) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text)?;
    let mut reading = Reading {
        base_dir,
        files,
        problems: Vec::new(),
    };
    reading.unknown("", &file.unknown, "switch, tls, log, limits");
    let switch = reading.section("switch", file.switch);
    let tls = reading.section("tls", file.tls);
    let log = reading.section("log", file.log);
    let limits = reading.section("limits", file.limits);
    let switch = reading.switch(switch);
    let tls = reading.tls(tls);
    let log = reading.log(log);
    let limits = reading.limits(limits);
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
            log,
            limits,
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

/// A number with its bounds; what is absent is the default.
struct Bounds {
    default: u64,
    min: u64,
    max: u64,
}

struct Reading<'a> {
    base_dir: &'a Path,
    files: Files,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn problem(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem {
            key: key.to_owned(),
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    fn unknown(&mut self, section: &str, unknown: &Unknown, known: &str) {
        for key in unknown.keys() {
            let key = if section.is_empty() {
                key.clone()
            } else {
                format!("{section}.{key}")
            };
            self.problem(
                &key,
                "there is no such key",
                format!("Known here: {known}."),
            );
        }
    }

    /// An absent section is an empty one: what it should hold is then reported key by key.
    fn section<T: Default>(&mut self, key: &str, given: Given<T>) -> T {
        match given {
            Given::Value(section) => section,
            Given::Absent => T::default(),
            Given::Wrong(expected) => {
                self.problem(
                    key,
                    format!("not a section ({expected})"),
                    format!("Write it as [{key}]."),
                );
                T::default()
            }
        }
    }

    /// A value that has no default.
    fn need<T>(&mut self, key: &str, given: Given<T>, remedy: &str) -> Option<T> {
        match given {
            Given::Value(value) => Some(value),
            Given::Absent => {
                self.problem(key, "missing, and nobody but you can know it", remedy);
                None
            }
            Given::Wrong(expected) => {
                self.problem(key, expected, remedy);
                None
            }
        }
    }

    /// A text that has no default and is parsed by `parse`.
    fn parsed<T>(
        &mut self,
        key: &str,
        given: Given<String>,
        remedy: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.need(key, given, remedy)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.problem(key, format!("'{}' cannot be read", shown(&text)), remedy);
        }
        parsed
    }

    fn number(&mut self, key: &str, given: Given<u64>, bounds: &Bounds) -> u64 {
        let Bounds { default, min, max } = *bounds;
        let remedy =
            format!("Write a whole number from {min} to {max}, or leave it out for {default}.");
        match given {
            Given::Absent => default,
            Given::Value(value) if (min..=max).contains(&value) => value,
            Given::Value(value) => {
                self.problem(key, format!("{value} is out of range"), remedy);
                default
            }
            Given::Wrong(expected) => {
                self.problem(key, expected, remedy);
                default
            }
        }
    }

    fn path(&mut self, key: &str, given: Given<String>, remedy: &str) -> Option<PathBuf> {
        let text = self.need(key, given, remedy)?;
        if text.is_empty() {
            self.problem(key, "an empty path", remedy);
            return None;
        }
        let path = self.base_dir.join(text);
        if self.files == Files::MustExist && !path.exists() {
            self.problem(key, format!("{} is not there", path.display()), remedy);
        }
        Some(path)
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
            "dir, key, gather_us, queue_entries, publish_interval_ms",
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
        Some(LogConfig {
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
            "window_ms, in_flight, in_flight_per_agency, connections, connections_per_agency, \
             handshake_timeout_ms, refusals_per_minute, certificate_life_hours, drain_ms",
        );
        let usual = Limits::default();
        let mut number = |key: &str, given, default, min, max| {
            self.number(
                &format!("limits.{key}"),
                given,
                &Bounds { default, min, max },
            )
        };
        let in_flight = number(
            "in_flight",
            given.in_flight,
            usual.in_flight as u64,
            1,
            65_536,
        );
        let connections = number(
            "connections",
            given.connections,
            usual.connections as u64,
            1,
            65_536,
        );
        // A share's default never passes the whole.
        let in_flight_share = (usual.in_flight_per_agency as u64).min(in_flight);
        let connections_share = (usual.connections_per_agency as u64).min(connections);
        Limits {
            window_ms: number(
                "window_ms",
                given.window_ms,
                usual.window_ms,
                1_000,
                300_000,
            ),
            in_flight: in_flight as usize,
            in_flight_per_agency: number(
                "in_flight_per_agency",
                given.in_flight_per_agency,
                in_flight_share,
                1,
                in_flight,
            ) as usize,
            connections: connections as usize,
            connections_per_agency: number(
                "connections_per_agency",
                given.connections_per_agency,
                connections_share,
                1,
                connections,
            ) as usize,
            handshake_timeout_ms: number(
                "handshake_timeout_ms",
                given.handshake_timeout_ms,
                usual.handshake_timeout_ms,
                100,
                60_000,
            ),
            refusals_per_minute: number(
                "refusals_per_minute",
                given.refusals_per_minute,
                u64::from(usual.refusals_per_minute),
                1,
                6_000,
            ) as u32,
            certificate_life_hours: number(
                "certificate_life_hours",
                given.certificate_life_hours,
                u64::from(usual.certificate_life_hours),
                1,
                2_160,
            ) as u32,
            drain_ms: number("drain_ms", given.drain_ms, usual.drain_ms, 0, 600_000),
        }
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

/// What a report repeats of a value is short and printable.
fn shown(text: &str) -> String {
    text.chars()
        .take(60)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
