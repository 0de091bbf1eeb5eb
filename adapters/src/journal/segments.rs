//! The files with the records: one folder, a new file each day and each 16 MiB, only ever added to.
//!
//! Several processes may use one home. Each write therefore happens under the folder's lock, behind whatever others have
//! written since; a torn end that a process left behind when it was killed is cut there, and the piece set aside.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::day::Day;
use super::frames::whole_until;

/// Bytes after which a new file begins.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;
/// Bytes of one file that are read at most: a full one and the largest batch behind it.
const READ_BYTES_MAX: u64 = 1 << 30;
/// Ends the names of files with records.
const SUFFIX: &str = ".records";
/// The file whose lock is held while anything in the journal is written.
const LOCK: &str = "lock";

/// Makes a folder that only its owner may enter, its name synced.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    sync_dir(dir.parent().unwrap_or(dir))
}

/// Syncs the names in `dir`.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Held while the journal in `dir` is written or one file of it is read.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "the lock ends with the file")] File);

impl Held {
    /// To write.
    pub(super) fn alone(dir: &Path) -> io::Result<Self> {
        make_dir(dir)?;
        let path = dir.join(LOCK);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)?;
        file.lock()?;
        Ok(Self(file))
    }

    /// To read. `None` when nothing was ever written here, or this user may not write the lock.
    pub(super) fn shared(dir: &Path) -> Option<Self> {
        let file = File::open(dir.join(LOCK)).ok()?;
        file.lock_shared().ok()?;
        Some(Self(file))
    }
}

/// The files with records in `dir`, oldest first.
pub(super) fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if number_of(&path).is_some() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Day and number in a file's name.
fn number_of(path: &Path) -> Option<(&str, u32)> {
    let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
    let (day, number) = name.rsplit_once('-')?;
    Some((day, number.parse().ok()?))
}

/// Reads one file whole.
pub(super) fn read(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    if file.metadata()?.len() > READ_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is larger than any journal's",
        ));
    }
    let mut bytes = Vec::new();
    file.take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// Adds to the newest file. Every method is called under [`Held::alone`].
#[derive(Debug)]
pub(super) struct Appender {
    dir: PathBuf,
    open: Option<Open>,
    /// After a failed write the file's end is not known: the next one goes elsewhere.
    elsewhere: bool,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    end: u64,
}

