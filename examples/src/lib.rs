//! One story per file in `src/bin/`, each run by a test (`tests/stories.rs`) and by `make stories`.
//!
//! | file | story |
//! |---|---|
//! | `first_exchange.rs` | a new agency comes on board and asks the built-in echo: from nothing to a proved answer |
//! | `own_provider.rs` | an agency answers from its own code, another asks under an agreement that both sealed |
//! | `one_window.rs` | a licence at a service centre: one case over four registers, a decision, a fee, notices |
//! | `registers_joined.rs` | one person across four registers, as two agencies may see it |
//! | `state_property.rs` | restricted data of the state, which the switch itself cannot read |
//! | `complaints.rs` | complaints handed on to a system that is away; they wait at the switch, sealed, and are answered in the morning; what becomes of each is told as events |
//! | `nurseries.rs` | what becomes of licences, told once to everybody who agreed on it: away, late, and no longer permitted |
//! | `prevention.rs` | the most sensitive data: the glass is broken at night, and somebody else looks at it afterwards |
//! | `governance.rs` | two service centres work, and an office with nothing but the log reports to those who decide |
//! | `tenders.rs` | opportunities for every commercial member, bids, and each bidder's standing in two registers; a bidder from abroad |
//! | `takaful_karama.rs` | cash support for many households: batches over six registers, a corrected register, one disbursement |
//! | `associations.rs` | support for civil associations: a case over three registers and statistics, decided by rules in a file, beside the need |
//! | `roll_out.rs` | a proved service is live in another governorate with one command, over its ERP's table |
//!
//! All but the first two speak Arabic with `--lang ar`; what they ask stands in `stories/`, and [`town`] sets it up.

pub mod associations;
pub mod border;
pub mod desk;
pub mod households;
pub mod mail_service;
pub mod offices;
pub mod pay_office;
pub mod smtp;
pub mod town;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use adapters::adapter::Adapter;
use adapters::authority::AuthorityPlace;
use adapters::enrol::{EnrolOptions, enrol};
use anyhow::{Context as _, Result, anyhow};
use audit::clock::Clock;
use audit::replay::Event;
use cli::commands::agency;
use cli::commands::broker::{BrokerOptions, Running};
use cli::commands::init::{InitOptions, create};
use cli::commands::operate;
use cli::commands::operator::Operator;
use cli::commands::switch_dir::SwitchDir;
use cli::failure::Failure;
use proto::act::{OperatorDeed, Purpose};
use proto::registry::Registry;

/// How long an adapter may take to have the registry.
const CONNECT_WAIT: Duration = Duration::from_secs(15);

/// A switch of the story's own, in a folder that is removed at its end.
#[derive(Debug)]
pub struct Stage {
    dir: tempfile::TempDir,
    switch: SwitchDir,
    running: Running,
    clock: Clock,
}

impl Stage {
    /// Makes and starts a switch on free loopback ports, with its echo service.
    pub async fn start() -> Result<Self> {
        Self::start_with("", Clock::System).await
    }

    /// As [`Stage::start`], with these lines in `[limits]` and a clock of the story's own, which everybody on the stage goes by.
    pub async fn start_with(limits: &str, clock: Clock) -> Result<Self> {
        // Every TLS configuration names its provider; this is for libraries that ask for the default.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir()?;
        let options = InitOptions {
            dir: dir.path().join("switch"),
            instance: "EG".to_owned(),
            origin: "switch.example/log".to_owned(),
            trust_domain: None,
            operator: "nour".to_owned(),
            exchange_listen: ([127, 0, 0, 1], 0).into(),
            enrol_listen: ([127, 0, 0, 1], 0).into(),
            exchange_address: None,
            enrol_address: None,
        };
        let created = create(&options, &clock).await.map_err(told)?;
        let switch = created.switch;
        let config = std::fs::read_to_string(switch.config())?;
        let config = config.replacen("[limits]\n", &format!("[limits]\n{limits}\n"), 1);
        std::fs::write(switch.config(), config)?;
        let options = BrokerOptions {
            switch: switch.clone(),
            echo: true,
            clock: clock.clone(),
            given_up: Default::default(),
        };
        let running = Box::pin(Running::start(options)).await.map_err(told)?;
        Ok(Self {
            dir,
            switch,
            running,
            clock,
        })
    }

