//! The door: what every call passes before a service sees it.
//!
//! | file | what it holds |
//! |---|---|
//! | [`listen`] | accepting, handshakes off the accept loop, caps, one [`listen::Door`] per listener |
//! | [`identity`] | who is connected, read once per connection |
//! | [`connections`] | the table of live connections: caps per owner, closing at a certificate's end |
//! | [`standing`] | who a peer is to the registry now; closing live connections at a revocation |
//! | [`limits`] | exchanges under way, per agency and in all |
//! | [`trace`] | one span per exchange, ids only; the W3C trace context |
//!
//! Never looks inside a message and never decides what a peer may do. `docs/protocol.md` §7.

pub mod connection;
pub mod connections;
pub mod identity;
pub mod limits;
pub mod listen;
pub mod standing;
pub mod trace;

use std::time::Duration;

pub use identity::Peer;
use tonic::transport::Server;

/// Bytes that one stream may send before we have read them. A provider's one stream carries all its answers.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// Bytes that one connection may send before we have read them; well above a stream's, so that one slow
/// stream does not starve the others.
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;
/// Fewer, larger frames: a payload of the largest size takes 16 of them.
const FRAME_BYTES: u32 = 64 << 10;
/// Request headers are small: a deadline, a trace context, what gRPC itself adds.
const HEADER_LIST_BYTES: u32 = 16 << 10;
/// Streams that a client may open and reset before the connection is closed.
const PENDING_RESETS: usize = 64;

/// How wide the door is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Handshakes under way at once, per listener.
    pub handshakes: usize,
    /// The longest a handshake may take.
    pub handshake_timeout: Duration,
    /// Connections at once, per listener.
    pub connections: usize,
    /// Connections at once of one agency (on the enrolment listener: of one address).
    pub connections_per_owner: usize,
    /// Streams at once on one connection: what one that floods can have in our queues before HTTP/2 stops it.
    pub streams: u32,
    /// How often an idle connection is asked for a sign of life.
    pub keepalive: Duration,
    /// How long that sign may take.
    pub keepalive_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            handshakes: 256,
            handshake_timeout: Duration::from_secs(5),
            connections: 4096,
            connections_per_owner: 64,
            streams: 256,
            keepalive: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
        }
    }
}

/// An HTTP/2 server with every setting named: no default of a library decides what a stranger may cost us.
#[must_use]
pub fn server(settings: &Settings) -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_adaptive_window(Some(false))
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(settings.streams)
        .http2_max_header_list_size(HEADER_LIST_BYTES)
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS))
        .http2_keepalive_interval(Some(settings.keepalive))
        .http2_keepalive_timeout(Some(settings.keepalive_timeout))
        .accept_http1(false)
}

#[cfg(test)]
mod tests;
