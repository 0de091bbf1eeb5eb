//! A disk that fills up while exchanges run: a real small file system where this process may mount one, else a limit on
//! the size of files, which the system enforces in the same place.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use audit::clock::Clock;
use tests::check::check_log_after_a_crash;
use tests::ground::Ground;
use tests::load::{Ack, Notebook, differences};
use tests::process::Process;
use tests::{soon, until};

use super::kill9::{grounded, load, notebooks};

/// A mounted tmpfs, unmounted when dropped.
struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    /// `None` where this process may not mount.
    fn mount(dir: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(dir).unwrap();
        let size = format!("size={mib}m,mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir)
            .output()
            .ok()?;
        mounted.status.success().then(|| Self {
            dir: dir.to_owned(),
        })
    }

    /// Writes until nothing more fits. Gives the filler.
    fn fill(&self) -> PathBuf {
        let path = self.dir.join("filler");
        let mut filler = File::create(&path).unwrap();
        let block = vec![0xa5; 64 * 1024];
        while filler.write_all(&block).is_ok() {}
        // The last bytes, too.
        while filler.write_all(&block[..512]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_the_process_and_loses_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("switch");
    // Tail segments are preallocated; two of them and the store fit before it is filled.
    let disk = SmallDisk::mount(&dir, 160);
    let (ground, members) = grounded(Ground::found_in(&dir, Clock::System).await).await;
    let books = notebooks(temporary.path());
    // Without a mount the limit comes later, as the disk's end does. SIGXFSZ is ignored, so that the write fails instead.
    let before = if disk.is_some() { "" } else { "trap '' XFSZ" };
    let process = Process::start_after(&ground, before).await;
    let handle = members.serve(&ground, &process).await;
    let asking = load(&ground, &members, &process, &books).await;
    let noted = || {
        books
            .iter()
            .all(|book| std::fs::metadata(book).is_ok_and(|book| book.len() > 0))
    };
    until("every consumer has an acknowledgement", noted).await;
    let filler = match &disk {
        Some(disk) => Some(disk.fill()),
        None => {
            process.limit_files(64 * 1024);
            None
        }
    };
    let (status, said) = soon("the process ends", process.ended()).await;
    assert_eq!(status.code(), Some(5), "{said}");
    // As the system says it, or as sled repeats it.
    let for_want_of_space = ["os error 28", "code: 28", "os error 27", "code: 27"]
        .iter()
        .any(|why| said.contains(why));
    assert!(for_want_of_space, "{said}");
    let mut acknowledged = 0;
    for asking in asking {
        acknowledged += soon("a consumer notices", asking).await.unwrap();
    }
    drop(handle);
    // Room again: it starts, verifies, and holds everything acknowledged.
    if let Some(filler) = filler {
        std::fs::remove_file(filler).unwrap();
    }
    let (status, said) = Process::start(&ground).await.stop().await;
    assert!(status.success(), "{status}: {said}");
    let told = check_log_after_a_crash(&ground.log_dir(), &ground.log_key());
    let acks: Vec<Ack> = books.iter().flat_map(|path| Notebook::read(path)).collect();
    assert_eq!(acks.len() as u64, acknowledged);
    assert_eq!(differences(&acks, &told.entries), Vec::<String>::new());
    assert_eq!(told.report.open, 0);
}
