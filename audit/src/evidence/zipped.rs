//! The zip around a bundle: written one way, read strictly, or the folder that it was unpacked into.
//!
//! Files are stored, not compressed, by name in ascending order and with one date, so the same files make the same
//! bytes, and no zip can grow while it is read. Reading refuses everything that two readers could see differently:
//! compression, encryption, links, folders, names that leave the folder, a name twice, headers that disagree, bytes
//! before or after the archive.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use bytes::Bytes;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::{BYTES_MAX, Bundle, EvidenceError, FILES_MAX};
use crate::tiles::read_bounded;

/// Bytes of a zip at most: the files, and two headers with its name for each.
const ZIP_BYTES_MAX: u64 = BYTES_MAX + 512 * FILES_MAX as u64;
/// Characters of a name at most.
const NAME_MAX: usize = 128;
/// Bytes of the record that ends a zip without a comment.
const END_BYTES: usize = 22;
/// Folders in each other.
const DEPTH_MAX: usize = 1;

impl Bundle {
    /// The zip's bytes.
    ///
    /// # Errors
    /// [`EvidenceError::TooMuch`] over the limits of the form.
    pub fn to_zip(&self) -> Result<Vec<u8>, EvidenceError> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in &self.files {
            zip.start_file(name.as_str(), options)
                .map_err(|_| EvidenceError::TooMuch)?;
            zip.write_all(bytes).map_err(|_| EvidenceError::TooMuch)?;
        }
        let done = zip.finish().map_err(|_| EvidenceError::TooMuch)?;
        Ok(done.into_inner())
    }

    /// Reads a bundle: a zip, or the folder that it was unpacked into. Verifies nothing.
    ///
    /// # Errors
    /// [`EvidenceError::Form`] with what to do.
    pub fn open(path: &Path) -> Result<Self, EvidenceError> {
        let read = if path.is_dir() {
            let mut files = BTreeMap::new();
            let mut left = BYTES_MAX;
            folder(path, "", 0, &mut files, &mut left).map(|()| Self { files })
        } else {
            read_bounded(path, ZIP_BYTES_MAX)
                .map_err(|error| error.to_string())
                .and_then(|bytes| Self::from_zip(&bytes))
        };
        read.map_err(|what| EvidenceError::Form {
            path: path.to_owned(),
            what,
        })
    }

    /// Reads a zip in the one form that [`Bundle::to_zip`] writes; otherwise says what is wrong.
    ///
    /// # Errors
    /// A sentence.
    pub fn from_zip(bytes: &[u8]) -> Result<Self, String> {
        let count = announced(bytes)?;
        let zip = |error: zip::result::ZipError| format!("not a zip that can be trusted: {error}");
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(zip)?;
        if archive.len() != count || archive.has_duplicate_names() {
            return Err("it holds a name twice".to_owned());
        }
        if archive.offset() != 0 || !archive.comment().is_empty() {
            return Err("there are bytes before or after the archive".to_owned());
        }
        archive.validate_header_consistency().map_err(zip)?;
        let mut files = BTreeMap::new();
        let mut left = BYTES_MAX;
        for at in 0..archive.len() {
            let file = archive.by_index(at).map_err(zip)?;
            let name = file.name().map_err(zip)?.into_owned();
            plain_name(&name)?;
            if file.is_symlink() || file.is_dir() || file.encrypted() {
                return Err(format!("{name} is not a plain file"));
            }
            if file.compression() != CompressionMethod::Stored
                || file.size() != file.compressed_size()
            {
                return Err(format!(
                    "{name} is compressed: another program packed it. Unpack it and name the folder"
                ));
            }
            left = left.checked_sub(file.size()).ok_or_else(too_large)?;
            // Below 64 MiB.
            let (size, mut content) = (file.size(), Vec::with_capacity(file.size() as usize));
            file.take(size + 1)
                .read_to_end(&mut content)
                .map_err(|error| format!("{name}: {error}"))?;
            if content.len() as u64 != size {
                return Err(format!("{name} is not as long as it says"));
            }
            files.insert(name, Bytes::from(content));
        }
        Ok(Self { files })
    }
}

/// How many files the record at the end announces; a zip in our form ends with it, and it has no comment.
fn announced(bytes: &[u8]) -> Result<usize, String> {
    let end = bytes
        .len()
        .checked_sub(END_BYTES)
        .and_then(|at| bytes.get(at..))
        .filter(|end| end.starts_with(b"PK\x05\x06") && end.ends_with(&[0, 0]))
        .ok_or("it is cut short, has a comment, or is no zip")?;
    let count = usize::from(u16::from_le_bytes([end[10], end[11]]));
    // Read before anything is made for each of them.
    if count > FILES_MAX {
        return Err(format!("{count} files; a bundle has at most {FILES_MAX}"));
    }
    Ok(count)
}

fn too_large() -> String {
    format!("its files are larger than {BYTES_MAX} bytes together")
}

/// Names that mean the same everywhere.
fn plain_name(name: &str) -> Result<(), String> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
    if name.len() <= NAME_MAX && name.split('/').all(part) {
        return Ok(());
    }
    Err(format!(
        "{:?} is not a name that a bundle can hold",
        name.chars().take(NAME_MAX).collect::<String>()
    ))
}

/// Reads a folder; links are refused, not followed.
fn folder(
    root: &Path,
    inside: &str,
    depth: usize,
    files: &mut BTreeMap<String, Bytes>,
    left: &mut u64,
) -> Result<(), String> {
    let listing = fs::read_dir(root.join(inside)).map_err(|error| error.to_string())?;
    for item in listing {
        let item = item.map_err(|error| error.to_string())?;
        let kind = item.file_type().map_err(|error| error.to_string())?;
        let name = item.file_name().to_string_lossy().into_owned();
        let name = if inside.is_empty() {
            name
        } else {
            format!("{inside}/{name}")
        };
        plain_name(&name)?;
        if kind.is_dir() && depth < DEPTH_MAX {
            folder(root, &name, depth + 1, files, left)?;
            continue;
        }
        if !kind.is_file() {
            return Err(format!("{name} is not a plain file"));
        }
        if files.len() == FILES_MAX {
            return Err(format!("more than {FILES_MAX} files"));
        }
        let bytes = read_bounded(&root.join(&name), *left).map_err(|_| too_large())?;
        *left = left.saturating_sub(bytes.len() as u64);
        files.insert(name, bytes.into());
    }
    Ok(())
}
