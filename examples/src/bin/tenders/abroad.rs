//! A bidder from another country: admitted by the operator, let in by the authority alone, operation by operation, and
//! looked into at the registers of its own country, which open to ours in their turn.

use adapters::ExchangeError;
use adapters::provider::Handle;
use anyhow::{Result, ensure};
use examples::desk::{Desk, WAIT};
use examples::{Stage, Voice, show};
use serde_json::{Value, json};

use crate::{
    COMPANIES, Market, PLOT, Register, STANDING, TENDERS, ask, of_a_register, refused, to_all,
};

const TAX: &str = "JO/GOV/TAX/register/standing.v1";
const COMMERCE: &str = "JO/GOV/COMMERCE/register/companies.v1";

/// Who came from abroad.
pub(crate) struct Abroad {
    petra: Desk,
    registers: [Desk; 2],
    serving: Vec<Handle>,
}

impl Abroad {
    /// They leave, before the switch is stopped.
    pub(crate) async fn leave(self) -> Result<()> {
        for handle in self.serving {
            handle.drain().await?;
        }
        drop((self.petra, self.registers));
        Ok(())
    }
}

/// The bidder comes, reads, bids, is looked into, and is sent away with its country.
pub(crate) async fn bidder(stage: &Stage, market: &Market, voice: Voice) -> Result<Abroad> {
    voice.part("4. A bidder from another country", "4. مقدم عرض من بلد آخر");
    let names = ["Petra Contracting", "البتراء للمقاولات"];
    let early = Desk::open(stage, "JO/COM/PETRA", "office", names).await;
    ensure!(early.is_err(), "nobody admitted Jordan, and it came in");
    stage.admit("JO", ["Jordan", "الأردن"]).await?;
    let petra = Desk::open(stage, "JO/COM/PETRA", "office", names).await?;
    show(voice.say(
        "   JO: admitted by the operator; JO/COM/PETRA is a member",
        "   JO: قبله المشغّل؛ وJO/COM/PETRA عضو",
    ));
    listed(market, &petra, voice).await?;
    let (registers, serving) = looked_into(stage, market, voice).await?;

    stage
        .withdraw("JO", "The treaty of the story ended")
        .await?;
    let fields = ["closes", "tender", "title_ar", "title_en"];
    let gone = ask(&petra, TENDERS, "list", &fields, &json!({})).await;
    let why = ["its country was withdrawn", "سُحب قبول بلدها"];
    shut(gone, "border_closed", why, voice)?;
    Ok(Abroad {
        petra,
        registers,
        serving,
    })
}

/// Refused, and why, for people.
fn shut(
    ended: Result<Value, ExchangeError>,
    code: &str,
    [english, arabic]: [&str; 2],
    voice: Voice,
) -> Result<()> {
    show(format!("   {}:", voice.say(english, arabic)));
    refused(ended, code, voice)
}

/// It sees what is open in its country's sight, and nothing before.
async fn listed(market: &Market, petra: &Desk, voice: Voice) -> Result<()> {
    let fields = ["closes", "tender", "title_ar", "title_en"];
    let list = || async { ask(petra, TENDERS, "list", &fields, &json!({})).await };
    let why = [
        "the public grant is for members of this country",
        "الإذن العام لأعضاء هذا البلد",
    ];
    shut(list().await, "no_agreement", why, voice)?;
    let (agreement, size) = market.authority.propose(&to_all("JO/COM/*")).await?;
    petra.adapter.mirror().reached(size, WAIT).await?;
    let why = [
        "a public grant for its country, not opened abroad",
        "إذن عام لبلدها لم يُفتح للخارج",
    ];
    shut(list().await, "border_closed", why, voice)?;
    let authority = &market.authority;
    authority.open_abroad(agreement, &["list"], "JO").await?;
    let open = list().await?;
    ensure!(open["tender"] == PLOT, "{open}");
    let title = voice.say("title_en", "title_ar");
    show(format!(
        "   JO/COM/PETRA: {} {}",
        open["tender"], open[title]
    ));
    let bid = json!({ "tender": PLOT, "company": "C-900", "price_egp": 38_700_000 });
    let bids = || async { ask(petra, TENDERS, "bid", &["accepted_as", "tender"], &bid).await };
    let why = [
        "to read is open to it, to bid is not",
        "الاطلاع مفتوح لها وتقديم العروض غير مفتوح",
    ];
    shut(bids().await, "border_closed", why, voice)?;
    authority.open_abroad(agreement, &["bid"], "JO").await?;
    let taken = bids().await?;
    ensure!(taken["accepted_as"] == 3, "{taken}");
    show(voice.say(
        &format!("   JO/COM/PETRA: bid number {}", taken["accepted_as"]),
        &format!("   JO/COM/PETRA: العرض رقم {}", taken["accepted_as"]),
    ));
    Ok(())
}

/// Its standing, from the registers of its own country, as far as they opened it to this one.
async fn looked_into(
    stage: &Stage,
    market: &Market,
    voice: Voice,
) -> Result<([Desk; 2], Vec<Handle>)> {
    let names = ["Taxes of Jordan", "ضرائب الأردن"];
    let tax = Desk::open(stage, "JO/GOV/TAX", "register", names).await?;
    let names = ["Companies of Jordan", "شركات الأردن"];
    let commerce = Desk::open(stage, "JO/GOV/COMMERCE", "register", names).await?;
    tax.publish(STANDING).await?;
    commerce.publish(COMPANIES).await?;
    let rows = json!({ "C-900": { "in_good_standing": true, "turnover_egp": 310_000_000 } });
    let mut serving = vec![tax.serve(Register(rows)).await?];
    let rows = json!({ "C-900": { "active": true, "activity": "construction" } });
    serving.push(commerce.serve(Register(rows)).await?);
    let question = json!({ "company": "C-900" });
    let authority = &market.authority;
    for (register, provider, asked, field) in [
        (&tax, "JO/GOV/TAX", TAX, "in_good_standing"),
        (&commerce, "JO/GOV/COMMERCE", COMMERCE, "active"),
    ] {
        let service = asked.rsplit('/').next().unwrap_or_default();
        let terms = of_a_register(provider, service, field);
        let proposed = authority.propose(&terms).await?;
        let size = register.accept(proposed).await?;
        authority.adapter.mirror().reached(size, WAIT).await?;
        let look = || async { ask(authority, asked, "by_number", &[field], &question).await };
        let why = [
            "agreed by both, and its register has not opened it",
            "اتفق الطرفان ولم يفتحه سجل بلدها",
        ];
        shut(look().await, "border_closed", why, voice)?;
        register
            .open_abroad(proposed.0, &["by_number"], "EG")
            .await?;
        let row = look().await?;
        ensure!(row[field] == true, "{row}");
    }
    show(voice.say(
        "   JO/COM/PETRA: in good standing and active at home: admitted",
        "   JO/COM/PETRA: موقفها سليم ونشطة في بلدها: مقبولة",
    ));
    Ok(([tax, commerce], serving))
}