    /// Invites an agency, enrols it with keys of its own, and connects its adapter.
    pub async fn join(&self, agency: &str, system: &str, names: [&str; 2]) -> Result<Adapter> {
        let operator = Operator::open(&self.switch, &self.clock).map_err(told)?;
        let home = format!("{}-{system}", agency.replace('/', "-"));
        let agency = agency.parse().context("the agency's name")?;
        let hour = Duration::from_secs(3_600);
        let invited = agency::invite(&operator, &agency, hour, &self.clock)
            .await
            .map_err(told)?;
        let enrolled = enrol(EnrolOptions {
            home: self.dir.path().join(home),
            invitation: invited.invitation.encode()?,
            address: None,
            system: system.to_owned(),
            adapter: "a1".to_owned(),
            name_en: names[0].to_owned(),
            name_ar: names[1].to_owned(),
            // A story keeps its keys together; an agency keeps this one apart, under a passphrase.
            authority: AuthorityPlace::InHome,
            clock: self.clock.clone(),
        })
        .await?;
        let adapter = Adapter::start(enrolled.home, self.clock.clone())?;
        adapter.ready(CONNECT_WAIT).await?;
        Ok(adapter)
    }

    /// The switch's operator.
    ///
    /// # Errors
    /// The operator's folder.
    pub fn operator(&self) -> Result<Operator> {
        Operator::open(&self.switch, &self.clock).map_err(told)
    }

    /// Puts a purpose into the catalogue.
    pub async fn list(&self, purpose: Purpose, policy: &Registry) -> Result<()> {
        let operator = Operator::open(&self.switch, &self.clock).map_err(told)?;
        operate::act(&operator, OperatorDeed::SetPurpose(purpose), policy)
            .await
            .map_err(told)?;
        Ok(())
    }

    /// Lets time pass for everybody on the stage, where the story has a clock of its own.
    pub fn pass(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.clock.advance_ms(ms);
    }

    /// The switch's folder: its log, its store, its keys.
    pub fn switch(&self) -> &Path {
        self.switch.path()
    }

    /// Stops the switch and replays its log from the files: nothing in the story may be missing.
    pub async fn end(self) -> Result<()> {
        self.end_with(Voice(proto::refusal::Language::English), |_| ())
            .await
    }

    /// As [`Stage::end`], told in the story's language; `on_event` sees each entry on the way.
    pub async fn end_with(self, voice: Voice, mut on_event: impl FnMut(&Event)) -> Result<()> {
        let log: PathBuf = self.switch.log();
        Box::pin(self.running.shutdown()).await.map_err(told)?;
        let options = audit::replay::Options {
            on_event: Some(&mut on_event),
            ..Default::default()
        };
        let report = audit::replay::replay(Path::new(&log), options);
        let findings: Vec<String> = report.all_findings().map(ToString::to_string).collect();
        if !report.is_clean() {
            return Err(anyhow!("the log does not hold: {}", findings.join("; ")));
        }
        let (entries, seals) = (report.files.entries, report.seals);
        show(voice.say(
            &format!("the log holds: {entries} entries, {seals} seals verified"),
            &format!("السجل سليم: {entries} قيدًا، وتم التحقق من {seals} ختمًا"),
        ));
        Ok(())
    }
}

/// The language that a story is told in.
#[derive(Clone, Copy, Debug)]
pub struct Voice(pub proto::refusal::Language);

impl Voice {
    /// The text in the story's language.
    pub fn say<'a>(&self, english: &'a str, arabic: &'a str) -> &'a str {
        match self.0 {
            proto::refusal::Language::English => english,
            proto::refusal::Language::Arabic => arabic,
        }
    }

    /// The language as `--lang` takes it.
    pub fn lang(&self) -> &'static str {
        self.say("en", "ar")
    }

    /// The heading of a part.
    pub fn part(&self, english: &str, arabic: &str) {
        show(format!("\n── {} ──", self.say(english, arabic)));
    }
}

/// `--lang`, and nothing else.
#[derive(Debug, clap::Parser)]
struct Arguments {
    /// Language of everything that people read.
    #[arg(long, value_enum, default_value = "en", env = "MOHAWEL_LANG")]
    lang: cli::args::Lang,
}

/// Tells a story in the language that the command line asks for.
pub fn run_story(
    story: impl FnOnce(Voice) -> Pin<Box<dyn Future<Output = Result<()>>>>,
) -> ExitCode {
    let arguments = <Arguments as clap::Parser>::parse();
    tell_story(Voice(arguments.lang.into()), story)
}

/// Tells a story.
pub fn tell_story(
    voice: Voice,
    story: impl FnOnce(Voice) -> Pin<Box<dyn Future<Output = Result<()>>>>,
) -> ExitCode {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let told = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(story(voice)));
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line of the story.
pub fn show(text: impl AsRef<str>) {
    use std::io::Write as _;
    // A story whose reader has left is still told to its end.
    let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// A command's failure, in English.
pub fn told(failure: Failure) -> anyhow::Error {
    anyhow!(failure.text(proto::refusal::Language::English))
}
