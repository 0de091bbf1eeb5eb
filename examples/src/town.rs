//! A town for stories: a switch and agencies as real processes, set up from a folder that a person can read.
//!
//! Takes `stories/town` (who is on board, what each publishes and serves) and a story's own folder (agreements and
//! compositions; an `agencies.toml` of its own, whose agencies join the town's, or come `alone`). Every process is this very binary: called with arguments of `mohawel` it is `mohawel`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use audit::replay::Event;
use cli::commands::audit::event_line;
use cli::demo::people::{NationalId, Plan};
use cli::demo::process::{Server, as_read, mohawel};
use proto::entry::Kind;
use serde::Deserialize;
use serde_json::Value;
use time::macros::date;

use crate::offices::Offices;
use crate::smtp::Sink;
use crate::{Voice, show, told};

mod adapters;
mod erp;
mod part;
mod registers;
mod switch;

pub use part::part_of_the_story;

/// Seed and size of the synthetic people: the same story on every machine.
const SEED: u64 = 42;
const PEOPLE: u64 = 400;
/// Which agency the payment office is.
const PAY_KEY: &str = "pay";
/// Which agency the mail service is.
const MAIL_KEY: &str = "mail";

#[derive(Debug, Deserialize)]
struct Agencies {
    /// Of a story's own: whether the town's stay at home.
    #[serde(default)]
    alone: bool,
    agencies: Vec<Agency>,
}

/// One agency, as `agencies.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Agency {
    key: String,
    id: String,
    system: String,
    name_en: String,
    name_ar: String,
}

/// Everything that runs.
#[derive(Debug)]
pub struct Town {
    dir: tempfile::TempDir,
    /// The story's own folder.
    story: PathBuf,
    voice: Voice,
    agencies: Vec<Agency>,
    switch: Server,
    /// By agency.
    adapters: Vec<(String, Server)>,
    /// Decisions, fees, short messages.
    pub offices: Offices,
    /// Where letters arrive.
    pub post: Sink,
    /// A person whose household owns units.
    pub citizen: NationalId,
    plan: Plan,
    /// Databases that the story made, by agency.
    databases: BTreeMap<String, erp::Made>,
}

impl Town {
    /// Builds it from nothing: switch, agencies, registers, services, agreements. Who is named in `away` does not serve
    /// yet.
    ///
    /// # Errors
    /// A process that does not do what it should, with what it said.
    pub async fn build(story: &str, away: &[&str], voice: Voice) -> Result<Self> {
        Self::build_for(story, away, PEOPLE, voice).await
    }

    /// As [`Town::build`], for so many synthetic people. Agencies of the story's own join the town's.
    ///
    /// # Errors
    /// As [`Town::build`].
    pub async fn build_for(story: &str, away: &[&str], people: u64, voice: Voice) -> Result<Self> {
        let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("stories");
        let dir = tempfile::tempdir()?;
        let plan = Plan::new(SEED, people, date!(2026 - 01 - 15))?;
        let mut agencies = Vec::new();
        for file in [&format!("{story}/agencies.toml"), "town/agencies.toml"] {
            let file = stories.join(file);
            if file.exists() {
                let read: Agencies = toml::from_str(&std::fs::read_to_string(file)?)?;
                agencies.splice(0..0, read.agencies);
                if read.alone {
                    break;
                }
            }
        }
        let citizen = plan
            .households()
            .filter(|household| household.minors(plan.reference()).count() > 0)
            .find_map(|household| household.head().map(|head| head.national_id))
            .context("nobody lives here")?;
        let switch = switch::start(dir.path()).await?;
        let mut town = Self {
            dir,
            story: stories.join(story),
            voice,
            agencies,
            switch,
            adapters: Vec::new(),
            offices: Offices::start().await?,
            post: Sink::start().await?,
            citizen,
            plan,
            databases: BTreeMap::new(),
        };
        for agency in town.agencies.clone() {
            town.enrol(&agency).await?;
            if !away.contains(&agency.key.as_str()) {
                town.serve(&agency.key).await?;
            }
        }
        town.declare().await?;
        town.agree().await?;
        Ok(town)
    }

