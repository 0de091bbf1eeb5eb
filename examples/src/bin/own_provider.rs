//! An agency answers from its own code. Traffic publishes a service, Health proposes an agreement,
//! Traffic accepts it, Health asks; and is refused a field that the agreement does not grant.

use std::time::Duration;

use adapters::{Failure, Options, Provider, Reply, Request};
use anyhow::{Result, bail};
use cli::commands::agreement::terms::Terms;
use cli::commands::service::definition::Definition;
use cli::commands::{act, agreement, service};
use examples::{Stage, show, told};
use serde_json::{Value, json};

/// Answers for two ambulances.
struct Ambulances;

impl Provider for Ambulances {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        let question: Value = request.json()?;
        let row = match question["plate"].as_str() {
            Some("أ ب ج 10") => {
                json!({ "kind": "ambulance", "licence_valid": true, "owner": "city" })
            }
            Some("أ ب ج 20") => {
                json!({ "kind": "ambulance", "licence_valid": false, "owner": "city" })
            }
            _ => return Err(Failure::NotFound),
        };
        Reply::record(&request, &row)
    }
}

const SERVICE: &str = r#"
service = "ambulances.v1"
name_en = "Ambulances"
name_ar = "سيارات الإسعاف"
[[operations]]
name = "by_plate"
name_en = "One ambulance by plate"
name_ar = "سيارة إسعاف برقم اللوحة"
fields = ["kind", "licence_valid", "owner"]
"#;

const AGREEMENT: &str = r#"
consumer = "EG/GOV/HEALTH"
provider = "EG/GOV/TRAFFIC"
days = 30
[[grants]]
system = "vehicles"
service = "ambulances.v1"
operations = ["by_plate"]
purposes = ["dispatch"]
fields = ["kind", "licence_valid"]
legal_basis = "Synthetic legal basis of the example"
daily_quota = 0
retention_days = 30
"#;

#[tokio::main]
async fn main() -> Result<()> {
    let stage = Stage::start().await?;
    let traffic = stage
        .join("EG/GOV/TRAFFIC", "vehicles", ["Traffic", "المرور"])
        .await?;
    let health = stage
        .join("EG/GOV/HEALTH", "hospitals", ["Health", "الصحة"])
        .await?;

    let definition =
        Definition::parse(SERVICE).map_err(|problems| anyhow::anyhow!(problems.join("; ")))?;
    let by_traffic = act::plain_authority(&traffic).map_err(told)?;
    let by_health = act::plain_authority(&health).map_err(told)?;
    service::publish(&traffic, &by_traffic, &definition)
        .await
        .map_err(told)?;
    let terms = Terms::parse(AGREEMENT).map_err(|problems| anyhow::anyhow!(problems.join("; ")))?;
    let proposed = agreement::propose(&health, &by_health, &terms)
        .await
        .map_err(told)?;
    // The proposal reaches the other agency with the registry.
    let with_proposal = proposed.receipt.stamp.registry_size + 1;
    traffic
        .mirror()
        .reached(with_proposal, Duration::from_secs(10))
        .await?;
    agreement::accept(&traffic, &by_traffic, &proposed.id)
        .await
        .map_err(told)?;
    let serving = traffic.serve(Ambulances, Options::default()).await;
    serving.attached(Duration::from_secs(10)).await?;

    let consumer = health.consumer();
    let ask = |fields: &'static [&'static str]| {
        consumer
            .ask("EG/GOV/TRAFFIC/vehicles/ambulances.v1")
            .operation("by_plate")
            .purpose("dispatch")
            .fields(fields)
            .payload_json(&json!({ "plate": "أ ب ج 10" }))
            .send()
    };
    let answer = ask(&["kind", "licence_valid"]).await?;
    show(format!("answered: {}", answer.json::<Value>()?));
    let Err(refused) = ask(&["kind", "owner"]).await else {
        bail!("a field that was not granted was given out");
    };
    show(format!("refused: {refused}"));

    serving.drain().await?;
    drop((consumer, health, traffic));
    stage.end().await
}
