//! Private files: owner-only, written whole or not at all, never overwritten.
//!
//! Takes and gives bytes that are wiped when dropped. Never follows a symbolic link to a key, never loads a key
//! that somebody else could have read or written, and never guesses: each refusal says what to do.
//!
//! Specification: `docs/protocol.md` §1 ("Key files are owner-only and refused when wider").

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// The largest private file, in bytes. A key has a few hundred.
pub const PRIVATE_FILE_MAX: usize = 64 * 1024;

/// Makes a directory (and those above it) that only its owner may enter. One that exists is left as it is,
/// unless others may write there.
///
/// # Errors
/// [`KeyFileError::Write`], [`KeyFileError::OpenDirectory`].
pub fn private_dir(dir: &Path) -> Result<(), KeyFileError> {
    let write = |cause| KeyFileError::Write {
        path: dir.to_owned(),
        cause,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(write)?;
    let found = fs::metadata(dir).map_err(write)?;
    // Who may write to the directory may put another key there before the first one is made.
    if found.mode() & 0o022 != 0 || found.uid() != rustix::process::geteuid().as_raw() {
        return Err(KeyFileError::OpenDirectory {
            path: dir.to_owned(),
            mode: found.mode() & 0o7777,
        });
    }
    Ok(())
}

/// Writes a new private file, mode 0600, in a directory that is made 0700 when missing. Durable when it returns.
///
/// # Errors
/// [`KeyFileError::Exists`] when something stands at `path` already; it is left as it is. [`KeyFileError::Size`]
/// for an empty or huge file, [`KeyFileError::OpenDirectory`], [`KeyFileError::Write`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    if bytes.is_empty() || bytes.len() > PRIVATE_FILE_MAX {
        return Err(KeyFileError::Size {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
        });
    }
    private_dir(parent(path))?;
    publish(path, bytes, 0o600, |temporary| {
        // A link, not a rename: a rename would silently replace a key that appeared in the meantime.
        fs::hard_link(temporary, path)?;
        fs::remove_file(temporary)
    })
}

/// Writes a public file (certificates), mode 0644, in place of what stands there. Durable when it returns.
///
/// # Errors
/// [`KeyFileError::Write`]; the old file then still stands.
pub fn replace_public(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    publish(path, bytes, 0o644, |temporary| fs::rename(temporary, path))
}

/// Reads a private file that nobody else can read or write.
///
/// # Errors
/// [`KeyFileError::Symlink`], [`KeyFileError::NotAFile`], [`KeyFileError::Owner`], [`KeyFileError::Wide`],
/// [`KeyFileError::Size`], [`KeyFileError::Read`].
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let read = |cause| KeyFileError::Read {
        path: path.to_owned(),
        cause,
    };
    // Without blocking: a pipe in the place of a key must not hold up the start.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = opened.map_err(|cause| {
        if cause.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            KeyFileError::Symlink {
                path: path.to_owned(),
            }
        } else {
            read(cause)
        }
    })?;
    // The open file is judged, not the path: the path may change between two looks.
    let found = file.metadata().map_err(read)?;
    if !found.is_file() {
        return Err(KeyFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(KeyFileError::Owner {
            path: path.to_owned(),
            uid: found.uid(),
        });
    }
    if found.mode() & 0o077 != 0 {
        return Err(KeyFileError::Wide {
            path: path.to_owned(),
            mode: found.mode() & 0o7777,
        });
    }
    let bytes = Zeroizing::new(read_bounded(file, PRIVATE_FILE_MAX).map_err(read)?);
    if bytes.is_empty() || bytes.len() > PRIVATE_FILE_MAX {
        return Err(KeyFileError::Size {
            path: path.to_owned(),
            bytes: found.len(),
        });
    }
    Ok(bytes)
}

/// Reads at most `max + 1` bytes, so that the caller sees a file that is too large without reading it.
pub(crate) fn read_bounded(file: File, max: usize) -> io::Result<Vec<u8>> {
    // Room for everything at once: growing would leave copies of a key behind in freed memory.
    let mut bytes = Vec::with_capacity(max + 1);
    file.take(max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn publish(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    into_place: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), KeyFileError> {
    let write = |cause| KeyFileError::Write {
        path: path.to_owned(),
        cause,
    };
    let temporary = beside(path).map_err(write)?;
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        into_place(&temporary)?;
        File::open(parent(path))?.sync_all()
    })();
    written.map_err(|cause| {
        // Nothing of a key may stay behind; when even this fails, the first cause is the one to tell.
        let _ = fs::remove_file(&temporary);
        if cause.kind() == io::ErrorKind::AlreadyExists {
            KeyFileError::Exists {
                path: path.to_owned(),
            }
        } else {
            write(cause)
        }
    })
}

