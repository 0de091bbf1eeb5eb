//! State registers joined (360°): one person's view across four registers, side by side. Two agencies look; each sees
//! the fields that it was granted, and the log says so. The views stand in `examples/stories/registers_joined/`.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use examples::Voice;
use examples::town::{Town, part_of_the_story};

const CASE: &str = "VIEW-1";

fn main() -> ExitCode {
    if let Some(code) = part_of_the_story() {
        return code;
    }
    examples::run_story(|voice| Box::pin(story(voice)))
}

async fn story(voice: Voice) -> Result<()> {
    let town = Town::build("registers_joined", &["local", "fees", "sms", "mail"], voice).await?;
    let nid = format!("national_id={}", town.citizen);
    let (moss, giza) = (town.home("moss"), town.home("giza"));
    let (view, view_giza) = (town.file("view.toml"), town.file("view-giza.toml"));
    let run = |file, home, clerk| {
        [
            "compose", "run", file, "--home", home, "--case", CASE, "--input", &nid, "--actor",
            clerk,
        ]
    };

    voice.part(
        "1. What the Ministry of Social Solidarity was granted",
        "1. ما مُنح لوزارة التضامن الاجتماعي",
    );
    town.tell(0, &["compose", "check", &view, "--home", &moss])
        .await?;
    town.tell(0, &run(&view, &moss, "m.hassan")).await?;

    voice.part(
        "2. The governorate tries the Ministry's file: found out before anything is sent",
        "2. المحافظة تجرب ملف الوزارة: يُكتشف ذلك قبل إرسال أي شيء",
    );
    let said = town
        .tell(1, &["compose", "check", &view, "--home", &giza])
        .await?;
    ensure!(said.contains("view.toml:"), "no place was told");

    voice.part(
        "3. What the governorate was granted; the rest is refused on record, and hides nothing",
        "3. ما مُنح للمحافظة؛ والباقي يُرفض رفضًا مسجلًا ولا يحجب شيئًا",
    );
    let said = town.tell(1, &run(&view_giza, &giza, "h.salem")).await?;
    ensure!(said.contains("no_agreement"), "nothing was refused");

    voice.part("4. The log", "4. السجل");
    let shown = town
        .ask(&["compose", "show", CASE, "--home", &giza])
        .await?;
    let case = shown["case_reference"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    town.end(&case).await
}
