//! The authority key as its administrators use it: apart, under a passphrase, and only the agency's own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use adapters::authority::{AuthorityPlace, usual_path};
use adapters::enrol::{EnrolOptions, enrol};
use audit::clock::Clock;
use proto::id::AgencyId;
use proto::refusal::Language;

use super::*;
use crate::commands::agency::{self, fingerprint};
use crate::commands::broker::{BrokerOptions, Running};
use crate::commands::init::{self, InitOptions};
use crate::commands::operator::Operator;
use crate::commands::service::{self, definition::Definition};

const OUTPUT: Output = Output {
    language: Language::English,
    json: false,
};

const SERVICE: &str = r#"
service = "payments.v1"
name_en = "Payments"
name_ar = "المدفوعات"
[[operations]]
name = "last"
name_en = "The last payment"
name_ar = "آخر دفعة"
fields = ["amount_egp"]
"#;

/// A switch, and Social Solidarity's home with its authority key beside it under a passphrase.
struct World {
    dir: tempfile::TempDir,
    running: Running,
    home: PathBuf,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let init = InitOptions {
            dir: dir.path().join("switch"),
            instance: "EG".to_owned(),
            origin: "switch.example/log".to_owned(),
            trust_domain: None,
            operator: "operator".to_owned(),
            exchange_listen: "127.0.0.1:0".parse().unwrap(),
            enrol_listen: "127.0.0.1:0".parse().unwrap(),
            exchange_address: None,
            enrol_address: None,
        };
        let switch = init::create(&init, &Clock::System).await.unwrap().switch;
        let options = BrokerOptions {
            switch: switch.clone(),
            echo: false,
            clock: Clock::System,
            given_up: Default::default(),
        };
        let running = Running::start(options).await.unwrap();
        let moss = AgencyId::parse("EG/GOV/MOSS").unwrap();
        let operator = Operator::open(&switch, &Clock::System).unwrap();
        let life = Duration::from_secs(3_600);
        let invited = agency::invite(&operator, &moss, life, &Clock::System).await;
        let home = dir.path().join("takaful");
        let passphrase = Passphrase::new("correct horse battery".to_owned().into()).unwrap();
        let enrolled = enrol(EnrolOptions {
            home: home.clone(),
            invitation: invited.unwrap().invitation.encode().unwrap(),
            address: None,
            system: "takaful".to_owned(),
            adapter: "a1".to_owned(),
            name_ar: "التضامن الاجتماعي".to_owned(),
            name_en: "Social Solidarity".to_owned(),
            authority: AuthorityPlace::File {
                path: usual_path(&home, &moss),
                passphrase: Some(passphrase),
            },
            clock: Clock::System,
        });
        Box::pin(enrolled).await.unwrap();
        Self { dir, running, home }
    }

    /// The options as somebody types them, with a passphrase file that says `passphrase`.
    fn typed(&self, authority: Option<&Path>, passphrase: &str) -> AuthorityKey {
        let file = self.dir.path().join(format!("{passphrase}.txt"));
        if !file.exists() {
            certs::key_files::write_private(&file, passphrase.as_bytes()).unwrap();
        }
        AuthorityKey {
            authority: authority.map(Path::to_owned),
            passphrase_file: Some(file),
        }
    }
}

