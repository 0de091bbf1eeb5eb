//! What tests of commands stand on: a switch of its own folder that runs in this process, and agencies on board.

use std::path::{Path, PathBuf};
use std::time::Duration;

use adapters::enrol::{EnrolOptions, enrol};
use audit::clock::Clock;
use proto::id::SystemId;
use tempfile::TempDir;

use crate::commands::agency;
use crate::commands::broker::{BrokerOptions, Running};
use crate::commands::init::{self, InitOptions};
use crate::commands::operator::Operator;
use crate::commands::switch_dir::SwitchDir;

/// A folder with a switch; agencies' homes stand beside it.
pub(crate) struct Bench {
    dir: TempDir,
    /// The switch's folder.
    pub(crate) switch: SwitchDir,
    /// The clock of everybody.
    pub(crate) clock: Clock,
}

impl Bench {
    /// A switch that was made and does not run.
    pub(crate) async fn new(clock: Clock) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = InitOptions {
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
        let created = init::create(&options, &clock).await.unwrap();
        Self {
            dir,
            switch: created.switch,
            clock,
        }
    }

    /// Runs the switch, without echo.
    pub(crate) async fn start(&self) -> Running {
        let options = BrokerOptions {
            switch: self.switch.clone(),
            echo: false,
            clock: self.clock.clone(),
            given_up: Default::default(),
        };
        Running::start(options).await.unwrap()
    }

    /// Invites and enrols the agency of `system` with its Arabic and English name; gives its home.
    pub(crate) async fn enrol(&self, system: &str, [name_ar, name_en]: [&str; 2]) -> PathBuf {
        let system = SystemId::parse(system).unwrap();
        let operator = Operator::open(&self.switch, &self.clock).unwrap();
        let life = Duration::from_secs(3_600);
        let invited = agency::invite(&operator, &system.agency(), life, &self.clock)
            .await
            .unwrap();
        let home = self.path(&system.agency().part(2).to_lowercase());
        let enrolled = enrol(EnrolOptions {
            home: home.clone(),
            invitation: invited.invitation.encode().unwrap(),
            address: None,
            system: system.part(3).to_owned(),
            adapter: "a1".to_owned(),
            name_ar: name_ar.to_owned(),
            name_en: name_en.to_owned(),
            authority: adapters::authority::AuthorityPlace::InHome,
            clock: self.clock.clone(),
        });
        Box::pin(enrolled).await.unwrap();
        home
    }

    /// A path beside the switch.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Gives `path` the permission bits `mode`.
pub(crate) fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
