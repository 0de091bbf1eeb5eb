//! The governance centre: two service centres work through a morning, some of what they ask is refused, and in the evening an
//! office that has nothing but the log makes the report of the day for those who decide: one page that opens on a phone, one
//! table for analysts, and the same figures in both. The story stands in `examples/stories/governance/`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use cli::output::time_of_ms;
use examples::town::{Town, part_of_the_story};
use examples::{Voice, show};
use serde_json::{Value, json};

const PERSONS: [&str; 3] = [
    "EG/GOV/CIVIL/registry/persons.v1",
    "household",
    "alive,governorate_en,household_id",
];
const VEHICLES: [&str; 3] = [
    "EG/GOV/TRAFFIC/vehicles/vehicles.v1",
    "owned",
    "kind,model_year",
];
/// One field more than was granted.
const MORE: [&str; 3] = [PERSONS[0], PERSONS[1], "alive,name_ar"];
/// What the morning comes to: asked, refused, answered.
const MORNING: [u64; 3] = [15, 4, 11];
/// How long what was recorded may take to be published.
const TRIES: u32 = 100;

fn main() -> ExitCode {
    if let Some(code) = part_of_the_story() {
        return code;
    }
    examples::run_story(|voice| Box::pin(story(voice)))
}

async fn story(voice: Voice) -> Result<()> {
    let mut town = Town::build("governance", &[], voice).await?;
    let begins = time_of_ms(now_ms()?);
    work(&mut town, voice).await?;

    voice.part(
        "2. In the evening the governance centre counts, from the log alone",
        "2. في المساء يحسب مركز الحوكمة من السجل وحده",
    );
    let desk = town.folder("governance")?;
    let (page, table) = (desk.join("report.html"), desk.join("report.parquet"));
    let (log, key) = (town.log(), format!("@{}/log.vkey", town.home("giza")));
    let period = ["--log", &log, "--key", &key, "--since", &begins];
    let counted = published(&town, &period).await?;
    let (page_name, table_name) = (page.display().to_string(), table.display().to_string());
    let mut make = vec!["audit", "report"];
    make.extend(period);
    make.extend(["--verified", "-o", &page_name, "--parquet", &table_name]);
    town.tell(0, &make).await?;

    voice.part(
        "3. What those who decide see: by centre, and how the page ends",
        "3. ما يراه متخذ القرار: حسب المركز، وخاتمة الصفحة",
    );
    by_centre(&counted, voice)?;
    ending(&page, &counted, voice)?;
    let size = std::fs::metadata(&table)?.len();
    ensure!(size > 0, "the table is empty");
    show(voice.say(
        "   no person stands in it, and no official by name: who asked is a pseudonym that only the centre can tell",
        "   لا يرد فيها اسم أي شخص ولا أي موظف: من سأل مذكور باسم مستعار لا يعرف صاحبه إلا مركزه",
    ));

    voice.part(
        "4. A report is not written over by accident",
        "4. لا يُكتب فوق تقرير سهوًا",
    );
    town.tell(2, &make).await?;

    voice.part("5. The log", "5. السجل");
    town.end_log().await?;
    Ok(())
}

/// The morning of two centres.
async fn work(town: &mut Town, voice: Voice) -> Result<()> {
    voice.part(
        "1. A morning at two service centres; four questions are refused, each on record",
        "1. صباح في مركزي خدمة؛ أربعة أسئلة تُرفض ويُدوَّن كل رفض",
    );
    let people: Vec<String> = town
        .plan()
        .households()
        .filter_map(|household| household.head().map(|head| head.national_id.to_string()))
        .take(4)
        .collect();
    let (giza, minya) = (town.home("giza"), town.home("minya"));
    for (at, person) in people.iter().enumerate() {
        asks(town, &giza, "h.salem", PERSONS, person, None).await?;
        if at < 2 {
            asks(town, &giza, "h.salem", VEHICLES, person, None).await?;
            asks(town, &giza, "n.adel", PERSONS, person, None).await?;
        }
        if at < 3 {
            asks(town, &minya, "s.fouad", PERSONS, person, None).await?;
        }
    }
    let person = people.first().context("nobody lives here")?;
    for _ in 0..2 {
        asks(
            town,
            &minya,
            "s.fouad",
            VEHICLES,
            person,
            Some("no_agreement"),
        )
        .await?;
    }
    asks(
        town,
        &giza,
        "n.adel",
        MORE,
        person,
        Some("field_not_granted"),
    )
    .await?;
    town.leave("traffic").await?;
    let away = Some("provider_offline");
    asks(town, &giza, "h.salem", VEHICLES, person, away).await?;
    let [asked, refused, answered] = MORNING;
    show(voice.say(
        &format!("   {asked} questions, {answered} answers, {refused} refusals: no_agreement twice, field_not_granted, provider_offline"),
        &format!("   {asked} سؤالًا و{answered} إجابة و{refused} حالات رفض: no_agreement مرتين وfield_not_granted وprovider_offline"),
    ));
    Ok(())
}

