//! A long reply: an answer that is read, sealed over and sent in chunks, in memory that does not grow with it.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use proto::limits::CHUNK_BYTES_DEFAULT;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Failure, Reply};
use proto::chunks::ChunkPlan;

/// What a provider gives back in chunks. `Debug` never shows anything of it.
pub struct LongReply {
    /// Fields, media type, and the word on row rules: as of any reply, without its payload.
    pub(super) reply: Reply,
    /// Bytes, where it is known.
    pub(crate) length: Option<u64>,
    pub(super) plan: ChunkPlan,
    body: Pin<Box<dyn AsyncRead + Send>>,
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
            length: None,
            plan: ChunkPlan::of(CHUNK_BYTES_DEFAULT),
            body: Box::pin(body),
        })
    }

    /// Says beforehand how many bytes there will be, so that the consumer can show how far it is. Another number in the
    /// end makes all of it void.
    #[must_use]
    pub fn of_length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// Bytes of a chunk, 64 KiB when not said, 256 KiB at most.
    #[must_use]
    pub fn in_chunks_of(mut self, bytes: usize) -> Self {
        self.plan = ChunkPlan::of(bytes);
        self
    }

    /// As [`Reply::within_rows`].
    #[must_use]
    pub fn within_rows(mut self) -> Self {
        self.reply = self.reply.within_rows();
        self
    }

    /// The next chunk: a full one, or at the end what is left; `None` after it.
    pub(crate) async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        let full = self.plan.chunk_bytes as usize;
        let mut chunk = Vec::with_capacity(full);
        // One allocation: what is read never exceeds what was made room for.
        (&mut self.body)
            .take(full as u64)
            .read_to_end(&mut chunk)
            .await?;
        Ok((!chunk.is_empty()).then(|| chunk.into()))
    }
}

impl fmt::Debug for LongReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "LongReply({:?}, {:?} bytes)",
            self.reply.fields, self.length
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_are_full_but_the_last() {
        for (length, expected) in [(0, vec![]), (4, vec![4]), (9, vec![4, 4, 1])] {
            let body = std::io::Cursor::new(vec![7_u8; length]);
            let mut long = LongReply::new(["a"], "text/plain", body)
                .unwrap()
                .in_chunks_of(4);
            let mut sizes = Vec::new();
            while let Some(chunk) = long.next().await.unwrap() {
                sizes.push(chunk.len());
            }
            assert_eq!(sizes, expected);
        }
    }

    #[tokio::test]
    async fn a_body_that_comes_in_drops_makes_full_chunks() {
        use tokio::io::AsyncWriteExt as _;
        let (mut writer, reader) = tokio::io::duplex(1);
        tokio::spawn(async move {
            for byte in 0..7_u8 {
                writer.write_all(&[byte]).await.unwrap();
            }
        });
        let mut long = LongReply::new(["a"], "text/plain", reader)
            .unwrap()
            .in_chunks_of(3);
        let mut all = Vec::new();
        while let Some(chunk) = long.next().await.unwrap() {
            all.push(chunk.to_vec());
        }
        assert_eq!(all, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    }
}
