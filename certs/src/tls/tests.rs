//! Real handshakes in memory: one refusal per way a peer can be wrong, in both directions, and what a good one
//! agrees on. Every refusal states which end said no, and why.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose as Purpose, Issuer, KeyPair, SanType};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConnection, Error, HandshakeKind, NamedGroup, ProtocolVersion,
    ServerConnection,
};
use time::Duration;
use time::macros::datetime;

use super::*;
use crate::authority::{Authority, LEAF_LIFE};
use crate::identity::{Identity, IdentityError};
use crate::keys::TlsKey;
use crate::peer::{PeerError, PeerIdentity};
use crate::{pem, request};

mod outside;
mod refusals;
mod transport;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00:00 UTC);
const URI: &str = "spiffe://switch.gov.eg/EG/GOV/MOSS/takaful";
const BROKER: &str = "spiffe://switch.gov.eg/broker/one";
/// One person of each role, without scheme and trust domain.
const PEOPLE: [&str; 5] = [
    "operator/amal",
    "approver/hoda",
    "auditor/omar",
    "dpo/mina",
    "administrator/EG/GOV/MOSS/samia",
];

/// A switch's authority with its directory, and everything that is made from it.
struct World {
    authority: Authority,
    dir: tempfile::TempDir,
}

/// One end that said no.
#[derive(Debug)]
enum No {
    Client(Error),
    Server(Error),
}

impl World {
    fn new() -> Self {
        Self::of("switch.gov.eg")
    }

    fn of(trust_domain: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            authority: Authority::create(dir.path(), trust_domain, NOW).unwrap(),
            dir,
        }
    }

    fn trust(&self) -> Trust {
        Trust::new(
            self.authority.trust_domain().clone(),
            std::slice::from_ref(self.authority.root()),
        )
        .unwrap()
    }

    fn system(&self) -> ReloadableIdentity {
        identity(|csr| {
            self.authority
                .issue_agency(csr, URI, LEAF_LIFE, NOW)
                .unwrap()
                .chain_pem
        })
    }

    fn broker(&self, name: &str) -> ReloadableIdentity {
        let hosts = ["localhost".into(), "127.0.0.1".into()];
        identity(|csr| {
            self.authority
                .issue_broker(csr, name, &hosts, LEAF_LIFE, NOW)
                .unwrap()
                .chain_pem
        })
    }

    fn server(&self) -> Arc<ServerConfig> {
        self.server_at(&self.broker("one"), NOW)
    }

    fn server_at(&self, identity: &ReloadableIdentity, now: OffsetDateTime) -> Arc<ServerConfig> {
        server_config(identity, &self.trust(), fixed_time(now)).unwrap()
    }

    fn client(&self) -> Arc<ClientConfig> {
        self.client_at(&self.system(), NOW)
    }

    fn client_at(&self, identity: &ReloadableIdentity, now: OffsetDateTime) -> Arc<ClientConfig> {
        client_config(identity, &self.trust(), BROKER, fixed_time(now)).unwrap()
    }

    /// A leaf that our authority would never issue, under one of its intermediates (`brokers`, `agencies`).
    fn forged(
        &self,
        intermediate: &str,
        change: impl Fn(&mut CertificateParams),
    ) -> ReloadableIdentity {
        self.forged_with(intermediate, &KeyPair::generate().unwrap(), change)
    }

    fn forged_with(
        &self,
        intermediate: &str,
        key: &KeyPair,
        change: impl Fn(&mut CertificateParams),
    ) -> ReloadableIdentity {
        let read = |ext| {
            std::fs::read_to_string(self.dir.path().join(format!("{intermediate}.{ext}"))).unwrap()
        };
        let issuer =
            Issuer::from_ca_cert_pem(&read("pem"), KeyPair::from_pem(&read("key")).unwrap())
                .unwrap();
        let mut params = if intermediate == "brokers" {
            broker_params()
        } else {
            system_params()
        };
        change(&mut params);
        let leaf = params.signed_by(key, &issuer).unwrap().der().clone();
        let chain = [
            vec![leaf],
            pem::decode_chain(read("pem").as_bytes()).unwrap(),
        ]
        .concat();
        shown(chain, key)
    }
}

fn system_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = NOW - Duration::HOUR;
    params.not_after = NOW + Duration::DAY;
    params.subject_alt_names = vec![uri(URI)];
    params.extended_key_usages = vec![Purpose::ClientAuth];
    params
}

fn broker_params() -> CertificateParams {
    let mut params = system_params();
    params.subject_alt_names = vec![
        uri(BROKER),
        SanType::DnsName("localhost".try_into().unwrap()),
    ];
    params.extended_key_usages = vec![Purpose::ServerAuth];
    params
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// Shows a chain whether or not it fits the key.
fn shown(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ReloadableIdentity {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    ReloadableIdentity::new(Identity::forged(CertifiedKey::new(chain, signing)))
}

fn identity(issue: impl Fn(&[u8]) -> String) -> ReloadableIdentity {
    let key = TlsKey::generate().unwrap();
    let chain = issue(&request::make(&key).unwrap());
    ReloadableIdentity::new(Identity::from_pem(&chain, &key).unwrap())
}

type Pair = (ClientConnection, ServerConnection);

/// Runs a handshake to its end, or to the first refusal.
fn shake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, host: &str) -> Result<Pair, No> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        feed(&wire, |bytes| {
            server.read_tls(bytes).unwrap();
            server.process_new_packets().map(drop)
        })
        .map_err(No::Server)?;
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        feed(&wire, |bytes| {
            client.read_tls(bytes).unwrap();
            client.process_new_packets().map(drop)
        })
        .map_err(No::Client)?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

/// Gives one end everything that is on the wire, piece by piece as it takes it.
fn feed(
    mut wire: &[u8],
    mut take: impl FnMut(&mut dyn std::io::Read) -> Result<(), Error>,
) -> Result<(), Error> {
    while !wire.is_empty() {
        take(&mut wire)?;
    }
    Ok(())
}

#[track_caller]
fn server_says(result: Result<Pair, No>) -> Error {
    match result {
        Err(No::Server(error)) => error,
        other => panic!("the server was expected to refuse, but: {other:?}"),
    }
}

#[track_caller]
fn client_says(result: Result<Pair, No>) -> Error {
    match result {
        Err(No::Client(error)) => error,
        other => panic!("the client was expected to refuse, but: {other:?}"),
    }
}

/// The refusal by certificate, without the context that only people read.
#[track_caller]
fn certificate(error: Error) -> CertificateError {
    match error {
        Error::InvalidCertificate(refused) => refused,
        other => panic!("a refused certificate was expected, but: {other:?}"),
    }
}

#[track_caller]
fn refusal(error: &Error) -> PeerRefusal {
    peer_refusal(error)
        .unwrap_or_else(|| panic!("a refused peer was expected, but: {error:?}"))
        .clone()
}
