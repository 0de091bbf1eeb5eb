//! A backend for tests, over real sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// A backend on loopback that answers every request with the same bytes and remembers what came.
pub(super) struct Backend {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<String>>>,
    _task: AbortOnDropHandle<()>,
}

impl Backend {
    pub(super) async fn start(answer: Vec<u8>, pause: Duration, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (notes, answer) = (Arc::clone(&seen), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (notes, answer, tls) = (Arc::clone(&notes), Arc::clone(&answer), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, &notes, &answer, pause).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, &notes, &answer, pause).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            url,
            seen,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(super) async fn json(status: &str, body: &str) -> Self {
        Self::start(
            response(status, "application/json", body),
            Duration::ZERO,
            None,
        )
        .await
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    notes: &Mutex<Vec<String>>,
    answer: &[u8],
    pause: Duration,
) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 && bytes.len() < 64 * 1024 => {
                bytes.extend_from_slice(&buffer[..read])
            }
            _ => return,
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break;
        }
    }
    notes
        .lock()
        .unwrap()
        .push(String::from_utf8(bytes).unwrap());
    tokio::time::sleep(pause).await;
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

pub(super) fn response(status: &str, media: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}
