//! The way to a door: its name, its port, its handshake. Used by both sides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use certs::tls::peer_refusal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, Error as TlsFault};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::check::Check;
use super::modes::cause;
use super::row::{Row, same};
use crate::commands::switch_dir::host_of;

/// How long one hop may take.
pub(super) const HOP_WAIT: Duration = Duration::from_secs(10);

/// Looks the host of `address` up.
pub(super) async fn dns(address: &str) -> Row {
    let remedy = [
        "See that the name in adapter.toml is right and that this machine's name servers answer for it.",
        "تأكد من صحة الاسم في adapter.toml ومن إجابة خوادم الأسماء لهذا الجهاز.",
    ];
    let host = host_of(address);
    if host.parse::<std::net::IpAddr>().is_ok() {
        return Check::Dns.ok([
            format!("{host} is an address; nothing to look up"),
            format!("العنوان {host} رقمي ولا يحتاج إلى ترجمة"),
        ]);
    }
    match tokio::time::timeout(HOP_WAIT, lookup_host(address)).await {
        Ok(Ok(found)) => {
            let mut found: Vec<_> = found.map(|found| found.ip().to_string()).collect();
            found.dedup();
            if found.is_empty() {
                return Check::Dns.failed(same(format!("{host} → –")), remedy);
            }
            Check::Dns.ok(same(format!("{host} → {}", found.join(", "))))
        }
        Ok(Err(error)) => Check::Dns.failed(same(format!("{host}: {error}")), remedy),
        Err(_) => Check::Dns.failed(late(host), remedy),
    }
}

/// Connects to `address`.
pub(super) async fn tcp(address: &str) -> Row {
    let remedy = [
        "See that the switch runs, that the port in adapter.toml is right, and that the firewall lets this machine out.",
        "تأكد من عمل المحوِّل ومن صحة المنفذ في adapter.toml ومن سماح الجدار الناري بالاتصال.",
    ];
    match connect(address).await {
        Ok((_, peer)) => Check::Tcp.ok(same(peer)),
        Err(fault) => Check::Tcp.failed(fault, remedy),
    }
}

/// A connection and whom it reaches, or why there is none.
pub(super) async fn connect(address: &str) -> Result<(TcpStream, SocketAddr), [String; 2]> {
    match tokio::time::timeout(HOP_WAIT, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => match stream.peer_addr() {
            Ok(peer) => Ok((stream, peer)),
            Err(error) => Err(same(format!("{address}: {error}"))),
        },
        Ok(Err(error)) => Err(same(format!("{address}: {error}"))),
        Err(_) => Err(late(address)),
    }
}

fn late(what: &str) -> [String; 2] {
    let seconds = HOP_WAIT.as_secs();
    [
        format!("{what}: no answer in {seconds} s"),
        format!("{what}: لا إجابة خلال {seconds} ثوانٍ"),
    ]
}

/// What a finished handshake showed.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// The other end's own certificate.
    pub(super) leaf: CertificateDer<'static>,
    /// The key exchange, as rustls calls it.
    pub(super) exchange: String,
}

/// Why a handshake did not finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unshaken {
    /// Somebody else than was pinned.
    Other(String),
    /// A certificate outside its life, by this machine's clock.
    Time(String),
    /// Anything else.
    Broken([String; 2]),
}

/// Shakes hands at `address` with whoever must be called `host`.
pub(super) async fn handshake(
    address: &str,
    host: &str,
    tls: Arc<ClientConfig>,
) -> Result<Shown, Unshaken> {
    let broken = |error: &dyn std::error::Error| Unshaken::Broken(same(cause(error)));
    let name = ServerName::try_from(host.to_owned()).map_err(|error| broken(&error))?;
    let (tcp, _) = connect(address).await.map_err(Unshaken::Broken)?;
    let shaking = TlsConnector::from(tls).connect(name, tcp);
    let stream = match tokio::time::timeout(HOP_WAIT, shaking).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
            return Err(inner.map_or_else(|| broken(&error), unshaken));
        }
        Err(_) => return Err(Unshaken::Broken(late(address))),
    };
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    let exchange = session.negotiated_key_exchange_group();
    Ok(Shown {
        leaf: leaf.cloned().map_or_else(
            || CertificateDer::from(Vec::new()),
            CertificateDer::into_owned,
        ),
        exchange: exchange.map_or_else(String::new, |group| format!("{:?}", group.name())),
    })
}

fn unshaken(fault: &TlsFault) -> Unshaken {
    use CertificateError as Bad;
    if let Some(refusal) = peer_refusal(fault) {
        return Unshaken::Other(refusal.to_string());
    }
    match fault {
        TlsFault::InvalidCertificate(
            Bad::Expired
            | Bad::ExpiredContext { .. }
            | Bad::NotValidYet
            | Bad::NotValidYetContext { .. },
        ) => Unshaken::Time(fault.to_string()),
        TlsFault::InvalidCertificate(_) => Unshaken::Other(fault.to_string()),
        _ => Unshaken::Broken(same(fault)),
    }
}
