//! What tests put behind the seam: a step that fails, and the images of a power cut between any two steps.
//!
//! A [`Plan`] stands over one directory and sees the steps below it, whichever thread does them. It keeps, beside the
//! real files, what is durable: the content that a file had when it was last synced, the names that a directory had when
//! it was last synced. [`Image`] is what a power cut leaves: everything, only what was synced, or pages of both.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Step;

/// What every failure says.
pub(crate) const SAID: &str = "no space left, says the plan";
/// Bytes that a disk writes whole.
const PAGE: usize = 4096;

/// When a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Nothing of it was done.
    Before,
    /// All of it was done, and the system says that it was not.
    After,
}

/// How much of what was not synced a power cut leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// All of it: the system had written everything by itself.
    Everything,
    /// None of it, names included.
    Synced,
    /// All names, and of the contents some pages, chosen by this number.
    Pages(u64),
}

/// Shown the plan before each step: its number from 0 on, and what it will do.
pub(crate) type OnStep = dyn FnMut(&Durable, u64, &str) + Send;

/// A plan over one directory. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Plan(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    state: Mutex<State>,
}

struct State {
    steps: u64,
    fail: Option<(u64, When)>,
    failed: Option<String>,
    /// Where a sync does nothing: a control.
    idle: Option<PathBuf>,
    durable: Durable,
    on_step: Option<Box<OnStep>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({} steps, {:?})", self.steps, self.failed)
    }
}

static PLANS: Mutex<Vec<Arc<Shared>>> = Mutex::new(Vec::new());

fn plans() -> std::sync::MutexGuard<'static, Vec<Arc<Shared>>> {
    PLANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does a step under the plan that stands over `path`, or just does it.
pub(super) fn step<T>(
    step: Step,
    path: &Path,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let plan = plans()
        .iter()
        .find(|plan| path.starts_with(&plan.root))
        .cloned();
    let Some(plan) = plan else { return work() };
    // Held during the step: two threads' steps come one after the other.
    let mut state = plan.state.lock().unwrap_or_else(PoisonError::into_inner);
    let number = state.steps;
    state.steps += 1;
    let name = format!("{step:?} {}", path.display());
    if let Some(mut on_step) = state.on_step.take() {
        on_step(&state.durable, number, &name);
        state.on_step = Some(on_step);
    }
    let fails = state.fail.filter(|(at, _)| *at == number);
    let error = || io::Error::new(io::ErrorKind::StorageFull, SAID);
    if let Some((_, when)) = fails {
        state.failed = Some(format!("step {number}, {when:?}: {name}"));
        if when == When::Before {
            return Err(error());
        }
    }
    let done = work()?;
    match step {
        Step::Change => {}
        _ if state
            .idle
            .as_ref()
            .is_some_and(|idle| path.starts_with(idle)) => {}
        Step::SyncFile => state.durable.sync_file(path)?,
        Step::SyncDir => state.durable.sync_dir(path)?,
    }
    match fails {
        Some(_) => Err(error()),
        None => Ok(done),
    }
}

impl Plan {
    /// Over `root`, an empty directory that is durable itself.
    pub(crate) fn over(
        root: &Path,
        fail: Option<(u64, When)>,
        on_step: Option<Box<OnStep>>,
    ) -> Self {
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            state: Mutex::new(State {
                steps: 0,
                fail,
                failed: None,
                idle: None,
                durable: Durable::new(root),
                on_step,
            }),
        });
        plans().push(Arc::clone(&shared));
        Self(shared)
    }

    /// Over `root` with everything in it, all of which is durable.
    pub(crate) fn over_standing(root: &Path, fail: Option<(u64, When)>) -> Self {
        let plan = Self::over(root, None, None);
        let mut state = plan.state();
        state.durable.sync_all(root).unwrap();
        state.fail = fail;
        drop(state);
        plan
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on, syncs below `dir` make nothing durable.
    pub(crate) fn idle(&self, dir: &Path) {
        self.state().idle = Some(dir.to_owned());
    }

    /// The step that failed; `None` when the run ended before it came to it.
    pub(crate) fn failed(&self) -> Option<String> {
        self.state().failed.clone()
    }

    /// Steps so far.
    pub(crate) fn steps(&self) -> u64 {
        self.state().steps
    }

    /// What a power cut leaves now.
    pub(crate) fn image(&self, left: Left) -> Image {
        self.state().durable.image(left)
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        plans().retain(|plan| !Arc::ptr_eq(plan, &self.0));
    }
}

/// A file's bytes without the zeros at its end, and its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    bytes: Vec<u8>,
    len: usize,
}

