//! The HTTP of the figures: `GET /metrics`, and nothing else.
//!
//! Plain HTTP on a loopback address. Connections and waiting are bounded, so that a scraper that hangs costs nothing else.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Sources, text};

/// Connections at once; one more is closed.
const CONNECTIONS_MAX: usize = 16;
/// How long a scraper may take for a request's head, and keep a connection that it does not use.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// After a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `sources` on `listener` until `done`.
pub(crate) async fn serve(listener: TcpListener, sources: Arc<Sources>, done: CancellationToken) {
    let router = Router::new()
        .route("/metrics", get(figures))
        .with_state(sources);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = tokio::select! {
            () = done.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, mostly: they come back.
                    tracing::warn!(%error, "a scraper's connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            continue;
        };
        let (router, done) = (router.clone(), done.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connection(stream, router) => {}
                () = done.cancelled() => {}
            }
            drop(permit);
        });
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    let service = TowerToHyperService::new(router);
    // How a scraper's connection ended is its own business.
    let _ = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn figures(State(sources): State<Arc<Sources>>) -> Response {
    match text(&sources) {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
