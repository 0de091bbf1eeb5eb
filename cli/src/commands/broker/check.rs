//! `mohawel broker --check`: whether the switch would start, and the configuration as it is in force, defaults included.

use audit::clock::Clock;
use broker::config::Limits;
use broker::{Config, Switch};
use serde_json::{Map, Value, json};

use crate::commands::refused::problems;
use crate::commands::switch_dir::SwitchDir;
use crate::failure::Failure;
use crate::output::Output;

/// Prints every key with its value, after reading everything that the start reads.
///
/// # Errors
/// A usage failure with every problem of the configuration, or else of what it names.
pub(super) fn run(switch: &SwitchDir, output: Output) -> Result<(), Failure> {
    let config = super::load(switch)?;
    let found = Switch::check(&config, &Clock::System);
    if !found.is_empty() {
        return Err(problems(&switch.config(), &found));
    }
    print(&config, output)
}

fn print(config: &Config, output: Output) -> Result<(), Failure> {
    let value = json!({
        "switch": {
            "name": config.name.to_string(),
            "broker": config.broker,
            "origin": config.origin,
            "exchange_listen": config.exchange_listen.to_string(),
            "enrol_listen": config.enrol_listen.to_string(),
            "exchange_address": config.exchange_address,
            "reflection": config.reflection,
        },
        "tls": {
            "certificate_chain": config.tls.certificate_chain,
            "key": config.tls.key,
            "authority_dir": config.tls.authority_dir,
        },
        "log": {
            "dir": config.log.dir,
            "key": config.log.key,
            "gather_us": config.log.gather_us,
            "queue_entries": config.log.queue_entries,
            "publish_interval_ms": config.log.publish_interval_ms,
            "index": config.log.index,
        },
        "witness": config.witness.as_ref().map(|witness| json!({
            "policy": witness.policy,
            "tls_root": witness.tls_root,
            "timeout_ms": witness.timeout.as_millis() as u64,
            "late_alarm_ms": witness.late_alarm.as_millis() as u64,
            "stop_after_ms": witness.stop_after.map(|limit| limit.as_millis() as u64),
        })),
        "limits": limits(&config.limits),
    });
    output.show(&value, || {
        let empty = Map::new();
        let rows = value
            .as_object()
            .unwrap_or(&empty)
            .iter()
            .flat_map(|(section, keys)| {
                keys.as_object()
                    .unwrap_or(&empty)
                    .iter()
                    .map(move |(key, value)| [format!("{section}.{key}"), plain(value)])
            });
        output.table(
            [
                output.say("key", "المفتاح"),
                output.say("in force", "القيمة السارية"),
            ],
            rows,
        );
        output.line(output.say("The configuration holds.", "الإعدادات صحيحة."));
    })
}

fn limits(limits: &Limits) -> Value {
    json!({
    "window_ms": limits.window_ms,
    "in_flight": limits.in_flight,
    "in_flight_per_agency": limits.in_flight_per_agency,
    "in_flight_per_provider": limits.in_flight_per_provider,
    "waiting": limits.waiting,
    "connections": limits.connections,
    "connections_per_agency": limits.connections_per_agency,
    "handshake_timeout_ms": limits.handshake_timeout_ms,
    "stream_idle_ms": limits.stream_idle_ms,
    "refusals_per_minute": limits.refusals_per_minute,
    "submissions_per_agency": limits.submissions_per_agency,
    "submission_mib_per_agency": limits.submission_mib_per_agency,
    "event_mib": limits.event_mib,
    "event_days": limits.event_days,
    "event_attempts": limits.event_attempts,
    "event_pause_ms": limits.event_pause_ms,
    "certificate_life_s": limits.certificate_life.as_secs(),
    "drain_ms": limits.drain_ms,
    })
}

/// A value without JSON's quotes.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
