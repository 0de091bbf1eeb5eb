//! Addiction treatment and a child in danger: data that nobody may see, and that a doctor on duty must see at once. The
//! glass is broken by a named person in a named case, past the switch, and somebody of the register looks at it
//! afterwards. A review that is a week late stops the next look until it is given. Time is the story's own.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use adapters::subjects::clerk;
use adapters::{
    Adapter, Answer, ExchangeError, Failure, FileSigner, Options, Provider, Reply, Request,
};
use anyhow::{Context as _, Result, bail, ensure};
use audit::clock::Clock;
use cli::commands::adapter::encryption_key;
use cli::commands::agreement::terms::Terms;
use cli::commands::service::definition::Definition;
use cli::commands::{act, agreement, review, service};
use cli::output::Output;
use examples::{Stage, Voice, show, told};
use proto::act::{Finding, Purpose};
use proto::case::Case;
use proto::commitment::Salt;
use proto::entry::Kind;
use proto::id::Part;
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(86_400);
const WAIT: Duration = Duration::from_secs(10);
const SERVICE_ID: &str = "EG/GOV/TREATMENT/register/treatment.v1";
/// What the switch must not see, and a field that was not granted.
const SUBSTANCE: &str = "tramadol-7731";
const COUNSELLOR: &str = "counsellor-notes-5521";
const CHILD: &str = "child-of-file-4417";

const SERVICE: &str = r#"
service = "treatment.v1"
name_en = "Treatment of a guardian"
name_ar = "علاج وليّ الأمر"
sensitivity = "break-glass"
[[operations]]
name = "guardian"
name_en = "Whether a child's guardian is in treatment"
name_ar = "هل وليّ أمر الطفل قيد العلاج"
fields = ["in_treatment", "notes", "substance"]
"#;

const AGREEMENT: &str = r#"
consumer = "EG/GOV/HELPLINE"
provider = "EG/GOV/TREATMENT"
days = 60
[[grants]]
system = "register"
service = "treatment.v1"
operations = ["guardian"]
purposes = ["child-protection"]
fields = ["in_treatment", "substance"]
legal_basis = "Synthetic legal basis of the story"
daily_quota = 0
retention_days = 30
sensitivity = "break-glass"
"#;

/// The register.
struct Treatment;

impl Provider for Treatment {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        let row = json!({ "in_treatment": true, "substance": SUBSTANCE, "notes": COUNSELLOR });
        Reply::record(&request, &row)
    }
}

/// The helpline: who is on duty there, and which case is open.
struct Helpline {
    adapter: Adapter,
    case: Case,
}

impl Helpline {
    /// A look at one child's guardian.
    async fn look(
        &self,
        who: &str,
        in_the_case: bool,
        fields: &[&str],
    ) -> Result<Result<Answer, ExchangeError>> {
        let consumer = self.adapter.consumer();
        let mut ask = consumer
            .ask(SERVICE_ID)
            .operation("guardian")
            .purpose("child-protection")
            .fields(fields)
            .actor(clerk(self.adapter.home(), who)?)
            .payload_json(&json!({ "child": CHILD }));
        if in_the_case {
            ask = ask.case_reference(self.case.commitment());
        }
        Ok(ask.send().await)
    }

    async fn doctor(&self) -> Result<Answer> {
        Ok(self
            .look("dr.salma", true, &["in_treatment", "substance"])
            .await??)
    }
}

/// The register's own people.
struct Register {
    adapter: Adapter,
    authority: FileSigner,
}

impl Register {
    async fn waiting(&self) -> Result<Vec<u64>> {
        let waiting = review::waiting(&self.adapter).await.map_err(told)?;
        Ok(waiting.iter().map(|row| row.request.index).collect())
    }

    async fn review(&self, entry: u64, finding: Finding, reason: &str) -> Result<()> {
        review::review(&self.adapter, &self.authority, &[entry], finding, reason)
            .await
            .map_err(told)?;
        Ok(())
    }
}

fn main() -> ExitCode {
    examples::run_story(|voice| Box::pin(story(voice)))
}

