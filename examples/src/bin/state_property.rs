//! State property and finance: what an asset of the state is worth before it is sold is not for the switch to read. The
//! agreement says so under both seals; the switch judges, routes and records every question all the same. The story stands in
//! `examples/stories/state_property/`; that nothing of it lies in the switch's memory either, a test shows
//! (`tests/scenarios/blind/searched.rs`).

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use examples::town::{Town, part_of_the_story};
use examples::{Voice, show};
use serde_json::json;

/// The asset, and the figure that must not be known before the auction.
const ASSET: &str = "NC-17-0042";
const RESERVE_PRICE: &str = "4117305291";

fn main() -> ExitCode {
    if let Some(code) = part_of_the_story() {
        return code;
    }
    examples::run_story(|voice| Box::pin(story(voice)))
}

async fn story(voice: Voice) -> Result<()> {
    let town = Town::build("state_property", &[], voice).await?;
    let (assets, finance) = (town.home("assets"), town.home("finance"));
    let data = json!({ "operation": "valuation", "parameters": { "asset": ASSET } }).to_string();
    let valuation = [
        "call",
        "EG/GOV/STATEPROPERTY/register/assets.v1",
        "valuation",
        "--home",
        &finance,
        "--purpose",
        "state-assets",
        "--fields",
        "asset,lien_egp,reserve_price_egp",
        "--data",
        &data,
    ];

    voice.part(
        "1. Nobody can seal to a register without a key, and in the open nothing leaves the Ministry",
        "1. لا يمكن التعمية لسجل بلا مفتاح، ولا يخرج شيء مكشوف من الوزارة",
    );
    let said = town.tell(2, &valuation).await?;
    ensure!(
        said.contains("adapter encryption-key"),
        "nobody said what to do"
    );

    voice.part(
        "2. The authority binds its register's encryption key",
        "2. تربط الهيئة مفتاح التعمية لسجلها",
    );
    town.tell(0, &["adapter", "encryption-key", "--home", &assets])
        .await?;

    voice.part(
        "3. The same question, sealed there and back without a word",
        "3. السؤال نفسه، معمّى ذهابًا وإيابًا دون أي إجراء",
    );
    let answered = town.ask(&valuation).await?;
    ensure!(
        answered.to_string().contains(RESERVE_PRICE),
        "the figure did not come: {answered}"
    );
    let exchange = answered["exchange_id"].as_str().context("no exchange id")?;
    show(voice.say(
        &format!("   the Ministry of Finance reads: reserve price {RESERVE_PRICE} EGP"),
        &format!("   تقرأ وزارة المالية: السعر الأساسي {RESERVE_PRICE} جنيه"),
    ));
    nothing_is_seen(&town, voice)?;

    both_keep_it(&town, voice, exchange).await?;

    voice.part("5. The log", "5. السجل");
    town.end_log().await?;
    Ok(())
}

/// The switch knows who asked whom, and nothing of what.
fn nothing_is_seen(town: &Town, voice: Voice) -> Result<()> {
    // The search finds what the switch does know.
    ensure!(
        !town.seen_by_the_switch("EG/GOV/FINANCE/budget")?.is_empty(),
        "nothing was searched"
    );
    for secret in [RESERVE_PRICE, ASSET] {
        let found = town.seen_by_the_switch(secret)?;
        ensure!(found.is_empty(), "{secret} stands in {found:?}");
    }
    show(voice.say(
        "   the switch's files hold who asked whom, for what purpose, and no figure and no asset",
        "   ملفات المحوِّل فيها من سأل من ولأي غرض، وليس فيها رقم ولا أصل",
    ));
    Ok(())
}

/// Salt and payload are in both journals, as after any exchange.
async fn both_keep_it(town: &Town, voice: Voice, exchange: &str) -> Result<()> {
    voice.part(
        "4. Both sides keep what was exchanged, and can show it to a court",
        "4. يحتفظ الطرفان بما جرى تبادله، ويمكنهما عرضه على القضاء",
    );
    for home in [town.home("finance"), town.home("assets")] {
        let kept = town
            .ask(&[
                "adapter",
                "receipts",
                "--home",
                &home,
                "--disclose",
                exchange,
            ])
            .await?;
        ensure!(
            kept.to_string().contains("payload"),
            "nothing is kept: {kept}"
        );
    }
    show(voice.say(
        "   salt and payload are in both journals",
        "   الملح والمحتوى في سجلّي الطرفين",
    ));
    Ok(())
}
