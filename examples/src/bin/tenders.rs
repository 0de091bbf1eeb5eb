//! Tenders and investment opportunities: one authority publishes them to every commercial member by a public grant, which
//! it seals alone; two members read and bid; each bidder's standing is asked of the tax and the commercial register under
//! agreements of both sides. A bidder in arrears is not let in, and a bidder cannot ask about another. One from another
//! country sees and does what the authority opened abroad, and is looked into at home.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use adapters::provider::Handle;
use adapters::{ExchangeError, Failure, Provider, Reply, Request};
use anyhow::{Result, bail, ensure};
use examples::desk::Desk;
use examples::{Stage, Voice, show};
use proto::entry::Kind;
use serde_json::{Value, json};

#[path = "tenders/abroad.rs"]
mod abroad;

const TENDERS: &str = "EG/GOV/TENDERS/portal/opportunities.v1";
const TAX: &str = "EG/GOV/TAX/register/standing.v1";
const COMMERCE: &str = "EG/GOV/COMMERCE/register/companies.v1";
const PLOT: &str = "T-2026-014";

const OPPORTUNITIES: &str = r#"
service = "opportunities.v1"
name_en = "Tenders, auctions and investment opportunities"
name_ar = "المناقصات والمزايدات والفرص الاستثمارية"
sensitivity = "public"
[[operations]]
name = "bid"
name_en = "Put in a bid"
name_ar = "تقديم عرض"
fields = ["accepted_as", "tender"]
[[operations]]
name = "list"
name_en = "Open opportunities"
name_ar = "الفرص المفتوحة"
fields = ["closes", "tender", "title_ar", "title_en"]
"#;

const STANDING: &str = r#"
service = "standing.v1"
name_en = "Tax standing"
name_ar = "الموقف الضريبي"
[[operations]]
name = "by_number"
name_en = "One company by its number"
name_ar = "شركة برقمها"
fields = ["in_good_standing", "turnover_egp"]
"#;

const COMPANIES: &str = r#"
service = "companies.v1"
name_en = "Commercial register"
name_ar = "السجل التجاري"
[[operations]]
name = "by_number"
name_en = "One company by its number"
name_ar = "شركة برقمها"
fields = ["active", "activity"]
"#;

/// A public grant by class: whoever is a commercial member may ask, and the provider seals it alone.
fn to_all(members: &str) -> String {
    format!(
        r#"
consumer = "{members}"
provider = "EG/GOV/TENDERS"
days = 90
[[grants]]
system = "portal"
service = "opportunities.v1"
operations = ["bid", "list"]
purposes = ["licensing"]
fields = ["accepted_as", "closes", "tender", "title_ar", "title_en"]
legal_basis = "Synthetic legal basis of the story"
daily_quota = 0
retention_days = 365
sensitivity = "public"
"#
    )
}

/// Of the two registers the authority gets what a bid needs, and no figure.
fn of_a_register(provider: &str, service: &str, field: &str) -> String {
    format!(
        r#"
consumer = "EG/GOV/TENDERS"
provider = "{provider}"
days = 90
[[grants]]
system = "register"
service = "{service}"
operations = ["by_number"]
purposes = ["licensing"]
fields = ["{field}"]
legal_basis = "Synthetic legal basis of the story"
daily_quota = 0
retention_days = 365
"#
    )
}

/// The authority's portal: what is open, and the bids that came, by who sealed them.
#[derive(Clone, Default)]
struct Portal {
    bids: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Portal {
    fn bids(&self) -> BTreeMap<String, Value> {
        // The map is whole whenever the lock is free.
        let bids = self.bids.lock().unwrap_or_else(PoisonError::into_inner);
        bids.clone()
    }
}

impl Provider for Portal {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        if request.operation.as_str() == "list" {
            let open = json!({
                "tender": PLOT, "closes": "2026-12-31",
                "title_en": "A solar field of 50 MW", "title_ar": "حقل شمسي بقدرة 50 ميجاوات",
            });
            return Reply::record(&request, &open);
        }
        let bid: Value = request.json()?;
        if bid["tender"] != PLOT {
            return Err(Failure::NotFound);
        }
        // Who bids is whose key sealed the request, not what the bid says.
        let bidder = request.consumer.agency().to_string();
        let mut bids = self.bids.lock().unwrap_or_else(PoisonError::into_inner);
        let place = bids.len() + 1;
        bids.insert(bidder, bid);
        let accepted = json!({ "tender": PLOT, "accepted_as": place });
        Reply::record(&request, &accepted)
    }
}

