//! A new switch is whole, private, provable, and never made over something.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use broker::Config;

use std::time::Duration;

use super::*;

fn options(dir: PathBuf) -> InitOptions {
    InitOptions {
        dir,
        instance: "EG".to_owned(),
        origin: "switch.example/log".to_owned(),
        trust_domain: None,
        operator: "operator".to_owned(),
        exchange_listen: "127.0.0.1:0".parse().unwrap(),
        enrol_listen: "127.0.0.1:0".parse().unwrap(),
        exchange_address: None,
        enrol_address: None,
    }
}

#[tokio::test]
async fn a_new_switch_is_whole_private_and_provable() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path().join("switch"));
    let created = create(&options, &Clock::System).await.unwrap();
    let switch = &created.switch;
    let config = Config::load(&switch.config()).unwrap();
    assert_eq!(
        (config.origin.as_str(), config.exchange_address.as_str()),
        ("switch.example/log", "127.0.0.1:7443")
    );
    for private in [
        switch.log_key(),
        switch.broker_key(),
        switch.operator().join(operator::SEAL_KEY),
    ] {
        let mode = fs::metadata(&private).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", private.display());
    }
    let report = audit::verify::verify_directory(&switch.log(), Default::default());
    assert!(report.is_proven() && report.entries == 1);
    let registry = crate::commands::registry::from_log(&switch.log()).unwrap();
    assert_eq!(registry.genesis_sha256(), created.genesis);
    let genesis = registry.genesis().unwrap();
    assert_eq!(
        (genesis.trust_domain.as_str(), genesis.instance.as_str()),
        ("switch.example", "EG")
    );
    let opened = operator::Operator::open(switch, &Clock::System).unwrap();
    assert_eq!(
        (opened.genesis, &opened.log_key),
        (created.genesis, &created.log_key)
    );
    assert_eq!(genesis.operators[0].key, *opened.signer.key());

    let again = create(&options, &Clock::System).await.unwrap_err();
    assert_eq!(again.exit, Exit::Usage);
}

#[tokio::test]
async fn wrong_names_and_addresses_are_told_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let good = options(dir.path().join("switch"));
    let wrong = [
        InitOptions {
            instance: "E G".to_owned(),
            ..good.clone()
        },
        InitOptions {
            origin: "https://switch.example/log".to_owned(),
            ..good.clone()
        },
        InitOptions {
            origin: String::new(),
            ..good.clone()
        },
        InitOptions {
            operator: "../operator".to_owned(),
            ..good.clone()
        },
        InitOptions {
            trust_domain: Some("Switch.Example".to_owned()),
            ..good.clone()
        },
        InitOptions {
            exchange_listen: "0.0.0.0:7443".parse().unwrap(),
            ..good.clone()
        },
        InitOptions {
            exchange_address: Some("nowhere".to_owned()),
            ..good.clone()
        },
        InitOptions {
            exchange_listen: "127.0.0.1:7443".parse().unwrap(),
            enrol_listen: "127.0.0.1:7443".parse().unwrap(),
            ..good.clone()
        },
    ];
    for options in wrong {
        let failure = create(&options, &Clock::System).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Usage, "{options:?}");
        assert!(!options.dir.exists(), "{options:?}");
    }
}

#[tokio::test]
async fn certificates_are_made_anew_before_they_end() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(1_795_000_000_000_000);
    let created = create(&options(dir.path().join("switch")), &clock)
        .await
        .unwrap();
    let switch = &created.switch;
    let before = fs::read(switch.broker_chain()).unwrap();
    assert!(!certificates::renew_broker(switch, "b1", now(&clock).unwrap()).unwrap());
    clock.advance_ms(61 * 86_400_000);
    assert!(certificates::renew_broker(switch, "b1", now(&clock).unwrap()).unwrap());
    assert!(certificates::renew_operator(switch, "operator", now(&clock).unwrap()).unwrap());
    assert!(!certificates::renew_broker(switch, "b1", now(&clock).unwrap()).unwrap());
    let after = fs::read(switch.broker_chain()).unwrap();
    assert_ne!(after, before);
    let hosts = fs::read_to_string(switch.broker_hosts()).unwrap();
    written_later(&switch.broker_hosts(), &format!("{hosts}switch.example\n"));
    assert!(certificates::renew_broker(switch, "b1", now(&clock).unwrap()).unwrap());
    assert_ne!(fs::read(switch.broker_chain()).unwrap(), after);
    written_later(&switch.broker_hosts(), "not a host\n");
    assert!(certificates::renew_broker(switch, "b1", now(&clock).unwrap()).is_err());
}

/// Writes a file and dates it ahead: within one tick of the file system's clock nobody could say what was written later.
fn written_later(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::File::options()
        .write(true)
        .open(path)
        .and_then(|file| file.set_modified(std::time::SystemTime::now() + Duration::from_secs(2)))
        .unwrap();
}
