//! Figures as a scraper gets them: in form, true, and nobody's name in them.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::exchange::Pair;
use super::*;
use crate::config::{MetricsConfig, TimeAuthority, TimeConfig, WitnessConfig};

/// What a scraper reads: each sample by its name with labels, and each family's type.
#[derive(Debug, Default)]
struct Scraped {
    samples: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
}

impl Scraped {
    fn value(&self, sample: &str) -> f64 {
        let value = self.samples.get(sample);
        *value.unwrap_or_else(|| panic!("{sample} is not in {self:#?}"))
    }
}

async fn request(address: SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Reads the figures, strictly: OpenMetrics 1.0, as far as it is used.
async fn scrape(address: SocketAddr) -> Scraped {
    let answer = request(address, "GET /metrics").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    let body = body.strip_suffix("# EOF\n").unwrap();
    let mut scraped = Scraped::default();
    let mut family = String::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let (word, rest) = rest.split_once(' ').unwrap();
            let (name, rest) = rest.split_once(' ').unwrap();
            assert!(name.starts_with("mohawel_") && !rest.is_empty(), "{line}");
            match word {
                "HELP" => {}
                "TYPE" => {
                    let known = scraped.types.insert(name.to_owned(), rest.to_owned());
                    assert_eq!(known, None, "{line}");
                }
                "UNIT" => assert!(name.ends_with(rest), "{line}"),
                _ => panic!("{line}"),
            }
            family = name.to_owned();
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = sample.split_once('{').map_or(sample, |(name, _)| name);
        let suffix = name.strip_prefix(&family).unwrap();
        let suffixes: &[&str] = match scraped.types[&family].as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_count", "_sum", "_bucket"],
            other => panic!("{other}"),
        };
        assert!(suffixes.contains(&suffix), "{line}");
        let old = scraped
            .samples
            .insert(sample.to_owned(), value.parse().unwrap());
        assert_eq!(old, None, "{line}");
    }
    scraped
}

