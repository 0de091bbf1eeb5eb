//! The house's habits, held by a test: see CONTRIBUTING.md.

use std::fs;
use std::path::{Path, PathBuf};

/// Source files over [`LINES_MAX`], each with the reason why it is one file all the same.
const LONG: &[(&str, &str)] = &[
    (
        "adapters/src/stock.rs",
        "half of it says what can stand in a stock file, kind by kind",
    ),
    (
        "tests/scenarios/roles.rs",
        "one arm for each RPC, which the compiler asks for",
    ),
    (
        "audit/src/log.rs",
        "the log's whole face, and at its bottom both error enums",
    ),
    (
        "audit/src/journal/store.rs",
        "one database, and all that must be known of sled",
    ),
    (
        "audit/src/log/tests.rs",
        "one bench for all tests of the running log",
    ),
    (
        "audit/src/verify/tests.rs",
        "one damaged log after the other, of one kind",
    ),
    (
        "broker/src/links/link.rs",
        "one state machine under one lock",
    ),
    (
        "adapters/src/enrol.rs",
        "one way from invitation to home, and at its bottom the error enum",
    ),
    (
        "adapters/src/testing.rs",
        "the doubles that all tests of this crate share",
    ),
    ("cli/src/demo/story.rs", "one story in two languages"),
    (
        "tests/scenarios/refusals.rs",
        "one row and one provocation for each code",
    ),
    (
        "tests/scenarios/refusals/forms.rs",
        "one table, and who provokes its rows",
    ),
    (
        "tests/scenarios/answers.rs",
        "one wrong answer after the other",
    ),
];
/// What people can still read at a sitting.
const LINES_MAX: usize = 400;

const CRATES: &[&str] = &[
    "proto", "certs", "audit", "broker", "adapters", "cli", "examples", "benches", "tests",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn files(dir: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "__pycache__" {
                files(&path, wanted, found);
            }
        } else if wanted(&path) {
            found.push(path);
        }
    }
}

/// Every Rust source file with its path from the root and its text.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in CRATES {
        files(
            &root().join(name),
            &|path| path.extension().is_some_and(|ext| ext == "rs"),
            &mut found,
        );
    }
    assert!(found.len() > 100, "the sources were not found");
    found
        .iter()
        .map(|path| (relative(path), fs::read_to_string(path).unwrap()))
        .collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn no_source_file_is_longer_than_can_be_read() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(path, lines)| {
            *lines > LINES_MAX && !LONG.iter().any(|(excused, _)| excused == path)
        })
        .collect();
    assert!(
        long.is_empty(),
        "split these, or excuse them in LONG with a reason: {long:?}"
    );
    for (excused, reason) in LONG {
        assert!(
            root().join(excused).exists(),
            "{excused} is excused ({reason}) and not there any more"
        );
    }
}

#[test]
fn every_source_file_says_what_it_is() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "these do not open with //!: {silent:?}");
}

#[test]
fn nothing_is_left_to_do_later() {
    // Put together here, so that this file does not find itself.
    let words = ["todo", "unimplemented"].map(|word| format!("{word}!("));
    let left: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| words.iter().any(|word| text.contains(word.as_str())))
        .map(|(path, _)| path)
        .collect();
    assert!(left.is_empty(), "stubs: {left:?}");
}

#[test]
fn modules_are_files_beside_their_folder() {
    let found: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| path.ends_with("/mod.rs"))
        .collect();
    assert!(found.is_empty());
}

