//! Takaful and Karama: conditional cash support. Every month the Ministry asks registers about all households of its
//! beneficiaries' register in batches, corrects the register by what came back, and has the rest paid in one batch whose
//! control totals add up. `--households 1000000` is the real size; the test tells it with a few hundred.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use examples::households::Beneficiaries;
use examples::town::{Town, part_of_the_story};
use examples::{Voice, show, tell_story};
use serde_json::Value;

/// Households that the programme had, as its ministry says.
const PROGRAMME: f64 = 4_700_000.0;
/// How often the log's published files are looked at for what was signed a moment ago.
const PUBLISHED_TRIES: u32 = 40;
const ORDER: &str = "2026-11";

#[derive(Debug, clap::Parser)]
struct Arguments {
    /// Language of everything that people read.
    #[arg(long, value_enum, default_value = "en", env = "MOHAWEL_LANG")]
    lang: cli::args::Lang,
    /// Synthetic households in the beneficiaries' register.
    #[arg(long, default_value_t = 2_000, env = "MOHAWEL_HOUSEHOLDS", value_parser = clap::value_parser!(u64).range(40..=2_000_000))]
    households: u64,
}

fn main() -> ExitCode {
    if let Some(code) = part_of_the_story() {
        return code;
    }
    let arguments = Arguments::parse();
    tell_story(Voice(arguments.lang.into()), move |voice| {
        Box::pin(story(voice, arguments.households))
    })
}

/// A month of the Ministry.
struct Month {
    town: Town,
    voice: Voice,
    folder: PathBuf,
    seconds: f64,
    asked: u64,
}

async fn story(voice: Voice, households: u64) -> Result<()> {
    let away = ["local", "fees", "sms", "mail"];
    // Four persons live in a household, and not every one of them is a beneficiary's.
    let town = Town::build_for("takaful", &away, 5 * households, voice).await?;
    let folder = town.folder("moss")?;
    let mut month = Month {
        town,
        voice,
        folder,
        seconds: 0.0,
        asked: 0,
    };
    let mut all = Beneficiaries::of(month.town.plan(), usize::try_from(households)?);
    month.civil_status(&mut all).await?;
    month.means(&mut all).await?;
    month.conditions(&mut all).await?;
    month.correct(&all)?;
    let sum = month.disburse(&all).await?;
    month.prove().await?;
    month.end(households, sum).await
}

impl Month {
    async fn civil_status(&mut self, all: &mut Beneficiaries) -> Result<()> {
        self.voice.part(
            "1. The civil registry: who of the beneficiaries' register is alive, and in which household",
            "1. السجل المدني: من في سجل المستفيدين على قيد الحياة وفي أي أسرة",
        );
        all.write_everybody(&self.folder.join("civil.csv"))?;
        // Some ids of the register were mistyped: they come back as such and hide nothing.
        let service = ["EG/GOV/CIVIL/registry/persons.v1", "household"];
        let results = self
            .batch("civil", service, "alive,household_id,minors")
            .await?;
        all.read_civil(&results)
    }

    async fn means(&mut self, all: &mut Beneficiaries) -> Result<()> {
        self.voice.part(
            "2. Means: insurance, property, traffic",
            "2. الموارد: التأمينات والشهر العقاري والمرور",
        );
        all.write_left(&self.folder.join("nosi.csv"), "national_id")?;
        let service = ["EG/GOV/NOSI/insurance/insured.v1", "lookup"];
        let fields = "monthly_pension_egp,monthly_wage_egp";
        let results = self.batch("nosi", service, fields).await?;
        all.read_income(&results)?;
        all.write_left(&self.folder.join("property.csv"), "household_id")?;
        let service = ["EG/GOV/PROPERTY/register/units.v1", "of_household"];
        let results = self.batch("property", service, "value_egp").await?;
        all.read_property(&results)?;
        all.write_left(&self.folder.join("traffic.csv"), "national_id")?;
        let service = ["EG/GOV/TRAFFIC/vehicles/vehicles.v1", "owned"];
        let results = self.batch("traffic", service, "kind").await?;
        all.read_vehicles(&results)
    }

    async fn conditions(&mut self, all: &mut Beneficiaries) -> Result<()> {
        self.voice.part(
            "3. Conditions: school attendance, health follow-up",
            "3. الشروط: الحضور المدرسي والمتابعة الصحية",
        );
        all.write_left(&self.folder.join("schools.csv"), "household_id")?;
        let service = ["EG/GOV/EDUCATION/schools/attendance.v1", "of_household"];
        let results = self.batch("schools", service, "attending").await?;
        all.read_condition(&results, "attending")?;
        all.write_left(&self.folder.join("health.csv"), "household_id")?;
        let service = ["EG/GOV/HEALTH/clinics/follow_up.v1", "of_household"];
        let results = self.batch("health", service, "followed_up").await?;
        all.read_condition(&results, "followed_up")
    }

    fn correct(&self, all: &Beneficiaries) -> Result<()> {
        self.voice.part(
            "4. The beneficiaries' register, corrected by what came back",
            "4. تصحيح سجل المستفيدين بما ورد",
        );
        all.write_register(&self.folder.join("register.csv"))?;
        for (decision, count) in all.decisions() {
            let [english, arabic] = decision.words();
            show(format!(
                "   {:>9}  {}",
                count,
                self.voice.say(english, arabic)
            ));
        }
        Ok(())
    }

