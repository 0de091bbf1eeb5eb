//! A writer that counts and hashes what goes through it.

use std::io::{self, BufWriter, Write};

use aws_lc_rs::digest::{Context, SHA256};
use proto::Digest;

use super::Written;

/// Counts and hashes, then writes in blocks.
#[derive(Debug)]
pub(super) struct Digesting<W: Write> {
    out: BufWriter<W>,
    bytes: u64,
    context: Hashing,
}

/// The running hash; shows nothing of itself.
pub(super) struct Hashing(Context);

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SHA-256")
    }
}

impl Hashing {
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> Digest {
        // SHA-256 has 32 bytes.
        Digest::from_slice(self.0.finish().as_ref()).unwrap_or_default()
    }
}

impl<W: Write> Digesting<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out: BufWriter::with_capacity(1 << 16, out),
            bytes: 0,
            context: Hashing::new(),
        }
    }

    pub(super) fn finish(self) -> io::Result<Written<W>> {
        Ok(Written {
            out: self.out.into_inner().map_err(|error| error.into_error())?,
            bytes: self.bytes,
            sha256: self.context.finish(),
        })
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.context.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
