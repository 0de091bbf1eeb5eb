//! From nothing to a proved answer: a switch starts, a health agency comes on board, and asks the echo
//! service that every switch offers, so that a first exchange needs nobody else.

use anyhow::Result;
use examples::{Stage, show};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<()> {
    let stage = Stage::start().await?;
    let health = stage
        .join(
            "EG/GOV/HEALTH",
            "hospitals",
            ["Ministry of Health", "وزارة الصحة"],
        )
        .await?;

    let answer = health
        .consumer()
        .ask("EG/GOV/SWITCH/echo/echo.v1")
        .operation("echo")
        .purpose("test")
        .payload_json(&json!({ "hello": "أهلًا" }))
        .send()
        .await?;

    show(format!("it came back: {}", answer.json::<Value>()?));
    show(format!(
        "request at {}, answer at {} of the log, both proved",
        answer.request_index, answer.closing_index
    ));
    drop(health);
    stage.end().await
}
