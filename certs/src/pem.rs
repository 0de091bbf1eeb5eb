//! Certificate chains as PEM text, with bounds.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::key_files::{self, KeyFileError};

/// The most certificates in a chain: leaf, intermediate, root, and room for an outside authority's.
pub const CHAIN_MAX: usize = 8;
/// The largest chain file, in bytes.
pub const FILE_MAX: usize = 64 * 1024;

/// One PEM section per certificate, in the order given.
#[must_use]
pub fn encode_chain(chain: &[CertificateDer<'_>]) -> String {
    chain
        .iter()
        .map(|certificate| section("CERTIFICATE", certificate))
        .collect()
}

/// Reads a chain. Sections that are no certificates are skipped.
///
/// # Errors
/// [`PemError::Empty`] without a certificate, [`PemError::TooLarge`] and [`PemError::TooLong`] past the bounds,
/// [`PemError::Malformed`] when a section is cut or not base64.
pub fn decode_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    if pem.len() > FILE_MAX {
        return Err(PemError::TooLarge { bytes: pem.len() });
    }
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| PemError::Malformed)?;
        if chain.len() == CHAIN_MAX {
            return Err(PemError::TooLong);
        }
        chain.push(certificate);
    }
    if chain.is_empty() {
        return Err(PemError::Empty);
    }
    Ok(chain)
}

/// Reads a chain file.
///
/// # Errors
/// As [`decode_chain`], and [`PemError::Read`] when the file cannot be read.
pub fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let read = |cause| PemError::Read {
        path: path.to_owned(),
        cause,
    };
    let file = std::fs::File::open(path).map_err(read)?;
    let bytes = key_files::read_bounded(file, FILE_MAX).map_err(read)?;
    decode_chain(&bytes)
}

/// Writes a chain file whole, in place of the one that stands there.
///
/// # Errors
/// [`PemError::Write`] when the file cannot be written durably; the old file then still stands.
pub fn write_chain(path: &Path, chain: &[CertificateDer<'_>]) -> Result<(), PemError> {
    key_files::replace_public(path, encode_chain(chain).as_bytes()).map_err(PemError::Write)
}

/// One PEM section, 64 characters a line. The caller wipes it when it is secret.
pub(crate) fn section(label: &str, der: &[u8]) -> String {
    // Room for everything at once: growing would leave copies of a secret behind in freed memory.
    let body = zeroize::Zeroizing::new(STANDARD.encode(der));
    let mut text = String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 64);
    let _ = writeln!(text, "-----BEGIN {label}-----");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    let _ = writeln!(text, "-----END {label}-----");
    text
}

/// Why a chain could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// No certificate in the text.
    #[error("no certificate found")]
    Empty,
    /// More text than [`FILE_MAX`].
    #[error("a chain of {bytes} bytes or more; the largest has {FILE_MAX}")]
    TooLarge {
        /// Its length, as far as it was read.
        bytes: usize,
    },
    /// More certificates than [`CHAIN_MAX`].
    #[error("more than {CHAIN_MAX} certificates")]
    TooLong,
    /// A section without end, or not base64.
    #[error("not well-formed PEM")]
    Malformed,
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(KeyFileError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_comes_back_as_it_went() {
        let chain: Vec<_> = (1..=8_u8)
            .map(|n| CertificateDer::from(vec![n; usize::from(n) * 40]))
            .collect();
        let text = encode_chain(&chain);
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(decode_chain(text.as_bytes()).unwrap(), chain);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chain.pem");
        write_chain(&path, &chain).unwrap();
        write_chain(&path, &chain[..1]).unwrap();
        assert_eq!(read_chain(&path).unwrap(), chain[..1]);
    }

    #[test]
    fn bounds_hold() {
        let one = section("CERTIFICATE", &[1, 2, 3]);
        assert!(matches!(decode_chain(b""), Err(PemError::Empty)));
        assert!(matches!(decode_chain(b"hello"), Err(PemError::Empty)));
        assert!(matches!(
            decode_chain(one.repeat(9).as_bytes()),
            Err(PemError::TooLong)
        ));
        assert!(matches!(
            decode_chain(&vec![b'\n'; FILE_MAX + 1]),
            Err(PemError::TooLarge { .. })
        ));
        assert!(matches!(
            decode_chain(&one.as_bytes()[..one.len() - 12]),
            Err(PemError::Malformed)
        ));
        assert!(matches!(
            decode_chain(one.replace('A', "!").as_bytes()),
            Err(PemError::Malformed | PemError::Empty)
        ));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge.pem");
        assert!(matches!(read_chain(&path), Err(PemError::Read { .. })));
        std::fs::write(&path, vec![b'\n'; FILE_MAX * 3]).unwrap();
        assert!(matches!(read_chain(&path), Err(PemError::TooLarge { .. })));
    }
}