/// A fresh name in the same directory, so that putting it into place never crosses file systems.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_string_lossy();
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
    Ok(parent(path).join(format!(".{name}.new-{}", hex::encode(random))))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Why a private file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Something stands there already.
    #[error("{} exists already and is never overwritten; move it away first", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A symbolic link.
    #[error("{} is a symbolic link; give the path of the key itself", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// A directory, a pipe or a device.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file belongs to another user.
    #[error("{} belongs to user {uid}; a key must belong to the user who runs this process", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Group or others may read, write or execute the file.
    #[error("{} has mode {mode:04o}, so others may use it; run: chmod 600 {}", path.display(), path.display())]
    Wide {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Empty, or larger than [`PRIVATE_FILE_MAX`].
    #[error("{} has {bytes} bytes; a private file has 1 to {PRIVATE_FILE_MAX}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Others may write to the directory, or it belongs to another user.
    #[error("the directory {} (mode {mode:04o}) must belong to you and be writable by nobody else; run: chmod go-w {}",
        path.display(), path.display())]
    OpenDirectory {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system could not read it.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The system could not write it.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_private_file_is_owner_only_and_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/key.pem");
        write_private(&path, b"secret").unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(read_private(&path).unwrap().as_slice(), b"secret");
        assert!(matches!(
            write_private(&path, b"other"),
            Err(KeyFileError::Exists { .. })
        ));
        assert_eq!(read_private(&path).unwrap().as_slice(), b"secret");
        let names: Vec<_> = fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["key.pem"], "no temporary file stays behind");
    }

    #[test]
    fn wide_linked_empty_huge_and_strange_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_private(&path, b"secret").unwrap();
        for wide in [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666] {
            chmod(&path, wide);
            assert!(
                matches!(read_private(&path), Err(KeyFileError::Wide { mode, .. }) if mode == wide)
            );
        }
        chmod(&path, 0o400);
        assert!(read_private(&path).is_ok());

        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(
            read_private(&link),
            Err(KeyFileError::Symlink { .. })
        ));
        assert!(matches!(
            write_private(&link, b"x"),
            Err(KeyFileError::Exists { .. })
        ));
        let dangling = dir.path().join("dangling");
        symlink(dir.path().join("nowhere"), &dangling).unwrap();
        assert!(matches!(
            write_private(&dangling, b"x"),
            Err(KeyFileError::Exists { .. })
        ));

        assert!(matches!(
            write_private(&dir.path().join("none"), b""),
            Err(KeyFileError::Size { .. })
        ));
        let sized = dir.path().join("sized");
        for bytes in [0, PRIVATE_FILE_MAX + 1, PRIVATE_FILE_MAX * 4] {
            fs::write(&sized, vec![b'x'; bytes]).unwrap();
            chmod(&sized, 0o600);
            assert!(
                matches!(read_private(&sized), Err(KeyFileError::Size { bytes: b, .. }) if b == bytes as u64)
            );
        }
        assert!(matches!(
            read_private(dir.path()),
            Err(KeyFileError::NotAFile { .. })
        ));
        assert!(matches!(
            read_private(&dir.path().join("absent")),
            Err(KeyFileError::Read { .. })
        ));
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::Mode::from_raw_mode(0o600),
        )
        .unwrap();
        assert!(
            matches!(read_private(&pipe), Err(KeyFileError::NotAFile { .. })),
            "and it does not wait"
        );
    }

    #[test]
    fn a_foreign_owner_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_private(&path, b"secret").unwrap();
        // Only root can give a file away; elsewhere a file of root's is read, which is refused or unreadable.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
            assert!(matches!(
                read_private(&path),
                Err(KeyFileError::Owner { uid: 65_534, .. })
            ));
        } else {
            assert!(matches!(
                read_private(Path::new("/etc/passwd")),
                Err(KeyFileError::Owner { uid: 0, .. })
            ));
        }
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        chmod(dir.path(), 0o777);
        assert!(matches!(
            write_private(&path, b"x"),
            Err(KeyFileError::OpenDirectory { mode: 0o777, .. })
        ));
        chmod(dir.path(), 0o755);
        assert!(write_private(&path, b"x").is_ok());
    }
}
