//! Configurations: the example is one, and every mistake is told at once.

use std::path::Path;

use super::*;

mod figures;

const EXAMPLE: &str = include_str!("../../switch.example.toml");

fn problems(text: &str) -> Vec<Problem> {
    match Config::from_toml(text, Path::new("/etc/mohawel")) {
        Err(ConfigError::Problems(problems)) => problems,
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn the_example_is_a_configuration_with_the_defaults() {
    let config = Config::from_toml(EXAMPLE, Path::new("/etc/mohawel")).unwrap();
    assert_eq!(config.name.as_str(), "cairo-1");
    assert_eq!(config.broker, 1);
    assert_eq!(config.exchange_listen, "0.0.0.0:7400".parse().unwrap());
    assert_eq!(config.tls.key, Path::new("/etc/mohawel/tls/broker.key"));
    assert_eq!(config.limits, Limits::default());
    assert!(!config.reflection);
    assert_eq!(config.sha256, Digest::of(EXAMPLE.as_bytes()));
}

#[test]
fn the_defaults_that_the_example_shows_are_the_defaults() {
    let written: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split(" = ").count() == 2 && !rest.ends_with('.') => {
                format!("{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let shown = Config::from_toml(&written, Path::new("/etc/mohawel")).unwrap();
    let absent = Config::from_toml(EXAMPLE, Path::new("/etc/mohawel")).unwrap();
    assert_ne!(written, EXAMPLE);
    assert!(written.contains("\ndrain_ms = 30000\n") && written.contains("\nreflection = false\n"));
    assert_eq!(
        Config {
            sha256: absent.sha256,
            ..shown
        },
        absent
    );
}

#[test]
fn an_empty_file_misses_everything_that_nobody_else_can_know() {
    let keys: Vec<_> = problems("")
        .into_iter()
        .map(|problem| problem.key)
        .collect();
    assert_eq!(
        keys,
        [
            "switch.name",
            "switch.broker",
            "switch.origin",
            "switch.exchange_listen",
            "switch.enrol_listen",
            "switch.exchange_address",
            "tls.certificate_chain",
            "tls.key",
            "tls.authority_dir",
            "log.dir",
            "log.key",
        ]
    );
}

#[test]
fn many_mistakes_are_told_at_once_and_each_with_what_to_do() {
    let text = r#"
        colour = "blue"
        log = 7
        [switch]
        name = "cairo/1"
        broker = 70000
        origin = "https://x y"
        exchange_listen = "127.0.0.1:7400"
        enrol_listen = "127.0.0.1:7400"
        exchange_address = "switch:0"
        reflection = "yes"
        [tls]
        certificate_chain = ""
        key = "k"
        authority_dirr = "a"
        [limits]
        window_ms = 5
        in_flight = 10
        in_flight_per_agency = 11
        in_flight_per_provider = 12
        waiting = 0
        drain_ms = -1
    "#;
    let problems = problems(text);
    let keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    for key in [
        "colour",
        "log",
        "switch.name",
        "switch.broker",
        "switch.origin",
        "switch.enrol_listen",
        "switch.exchange_address",
        "switch.reflection",
        "tls.certificate_chain",
        "tls.authority_dirr",
        "tls.authority_dir",
        "log.dir",
        "log.key",
        "limits.window_ms",
        "limits.in_flight_per_agency",
        "limits.in_flight_per_provider",
        "limits.waiting",
        "limits.drain_ms",
    ] {
        assert_eq!(
            keys.iter().filter(|found| **found == key).count(),
            1,
            "{key} in {keys:?}"
        );
    }
    assert_eq!(keys.len(), 18, "{keys:?}");
    assert!(
        problems
            .iter()
            .all(|problem| !problem.remedy.is_empty() && !problem.what.is_empty())
    );
    let told = ConfigError::Problems(problems).to_string();
    assert_eq!(told.lines().count(), 19, "{told}");
}

#[test]
fn a_small_whole_takes_its_shares_along() {
    let text = EXAMPLE.replace("# connections = 4096", "connections = 4");
    let config = Config::from_toml(&text, Path::new("")).unwrap();
    assert_eq!(
        (
            config.limits.connections,
            config.limits.connections_per_agency
        ),
        (4, 4)
    );
}

#[test]
fn a_certificates_life_is_read_with_its_unit_and_bounded() {
    let with = |life: &str| format!("{EXAMPLE}\ncertificate_life = {life}\n");
    for (life, seconds) in [
        ("\"5s\"", 5),
        ("\"90m\"", 5_400),
        ("\"36h\"", 129_600),
        ("\"90d\"", 7_776_000),
    ] {
        let config = Config::from_toml(&with(life), Path::new("")).unwrap();
        assert_eq!(
            config.limits.certificate_life,
            Duration::from_secs(seconds),
            "{life}"
        );
    }
    for bad in ["\"4s\"", "\"91d\"", "\"0d\"", "\"\"", "168", "\"a week\""] {
        let problems = problems(&with(bad));
        assert_eq!(problems.len(), 1, "{bad}: {problems:?}");
        assert_eq!(problems[0].key, "limits.certificate_life", "{bad}");
        assert!(problems[0].remedy.contains("from 5s to 90d"), "{bad}");
    }
    // The key of before is told what stands in its place.
    let old = problems(&format!("{EXAMPLE}\ncertificate_life_hours = 168\n"));
    assert_eq!(old[0].key, "limits.certificate_life_hours");
    assert!(old[0].remedy.contains("certificate_life"), "{old:?}");
}

#[test]
fn text_that_is_no_toml_names_its_line() {
    let error = Config::from_toml("[switch]\nname = ", Path::new("")).unwrap_err();
    assert!(matches!(error, ConfigError::Syntax(_)));
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn loading_looks_for_every_file_and_takes_paths_from_the_files_folder() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("switch.toml");
    std::fs::write(&path, EXAMPLE).unwrap();
    let Err(ConfigError::Problems(problems)) = Config::load(&path) else {
        panic!()
    };
    let keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "tls.certificate_chain",
            "tls.key",
            "tls.authority_dir",
            "log.dir",
            "log.key"
        ]
    );
    for dir_name in ["tls", "authority", "log"] {
        std::fs::create_dir(dir.path().join(dir_name)).unwrap();
    }
    for file in ["tls/broker.pem", "tls/broker.key", "log.key"] {
        std::fs::write(dir.path().join(file), "").unwrap();
    }
    assert_eq!(Config::load(&path).unwrap().log.dir, dir.path().join("log"));
    assert!(matches!(
        Config::load(&dir.path().join("none.toml")),
        Err(ConfigError::Read { .. })
    ));
}

#[test]
fn outside_authorities_are_listed_one_by_one_and_each_mistake_is_told() {
    let with = |more: &str| format!("{EXAMPLE}\n{more}");
    let base = Path::new("/etc/mohawel");
    let config = Config::from_toml(EXAMPLE, base).unwrap();
    assert!(config.outside_authorities.is_empty());
    let two = with(
        "[[outside_authorities]]\nroot = \"a.pem\"\n[[outside_authorities]]\nroot = \"/b.pem\"\n",
    );
    let config = Config::from_toml(&two, base).unwrap();
    assert_eq!(
        config.outside_authorities,
        [Path::new("/etc/mohawel/a.pem"), Path::new("/b.pem")]
    );
    let keys = |text: &str| -> Vec<String> {
        problems(text)
            .into_iter()
            .map(|problem| problem.key)
            .collect()
    };
    let bad = "[[outside_authorities]]\n[[outside_authorities]]\nroot = 7\ncolour = 1\n";
    assert_eq!(
        keys(&with(bad)),
        [
            "outside_authorities.1.root",
            "outside_authorities.2.colour",
            "outside_authorities.2.root"
        ]
    );
    // Not a list of sections.
    assert_eq!(
        keys(&format!("outside_authorities = \"a.pem\"\n{EXAMPLE}")),
        ["outside_authorities"]
    );
}

#[test]
fn witnesses_are_none_unless_written_and_each_mistake_is_told() {
    let with = |more: &str| format!("{EXAMPLE}\n{more}");
    let base = Path::new("/etc/mohawel");
    assert_eq!(Config::from_toml(EXAMPLE, base).unwrap().witness, None);
    // What the example shows, without its marks, says the defaults.
    let shown: String = EXAMPLE
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with("#[witness]"))
        .take_while(|line| line.starts_with('#'))
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .collect();
    let read = |text: &str| {
        Config::from_toml(&with(text), base)
            .unwrap()
            .witness
            .unwrap()
    };
    let (shown, least) = (read(&shown), read("[witness]\npolicy = \"p\"\n"));
    assert_eq!(shown.policy, base.join("witness.policy"));
    assert_eq!(shown.tls_root, Some(base.join("tls/witness-root.pem")));
    assert_eq!(shown.stop_after, Some(Duration::from_secs(3_600)));
    assert_eq!((least.stop_after, least.tls_root), (None, None));
    assert_eq!(
        (shown.timeout, shown.late_alarm, shown.stop_on_unproved),
        (least.timeout, least.late_alarm, true)
    );
    for (text, keys) in [
        ("[witness]\n", &["witness.policy"][..]),
        (
            "[witness]\npolicy = 5\ntls_root = \"\"\ntimeout_ms = 99\nlate_alarm_ms = \"soon\"\nstop_after_ms = 1\nstop_on_unproved = 1\ncolour = 1\n",
            &[
                "witness.colour",
                "witness.policy",
                "witness.tls_root",
                "witness.timeout_ms",
                "witness.late_alarm_ms",
                "witness.stop_after_ms",
                "witness.stop_on_unproved",
            ],
        ),
        (
            "[[witness]]\npolicy = \"p\"\n",
            &["witness", "witness.policy"],
        ),
    ] {
        let found: Vec<_> = problems(&with(text))
            .into_iter()
            .map(|problem| problem.key)
            .collect();
        assert_eq!(found, keys, "{text}");
    }
}

#[test]
fn trusted_time_is_none_unless_written_and_each_mistake_is_told() {
    let with = |more: &str| format!("{EXAMPLE}\n{more}");
    let base = Path::new("/etc/mohawel");
    assert_eq!(Config::from_toml(EXAMPLE, base).unwrap().time, None);
    // What the example shows, without its marks.
    let shown: String = EXAMPLE
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with("#[time]"))
        .take_while(|line| line.starts_with('#'))
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .collect();
    let time = Config::from_toml(&with(&shown), base)
        .unwrap()
        .time
        .unwrap();
    assert_eq!(time.stop_after, Some(Duration::from_secs(12 * 3_600)));
    assert_eq!(
        time.authorities[0].url.as_str(),
        "http://time.gov.example/tsa"
    );
    assert_eq!(time.authorities[0].root, base.join("tls/time-root.pem"));
    let least =
        "[[time.authorities]]\nurl = \"https://t.example\"\nroot = \"r\"\ntls_root = \"t\"\n";
    let by_default = Config::from_toml(&with(least), base).unwrap().time.unwrap();
    assert_eq!(
        (
            by_default.interval,
            by_default.alarm_after,
            by_default.stop_after
        ),
        (time.interval, time.alarm_after, None)
    );
    for (text, keys) in [
        ("[time]\n", &["time.authorities"][..]),
        ("time = 5\n[other]\n", &["limits.time", "other"]),
        (
            "[time]\ninterval = \"0s\"\nalarm_after = 5\nstop_after = \"soon\"\ncolour = 1\nauthorities = 7\n",
            &[
                "time.colour",
                "time.interval",
                "time.alarm_after",
                "time.stop_after",
                "time.authorities",
            ],
        ),
        (
            "[[time.authorities]]\nurl = \"ftp://t.example\"\n[[time.authorities]]\nurl = \"https://t.example\"\nroot = \"r\"\n\
             [[time.authorities]]\nurl = \"http://user:secret@t.example\"\nroot = \"r\"\ntls_root = \"t\"\nroots = \"r\"\n",
            &[
                "time.authorities.1.url",
                "time.authorities.1.root",
                "time.authorities.2.tls_root",
                "time.authorities.3.roots",
                "time.authorities.3.url",
                "time.authorities.3.tls_root",
            ],
        ),
    ] {
        let found: Vec<_> = problems(&with(text))
            .into_iter()
            .map(|problem| problem.key)
            .collect();
        for key in keys {
            assert!(found.iter().any(|found| found == key), "{key} in {found:?}");
        }
        assert!(
            problems(&with(text))
                .iter()
                .all(|problem| !problem.remedy.is_empty())
        );
    }
}
