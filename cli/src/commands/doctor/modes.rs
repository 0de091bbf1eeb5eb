//! Who may read and write what lies on disk: key files for their owner alone, what is believed for him to write.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use certs::key_files::read_private;

use super::check::Check;
use super::row::{Row, same};

/// Bits that let group or others write.
const OTHERS_WRITE: u32 = 0o022;

/// The folder `dir`, its `keys` (those that must be there, and whether each must) and the public files in it.
pub(super) fn examine(check: Check, dir: &Path, keys: &[(&Path, bool)], public: &[&Path]) -> Row {
    let remedy = [
        "Do what the message says as the user who runs it; a key that others could read is replaced, not only closed.",
        "نفّذ ما تذكره الرسالة بالمستخدم الذي يشغّله؛ والمفتاح الذي أمكن لغيره قراءته يُستبدل ولا يكفي إغلاقه.",
    ];
    for path in public.iter().chain([&dir]) {
        if let Some(fault) = writable(path) {
            return check.failed(same(fault), remedy);
        }
    }
    let mut read = 0;
    for (path, needed) in keys {
        if !needed && fs::symlink_metadata(path).is_err() {
            continue;
        }
        match read_private(path) {
            Ok(_) => read += 1,
            Err(error) => return check.failed(same(cause(&error)), remedy),
        }
    }
    check.ok([
        format!("{read} key files, for their owner alone"),
        format!("ملفات المفاتيح ({read}) لمالكها وحده"),
    ])
}

/// Why somebody else can change the file or folder.
fn writable(path: &Path) -> Option<String> {
    // What is not there is another check's.
    let mode = fs::metadata(path).ok()?.mode();
    let shown = path.display();
    (mode & OTHERS_WRITE != 0).then(|| {
        format!(
            "{shown} has mode {:04o}, so others may change it; run: chmod go-w {shown}",
            mode & 0o7777
        )
    })
}

/// An error with what the system said under it.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Standing;
    use super::*;
    use crate::testing::chmod;

    #[test]
    fn wide_keys_open_folders_and_missing_keys_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (key, root, absent) = (
            dir.path().join("seal.key"),
            dir.path().join("root.pem"),
            dir.path().join("authority.key"),
        );
        fs::write(&key, "secret").unwrap();
        fs::write(&root, "public").unwrap();
        let (keys, public) = ([(key.as_path(), true), (&absent, false)], [root.as_path()]);
        let examine = || examine(Check::Permissions, dir.path(), &keys, &public);
        chmod(dir.path(), 0o700);
        chmod(&key, 0o600);
        chmod(&root, 0o644);
        assert_eq!(examine().standing, Standing::Ok);
        for (path, wide, good) in [
            (key.as_path(), 0o640, 0o600),
            (&root, 0o664, 0o644),
            (dir.path(), 0o770, 0o700),
        ] {
            chmod(path, wide);
            let row = examine();
            assert_eq!(row.standing, Standing::Failed);
            assert!(
                row.found[0].contains(&path.display().to_string()),
                "{row:?}"
            );
            chmod(path, good);
        }
        fs::remove_file(&key).unwrap();
        assert_eq!(examine().standing, Standing::Failed);
    }
}
