//! The payment office: an agency's own provider that takes payment orders, and pays each household once in an order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use adapters::{Failure, Home, Options, Provider, Reply, Request, serve};
use anyhow::Result;
use serde_json::{Value, json};

use crate::show;

/// One order: household → receipt's number and pounds.
type Order = BTreeMap<String, (u64, u64)>;

/// What was paid, by order.
#[derive(Debug, Default)]
struct Office {
    paid: Mutex<BTreeMap<String, Order>>,
}

impl Office {
    fn pay(&self, order: &str, household: &str, pounds: u64) -> Result<Value, Failure> {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let order = paid.entry(order.to_owned()).or_default();
        let next = order.len() as u64 + 1;
        // Asked again, it says what it did.
        let (number, paid) = *order.entry(household.to_owned()).or_insert((next, pounds));
        match paid == pounds {
            true => Ok(json!({ "receipt": format!("P-{number:07}"), "paid_egp": paid })),
            false => Err(Failure::InvalidRequest(
                "another amount was paid".to_owned(),
            )),
        }
    }

    fn totals(&self, order: &str) -> Result<Value, Failure> {
        let paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let order = paid.get(order).ok_or(Failure::NotFound)?;
        let sum: u64 = order.values().map(|(_, pounds)| pounds).sum();
        Ok(json!({ "payments": order.len(), "sum_egp": sum }))
    }
}

impl Provider for Office {
    fn operation_of(&self, _: &str, payload: &[u8]) -> Option<String> {
        let question: Value = serde_json::from_slice(payload).ok()?;
        question["operation"].as_str().map(str::to_owned)
    }

    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        let question: Value = request.json()?;
        let text = |name: &str| {
            let text = question["parameters"][name].as_str();
            text.ok_or_else(|| Failure::InvalidRequest(format!("{name} is missing")))
        };
        let record = match request.operation.as_str() {
            "pay" => {
                let pounds = text("amount_egp")?.parse();
                let pounds = pounds.map_err(|_| {
                    Failure::InvalidRequest("amount_egp is no number of pounds".to_owned())
                })?;
                self.pay(text("order")?, text("household_id")?, pounds)?
            }
            _ => self.totals(text("order")?)?,
        };
        Reply::record(&request, &record)
    }
}

/// Serves as the home's system until the process is told to stop.
///
/// # Errors
/// The home cannot be used, or the switch does not answer.
pub async fn run(home: &Path) -> Result<()> {
    let handle = serve(Home::open(home)?, Office::default(), Options::default()).await?;
    handle.attached(std::time::Duration::from_secs(20)).await?;
    show("serving");
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    stop.recv().await;
    handle.drain().await?;
    Ok(())
}
