//! A switch in a folder of its own, beside the directory that describes what is wanted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use adapters::authority::AuthorityPlace;
use adapters::enrol::{EnrolOptions, enrol};
use audit::clock::Clock;
use proto::act::PersonRole;
use proto::id::{AgencyId, Part};
use proto::refusal::Language;
use proto::registry::Registry;
use tempfile::TempDir;

use crate::args::{Acting, ApplyPlan, Plan, Role, Source};
use crate::commands::broker::{BrokerOptions, Running};
use crate::commands::declare::difference::{Way, What, now};
use crate::commands::declare::{self, read};
use crate::commands::init::{self, InitOptions};
use crate::commands::operate::roles;
use crate::commands::registry;
use crate::commands::switch_dir::SwitchDir;
use crate::failure::Failure;
use crate::output::Output;

/// What is said in tests.
pub(super) const OUTPUT: Output = Output {
    language: Language::Arabic,
    json: false,
};

/// The switch that runs, and its folder.
pub(super) struct World {
    pub(super) dir: TempDir,
    pub(super) running: Running,
    pub(super) switch: SwitchDir,
}

impl World {
    pub(super) async fn new(echo: bool) -> Self {
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
            echo,
            clock: Clock::System,
            given_up: Default::default(),
        };
        let running = Running::start(options).await.unwrap();
        let world = Self {
            dir,
            running,
            switch,
        };
        if echo {
            world
                .until(|registry| registry.agreements().next().is_some())
                .await;
        }
        world
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path("wanted").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn acting(&self) -> Acting {
        Acting {
            switch: self.switch.path().to_owned(),
            operator: None,
        }
    }

    pub(super) async fn apply(&self, dir: &Path) -> Result<(), Failure> {
        let wish = ApplyPlan {
            dir: dir.to_owned(),
            acting: self.acting(),
            yes: true,
            invitations: Some(self.path("invitations")),
            hours: 72,
        };
        declare::apply(wish, OUTPUT).await
    }

    pub(super) async fn plan(&self, dir: &Path) -> Result<(), Failure> {
        let plan = Plan {
            dir: dir.to_owned(),
            source: self.source(),
        };
        declare::plan(plan, OUTPUT).await
    }

    pub(super) fn source(&self) -> Source {
        Source {
            switch: Some(self.switch.path().to_owned()),
            ..Source::default()
        }
    }

    pub(super) async fn registry(&self) -> Registry {
        registry::from_log(&self.switch.log()).unwrap()
    }

    /// The differences of `wanted` as kind, which and how.
    pub(super) async fn ways(&self) -> Vec<(What, String, Way)> {
        let described = read::directory(&self.path("wanted")).unwrap();
        let plan = now(&described, &self.registry().await);
        let each = plan.differences.into_iter();
        each.map(|one| (one.what, one.which, one.way)).collect()
    }

    /// Waits until the published log shows something that others did.
    pub(super) async fn until(&self, shows: impl Fn(&Registry) -> bool) {
        for _ in 0..200 {
            if shows(&self.registry().await) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the published log never showed it");
    }

    /// A second operator's folder with keys, and the seal key as hex.
    pub(super) async fn request(&self, name: &str) -> (PathBuf, String) {
        let dir = self.path(name);
        let role = Role::Request {
            dir: dir.clone(),
            role: PersonRole::Operator,
            name: Part::parse(name).unwrap(),
        };
        roles::run(role, OUTPUT).await.unwrap();
        let request: toml::Table = fs::read_to_string(dir.join("role.request"))
            .unwrap()
            .parse()
            .unwrap();
        (dir, request["seal_key"].as_str().unwrap().to_owned())
    }

    pub(super) async fn enrol(&self) -> PathBuf {
        let invitation = self.path("invitations/EG~GOV~MOSS.invitation");
        let mode = fs::metadata(&invitation).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let home = self.path("moss");
        let options = EnrolOptions {
            home: home.clone(),
            invitation: fs::read_to_string(invitation).unwrap().trim().to_owned(),
            address: None,
            system: "takaful".to_owned(),
            adapter: "a1".to_owned(),
            name_ar: "التضامن الاجتماعي".to_owned(),
            name_en: "Social Solidarity".to_owned(),
            authority: AuthorityPlace::InHome,
            clock: Clock::System,
        };
        Box::pin(enrol(options)).await.unwrap();
        let moss = AgencyId::parse("EG/GOV/MOSS").unwrap();
        self.until(|registry| registry.agency(&moss).is_some())
            .await;
        home
    }
}
