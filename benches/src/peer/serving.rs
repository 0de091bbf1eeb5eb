//! A tonic server behind our own mutual TLS: the backend and the hub.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use certs::tls::{server_config, system_time};
use cli::bench::load::{dismissed, say};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::{Connected, Router};

/// How long a handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Connections accepted and not yet served.
const WAITING: usize = 64;
/// HTTP/2 windows, bytes, and streams of a connection, as a broker's listener has them.
pub(super) const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
pub(super) const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
pub(super) const STREAMS: u32 = 4_096;

/// Serves `router` with the certificate `backend` or `middle` of `dir` until the harness dismisses it.
pub(super) async fn serve(dir: &Path, name: &str, router: Router) -> anyhow::Result<()> {
    let acceptor = TlsAcceptor::from(tls(dir, name)?);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let (sender, accepted) = mpsc::channel(WAITING);
    let accepting = tokio::spawn(accept(listener, acceptor, sender));
    let server = router.serve_with_incoming(ReceiverStream::new(accepted));
    say(&format!("ready {address}"))?;
    let served = tokio::select! {
        served = server => served.map_err(Into::into),
        () = dismissed() => Ok(()),
    };
    accepting.abort();
    served
}

/// Shows the certificate `name` and demands one of whoever connects.
pub(super) fn tls(dir: &Path, name: &str) -> anyhow::Result<Arc<ServerConfig>> {
    let (identity, trust) = super::certificates::identity(dir, name)?;
    Ok(server_config(&identity, &trust, system_time())?)
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    sender: mpsc::Sender<io::Result<Accepted>>,
) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        tokio::spawn(async move {
            // A failed handshake shows as the other side's failed call.
            if tcp.set_nodelay(true).is_ok()
                && let Ok(Ok(stream)) =
                    tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(tcp)).await
            {
                let _ = sender.send(Ok(Accepted(stream))).await;
            }
        });
    }
}

/// A TLS connection in the shape that tonic serves.
struct Accepted(TlsStream<TcpStream>);

impl Connected for Accepted {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