#[track_caller]
fn usage(result: Result<FileSigner, Failure>, says: &str) {
    let failure = result.unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.what[0].contains(says), "{failure:?}");
    assert!(failure.next.iter().all(|next| !next.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_key_apart_and_under_a_passphrase_binds_its_agency() {
    let world = World::new().await;
    let (home, right) = (&world.home, world.typed(None, "correct horse battery"));
    // Nothing of it lies in the home, and an adapter runs without it.
    let beside = world.dir.path().join("MOSS.authority.key");
    assert!(beside.exists() && !home.join("authority").exists());
    let text = fs::read_to_string(home.join("adapter.toml")).unwrap();
    assert!(text.contains("MOSS.authority.key") && !text.contains("PRIVATE KEY"));

    let wrong = world.typed(None, "correct horse stable");
    usage(authority(home, &wrong, OUTPUT), "not this key's");
    let signer = authority(home, &right, OUTPUT).unwrap();
    let definition = Definition::parse(SERVICE).unwrap();
    let adapter = connect(home).await.unwrap();
    let published = Box::pin(service::publish(&adapter, &signer, &definition)).await;
    assert_eq!(
        published.unwrap().service.to_string(),
        "EG/GOV/MOSS/takaful/payments.v1"
    );

    // What the administrators read from the key is what the operator reads in the registry.
    let registry = adapter.mirror().snapshot();
    let record = registry.agency(&home_agency(&adapter)).unwrap();
    assert_eq!(
        fingerprint::lines(signer.key(), OUTPUT),
        fingerprint::lines(&record.authority_key, OUTPUT)
    );
    assert_eq!(
        fingerprint::json(signer.key()),
        fingerprint::json(&record.authority_key)
    );

    // Taken away, it is named once and remembered.
    let safe = world.dir.path().join("safe");
    fs::create_dir(&safe).unwrap();
    let moved = safe.join("moss.key");
    fs::rename(&beside, &moved).unwrap();
    usage(authority(home, &right, OUTPUT), "cannot read");
    let named = world.typed(Some(&moved), "correct horse battery");
    authority(home, &named, OUTPUT).unwrap();
    authority(home, &right, OUTPUT).unwrap();

    // Another agency's key is refused here, before the switch says no without being able to say why.
    let other = safe.join("other.key");
    let stranger = FileSigner::load_or_make(&other).unwrap();
    let refused = Box::pin(service::publish(&adapter, &stranger, &definition)).await;
    let failure = refused.unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    let registered = Fingerprint::of_kid(signer.key().kid().0).spoken();
    assert!(failure.what[0].contains(&registered), "{failure:?}");
    drop(adapter);
    world.running.shutdown().await.unwrap();
}

fn home_agency(adapter: &Adapter) -> AgencyId {
    adapter.home().system().agency()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_home_with_the_key_inside_still_acts_and_a_bad_file_is_told() {
    let world = World::new().await;
    let (home, right) = (&world.home, world.typed(None, "correct horse battery"));
    // As homes were before: the key plain inside, the settings with their default.
    let inside = home.join("authority/authority.key");
    let KeyFile::Encrypted(key) =
        KeyFile::read(&world.dir.path().join("MOSS.authority.key")).unwrap()
    else {
        panic!("the key lies open");
    };
    let passphrase = Passphrase::load(right.passphrase_file.as_ref().unwrap()).unwrap();
    key.open(&passphrase).unwrap().save(&inside).unwrap();
    let settings = home.join("adapter.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let old: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("authority_key"))
        .collect();
    fs::write(&settings, old.join("\n")).unwrap();
    let none = AuthorityKey::default();
    let signer = authority(home, &none, OUTPUT).unwrap();
    let adapter = connect(home).await.unwrap();
    assert_eq!(
        plain_authority(&adapter).unwrap().key(),
        signer.key(),
        "and so does the switch's own agency"
    );
    let definition = Definition::parse(SERVICE).unwrap();
    Box::pin(service::publish(&adapter, &signer, &definition))
        .await
        .unwrap();

    fs::set_permissions(&inside, fs::Permissions::from_mode(0o644)).unwrap();
    usage(authority(home, &none, OUTPUT), "chmod 600");
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o600)).unwrap();
    for (text, says) in [
        ("-----BEGIN PRIVATE KEY-----\nMC4C", "cut short"),
        (
            &fs::read_to_string(home.join("tls.pem")).unwrap(),
            "`CERTIFICATE`",
        ),
        ("hello", "not exactly one"),
    ] {
        fs::write(&inside, text).unwrap();
        usage(authority(home, &none, OUTPUT), says);
    }
    let nowhere = AuthorityKey {
        passphrase_file: Some(home.join("nowhere")),
        ..world.typed(
            Some(&world.dir.path().join("MOSS.authority.key")),
            "correct horse battery",
        )
    };
    assert_eq!(
        authority(home, &nowhere, OUTPUT).unwrap_err().exit,
        Exit::Usage
    );
    drop(adapter);
    world.running.shutdown().await.unwrap();
}
