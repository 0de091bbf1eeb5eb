//! The door with real handshakes on loopback: who comes in, who does not, and when one must go.

use std::sync::Arc;
use std::time::Duration;

use certs::authority::LEAF_LIFE;
use certs::tls::{self, Trust};
use certs::{Identity, ReloadableIdentity, TlsKey, request};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::StreamExt;
use tonic::transport::server::Connected;

use super::connection::Connection;
use super::listen::{Door, Incoming};
use super::{Peer, Settings};
use crate::testing::{Site, TRUST_DOMAIN};

struct Port {
    site: Site,
    number: u16,
    door: Door,
    incoming: Incoming<Arc<Peer>>,
}

impl Port {
    async fn open(settings: Settings) -> Self {
        let site = Site::found().await;
        let files = &site.config.tls;
        let identity = Identity::load(&files.certificate_chain, &files.key).unwrap();
        let domain: certs::TrustDomain = TRUST_DOMAIN.parse().unwrap();
        let trust = Trust::new(domain.clone(), &[site.authority.root().clone()]).unwrap();
        let time = tls::fixed_time(site.now());
        let config = tls::server_config(&ReloadableIdentity::new(identity), &trust, time).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let number = listener.local_addr().unwrap().port();
        let (door, incoming) =
            Door::exchange(listener, config, domain, site.clock.clone(), &settings);
        Self {
            site,
            number,
            door,
            incoming,
        }
    }

    /// The operator `name` calls. In TLS 1.3 this succeeds before the other side has made up its mind.
    async fn call(&self, name: &str) -> TlsStream<TcpStream> {
        let key = TlsKey::generate().unwrap();
        let asked = request::make(&key).unwrap();
        let issued = self
            .site
            .authority
            .issue_operator(&asked, name, LEAF_LIFE, self.site.now())
            .unwrap();
        let identity = Identity::from_pem(&issued.chain_pem, &key).unwrap();
        let domain = TRUST_DOMAIN.parse().unwrap();
        let trust = Trust::new(domain, &[self.site.authority.root().clone()]).unwrap();
        let broker = format!("spiffe://{TRUST_DOMAIN}/broker/cairo-1");
        let time = tls::fixed_time(self.site.now());
        let config =
            tls::client_config(&ReloadableIdentity::new(identity), &trust, &broker, time).unwrap();
        let tcp = TcpStream::connect(("127.0.0.1", self.number))
            .await
            .unwrap();
        let host = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(config).connect(host, tcp).await.unwrap()
    }

    async fn admitted(&mut self) -> Connection<Arc<Peer>> {
        let next = timeout(Duration::from_secs(10), self.incoming.next())
            .await
            .unwrap();
        next.unwrap().unwrap()
    }

    async fn nobody_comes(&mut self) {
        assert!(
            timeout(Duration::from_millis(200), self.incoming.next())
                .await
                .is_err()
        );
    }
}

async fn is_cut_off(connection: &mut Connection<Arc<Peer>>) {
    let read = timeout(Duration::from_secs(10), connection.read(&mut [0; 8]))
        .await
        .unwrap();
    assert_eq!(
        read.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionAborted
    );
    assert!(connection.write(b"late").await.is_err());
}

#[tokio::test]
async fn a_connection_ends_with_its_certificate_and_when_its_peer_must_go() {
    let mut port = Port::open(Settings::default()).await;
    let (_first, _second) = (port.call("nour").await, port.call("amal").await);
    let (mut first, mut second) = (port.admitted().await, port.admitted().await);
    let peers = [first.connect_info(), second.connect_info()];
    assert!(
        peers
            .iter()
            .all(|peer| peer.system.is_none() && !peer.closed.is_cancelled())
    );
    assert_eq!(port.door.connections.len(), 2);
    // One is revoked, the other outlives its certificate.
    let goes = peers[0].sha256();
    assert_eq!(
        port.door
            .connections
            .close_where(|peer| peer.sha256() == goes),
        1
    );
    is_cut_off(&mut first).await;
    assert!(!peers[1].closed.is_cancelled());
    let left_ms = peers[1].not_after_ms() - port.site.clock.now_ms();
    port.site.clock.advance_ms(left_ms);
    is_cut_off(&mut second).await;
    drop((first, second));
    assert!(port.door.connections.is_empty());
}

#[tokio::test]
async fn nobody_has_more_connections_than_one_owner_may() {
    let mut port = Port::open(Settings {
        connections_per_owner: 1,
        ..Settings::default()
    })
    .await;
    let _held = port.call("nour").await;
    let first = port.admitted().await;
    let mut second = port.call("nour").await;
    assert_eq!(second.read(&mut [0; 8]).await.unwrap_or(0), 0);
    port.nobody_comes().await;
    let _other = port.call("amal").await;
    let _admitted = port.admitted().await;
    drop(first);
    let _again = port.call("nour").await;
    port.admitted().await;
}

#[tokio::test]
async fn strangers_and_slow_hands_hold_up_nobody_for_long() {
    let settings = Settings {
        handshakes: 1,
        handshake_timeout: Duration::from_millis(500),
        ..Settings::default()
    };
    let mut port = Port::open(settings).await;
    let _silent = TcpStream::connect(("127.0.0.1", port.number))
        .await
        .unwrap();
    let mut loud = TcpStream::connect(("127.0.0.1", port.number))
        .await
        .unwrap();
    loud.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _member = port.call("nour").await;
    assert_eq!(
        port.admitted()
            .await
            .connect_info()
            .identity
            .role
            .to_string(),
        "operator/nour"
    );
    port.door.stop_accepting();
    port.door.close().await;
    assert!(
        TcpStream::connect(("127.0.0.1", port.number))
            .await
            .is_err()
    );
}
