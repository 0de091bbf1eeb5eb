//! `[witness]`: whose cosignatures the published checkpoint shall carry.

use std::path::PathBuf;
use std::time::Duration;

use super::file::{Given, WitnessSection};
use super::reading::{Bounds, Reading};

/// `[witness]`: witnesses outside the switch (C2SP tlog-witness), asked about each published checkpoint. Never waited for
/// by an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessConfig {
    /// `witness.policy`, a C2SP tlog-policy file: the witnesses with their keys and URLs, and the quorum. Required. Those
    /// who check the log use a policy of their own, not this file.
    pub policy: PathBuf,
    /// `witness.tls_root`, a PEM file: whom to believe about the server of an `https://` witness. Required where the policy
    /// has one.
    pub tls_root: Option<PathBuf>,
    /// `witness.timeout_ms`, milliseconds, 100 to 30,000, default 2,000: how long a witness may take. A checkpoint is held
    /// for its quorum no longer than this, once.
    pub timeout: Duration,
    /// `witness.late_alarm_ms`, milliseconds, 1,000 to 86,400,000, default 10,000: without a quorum for this long, an error
    /// is told.
    pub late_alarm: Duration,
    /// `witness.stop_after_ms`, milliseconds, 1,000 to 2,592,000,000, default never: without a quorum for this long, the
    /// switch ends. What it recorded is then never the operator's word alone for longer; and witnesses that are away stop
    /// every exchange.
    pub stop_after: Option<Duration>,
    /// `witness.stop_on_unproved`, default true: whether a witness that is ahead of the log, or holds another history, and
    /// shows no checkpoint with the log's signature for it, ends the switch. Over plain HTTP it is asked again on connections
    /// of their own first. False: an alarm only, so that nobody on the way can end the switch; what a checkpoint with the
    /// log's own signature shows, or a witness says over TLS, ends it all the same.
    pub stop_on_unproved: bool,
}

impl Reading<'_> {
    pub(super) fn witness(&mut self, given: Given<WitnessSection>) -> Option<WitnessConfig> {
        if matches!(given, Given::Absent) {
            return None;
        }
        let given = self.section("witness", given);
        self.unknown(
            "witness",
            &given.unknown,
            "policy, tls_root, timeout_ms, late_alarm_ms, stop_after_ms, stop_on_unproved",
        );
        let policy = self.path(
            "witness.policy",
            given.policy,
            "Write the policy file that names the witnesses (C2SP tlog-policy).",
        );
        let tls_root = match given.tls_root {
            Given::Absent => None,
            given => self.path(
                "witness.tls_root",
                given,
                "Name the PEM file that says whom to believe about an https witness, or leave it out.",
            ),
        };
        let mut ms = |key: &str, given, default, min, max| {
            let bounds = Bounds { default, min, max };
            Duration::from_millis(self.number(&format!("witness.{key}"), given, &bounds))
        };
        let timeout = ms("timeout_ms", given.timeout_ms, 2_000, 100, 30_000);
        let late_alarm = ms(
            "late_alarm_ms",
            given.late_alarm_ms,
            10_000,
            1_000,
            86_400_000,
        );
        let stop_after = match given.stop_after_ms {
            Given::Absent => None,
            given => Some(ms("stop_after_ms", given, 86_400_000, 1_000, 2_592_000_000)),
        };
        let stop_on_unproved = match given.stop_on_unproved {
            Given::Absent => Some(true),
            given => self.need("witness.stop_on_unproved", given, "Write true or false."),
        };
        Some(WitnessConfig {
            policy: policy?,
            tls_root,
            timeout,
            late_alarm,
            stop_after,
            stop_on_unproved: stop_on_unproved?,
        })
    }
}
