//! The client of the peers: calls over a few connections, each answer compared with what was sent, or asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use certs::tls::{client_config, system_time};
use cli::bench::load::payloads::wanting;
use cli::bench::load::{self, Asker, Payload, Payloads, Reply};
use hyper_util::rt::TokioIo;
use proto::limits::MESSAGE_BYTES_MAX;
use proto::wire::exchange::v1::exchange_client::ExchangeClient;
use proto::wire::exchange::v1::stream_response::Message;
use proto::wire::exchange::v1::{CallRequest, Envelope, StreamRequest, StreamResponse};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};

use super::certificates::{TRUST_DOMAIN, identity};
use super::serving::{CONNECTION_WINDOW, STREAM_WINDOW};

/// Serves the harness's orders until dismissed.
pub(crate) async fn load(
    dir: PathBuf,
    peer: &str,
    address: &str,
    connections: usize,
    payloads: &str,
) -> anyhow::Result<()> {
    let tls = tls(&dir, "client", peer)?;
    let payloads: Payloads = payloads.parse()?;
    let mut callers = Vec::with_capacity(connections);
    for _ in 0..connections {
        let channel = connect(address, Arc::clone(&tls)).await?;
        callers.push(Caller {
            client: ExchangeClient::new(channel)
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
            payloads: payloads.clone(),
        });
    }
    load::serve(&callers).await
}

/// Shows the certificate `name` and believes only the server that is called `peer`.
pub(super) fn tls(dir: &Path, name: &str, peer: &str) -> anyhow::Result<Arc<ClientConfig>> {
    let (identity, trust) = identity(dir, name)?;
    let peer = format!("spiffe://{TRUST_DOMAIN}/broker/{peer}");
    Ok(client_config(&identity, &trust, &peer, system_time())?)
}

/// A connection to `address`, dialled now.
pub(crate) async fn connect(address: &str, tls: Arc<ClientConfig>) -> anyhow::Result<Channel> {
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
        .with_context(|| format!("cannot reach {address}"))
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
    payloads: Payloads,
}

impl Asker for Caller {
    async fn ask(&self) -> anyhow::Result<Reply> {
        match self.payloads.take() {
            Payload::Whole(payload) => self.whole(payload).await,
            Payload::Long(wanted) => self.long(wanted).await,
        }
    }
}

impl Caller {
    // A proxy that is overrun answers with an error of its own. It counts as failed; the run goes on where that may be.
    async fn whole(&self, payload: Bytes) -> anyhow::Result<Reply> {
        let request = CallRequest {
            envelope: Some(carrying(payload.clone())),
        };
        let Ok(response) = self.client.clone().call(request).await else {
            return Ok(Reply::Refused("failed"));
        };
        let response = response.into_inner();
        let answer = response.answer.context("nothing came back")?;
        ensure!(answer.payload == payload, "something else came back");
        Ok(Reply::Answered)
    }

    async fn long(&self, wanted: Bytes) -> anyhow::Result<Reply> {
        let request = StreamRequest {
            envelope: Some(carrying(wanting(wanted.len()))),
        };
        let Ok(parts) = self.client.clone().stream(request).await else {
            return Ok(Reply::Refused("failed"));
        };
        let (mut parts, mut left) = (parts.into_inner(), wanted);
        loop {
            match parts.message().await {
                Ok(Some(StreamResponse {
                    message: Some(Message::Chunk(chunk)),
                })) => {
                    ensure!(left.starts_with(&chunk), "something else came back");
                    left = left.slice(chunk.len()..);
                }
                Ok(Some(_)) => bail!("something else came back"),
                Ok(None) => break,
                Err(_) => return Ok(Reply::Refused("failed")),
            }
        }
        ensure!(left.is_empty(), "less came back than was asked for");
        Ok(Reply::Answered)
    }
}

fn carrying(payload: Bytes) -> Envelope {
    Envelope {
        payload,
        ..Envelope::default()
    }
}
