//! `[time]`: whose clock the log is stamped by besides its own.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::file::{Given, TimeAuthoritySection, TimeSection};
use super::reading::Reading;

/// `[time]`: RFC 3161 authorities that stamp the published checkpoint. Never waited for by an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeConfig {
    /// `[[time.authorities]]`, one at least: asked in this order until one answers.
    pub authorities: Vec<TimeAuthority>,
    /// `time.interval`, a whole number with its unit, 1 second to 1 hour, default 60 seconds: how often. Smaller: a
    /// wrong clock is bounded more closely, and the log's folder has more files.
    pub interval: Duration,
    /// `time.alarm_after`, 1 second to 7 days, default 5 minutes: without a token for this long, an error is told.
    pub alarm_after: Duration,
    /// `time.stop_after`, 1 second to 30 days, default never: without a token for this long, the switch ends. Its time
    /// is then never the operator's word alone for longer; and an authority that is away stops every exchange.
    pub stop_after: Option<Duration>,
}

/// One `[[time.authorities]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeAuthority {
    /// `url`, `http://` or `https://`. Required. Plain http is usual and serves: an answer is signed, and read strictly.
    pub url: Url,
    /// `root`, a PEM file with the authority's root certificates. Required. An answer that leads to none of them is
    /// not kept. Auditors take it from the authority, not from here.
    pub root: PathBuf,
    /// `tls_root`, a PEM file: whom to believe about an `https://` url's server. Required there, refused elsewhere.
    pub tls_root: Option<PathBuf>,
}

const INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);
const ALARM: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);
const STOP: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);

impl Reading<'_> {
    pub(super) fn time(&mut self, given: Given<TimeSection>) -> Option<TimeConfig> {
        if matches!(given, Given::Absent) {
            return None;
        }
        let given = self.section("time", given);
        self.unknown(
            "time",
            &given.unknown,
            "authorities, interval, alarm_after, stop_after",
        );
        let interval = self.duration(
            "time.interval",
            given.interval,
            Duration::from_secs(60),
            INTERVAL,
        );
        let alarm_after = self.duration(
            "time.alarm_after",
            given.alarm_after,
            Duration::from_secs(300),
            ALARM,
        );
        let stop_after = match given.stop_after {
            Given::Absent => None,
            given => Some(self.duration("time.stop_after", given, *STOP.end(), STOP)),
        };
        let authorities = self.time_authorities(given.authorities);
        Some(TimeConfig {
            authorities,
            interval,
            alarm_after,
            stop_after,
        })
    }

    fn time_authorities(
        &mut self,
        given: Given<Vec<Given<TimeAuthoritySection>>>,
    ) -> Vec<TimeAuthority> {
        let given = self.section("time.authorities", given);
        if given.is_empty() {
            self.problem(
                "time.authorities",
                "there is none",
                "Write [[time.authorities]] with url and root, or leave [time] out.",
            );
        }
        let mut authorities = Vec::new();
        for (position, given) in given.into_iter().enumerate() {
            let section = format!("time.authorities.{}", position + 1);
            let given = self.section(&section, given);
            self.unknown(&section, &given.unknown, "url, root, tls_root");
            let url = self.parsed(
                &format!("{section}.url"),
                given.url,
                "Write the authority's address, for example http://time.gov.example/tsa, without user or password.",
                url_of,
            );
            let root = self.path(
                &format!("{section}.root"),
                given.root,
                "Name the PEM file of the authority's root certificate.",
            );
            let https = url.as_ref().is_some_and(|url| url.scheme() == "https");
            let key = format!("{section}.tls_root");
            let tls_root = match (given.tls_root, https) {
                (Given::Absent, false) => None,
                (given, true) => self.path(
                    &key,
                    given,
                    "Name the PEM file that says whom to believe about the https server.",
                ),
                (_, false) => {
                    self.problem(&key, "the url is not https", "Leave it out.");
                    None
                }
            };
            if let (Some(url), Some(root)) = (url, root) {
                authorities.push(TimeAuthority {
                    url,
                    root,
                    tls_root,
                });
            }
        }
        authorities
    }
}

/// An http or https address that names a host and no secret.
fn url_of(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let known = matches!(url.scheme(), "http" | "https");
    let bare = url.username().is_empty() && url.password().is_none();
    (known && bare && url.has_host()).then_some(url)
}
