//! Room left where something must be written.

use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::check::Check;
use super::row::{Row, same};

/// How much room is enough, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Below this nothing can go on.
    pub needed: u64,
    /// Below this somebody should look.
    pub comfortable: u64,
}

/// An adapter keeps checkpoints, receipts and evidence: kilobytes.
pub const HOME: Room = Room {
    needed: 16 << 20,
    comfortable: 256 << 20,
};
/// A log grows by one to two kilobytes an entry, and keeps its tail, store and tiles.
pub const LOG: Room = Room {
    needed: 512 << 20,
    comfortable: 10 << 30,
};

/// What the disk under a folder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    bytes: u64,
    read_only: bool,
    /// Files that can still be made; `None` where the file system does not count them.
    files: Option<u64>,
}

/// The room left under `dir`.
pub fn examine(check: Check, dir: &Path, room: Room) -> Row {
    match statvfs(dir) {
        Ok(found) => judge(
            check,
            Left {
                bytes: found.f_bavail.saturating_mul(found.f_frsize),
                read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
                files: (found.f_files > 0).then_some(found.f_favail),
            },
            room,
        ),
        Err(error) => check.failed(
            same(format!("{}: {error}", dir.display())),
            [
                "See that the folder is there and its disk is mounted.",
                "تأكد من وجود المجلد وتركيب قرصه.",
            ],
        ),
    }
}

fn judge(check: Check, left: Left, room: Room) -> Row {
    let free = size(left.bytes);
    let found = [
        format!("{free} free; {} are needed", size(room.needed)),
        format!("المتاح {free} والمطلوب {}", size(room.needed)),
    ];
    let remedy = [
        "Make room, or move the folder to a larger disk while nothing runs on it.",
        "أفسح مساحة أو انقل المجلد إلى قرص أكبر وهو متوقف.",
    ];
    if left.read_only {
        return check.failed(
            [
                "the disk is mounted read-only".to_owned(),
                "القرص مركّب للقراءة فقط".to_owned(),
            ],
            [
                "A disk that failed is often mounted so: look at the kernel's log before mounting it again.",
                "كثيرًا ما يُركَّب القرص هكذا بعد عطل: راجع سجل النظام قبل إعادة تركيبه.",
            ],
        );
    }
    if left.files.is_some_and(|files| files < 1_000) {
        return check.failed(
            [
                "the disk has hardly a file left (inodes)".to_owned(),
                "لم يبق في القرص متسع لملفات جديدة (inodes)".to_owned(),
            ],
            remedy,
        );
    }
    match left.bytes {
        bytes if bytes < room.needed => check.failed(found, remedy),
        bytes if bytes < room.comfortable => check.warning(found, remedy),
        _ => check.ok(found),
    }
}

/// Bytes as people say them.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..10_737_418_240 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Standing;
    use super::*;

    #[test]
    fn little_room_is_a_warning_and_none_a_failure() {
        let left = |bytes, read_only, files| Left {
            bytes,
            read_only,
            files,
        };
        for (left, standing) in [
            (left(u64::MAX, false, None), Standing::Ok),
            (left(HOME.comfortable, false, Some(1_000)), Standing::Ok),
            (left(HOME.comfortable - 1, false, None), Standing::Warning),
            (left(HOME.needed - 1, false, None), Standing::Failed),
            (left(0, false, None), Standing::Failed),
            (left(u64::MAX, true, None), Standing::Failed),
            (left(u64::MAX, false, Some(999)), Standing::Failed),
        ] {
            let row = judge(Check::Disk, left, HOME);
            assert_eq!(row.standing, standing, "{left:?}");
            assert_eq!(row.remedy[0].is_empty(), standing == Standing::Ok);
        }
        assert_eq!(
            [size(0), size(20 << 20), size(30 << 30)],
            ["0 KiB", "20 MiB", "30 GiB"]
        );
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        assert_eq!(examine(Check::Disk, &gone, HOME).standing, Standing::Failed);
        assert_ne!(
            examine(
                Check::Disk,
                dir.path(),
                Room {
                    needed: 0,
                    comfortable: 0
                }
            )
            .standing,
            Standing::NotTried
        );
    }
}
