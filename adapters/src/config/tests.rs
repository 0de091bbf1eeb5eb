//! Settings: they come back as they went, and mistakes come all at once.

use super::*;
use crate::journal::WhenUnwritable;

fn config() -> Config {
    let switch = Switch {
        exchange: "switch.example:7443".to_owned(),
        enrol: "switch.example:7444".to_owned(),
        broker_uri: "spiffe://bus.example/broker/b1".to_owned(),
        genesis: Digest::of(b"genesis"),
    };
    let system = SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    Config::new(&switch, &system, &Part::parse("a1").unwrap()).unwrap()
}

#[test]
fn settings_come_back_as_they_went() {
    let mut config = config();
    assert_eq!(Config::parse(&config.to_toml().unwrap()).unwrap(), config);
    config.window_ms = 5_000;
    config.seal_together = 1;
    config.mirror_wait = Duration::from_millis(70);
    config.files.chain = PathBuf::from("other/chain.pem");
    config.expected_keys = vec![Digest::of(b"another adapter's")];
    config.journal = journal::Options {
        dir: PathBuf::from("/var/evidence"),
        keep_payload: false,
        when_unwritable: WhenUnwritable::GoOn,
    };
    config.witness = Some(Witness {
        policy: PathBuf::from("witnesses.policy"),
        lag: Duration::from_secs(10),
        require: true,
    });
    config.subject_keys = PathBuf::from("people/keys");
    assert_eq!(Config::parse(&config.to_toml().unwrap()).unwrap(), config);
}

#[test]
fn unknown_keys_are_refused_and_all_problems_come_at_once() {
    let good = config().to_toml().unwrap();
    let unknown = format!("colour = 'green'\n{good}");
    assert!(
        matches!(Config::parse(&unknown), Err(ConfigError::Syntax(text)) if text.contains("colour"))
    );
    let bad = good
        .replace("switch.example:7443", "switch.example")
        .replace("EG/GOV/MOSS/takaful", "EG/GOV")
        .replace("/broker/b1", "/operator/b1");
    let Err(ConfigError::Problems(problems)) = Config::parse(&bad) else {
        panic!("accepted");
    };
    assert_eq!(problems.len(), 3, "{problems:?}");
    for together in [0, 65] {
        let bad = format!("seal_together = {together}\n{good}");
        assert!(
            matches!(Config::parse(&bad), Err(ConfigError::Problems(found)) if found[0].contains("seal_together")),
            "{together}"
        );
    }
    // Homes from before there was a journal have one all the same.
    let (before, _) = good.split_once("[journal]").unwrap();
    assert_eq!(Config::parse(before).unwrap(), config());
    let bad = good
        .replace("\"stop\"", "\"shrug\"")
        .replace("dir = \"journal\"", "dir = \"../elsewhere\"");
    let Err(ConfigError::Problems(problems)) = Config::parse(&bad) else {
        panic!("accepted");
    };
    assert_eq!(problems.len(), 2, "{problems:?}");
    for bad in [
        "policy = \"p\"\nrequire = true",
        "policy = \"p\"\nwitness_lag_ms = 10000",
        "policy = \"../p\"\nwitness_lag_ms = 10000\nrequire = true",
        "policy = \"p\"\nwitness_lag_ms = 999\nrequire = true",
    ] {
        assert!(
            Config::parse(&format!("{good}\n[witness]\n{bad}\n")).is_err(),
            "{bad}"
        );
    }
    let folder = format!("{good}[subjects]\nkeys = \"../elsewhere\"\n");
    assert!(
        matches!(Config::parse(&folder), Err(ConfigError::Problems(found)) if found[0].contains("subjects.keys"))
    );
    let outside = good.replace("seal.key", "../seal.key");
    assert!(matches!(
        Config::parse(&outside),
        Err(ConfigError::Problems(_))
    ));
}

#[test]
fn addresses_are_host_and_port() {
    for good in [
        "a:1",
        "127.0.0.1:7443",
        "[::1]:443",
        "switch.gov.example:65535",
    ] {
        assert!(is_address(good), "{good}");
    }
    for bad in [
        "",
        "a",
        "a:",
        ":1",
        "a:0",
        "a:65536",
        "a b:1",
        "[::g]:1",
        "http://a:1",
    ] {
        assert!(!is_address(bad), "{bad}");
    }
}

#[test]
fn another_place_of_the_authority_key_leaves_everything_else_as_it_was_written() {
    let text = config().to_toml().unwrap();
    let own = text.replace(
        "[files]",
        "# Ours, do not touch.\nwindow_ms = 5_000\n\n[files]",
    );
    for place in [
        "/media/safe/MOSS.authority.key",
        "/a folder/with \"quotes\"/x",
        "/مجلد/مفتاح",
    ] {
        let changed = Config::with_authority_key(&own, Path::new(place)).unwrap();
        let read = Config::parse(&changed).unwrap();
        assert_eq!(read.files.authority_key, PathBuf::from(place));
        assert!(changed.contains("# Ours, do not touch.\nwindow_ms = 5_000\n"));
        let differing = own.lines().zip(changed.lines()).filter(|(a, b)| a != b);
        assert_eq!(differing.count(), 1);
    }
    // Settings that do not say it, that are none, or a place that no settings may say.
    let silent: String = own
        .lines()
        .filter(|line| !line.starts_with("authority_key"))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert!(Config::parse(&silent).is_ok());
    let place = Path::new("/media/x");
    assert_eq!(Config::with_authority_key(&silent, place), None);
    assert_eq!(Config::with_authority_key("authority_key = 1", place), None);
    assert_eq!(Config::with_authority_key(&own, Path::new("../x")), None);
}
