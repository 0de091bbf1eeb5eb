//! Civil associations: the Ministry's support fund decides over 24 applications by asking three registers and statistics, a
//! case for each, and lays what it granted beside the need, governorate by governorate. Who was away is asked again and never
//! turned away; what no agreement covers is refused on record. Rules and compositions: `examples/stories/associations/fund/`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use adapters::compose::Composition;
use anyhow::{Context as _, Result, bail, ensure};
use cli::demo::process::{as_read, mohawel};
use cli::output::Output;
use examples::associations::{
    Answers, Application, Row, Rules, Verdict, applications, tables, view,
};
use examples::town::{Town, part_of_the_story};
use examples::{Voice, show, told};
use serde_json::{Value, json};

/// The clerk who asks. Her name never leaves the Ministry.
const CLERK: &str = "n.farouk";
/// A taxpayer that is no association.
const COMPANY: &str = "CO-771";

fn main() -> ExitCode {
    if let Some(code) = part_of_the_story() {
        return code;
    }
    examples::run_story(|voice| Box::pin(story(voice)))
}

/// The fund's desk.
struct Fund {
    town: Town,
    voice: Voice,
    home: String,
    rules: Rules,
    all: Vec<Application>,
    /// What was answered in each case and what it came to, in the order of the applications.
    decided: Vec<(Answers, Verdict)>,
}

async fn story(voice: Voice) -> Result<()> {
    let town = Town::build("associations", &[], voice).await?;
    let mut fund = Fund {
        home: town.home("moss"),
        rules: Rules::load(Path::new(&town.file("fund/rules.toml")))?,
        all: applications(Path::new(&town.file("fund/applications.csv")))?,
        decided: Vec::new(),
        town,
        voice,
    };
    fund.show_rules().await?;
    fund.ask_all().await?;
    fund.not_covered().await?;
    fund.away().await?;
    fund.outcome();
    fund.ask_again().await?;
    fund.grant().await?;
    let rows = fund.view().await?;
    fund.end(&rows).await
}

impl Fund {
    fn output(&self) -> Output {
        Output {
            language: self.voice.0,
            json: false,
        }
    }

    async fn show_rules(&self) -> Result<()> {
        self.voice.part(
            "1. The rules, as the committee wrote them, and what is asked of whom",
            "1. القواعد كما كتبتها اللجنة، وما يُسأل ومن يُسأل",
        );
        tables::rules(&self.rules, self.output());
        let file = self.town.file("fund/eligibility.toml");
        self.rules.fit(&Composition::load(Path::new(&file))?)?;
        let check = ["compose", "check", &file, "--home", &self.home];
        self.town.tell(0, &check).await?;
        Ok(())
    }