#[test]
fn grpc_codes_are_chosen_in_two_files() {
    let codes = [
        "InvalidArgument",
        "Unauthenticated",
        "AlreadyExists",
        "FailedPrecondition",
        "PermissionDenied",
        "ResourceExhausted",
        "NotFound",
        "Unavailable",
        "Internal",
        "DeadlineExceeded",
        "OutOfRange",
    ];
    let chosen: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| {
            let product = path.starts_with("broker/src/")
                && !path.ends_with("tests.rs")
                && !path.contains("/tests/");
            // Imported or called, whatever it is called here.
            product
                && codes.iter().any(|code| {
                    text.contains(&format!("Code::{code}"))
                        || text.contains(&format!("Grpc::{code}"))
                        || text.contains(&format!("Status::{}(", snake(code)))
                })
        })
        .map(|(path, _)| path)
        .collect();
    assert_eq!(
        chosen,
        ["broker/src/api/status.rs", "broker/src/exchange/reply.rs"],
        "one place for each door"
    );
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[test]
fn only_the_log_names_its_store() {
    let named: Vec<_> = CRATES
        .iter()
        .filter(|name| **name != "audit")
        .filter(|name| {
            let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
            manifest.lines().any(|line| line.starts_with("sled"))
        })
        .collect();
    assert!(named.is_empty(), "{named:?}");
}

#[test]
fn dependencies_point_one_way() {
    let below: &[(&str, &[&str])] = &[
        ("proto", &[]),
        ("certs", &["proto"]),
        ("audit", &["proto"]),
        ("broker", &["proto", "certs", "audit"]),
        ("adapters", &["proto", "certs", "audit"]),
        ("cli", &["proto", "certs", "audit", "broker", "adapters"]),
    ];
    for (name, allowed) in below {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
        let dependencies = dependencies.split("\n[").next().unwrap();
        for line in dependencies.lines() {
            let dependency = line.split(['.', ' ', '=']).next().unwrap();
            let ours = CRATES.contains(&dependency);
            assert!(
                !ours || allowed.contains(&dependency),
                "{name} may not depend on {dependency}"
            );
        }
    }
}

#[test]
fn paths_that_documents_name_are_there() {
    let mut pages = vec![
        root().join("README.md"),
        root().join("ARCHITECTURE.md"),
        root().join("CONTRIBUTING.md"),
    ];
    files(
        &root().join("docs"),
        &|path| path.extension().is_some_and(|ext| ext == "md"),
        &mut pages,
    );
    let mut missing = Vec::new();
    for page in pages.iter().filter(|page| page.exists()) {
        let text = fs::read_to_string(page).unwrap();
        for name in text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| is_path(name))
        {
            let here = root().join(name).exists() || page.parent().unwrap().join(name).exists();
            // Pages name the rooms of a crate from that crate's src/.
            let inside = CRATES
                .iter()
                .any(|name_of| root().join(name_of).join("src").join(name).exists());
            if !here && !inside {
                missing.push(format!("{}: `{name}`", relative(page)));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "these are named and not there:\n  {}",
        missing.join("\n  ")
    );
}

/// A file or folder of this repository, as far as its looks tell.
fn is_path(name: &str) -> bool {
    let ours = CRATES
        .iter()
        .chain(&["docs", ".ci"])
        .any(|top| name.starts_with(&format!("{top}/")));
    // In capitals a page writes what its reader fills in.
    let filled_in = name.split('/').any(|part| {
        part.split('.')
            .next()
            .is_some_and(|stem| matches!(stem, "NAME" | "CRATE" | "DIR"))
    });
    ours && !filled_in && !name.contains([' ', '*', '{', '<', '…', '$']) && !name.contains("...")
}

#[test]
fn nothing_names_a_machine() {
    // Split, so that this file does not find itself.
    let machines = [
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/tmp/br", "ief"),
    ];
    let mut found = Vec::new();
    let mut named = Vec::new();
    let text = |path: &Path| {
        let known = [
            "rs", "toml", "md", "sh", "py", "proto", "template", "yaml", "json",
        ];
        path.extension()
            .is_some_and(|ext| known.iter().any(|known| ext == *known))
    };
    files(&root(), &text, &mut found);
    for path in found {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if machines.iter().any(|machine| text.contains(machine)) {
            named.push(relative(&path));
        }
    }
    assert!(named.is_empty(), "paths of one machine stand in {named:?}");
}
