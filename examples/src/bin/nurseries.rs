//! Nurseries and care homes: the Ministry's licensing system tells once what becomes of a licence, and everybody who agreed
//! with it on that is told. A governorate's platform is away for a night and catches up in order; what only the supervising
//! authority may know is a topic of its own; a withdrawn licence is seen everywhere; a care home begins later; an agreement
//! ends, and with it what it permitted. Nobody writes code for it. The story stands in `examples/stories/nurseries/`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cli::demo::process::as_read;
use cli::output::time_of_ms;
use examples::town::{Town, part_of_the_story};
use examples::{Voice, show};
use proto::entry::Kind;
use serde_json::{Value, json};

const SERVICE: &str = "EG/GOV/MOSS/licensing/licences.v1";
/// Stands in what the governorate is told, and may stand nowhere at the public platform.
const TELEPHONE: &str = "+20 2 5550 0117";
/// What may be told of a licence to everybody.
const FIELDS: &str = "governorate,home_ar,home_en,kind,licence,state,valid_until";
/// The licence that is withdrawn.
const WITHDRAWN: &str = "GZ-2024-0117";
/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Licence, kind, name in English and in Arabic.
const HOMES: [[&str; 4]; 3] = [
    [WITHDRAWN, "nursery", "Little Palms", "حضانة النخلات الصغيرة"],
    ["GZ-2025-0042", "care_home", "Dar Amal", "دار أمل"],
    ["QN-2026-0009", "nursery", "The Lotus", "حضانة اللوتس"],
];

fn main() -> ExitCode {
    if let Some(code) = part_of_the_story() {
        return code;
    }
    examples::run_story(|voice| Box::pin(story(voice)))
}

async fn story(voice: Voice) -> Result<()> {
    let mut town = Town::build("nurseries", &[], voice).await?;
    follow_what_was_granted(&town, voice).await?;
    issued(&town, voice).await?;
    // Between what was told and what will be.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let since = now();
    let night = away_for_a_night(&mut town, voice).await?;
    withdrawn_everywhere(&mut town, voice, &night).await?;
    let own = begins_later(&town, voice, &since).await?;
    revoked(&town, voice, &own).await?;

    voice.part(
        "7. The log, and what it says of events",
        "7. السجل وما يقوله عن الأحداث",
    );
    let dir = town.end_log_with(Kind::is_event).await?;
    show(voice.say(
        "what an auditor finds of the care home:",
        "ما يجده المدقّق عن الدار:",
    ));
    let log = dir.path().join("switch/log").display().to_string();
    let party = ["--party", "EG/COM/DAR-AMAL", "--table"];
    let find = [&["audit", "find", "--log", &log][..], &party].concat();
    let (code, said) = as_read(voice.lang(), &find).await.map_err(examples::told)?;
    show(&said);
    ensure!(
        code == 0 && said.matches("taken").count() == 6,
        "not everything is found: {said}"
    );
    Ok(())
}

async fn follow_what_was_granted(town: &Town, voice: Voice) -> Result<()> {
    let (giza, portal) = (town.home("giza"), town.home("portal"));
    voice.part(
        "1. Who follows what: the public platform asks for the managers' telephones, too, and is refused, on record",
        "1. من يتابع ماذا: تطلب المنصة العامة هواتف المديرين أيضًا، فيُرفض طلبها ويُسجَّل",
    );
    let managers = "licence,manager,telephone";
    for (home, topic, purpose, fields) in [
        (&giza, "licence", "supervision", FIELDS),
        (&giza, "manager", "supervision", managers),
        (&portal, "licence", "public-register", FIELDS),
    ] {
        let subscribed = town
            .ask(&strs(&followed(home, topic, purpose, fields)))
            .await?;
        ensure!(subscribed["proven"] == true, "no receipt: {subscribed}");
    }
    let asked = followed(&portal, "manager", "public-register", managers);
    let said = town.tell(3, &asked).await?;
    ensure!(said.contains("operation_not_granted"), "{said}");
    town.tell(
        0,
        &["event", "subscriptions", "--home", &town.home("licensing")],
    )
    .await?;
    Ok(())
}