/// A register of two companies.
struct Register(Value);

impl Provider for Register {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        let question: Value = request.json()?;
        let number = question["company"].as_str().unwrap_or_default();
        match self.0.get(number) {
            Some(row) => Reply::record(&request, row),
            None => Err(Failure::NotFound),
        }
    }
}

/// Asks for the one purpose of this story.
async fn ask(
    desk: &Desk,
    service: &str,
    operation: &str,
    fields: &[&str],
    question: &Value,
) -> Result<Value, ExchangeError> {
    let consumer = desk.adapter.consumer();
    let answer = consumer
        .ask(service)
        .operation(operation)
        .purpose("licensing")
        .fields(fields)
        .payload_json(question)
        .send()
        .await?;
    Ok(answer.json().unwrap_or_default())
}

/// Everybody in the story.
struct Market {
    authority: Desk,
    nile: Desk,
    delta: Desk,
    portal: Portal,
    serving: Vec<Handle>,
    /// The registers stay on the stage while they serve.
    registers: [Desk; 2],
}

fn main() -> ExitCode {
    examples::run_story(|voice| Box::pin(story(voice)))
}

async fn story(voice: Voice) -> Result<()> {
    let stage = Stage::start().await?;
    let market = open(&stage).await?;
    bid(&market, voice).await?;
    look_into(&market, voice).await?;

    let abroad = abroad::bidder(&stage, &market, voice).await?;

    voice.part("5. The log", "5. السجل");
    abroad.leave().await?;
    let Market {
        authority,
        nile,
        delta,
        serving,
        registers,
        ..
    } = market;
    for handle in serving {
        handle.drain().await?;
    }
    drop((authority, nile, delta, registers));
    let (mut asked, mut refused) = (0, 0);
    let on_event = |event: &audit::replay::Event| match event.kind {
        Kind::Request => asked += 1,
        Kind::Refusal => refused += 1,
        _ => {}
    };
    stage.end_with(voice, on_event).await?;
    ensure!(
        (asked, refused) == (12, 8),
        "{asked} asked, {refused} refused"
    );
    show(voice.say(
        &format!("{asked} questions and bids let through, {refused} refused, each under the seal of who asked"),
        &format!("سُمح بـ{asked} من الأسئلة والعروض ورُفض {refused}، وكل منها بختم السائل"),
    ));
    Ok(())
}

async fn open(stage: &Stage) -> Result<Market> {
    let authority = Desk::open(
        stage,
        "EG/GOV/TENDERS",
        "portal",
        ["Tenders authority", "هيئة المناقصات"],
    )
    .await?;
    let tax = Desk::open(stage, "EG/GOV/TAX", "register", ["Taxes", "الضرائب"]).await?;
    let names = ["Commercial register", "السجل التجاري"];
    let commerce = Desk::open(stage, "EG/GOV/COMMERCE", "register", names).await?;
    let nile = Desk::open(
        stage,
        "EG/COM/NILE",
        "office",
        ["Nile Works", "أعمال النيل"],
    )
    .await?;
    let delta = Desk::open(
        stage,
        "EG/COM/DELTA",
        "office",
        ["Delta Solar", "دلتا للطاقة"],
    )
    .await?;
    authority.publish(OPPORTUNITIES).await?;
    tax.publish(STANDING).await?;
    commerce.publish(COMPANIES).await?;
    authority.propose(&to_all("EG/COM/*")).await?;
    let terms = of_a_register("EG/GOV/TAX", "standing.v1", "in_good_standing");
    tax.accept(authority.propose(&terms).await?).await?;
    let terms = of_a_register("EG/GOV/COMMERCE", "companies.v1", "active");
    let size = commerce.accept(authority.propose(&terms).await?).await?;
    for office in [&authority, &nile, &delta] {
        office
            .adapter
            .mirror()
            .reached(size, examples::desk::WAIT)
            .await?;
    }
    let portal = Portal::default();
    let taxes = json!({
        "C-100": { "in_good_standing": true, "turnover_egp": 91_000_000 },
        "C-200": { "in_good_standing": false, "turnover_egp": 12_000_000 },
    });
    let companies = json!({
        "C-100": { "active": true, "activity": "construction" },
        "C-200": { "active": true, "activity": "solar" },
    });
    let serving = vec![
        authority.serve(portal.clone()).await?,
        tax.serve(Register(taxes)).await?,
        commerce.serve(Register(companies)).await?,
    ];
    Ok(Market {
        authority,
        nile,
        delta,
        portal,
        serving,
        registers: [tax, commerce],
    })
}