    /// A run of one application's case.
    fn question<'a>(
        &'a self,
        file: &'a str,
        one: &'a Application,
        number: &'a str,
    ) -> Vec<&'a str> {
        let mut ask = vec!["compose", "run", file, "--home", &self.home];
        ask.extend(["--case", &one.case, "--actor", CLERK, "--input", number]);
        ask
    }

    /// Asks what the application is judged by; `aloud` shows what came.
    async fn ask(&self, one: &Application, aloud: bool) -> Result<(Answers, Verdict)> {
        let file = match one.purpose.as_str() {
            "support-fund" => "fund/eligibility.toml",
            "support-abroad" => "fund/eligibility-abroad.toml",
            other => bail!("{}: the fund knows no purpose '{other}'", one.case),
        };
        let file = self.town.file(file);
        let number = format!("association={}", one.association);
        let ended = mohawel(&self.question(&file, one, &number)).await;
        let ended = ended.map_err(told)?;
        if aloud {
            tables::answers(one, &ended.json, self.output());
        }
        let answers = Answers::read(&ended.json);
        let answers = answers.with_context(|| format!("{}: {}", one.case, ended.stderr))?;
        let verdict = self.rules.judge(&answers, one.asked_egp);
        Ok((answers, verdict))
    }

    /// Everybody but the last one, who comes when a register is away.
    async fn ask_all(&mut self) -> Result<()> {
        self.voice.part(
            "2. A case for each application: the first one read aloud",
            "2. حالة لكل طلب، والأولى تُقرأ كاملة",
        );
        let began = Instant::now();
        for at in 0..self.all.len() - 1 {
            let asked = self.ask(&self.all[at], at == 0).await?;
            self.decided.push(asked);
        }
        let (count, seconds) = (self.decided.len(), began.elapsed().as_secs_f64());
        show(self.voice.say(
            &format!("   {count} cases over four agencies in {seconds:.1} seconds"),
            &format!("   {count} حالة لدى أربع جهات في {seconds:.1} ثانية"),
        ));
        Ok(())
    }

    async fn not_covered(&self) -> Result<()> {
        self.voice.part(
            "3. Relief work abroad: another purpose, and only the register agreed to it. The others refuse, on record",
            "3. إغاثة بالخارج: غرض آخر لم يوافق عليه إلا سجل الجمعيات، والباقون يرفضون والرفض مسجل",
        );
        let file = self.town.file("fund/eligibility-abroad.toml");
        let check = ["compose", "check", &file, "--home", &self.home];
        let said = self.town.tell(1, &check).await?;
        ensure!(
            said.contains("eligibility-abroad.toml:"),
            "no place was told"
        );
        let abroad = self.all.iter().zip(&self.decided);
        let abroad = abroad.filter(|(one, _)| one.purpose != "support-fund");
        for (one, (_, verdict)) in abroad {
            ensure!(
                matches!(verdict, Verdict::NotCovered(why) if why.len() == 2),
                "the purpose was granted: {verdict:?}"
            );
            let number = format!("association={}", one.association);
            self.town
                .tell(1, &self.question(&file, one, &number))
                .await?;
        }
        show(self.voice.say(
            "   and a company's tax file, which the agreement does not cover: for the fund it is not even there",
            "   والملف الضريبي لشركة لا تشملها الاتفاقية: لا وجود له بالنسبة للصندوق",
        ));
        // It is there for whoever may see it: nobody's absence is shown.
        let files = std::fs::read_to_string(self.town.file("tax/files.csv"))?;
        let company = format!("{COMPANY},company,");
        ensure!(files.contains(&company), "the company has no file");
        let data = json!({ "operation": "standing", "parameters": { "file": COMPANY } });
        let data = data.to_string();
        let mut ask = vec!["call", "EG/GOV/TAX/files/files.v1", "standing", "--home"];
        ask.extend([&self.home, "--purpose", "support-fund", "--data", &data]);
        ask.extend(["--fields", "arrears_egp"]);
        let said = self.town.tell(3, &ask).await?;
        ensure!(said.contains("not_found"), "it was seen: {said}");
        Ok(())
    }

    async fn away(&mut self) -> Result<()> {
        self.voice.part(
            "4. The tax register is away for one case: a partial answer, with its reason",
            "4. سجل الضرائب غائب في حالة واحدة: إجابة جزئية بسببها",
        );
        self.town.leave("tax").await?;
        let last = self.all.last().context("nobody applied")?;
        let asked = self.ask(last, true).await?;
        ensure!(
            matches!(asked.1, Verdict::AskAgain(_)),
            "decided without the tax register: {:?}",
            asked.1
        );
        self.decided.push(asked);
        Ok(())
    }

    /// Who is eligible, how much, why not.
    fn outcome(&self) {
        self.voice.part(
            "5. The outcome: who, how much, why not",
            "5. النتيجة: من، وكم، ولماذا لا",
        );
        tables::outcome(&self.all, &self.decided, self.output());
    }

    async fn ask_again(&mut self) -> Result<()> {
        self.voice.part(
            "6. The tax register is back: the same case, asked again",
            "6. عاد سجل الضرائب: الحالة نفسها تُسأل من جديد",
        );
        self.town.come_back("tax").await?;
        let last = self.all.last().context("nobody applied")?;
        let asked = self.ask(last, false).await?;
        let at = self.decided.last_mut().context("nobody was asked")?;
        ensure!(at.0.reference == asked.0.reference, "it is another case");
        *at = asked;
        let Verdict::Eligible { amount_egp, .. } = at.1 else {
            bail!("it is not eligible: {:?}", at.1);
        };
        show(self.voice.say(
            &format!("   eligible: {amount_egp} EGP"),
            &format!("   مستحقة: {amount_egp} جنيه"),
        ));
        Ok(())
    }

    /// A payment order for each grant, in its case.
    async fn grant(&self) -> Result<()> {
        self.voice.part(
            "7. The grants: a payment order each, and the same sum in three places",
            "7. المنح: أمر صرف لكل منها، والمجموع نفسه في ثلاثة مواضع",
        );
        let file = self.town.file("fund/grant.toml");
        let (mut orders, mut granted, mut receipted) = (0_u64, 0, 0);
        for (one, (_, verdict)) in self.all.iter().zip(&self.decided) {
            let Verdict::Eligible { amount_egp, .. } = verdict else {
                continue;
            };
            let (number, amount) = (
                format!("file={}", one.case),
                format!("amount_egp={amount_egp}"),
            );
            let mut ask = self.question(&file, one, &number);
            ask.extend(["--input", &amount]);
            let paid = self.town.ask(&ask).await?;
            let row = &paid["parts"][0]["rows"][0];
            receipted += row["amount_egp"].as_u64().unwrap_or_default();
            granted += amount_egp;
            orders += 1;
        }
        let office = self.town.offices.done().payments;
        let booked: u64 = office
            .iter()
            .filter_map(|paid| paid["amount_egp"].as_u64())
            .sum();
        ensure!(
            (granted, granted) == (receipted, booked) && orders == office.len() as u64,
            "the sums differ: {granted}, {receipted}, {booked}"
        );
        show(self.voice.say(
            &format!("   {orders} orders; decided, receipted and booked: {granted} EGP"),
            &format!(
                "   {orders} أمرًا؛ والمقرر والموقَّع باستلامه والمقيد في الدفاتر: {granted} جنيه"
            ),
        ));
        Ok(())
    }

    /// Decisions beside the need.
    async fn view(&self) -> Result<Vec<Row>> {
        self.voice.part(
            "8. The governance view: what was granted beside what statistics say",
            "8. رؤية الحوكمة: ما مُنح بجوار ما يقوله الإحصاء",
        );
        let file = self.town.file("fund/impact.toml");
        let (year, case) = (
            format!("year={}", self.rules.year),
            format!("VIEW-{}", self.rules.year),
        );
        let mut ask = vec!["compose", "run", &file, "--home", &self.home];
        ask.extend(["--case", &case, "--actor", CLERK, "--input", &year]);
        let asked = self.town.ask(&ask).await?;
        let figures = asked["parts"][0]["rows"].as_array().context("no figures")?;
        let figures: Vec<_> = figures
            .iter()
            .filter_map(Value::as_object)
            .cloned()
            .collect();
        let cases: Vec<_> = self
            .decided
            .iter()
            .map(|(answers, verdict)| (answers, verdict))
            .collect();
        let rows = view::rows(&figures, &cases)?;
        view::print(&rows, self.output());
        for [english, arabic] in view::noticed(&rows) {
            show(format!("   {}", self.voice.say(&english, &arabic)));
        }
        Ok(rows)
    }

    /// The evidence: what the log itself says of all this, and of one case.
    async fn end(self, rows: &[Row]) -> Result<()> {
        self.voice.part(
            "9. The evidence: what the log itself says",
            "9. الدليل: ما يقوله السجل نفسه",
        );
        let Self {
            town,
            voice,
            decided,
            all,
            ..
        } = self;
        let (last, (answers, _)) = all.last().zip(decided.last()).context("nobody applied")?;
        let dir = town.end_log().await?;
        let log = dir.path().join("switch/log").display().to_string();
        // Two counts that know nothing of each other: the Ministry's view, and the log.
        let granted: u64 = rows.iter().map(|row| row.granted).sum();
        let stats = ["audit", "stats", "--log", &log, "--by", "provider"];
        let counted = mohawel(&stats).await.map_err(told)?.json;
        let counted = counted["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let office = counted.iter().find(|row| row["key"] == "EG/GOV/FINANCE");
        let orders = office.and_then(|row| row["ended"]["answered"].as_u64());
        ensure!(
            orders == Some(granted),
            "{granted} grants, and {orders:?} orders in the log"
        );
        show(voice.say(
            &format!("{granted} grants in the view, {granted} payment orders in the log; all that was asked, as the log counts it:"),
            &format!("{granted} منحة في الرؤية و{granted} أمر صرف في السجل؛ وكل ما سُئل كما يعدّه السجل:"),
        ));
        for by in ["provider", "purpose"] {
            read(voice, &["audit", "stats", "--log", &log, "--by", by]).await?;
        }
        show(voice.say(
            &format!(
                "the thread of {}: asked, one register away, asked again, paid",
                last.case
            ),
            &format!("خيط {}: سُئل وغاب سجل، ثم أعيد السؤال، ثم صُرف", last.case),
        ));
        let reference = answers.reference.as_str();
        let find = [
            "audit", "find", "--log", &log, "--case", reference, "--table",
        ];
        read(voice, &find).await
    }
}

/// Shows what a command of the auditor's says.
async fn read(voice: Voice, arguments: &[&str]) -> Result<()> {
    let (code, said) = as_read(voice.lang(), arguments).await.map_err(told)?;
    show(said);
    ensure!(code == 0, "{} ended with {code}", arguments.join(" "));
    Ok(())
}