    /// Has everybody paid who is to be, and compares three sums that were made in three places.
    async fn disburse(&mut self, all: &Beneficiaries) -> Result<u64> {
        self.voice.part(
            "5. Disbursement: one batch, and totals that must be the same in three places",
            "5. الصرف: دفعة واحدة، ومجاميع يجب أن تتطابق في ثلاثة مواضع",
        );
        let (orders, sum) = all.write_payments(&self.folder.join("pay.csv"), ORDER)?;
        let service = ["EG/GOV/TREASURY/payments/orders.v1", "pay"];
        let results = self.batch("pay", service, "paid_egp,receipt").await?;
        let (receipts, paid) = examples::households::totals(&results, "paid_egp")?;
        let question =
            format!("{{\"operation\":\"totals\",\"parameters\":{{\"order\":\"{ORDER}\"}}}}");
        let home = self.town.home("moss");
        let mut ask = vec!["call", "EG/GOV/TREASURY/payments/orders.v1", "totals"];
        ask.extend(["--home", &home, "--purpose", "takaful-eligibility"]);
        ask.extend(["--fields", "payments,sum_egp", "--data", &question]);
        let told = self.town.ask(&ask).await?;
        let office = told["answer"].as_object().or(told["payload"].as_object());
        let office = office.context("the office told no totals")?;
        let theirs = (office["payments"].as_u64(), office["sum_egp"].as_u64());
        for (where_, (count, pounds)) in [
            (
                self.voice.say("ordered by the Ministry", "أمرت به الوزارة"),
                (orders, sum),
            ),
            (
                self.voice
                    .say("in the sealed results", "في النتائج المختومة"),
                (receipts, paid),
            ),
            (
                self.voice
                    .say("in the office's books", "في دفاتر مكتب المدفوعات"),
                (theirs.0.unwrap_or_default(), theirs.1.unwrap_or_default()),
            ),
        ] {
            show(format!("   {count:>9} · {pounds:>13} EGP  {where_}"));
        }
        ensure!(
            (receipts, paid) == (orders, sum) && theirs == (Some(orders), Some(sum)),
            "the control totals do not add up"
        );
        show(
            self.voice
                .say("   the control totals add up", "   مجاميع المراجعة متطابقة"),
        );
        Ok(sum)
    }

    async fn prove(&self) -> Result<()> {
        self.voice.part(
            "6. One household asks for its proof; nobody else's data is in it",
            "6. أسرة تطلب إثباتها؛ وليس فيه بيانات غيرها",
        );
        let proof = self.folder.join("proof.json").display().to_string();
        let home = self.town.home("moss");
        let prove = [
            "batch",
            "prove",
            &self.name("pay"),
            "1",
            "--home",
            &home,
            "--out",
            &proof,
        ];
        self.town.tell(0, &prove).await?;
        let verify = ["batch", "verify", &proof, "--log", &self.town.log()];
        // What it signed for stands in the log's files a moment later.
        for _ in 0..PUBLISHED_TRIES {
            if self.town.ask(&verify).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        self.town.tell(0, &verify).await?;
        Ok(())
    }

    async fn end(self, households: u64, sum: u64) -> Result<()> {
        self.voice
            .part("7. How long it takes, and the log", "7. المدة والسجل");
        let hours = self.seconds * PROGRAMME / households as f64 / 3_600.0;
        let (asked, seconds, rate) = (self.asked, self.seconds, self.asked as f64 / self.seconds);
        show(self.voice.say(
            &format!("   {households} households, {asked} questions, {sum} EGP: {seconds:.1} s, {rate:.0} questions a second\n   at this speed 4.7 million households take {hours:.2} hours"),
            &format!("   {households} أسرة و{asked} سؤالًا و{sum} جنيهًا: {seconds:.1} ثانية، أي {rate:.0} سؤالًا في الثانية\n   وبهذه السرعة تستغرق 4.7 مليون أسرة {hours:.2} ساعة"),
        ));
        let home = self.town.home("moss");
        let shown = ["batch", "show", &self.name("pay"), "--home", &home];
        let shown = self.town.ask(&shown).await?;
        let case = shown["case_reference"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        self.town.end(&case).await
    }

    fn name(&self, key: &str) -> String {
        format!("takaful-{key}-{ORDER}")
    }

    /// Runs one batch over the file `KEY.csv`, with its progress bar, and gives its results' file.
    async fn batch(&mut self, key: &str, service: [&str; 2], fields: &str) -> Result<PathBuf> {
        let file = |name: String| self.folder.join(name);
        let (items, results) = (
            file(format!("{key}.csv")),
            file(format!("{key}-results.csv")),
        );
        let path = |path: &Path| path.display().to_string();
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command
            .args([
                "--json",
                "batch",
                "run",
                &path(&items),
                "--batch",
                &self.name(key),
            ])
            .args(["--service", service[0], "--operation", service[1]])
            .args(["--purpose", "takaful-eligibility", "--fields", fields])
            .args(["--home", &self.town.home("moss"), "--out", &path(&results)])
            .args(["--lang", self.voice.lang()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let ended = command.spawn()?.wait_with_output().await?;
        let told: Value =
            serde_json::from_slice(&ended.stdout).context("the batch said nothing")?;
        // 1: some items have no result that counts. They are told.
        ensure!(
            ended.status.code().is_some_and(|code| code < 2),
            "the batch {key} failed"
        );
        let counts = &told["counts"];
        let run = &told["this_run"];
        self.seconds += run["seconds"].as_f64().unwrap_or_default();
        self.asked += run["items"].as_u64().unwrap_or_default();
        show(format!(
            "   {key:<9} {} {} · {} {} · {} {} · {:.0}/s",
            counts["answered"],
            self.voice.say("answered", "أُجيب"),
            counts["not_found"],
            self.voice.say("not found", "غير موجود"),
            counts["invalid_request"],
            self.voice.say("invalid", "غير صالح"),
            run["items_per_second"].as_f64().unwrap_or_default(),
        ));
        Ok(results)
    }
}
