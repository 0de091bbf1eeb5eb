//! Roll-out: a service that one governorate has proved is live in another with one command, over the table that its ERP
//! has, without code. A third one's table lacks a column, and is told so before anything is published. The plans stand in
//! `examples/stories/roll_out/`.

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

    again_and_elsewhere(&mut town, voice, &roll_out).await?;

    voice.part("7. The log", "7. السجل");
    town.end_log().await?;
    Ok(())
}

/// The command is repeated, and tried where it cannot work.
async fn again_and_elsewhere(town: &mut Town, voice: Voice, roll_out: &[&str]) -> Result<()> {
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

    voice.part(
        "6. Minya's table lacks a column: it is told before anything is published",
        "6. جدول المنيا ينقصه عمود: يُقال ذلك قبل نشر أي شيء",
    );
    let plan = town.erp("minya").await?;
    let said = town
        .tell(
            2,
            &["service", "roll-out", &plan, "--home", &town.home("minya")],
        )
        .await?;
    ensure!(
        said.contains("valid_until"),
        "the column was not named: {said}"
    );
    nothing_is_published(town, "EG/GOV/MINYA").await?;
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
