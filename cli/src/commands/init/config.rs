//! The text of a new switch's `switch.toml`: every key with its meaning, so that nobody needs another page.

use super::InitOptions;
use crate::commands::switch_dir::Addresses;

/// The file's text for the broker of that name and number.
pub(super) fn text(
    options: &InitOptions,
    addresses: &Addresses,
    (name, broker): (&str, u16),
) -> String {
    let InitOptions {
        origin,
        exchange_listen,
        enrol_listen,
        ..
    } = options;
    let exchange_address = &addresses.exchange;
    format!(
        r#"# A switch. Relative paths are taken from this file's folder; unknown keys are refused.
# A key that is commented out shows its default. docs/operating.md explains every key.

[switch]
# The broker's name, as its certificate says: spiffe://TRUST-DOMAIN/broker/NAME.
name = "{name}"
# This broker's number in every stamp.
broker = {broker}
# The log's name, as entry 0 says. Every seal is made for it.
origin = "{origin}"
# The door for members (client certificates required) and the door for newcomers (an invitation speaks for them).
# Port 0 takes a free one; the address told to agencies then carries that port.
exchange_listen = "{exchange_listen}"
enrol_listen = "{enrol_listen}"
# How adapters dial the door for members. Its host must stand in tls/hosts.
exchange_address = "{exchange_address}"
# reflection = false

[tls]
certificate_chain = "tls/broker.pem"
key = "tls/broker.key"
authority_dir = "authority"

[log]
# On a local disk that does not lie about syncs.
dir = "log"
key = "keys/log.key"
# gather_us = 300
# queue_entries = 4096
# publish_interval_ms = 1000
# index = true

# Witnesses outside the switch: see docs/operating.md, section 10.
#[witness]
#policy = "witness.policy"

[limits]
# window_ms = 30000
# in_flight = 4096
# in_flight_per_agency = 1024
# in_flight_per_provider = 2048
# waiting = 768
# connections = 4096
# connections_per_agency = 64
# handshake_timeout_ms = 5000
# How long an answer or a request in chunks may stand still.
# stream_idle_ms = 60000
# refusals_per_minute = 60
# Submissions of one agency that may wait here, and MiB of them; 0 submissions: none is taken.
# submissions_per_agency = 10000
# submission_mib_per_agency = 256
# Events: MiB kept here at once (0: none is taken), for how many days, how often they are brought to a subscriber that does
# not acknowledge them, and the pause after the first time, milliseconds, which doubles.
# event_mib = 1024
# event_days = 7
# event_attempts = 50
# event_pause_ms = 30000
# certificate_life = "7d"
# drain_ms = 30000
"#
    )
}
