//! Complaints and inquiries: citizens and an association complain to the Ministry, which hands it on to the Cabinet's system. That
//! one is away for the night. What was handed on waits at the switch, sealed, in order; in the morning it lies on the desk, and the
//! answers come back when somebody wrote them. What becomes of each is told on the way, as events. The story stands in `examples/stories/complaints/`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use examples::town::{Town, part_of_the_story};
use examples::{Voice, show};
use serde_json::{Value, json};

/// Stands in one complaint, and may stand nowhere at the switch.
const SECRET: &str = "supervisor of the night shift";
/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The numbers that the Cabinet's system gives them, and the topic in which it tells of each.
const FILES: [[&str; 2]; 3] = [
    ["C-2026-0417", "by_citizens"],
    ["C-2026-0418", "by_associations"],
    ["C-2026-0419", "by_citizens"],
];

/// Who complains, and about what.
const COMPLAINTS: [[&str; 3]; 3] = [
    [
        "a citizen of Giza",
        "a card that does not come",
        "The Karama card was approved in May and is not here.",
    ],
    [
        "association 1042",
        "a care home",
        "The supervisor of the night shift locks the doors.",
    ],
    [
        "a citizen of Qena",
        "a double entry",
        "My neighbour's son stands in my household.",
    ],
];

fn main() -> ExitCode {
    if let Some(code) = part_of_the_story() {
        return code;
    }
    examples::run_story(|voice| Box::pin(story(voice)))
}

async fn story(voice: Voice) -> Result<()> {
    let mut town = Town::build("complaints", &[], voice).await?;
    let (cabinet, ministry) = (town.home("cabinet"), town.home("ministry"));
    town.ask(&["adapter", "encryption-key", "--home", &cabinet])
        .await?;
    let desk = town.folder("cabinet")?;
    let portal = follow_movements(&town).await?;
    town.leave("cabinet").await?;

    voice.part(
        "1. The Cabinet's system is away for the night: who calls it is refused, on record",
        "1. منظومة مجلس الوزراء متوقفة ليلًا: من يتصل بها الآن يُرفض طلبه ويُسجَّل",
    );
    let call = asked("call", COMPLAINTS[0], &ministry);
    let call: Vec<&str> = call.iter().map(String::as_str).collect();
    let said = town.tell(3, &call).await?;
    ensure!(said.contains("provider_offline"), "{said}");

    voice.part(
        "2. What is handed on waits at the switch, sealed, in order",
        "2. ما يُحال ينتظر في المحوِّل معمّى وبترتيبه",
    );
    let mut ids = Vec::new();
    for complaint in COMPLAINTS {
        let mut send = vec!["submission".to_owned()];
        send.extend(asked("send", complaint, &ministry));
        send.extend(["--within".to_owned(), "7d".to_owned()]);
        let send: Vec<&str> = send.iter().map(String::as_str).collect();
        let sent = town.ask(&send).await?;
        ensure!(sent["proven"] == true, "no receipt: {sent}");
        ids.push(sent["exchange_id"].as_str().context("no id")?.to_owned());
    }
    let list = ["submission", "list", "--home", &ministry];
    town.tell(0, &list).await?;
    sealed(&town, voice)?;

    voice.part(
        "3. In the morning everything lies on the Cabinet's desk",
        "3. في الصباح تصل كل الشكاوى إلى مكتب مجلس الوزراء",
    );
    town.come_back("cabinet").await?;
    for id in &ids {
        there(&desk.join(format!("{id}.json"))).await?;
    }
    let laid: Value =
        serde_json::from_slice(&std::fs::read(desk.join(format!("{}.json", ids[1])))?)?;
    show(format!("   {}", laid["parameters"]));
    for state in ["received", "assigned"] {
        for (file, id) in FILES.iter().zip(&ids) {
            tell(&town, *file, id, state).await?;
        }
    }

    answered(&town, voice, &ids, &desk).await?;

    voice.part(
        "5. The citizen takes the third back: its end is on record, too",
        "5. يسحب المواطن الثالثة، ويُسجَّل انتهاؤها كذلك",
    );
    withdraw(&town, &ids[2], &ministry).await?;
    town.tell(0, &list).await?;

    movements(&town, voice, &portal).await?;

    voice.part("7. The log", "7. السجل");
    town.end_log().await?;
    Ok(())
}

/// The Ministry follows what becomes of all complaints, the association of its own; gives the association's subscription.
async fn follow_movements(town: &Town) -> Result<String> {
    let mut last = String::new();
    for (key, topic) in [
        ("ministry", "by_citizens"),
        ("ministry", "by_associations"),
        ("association", "by_associations"),
    ] {
        let home = town.home(key);
        let words = [
            "event",
            "subscribe",
            "EG/GOV/CABINET/complaints/movements.v1",
            topic,
            "--home",
            &home,
            "--purpose",
            "complaints",
            "--fields",
            "file_number,state,submission",
        ];
        let subscribed = town.ask(&words).await?;
        last = text(&subscribed, "subscription").to_owned();
    }
    Ok(last)
}

/// The Cabinet's system tells how a complaint stands, ordered by its number.
async fn tell(town: &Town, [number, topic]: [&str; 2], id: &str, state: &str) -> Result<()> {
    let home = town.home("cabinet");
    let data = json!({ "file_number": number, "state": state, "submission": id }).to_string();
    let words = [
        "event",
        "publish",
        "movements.v1",
        topic,
        "--home",
        &home,
        "--key",
        number,
        "--data",
        &data,
    ];
    let told = town.ask(&words).await?;
    ensure!(told["proven"] == true, "no receipt: {told}");
    Ok(())
}

