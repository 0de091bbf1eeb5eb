//! The HTTP of a witness: `POST /add-checkpoint` and `GET /ORIGIN-HASH/checkpoint`, and nothing else.
//!
//! Plain HTTP: what is asked and answered is public and signed. Bodies, connections and waiting are bounded; a stranger can
//! make it busy, and never make it sign. What must be looked at goes to standard error as events.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit::clock::Clock;
use audit::witness::request::REQUEST_BYTES_MAX;
use audit::witness::{Answer, Event, Witness};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at once; one more is closed.
const CONNECTIONS_MAX: usize = 128;
/// How long a client may take for a request's head, and how long a connection may wait for the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is said how much was done.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// How long requests under way may take at the end.
const END: Duration = Duration::from_secs(2);

/// A witness that is served. Dropped, it ends at once.
#[derive(Debug)]
pub struct Served {
    /// Where.
    pub address: SocketAddr,
    done: CancellationToken,
    tasks: TaskTracker,
}

/// What the handlers share.
#[derive(Clone)]
struct Office {
    witness: Arc<Witness>,
    clock: Clock,
    counts: Arc<Counts>,
}

/// How often what happened.
#[derive(Debug, Default)]
struct Counts {
    cosigned: AtomicU64,
    elsewhere: AtomicU64,
    inconsistent: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

/// Serves `witness` on `listener`.
///
/// # Errors
/// A listener that is none.
pub fn serve(listener: TcpListener, witness: Arc<Witness>, clock: Clock) -> io::Result<Served> {
    let address = listener.local_addr()?;
    let office = Office {
        witness,
        clock,
        counts: Arc::default(),
    };
    let served = Served {
        address,
        done: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(checkpoint))
        .with_state(office.clone());
    let (done, tasks) = (served.done.clone(), served.tasks.clone());
    served.tasks.spawn(accept(listener, router, done, tasks));
    served.tasks.spawn(tell(office.counts, served.done.clone()));
    Ok(served)
}

impl Served {
    /// Takes no more requests and ends those under way.
    pub async fn end(self) {
        self.done.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(END, self.tasks.wait()).await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.done.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    done: CancellationToken,
    tasks: TaskTracker,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = tokio::select! {
            () = done.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, mostly: they come back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            continue;
        };
        let connection = connection(stream, router.clone(), done.clone());
        tasks.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
}

async fn connection(stream: TcpStream, router: Router, done: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    let service = TowerToHyperService::new(router);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    tokio::select! {
        // How a stranger's connection ended is nobody's business.
        _ = serving.as_mut() => {}
        () = done.cancelled() => {
            serving.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(END, serving).await;
        }
    }
}

async fn add_checkpoint(State(office): State<Office>, body: Body) -> Response {
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, REQUEST_BYTES_MAX)).await;
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let (witness, now_s) = (Arc::clone(&office.witness), office.clock.now_ms() / 1_000);
    let answered = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body, now_s)).await;
    let Ok(answer) = answered else {
        office.counts.failed.fetch_add(1, Ordering::Relaxed);
        tracing::error!("answering a request panicked");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    office.counts.note(&answer.event);
    response(answer)
}

async fn checkpoint(State(office): State<Office>, Path(origin): Path<String>) -> Response {
    match office.witness.cosigned(&origin) {
        Some(note) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn response(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (
        status,
        [(header::CONTENT_TYPE, answer.content_type)],
        answer.body,
    )
        .into_response()
}

impl Counts {
    /// Counts an event; what somebody should look at is said.
    fn note(&self, event: &Event) {
        let counted = match event {
            Event::Cosigned {
                origin,
                size,
                behind_s,
            } => {
                tracing::debug!(%origin, size, "cosigned");
                if *behind_s > 0 {
                    tracing::warn!(%origin, behind_s, "this machine's clock lies behind the last cosignature: set it right");
                }
                &self.cosigned
            }
            Event::Elsewhere {
                origin,
                size,
                submitted,
            } => {
                if submitted < size {
                    tracing::warn!(%origin, remembered = size, submitted, "a smaller tree than the one that was cosigned: an old checkpoint, or a log that went back");
                }
                &self.elsewhere
            }
            Event::Inconsistent {
                origin,
                size,
                submitted,
                kept,
            } => {
                // Once for each tree: whoever has a signed checkpoint could otherwise fill this with wrong proofs.
                if *kept {
                    let fork = size == submitted;
                    tracing::error!(%origin, remembered = size, submitted, fork, "ALARM: a signed checkpoint does not extend what was cosigned; it is kept under memory/evidence");
                }
                &self.inconsistent
            }
            Event::Refused(what) => {
                tracing::debug!(%what, "refused");
                &self.refused
            }
            Event::Failed(what) => {
                tracing::error!(%what, "ALARM: this witness cannot sign");
                &self.failed
            }
        };
        counted.fetch_add(1, Ordering::Relaxed);
    }
}

/// Says each minute how much was done.
async fn tell(counts: Arc<Counts>, done: CancellationToken) {
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    loop {
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(TOLD_EVERY) => {}
        }
        tracing::info!(
            cosigned = of(&counts.cosigned),
            elsewhere = of(&counts.elsewhere),
            inconsistent = of(&counts.inconsistent),
            refused = of(&counts.refused),
            failed = of(&counts.failed),
            "since the start"
        );
    }
}