async fn issued(town: &Town, voice: Voice) -> Result<()> {
    voice.part(
        "2. The Ministry issues three licences, and tells each once",
        "2. تصدر الوزارة ثلاثة تراخيص، وتبلّغ بكل منها مرة واحدة",
    );
    let mut ids = Vec::new();
    for home in HOMES {
        ids.push(tell(town, home, "issued").await?);
    }
    let contact = json!({ "licence": WITHDRAWN, "manager": "Huda Sabry", "telephone": TELEPHONE });
    let manager = publish(town, "manager", WITHDRAWN, &contact).await?;
    for id in &ids {
        until_taken(town, id, 2).await?;
    }
    until_taken(town, &manager, 1).await?;
    town.tell(0, &["event", "status", "--home", &town.home("licensing")])
        .await?;
    let (giza, portal) = (told(&town.folder("giza")?)?, told(&town.folder("portal")?)?);
    let knows = |all: &[Value]| {
        all.iter()
            .any(|event| event.to_string().contains(TELEPHONE))
    };
    ensure!(
        (giza.len(), portal.len()) == (4, 3) && knows(&giza) && !knows(&portal),
        "not everybody has what was told: {giza:?} {portal:?}"
    );
    show(voice.say(
        "   in the governorate's folder: 4, with the manager's telephone; in the public platform's: 3, without it",
        "   في مجلد المحافظة: 4 وفيها هاتف المدير؛ وفي مجلد المنصة العامة: 3 وليس فيها",
    ));
    ensure!(
        !town.seen_by_the_switch(TELEPHONE)?.is_empty(),
        "the switch does not keep what it tells"
    );
    show(voice.say(
        "   the switch keeps events in the open until everybody could be told: what it may not see is asked for, sealed",
        "   يحفظ المحوِّل الأحداث غير معمّاة حتى يمكن تبليغ الجميع: ما لا يجوز أن يراه يُسأل عنه معمّى",
    ));
    show(voice.say(
        "   a clerk writes the telephone into what everybody is told: it never leaves the Ministry",
        "   يكتب موظف الهاتف فيما يُبلَّغ به الجميع: لا يغادر الوزارة",
    ));
    let slip = json!({ "licence": WITHDRAWN, "state": "issued", "telephone": TELEPHONE });
    let said = town
        .tell(2, &published(town, "licence", WITHDRAWN, &slip))
        .await?;
    ensure!(said.contains("'telephone' is no field"), "{said}");
    Ok(())
}

/// The ids of what was told of one licence meanwhile, in order.
async fn away_for_a_night(town: &mut Town, voice: Voice) -> Result<Vec<String>> {
    voice.part(
        "3. The governorate's platform is away for a night; the public platform is told all the same",
        "3. منصة المحافظة متوقفة ليلة، وتُبلَّغ المنصة العامة رغم ذلك",
    );
    town.leave("giza").await?;
    let mut night = Vec::new();
    for [first, second] in [
        ["suspended", "renewed"],
        ["renewed", "suspended"],
        ["withdrawn", "renewed"],
    ] {
        night.push(tell(town, HOMES[0], first).await?);
        tell(town, HOMES[1], second).await?;
    }
    let withdrawn = night.last().context("nothing was told")?;
    let licensing = town.home("licensing");
    until_taken(town, withdrawn, 1).await?;
    let said = town
        .tell(0, &["event", "status", withdrawn, "--home", &licensing])
        .await?;
    ensure!(said.contains("EG/GOV/GIZA/platform"), "{said}");
    Ok(night)
}

async fn withdrawn_everywhere(town: &mut Town, voice: Voice, night: &[String]) -> Result<()> {
    voice.part(
        "4. In the morning it catches up, in order: the withdrawn licence is seen everywhere",
        "4. في الصباح تلحق بما فاتها وبترتيبه: يظهر سحب الترخيص في كل مكان",
    );
    town.come_back("giza").await?;
    let mut outcomes = Vec::new();
    for id in night {
        let status = until_taken(town, id, 2).await?;
        let deliveries = status["deliveries"].as_array().context("no deliveries")?;
        let giza = deliveries
            .iter()
            .find(|one| one["subscriber"] == "EG/GOV/GIZA/platform");
        let outcome = giza.and_then(|one| one["outcome_index"].as_u64());
        outcomes.push(outcome.context("no outcome is recorded")?);
    }
    ensure!(
        outcomes.is_sorted(),
        "they came in another order: {outcomes:?}"
    );
    let withdrawn = night.last().context("nothing was told")?;
    let licensing = town.home("licensing");
    town.tell(0, &["event", "status", withdrawn, "--home", &licensing])
        .await?;
    for (key, name) in [
        ("giza", voice.say("the governorate", "المحافظة")),
        ("portal", voice.say("the public platform", "المنصة العامة")),
    ] {
        let all = told(&town.folder(key)?)?;
        let own = all.iter().filter(|event| {
            event["operation"] == "licence" && event["payload"]["licence"] == WITHDRAWN
        });
        let states: Vec<&str> = own
            .filter_map(|event| event["payload"]["state"].as_str())
            .collect();
        ensure!(
            states == ["issued", "suspended", "renewed", "withdrawn"],
            "{name}: {states:?}"
        );
        show(format!("   {name}: {WITHDRAWN} {}", states.join(", ")));
    }
    Ok(())
}