    /// The story's file `name`.
    pub fn file(&self, name: &str) -> String {
        self.story.join(name).display().to_string()
    }

    /// A folder of an agency's own, for what it writes.
    ///
    /// # Errors
    /// The disk.
    pub fn folder(&self, key: &str) -> Result<PathBuf> {
        let folder = self.dir.path().join("desks").join(key);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The synthetic people.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// An agency's home.
    pub fn home(&self, key: &str) -> String {
        self.dir
            .path()
            .join("homes")
            .join(key)
            .display()
            .to_string()
    }

    /// The switch's log.
    pub fn log(&self) -> String {
        self.dir.path().join("switch/log").display().to_string()
    }

    /// Runs `mohawel` and shows what a person reads; the exit code must be `code`.
    ///
    /// # Errors
    /// Another exit code, with what it said.
    pub async fn tell<S: AsRef<str>>(&self, code: i32, arguments: &[S]) -> Result<String> {
        let (ended, said) = as_read(self.voice.lang(), arguments).await.map_err(told)?;
        for line in said.lines() {
            show(format!("   {line}"));
        }
        if ended != code {
            bail!(
                "mohawel {} ended with {ended}, not {code}",
                arguments
                    .iter()
                    .map(AsRef::as_ref)
                    .collect::<Vec<_>>()
                    .join(" ")
            );
        }
        Ok(said)
    }

    /// Runs `mohawel` for its JSON.
    ///
    /// # Errors
    /// An exit code other than 0, with what it said.
    pub async fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let ended = mohawel(arguments).await.map_err(told)?;
        ended.success(&arguments.join(" ")).map_err(told)
    }

    /// Stops everybody and the switch; the log's files stay until the town is dropped.
    ///
    /// # Errors
    /// A process that does not end as it should.
    pub async fn close(&mut self) -> Result<()> {
        for (_, adapter) in self.adapters.drain(..) {
            adapter.stop().await.map_err(told)?;
        }
        self.drop_databases().await?;
        Ok(())
    }

    /// Stops the switch too, and shows that its log holds: verified, replayed, and the exchanges of one thread.
    ///
    /// # Errors
    /// The log does not hold.
    pub async fn end(self, case: &str) -> Result<()> {
        let voice = self.voice;
        let dir = self.end_log().await?;
        let log = dir.path().join("switch/log");
        show(voice.say("the case in it, one thread:", "الحالة فيه، خيط واحد:"));
        let log = log.display().to_string();
        let find = ["audit", "find", "--log", &log, "--case", case, "--table"];
        let (code, said) = as_read(voice.lang(), &find).await.map_err(told)?;
        show(said);
        match code {
            0 => Ok(()),
            code => bail!("the thread is not proved: {code}"),
        }
    }

    /// Stops the switch too, and shows that its log holds: verified and replayed. Gives the folder with its files.
    ///
    /// # Errors
    /// The log does not hold.
    pub async fn end_log(self) -> Result<tempfile::TempDir> {
        self.end_log_with(|_| false).await
    }