impl Content {
    fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = fs::read(path)?;
        let len = bytes.len();
        let written = bytes.iter().rposition(|byte| *byte != 0);
        bytes.truncate(written.map_or(0, |last| last + 1));
        bytes.shrink_to_fit();
        Ok(Self { bytes, len })
    }

    /// Some pages of this, the others of `older`.
    fn mixed(&self, older: &Self, seed: u64) -> Self {
        let mut bytes = self.bytes.clone();
        bytes.resize(self.bytes.len().max(older.bytes.len()).min(self.len), 0);
        for (page, chunk) in bytes.chunks_mut(PAGE).enumerate() {
            if scatter(seed ^ (page as u64)).is_multiple_of(2) {
                let at = page * PAGE;
                let from = older.bytes.get(at..).unwrap_or_default();
                let len = chunk.len().min(from.len());
                chunk[..len].copy_from_slice(&from[..len]);
                chunk[len..].fill(0);
            }
        }
        Self {
            bytes,
            len: self.len,
        }
    }
}

/// A number that looks like chance, the same in every run.
pub(crate) fn scatter(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What was synced, by inode.
#[derive(Debug)]
pub(crate) struct Durable {
    root: PathBuf,
    /// Open, so that no inode is given to another file.
    pinned: HashMap<u64, File>,
    contents: HashMap<u64, Arc<Content>>,
    names: HashMap<u64, BTreeMap<OsString, (u64, bool)>>,
}

impl Durable {
    fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            pinned: HashMap::new(),
            contents: HashMap::new(),
            names: HashMap::new(),
        }
    }

    fn pin(&mut self, path: &Path) -> io::Result<(u64, bool)> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        self.pinned.entry(metadata.ino()).or_insert(file);
        Ok((metadata.ino(), metadata.is_dir()))
    }

    fn sync_file(&mut self, path: &Path) -> io::Result<()> {
        let (inode, _) = self.pin(path)?;
        self.contents.insert(inode, Arc::new(Content::read(path)?));
        Ok(())
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let (dir, _) = self.pin(path)?;
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            match self.pin(&entry.path()) {
                Ok(found) => drop(names.insert(entry.file_name(), found)),
                // sled removes a file of its own now and then.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.names.insert(dir, names);
        Ok(())
    }

    /// Everything below `dir`.
    fn sync_all(&mut self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                self.sync_all(&path)?;
            } else {
                self.sync_file(&path)?;
            }
        }
        self.sync_dir(dir)
    }

    /// What a power cut leaves now.
    pub(crate) fn image(&self, left: Left) -> Image {
        let mut image = Image::default();
        if left == Left::Synced {
            let root = fs::metadata(&self.root).unwrap().ino();
            self.synced(root, Path::new(""), &mut image);
        } else {
            self.standing(&self.root.clone(), Path::new(""), left, &mut image);
        }
        image
    }

    fn synced(&self, dir: u64, at: &Path, image: &mut Image) {
        for (name, (inode, is_dir)) in self.names.get(&dir).into_iter().flatten() {
            let path = at.join(name);
            if *is_dir {
                image.dirs.push(path.clone());
                self.synced(*inode, &path, image);
            } else {
                let content = self.contents.get(inode).cloned().unwrap_or_default();
                image.files.push((path, content));
            }
        }
    }

    fn standing(&self, dir: &Path, at: &Path, left: Left, image: &mut Image) {
        let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(Result::unwrap).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (from, path) = (entry.path(), at.join(entry.file_name()));
            let Ok(metadata) = fs::metadata(&from) else {
                continue;
            };
            if metadata.is_dir() {
                image.dirs.push(path.clone());
                self.standing(&from, &path, left, image);
                continue;
            }
            let Ok(mut content) = Content::read(&from) else {
                continue;
            };
            if let Left::Pages(seed) = left {
                let older = self
                    .contents
                    .get(&metadata.ino())
                    .cloned()
                    .unwrap_or_default();
                if *older != content {
                    content = content.mixed(&older, seed ^ metadata.ino());
                }
            }
            image.files.push((path, Arc::new(content)));
        }
    }
}

/// A directory as a power cut left it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    dirs: Vec<PathBuf>,
    files: Vec<(PathBuf, Arc<Content>)>,
}

impl Image {
    /// Of the directory as it stands.
    pub(crate) fn of(dir: &Path) -> Self {
        Durable::new(dir).image(Left::Everything)
    }

    /// Writes it into the empty directory `dir`.
    pub(crate) fn restore(&self, dir: &Path) {
        for path in &self.dirs {
            fs::create_dir_all(dir.join(path)).unwrap();
        }
        for (path, content) in &self.files {
            let path = dir.join(path);
            fs::write(&path, &content.bytes).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_len(content.len as u64).unwrap();
        }
    }

    /// Each file: its path below the directory, its bytes up to the last that is not zero, and its length.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &[u8], usize)> {
        self.files
            .iter()
            .map(|(path, content)| (path.as_path(), content.bytes.as_slice(), content.len))
    }
}
