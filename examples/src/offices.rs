//! The web services that three agencies had before the switch came: decisions, fees, short messages. One small server,
//! on loopback, that counts what it did, so that a story can show that nothing was done twice.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What was done so far.
#[derive(Clone, Debug, Default)]
pub struct Offices {
    done: Arc<Mutex<Done>>,
    /// host:port.
    pub address: String,
}

/// What was done, in order.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Decisions recorded.
    pub decisions: Vec<Value>,
    /// Fees paid.
    pub payments: Vec<Value>,
    /// Short messages sent.
    pub messages: Vec<Value>,
}

impl Offices {
    /// Listens on a free port of loopback, until the runtime ends.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let offices = Self {
            done: Arc::default(),
            address: listener.local_addr()?.to_string(),
        };
        let router = Router::new()
            .route("/decisions", post(decision))
            .route("/payments", post(payment))
            .route("/messages", post(message))
            .with_state(offices.clone());
        tokio::spawn(async move {
            // Only a broken listener ends it early; the story then says that the backend is away.
            let _ = axum::serve(listener, router).await;
        });
        Ok(offices)
    }

    /// What was done so far.
    pub fn done(&self) -> Done {
        self.done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Keeps what came in a list, and gives its number there.
    fn keep(&self, list: impl FnOnce(&mut Done) -> &mut Vec<Value>, value: Value) -> usize {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let list = list(&mut done);
        list.push(value);
        list.len()
    }
}

async fn decision(State(offices): State<Offices>, Json(asked): Json<Value>) -> Json<Value> {
    let number = offices.keep(|done| &mut done.decisions, asked.clone());
    Json(json!({ "decision": asked["decision"], "licence_no": format!("L-2026-{number:04}") }))
}

async fn payment(State(offices): State<Offices>, Json(asked): Json<Value>) -> Json<Value> {
    let number = offices.keep(|done| &mut done.payments, asked.clone());
    Json(json!({ "amount_egp": asked["amount_egp"], "receipt_no": format!("R-{number:06}") }))
}

async fn message(State(offices): State<Offices>, Json(asked): Json<Value>) -> Json<Value> {
    let number = offices.keep(|done| &mut done.messages, asked);
    Json(json!({ "message_no": format!("M-{number:06}") }))
}