fn measured(site: &mut Site) {
    let listen = "127.0.0.1:0".parse().unwrap();
    site.config.metrics = Some(MetricsConfig { listen });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scraper_reads_what_the_switch_did() {
    let mut site = Site::found().await;
    measured(&mut site);
    let switch = site.start().await;
    let address = switch.metrics_address().unwrap();
    let before = scrape(address).await;
    assert_eq!(before.value("mohawel_log_entries"), 2.0);
    assert_eq!(before.value("mohawel_links_attached"), 0.0);
    assert_eq!(
        before.value("mohawel_exchanges_total{outcome=\"answered\"}"),
        0.0
    );
    let mut pair = Pair::new(&site, &switch).await;
    let calling = pair.calling(1);
    let (asked, header) = pair.delivered().await;
    let during = scrape(address).await;
    assert_eq!(during.value("mohawel_exchanges_in_flight"), 1.0);
    pair.answer(&asked, &header).await;
    calling.await.unwrap().unwrap();
    // Nobody's seal fits it.
    let mut forged = pair.request(2);
    forged.envelope.as_mut().unwrap().header = pair.request(3).envelope.unwrap().header;
    pair.calls.call(forged).await.unwrap_err();
    let after = scrape(address).await;
    let size = switch.log().head().size();
    assert_eq!(after.value("mohawel_log_entries"), size as f64);
    let published = after.value("mohawel_log_published_entries");
    assert_eq!(
        after.value("mohawel_log_unpublished_entries"),
        size as f64 - published
    );
    assert_eq!(after.value("mohawel_links_attached"), 1.0);
    assert_eq!(after.value("mohawel_systems_attached"), 1.0);
    assert!(after.value("mohawel_connections") >= 2.0);
    assert_eq!(
        after.value("mohawel_exchanges_total{outcome=\"answered\"}"),
        1.0
    );
    assert_eq!(
        after.value("mohawel_exchanges_total{outcome=\"bad_seal\"}"),
        1.0
    );
    // Each commit is in its bucket, and all entries of this run are in some commit.
    assert_eq!(after.types["mohawel_log_commit_entries"], "histogram");
    let commits = after.value("mohawel_log_commit_entries_count");
    assert_eq!(
        after.value("mohawel_log_commit_entries_bucket{le=\"+Inf\"}"),
        commits
    );
    assert_eq!(
        after.value("mohawel_log_commit_entries_bucket{le=\"512.0\"}"),
        commits
    );
    assert_eq!(
        after.value("mohawel_log_commit_entries_sum"),
        size as f64 - 1.0
    );
    // Nobody is named, and nothing is told of witnesses and time that are not there.
    let all = format!("{after:?}").to_lowercase();
    for word in ["moss", "civil", "takaful", "persons", "witness", "time"] {
        assert!(!all.contains(word), "{word}: {all}");
    }
    switch.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_else_is_served_and_a_port_that_is_taken_is_told() {
    let mut site = Site::found().await;
    measured(&mut site);
    let switch = site.start().await;
    let address = switch.metrics_address().unwrap();
    for line in [
        "GET /",
        "GET /metrics/",
        "GET /metrics/../x",
        "DELETE /metrics",
    ] {
        let answer = request(address, line).await;
        assert!(answer.starts_with("HTTP/1.1 40"), "{line}: {answer}");
    }
    site.config.metrics = Some(MetricsConfig { listen: address });
    switch.shutdown().await.unwrap();
    let held = TcpListener::bind(address).await.unwrap();
    let listeners = Site::listeners().await;
    let refused = Switch::start(site.config.clone(), listeners, site.clock.clone()).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, StartError::Metrics { .. }), "{refused}");
    assert!(refused.to_string().contains("metrics.listen"), "{refused}");
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_witnesses_and_failing_authorities_show_in_the_figures() {
    let mut site = Site::found().await;
    measured(&mut site);
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let key = audit::cosignature::WitnessKey::new("w.example/1", seal_key().key()).unwrap();
    let policy = folder.path().join("policy");
    let lines = format!("witness w {} {nobody}\nquorum w\n", key.to_vkey());
    std::fs::write(&policy, lines).unwrap();
    site.config.witness = Some(WitnessConfig {
        policy,
        tls_root: None,
        timeout: Duration::from_millis(200),
        late_alarm: Duration::from_secs(1),
        stop_after: None,
        stop_on_unproved: true,
    });
    let root = folder.path().join("root.pem");
    std::fs::write(&root, site.authority.root_pem()).unwrap();
    site.config.time = Some(TimeConfig {
        authorities: vec![TimeAuthority {
            url: nobody.parse().unwrap(),
            root,
            tls_root: None,
        }],
        interval: Duration::from_secs(1),
        alarm_after: Duration::from_secs(1),
        stop_after: None,
    });
    let given_up = GivenUp {
        without_witnesses: true,
        ..GivenUp::default()
    };
    let listeners = Site::listeners().await;
    let switch =
        Switch::start_recovering(site.config.clone(), listeners, site.clock.clone(), given_up)
            .await
            .unwrap();
    let address = switch.metrics_address().unwrap();
    let told = async {
        loop {
            let scraped = scrape(address).await;
            if scraped.value("mohawel_witness_alarms_total{kind=\"late\"}") >= 1.0
                && scraped.value("mohawel_time_stamps_total{result=\"failed\"}") >= 1.0
            {
                return scraped;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let scraped = tokio::time::timeout(Duration::from_secs(60), told)
        .await
        .unwrap();
    assert!(scraped.value("mohawel_witness_lateness_seconds") >= 1.0);
    assert_eq!(
        scraped.value("mohawel_witness_alarms_total{kind=\"doubt\"}"),
        0.0
    );
    assert!(scraped.value("mohawel_witness_checkpoints_total{result=\"shown\"}") >= 1.0);
    assert_eq!(
        scraped.value("mohawel_witness_checkpoints_total{result=\"cosigned\"}"),
        0.0
    );
    assert_eq!(
        scraped.value("mohawel_time_stamps_total{result=\"kept\"}"),
        0.0
    );
    assert!(scraped.samples.contains_key("mohawel_time_alarms_total"));
    switch.shutdown().await.unwrap();
}
