//! A long reply: an answer that is read, sealed over and sent in chunks, in memory that does not grow with it.

use std::fmt;

use bytes::Bytes;
use tokio::io::AsyncRead;

use super::{Failure, Reply};
use crate::chunked::Body;

/// What a provider gives back in chunks. `Debug` never shows anything of it.
pub struct LongReply {
    /// Fields, media type, and the word on row rules: as of any reply, without its payload.
    pub(super) reply: Reply,
    pub(crate) body: Body,
}

impl LongReply {
    /// A reply whose payload is read from `body` while it is sent, and only as fast as the consumer takes it. Name
    /// fields as [`Reply::new`] takes them. An error of `body` makes all of it void.
    ///
    /// # Errors
    /// As [`Reply::new`].
    pub fn new(
        fields: impl IntoIterator<Item = impl AsRef<str>>,
        content_type: &str,
        body: impl AsyncRead + Send + 'static,
    ) -> Result<Self, Failure> {
        Ok(Self {
            reply: Reply::new(fields, content_type, Bytes::new())?,
            body: Body::new(body),
        })
    }

    /// Says beforehand how many bytes there will be, so that the consumer can show how far it is. Another number in the
    /// end makes all of it void.
    #[must_use]
    pub fn of_length(mut self, length: u64) -> Self {
        self.body = self.body.of_length(length);
        self
    }

    /// Bytes of a chunk, 64 KiB when not said, 256 KiB at most.
    #[must_use]
    pub fn in_chunks_of(mut self, bytes: usize) -> Self {
        self.body = self.body.in_chunks_of(bytes);
        self
    }

    /// As [`Reply::within_rows`].
    #[must_use]
    pub fn within_rows(mut self) -> Self {
        self.reply = self.reply.within_rows();
        self
    }
}

impl fmt::Debug for LongReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LongReply({:?}, {:?})", self.reply.fields, self.body)
    }
}