async fn story(voice: Voice) -> Result<()> {
    let clock = Clock::fixed(Clock::System.now_us());
    let stage = Stage::start_with("certificate_life = \"30d\"", clock).await?;
    let (register, helpline) = agree(&stage).await?;
    let serving = register.adapter.serve(Treatment, Options::default()).await;
    serving.attached(WAIT).await?;
    let output = Output {
        language: voice.0,
        json: false,
    };

    at_night(&stage, &helpline, voice).await?;
    let curious = helpline.doctor().await?;
    show(voice.say(
        "   later that night the same doctor looks once more, and nobody stops her: it is an emergency, she says",
        "   ولاحقًا في الليلة نفسها تنظر الطبيبة مرة أخرى ولا يمنعها أحد: تقول إنها حالة طارئة",
    ));
    drop(curious);

    voice.part(
        "2. The next day: somebody of the register looks at both",
        "2. اليوم التالي: يراجع أحد العاملين في السجل المرتين",
    );
    stage.pass(DAY);
    review::show(&register.adapter, output)
        .await
        .map_err(told)?;
    let waiting = register.waiting().await?;
    ensure!(waiting.len() == 2, "two looks wait, not {waiting:?}");
    register
        .review(
            waiting[0],
            Finding::Justified,
            "The child was at the hospital that night.",
        )
        .await?;
    register
        .review(
            waiting[1],
            Finding::Unjustified,
            "The file was closed by then.",
        )
        .await?;
    show(voice.say(
        "   the first look was justified, the second was not; both findings are in the log, sealed by the register",
        "   النظرة الأولى مبرَّرة والثانية غير مبرَّرة؛ والنتيجتان في السجل بختم جهة العلاج",
    ));

    without_a_case(&helpline, voice).await?;
    overdue(&stage, &register, &helpline, output, voice).await?;

    voice.part("5. The log", "5. السجل");
    serving.drain().await?;
    drop((register, helpline));
    from_the_log(stage, voice).await
}

/// Both agencies, their agreement under both seals, and the key that the register is sealed to.
async fn agree(stage: &Stage) -> Result<(Register, Helpline)> {
    let names = ["Addiction treatment", "علاج الإدمان"];
    let adapter = stage.join("EG/GOV/TREATMENT", "register", names).await?;
    let authority = act::plain_authority(&adapter).map_err(told)?;
    let names = ["Child helpline", "خط نجدة الطفل"];
    let helpline = stage.join("EG/GOV/HELPLINE", "line", names).await?;
    let by_helpline = act::plain_authority(&helpline).map_err(told)?;
    let purpose = Purpose {
        code: Part::parse("child-protection")?,
        name_ar: "حماية الطفل".to_owned(),
        name_en: "Protection of a child".to_owned(),
        legal_basis_ar: "أساس قانوني مصطنع للقصة".to_owned(),
        legal_basis_en: "Synthetic legal basis of the story".to_owned(),
        ended: false,
    };
    stage.list(purpose, &adapter.mirror().snapshot()).await?;
    let definition = Definition::parse(SERVICE);
    let definition = definition.map_err(|problems| anyhow::anyhow!(problems.join("; ")))?;
    service::publish(&adapter, &authority, &definition)
        .await
        .map_err(told)?;
    encryption_key::bind(&adapter, &authority)
        .await
        .map_err(told)?;
    let terms = Terms::parse(AGREEMENT);
    let terms = terms.map_err(|problems| anyhow::anyhow!(problems.join("; ")))?;
    let proposed = agreement::propose(&helpline, &by_helpline, &terms)
        .await
        .map_err(told)?;
    let with_proposal = proposed.receipt.stamp.registry_size + 1;
    adapter.mirror().reached(with_proposal, WAIT).await?;
    agreement::accept(&adapter, &authority, &proposed.id)
        .await
        .map_err(told)?;
    helpline.mirror().reached(with_proposal + 1, WAIT).await?;
    let case = Case::open("HELPLINE-2026-4417", Salt::random()?)?;
    Ok((
        Register { adapter, authority },
        Helpline {
            adapter: helpline,
            case,
        },
    ))
}

