//! The chunks of a request, as a backend reads them: their end comes only once it is proved to be one.
//!
//! What is read before counts for nothing. A backend that writes it to a file renames that file when it has read to the end,
//! and drops it when reading fails or the exchange is dropped.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

/// What follows a request in chunks. An [`AsyncRead`], or chunk by chunk. Nothing comes faster than it is read. `Debug` never
/// shows anything of it.
pub struct Upload {
    length: Option<u64>,
    pieces: mpsc::Receiver<Piece>,
    /// What is left of the chunk that is being read.
    left: Bytes,
    is_whole: bool,
}

/// What is handed to a backend.
#[derive(Debug)]
pub(crate) enum Piece {
    Chunk(Bytes),
    /// All of it came, and is what the consumer sealed.
    End,
}

impl Upload {
    /// The reading end, and where to put what is verified.
    pub(crate) fn new(length: Option<u64>) -> (mpsc::Sender<Piece>, Self) {
        let (sender, pieces) = mpsc::channel(1);
        let upload = Self {
            length,
            pieces,
            left: Bytes::new(),
            is_whole: false,
        };
        (sender, upload)
    }

    /// Bytes that the consumer announced, where it knew.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next chunk. `None` once everything that came was proved to be what the consumer sealed, and no sooner.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`]: nothing of what came may be used.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if !self.left.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.left))));
        }
        if self.is_whole {
            return Poll::Ready(Ok(None));
        }
        self.pieces.poll_recv(cx).map(|piece| match piece {
            Some(Piece::Chunk(chunk)) => Ok(Some(chunk)),
            Some(Piece::End) => {
                self.is_whole = true;
                Ok(None)
            }
            None => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the request in chunks has no end that holds; nothing of it may be used",
            )),
        })
    }
}

impl AsyncRead for Upload {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let chunk = match self.poll_chunk(cx) {
            Poll::Ready(Ok(chunk)) => chunk,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        if let Some(mut chunk) = chunk {
            let taken = chunk.len().min(buffer.remaining());
            buffer.put_slice(&chunk[..taken]);
            chunk.advance(taken);
            self.left = chunk;
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({:?} bytes)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn filled(upload: &mpsc::Sender<Piece>, chunk: &'static [u8]) {
        let piece = Piece::Chunk(Bytes::from_static(chunk));
        upload.send(piece).await.unwrap();
    }

    #[tokio::test]
    async fn it_ends_where_its_end_was_proved() {
        let (sender, mut upload) = Upload::new(Some(6));
        tokio::spawn(async move {
            filled(&sender, b"abcd").await;
            filled(&sender, b"ef").await;
            sender.send(Piece::End).await.unwrap();
        });
        let mut two = [0; 2];
        upload.read_exact(&mut two).await.unwrap();
        assert_eq!((&two, upload.length()), (b"ab", Some(6)));
        assert_eq!(upload.chunk().await.unwrap().unwrap(), "cd");
        let mut rest = Vec::new();
        upload.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"ef");
        // And stays at its end.
        assert_eq!(upload.chunk().await.unwrap(), None);
    }

    #[tokio::test]
    async fn without_a_proved_end_reading_fails() {
        let (sender, mut upload) = Upload::new(None);
        filled(&sender, b"abcd").await;
        drop(sender);
        let mut all = Vec::new();
        let broken = upload.read_to_end(&mut all).await.unwrap_err();
        assert_eq!(broken.kind(), io::ErrorKind::UnexpectedEof);
        assert!(upload.chunk().await.is_err());
    }
}
