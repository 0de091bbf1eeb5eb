//! `mohawel audit tamper-demo`: everything that an operator with all its keys could try, and who catches it.
//!
//! A real switch with its agencies makes a log; outsiders keep what outsiders keep: an auditor's older copy, two
//! witnesses' memories, the agencies' receipts. Then each row forges a copy of the log with the real log key, as well as it
//! can be forged, and every outsider looks at it with what it holds. No check here asks the switch, its store or its
//! word. A row that nobody catches, or an honest log that somebody accuses, is a failure.

use std::path::Path;

use proto::id::ExchangeId;
use serde_json::{Value, json};

use super::story::{Place, Story};
use super::tell::Teller;
use super::world::{self, World};
use crate::args::TamperDemo;
use crate::failure::{Exit, Failure};
use crate::output::Output;

mod forge;
mod outsiders;
mod rows;

use forge::Forge;
use outsiders::{Caught, Outsider, Outsiders};
use rows::{Deed, EVENTS, ROWS, Row, WAYS};

/// Synthetic people of the story: enough for it.
const PEOPLE: u64 = 200;

/// Builds the world, forges, asks every outsider, prints the table.
///
/// # Errors
/// [`Exit::Found`] when a row is not caught, or the untouched log is accused.
pub async fn run(args: TamperDemo, output: Output) -> Result<(), Failure> {
    world::make_empty(&args.dir)?;
    let dir = std::fs::canonicalize(&args.dir).map_err(Failure::unavailable)?;
    // With --json the story is silent.
    let teller = Teller::new(output);
    let mut world = World::build(&dir, PEOPLE, teller, output).await?;
    let homes = world.homes();
    let case = world.case()?.clone();
    let story = Story {
        teller,
        homes: &homes,
        case: &case,
    };
    let mut outsiders = Outsiders::new(&dir, world.log_key()?)?;
    story.tell().await?;
    world.every_way(teller).await?;
    world.events().await?;
    outsiders.look(&world.log_dir()).await?;
    story.tell().await?;
    outsiders.look(&world.log_dir()).await?;
    // One more, which nobody but its parties has seen yet.
    let last = story.last().await?;
    let last = match &last.place {
        Place::Exchange(id) => ExchangeId::parse(id),
        Place::Index(_) => None,
    };
    world.stop().await?;
    outsiders.keep_receipts(&homes).await?;

    let forge = Forge::open(&dir, &world.log_dir(), outsiders.looked()?)?;
    let mut told = Vec::new();
    for (number, row) in ROWS.iter().chain(WAYS).chain(EVENTS).enumerate() {
        let place = dir.join("rows").join(format!("{number:02}-{}", row.name));
        forge.make(row.deed, &place)?;
        let unreceipted = (row.deed == Deed::Forward).then_some(last).flatten();
        told.push((row, outsiders.examine(&place, unreceipted)?));
    }
    show(&told, output)?;
    verdict(&told, &dir, output)
}

fn show(told: &[(&Row, Vec<Caught>)], output: Output) -> Result<(), Failure> {
    let value: Vec<Value> = told
        .iter()
        .map(|(row, caught)| {
            json!({
                "row": row.name,
                "what": row.what[0],
                "caught_by": caught.iter().map(|caught| json!({
                    "outsider": caught.outsider.name(),
                    "check": caught.check,
                    "detail": caught.detail,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    output.show(&value, || {
        output.table(
            [
                output.say("what the operator did", "ما فعله المشغّل"),
                output.say("who catches it", "من يكشفه"),
                output.say("by what", "بماذا"),
            ],
            told.iter().flat_map(|(row, caught)| {
                let what = output.say(row.what[0], row.what[1]);
                let nobody = [what.to_owned(), "–".to_owned(), String::new()];
                let rows: Vec<[String; 3]> = caught
                    .iter()
                    .enumerate()
                    .map(|(at, caught)| {
                        let what = if at == 0 { what } else { "" };
                        let texts = caught.outsider.texts();
                        [
                            what.to_owned(),
                            output.say(texts[0], texts[1]).to_owned(),
                            caught.check.clone(),
                        ]
                    })
                    .collect();
                if rows.is_empty() { vec![nobody] } else { rows }
            }),
        );
    })
}

fn verdict(told: &[(&Row, Vec<Caught>)], dir: &Path, output: Output) -> Result<(), Failure> {
    let wrong: Vec<&str> = told
        .iter()
        .filter(|(row, caught)| {
            let all = row
                .by
                .iter()
                .all(|who| caught.iter().any(|caught| caught.outsider == *who));
            let by_rule =
                |caught: &Caught| caught.outsider == Outsider::Auditor && caught.check == row.rule;
            let is_named = row.rule.is_empty() || caught.iter().any(by_rule);
            !all || !is_named || row.by.is_empty() != caught.is_empty()
        })
        .map(|(row, _)| row.name)
        .collect();
    if wrong.is_empty() {
        output.note(format!(
            "{} {}",
            output.say(
                "Every row is caught by outsiders. Each forged log stands in",
                "كل محاولة كشفها طرف خارجي. وكل سجل مزوّر محفوظ في"
            ),
            dir.join("rows").display()
        ));
        return Ok(());
    }
    let wrong = wrong.join(", ");
    Err(Failure::new(
        Exit::Found,
        [
            format!("Not caught by those who must: {wrong}."),
            format!("لم يكشفه من يجب أن يكشفه: {wrong}."),
        ],
        [
            "This is a defect of the switch or of a check: keep the folder and report it.",
            "هذا عيب في المحوِّل أو في أحد الفحوص: احتفظ بالمجلد وأبلغ عنه.",
        ],
    ))
}
