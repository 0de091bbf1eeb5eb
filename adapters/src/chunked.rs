//! What goes out in chunks: read as it is sent, in memory that does not grow with it.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use proto::chunks::ChunkPlan;
use proto::limits::CHUNK_BYTES_DEFAULT;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A payload in chunks that is still to be read. `Debug` never shows anything of it.
pub struct Body {
    /// Bytes, where it is known.
    pub(crate) length: Option<u64>,
    pub(crate) plan: ChunkPlan,
    reader: Pin<Box<dyn AsyncRead + Send>>,
}

impl Body {
    /// What `reader` gives, only as fast as its receiver takes it. An error of it makes all of it void.
    pub fn new(reader: impl AsyncRead + Send + 'static) -> Self {
        Self {
            length: None,
            plan: ChunkPlan::of(CHUNK_BYTES_DEFAULT),
            reader: Box::pin(reader),
        }
    }

    /// Says beforehand how many bytes there will be. Another number in the end makes all of it void.
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

    /// The next chunk: a full one, or at the end what is left; `None` after it.
    pub(crate) async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        let full = self.plan.chunk_bytes as usize;
        let mut chunk = Vec::with_capacity(full);
        // One allocation: what is read never exceeds what was made room for.
        (&mut self.reader)
            .take(full as u64)
            .read_to_end(&mut chunk)
            .await?;
        Ok((!chunk.is_empty()).then(|| chunk.into()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({:?} bytes)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_are_full_but_the_last() {
        for (length, expected) in [(0, vec![]), (4, vec![4]), (9, vec![4, 4, 1])] {
            let mut body = Body::new(std::io::Cursor::new(vec![7_u8; length])).in_chunks_of(4);
            let mut sizes = Vec::new();
            while let Some(chunk) = body.next().await.unwrap() {
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
        let mut body = Body::new(reader).in_chunks_of(3);
        let mut all = Vec::new();
        while let Some(chunk) = body.next().await.unwrap() {
            all.push(chunk.to_vec());
        }
        assert_eq!(all, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    }
}
