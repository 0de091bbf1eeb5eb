//! The HTTP backend of social solidarity: a small web service that existed before the switch.
//!
//! `GET /applications/{national_id}` answers one application as JSON, 404 when there is none and 400
//! when the path holds no national ID. It listens on loopback only.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::people::{NationalId, SocialSolidarityBackend};
use crate::failure::Failure;

/// Starts the backend on a free port; it ends when the handle is aborted.
pub(super) async fn start(
    rows: SocialSolidarityBackend,
) -> Result<(SocketAddr, JoinHandle<()>), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(Failure::unavailable)?;
    let address = listener.local_addr().map_err(Failure::unavailable)?;
    let router = Router::new()
        .route("/applications/{national_id}", get(application))
        .with_state(Arc::new(rows));
    let served = tokio::spawn(async move {
        // Only a broken listener ends it early; the story then says that the backend is unavailable.
        let _ = axum::serve(listener, router).await;
    });
    Ok((address, served))
}

async fn application(
    State(rows): State<Arc<SocialSolidarityBackend>>,
    Path(national_id): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    let id = NationalId::parse(&national_id).map_err(|_| StatusCode::BAD_REQUEST)?;
    rows.find(id)
        .map(|row| Json(row.to_json()))
        .ok_or(StatusCode::NOT_FOUND)
}