/// What the Ministry was told of each in its order, and what the association was told.
async fn movements(town: &Town, voice: Voice, portal: &str) -> Result<()> {
    voice.part(
        "6. What became of each was told on the way: to the Ministry of all, to the association of its own",
        "6. بُلّغ بحركة كل شكوى أولًا بأول: الوزارة بها جميعًا، والجمعية بشكواها وحدها",
    );
    let folder = town.folder("ministry")?;
    let files = || Ok::<_, std::io::Error>(std::fs::read_dir(&folder)?.count());
    let wait = async {
        while files()? < 8 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok::<_, std::io::Error>(())
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .context("the Ministry was not told")??;
    let mut told: Vec<Value> = Vec::new();
    for file in std::fs::read_dir(&folder)? {
        told.push(serde_json::from_slice(&std::fs::read(file?.path())?)?);
    }
    told.sort_by_key(|event| event["index"].as_u64());
    for [number, _] in FILES {
        let own = told.iter().map(|event| &event["payload"]);
        let own = own.filter(|payload| payload["file_number"] == number);
        let states: Vec<&str> = own.map(|payload| text(payload, "state")).collect();
        ensure!(states.starts_with(&["received", "assigned"]), "{states:?}");
        show(format!("   {number}  {}", states.join(", ")));
    }
    let home = town.home("association");
    let follow = [
        "event",
        "follow",
        portal,
        "--home",
        &home,
        "--until-idle",
        "1s",
    ];
    let said = town.tell(0, &follow).await?;
    ensure!(
        said.matches("C-2026-0418").count() == 3 && !said.contains("C-2026-0417"),
        "the association was told something else: {said}"
    );
    Ok(())
}

/// Two are answered and collected; the third is not, yet.
async fn answered(town: &Town, voice: Voice, ids: &[String], desk: &Path) -> Result<()> {
    let ministry = town.home("ministry");
    voice.part(
        "4. A clerk answers two; the third is still looked into, and the switch asks again",
        "4. يجيب الموظف عن اثنتين، والثالثة قيد البحث ويسأل المحوِّل عنها مجددًا",
    );
    for (id, file) in ids[..2].iter().zip(FILES) {
        write(desk, id, &reply(file[0]))?;
        tell(town, file, id, "answered").await?;
    }
    for id in &ids[..2] {
        let collect = [
            "submission",
            "collect",
            id,
            "--wait",
            "1m",
            "--home",
            &ministry,
        ];
        let answer = town.ask(&collect).await?;
        let row = &answer["payload"]["rows"][0];
        show(format!(
            "   {}  {}",
            row["file_number"],
            voice.say(text(row, "reply_en"), text(row, "reply_ar"))
        ));
        ensure!(answer["proven"] == true, "not proved: {answer}");
    }
    let all = ["submission", "collect", "--home", &ministry];
    town.tell(1, &all).await?;
    Ok(())
}

/// The words that hand a complaint on: `call` at once, `send` to wait.
fn asked(word: &str, [from, about, what]: [&str; 3], home: &str) -> Vec<String> {
    let parameters = json!({ "from": from, "about": about, "text": what });
    let data = json!({ "operation": "file", "parameters": parameters }).to_string();
    let words = [
        word,
        "EG/GOV/CABINET/complaints/complaints.v1",
        "file",
        "--home",
        home,
        "--purpose",
        "complaints",
        "--fields",
        "file_number,reply_ar,reply_en,state",
        "--data",
        &data,
    ];
    words.map(str::to_owned).into()
}

/// Nothing of a complaint lies at the switch that anybody there could read.
fn sealed(town: &Town, voice: Voice) -> Result<()> {
    ensure!(
        !town.seen_by_the_switch("EG/GOV/CABINET")?.is_empty(),
        "nothing was searched"
    );
    let found = town.seen_by_the_switch(SECRET)?;
    ensure!(found.is_empty(), "a complaint stands in {found:?}");
    show(voice.say(
        "   the switch's files hold no word of them",
        "   لا تحتوي ملفات المحوِّل على أي كلمة منها",
    ));
    Ok(())
}

fn reply(number: &str) -> Value {
    json!({
        "file_number": number,
        "state": "closed",
        "reply_en": "Looked into and settled.",
        "reply_ar": "فُحصت الشكوى وسُوّيت.",
    })
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_default()
}

/// Whole or not there, as a clerk's program should.
fn write(desk: &Path, id: &str, reply: &Value) -> Result<()> {
    let path = desk.join(format!("{id}.answer.json"));
    let draft: PathBuf = path.with_extension("draft");
    std::fs::write(&draft, reply.to_string())?;
    std::fs::rename(draft, path)?;
    Ok(())
}

async fn there(path: &Path) -> Result<()> {
    let wait = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .with_context(|| format!("{} did not come", path.display()))
}

/// Takes one back; for the moment in which its provider has it, that has to wait.
async fn withdraw(town: &Town, id: &str, home: &str) -> Result<()> {
    let withdraw = ["submission", "withdraw", id, "--home", home];
    let mut last = None;
    for _ in 0..50 {
        match town.ask(&withdraw).await {
            Ok(_) => {
                return Ok(());
            }
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(last.context("it was never tried")?)
}