async fn bid(market: &Market, voice: Voice) -> Result<()> {
    voice.part(
        "1. One public grant to all commercial members, sealed by the authority alone",
        "1. إذن عام واحد لكل الأعضاء التجاريين، تختمه الهيئة وحدها",
    );
    for office in [&market.nile, &market.delta] {
        let fields = ["closes", "tender", "title_ar", "title_en"];
        let open = ask(office, TENDERS, "list", &fields, &json!({})).await?;
        let who = office.adapter.home().system().agency();
        ensure!(open["tender"] == PLOT, "{open}");
        let title = voice.say("title_en", "title_ar");
        show(format!("   {who}: {} {}", open["tender"], open[title]));
    }
    voice.part("2. Two bids", "2. عرضان");
    for (office, company, egp) in [
        (&market.nile, "C-100", 41_500_000),
        (&market.delta, "C-200", 39_900_000),
    ] {
        let bid = json!({ "tender": PLOT, "company": company, "price_egp": egp });
        let fields = ["accepted_as", "tender"];
        let taken = ask(office, TENDERS, "bid", &fields, &bid).await?;
        let who = office.adapter.home().system().agency();
        show(voice.say(
            &format!("   {who}: bid number {}", taken["accepted_as"]),
            &format!("   {who}: العرض رقم {}", taken["accepted_as"]),
        ));
    }
    let bids = market.portal.bids();
    ensure!(bids.len() == 2, "two bids, not {bids:?}");
    Ok(())
}

async fn look_into(market: &Market, voice: Voice) -> Result<()> {
    voice.part(
        "3. Each bidder's standing, asked of two registers",
        "3. موقف كل مقدم عرض من سجلين",
    );
    for (bidder, bid) in market.portal.bids() {
        let question = json!({ "company": bid["company"] });
        let standing = |service: &'static str, field: &'static str| {
            let (authority, question) = (&market.authority, &question);
            async move { ask(authority, service, "by_number", &[field], question).await }
        };
        let tax = standing(TAX, "in_good_standing").await?;
        let company = standing(COMMERCE, "active").await?;
        let admitted = tax["in_good_standing"] == true && company["active"] == true;
        ensure!(
            admitted == (bidder == "EG/COM/NILE"),
            "{bidder}: {tax} {company}"
        );
        show(match admitted {
            true => voice
                .say(
                    &format!("   {bidder}: in good standing and active: admitted"),
                    &format!("   {bidder}: موقفها سليم ونشطة: مقبولة"),
                )
                .to_owned(),
            false => voice
                .say(
                    &format!("   {bidder}: in arrears with taxes: not admitted"),
                    &format!("   {bidder}: عليها متأخرات ضريبية: غير مقبولة"),
                )
                .to_owned(),
        });
    }
    // The figure behind the standing was not granted, and a bidder has no way to the register at all.
    let question = json!({ "company": "C-200" });
    let figure = ask(
        &market.authority,
        TAX,
        "by_number",
        &["turnover_egp"],
        &question,
    );
    refused(figure.await, "field_not_granted", voice)?;
    let other = ask(
        &market.nile,
        TAX,
        "by_number",
        &["in_good_standing"],
        &question,
    );
    refused(other.await, "no_agreement", voice)
}

fn refused(ended: Result<Value, ExchangeError>, code: &str, voice: Voice) -> Result<()> {
    let Err(ExchangeError::Refused(refused)) = ended else {
        bail!("not refused, but {ended:?}");
    };
    ensure!(refused.code.name() == code, "refused as {}", refused.code);
    show(voice.say(&format!("   refused: {code}"), &format!("   رُفض: {code}")));
    Ok(())
}
