//! Figures of a running switch for whoever watches it: OpenMetrics text at `GET /metrics`.
//!
//! Takes what the parts count anyway, and reads it when somebody asks. Gives numbers and stable words: no name of an
//! agency, no header, no payload. On a loopback address alone, and only where `[metrics]` is written: it asks nobody who
//! they are.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use audit::clock::Clock;
use audit::log::{COMMIT_BOUNDS, Log};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;

use crate::door::connections::Connections;
use crate::exchange::Exchange;
use crate::stamping::Standing;
use crate::witnesses::Lateness;

mod serve;

pub(crate) use serve::serve;

/// Where figures are read when somebody asks.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) log: Log,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) witnessing: Option<watch::Receiver<Lateness>>,
    pub(crate) time: Option<watch::Receiver<Standing>>,
    pub(crate) clock: Clock,
}

/// All figures as OpenMetrics text.
///
/// # Errors
/// What the encoder says.
pub(crate) fn text(sources: &Arc<Sources>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("mohawel");
    registry.register_collector(Box::new(Arc::clone(sources)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut figures = Figures(encoder);
        self.log(&mut figures)?;
        self.exchanges(&mut figures)?;
        self.witnesses(&mut figures)?;
        self.time(&mut figures)
    }
}

impl Sources {
    fn log(&self, figures: &mut Figures<'_>) -> fmt::Result {
        let size = self.log.head().size();
        let published = self.log.published().borrow().checkpoint.size;
        figures.gauge("log_entries", "Entries that are durable", size)?;
        figures.gauge(
            "log_published_entries",
            "Entries under the published checkpoint",
            published,
        )?;
        figures.gauge(
            "log_unpublished_entries",
            "Entries that are durable and not published yet",
            size.saturating_sub(published),
        )?;
        figures.gauge(
            "log_minimum_index",
            "Below this index only registry entries are kept",
            self.log.minimum_index(),
        )?;
        let commits = self.log.commits();
        let classes = COMMIT_BOUNDS.map(|bound| bound as f64);
        let mut classes: Vec<(f64, u64)> = classes.into_iter().zip(commits.by_size).collect();
        // Written as the class without a bound, which the format asks for.
        classes.push((f64::INFINITY, 0));
        let count = commits.by_size.iter().sum();
        let help = "Entries that share one commit";
        let histogram = MetricType::Histogram;
        let mut encoder =
            figures
                .0
                .encode_descriptor("log_commit_entries", help, None, histogram)?;
        encoder.encode_histogram::<NoLabelSet>(commits.entries as f64, count, &classes, None)
    }

    fn exchanges(&self, figures: &mut Figures<'_>) -> fmt::Result {
        figures.counters(
            "exchanges",
            "Exchanges that ended, by outcome or refusal code",
            "outcome",
            &self.exchange.ended(),
        )?;
        figures.gauge(
            "exchanges_in_flight",
            "Exchanges under way",
            self.exchange.under_way() as u64,
        )?;
        self.events(figures)?;
        let (waiting, answered) = self.exchange.submissions_waiting();
        figures.gauge(
            "submissions_waiting",
            "Submissions that have no end yet",
            waiting as u64,
        )?;
        figures.gauge(
            "submissions_answered",
            "Answers to submissions that wait to be collected",
            answered as u64,
        )?;
        let attached = self.exchange.links().attached();
        let links: usize = attached.iter().map(|(_, links)| links).sum();
        figures.gauge("links_attached", "Adapters that serve", links as u64)?;
        figures.gauge(
            "systems_attached",
            "Systems of which an adapter serves",
            attached.len() as u64,
        )?;
        figures.gauge(
            "connections",
            "Connections of members",
            self.connections.len() as u64,
        )
    }

    fn events(&self, figures: &mut Figures<'_>) -> fmt::Result {
        let (living, waiting, bytes) = self.exchange.event_counts();
        figures.gauge(
            "subscriptions",
            "Subscriptions that have not ended",
            living as u64,
        )?;
        figures.gauge(
            "events_waiting",
            "Events that wait for a subscriber, counted for each",
            waiting as u64,
        )?;
        figures.gauge("event_bytes", "Bytes of events that are kept", bytes)
    }

    /// Nothing where no witness is configured.
    fn witnesses(&self, figures: &mut Figures<'_>) -> fmt::Result {
        let Some(witnessing) = &self.witnessing else {
            return Ok(());
        };
        let lateness = witnessing.borrow().clone();
        let late_s = lateness.late_ms(Instant::now()) as f64 / 1_000.0;
        figures.seconds(
            "witness_lateness",
            "Since when a quorum of witnesses owes its cosignatures; 0 while it does not",
            late_s,
        )?;
        let counts = lateness.counts;
        figures.counters(
            "witness_checkpoints",
            "Checkpoints shown to witnesses, cosigned by a quorum, and followed by another before they were",
            "result",
            &[
                ("shown", counts.shown),
                ("cosigned", counts.cosigned),
                ("missed", counts.missed),
            ],
        )?;
        figures.counters(
            "witness_alarms",
            "Alarms: a quorum that is late, and what was said against the log and not shown",
            "kind",
            &[("late", counts.alarms), ("doubt", counts.doubts)],
        )
    }

    /// Nothing where no authority is configured.
    fn time(&self, figures: &mut Figures<'_>) -> fmt::Result {
        let Some(time) = &self.time else {
            return Ok(());
        };
        let standing = time.borrow().clone();
        if let Some((_, last)) = &standing.last {
            let age_us = self.clock.now_us().saturating_sub(last.at_us);
            figures.seconds(
                "time_stamp_age",
                "How long ago the last time-stamp of this run was made, by this machine's clock",
                age_us as f64 / 1e6,
            )?;
        }
        figures.counters(
            "time_stamps",
            "Time-stamps kept, given by no authority that was asked, and too far from this machine's clock",
            "result",
            &[
                ("kept", standing.tokens),
                ("failed", standing.failures),
                ("astray", standing.astray),
            ],
        )?;
        figures.counter(
            "time_alarms",
            "Alarms: no authority gave a time-stamp for too long",
            standing.alarms,
        )
    }
}

/// Writes one figure after the other.
struct Figures<'a>(DescriptorEncoder<'a>);

impl Figures<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        // Sizes of a log are far below 2^63.
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let encoder = self
            .0
            .encode_descriptor(name, help, None, gauge.metric_type())?;
        gauge.encode(encoder)
    }

    fn seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let gauge = ConstGauge::new(value);
        let unit = Some(&Unit::Seconds);
        let encoder = self
            .0
            .encode_descriptor(name, help, unit, gauge.metric_type())?;
        gauge.encode(encoder)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        let encoder = self
            .0
            .encode_descriptor(name, help, None, counter.metric_type())?;
        counter.encode(encoder)
    }

    /// One counter for each word of `label`.
    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: &[(&str, u64)],
    ) -> fmt::Result {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (word, value) in values {
            let labels = [(label, *word)];
            let counter = ConstCounter::new(*value);
            counter.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
