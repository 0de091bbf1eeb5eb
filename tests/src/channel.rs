//! gRPC channels over any TLS configuration: also those that no honest adapter would use.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// One TLS connection to `address`.
///
/// # Errors
/// TCP or the handshake.
pub async fn connect(
    address: SocketAddr,
    tls: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    TlsConnector::from(tls)
        .connect(ServerName::from(address.ip()), tcp)
        .await
}

/// What the other end says of our certificate. In TLS 1.3 a client is done before it was judged: the refusal is the
/// first thing that it reads.
///
/// # Errors
/// The refusal.
pub async fn welcomed(address: SocketAddr, tls: Arc<ClientConfig>) -> io::Result<()> {
    let mut stream = connect(address, tls).await?;
    let mut first = [0; 1];
    // An HTTP/2 server speaks first (SETTINGS), so a welcome is at least one byte.
    match stream.read(&mut first).await? {
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "closed without a word",
        )),
        _ => Ok(()),
    }
}

/// A channel that dials now, and again when the connection breaks.
///
/// # Errors
/// What the first dial said.
pub async fn channel(
    address: SocketAddr,
    tls: Arc<ClientConfig>,
) -> Result<Channel, tonic::transport::Error> {
    dialled(endpoint(address), address, tls).await
}

/// The same, letting so many bytes of a stream come that nobody has read.
///
/// # Errors
/// What the first dial said.
pub async fn narrow(
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    window_bytes: u32,
) -> Result<Channel, tonic::transport::Error> {
    let endpoint = endpoint(address).initial_stream_window_size(window_bytes);
    dialled(endpoint, address, tls).await
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).unwrap()
}

async fn dialled(
    endpoint: Endpoint,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
) -> Result<Channel, tonic::transport::Error> {
    let connector = tower::service_fn(move |_: Uri| {
        let tls = Arc::clone(&tls);
        async move { connect(address, tls).await.map(TokioIo::new) }
    });
    endpoint.connect_with_connector(connector).await
}
