//! Roll-out: a service that one governorate has proved is live in another with one command, over the table that its ERP
//! has, without code; in PostgreSQL where there is one, read by a user who may read these tables and nothing else. A third
//! one's table lacks a column, a fourth one's has one of another type, and both are told so before anything is published. The
//! plans stand in `examples/stories/roll_out/`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};
use examples::town::{Town, part_of_the_story};
use examples::{Voice, show};
use serde_json::json;

fn main() -> ExitCode {
    if let Some(code) = part_of_the_story() {
        return code;
    }
    examples::run_story(|voice| Box::pin(story(voice)))
}

async fn story(voice: Voice) -> Result<()> {
    let mut town = Town::build("roll_out", &[], voice).await?;
    let (localdev, qena) = (town.home("localdev"), town.home("qena"));
    let plan = town.erp("qena").await?;
    let roll_out = ["service", "roll-out", &plan, "--home", &qena];

    voice.part(
        "1. Qena looks first: what would happen, and whether its ERP has every column",
        "1. تنظر قنا أولًا: ما الذي سيحدث، وهل في نظامها كل الأعمدة",
    );
    town.ask(&[
        "agreement",
        "propose",
        &town.file("proposals/qena.toml"),
        "--home",
        &localdev,
    ])
    .await?;
    town.tell(0, &[&roll_out[..], &["--dry-run"]].concat())
        .await?;
    nothing_is_published(&town, "EG/GOV/QENA").await?;

    voice.part(
        "2. One command: the same contract, sealed by Qena, agreed with the Ministry, and served",
        "2. أمر واحد: العقد نفسه، تختمه قنا وتتفق عليه مع الوزارة، والخدمة تعمل",
    );
    let began = Instant::now();
    town.start("qena", &[&roll_out[..], &["--serve"]].concat())
        .await?;
    let seconds = began.elapsed().as_secs_f64();
    show(voice.say(
        &format!("   live after {seconds:.1} seconds"),
        &format!("   الخدمة متاحة بعد {seconds:.1} ثانية"),
    ));

    voice.part(
        "3. The Ministry asks both governorates the same question",
        "3. تسأل الوزارة المحافظتين السؤال نفسه",
    );
    for (agency, permit) in [
        ("EG/GOV/GIZA", "GZ-2026-0118"),
        ("EG/GOV/QENA", "QN-2026-0042"),
    ] {
        town.tell(
            0,
            &question(&localdev, agency, permit, "issued_on,use_ar,valid_until"),
        )
        .await?;
    }

    voice.part(
        "4. What was not granted in Giza is refused in Qena, too, on record",
        "4. ما لم يُمنح في الجيزة يُرفض في قنا أيضًا، والرفض مسجل",
    );
    let said = town
        .tell(
            3,
            &question(&localdev, "EG/GOV/QENA", "QN-2026-0042", "holder_ar"),
        )
        .await?;
    ensure!(
        said.contains("field_not_granted"),
        "it was not refused: {said}"
    );

    again(&town, voice, &roll_out).await?;
    elsewhere(&mut town, voice).await?;
    without_a_right(&town, voice, &roll_out).await?;

    voice.part("9. The log", "9. السجل");
    town.end_log().await?;
    Ok(())
}

/// The command is repeated.
async fn again(town: &Town, voice: Voice, roll_out: &[&str]) -> Result<()> {
    voice.part(
        "5. The same command again: everything is there already",
        "5. الأمر نفسه من جديد: كل شيء قائم من قبل",
    );
    let again = town.ask(roll_out).await?;
    let steps = again["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let settled = |step: &serde_json::Value| step["state"] == "stands" || step["state"] == "same";
    ensure!(
        steps.len() == 4 && steps.iter().all(settled),
        "something was done twice: {again}"
    );
    town.tell(0, roll_out).await?;
    Ok(())
}

/// It is tried where it cannot work.
async fn elsewhere(town: &mut Town, voice: Voice) -> Result<()> {
    for (key, agency, english, arabic) in [
        (
            "minya",
            "EG/GOV/MINYA",
            "6. Minya's table lacks a column: it is told before anything is published",
            "6. جدول المنيا ينقصه عمود: يُقال ذلك قبل نشر أي شيء",
        ),
        (
            "aswan",
            "EG/GOV/ASWAN",
            "7. Aswan has the column, as a number: the contract cannot carry it, and that is told, too",
            "7. العمود في أسوان موجود لكنه رقم: لا يحمله العقد، ويُقال ذلك أيضًا",
        ),
    ] {
        voice.part(english, arabic);
        let (plan, home) = (town.erp(key).await?, town.home(key));
        let roll_out = ["service", "roll-out", &plan, "--home", &home];
        let said = town.tell(2, &roll_out).await?;
        ensure!(
            said.contains("valid_until"),
            "the column was not named: {said}"
        );
        nothing_is_published(town, agency).await?;
    }
    Ok(())
}

/// In PostgreSQL a right can be taken away; the command finds it out.
async fn without_a_right(town: &Town, voice: Voice, roll_out: &[&str]) -> Result<()> {
    voice.part(
        "8. Qena's database takes the reader's right away: the command says whose and of what",
        "8. سُحب حق القراءة في قاعدة بيانات قنا: يقول الأمر ممن وعن أي جدول",
    );
    if !town.has_postgres() {
        show(voice.say(
            "   (PostgreSQL only: whoever may read a SQLite file may read all of it)",
            "   (في PostgreSQL وحده: فمن يقرأ ملف SQLite يقرأه كله)",
        ));
        return Ok(());
    }
    town.revoke_select("qena", "BLD_LICENCES").await?;
    let said = town.tell(2, &[roll_out, &["--dry-run"]].concat()).await?;
    ensure!(
        said.contains("permission denied"),
        "the right was not missed: {said}"
    );
    Ok(())
}

/// The Ministry's question about one permit.
fn question(home: &str, agency: &str, permit: &str, fields: &str) -> Vec<String> {
    let data = json!({ "operation": "lookup", "parameters": { "permit_no": permit } }).to_string();
    let service = format!("{agency}/local/permits.v1");
    [
        "call",
        &service,
        "lookup",
        "--home",
        home,
        "--purpose",
        "licensing",
        "--fields",
        fields,
        "--data",
        &data,
    ]
    .map(str::to_owned)
    .to_vec()
}

async fn nothing_is_published(town: &Town, agency: &str) -> Result<()> {
    let listed = town
        .ask(&["service", "list", "--home", &town.home("localdev")])
        .await?;
    let of = |one: &serde_json::Value| {
        one["service"]
            .as_str()
            .is_some_and(|name| name.starts_with(agency))
    };
    ensure!(
        listed
            .as_array()
            .is_some_and(|all| !all.is_empty() && !all.iter().any(of)),
        "{agency} published something: {listed}"
    );
    Ok(())
}
