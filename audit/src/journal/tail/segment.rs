//! One file of the tail: its header, its creation, the synced write, and the reading back of one frame.
//!
//! The header binds format version, log origin and first index, and carries the head the segment starts
//! from, so that a tail can be followed without reading anything else.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand;
use bytes::Bytes;
use proto::digest::Digest;

use super::frame;
use super::replay::SegmentFound;
use crate::disk;
use crate::journal::{Head, JournalError};

/// Where frames start: the header's place, zero-filled.
pub(super) const FRAMES_AT: usize = 8192;
/// Of a segment that is only reserved: from here on the next one is made ready.
const DUE_BYTES: usize = 64 << 10;
const MAGIC: &[u8; 8] = b"MOHTAIL\n";
const VERSION: u16 = 1;
/// Magic, version, origin, first index, nonce, length of the head.
const FIXED: usize = 8 + 2 + Digest::LEN + 8 + 16 + 2;

/// The segment being written.
#[derive(Debug)]
pub(in crate::journal) struct Segment {
    file: File,
    name: Arc<Name>,
    offset: usize,
    capacity: usize,
    /// Its zeros were written, and not only reserved.
    is_filled: bool,
}

/// What finds and checks the frames of a segment.
#[derive(Debug)]
struct Name {
    path: PathBuf,
    nonce: [u8; 16],
}

/// Where a durable frame stands.
#[derive(Clone, Debug)]
pub(in crate::journal) struct Place {
    segment: Arc<Name>,
    offset: usize,
    /// Bytes of the frame.
    pub(in crate::journal) len: usize,
}

impl Place {
    /// Reads the frame's entries back.
    ///
    /// # Errors
    /// The segment is gone, cannot be read, or no longer holds what was written.
    pub(in crate::journal) fn read(&self) -> io::Result<Vec<Bytes>> {
        let Name { path, nonce } = &*self.segment;
        let mut bytes = vec![0; self.len];
        File::open(path)?.read_exact_at(&mut bytes, self.offset as u64)?;
        frame::entries_of(&bytes.into(), nonce, self.offset).ok_or_else(|| {
            let place = format!("{} at byte {}", path.display(), self.offset);
            io::Error::other(format!("{place}: not the frame that was written there"))
        })
    }
}

/// What a segment's header says.
#[derive(Clone, Debug)]
pub(super) struct SegmentHeader {
    /// Digest of the origin of the log it belongs to.
    pub(super) origin: Digest,
    /// The head it starts from.
    pub(super) head: Head,
    /// What both checksums of its frames cover besides the frame.
    pub(super) nonce: [u8; 16],
}

impl Segment {
    /// Creates the segment that follows `head`: header and directory are durable when this returns.
    pub(super) fn create(
        dir: &Path,
        origin: &Digest,
        segment_bytes: u64,
        head: &Head,
    ) -> Result<Self, JournalError> {
        let (name, header) = begun(dir, origin, head)?;
        let path = &name.path;
        let create = || OpenOptions::new().write(true).create_new(true).open(path);
        let file = disk::change(path, create).map_err(|e| JournalError::io("creating", path, e))?;
        let capacity = reserve(&file, path, segment_bytes)?;
        write_header(&file, path, &header)?;
        sync_dir(dir)?;
        Ok(Self::empty(file, name, capacity, false))
    }

    /// As [`Segment::create`], in a file of zeros that stands at `spare`, in the same directory.
    pub(super) fn fill(
        (file, spare): (File, &Path),
        dir: &Path,
        origin: &Digest,
        segment_bytes: u64,
        head: &Head,
    ) -> Result<Self, JournalError> {
        let (name, header) = begun(dir, origin, head)?;
        let path = &name.path;
        if path.exists() {
            return Err(JournalError::io("creating", path, "it is already there"));
        }
        write_header(&file, spare, &header)?;
        disk::change(path, || std::fs::rename(spare, path))
            .map_err(|e| JournalError::io("naming", path, e))?;
        sync_dir(dir)?;
        Ok(Self::empty(file, name, capacity(segment_bytes), true))
    }

    fn empty(file: File, name: Name, capacity: usize, is_filled: bool) -> Self {
        Self {
            file,
            name: Arc::new(name),
            offset: FRAMES_AT,
            capacity,
            is_filled,
        }
    }

    /// Reopens a replayed segment behind its last whole frame; what follows is cut off durably.
    pub(super) fn reopen(
        found: &SegmentFound,
        end: usize,
        segment_bytes: u64,
    ) -> Result<Self, JournalError> {
        let path = found.path.clone();
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(|e| JournalError::io("opening", &path, e))?;
        disk::change(&path, || file.set_len(end as u64))
            .map_err(|e| JournalError::io("cutting", &path, e))?;
        let capacity = reserve(&file, &path, segment_bytes)?;
        disk::sync_file(&path, || file.sync_all())
            .map_err(|e| JournalError::io("syncing", &path, e))?;
        let nonce = found.header.nonce;
        Ok(Self {
            file,
            name: Arc::new(Name { path, nonce }),
            offset: end,
            capacity,
            is_filled: false,
        })
    }

    /// Whether it holds no frame yet.
    pub(super) fn is_empty(&self) -> bool {
        self.offset == FRAMES_AT
    }

