//! What is read from a directory, and what is refused with its file's name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::commands::declare::described::Described;
use crate::commands::declare::read;
use crate::failure::{Exit, Failure};

const PURPOSE: &str = r#"
[[purposes]]
code = "health"
name_ar = "صحة"
name_en = "Health"
legal_basis_ar = "قانون"
legal_basis_en = "Law"
"#;

fn read(files: &[(&str, &str)]) -> Result<Described, Failure> {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    read::directory(dir.path())
}

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[track_caller]
fn refused(result: Result<Described, Failure>, says: &[&str]) {
    let failure = result.unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    for text in &failure.what {
        for says in says {
            assert!(text.contains(says), "'{says}' is not in {text}");
        }
    }
}

#[test]
fn a_directory_says_what_it_says_and_nothing_else() {
    let described = read(&[
        ("purposes.toml", PURPOSE),
        ("README.md", "people may explain"),
        (".git/config", "and version"),
        (
            "agencies/moss.toml",
            "agency = 'EG/GOV/MOSS'\n[[systems]]\nname = 'takaful'\n",
        ),
    ])
    .unwrap();
    let purposes = described.purposes.unwrap();
    assert_eq!((purposes.len(), purposes[0].ended), (1, None));
    let agencies = described.agencies.unwrap();
    assert_eq!(
        (
            agencies[0].suspended,
            agencies[0].daily_quota,
            &agencies[0].services
        ),
        (None, None, &None)
    );
    assert_eq!(agencies[0].systems.as_ref().unwrap().len(), 1);
    assert!(described.people.is_none() && described.policy.is_none());
}

#[test]
fn every_mistake_of_every_file_is_told_at_once_with_its_file() {
    let twice = format!("{PURPOSE}{PURPOSE}");
    let result = read(&[
        (
            "purposes.toml",
            &format!("{twice}colour = 'red'\n[[purposes]]\ncode = 'a b'\n"),
        ),
        (
            "roles.toml",
            "x = 1\n[[people]]\nrole = 'king'\nname = 'a'\n[[people]]\nrole = 'auditor'\nname = 'b'\nkey = '00'\n\
             [[people]]\nrole = 'operator'\nname = 'c'\nkey = 'zz'\n[[people]]\nrole = 'operator'\nname = 'd'\nfingerprint = 'abc'\n",
        ),
        (
            "policy.toml",
            "two_operators = ['purpose', 'purpose', 'lunch']",
        ),
        (
            "agreements.toml",
            "[[agreements]]\nconsumer = 'EG'\nprovider = 'EG/GOV/CIVIL'\n",
        ),
        (
            "agencies/a.toml",
            "agency = 'EG/GOV/MOSS'\nsuspended = true\n",
        ),
        (
            "agencies/b.toml",
            "agency = 'EG/GOV/moss'\nname_en = \"a\\u202eb\"\n",
        ),
        ("agencies/c.toml", "agency = 'EG/GOV/X'\ndaily_quota = -1\n"),
        ("agencies/d.toml", "agency = [\n"),
        (
            "agencies/e.toml",
            "systems = 1\nagency = 'EG/GOV/E'\n[[services]]\nsystem = 'a'\nname = 'b'\nnmae = 'c'\n",
        ),
        ("purpose.toml", ""),
        ("agencies/deep/f.toml", ""),
    ]);
    refused(
        result,
        &[
            "purposes.toml: [[purposes]] number 2: unknown field `colour`",
            "purposes.toml: [[purposes]] number 3",
            "roles.toml: unknown key 'x'",
            "number 1: 'king'",
            "[[people]] number 2: not an Ed25519",
            "number 3: key is not hex",
            "number 4: fingerprint is not",
            "policy.toml: no act is named 'lunch'",
            "policy.toml: the act purpose stands there twice",
            "agreements.toml: [[agreements]] number 1: its agency",
            "agencies/a.toml: suspended = true needs a reason",
            "agencies/b.toml: agencies/a.toml describes EG/GOV/moss too",
            "agencies/b.toml: a display name",
            "agencies/c.toml: ",
            "agencies/d.toml: ",
            "agencies/e.toml: systems is no list",
            "agencies/e.toml: [[services]] number 1: unknown field `nmae`",
            "purpose.toml: nothing reads it",
            "agencies/deep: no folder",
        ],
    );
    refused(
        read(&[("purposes.toml", &twice)]),
        &["the purpose health stands there twice"],
    );
}

#[test]
fn one_person_is_never_both_seals() {
    let person = |role: &str, name: &str, fingerprint: &str| {
        format!("[[people]]\nrole = '{role}'\nname = '{name}'\nfingerprint = '{fingerprint}'\n")
    };
    let (one, two) = ("ab".repeat(32), "cd".repeat(32));
    for text in [
        person("operator", "mona", &one) + &person("approver", "Mona", &two),
        person("operator", "mona", &one) + &person("approver", "omar", &one),
    ] {
        refused(read(&[("roles.toml", &text)]), &["stands there twice"]);
    }
    let good = person("operator", "mona", &one) + &person("approver", "omar", &two);
    assert_eq!(
        read(&[("roles.toml", &good)])
            .unwrap()
            .people
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn empty_missing_huge_looped_and_binary_directories_are_refused() {
    refused(read(&[]), &["describes nothing"]);
    refused(read(&[("notes.txt", "hello")]), &["describes nothing"]);
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refused(read::directory(&dir.join("nowhere")), &["nowhere"]);
    fs::write(dir.join("policy.toml"), "two_operators = []").unwrap();
    refused(read::directory(&dir.join("policy.toml")), &["policy.toml"]);

    // Links lead elsewhere, or round and round.
    symlink(dir, dir.join("agencies")).unwrap();
    symlink(dir.join("purposes.toml"), dir.join("purposes.toml")).unwrap();
    symlink("/dev/zero", dir.join("roles.toml")).unwrap();
    let looped = dir.join("loop");
    symlink(&looped, &looped).unwrap();
    refused(
        read::directory(dir),
        &[
            "agencies: it must be a folder itself",
            "purposes.toml: it is a symbolic link",
            "roles.toml: it is a symbolic link",
        ],
    );
    refused(read::directory(&looped), &["loop"]);

    let other = tempfile::tempdir().unwrap();
    let other = other.path();
    fs::write(other.join("purposes.toml"), [0xff, 0xfe, 0]).unwrap();
    fs::write(other.join("roles.toml"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    fs::create_dir(other.join("policy.toml")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        other.join("agreements.toml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    refused(
        read::directory(other),
        &[
            "purposes.toml: it is not UTF-8",
            "roles.toml: it is larger",
            "policy.toml: it is not a plain file",
            "agreements.toml: it is not a plain file",
        ],
    );
}

#[test]
fn what_a_hostile_file_says_never_reaches_the_terminal_as_it_is() {
    let result = read(&[("policy.toml", "two_operators = [\"\\u001b[2J\\u202e\"]")]);
    let failure = result.unwrap_err();
    assert!(
        failure
            .what
            .iter()
            .all(|text| !text.contains('\u{1b}') && !text.contains('\u{202e}')),
        "{failure:?}"
    );
}
