//! One window: a citizen wants a licence at the governorate's service centre. One case over civil registry, insurance,
//! property and traffic; an official decides who never meets the applicant; the fee is paid and the citizen told, by
//! SMS and e-mail. What is asked of whom stands in `examples/stories/one_window/`, and no code of the centre's asks it.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use examples::town::{Town, part_of_the_story};
use examples::{Voice, show};
use serde_json::Value;

/// The number under which the centre keeps the case. It never leaves the centre.
const CASE: &str = "GIZA-2026-004711";

fn main() -> ExitCode {
    if let Some(code) = part_of_the_story() {
        return code;
    }
    examples::run_story(|voice| Box::pin(story(voice)))
}

async fn story(voice: Voice) -> Result<()> {
    let mut town = Town::build("one_window", &["property"], voice).await?;
    let home = town.home("giza");
    at_the_counter(&mut town, &home, voice).await?;
    let licence = decide(&town, &home, voice).await?;
    conclude(&town, &home, &licence, voice).await?;
    voice.part("6. The log", "6. السجل");
    let case = who_asked(&town, &home).await?;
    town.end(&case).await
}

/// A composition of this story, run in its case.
fn run<'a>(file: &'a str, home: &'a str, clerk: &'a str) -> Vec<&'a str> {
    let case = ["compose", "run", file, "--home", home, "--case", CASE];
    [&case[..], &["--actor", clerk]].concat()
}

async fn at_the_counter(town: &mut Town, home: &str, voice: Voice) -> Result<()> {
    let nid = format!("national_id={}", town.citizen);
    let registers = town.file("registers.toml");
    let mut ask = run(&registers, home, "h.salem");
    ask.extend(["--input", &nid]);
    voice.part(
        "1. At the counter: four registers, one case; one of them is away",
        "1. عند الشباك: أربعة سجلات وحالة واحدة؛ وأحدها غائب",
    );
    let said = town.tell(1, &ask).await?;
    ensure!(said.contains("unknown_service"), "property was to be away");
    voice.part(
        "2. The Real Estate Registry is there: the same case, asked again",
        "2. حضر الشهر العقاري: الحالة نفسها تُسأل من جديد",
    );
    town.serve("property").await?;
    town.tell(0, &ask).await?;
    Ok(())
}

/// The official sends a number and a word; gives the licence's number.
async fn decide(town: &Town, home: &str, voice: Voice) -> Result<String> {
    voice.part(
        "3. An official decides, who sees a file and no person",
        "3. موظف يقرر، يرى ملفًا ولا يرى شخصًا",
    );
    let decision = town.file("decision.toml");
    let mut ask = run(&decision, home, "official-17");
    ask.extend(["--input", "file=004711", "--input", "decision=granted"]);
    let decided = town.ask(&ask).await?;
    let row = &decided["parts"][0]["rows"][0];
    let licence = row["licence_no"].as_str().unwrap_or_default().to_owned();
    show(voice.say(
        &format!("   decided: {licence}; who decided is in the log, under a pseudonym that Giza alone can tell"),
        &format!("   القرار: {licence}؛ ومن قرر مدوَّن في السجل باسم مستعار لا تعرفه إلا المحافظة"),
    ));
    Ok(licence)
}

async fn conclude(town: &Town, home: &str, licence: &str, voice: Voice) -> Result<()> {
    voice.part(
        "4. The fee is paid, and the citizen is told",
        "4. يُسدد الرسم ويُخطَر المواطن",
    );
    let conclusion = town.file("conclusion.toml");
    let licence = format!("licence_no={licence}");
    let mut ask = run(&conclusion, home, "h.salem");
    ask.extend(["--input", "file=004711", "--input", &licence]);
    ask.extend(["--input", "phone=01000000000"]);
    ask.extend(["--input", "email=citizen@mail.example"]);
    town.tell(0, &ask).await?;
    voice.part(
        "5. Somebody presses the button again: nothing is done twice",
        "5. ضغط أحدهم الزر مرة أخرى: لا يُنفَّذ شيء مرتين",
    );
    town.tell(0, &ask).await?;
    let done = town.offices.done();
    let letters = town.post.messages();
    let counts = (done.decisions.len(), done.payments.len());
    ensure!(counts == (1, 1), "done twice: {done:?}");
    ensure!((done.messages.len(), letters.len()) == (1, 1), "told twice");
    show(voice.say("   the SMS:", "   الرسالة القصيرة:"));
    let text = done.messages[0]["text"].as_str().unwrap_or_default();
    show(format!("   {text}"));
    show(voice.say(
        "   the e-mail, as the mail server got it:",
        "   البريد كما وصل إلى خادم البريد:",
    ));
    for line in letters[0].lines() {
        show(format!("   {line}"));
    }
    Ok(())
}

/// Shows the clerks of the case by their pseudonyms, and gives what the log knows the case by.
async fn who_asked(town: &Town, home: &str) -> Result<String> {
    let shown = town.ask(&["compose", "show", CASE, "--home", home]).await?;
    let case = shown["case_reference"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let actor = |name: &str| -> Result<String> {
        let home = adapters::Home::open(home)?;
        Ok(adapters::subjects::clerk(&home, name)?.to_string())
    };
    for name in ["h.salem", "official-17"] {
        show(format!("   {name} = {}", actor(name)?));
    }
    let sent = shown["sent"].as_array().map_or(0, Vec::len);
    let known = |value: &Value| value["outcome"].as_str().is_some();
    ensure!(
        shown["sent"]
            .as_array()
            .is_some_and(|all| all.iter().all(known)),
        "an end is not known"
    );
    show(format!("   {CASE} = {case} ({sent})"));
    Ok(case)
}
