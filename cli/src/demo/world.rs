//! The demo's world on disk and its processes: one switch, five agencies, their stores.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use audit::checkpoint::LogKey;
use time::macros::date;
use tokio::task::JoinHandle;

use super::agencies::{AGENCIES, AGREEMENTS, Agency, Stores};
use super::people::{self, Application, Plan, SocialSolidarityBackend};
use super::process::{Server, mohawel};
use super::stores::Postgres;
use super::tell::Teller;
use super::{backend, stores, story};
use crate::failure::{Exit, Failure};
use crate::output::Output;

mod events;
mod ways;

pub(super) use ways::WITHIN_S;

/// Seed and reference day of the synthetic people: the same story on every machine.
const SEED: u64 = 42;
/// The variable that names a PostgreSQL server for social insurance.
const POSTGRES: &str = "MOHAWEL_TEST_POSTGRES";

/// A folder that is removed at the end.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Temporary {
    /// A new folder under the system's temporary folder.
    pub(super) fn make() -> Result<Self, Failure> {
        let dir = std::env::temp_dir().join(format!("mohawel-demo-{}", uuid::Uuid::now_v7()));
        make_empty(&dir)?;
        Ok(Self(dir))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes `dir`, which must not exist or be empty.
pub(super) fn make_empty(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(Failure::unavailable)?;
    let mut items = std::fs::read_dir(dir).map_err(Failure::unavailable)?;
    if items.next().is_none() {
        return Ok(());
    }
    let path = dir.display();
    Err(Failure::new(
        Exit::Usage,
        [
            format!("{path} is not empty"),
            format!("المجلد {path} ليس فارغًا"),
        ],
        ["Name a new folder.", "اذكر مجلدًا جديدًا."],
    ))
}

/// Everything that runs.
#[derive(Debug)]
pub(super) struct World {
    dir: PathBuf,
    plan: Plan,
    applications: Vec<Application>,
    switch: Option<Server>,
    adapters: Vec<Server>,
    backend: JoinHandle<()>,
}

impl World {
    /// Builds it from nothing: keys, log, people, stores, services, agreements, processes.
    pub(super) async fn build(
        dir: &Path,
        people: u64,
        teller: Teller,
        output: Output,
    ) -> Result<Self, Failure> {
        teller.part(1, ["A switch and five agencies", "محوِّل وخمس جهات"]);
        let plan = Plan::new(SEED, people, date!(2026 - 01 - 15)).map_err(Failure::usage)?;
        let rows = SocialSolidarityBackend::of(&plan, |_, _| {});
        let applications = rows.rows().to_vec();
        let (address, backend) = backend::start(rows).await?;
        let mut world = Self {
            dir: dir.to_owned(),
            plan,
            applications,
            switch: None,
            adapters: Vec::new(),
            backend,
        };
        for folder in ["agencies", "stores", "logs"] {
            std::fs::create_dir_all(dir.join(folder)).map_err(Failure::unavailable)?;
        }
        world.start_switch(teller).await?;
        for agency in &AGENCIES {
            world.enrol(agency, teller).await?;
        }
        let postgres = world.fill_stores(teller, output).await?;
        let (civil, nosi, traffic) = (
            world.store("civil.sqlite"),
            world.store("nosi.sqlite"),
            world.store("traffic.csv"),
        );
        let stores = Stores {
            civil: &civil,
            moss: &address.to_string(),
            nosi_postgres: postgres.as_ref(),
            nosi_file: &nosi,
            traffic: &traffic,
        };
        for agency in AGENCIES.iter().filter(|agency| !agency.service.is_empty()) {
            world.serve(agency, &stores, teller).await?;
        }
        world.agree(teller).await?;
        Ok(world)
    }

    /// Folder of the agencies' homes.
    pub(super) fn homes(&self) -> PathBuf {
        self.dir.join("agencies")
    }

    /// The switch's log directory.
    pub(super) fn log_dir(&self) -> PathBuf {
        self.dir.join("switch/log")
    }

    /// The application that the story is about.
    pub(super) fn case(&self) -> Result<&Application, Failure> {
        story::case_of(&self.plan, &self.applications)
            .ok_or_else(|| Failure::usage("nobody applied for Takaful; use more --people"))
    }

    /// The log's key as an agency pinned it at enrolment: not from beside the log.
    pub(super) fn log_key(&self) -> Result<LogKey, Failure> {
        let home =
            adapters::identity::Home::open(self.homes().join("moss")).map_err(Failure::usage)?;
        Ok(home.log_key().clone())
    }

    /// Stops the adapters, then the switch, and waits for each.
    pub(super) async fn stop(&mut self) -> Result<(), Failure> {
        for adapter in self.adapters.drain(..) {
            adapter.stop().await?;
        }
        if let Some(switch) = self.switch.take() {
            switch.stop().await?;
        }
        self.backend.abort();
        Ok(())
    }

    fn store(&self, name: &str) -> PathBuf {
        self.dir.join("stores").join(name)
    }

    fn home(&self, key: &str) -> String {
        self.homes().join(key).display().to_string()
    }

    async fn start_switch(&mut self, teller: Teller) -> Result<(), Failure> {
        let dir = self.dir.join("switch").display().to_string();
        let [exchange, enrol] = free_addresses()?;
        let arguments = [
            "init",
            &dir,
            "--instance",
            "EG",
            "--origin",
            "mohawel.example/demo",
            "--operator",
            "nour",
            "--exchange-listen",
            &exchange,
            "--enrol-listen",
            &enrol,
        ];
        mohawel(&arguments).await?.success("init")?;
        let log = self.dir.join("logs/switch.log");
        self.switch = Some(
            Server::start(
                "the switch",
                &["broker", "--switch", &dir],
                "echo attached",
                &log,
            )
            .await?,
        );
        teller.good([
            &format!("the switch runs on {exchange}: authority, log key and an empty log were made just now"),
            &format!("المحوِّل يعمل على {exchange}: جهة إصدار ومفتاح سجل وسجل جديد أُنشئت الآن"),
        ]);
        Ok(())
    }

    async fn enrol(&self, agency: &Agency, teller: Teller) -> Result<(), Failure> {
        let switch = self.dir.join("switch").display().to_string();
        let invitation = self
            .dir
            .join("agencies")
            .join(format!("{}.invitation", agency.key));
        let file = invitation.display().to_string();
        mohawel(&[
            "agency", "invite", agency.id, "--switch", &switch, "--output", &file,
        ])
        .await?
        .success("invite")?;
        let home = self.home(agency.key);
        let arguments = [
            "adapter",
            "enrol",
            &format!("@{file}"),
            "--home",
            &home,
            "--system",
            agency.system,
            "--name-en",
            agency.name_en,
            "--name-ar",
            agency.name_ar,
            "--no-passphrase",
        ];
        mohawel(&arguments).await?.success("enrol")?;
        teller.good([
            &format!(
                "{} enrolled as {} with keys it made itself",
                agency.name_en,
                agency.system_id()
            ),
            &format!(
                "{}: سُجّلت باسم {} بمفاتيح صنعتها بنفسها",
                agency.name_ar,
                crate::output::isolated(agency.system_id())
            ),
        ]);
        Ok(())
    }

    /// Writes the registers; the PostgreSQL server of social insurance, if there is one.
    async fn fill_stores(
        &self,
        teller: Teller,
        output: Output,
    ) -> Result<Option<Postgres>, Failure> {
        let bar = output.progress(self.plan.total(), "people", "أشخاص");
        let mut told = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        };
        people::write_sqlite(&self.plan, &self.store("civil.sqlite"), &mut told)
            .await
            .map_err(Failure::unavailable)?;
        people::write_csv(&self.plan, &self.store("traffic.csv"), &mut told)
            .map_err(Failure::unavailable)?;
        let postgres = std::env::var(POSTGRES).ok();
        match &postgres {
            Some(url) => {
                people::write_postgres(&self.plan, url, &mut told)
                    .await
                    .map_err(Failure::unavailable)?;
            }
            None => stores::write_insurance_sqlite(&self.plan, &self.store("nosi.sqlite")).await?,
        }
        bar.finish_and_clear();
        let total = self.plan.total();
        let also = if postgres.is_some() {
            ", PostgreSQL"
        } else {
            ""
        };
        teller.good([
            &format!("{total} synthetic people written: SQLite{also}, CSV and an HTTP backend hold their rows"),
            &format!("كُتبت بيانات {total} شخصًا مصطنعًا في SQLite{also} وCSV وخادم HTTP"),
        ]);
        if postgres.is_none() {
            teller.line([
                &format!("(no PostgreSQL here: {POSTGRES} is not set, so Social Insurance uses SQLite as well)"),
                &format!("(لا يوجد PostgreSQL هنا: المتغير {POSTGRES} غير معرَّف، فتستخدم التأمينات SQLite أيضًا)"),
            ]);
        }
        postgres
            .map(|url| Postgres::part(&url, &self.store("nosi.password")))
            .transpose()
    }

    /// Publishes the agency's service and starts its adapter.
    async fn serve(
        &mut self,
        agency: &Agency,
        stores: &Stores<'_>,
        teller: Teller,
    ) -> Result<(), Failure> {
        let home = self.home(agency.key);
        let (definition, providers) = (
            format!("{home}/service.toml"),
            format!("{home}/providers.toml"),
        );
        std::fs::write(&definition, agency.service).map_err(Failure::unavailable)?;
        std::fs::write(&providers, stores::providers_toml(agency.key, stores))
            .map_err(Failure::unavailable)?;
        mohawel(&["service", "publish", &definition, "--home", &home])
            .await?
            .success("publish")?;
        let log = self.dir.join("logs").join(format!("{}.log", agency.key));
        let arguments = ["adapter", "run", "--home", &home, "--providers", &providers];
        self.adapters
            .push(Server::start(agency.name_en, &arguments, "serving", &log).await?);
        // Without a PostgreSQL server social insurance stands in SQLite, too.
        let stand_in = agency.key == "nosi" && stores.nosi_postgres.is_none();
        let store = if stand_in {
            ["SQLite", "SQLite"]
        } else {
            agency.store
        };
        teller.good([
            &format!(
                "{} serves {} from {}",
                agency.name_en,
                agency.system_id(),
                store[0]
            ),
            &format!(
                "{}: تقدّم {} من {}",
                agency.name_ar,
                crate::output::isolated(agency.system_id()),
                store[1]
            ),
        ]);
        Ok(())
    }

    /// Consumers propose, providers accept: both with their own authority keys.
    async fn agree(&self, teller: Teller) -> Result<(), Failure> {
        for terms in &AGREEMENTS {
            let (consumer, provider) = (self.home(terms.consumer), self.home(terms.provider));
            let file = format!("{consumer}/{}.agreement.toml", terms.provider);
            std::fs::write(&file, terms.toml).map_err(Failure::unavailable)?;
            let proposed = mohawel(&["agreement", "propose", &file, "--home", &consumer])
                .await?
                .success("propose")?;
            let id = proposed["agreement"]["agreement"]
                .as_str()
                .unwrap_or_default();
            mohawel(&["agreement", "accept", id, "--home", &provider])
                .await?
                .success("accept")?;
        }
        teller.good([
            &format!(
                "{} agreements, each sealed by both agencies; the switch can make none",
                AGREEMENTS.len()
            ),
            &format!(
                "{} اتفاقيات، كل منها مختومة من الجهتين؛ والمحوِّل لا يستطيع صنع واحدة",
                AGREEMENTS.len()
            ),
        ]);
        Ok(())
    }
}

/// Two loopback addresses that are free now; they are written into the configuration, so they must have a number. Both
/// are held at once, so that they are two.
fn free_addresses() -> Result<[String; 2], Failure> {
    let bind = || TcpListener::bind(("127.0.0.1", 0)).map_err(Failure::unavailable);
    let listeners = [bind()?, bind()?];
    let address = |listener: &TcpListener| {
        let address = listener.local_addr().map_err(Failure::unavailable)?;
        Ok(address.to_string())
    };
    Ok([address(&listeners[0])?, address(&listeners[1])?])
}
