//! The authority key: outside the home, under its passphrase, and remembered by its path alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use certs::keys::KeyError;
use proto::key::Signer as _;

use super::*;
use crate::config::Switch;
use crate::testing::part;

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned().into()).unwrap()
}

fn ours() -> Passphrase {
    passphrase("correct horse battery")
}

/// As whoever acts with the key opens it.
fn open(
    path: &Path,
    ask: impl FnOnce() -> Result<Passphrase, HomeError>,
) -> Result<FileSigner, HomeError> {
    FileSigner::new(KeyFile::read(path)?.open(ask)?)
}

fn never() -> Result<Passphrase, HomeError> {
    panic!("a plain key has no passphrase to ask for")
}

/// A home as far as its settings go.
fn home(dir: &Path) -> PathBuf {
    let switch = Switch {
        exchange: "switch.example:7443".to_owned(),
        enrol: "switch.example:7444".to_owned(),
        broker_uri: "spiffe://bus.example/broker/b1".to_owned(),
        genesis: proto::Digest::of(b"genesis"),
    };
    let system = proto::id::SystemId::parse("EG/GOV/MOSS/takaful").unwrap();
    let config = Config::new(&switch, &system, &part("a1")).unwrap();
    let home = dir.join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join(FILE_NAME), config.to_toml().unwrap()).unwrap();
    home
}

#[test]
fn the_key_is_made_once_and_opened_with_what_it_was_made_with() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("safe/MOSS.authority.key");
    let made = load_or_make(&path, Some(&ours())).unwrap();
    let again = load_or_make(&path, Some(&ours())).unwrap();
    let opened = open(&path, || Ok(ours())).unwrap();
    assert_eq!(made.key(), again.key());
    assert_eq!(made.key(), opened.key());
    assert!(made.key().verify(b"act", &opened.sign(b"act").unwrap()));

    let wrong = open(&path, || Ok(passphrase("correct hoarse"))).unwrap_err();
    assert!(
        matches!(wrong, HomeError::Key(KeyError::WrongPassphrase)),
        "{wrong}"
    );
    let none = load_or_make(&path, None).unwrap_err();
    assert!(matches!(none, HomeError::Passphrase(_)), "{none}");
    assert!(none.to_string().contains("--passphrase-file"));
    let short = load_or_make(&dir.path().join("new.key"), Some(&passphrase("short")));
    assert!(short.is_err() && !dir.path().join("new.key").exists());
}

#[test]
fn a_plain_key_asks_for_nothing_and_does_not_pass_for_a_protected_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plain.key");
    let made = load_or_make(&path, None).unwrap();
    assert_eq!(open(&path, never).unwrap().key(), made.key());
    let refused = load_or_make(&path, Some(&ours())).unwrap_err();
    assert!(matches!(refused, HomeError::NoPassphrase(_)), "{refused}");
}

#[test]
fn files_that_are_open_to_others_missing_or_something_else_are_refused_before_anything_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let told = |path: &Path| open(path, never).unwrap_err().to_string();
    let absent = dir.path().join("absent");
    assert!(told(&absent).contains("absent"));
    let path = dir.path().join("MOSS.authority.key");
    load_or_make(&path, Some(&ours())).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(told(&path).contains("chmod 600"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert!(told(&path).contains("cut short"));
    fs::write(&path, text.replace("ENCRYPTED PRIVATE KEY", "CERTIFICATE")).unwrap();
    assert!(told(&path).contains("`CERTIFICATE`"));
    fs::write(&path, "").unwrap();
    assert!(told(&path).contains("0 bytes"));
}

#[test]
fn a_home_remembers_the_place_and_never_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let home = home(dir.path());
    let agency = AgencyId::parse("EG/GOV/MOSS").unwrap();
    // An old home: the key lies in it.
    let inside = home.join("authority/authority.key");
    assert_eq!(usual_path(&home, &agency), inside);
    let old = load_or_make(&inside, None).unwrap();
    assert_eq!(
        open(&usual_path(&home, &agency), never).unwrap().key(),
        old.key()
    );
    // It is taken away, and used where it lies now.
    let safe = dir.path().join("safe");
    fs::create_dir(&safe).unwrap();
    let moved = safe.join("MOSS.authority.key");
    fs::rename(&inside, &moved).unwrap();
    assert!(remember(&home, &home.join("../safe/./MOSS.authority.key")).unwrap());
    assert_eq!(
        usual_path(&home, &agency),
        fs::canonicalize(&moved).unwrap()
    );
    let text = fs::read_to_string(home.join(FILE_NAME)).unwrap();
    assert!(remember(&home, &moved).unwrap());
    assert_eq!(fs::read_to_string(home.join(FILE_NAME)).unwrap(), text);
    let key = fs::read_to_string(&moved).unwrap();
    let secret = key.lines().nth(1).unwrap();
    assert!(!text.contains(secret));
    // A place that is not there, and settings without the line.
    assert!(remember(&home, Path::new("/nowhere/at/all.key")).is_err());
    let silent: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("authority_key"))
        .collect();
    fs::write(home.join(FILE_NAME), silent.join("\n")).unwrap();
    assert!(!remember(&home, &moved).unwrap());
}

#[test]
fn a_new_agency_s_key_lies_beside_its_home() {
    let agency = AgencyId::parse("EG/GOV/MOSS").unwrap();
    for (home, path) in [
        ("moss", "MOSS.authority.key"),
        ("/var/lib/moss", "/var/lib/MOSS.authority.key"),
        ("./homes/moss/", "./homes/MOSS.authority.key"),
    ] {
        assert_eq!(usual_path(Path::new(home), &agency), Path::new(path));
    }
}

#[test]
fn a_place_is_whole_and_its_folder_is_nobody_else_s() {
    let dir = tempfile::tempdir().unwrap();
    let place = |path: PathBuf| AuthorityPlace::File {
        path,
        passphrase: None,
    };
    let usual = Path::new("authority/authority.key");
    let inside = AuthorityPlace::InHome.settled(usual).unwrap();
    assert_eq!(inside, usual);
    let made = place(dir.path().join("new/safe/x.key"));
    let whole = fs::canonicalize(dir.path()).unwrap();
    assert_eq!(made.settled(usual).unwrap(), whole.join("new/safe/x.key"));
    let open_to_all = dir.path().join("open");
    fs::create_dir(&open_to_all).unwrap();
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = place(open_to_all.join("x.key")).settled(usual).unwrap_err();
    assert!(refused.to_string().contains("chmod go-w"), "{refused}");
    assert!(place(dir.path().join("..")).settled(usual).is_err());
}