    /// Whether its zeros were written, and not only reserved.
    pub(in crate::journal) fn is_filled(&self) -> bool {
        self.is_filled
    }

    /// Whether it is time for the next one to be made ready. Not for a few entries; and while this one serves as well, not
    /// before half of it is full.
    pub(super) fn is_due(&self) -> bool {
        match self.is_filled {
            false => self.offset >= FRAMES_AT + DUE_BYTES,
            true => self.offset >= self.capacity / 2,
        }
    }

    /// Whether a frame of `len` bytes still fits. The first frame always does.
    pub(super) fn fits(&self, len: usize) -> bool {
        self.offset == FRAMES_AT || self.offset + len <= self.capacity
    }

    /// Encodes a batch for the place where it will stand.
    pub(super) fn encode<'a>(
        &self,
        out: &mut Vec<u8>,
        entries: impl ExactSizeIterator<Item = &'a Bytes>,
        head: &Head,
    ) {
        frame::encode(out, &self.name.nonce, self.offset, entries, head);
    }

    /// Writes a frame and makes it durable: the commit point. Gives where it stands.
    pub(super) fn write_synced(&mut self, frame: &[u8]) -> Result<Place, JournalError> {
        let path = &self.name.path;
        disk::change(path, || self.file.write_all_at(frame, self.offset as u64))
            .map_err(|e| JournalError::io("writing", path, e))?;
        disk::sync_file(path, || self.file.sync_data())
            .map_err(|e| JournalError::io("syncing", path, e))?;
        let place = Place {
            segment: Arc::clone(&self.name),
            offset: self.offset,
            len: frame.len(),
        };
        self.offset += frame.len();
        Ok(place)
    }

    /// The file's path; nothing more is written to it.
    pub(super) fn into_path(self) -> PathBuf {
        self.name.path.clone()
    }
}

impl SegmentHeader {
    fn encode(&self) -> Vec<u8> {
        let head = self.head.encode();
        let mut out = Vec::with_capacity(FIXED + head.len() + 4);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(self.origin.as_bytes());
        out.extend_from_slice(&self.head.size().to_be_bytes());
        out.extend_from_slice(&self.nonce);
        // A head is at most 4,124 bytes.
        out.extend_from_slice(&(head.len() as u16).to_be_bytes());
        out.extend_from_slice(&head);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads a header. `Ok(None)`: the bytes are broken. `Err`: whole, but of another version.
    pub(super) fn decode(segment: &Bytes) -> Result<Option<Self>, String> {
        let Some(fixed) = segment.get(..FIXED) else {
            return Ok(None);
        };
        let head_len = usize::from(u16::from_be_bytes([fixed[FIXED - 2], fixed[FIXED - 1]]));
        let crc_at = FIXED + head_len;
        let Some(crc) = segment.get(crc_at..crc_at + 4) else {
            return Ok(None);
        };
        if crc != crc32c::crc32c(&segment[..crc_at]).to_be_bytes() || !fixed.starts_with(MAGIC) {
            return Ok(None);
        }
        let version = u16::from_be_bytes([fixed[8], fixed[9]]);
        if version != VERSION {
            return Err(format!(
                "tail format {version} is not one this version reads"
            ));
        }
        let origin = Digest::from_slice(&fixed[10..42]);
        let head = Head::decode(&segment[FIXED..crc_at]);
        let (Some(origin), Some(head)) = (origin, head) else {
            return Ok(None);
        };
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&fixed[50..66]);
        Ok(
            (fixed[42..50] == head.size().to_be_bytes()).then_some(Self {
                origin,
                head,
                nonce,
            }),
        )
    }
}

/// Makes a directory's entries durable.
pub(in crate::journal) fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    disk::sync_dir(dir).map_err(|e| JournalError::io("syncing the directory", dir, e))
}

/// The name and the header of the segment that follows `head`.
fn begun(dir: &Path, origin: &Digest, head: &Head) -> Result<(Name, SegmentHeader), JournalError> {
    let path = dir.join(format!("{:020}.tail", head.size()));
    let mut nonce = [0; 16];
    rand::fill(&mut nonce)
        .map_err(|_| JournalError::io("drawing random bytes for", &path, "no entropy"))?;
    let header = SegmentHeader {
        origin: *origin,
        head: head.clone(),
        nonce,
    };
    Ok((Name { path, nonce }, header))
}

/// Writes the header of the segment in `path` and makes the whole file durable.
fn write_header(file: &File, path: &Path, header: &SegmentHeader) -> Result<(), JournalError> {
    disk::change(path, || file.write_all_at(&header.encode(), 0))
        .map_err(|e| JournalError::io("writing", path, e))?;
    disk::sync_file(path, || file.sync_all()).map_err(|e| JournalError::io("syncing", path, e))
}

/// Reserves the segment's space, so that a full disk shows at creation and not at a commit. Gives its capacity.
fn reserve(file: &File, path: &Path, bytes: u64) -> Result<usize, JournalError> {
    disk::change(path, || preallocate(file, bytes))
        .map_err(|e| JournalError::io("reserving space for", path, e))?;
    Ok(capacity(bytes))
}

fn capacity(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Reserves space. On a file system that cannot, the file grows as it is written.
pub(super) fn preallocate(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
