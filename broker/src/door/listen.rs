//! Accepting: TCP, then the handshake in a task of its own, then a place under the caps.
//!
//! Takes a listener and a TLS configuration. Gives a stream of connections for the HTTP/2 server, each with who
//! is behind it. A slow handshake holds up nobody, and an error of one accept never ends the loop.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use audit::clock::Clock;
use certs::{PeerIdentity, TrustDomain};
use rustls::ServerConfig;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::connection::Connection;
use super::connections::{Connections, Full, Place};
use super::{Peer, Settings, standing};
use crate::registry::RegistryHandle;

/// How long accepting pauses after an error: running out of file descriptors must not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often connections are looked over for certificates that ended.
const LOOK_OVER: Duration = Duration::from_secs(1);

/// Connections that finished their handshake, for `serve_with_incoming_shutdown`.
pub type Incoming<I> = ReceiverStream<io::Result<Connection<I>>>;

/// One open listener.
#[derive(Debug)]
pub struct Door {
    /// Its live connections.
    pub connections: Arc<Connections>,
    /// Cancelled when nothing more is accepted.
    stop: CancellationToken,
    /// Cancelled when what is connected must go, too.
    closed: CancellationToken,
    tasks: TaskTracker,
}

/// Somebody on the enrolment listener, where no certificate is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// Where it called from.
    pub address: IpAddr,
}

/// Who an accepted connection is, and its place.
type Admission<I> = Result<(I, CancellationToken, Place), Turned>;

/// What both listeners' loops share.
struct Gate<A> {
    acceptor: TlsAcceptor,
    handshake_timeout: Duration,
    admit: A,
}

impl Door {
    /// The main listener: every connection shows a certificate; handlers find `Arc<Peer>`.
    #[must_use]
    pub fn exchange(
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        trust_domain: TrustDomain,
        clock: Clock,
        settings: &Settings,
    ) -> (Self, Incoming<Arc<Peer>>) {
        let door = Self::new(settings);
        let connections = Arc::clone(&door.connections);
        let incoming = door.accept(listener, tls, settings, move |session, _| {
            let chain = session.peer_certificates().unwrap_or_default();
            let leaf = chain.first().ok_or(Turned::NoCertificate)?;
            let identity = PeerIdentity::from_certificate(leaf, &trust_domain)?;
            let peer = Arc::new(Peer::new(identity));
            let place = connections.enter_peer(&peer)?;
            Ok((Arc::clone(&peer), peer.closed.clone(), place))
        });
        door.tasks.spawn(look_over(
            Arc::clone(&door.connections),
            clock,
            door.closed.clone(),
        ));
        (door, incoming)
    }

    /// The enrolment listener: nobody shows a certificate; handlers find a [`Newcomer`].
    #[must_use]
    pub fn enrolment(
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        settings: &Settings,
    ) -> (Self, Incoming<Newcomer>) {
        let door = Self::new(settings);
        let connections = Arc::clone(&door.connections);
        let incoming = door.accept(listener, tls, settings, move |_, address| {
            let closed = CancellationToken::new();
            let place = connections.enter_stranger(address.ip().to_string(), closed.clone())?;
            Ok((
                Newcomer {
                    address: address.ip(),
                },
                closed,
                place,
            ))
        });
        (door, incoming)
    }

    /// Closes live connections whose peers `registry` no longer knows, until the door closes.
    pub fn follow(&self, registry: RegistryHandle) {
        let connections = Arc::clone(&self.connections);
        self.tasks
            .spawn(standing::follow(connections, registry, self.closed.clone()));
    }

    /// Accepts nothing more. What is connected stays.
    pub fn stop_accepting(&self) {
        self.stop.cancel();
    }

    /// Accepts nothing more, closes every connection, and waits for the door's own tasks.
    pub async fn close(&self) {
        self.stop.cancel();
        self.closed.cancel();
        self.connections.close_all();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn new(settings: &Settings) -> Self {
        Self {
            connections: Connections::new(settings.connections, settings.connections_per_owner),
            stop: CancellationToken::new(),
            closed: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    fn accept<I, A>(
        &self,
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        settings: &Settings,
        admit: A,
    ) -> Incoming<I>
    where
        I: Send + 'static,
        A: Fn(&rustls::ServerConnection, SocketAddr) -> Admission<I> + Send + Sync + 'static,
    {
        let (ready, incoming) = mpsc::channel(settings.handshakes.max(1));
        let gate = Arc::new(Gate {
            acceptor: TlsAcceptor::from(tls),
            handshake_timeout: settings.handshake_timeout,
            admit,
        });
        let (stop, tasks) = (self.stop.clone(), self.tasks.clone());
        let handshakes = Arc::new(Semaphore::new(settings.handshakes.max(1)));
        self.tasks.spawn(async move {
            while let Some((tcp, address, permit)) = next(&listener, &handshakes, &stop).await {
                let (gate, ready, stop) = (Arc::clone(&gate), ready.clone(), stop.clone());
                tasks.spawn(async move {
                    let connected = tokio::select! {
                        connected = gate.shake_hands(tcp, address) => connected,
                        () = stop.cancelled() => return,
                    };
                    drop(permit);
                    match connected {
                        // The server is gone when it takes no more: then so is the connection.
                        Ok(connection) => drop(ready.send(Ok(connection)).await),
                        Err(turned) => debug!(%address, %turned, "a connection was turned away"),
                    }
                });
            }
        });
        ReceiverStream::new(incoming)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.cancel();
        self.closed.cancel();
    }
}

/// The next connection with the right to shake hands; `None` once the door closes.
async fn next(
    listener: &TcpListener,
    handshakes: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    loop {
        let accepted = async {
            // The permit first: what we have no time for waits in the kernel's queue.
            let permit = Arc::clone(handshakes)
                .acquire_owned()
                .await
                .map_err(io::Error::other)?;
            let (tcp, address) = listener.accept().await?;
            Ok::<_, io::Error>((tcp, address, permit))
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            accepted = accepted => match accepted {
                Ok(accepted) => return Some(accepted),
                Err(error) => {
                    warn!(%error, "accepting failed; going on after a pause");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl<A> Gate<A> {
    async fn shake_hands<I>(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
    ) -> Result<Connection<I>, Turned>
    where
        A: Fn(&rustls::ServerConnection, SocketAddr) -> Admission<I>,
    {
        tcp.set_nodelay(true).map_err(Turned::Handshake)?;
        let tls = timeout(self.handshake_timeout, self.acceptor.accept(tcp))
            .await
            .map_err(|_| Turned::TooSlow)?
            .map_err(Turned::Handshake)?;
        let (info, closed, place) = (self.admit)(tls.get_ref().1, address)?;
        Ok(Connection::new(tls, info, closed, place))
    }
}

/// Ends connections at their certificates' end, until the door closes.
async fn look_over(connections: Arc<Connections>, clock: Clock, closed: CancellationToken) {
    let mut ticks = interval(LOOK_OVER);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = closed.cancelled() => return,
            _ = ticks.tick() => {
                let ended = connections.close_ended(clock.now_ms());
                if ended > 0 {
                    debug!(ended, "connections ended with their certificates");
                }
            }
        }
    }
}

/// Why somebody did not come in.
#[derive(Debug, Error)]
enum Turned {
    #[error("the handshake took too long")]
    TooSlow,
    #[error("the handshake failed: {0}")]
    Handshake(#[source] io::Error),
    #[error("the handshake ended without a certificate")]
    NoCertificate,
    #[error("the certificate names nobody: {0}")]
    Nobody(#[from] certs::peer::PeerError),
    #[error(transparent)]
    Full(#[from] Full),
}