/// The care home begins, reads what was told since the night began, and gives its subscription.
async fn begins_later(town: &Town, voice: Voice, since: &str) -> Result<String> {
    voice.part(
        "5. A care home begins later, and asks for what was told since that night",
        "5. دار رعاية تبدأ متأخرة، وتطلب ما جرى التبليغ به منذ تلك الليلة",
    );
    let home = town.home("home");
    let mut subscribe = followed(&home, "licence", "public-register", FIELDS);
    subscribe.extend(["--from".to_owned(), since.to_owned()]);
    let subscribed = town.ask(&strs(&subscribe)).await?;
    let own = subscribed["subscription"].as_str().context("no id")?;
    let follow = [
        "event",
        "follow",
        own,
        "--home",
        &home,
        "--until-idle",
        "2s",
    ];
    let said = town.tell(0, &follow).await?;
    ensure!(
        said.matches("\"licence\"").count() == 6 && !said.contains("issued"),
        "not what was told since: {said}"
    );
    Ok(own.to_owned())
}

async fn revoked(town: &Town, voice: Voice, own: &str) -> Result<()> {
    voice.part(
        "6. The Ministry ends the care home's agreement: the switch ends the subscription, on record, and nothing more comes",
        "6. تنهي الوزارة اتفاقية الدار: ينهي المحوِّل الاشتراك ويسجِّل ذلك، ولا يصلها شيء بعده",
    );
    let (licensing, home) = (town.home("licensing"), town.home("home"));
    let all = town
        .ask(&["agreement", "list", "--home", &licensing])
        .await?;
    let ended = all.as_array().context("no list")?.iter();
    let ended = ended
        .filter(|one| one["consumer"].to_string().contains("EG/COM/DAR-AMAL"))
        .find_map(|one| one["agreement"].as_str())
        .with_context(|| format!("no such agreement: {all}"))?;
    town.ask(&["agreement", "revoke", ended, "--home", &licensing])
        .await?;
    let list = ["event", "subscriptions", "--home", &home];
    until(|| async {
        let all = town.ask(&list).await?;
        Ok((all[0]["end_code"] == "agreement_revoked").then_some(()))
    })
    .await?;
    town.tell(0, &list).await?;
    let last = tell(town, HOMES[2], "suspended").await?;
    let status = until_taken(town, &last, 2).await?;
    ensure!(status["told"] == 2, "told to somebody else: {status}");
    let follow = [
        "event",
        "follow",
        own,
        "--home",
        &home,
        "--until-idle",
        "1s",
    ];
    let said = town.tell(3, &follow).await?;
    ensure!(said.contains("agreement_revoked"), "{said}");
    Ok(())
}

/// The words with which `home` begins to follow.
fn followed(home: &str, topic: &str, purpose: &str, fields: &str) -> Vec<String> {
    let words = [
        "event",
        "subscribe",
        SERVICE,
        topic,
        "--home",
        home,
        "--purpose",
        purpose,
        "--fields",
        fields,
    ];
    words.map(str::to_owned).to_vec()
}

/// The words that tell what happened, ordered by the licence's number.
fn published(town: &Town, topic: &str, licence: &str, payload: &Value) -> Vec<String> {
    let (home, data) = (town.home("licensing"), payload.to_string());
    let words = [
        "event",
        "publish",
        "licences.v1",
        topic,
        "--home",
        &home,
        "--key",
        licence,
        "--data",
        &data,
    ];
    words.map(str::to_owned).to_vec()
}

/// Tells it; the event's id.
async fn publish(town: &Town, topic: &str, licence: &str, payload: &Value) -> Result<String> {
    let words = published(town, topic, licence, payload);
    let told = town.ask(&strs(&words)).await?;
    ensure!(told["proven"] == true, "no receipt: {told}");
    Ok(told["event"].as_str().context("no id")?.to_owned())
}

/// Tells what became of one licence; the event's id.
async fn tell(town: &Town, home: [&str; 4], state: &str) -> Result<String> {
    let [licence, kind, home_en, home_ar] = home;
    let governorate = match licence.starts_with("GZ") {
        true => "Giza",
        false => "Qena",
    };
    let payload = json!({
        "licence": licence, "state": state, "kind": kind, "home_en": home_en, "home_ar": home_ar,
        "governorate": governorate, "valid_until": "2027-06-30",
    });
    publish(town, "licence", licence, &payload).await
}

/// How an event stands once so many have taken it.
async fn until_taken(town: &Town, id: &str, wanted: u64) -> Result<Value> {
    let licensing = town.home("licensing");
    until(|| async {
        let all = town
            .ask(&["event", "status", id, "--home", &licensing])
            .await?;
        Ok((all[0]["taken"] == wanted).then(|| all[0].clone()))
    })
    .await
}

/// Asks until there is something.
async fn until<T, F: Future<Output = Result<Option<T>>>>(mut ask: impl FnMut() -> F) -> Result<T> {
    let wait = async {
        loop {
            if let Some(found) = ask().await? {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .context("it did not happen in time")?
}

/// What lies in a folder of events, in the order of the log.
fn told(folder: &Path) -> Result<Vec<Value>> {
    let mut told = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let event: Value = serde_json::from_slice(&std::fs::read(file?.path())?)?;
        told.push(event);
    }
    told.sort_by_key(|event| event["index"].as_u64());
    Ok(told)
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn now() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    time_of_ms(u64::try_from(since.as_millis()).unwrap_or_default())
}