/// One question of a clerk; it must be refused with `code`, or answered.
async fn asks(
    town: &Town,
    home: &str,
    clerk: &str,
    [service, operation, fields]: [&str; 3],
    person: &str,
    code: Option<&str>,
) -> Result<()> {
    let parameters = json!({ "national_id": person });
    let data = json!({ "operation": operation, "parameters": parameters }).to_string();
    let call = [
        "call",
        service,
        operation,
        "--home",
        home,
        "--purpose",
        "social-benefit",
        "--fields",
        fields,
        "--actor",
        clerk,
        "--data",
        &data,
    ];
    match (town.ask(&call).await, code) {
        (Ok(_), None) => Ok(()),
        (Err(error), Some(code)) if error.to_string().contains(code) => Ok(()),
        (ended, code) => bail!("expected {code:?} of {service}, not {ended:?}"),
    }
}

/// The report of the period as JSON, once all of the morning is published.
async fn published(town: &Town, period: &[&str]) -> Result<Value> {
    let mut ask = vec!["audit", "report"];
    ask.extend(period);
    for _ in 0..TRIES {
        let counted = town.ask(&ask).await?;
        let total = &counted["total"];
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let (requests, refused) = (number(&total["requests"]), number(&total["refused"]));
        let answered = number(&total["ended"]["answered"]);
        if [requests + refused, refused, answered] == MORNING {
            ensure!(counted["scan"]["proved"] == true, "not proved: {counted}");
            return Ok(counted);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the morning did not come to {MORNING:?}")
}

fn by_centre(counted: &Value, voice: Voice) -> Result<()> {
    let rows = counted["by"]["centre"]["rows"].as_array();
    let rows = rows.context("no centres")?;
    ensure!(rows.len() == 2, "two centres asked, not {rows:?}");
    for row in rows {
        let name = row[voice.say("name_en", "name_ar")].as_str();
        let name = name.context("a centre without a name")?;
        let (refused, answered) = (&row["refused"], &row["ended"]["answered"]);
        show(voice.say(
            &format!(
                "   {name}: {answered} answered, {refused} refused {}",
                row["refused_as"]
            ),
            &format!(
                "   {name}: أُجيب {answered} ورُفض {refused} {}",
                row["refused_as"]
            ),
        ));
    }
    Ok(())
}

/// The last part of the page in the voice's language, as text; it names the root that the figures rest on.
fn ending(page: &Path, counted: &Value, voice: Voice) -> Result<()> {
    let page = std::fs::read_to_string(page)?;
    ensure!(
        !page.contains("<script") && !page.contains("src="),
        "the page would run or fetch something"
    );
    let begins = format!("<h2 id=\"{}-rests\">", voice.lang());
    let (_, rest) = page.split_once(&begins).context("the page has no ending")?;
    let rest = rest.split("</article>").next().unwrap_or_default();
    let rows = rest.replace("</th>", ": ").replace("</tr>", "\n");
    let text = without_tags(&rows);
    let root = counted["scan"]["checkpoint"]["root"].as_str();
    ensure!(
        root.is_some_and(|root| text.contains(root)),
        "the page rests on another root: {text}"
    );
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        show(format!("   {line}"));
    }
    Ok(())
}

fn without_tags(markup: &str) -> String {
    let mut inside = false;
    let shown = markup.chars().filter(|c| match c {
        '<' => {
            inside = true;
            false
        }
        '>' => {
            inside = false;
            false
        }
        _ => !inside,
    });
    shown.collect()
}

fn now_ms() -> Result<u64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_millis())?)
}
