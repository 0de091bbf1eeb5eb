//! The gRPC server behind nginx: gives every envelope back. The smallest honest work for a proxy's far end.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use certs::tls::{server_config, system_time};
use proto::wire::exchange::v1::exchange_server::{Exchange, ExchangeServer};
use proto::wire::exchange::v1::{CallRequest, CallResponse, DisputeRequest, DisputeResponse};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status};

use crate::load::{dismissed, say};

/// How long a handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Connections accepted and not yet served.
const WAITING: usize = 64;

/// Serves until the harness dismisses it.
pub(crate) async fn serve(dir: PathBuf) -> anyhow::Result<()> {
    let acceptor = TlsAcceptor::from(tls(&dir)?);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let (sender, accepted) = mpsc::channel(WAITING);
    let accepting = tokio::spawn(accept(listener, acceptor, sender));
    let server = Server::builder()
        .add_service(ExchangeServer::new(Echo))
        .serve_with_incoming(ReceiverStream::new(accepted));
    say(&format!("ready {address}"))?;
    let served = tokio::select! {
        served = server => served.map_err(Into::into),
        () = dismissed() => Ok(()),
    };
    accepting.abort();
    served
}

/// Shows the backend's certificate and demands one of nginx.
pub(super) fn tls(dir: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let (identity, trust) = super::identity(dir, "backend")?;
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
            // A failed handshake shows as nginx's failed call.
            if tcp.set_nodelay(true).is_ok()
                && let Ok(Ok(stream)) =
                    tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(tcp)).await
            {
                let _ = sender.send(Ok(Accepted(stream))).await;
            }
        });
    }
}

struct Echo;

#[tonic::async_trait]
impl Exchange for Echo {
    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        let answer = request.into_inner().envelope;
        Ok(Response::new(CallResponse {
            answer,
            receipt: None,
            request: None,
        }))
    }

    async fn dispute(
        &self,
        _: Request<DisputeRequest>,
    ) -> Result<Response<DisputeResponse>, Status> {
        Err(Status::unimplemented(
            "this server only gives envelopes back",
        ))
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
