//! Commands in documents are run: a document that nothing checks will lie.
//!
//! A block that opens with ```console is run; lines that begin with `$ ` are its commands. A block that only shows,
//! needs a second terminal, or takes minutes is opened with another word.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::process::mohawel_path;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The commands of every ```console block of a page, in order, each with its line. A `\` at a line's end goes on.
fn commands(page: &str) -> Vec<(usize, String)> {
    let mut commands: Vec<(usize, String)> = Vec::new();
    let (mut inside, mut goes_on) = (false, false);
    for (number, line) in page.lines().enumerate() {
        if let Some(fence) = line.trim_start().strip_prefix("```") {
            inside = !inside && fence.trim() == "console";
            goes_on = false;
            continue;
        }
        let text = if goes_on {
            Some(line)
        } else {
            line.trim_start().strip_prefix("$ ")
        };
        if let (true, Some(text)) = (inside, text) {
            match commands.last_mut() {
                Some((_, command)) if goes_on => {
                    command.push('\n');
                    command.push_str(text);
                }
                _ => commands.push((number + 1, text.to_owned())),
            }
            goes_on = text.ends_with('\\');
        }
    }
    commands
}

/// Runs all commands of a page in one shell, in an empty folder, with the built binary first on PATH.
fn run(page: &str) {
    let path = root().join(page);
    let Ok(text) = fs::read_to_string(&path) else {
        return;
    };
    let commands = commands(&text);
    if commands.is_empty() {
        return;
    }
    let binary = mohawel_path();
    assert!(
        binary.exists(),
        "{} is not there: run `cargo build -p cli` first",
        binary.display()
    );
    let dir = tempfile::tempdir().unwrap();
    let mut script = String::from("set -eu\n");
    for (line, command) in &commands {
        script.push_str(&format!("echo '{page}:{line}' >&2\n{command}\n"));
    }
    // Whatever a page leaves running in the background ends with its shell.
    script.push_str("for job in $(jobs -p); do kill \"$job\" 2>/dev/null || true; done\nwait\n");
    let paths = format!(
        "{}:{}",
        binary.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let run = Command::new("timeout")
        .args(["--kill-after=5", "120", "bash", "-c", &script])
        .current_dir(dir.path())
        .env("PATH", paths)
        .env("HOME", dir.path())
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{page}: {}\n--- said\n{}\n--- errors (the last line number is where it ended)\n{}",
        run.status,
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
}

#[test]
fn the_readmes_commands_do_what_it_says() {
    run("README.md");
}

#[test]
fn the_operators_commands_do_what_the_page_says() {
    run("docs/operating.md");
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
    let page = "```console\n$ one \\\n  two\nshown\n$ three\n```\n```sh\n$ four\n```\n  ```console\n  $ five\n  ```\n";
    let read: Vec<_> = commands(page)
        .into_iter()
        .map(|(_, command)| command)
        .collect();
    assert_eq!(read, ["one \\\n  two", "three", "five"]);
}
