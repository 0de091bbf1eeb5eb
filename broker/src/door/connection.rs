//! One accepted connection: TLS bytes, who sends them, and the token that ends it.
//!
//! Once the token fires every read and write fails, so the HTTP/2 connection and all its streams end at once.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use certs::tls::Gathered;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::connections::Place;

/// A connection and `I`, what its handlers find in a request's extensions.
#[derive(Debug)]
pub struct Connection<I> {
    io: Gathered<TlsStream<TcpStream>>,
    info: I,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    over: bool,
    _place: Place,
}

impl<I> Connection<I> {
    pub(super) fn new(
        io: TlsStream<TcpStream>,
        info: I,
        closed: CancellationToken,
        place: Place,
    ) -> Self {
        let closed = Box::pin(closed.cancelled_owned());
        Self {
            io: Gathered::new(io),
            info,
            closed,
            over: false,
            _place: place,
        }
    }
}

fn ended() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the switch ended this connection",
    )
}

impl<I: Unpin> AsyncRead for Connection<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A connection is always being read, so this is where the token must be able to wake it.
        if this.over || this.closed.as_mut().poll(cx).is_ready() {
            this.over = true;
            return Poll::Ready(Err(ended()));
        }
        Pin::new(&mut this.io).poll_read(cx, buffer)
    }
}

impl<I: Unpin> AsyncWrite for Connection<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(Err(ended()));
        }
        Pin::new(&mut this.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(Err(ended()));
        }
        Pin::new(&mut this.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl<I: Clone + Send + Sync + 'static> Connected for Connection<I> {
    type ConnectInfo = I;

    fn connect_info(&self) -> I {
        self.info.clone()
    }
}
