//! A switch whose contract marks persons, the data-protection authority's folder, and the real binary over both.

use std::path::{Path, PathBuf};

use adapters::subjects::KeyFile;
use audit::clock::Clock;
use proto::act::{Operation, ServiceDefinition, SubjectField};
use proto::entry::Kind;
use proto::limits::label;
use serde_json::Value;
use tests::agreements::{part, parts};
use tests::ground::Ground;
use tests::process::mohawel;
use tests::switch::TestSwitch;
use tests::until;
use tests::world::World;
use tokio::process::Command;

/// A world on the system's clock, which is the binary's too, whose contract marks persons; and the authority's folder.
pub(super) struct People {
    pub(super) world: World,
    folder: tempfile::TempDir,
}

/// What the binary said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) value: Value,
    pub(super) errors: String,
}

impl People {
    pub(super) async fn new() -> Self {
        let ground = Ground::found_at(Clock::System).await;
        let switch = TestSwitch::on(ground, "").await.unwrap();
        let mut world = World::populate(switch).await;
        let definition = ServiceDefinition {
            system: world.civil.system.clone(),
            service: part("persons.v1"),
            name_ar: "الأشخاص".to_owned(),
            name_en: "Persons".to_owned(),
            operations: vec![Operation {
                name: part("read"),
                name_ar: "قراءة".to_owned(),
                name_en: "Read".to_owned(),
                fields: parts(&["alive", "income", "name"]),
                method: String::new(),
                path: String::new(),
                request_schema: bytes::Bytes::new(),
                answer_schema: bytes::Bytes::new(),
                subjects: vec![SubjectField {
                    pointer: "/nid".to_owned(),
                    scheme: part("nid"),
                }],
            }],
            issued_at_ms: world.switch.now_ms() + 1,
            owner_contact: String::new(),
            sensitivity: None,
        };
        let (civil, switch) = (&world.civil, &world.switch);
        civil
            .submit(switch, Kind::Service, label::AUTHORITY, definition.encode())
            .await
            .unwrap();
        world.contract = definition.contract();
        let folder = tempfile::tempdir().unwrap();
        let people = Self { world, folder };
        let passphrase = people.path("passphrase");
        certs::key_files::write_private(&passphrase, b"seven words that nobody would guess\n")
            .unwrap();
        people.keys(&["new"]).await;
        people
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Said {
        let output = Command::new(mohawel())
            .arg("--json")
            .args(arguments)
            .env_clear()
            .current_dir(self.folder.path())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        Said {
            code: output.status.code().unwrap(),
            value: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(super) async fn well(&self, arguments: &[&str]) -> Value {
        let said = self.run(arguments).await;
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said.value
    }

    /// `audit subject-key` with the folder and its passphrase.
    pub(super) async fn keys(&self, arguments: &[&str]) -> Value {
        let (dir, passphrase) = (self.text("masters"), self.text("passphrase"));
        let mut all = vec!["audit", "subject-key"];
        all.extend(arguments);
        all.extend(["--dir", &dir, "--passphrase-file", &passphrase]);
        self.well(&all).await
    }

    /// Gives both parties the key file at `path`.
    pub(super) fn hand_out(&self, path: &Path) {
        let file = KeyFile::load(path).unwrap();
        for agency in [&self.world.moss, &self.world.civil] {
            let place = agency.home_dir().join("subjects").join(file.file_name());
            file.save(&place).unwrap();
        }
    }

    pub(super) async fn derive(&self) -> PathBuf {
        let (agreement, path) = (
            self.world.agreement.to_string(),
            self.path("first.subject-key"),
        );
        let to = path.display().to_string();
        self.keys(&["derive", "--agreement", &agreement, "-o", &to])
            .await;
        path
    }

    pub(super) async fn published(&self) {
        let log = self.world.switch.switch().log();
        let size = self.world.switch.size();
        until("what was recorded is published", || {
            log.published().borrow().checkpoint.size >= size
        })
        .await;
    }

    /// `audit about` the person, once everything is published.
    pub(super) async fn about(&self, id: &str, more: &[&str]) -> Value {
        self.published().await;
        let log = self.world.switch.ground().log_dir().display().to_string();
        let (dir, passphrase) = (self.text("masters"), self.text("passphrase"));
        let key = self.world.switch.ground().log_key().to_vkey();
        let mut all = vec![
            "audit", "about", "--log", &log, "--key", &key, "--dir", &dir,
        ];
        all.extend([
            "--passphrase-file",
            &passphrase,
            "--scheme",
            "nid",
            "--id",
            id,
        ]);
        all.extend(more);
        self.well(&all).await
    }

    /// The exchanges that are told about the person.
    pub(super) async fn told(&self, id: &str) -> Vec<String> {
        let value = self.about(id, &[]).await;
        assert_eq!(value["log"]["proven"], true);
        assert!(value.get("held").is_none(), "nothing of holds");
        let found = value["consultations"].as_array().unwrap();
        found
            .iter()
            .map(|one| one["exchange_id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// A home's own commands, with its authority key beside it.
    pub(super) async fn hold(&self, exchange: &str, more: &[&str]) -> Value {
        let home = self.world.moss.home_dir().display().to_string();
        let mut all = vec!["agency", "hold", "--home", &home, "--exchange", exchange];
        all.extend(["--ground", "criminal-procedure"]);
        all.extend(more);
        self.well(&all).await
    }
}
