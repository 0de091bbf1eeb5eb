//! Commands in documents are run: a document that nothing checks will lie.
//!
//! A block that opens with ```console is run; lines that begin with `$ ` are its commands. A block that only shows,
//! needs a second terminal, or takes minutes is opened with another word.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::process::mohawel;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The commands of every ```console block of a page, in order, each with its line. A `\` at a line's end goes on, and so
/// does a line that begins with `>`, as a shell shows it.
fn commands(page: &str) -> Vec<(usize, String)> {
    let mut commands: Vec<(usize, String)> = Vec::new();
    let (mut inside, mut goes_on) = (false, false);
    for (number, line) in page.lines().enumerate() {
        let line = line.trim_start();
        if let Some(fence) = line.strip_prefix("```") {
            inside = !inside && fence.trim() == "console";
            goes_on = false;
            continue;
        }
        let more = line.strip_prefix("> ").or_else(|| line.strip_prefix('>'));
        if !inside {
            continue;
        } else if let Some(command) = line.strip_prefix("$ ") {
            commands.push((number + 1, command.to_owned()));
        } else if goes_on || more.is_some() {
            let (_, command) = commands.last_mut().expect("something goes on");
            command.push('\n');
            command.push_str(more.unwrap_or(line));
        }
        goes_on = line.ends_with('\\') && (goes_on || line.starts_with("$ "));
    }
    commands
}

/// Said when every command has run.
const ALL: &str = "every command has run";

/// Runs all commands of a page in one shell, in an empty folder, with the built binary first on PATH. Ports that a page
/// takes from EXCHANGE, ENROL, W1, W2 and W3 are the system's choice here.
fn run(page: &str) {
    let path = root().join(page);
    let Ok(text) = fs::read_to_string(&path) else {
        return;
    };
    // What make does is run by make; that its targets are there is tested below.
    let commands: Vec<_> = commands(&text)
        .into_iter()
        .filter(|(_, command)| !command.starts_with("make "))
        .collect();
    if commands.is_empty() {
        return;
    }
    let binary = mohawel();
    let dir = tempfile::tempdir().unwrap();
    // Whatever a page leaves running in the background ends with its shell.
    let mut script = String::from(
        "set -euo pipefail\ntrap 'for job in $(jobs -p); do kill \"$job\" 2>/dev/null || true; done; wait' EXIT\n",
    );
    for (line, command) in &commands {
        script.push_str(&format!("echo '{page}:{line}' >&2\n{command}\n"));
    }
    script.push_str(&format!("echo '{ALL}' >&2\n"));
    let paths = format!(
        "{}:{}",
        binary.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let said = fs::File::create(dir.path().join(".said")).unwrap();
    let errors = fs::File::create(dir.path().join(".errors")).unwrap();
    fs::create_dir(dir.path().join("page")).unwrap();
    let status = Command::new("timeout")
        .args(["--kill-after=10", "120", "bash", "-c", &script])
        .current_dir(dir.path().join("page"))
        .envs([
            ("PATH", paths.as_str()),
            ("EXCHANGE", &free_address()),
            ("ENROL", &free_address()),
            ("W1", &free_address()),
            ("W2", &free_address()),
            ("W3", &free_address()),
        ])
        .env("HOME", dir.path())
        .stdin(Stdio::null())
        .stdout(said)
        .stderr(errors)
        .status()
        .unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let errors = read(".errors");
    assert!(
        status.success() && errors.contains(ALL),
        "{page}: {status}\n--- said\n{}\n--- errors (the last {page}:LINE is where it ended)\n{errors}",
        read(".said"),
    );
}

/// An address that was free a moment ago: a page names its ports before anything listens.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind(tests::ground::loopback()).unwrap();
    listener.local_addr().unwrap().to_string()
}

/// `make test` runs this very test. `make demo` is this binary, built optimised; here it is run as it was built, in
/// the other language than `docs/log.md` runs it in.
#[test]
fn the_readmes_commands_do_what_it_says() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("```sh\nmake demo\nmake test\n```"));
    assert!(readme.contains("cargo run --release -- demo --lang ar"));
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    assert!(makefile.contains(" cargo run --locked --release -- demo\n"));
    let demo = Command::new(mohawel())
        .args(["demo", "--people", "200", "--lang", "ar"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(demo.stdout).unwrap();
    let errors = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{said}\n{errors}");
    assert!(said.contains("السجل، من ملفاته وحدها"), "{said}");
}

#[test]
fn the_operators_commands_do_what_the_page_says() {
    run("docs/operating.md");
}

#[test]
fn the_logs_commands_follow_the_demo() {
    run("docs/log.md");
}

#[test]
fn the_cases_commands_do_what_the_page_says() {
    run("docs/stories.md");
}

#[test]
fn every_make_target_that_is_named_is_there() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    for page in [
        "README.md",
        "CONTRIBUTING.md",
        "ARCHITECTURE.md",
        "docs/operating.md",
    ] {
        let Ok(text) = fs::read_to_string(root().join(page)) else {
            continue;
        };
        for target in text
            .split("`make ")
            .skip(1)
            .filter_map(|rest| rest.split(['`', ' ']).next())
        {
            let there = makefile
                .lines()
                .any(|line| line.starts_with(&format!("{target}:")));
            assert!(
                there,
                "{page} names `make {target}`, which the Makefile does not have"
            );
        }
    }
}

#[test]
fn blocks_are_read_as_written() {
    let page = "```console\n$ one \\\n  two\nshown\n$ cat <<END\n> three\n>\n> END\n```\n> $ quoted\n```sh\n$ four\n```\n  ```console\n  $ five\n  ```\n";
    let read: Vec<_> = commands(page)
        .into_iter()
        .map(|(_, command)| command)
        .collect();
    assert_eq!(read, ["one \\\ntwo", "cat <<END\nthree\n\nEND", "five"]);
}
