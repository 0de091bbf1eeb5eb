//! `[metrics]`: where figures of the running switch can be read.

use std::net::SocketAddr;

use super::file::{Given, MetricsSection};
use super::reading::Reading;

/// `[metrics]`: OpenMetrics text at `GET /metrics`, for a scraper on this machine. Nobody is asked who they are, so it
/// listens on a loopback address alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// `metrics.listen`, an address of this machine alone, for example `127.0.0.1:9464`. Required.
    pub listen: SocketAddr,
}

impl Reading<'_> {
    pub(super) fn metrics(&mut self, given: Given<MetricsSection>) -> Option<MetricsConfig> {
        if matches!(given, Given::Absent) {
            return None;
        }
        let given = self.section("metrics", given);
        self.unknown("metrics", &given.unknown, "listen");
        let remedy = "Write a loopback address and a port, for example 127.0.0.1:9464. For other machines put something \
                      in front of it that knows who asks.";
        let listen = self.parsed("metrics.listen", given.listen, remedy, |text| {
            let listen = text.parse::<SocketAddr>().ok()?;
            listen.ip().is_loopback().then_some(listen)
        });
        Some(MetricsConfig { listen: listen? })
    }
}