async fn at_night(stage: &Stage, helpline: &Helpline, voice: Voice) -> Result<()> {
    voice.part(
        "1. At night a doctor of the helpline breaks the glass for one child",
        "1. ليلًا تكسر طبيبة في خط النجدة الزجاج من أجل طفل واحد",
    );
    let seen: Value = helpline.doctor().await?.json()?;
    ensure!(
        seen["substance"] == SUBSTANCE && seen.get("notes").is_none(),
        "{seen}"
    );
    show(voice.say(
        &format!("   she sees what was granted, and nothing else: {seen}"),
        &format!("   ترى ما مُنح لا غير: {seen}"),
    ));
    let more = helpline.look("dr.salma", true, &["notes"]).await?;
    refused(more, "field_not_granted", "field notes", voice)?;
    for secret in [SUBSTANCE, CHILD, COUNSELLOR] {
        ensure!(
            !stands_in(stage.switch(), secret)?,
            "{secret} stands in the switch's files"
        );
    }
    ensure!(
        stands_in(stage.switch(), "EG/GOV/HELPLINE/line")?,
        "nothing was searched"
    );
    show(voice.say(
        "   the switch's files say who asked whom and in which sealed case; of the child and the treatment they hold nothing",
        "   ملفات المحوِّل تقول من سأل من وفي أي حالة؛ وليس فيها شيء عن الطفل ولا عن العلاج",
    ));
    Ok(())
}

async fn without_a_case(helpline: &Helpline, voice: Voice) -> Result<()> {
    voice.part(
        "3. A clerk without a case is refused, on record",
        "3. موظف بلا حالة يُرفض طلبه ويُدوَّن الرفض",
    );
    let ended = helpline.look("m.fathy", false, &["in_treatment"]).await?;
    refused(ended, "purpose_not_granted", "case_reference", voice)
}

async fn overdue(
    stage: &Stage,
    register: &Register,
    helpline: &Helpline,
    output: Output,
    voice: Voice,
) -> Result<()> {
    voice.part(
        "4. Another night, and nobody reviews it for a week",
        "4. ليلة أخرى، ولا يراجعها أحد أسبوعًا",
    );
    helpline.doctor().await?;
    stage.pass(7 * DAY);
    let ended = helpline.look("dr.salma", true, &["in_treatment"]).await?;
    refused(ended, "purpose_not_granted", "review_overdue", voice)?;
    let Err(late) = review::show(&register.adapter, output).await else {
        bail!("the list does not say that a review is overdue");
    };
    show(format!("   {}", late.text(voice.0)));
    let waiting = register.waiting().await?;
    let entry = *waiting.first().context("nothing waits")?;
    register
        .review(
            entry,
            Finding::Justified,
            "The child was brought to safety.",
        )
        .await?;
    helpline.doctor().await?;
    show(voice.say(
        "   the review is given, and the next look goes through",
        "   قُدّمت المراجعة، ومرّت النظرة التالية",
    ));
    Ok(())
}

/// What an auditor reads, from the files alone.
async fn from_the_log(stage: Stage, voice: Voice) -> Result<()> {
    let (mut reviews, mut overdue) = (Vec::new(), 0);
    let on_event = |event: &audit::replay::Event| match event.kind {
        Kind::Review => reviews.push(format!("{}  {}", event.index, event.summary)),
        Kind::Refusal if event.clause == "review_overdue" => overdue += 1,
        _ => {}
    };
    stage.end_with(voice, on_event).await?;
    ensure!(reviews.len() == 3 && overdue == 1, "{reviews:?} {overdue}");
    show(voice.say("the reviews in it:", "المراجعات فيه:"));
    for review in reviews {
        show(format!("   {review}"));
    }
    show(voice.say(
        "one look waits for its review, until the seventh day; one was refused because a review was late",
        "نظرة واحدة تنتظر مراجعتها حتى اليوم السابع؛ وواحدة رُفضت لتأخر المراجعة",
    ));
    Ok(())
}

fn refused(
    ended: Result<Answer, ExchangeError>,
    code: &str,
    clause: &str,
    voice: Voice,
) -> Result<()> {
    let Err(ExchangeError::Refused(refused)) = ended else {
        bail!("not refused, but {ended:?}");
    };
    let said = refused.clause.unwrap_or_default();
    ensure!(
        refused.code.name() == code && said == clause,
        "refused as {} ({said})",
        refused.code
    );
    show(voice.say(
        &format!("   refused: {code} ({clause})"),
        &format!("   رُفض: {code} ({clause})"),
    ));
    Ok(())
}

/// Whether `text` stands in a file below `folder`.
fn stands_in(folder: &Path, text: &str) -> Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let found = match path.is_dir() {
            true => stands_in(&path, text)?,
            // One that was a temporary a moment ago holds nothing now.
            false => {
                let bytes = std::fs::read(&path).unwrap_or_default();
                String::from_utf8_lossy(&bytes).contains(text)
            }
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
