//! The adapter's own files: its settings, who may read its keys, whether all of it belongs together.

use std::fs;
use std::path::Path;

use adapters::config::{Config, FILE_NAME};
use adapters::identity::Home;
use adapters::subjects::SubjectKeys;
use audit::clock::Clock;

use super::check::Check;
use super::modes;
use super::row::{Row, same};

/// Bytes of `adapter.toml` at most; one has a few hundred.
const SETTINGS_BYTES_MAX: u64 = 64 * 1024;

/// Reads `adapter.toml`, and sees that every file it names is there.
pub(super) fn settings(dir: &Path) -> Result<(Row, Config), Row> {
    let remedy = [
        "Restore the file from the agency's backup, or enrol in a new folder with a new invitation.",
        "استعد الملف من نسخة الجهة الاحتياطية أو سجّل في مجلد جديد بدعوة جديدة.",
    ];
    let path = dir.join(FILE_NAME);
    let fail = |what: String| Check::Settings.failed(same(what), remedy);
    let in_file = |error: std::io::Error| fail(format!("{}: {error}", path.display()));
    let bytes = fs::metadata(&path).map_err(in_file)?.len();
    if bytes > SETTINGS_BYTES_MAX {
        return Err(fail(format!("{} has {bytes} bytes", path.display())));
    }
    let text = fs::read_to_string(&path).map_err(in_file)?;
    let config = Config::parse(&text).map_err(|error| fail(error.to_string()))?;
    let files = &config.files;
    let needed = [
        &files.root,
        &files.log_key,
        &files.tls_key,
        &files.chain,
        &files.seal_key,
    ];
    for name in needed {
        let file = dir.join(name);
        // A link that leads nowhere is there all the same: the permissions say what is wrong with it.
        if let Err(error) = fs::symlink_metadata(&file) {
            return Err(fail(format!("{}: {error}", file.display())));
        }
    }
    let found = same(format!("{} → {}", config.system, config.exchange));
    Ok((Check::Settings.ok(found), config))
}

/// Key files are their owner's alone; what is believed nobody else can change.
pub(super) fn permissions(dir: &Path, config: &Config) -> Row {
    let files = &config.files;
    let path = |name: &Path| dir.join(name);
    let (tls, seal, authority) = (
        path(&files.tls_key),
        path(&files.seal_key),
        path(&files.authority_key),
    );
    let public = [
        path(Path::new(FILE_NAME)),
        path(&files.root),
        path(&files.log_key),
        path(&files.chain),
        path(&files.checkpoint),
    ];
    let public: Vec<&Path> = public.iter().map(AsRef::as_ref).collect();
    let keys = [(tls.as_path(), true), (&seal, true), (&authority, false)];
    modes::examine(Check::Permissions, dir, &keys, &public)
}

/// Opens the home: keys fit certificates, pins can be read, and no evidence against the switch lies here.
pub(super) fn open(dir: &Path) -> Result<(Row, Home), Row> {
    let home = Home::open(dir).map_err(|error| {
        Check::Home.failed(
            same(modes::cause(&error)),
            [
                "Restore the files that belong together from one backup, or enrol in a new folder with a new invitation.",
                "استعد الملفات المترابطة من نسخة احتياطية واحدة أو سجّل في مجلد جديد بدعوة جديدة.",
            ],
        )
    })?;
    home.without_evidence().map_err(|error| {
        Check::Home.failed(
            same(error),
            [
                "Give the file to the auditor; nothing is exchanged before a person has moved it away.",
                "سلّم الملف للمدقّق؛ ولا تبادل قبل أن ينقله شخص مسؤول.",
            ],
        )
    })?;
    let root = proto::Digest(certs::sha256(home.root())).short();
    let found = [
        format!("log {}, root {root}", home.log_key().origin()),
        format!("السجل {}، الجذر {root}", home.log_key().origin()),
    ];
    let row = if home.authority().is_ok() {
        Check::Home.warning(
            [
                format!("{}; the agency's authority key lies here", found[0]),
                format!("{}؛ ومفتاح سلطة الجهة موجود هنا", found[1]),
            ],
            [
                "Let the agency's administrators keep authority/authority.key away from this machine; the adapter does not need it.",
                "احفظ authority/authority.key لدى مسؤولي الجهة بعيدًا عن هذا الجهاز؛ فالمحوّل الطرفي لا يحتاجه.",
            ],
        )
    } else {
        Check::Home.ok(found)
    };
    Ok((row, home))
}

/// The keys with which pseudonyms of persons are made and judged; nothing where the home has no folder for them.
pub(super) fn subject_keys(home: &Home, config: &Config, clock: &Clock) -> Option<Row> {
    let dir = home.path(&config.subject_keys);
    if !dir.is_dir() {
        return None;
    }
    let remedy = [
        "Put the file there again that the data-protection authority gave out, for its owner alone (chmod 600); without it nothing about persons is asked or judged under that agreement.",
        "أعد الملف الذي أعطته سلطة حماية البيانات، ولمالكه وحده (chmod 600)؛ فبدونه لا يُسأل عن أشخاص ولا يُحكم فيهم في تلك الاتفاقية.",
    ];
    let keys = match SubjectKeys::open(dir) {
        Ok(keys) => keys,
        Err(error) => return Some(Check::SubjectKeys.failed(same(error), remedy)),
    };
    let (all, waiting) = (keys.agreements(), keys.not_begun(clock.now_ms()));
    let found = [
        format!("agreements with a key: {all}; of these not begun yet: {waiting}"),
        format!("اتفاقيات لها مفتاح: {all}؛ ومنها ما لم يبدأ بعد: {waiting}"),
    ];
    Some(if waiting == 0 {
        Check::SubjectKeys.ok(found)
    } else {
        Check::SubjectKeys.warning(
            found,
            [
                "Until its key begins nothing about persons is asked under such an agreement: compare from_ms in the file with this clock, or ask the data-protection authority for the epoch that is in force.",
                "لا يُسأل عن أشخاص في هذه الاتفاقية حتى يبدأ مفتاحها: قارن from_ms في الملف بساعة هذا الجهاز، أو اطلب من سلطة حماية البيانات مفتاح الفترة السارية.",
            ],
        )
    })
}