impl Appender {
    /// Adds to the files in `dir`.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            open: None,
            elsewhere: false,
        }
    }

    /// Writes whole frames and syncs. Durable when it returns.
    pub(super) fn append(&mut self, today: Day, frames: &[u8]) -> io::Result<()> {
        let written = self.write(today, frames);
        if written.is_err() {
            self.open = None;
            self.elsewhere = true;
        }
        written
    }

    fn write(&mut self, today: Day, frames: &[u8]) -> io::Result<()> {
        make_dir(&self.dir)?;
        let newest = list(&self.dir)?.pop();
        let mut open = match (self.open.take(), newest) {
            (Some(open), Some(newest)) if open.path == newest => open,
            (_, Some(newest)) => self.open_there(newest)?,
            (_, None) => self.make(today, 1)?,
        };
        if open.file.metadata()?.len() != open.end {
            open.end = self.cut(&open)?;
        }
        let (day, number) = number_of(&open.path).unwrap_or(("", 0));
        if open.end >= SEGMENT_BYTES_MAX || day != today.to_string() || self.elsewhere {
            // A clock that was set back must not make a file that sorts before the newest.
            let name = today.to_string();
            let (name, next) = if name.as_str() > day {
                (name, 1)
            } else {
                (day.to_owned(), number + 1)
            };
            if name != day || open.end >= SEGMENT_BYTES_MAX || self.elsewhere {
                open = self.make_named(&name, next)?;
                self.elsewhere = false;
            }
        }
        open.file.seek(SeekFrom::Start(open.end))?;
        open.file.write_all(frames)?;
        open.file.sync_data()?;
        open.end += frames.len() as u64;
        self.open = Some(open);
        Ok(())
    }

    fn open_there(&self, path: PathBuf) -> io::Result<Open> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        // Nothing is known of its end yet.
        Ok(Open {
            path,
            file,
            end: u64::MAX,
        })
    }

    fn make(&self, today: Day, number: u32) -> io::Result<Open> {
        self.make_named(&today.to_string(), number)
    }

    fn make_named(&self, day: &str, number: u32) -> io::Result<Open> {
        let path = self.dir.join(format!("{day}-{number:06}{SUFFIX}"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        sync_dir(&self.dir)?;
        Ok(Open { path, file, end: 0 })
    }

    /// Where the file's whole frames end. What a killed process left behind them is set aside and cut.
    fn cut(&self, open: &Open) -> io::Result<u64> {
        let bytes = read(&open.path)?;
        let from = usize::try_from(open.end).unwrap_or(usize::MAX);
        let from = if from <= bytes.len() { from } else { 0 };
        let end = whole_until(&bytes, from);
        if end < bytes.len() {
            let mut aside = open.path.clone().into_os_string();
            aside.push(format!(".torn-{end}"));
            let aside = PathBuf::from(aside);
            if !aside.exists() {
                let mut file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&aside)?;
                file.write_all(&bytes[end..])?;
                file.sync_all()?;
            }
            open.file.set_len(end as u64)?;
            open.file.sync_all()?;
            tracing::warn!(file = %open.path.display(), at = end, bytes = bytes.len() - end, aside = %aside.display(), "the journal's last write was cut short by an end of the process; it was never said to be kept");
        }
        Ok(end as u64)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::frames::{Found, Frames, put};
    use super::*;

    fn frame(body: &[u8]) -> Bytes {
        let mut out = BytesMut::new();
        put(&mut out, |out| out.extend_from_slice(body));
        out.freeze()
    }

    fn bodies(dir: &Path) -> Vec<Bytes> {
        let files = list(dir).unwrap();
        let all = files
            .iter()
            .flat_map(|file| Frames::new(read(file).unwrap(), 0));
        all.map(|found| match found {
            Found::Body(body) => body,
            Found::Broken { at, .. } => panic!("broken at {at}"),
        })
        .collect()
    }

    #[test]
    fn two_processes_write_one_file_and_a_torn_end_is_cut_and_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let day = Day::of_ms(1_795_000_000_000);
        let [mut one, mut two] = [(); 2].map(|()| Appender::new(dir.path().to_owned()));
        one.append(day, &frame(b"1")).unwrap();
        two.append(day, &frame(b"2")).unwrap();
        one.append(day, &frame(b"3")).unwrap();
        // A third was killed half way.
        let file = list(dir.path()).unwrap().pop().unwrap();
        let torn = &frame(b"never said to be kept")[..20];
        let mut killed = OpenOptions::new().append(true).open(&file).unwrap();
        killed.write_all(torn).unwrap();
        one.append(day, &frame(b"4")).unwrap();
        two.append(day, &frame(b"5")).unwrap();
        assert_eq!(bodies(dir.path()), ["1", "2", "3", "4", "5"]);
        let aside = std::fs::read_dir(dir.path())
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.to_string_lossy().contains(".torn-"))
            .unwrap();
        assert_eq!(std::fs::read(aside).unwrap(), torn);
        assert_eq!(list(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_new_day_and_a_full_file_begin_a_new_one_in_order_even_with_a_clock_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let today = Day::of_ms(1_795_000_000_000);
        let mut appender = Appender::new(dir.path().to_owned());
        appender.append(today, &frame(b"1")).unwrap();
        appender.append(today.after(1), &frame(b"2")).unwrap();
        appender.append(today, &frame(b"3")).unwrap();
        let large = vec![0; SEGMENT_BYTES_MAX as usize];
        appender.append(today.after(1), &frame(&large)).unwrap();
        appender.append(today.after(1), &frame(b"5")).unwrap();
        let files = list(dir.path()).unwrap();
        let day = |days| today.after(days).to_string();
        let names: Vec<_> = files
            .iter()
            .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            names,
            [
                format!("{}-000001.records", day(0)),
                format!("{}-000001.records", day(1)),
                format!("{}-000002.records", day(1)),
            ]
        );
        let read = bodies(dir.path());
        assert_eq!(read.len(), 5);
        assert_eq!(
            [&read[0], &read[1], &read[2], &read[4]],
            ["1", "2", "3", "5"]
        );
    }

    #[test]
    fn after_a_write_that_failed_the_next_goes_to_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let day = Day::of_ms(0);
        let mut appender = Appender::new(dir.path().to_owned());
        appender.append(day, &frame(b"1")).unwrap();
        // Gone under its feet, and a folder stands in its place.
        let file = list(dir.path()).unwrap().pop().unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        appender.open = None;
        appender.append(day, &frame(b"2")).unwrap_err();
        std::fs::remove_dir(&file).unwrap();
        appender.append(day, &frame(b"2")).unwrap();
        assert_eq!(bodies(dir.path()), ["2"]);
    }
}
