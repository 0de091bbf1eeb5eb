//! Configurations with mistakes: all told at once, before anything starts.

use broker::Config;
use broker::config::ConfigError;
use tests::ground::Ground;

#[tokio::test]
async fn every_mistake_is_told_at_once() {
    let ground = Ground::found().await;
    let good = std::fs::read_to_string(ground.config_file()).unwrap();
    Config::load(&ground.config_file()).unwrap();
    let bad = good
        .replace("name = \"b1\"", "name = \"b/1\"\ncolour = \"green\"")
        .replace("broker = 1", "broker = 70000")
        .replace("tls/broker.key", "tls/nowhere.key")
        .replace("origin = ", "origine = ")
        .replace("publish_interval_ms = 100", "publish_interval_ms = 1")
        + "in_flight = 0\n[unknown]\nkey = 1\n";
    std::fs::write(ground.config_file(), &bad).unwrap();
    let Err(ConfigError::Problems(problems)) = Config::load(&ground.config_file()) else {
        panic!("a configuration with nine mistakes was taken, or only the first one told");
    };
    let mut keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    keys.sort_unstable();
    for expected in [
        "limits.in_flight",
        "log.publish_interval_ms",
        "switch.broker",
        "switch.colour",
        "switch.name",
        "switch.origin",
        "switch.origine",
        "tls.key",
        "unknown",
    ] {
        assert!(keys.contains(&expected), "{expected} is not told: {keys:?}");
    }
    assert!(problems.iter().all(|problem| !problem.remedy.is_empty()));
}
