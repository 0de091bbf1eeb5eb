//! The mail service: an agency's own provider that hands letters to an SMTP server. A process of its own in the stories.

use std::path::Path;

use adapters::{Failure, Home, Options, Provider, Reply, Request, serve};
use anyhow::Result;
use serde_json::{Value, json};

use crate::show;
use crate::smtp::{self, Letter};

/// From whom all letters come.
const FROM: &str = "service@post.example";

/// Hands letters to one server.
#[derive(Debug)]
struct Letters {
    server: String,
}

impl Provider for Letters {
    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        let question: Value = request.json()?;
        let text = |name: &str| {
            let text = question["parameters"][name].as_str().map(str::to_owned);
            text.ok_or_else(|| Failure::InvalidRequest(format!("{name} is missing")))
        };
        let letter = Letter {
            from: FROM.to_owned(),
            to: text("to")?,
            subject: text("subject")?,
            text: text("text")?,
        };
        smtp::send(&self.server, &letter)
            .await
            .map_err(Failure::failed)?;
        Reply::record(
            &request,
            &json!({ "message_id": request.exchange_id.to_string() }),
        )
    }
}

/// Serves as the home's system until the process is told to stop.
///
/// # Errors
/// The home cannot be used, or the switch does not answer.
pub async fn run(home: &Path, server: &str) -> Result<()> {
    let letters = Letters {
        server: server.to_owned(),
    };
    let handle = serve(Home::open(home)?, letters, Options::default()).await?;
    handle.attached(std::time::Duration::from_secs(20)).await?;
    show("serving");
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    stop.recv().await;
    handle.drain().await?;
    Ok(())
}
