//! A file that is there whole or not at all.
//!
//! It is written beside the wanted one, readable by its owner alone. Only when it is kept, and the disk has all of it, does it
//! get its name; dropped before, it is gone. A process that is killed leaves the part behind, as `.NAME.PROCESS.part`, for
//! [`sweep`] to take away. Who writes a part holds its lock, which a process loses by dying and by nothing else: so a sweep
//! takes away what nobody can finish, also where a new process has an old one's number, and never what is being written.

use std::fs::{Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// How the name of a part ends.
const PART: &str = ".part";

/// The file before it has its name. Dropped, it is gone.
pub(crate) struct WholeFile {
    file: File,
    path: PathBuf,
    wanted: PathBuf,
}

impl WholeFile {
    /// Begins beside `wanted`.
    pub(crate) fn beside(wanted: &Path) -> io::Result<Self> {
        let name = wanted.file_name().ok_or(ErrorKind::InvalidInput)?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}{PART}", std::process::id()));
        let path = wanted.with_file_name(beside);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        // Where a file system has no locks, no sweep gets one either, and takes nothing away. Who holds this one is a sweep
        // that looked in the moment before, and takes it away: then it is no place to write to.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(ErrorKind::ResourceBusy.into());
        }
        Ok(Self {
            file: File::from_std(file),
            path,
            wanted: wanted.to_owned(),
        })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }

    /// Gives it its name, once the disk has it. A name that was taken meanwhile stays taken.
    pub(crate) async fn keep(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        // A link, not a rename: what appeared there in the meantime stays.
        match tokio::fs::hard_link(&self.path, &self.wanted).await {
            Ok(()) => {}
            // Some file systems have no links.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Unsupported | ErrorKind::PermissionDenied
                ) && self.wanted.symlink_metadata().is_err() =>
            {
                tokio::fs::rename(&self.path, &self.wanted).await?;
            }
            Err(error) => return Err(error),
        }
        let folder = self
            .wanted
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))
            .await?
            .sync_all()
            .await
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // Linked, renamed or neither: this name has served, and may be gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Takes away the parts in `folder` that a process left which is no more, of files whose names are `own`. Gives how many.
/// Leaves what somebody writes, what is no plain file, and every other name.
pub(crate) fn sweep(folder: &Path, own: impl Fn(&str) -> bool) -> io::Result<u64> {
    let mut swept = 0;
    for found in std::fs::read_dir(folder)? {
        let found = found?;
        let name = found.file_name();
        if !name.to_str().and_then(wanted_by).is_some_and(&own) {
            continue;
        }
        swept += u64::from(sweep_one(&found.path())?);
    }
    Ok(swept)
}

/// Takes a part away, unless somebody writes it.
fn sweep_one(path: &Path) -> io::Result<bool> {
    let gone = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => Ok(false),
        _ => Err(error),
    };
    let named = match path.symlink_metadata() {
        Ok(named) if named.is_file() => named,
        Ok(_) => return Ok(false),
        Err(error) => return gone(error),
    };
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) => return gone(error),
    };
    // Another may stand there by now.
    if !is_same(&named, &file.metadata()?) {
        return Ok(false);
    }
    match file.try_lock() {
        Ok(()) => std::fs::remove_file(path).map(|()| true).or_else(gone),
        Err(_) => Ok(false),
    }
}

/// Which file a part was to become, by the part's name.
fn wanted_by(part: &str) -> Option<&str> {
    let (name, process) = part
        .strip_prefix('.')?
        .strip_suffix(PART)?
        .rsplit_once('.')?;
    let is_number = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !name.is_empty()).then_some(name)
}

/// Whether two looks saw one plain file.
#[cfg(unix)]
pub(crate) fn is_same(named: &Metadata, opened: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    opened.is_file() && (named.dev(), named.ino()) == (opened.dev(), opened.ino())
}

/// Whether two looks saw one plain file.
#[cfg(not(unix))]
pub(crate) fn is_same(_: &Metadata, opened: &Metadata) -> bool {
    opened.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_dead_process_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        // A process that is no more, whatever its number is.
        let left = [".a.bin.1.part", ".a.bin.99999.part"];
        let others = [
            ".b.bin.1.part",
            ".a.bin.part",
            ".a.bin.x1.part",
            "a.bin.1.part",
            "a.bin",
            ".1.part",
        ];
        for name in left.iter().chain(&others) {
            std::fs::write(at(name), name).unwrap();
        }
        std::fs::create_dir(at(".a.bin.2.part")).unwrap();
        std::os::unix::fs::symlink(at("a.bin"), at(".a.bin.3.part")).unwrap();
        let written = WholeFile::beside(&at("a.bin")).unwrap();
        let own = |name: &str| name == "a.bin";
        assert_eq!(sweep(dir.path(), own).unwrap(), 2);
        assert!(left.iter().all(|name| !at(name).exists()));
        assert!(others.iter().all(|name| at(name).exists()));
        assert!(at(".a.bin.2.part").is_dir() && at(".a.bin.3.part").is_symlink());
        assert!(written.path.exists());
        // What its writer forgot to take away is nobody's once its file is closed.
        let WholeFile { file, path, .. } = &written;
        let copy = at(".a.bin.4.part");
        std::fs::hard_link(path, &copy).unwrap();
        assert_eq!(sweep(dir.path(), own).unwrap(), 0, "{file:?} is open");
        drop(written);
        assert_eq!(sweep(dir.path(), own).unwrap(), 1);
        assert!(sweep(&at("nowhere"), own).is_err());
    }

    #[tokio::test]
    async fn a_file_stands_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("register.bin");
        let left = || std::fs::read_dir(dir.path()).unwrap().count();
        let mut part = WholeFile::beside(&path).unwrap();
        part.write(b"half").await.unwrap();
        assert!(!path.exists() && left() == 1);
        drop(part);
        assert_eq!(left(), 0);
        let mut part = WholeFile::beside(&path).unwrap();
        part.write(b"all of it").await.unwrap();
        let mut late = WholeFile {
            path: dir.path().join("late"),
            file: File::create(dir.path().join("late")).await.unwrap(),
            wanted: path.clone(),
        };
        part.keep().await.unwrap();
        drop(part);
        late.write(b"too late").await.unwrap();
        assert!(late.keep().await.is_err());
        drop(late);
        assert_eq!(std::fs::read(&path).unwrap(), b"all of it");
        assert_eq!(left(), 1);
        assert!(WholeFile::beside(Path::new("/")).is_err());
    }
}
