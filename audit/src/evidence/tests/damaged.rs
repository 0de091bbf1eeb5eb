//! Bundles with one byte changed: whoever checks them, with our program or with openssl, must notice.

use super::super::*;
use super::{Logged, check, state, with_file};

/// The manifest made to fit the changed files again, as whoever changes a file would do.
pub(super) fn refit(bundle: &Bundle) -> Bundle {
    let text = String::from_utf8(bundle.file(name::MANIFEST).unwrap().to_vec()).unwrap();
    let lines = text.lines().map(|line| {
        let Some(rest) = line.strip_prefix("{\"path\":\"") else {
            return line.to_owned();
        };
        let (path, rest) = rest.split_once('"').unwrap();
        let (_, rest) = rest.split_once(",\"bytes\"").unwrap();
        let digest = proto::Digest::of(bundle.file(path).unwrap());
        format!("{{\"path\":\"{path}\",\"sha256\":\"{digest}\",\"bytes\"{rest}")
    });
    let text = lines.map(|line| line + "\n").collect::<String>();
    with_file(bundle, name::MANIFEST, text)
}

/// One file of each class.
fn classes(bundle: &Bundle, request: u64) -> Vec<String> {
    let mut names: Vec<String> = ["entry", "proof", "header", "signed", "signature"]
        .iter()
        .map(|ending| contents::entry_file(request, ending))
        .collect();
    names.extend(["payload", "salt"].map(|ending| format!("disclosed/{request:020}.{ending}")));
    names.extend(
        [
            name::CHECKPOINT,
            name::CHECKPOINT_TEXT,
            name::CHECKPOINT_SIGNATURE,
            name::LOG_PEM,
        ]
        .map(str::to_owned),
    );
    names.extend(
        bundle
            .files()
            .keys()
            .filter(|name| name.starts_with("keys/"))
            .take(1)
            .cloned(),
    );
    names
}

#[tokio::test]
async fn a_flipped_bit_in_any_class_of_file_is_noticed() {
    let logged = Logged::new().await;
    let disclosed = vec![logged.disclosure("{}", "{}")];
    let bundle = logged
        .collect(Wanted {
            disclosed,
            ..logged.wanted()
        })
        .unwrap()
        .bundle;
    assert_eq!(refit(&bundle), bundle);
    for name in classes(&bundle, logged.request) {
        let good = bundle.file(&name).unwrap();
        let middle = good.len() / 2;
        for at in [0, middle, good.len() - 1] {
            let mut bad = good.to_vec();
            bad[at] ^= 0x01;
            // Whoever changes a file makes the manifest fit.
            let changed = refit(&with_file(&bundle, &name, bad));
            assert!(
                !verify(&changed, &logged.trust()).holds(),
                "{name} byte {at}"
            );
            // The script takes its time: `tests/judges/evidence.sh` flips more.
            if at == middle {
                let (content, said) = check(&changed, &[]);
                assert!(!content, "{name} byte {at}: {said}");
            }
        }
    }
    let changed = with_file(&bundle, name::PAGE, "x");
    assert!(!check(&changed, &[]).0);
}

#[tokio::test]
async fn the_page_the_script_and_the_manifest_are_made_again() {
    let logged = Logged::new().await;
    let bundle = logged.bundle();
    for name in [name::PAGE, name::CHECK, name::MANIFEST, name::VKEY] {
        let mut bad = bundle.file(name).unwrap().to_vec();
        let last = bad.len() - 3;
        bad[last] ^= 0x01;
        let changed = with_file(&bundle, name, bad);
        assert!(!verify(&changed, &logged.trust()).holds(), "{name}");
        if name != name::MANIFEST {
            assert!(!verify(&refit(&changed), &logged.trust()).holds(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_file_more_or_less_is_noticed() {
    let logged = Logged::new().await;
    let bundle = logged.bundle();
    let more = with_file(&bundle, "entries/extra", "x");
    assert!(!check(&more, &[]).0);
    assert_eq!(
        state(&verify(&more, &logged.trust()), "files"),
        State::Fails
    );
    for name in bundle.files().keys() {
        let mut less = bundle.clone();
        less.files.remove(name);
        let report = verify(&less, &logged.trust());
        assert!(
            !report.holds() || state(&report, "page") == State::Absent,
            "{name}"
        );
    }
}

#[tokio::test]
async fn another_log_is_not_the_one_that_was_meant() {
    let logged = Logged::new().await;
    let bundle = logged.bundle();
    let other = crate::checkpoint::tests::TestSigner::new(99);
    let key = crate::checkpoint::LogKey::new("log.test/mohawel", proto::key::Signer::key(&other))
        .unwrap();
    let report = verify(
        &bundle,
        &Trust {
            key: Some(key),
            ..Trust::default()
        },
    );
    assert_eq!(state(&report, "key"), State::Fails);
    assert_eq!(state(&report, "checkpoint"), State::Fails);
    let dir = tempfile::tempdir().unwrap();
    let pem = dir.path().join("log.pem");
    std::fs::write(&pem, parts::pem(proto::key::Signer::key(&other))).unwrap();
    assert!(!check(&bundle, &[&pem]).0);
    std::fs::write(&pem, bundle.file(name::LOG_PEM).unwrap()).unwrap();
    let (good, said) = check(&bundle, &[&pem]);
    assert!(good, "{said}");
}