    /// As [`Town::end_log`]; shows the entries of the kinds that are `wanted`, in the log's order.
    ///
    /// # Errors
    /// As [`Town::end_log`].
    pub async fn end_log_with(
        mut self,
        wanted: impl Fn(Kind) -> bool,
    ) -> Result<tempfile::TempDir> {
        self.close().await?;
        let Self {
            switch, dir, voice, ..
        } = self;
        switch.stop().await.map_err(told)?;
        let log = dir.path().join("switch/log");
        let mut on_event = |event: &Event| {
            if wanted(event.kind) {
                show(format!("   {}", event_line(event)));
            }
        };
        let options = audit::replay::Options {
            on_event: Some(&mut on_event),
            ..Default::default()
        };
        let report = audit::replay::replay(&log, options);
        let findings: Vec<String> = report.all_findings().map(ToString::to_string).collect();
        if !report.is_clean() {
            bail!("the log does not hold: {}", findings.join("; "));
        }
        let (entries, seals) = (report.files.entries, report.seals);
        show(voice.say(
            &format!("the log holds: {entries} entries, {seals} seals verified, every decision judged again"),
            &format!("السجل سليم: {entries} قيدًا، وتم التحقق من {seals} ختمًا، وأعيد الحكم على كل قرار"),
        ));
        Ok(dir)
    }

    async fn enrol(&self, agency: &Agency) -> Result<()> {
        let switch = self.dir.path().join("switch").display().to_string();
        let invitation = self
            .dir
            .path()
            .join(format!("{}.invitation", agency.key))
            .display()
            .to_string();
        self.ask(&[
            "agency",
            "invite",
            &agency.id,
            "--switch",
            &switch,
            "--output",
            &invitation,
        ])
        .await?;
        let at = format!("@{invitation}");
        let home = self.home(&agency.key);
        let mut arguments = vec![
            "adapter",
            "enrol",
            &at,
            "--home",
            &home,
            "--system",
            &agency.system,
        ];
        arguments.extend([
            "--name-en",
            &agency.name_en,
            "--name-ar",
            &agency.name_ar,
            "--no-passphrase",
        ]);
        self.ask(&arguments).await?;
        Ok(())
    }

    /// Publishes an agency's services and starts its adapter, where it answers or is told anything.
    ///
    /// # Errors
    /// A process that does not do what it should.
    pub async fn serve(&mut self, key: &str) -> Result<()> {
        let folder = self.folder_of(key);
        let home = self.home(key);
        for service in ["service.toml", "topics.toml"] {
            let service = folder.join(service);
            if service.exists() {
                let service = service.display().to_string();
                self.ask(&["service", "publish", &service, "--home", &home])
                    .await?;
            }
        }
        match folder.join("providers.toml").exists() || [PAY_KEY, MAIL_KEY].contains(&key) {
            true => self.start_adapter(key, &folder).await,
            false => Ok(()),
        }
    }

    /// What the operators add to the registry for this story.
    async fn declare(&self) -> Result<()> {
        let folder = self.story.join("registry");
        if folder.exists() {
            let switch = self.dir.path().join("switch").display().to_string();
            let folder = folder.display().to_string();
            self.ask(&["apply", &folder, "--switch", &switch, "--yes"])
                .await?;
        }
        Ok(())
    }

    /// Consumers propose, providers accept: both with their own authority keys.
    async fn agree(&self) -> Result<()> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.story.join("agreements"))?
            .map(|file| file.map(|file| file.path()))
            .collect::<std::io::Result<_>>()?;
        files.sort();
        for file in &files {
            let stem = file
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let (consumer, provider) = stem
                .split_once('-')
                .context("an agreement is named CONSUMER-PROVIDER.toml")?;
            let proposed = [
                "agreement",
                "propose",
                &file.display().to_string(),
                "--home",
                &self.home(consumer),
            ];
            let proposed = self.ask(&proposed).await?;
            let id = proposed["agreement"]["agreement"]
                .as_str()
                .unwrap_or_default();
            self.ask(&["agreement", "accept", id, "--home", &self.home(provider)])
                .await?;
        }
        let (agreements, agencies) = (files.len(), self.agencies.len());
        show(self.voice.say(
            &format!("a switch, {agencies} agencies with keys of their own, {agreements} agreements sealed by both sides"),
            &format!("محوِّل، و{agencies} جهات بمفاتيحها، و{agreements} اتفاقيات مختومة من الطرفين"),
        ));
        Ok(())
    }
}
