//! The configuration file's TOML shape, read leniently so that every mistake in it can be told at once.
//!
//! A key that is missing, unknown or of the wrong type does not end the reading: it is kept as such and refused
//! in [`super::resolve`]. Nothing unknown is ever passed over.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// Keys that no section knows.
pub(super) type Unknown = BTreeMap<String, toml::Value>;

/// What stands under one key.
#[derive(Debug, Default)]
pub(super) enum Given<T> {
    /// Nothing.
    #[default]
    Absent,
    /// Something of another type; the text says what was expected.
    Wrong(String),
    /// A value of the right type.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        Ok(match T::deserialize(value) {
            Ok(value) => Self::Value(value),
            Err(error) => Self::Wrong(error.message().trim().to_owned()),
        })
    }
}

/// The whole file.
#[derive(Debug, Default, Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) switch: Given<SwitchSection>,
    #[serde(default)]
    pub(super) tls: Given<TlsSection>,
    #[serde(default)]
    pub(super) log: Given<LogSection>,
    #[serde(default)]
    pub(super) limits: Given<LimitsSection>,
    #[serde(default)]
    pub(super) witness: Given<WitnessSection>,
    #[serde(default)]
    pub(super) time: Given<TimeSection>,
    #[serde(default)]
    pub(super) metrics: Given<MetricsSection>,
    #[serde(default)]
    pub(super) outside_authorities: Given<Vec<Given<OutsideAuthoritySection>>>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

/// Generates a section: every key optional and of its type, the rest kept as unknown.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($key:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        pub(super) struct $name {
            $(#[serde(default)] pub(super) $key: Given<$type>,)*
            #[serde(flatten)]
            pub(super) unknown: Unknown,
        }
    };
}

section! {
    /// `[switch]`
    SwitchSection {
        name: String,
        broker: u16,
        origin: String,
        exchange_listen: String,
        enrol_listen: String,
        exchange_address: String,
        reflection: bool,
    }
}

section! {
    /// `[tls]`
    TlsSection {
        certificate_chain: String,
        key: String,
        authority_dir: String,
    }
}

section! {
    /// One `[[outside_authorities]]`
    OutsideAuthoritySection {
        root: String,
    }
}

section! {
    /// `[log]`
    LogSection {
        dir: String,
        key: String,
        gather_us: u64,
        queue_entries: u64,
        publish_interval_ms: u64,
        index: bool,
    }
}

section! {
    /// `[limits]`
    LimitsSection {
        window_ms: u64,
        in_flight: u64,
        in_flight_per_agency: u64,
        in_flight_per_provider: u64,
        waiting: u64,
        connections: u64,
        connections_per_agency: u64,
        handshake_timeout_ms: u64,
        stream_idle_ms: u64,
        refusals_per_minute: u64,
        submissions_per_agency: u64,
        submission_mib_per_agency: u64,
        event_mib: u64,
        event_days: u64,
        event_attempts: u64,
        event_pause_ms: u64,
        certificate_life: String,
        drain_ms: u64,
    }
}

section! {
    /// `[witness]`
    WitnessSection {
        policy: String,
        tls_root: String,
        timeout_ms: u64,
        late_alarm_ms: u64,
        stop_after_ms: u64,
        stop_on_unproved: bool,
    }
}

section! {
    /// `[metrics]`
    MetricsSection {
        listen: String,
    }
}

section! {
    /// `[time]`
    TimeSection {
        authorities: Vec<Given<TimeAuthoritySection>>,
        interval: String,
        alarm_after: String,
        stop_after: String,
    }
}

section! {
    /// One `[[time.authorities]]`
    TimeAuthoritySection {
        url: String,
        root: String,
        tls_root: String,
    }
}
