//! The client of nginx: unary calls over a few connections, each answer compared with what was sent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use certs::tls::{client_config, system_time};
use hyper_util::rt::TokioIo;
use proto::wire::exchange::v1::exchange_client::ExchangeClient;
use proto::wire::exchange::v1::{CallRequest, Envelope};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};

use super::{NGINX, TRUST_DOMAIN};
use crate::load::{self, Asker, payload};

/// HTTP/2 windows, bytes, as an adapter's connection has them.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// Serves the harness's orders until dismissed.
pub(crate) async fn load(
    dir: PathBuf,
    address: String,
    connections: usize,
    payload_bytes: usize,
) -> anyhow::Result<()> {
    let tls = tls(&dir)?;
    let payload = payload(payload_bytes);
    let mut callers = Vec::with_capacity(connections);
    for _ in 0..connections {
        let client = ExchangeClient::new(connect(&address, Arc::clone(&tls)).await?);
        callers.push(Caller {
            client,
            payload: payload.clone(),
        });
    }
    load::serve(&callers).await
}

/// Shows the client's certificate and believes only nginx.
pub(super) fn tls(dir: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let (identity, trust) = super::identity(dir, "client")?;
    let nginx = format!("spiffe://{TRUST_DOMAIN}/broker/{NGINX}");
    Ok(client_config(&identity, &trust, &nginx, system_time())?)
}

async fn connect(address: &str, tls: Arc<ClientConfig>) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .origin(Uri::try_from(format!("https://{address}"))?)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let target: Arc<str> = address.into();
    let connector = tower::service_fn(move |_: Uri| {
        let (target, tls) = (Arc::clone(&target), Arc::clone(&tls));
        async move { dial(&target, tls).await.map(TokioIo::new) }
    });
    endpoint
        .connect_with_connector(connector)
        .await
        .context("cannot reach nginx")
}

async fn dial(address: &str, tls: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let host = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    TlsConnector::from(tls).connect(host, tcp).await
}

#[derive(Clone)]
struct Caller {
    client: ExchangeClient<Channel>,
    payload: Bytes,
}

impl Asker for Caller {
    async fn ask(&self) -> anyhow::Result<()> {
        let envelope = Envelope {
            payload: self.payload.clone(),
            ..Envelope::default()
        };
        let request = CallRequest {
            envelope: Some(envelope),
        };
        let response = self.client.clone().call(request).await?.into_inner();
        let answer = response.answer.context("nothing came back")?;
        ensure!(answer.payload == self.payload, "something else came back");
        Ok(())
    }
}
