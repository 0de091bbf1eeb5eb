//! The demo: a whole switch with its agencies on one machine, a story, and the log that proves it.
//!
//! Every part runs as a real process of this same binary, over real mutual TLS on loopback, each
//! agency with keys it made itself: what the story shows is what an installation does.

mod agencies;
mod backend;
mod evidence;
pub mod people;
pub mod process;
pub mod stores;
mod story;
mod tamper;
pub mod tampering;
mod tell;
mod world;

use std::path::Path;

use crate::args::Demo;
use crate::failure::Failure;
use crate::output::Output;

use self::story::Story;
use self::tell::Teller;
use self::world::World;

/// Builds the world, tells the story, examines the log from its files alone.
pub async fn run(demo: Demo, output: Output) -> Result<(), Failure> {
    // The story is for people: with --json only the processes inside it speak JSON.
    let output = Output {
        json: false,
        ..output
    };
    let teller = Teller::new(output);
    let temporary;
    let dir = match &demo.keep {
        Some(dir) => {
            world::make_empty(dir)?;
            std::fs::canonicalize(dir).map_err(Failure::unavailable)?
        }
        None => {
            temporary = world::Temporary::make()?;
            temporary.path().to_owned()
        }
    };
    let mut world = World::build(&dir, u64::from(demo.people), teller, output).await?;
    let homes = world.homes();
    let case = world.case()?.clone();
    let lines = Story {
        teller,
        homes: &homes,
        case: &case,
    }
    .tell()
    .await?;
    if demo.hold {
        hold(&dir, teller).await?;
    }
    world.stop().await?;

    teller.part(
        5,
        ["The log, from its files alone", "السجل، من ملفاته وحدها"],
    );
    let copy = dir.join("auditor");
    evidence::copy_log(&world.log_dir(), &copy)?;
    let key = world.log_key()?;
    teller.line([
        "The switch has stopped. An auditor's copy holds a checkpoint, a key and tiles.",
        "توقف المحوِّل. لدى المدقّق نسخة فيها نقطة تحقق ومفتاح وملفات القيود.",
    ]);
    evidence::examine(&copy, &key, &lines, teller)?;
    next_steps(demo.keep.is_some().then_some(dir.as_path()), teller, output);
    Ok(())
}

async fn hold(dir: &Path, teller: Teller) -> Result<(), Failure> {
    teller.line([
        &format!(
            "Everything runs; keys and configuration are in {}. Ctrl-C goes on.",
            dir.display()
        ),
        &format!(
            "كل شيء يعمل؛ المفاتيح والإعدادات في {}. اضغط Ctrl-C للمتابعة.",
            dir.display()
        ),
    ]);
    tokio::signal::ctrl_c().await.map_err(Failure::unavailable)
}

fn next_steps(kept: Option<&Path>, teller: Teller, output: Output) {
    output.line("");
    output.line(teller.say(["Try next:", "جرّب بعد ذلك:"]));
    let commands = match kept {
        Some(dir) => {
            let dir = dir.display();
            [
                format!("mohawel broker --switch {dir}/switch"),
                format!(
                    "mohawel call EG/GOV/SWITCH/echo/echo.v1 echo --home {dir}/agencies/giza --purpose test --data '{{\"hello\":\"world\"}}'"
                ),
                format!("mohawel audit replay --log {dir}/auditor --list"),
            ]
        }
        None => [
            "cargo run --release -- demo --keep demo-world".to_owned(),
            "cargo run --release -- demo --lang ar".to_owned(),
            "cargo run --release -- audit replay --log demo-world/auditor --list".to_owned(),
        ],
    };
    for command in commands {
        output.line(format!("   {command}"));
    }
}
