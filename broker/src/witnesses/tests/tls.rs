//! Witnesses behind `https`: believed below the configured root, by their name and while their certificate lasts.

use std::path::Path;

use certs::authority::Host;
use certs::{Authority, Identity, TlsKey, request};
use time::OffsetDateTime;
use tokio_rustls::TlsAcceptor;

use super::*;

const DAY: time::Duration = time::Duration::days(1);

/// An authority in a folder of its own, as old as it must be for certificates that have ended.
fn authority(dir: &Path, name: &str) -> Authority {
    let made = OffsetDateTime::now_utc() - DAY * 20;
    Authority::create(&dir.join(name), "witness.example", made).unwrap()
}

/// A server's end with a certificate for `host`, issued `age` ago for two days.
fn acceptor(authority: &Authority, host: Host, age: time::Duration) -> TlsAcceptor {
    let key = TlsKey::generate().unwrap();
    let asked = request::make(&key).unwrap();
    let now = OffsetDateTime::now_utc() - age;
    let issued = authority
        .issue_broker(&asked, "w", &[host], DAY * 2, now)
        .unwrap();
    let identity = Identity::from_pem(&issued.chain_pem, &key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain().to_vec(), key.to_rustls())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A witness that does what `does` says behind `acceptor`.
async fn behind(acceptor: TlsAcceptor, does: Does) -> Fake {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let fake = Fake {
        key: Arc::new(key()),
        name: "witness.example/tls".to_owned(),
        address: listener.local_addr().unwrap(),
    };
    let (key, name) = (Arc::clone(&fake.key), fake.name.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, key, name) = (acceptor.clone(), Arc::clone(&key), name.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, key, name, does, Arc::default()).await;
                }
            });
        }
    });
    fake
}

impl Bench {
    /// Lets `fake` alone be the quorum, behind `https`, and believes below `root`.
    fn believe(&mut self, fake: &Fake, root: &Authority) {
        let line = fake.line("w").replace("http://", "https://");
        std::fs::write(&self.config.policy, format!("{line}quorum w\n")).unwrap();
        let path = self.dir.path().join("root.pem");
        std::fs::write(&path, root.root_pem()).unwrap();
        self.config.tls_root = Some(path);
        // A handshake on a busy machine.
        self.config.timeout = Duration::from_secs(5);
    }
}

fn here() -> Host {
    "127.0.0.1".into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_behind_tls_cosigns_and_only_a_good_certificate_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (good, other) = (
        authority(dir.path(), "good"),
        authority(dir.path(), "other"),
    );
    let mut bench = Bench::new("").await;
    let fake = behind(acceptor(&good, here(), time::Duration::ZERO), Does::Cosigns).await;
    bench.believe(&fake, &good);
    let witnesses = bench.open().unwrap();
    within(witnesses.before_first_commit(&bench.log))
        .await
        .unwrap();
    for (what, server, root, expected) in [
        (
            "another root",
            acceptor(&good, here(), time::Duration::ZERO),
            &other,
            // Of the same name: a certificate that another key signed.
            "BadSignature",
        ),
        ("ended", acceptor(&good, here(), DAY * 5), &good, "Expired"),
        (
            "not yet",
            acceptor(&good, here(), DAY * -3),
            &good,
            "NotValidYet",
        ),
        (
            "another name",
            acceptor(
                &good,
                Host::Dns("elsewhere.example".to_owned()),
                time::Duration::ZERO,
            ),
            &good,
            "NotValidForName",
        ),
    ] {
        let fake = behind(server, Does::Cosigns).await;
        bench.believe(&fake, root);
        let witnesses = bench.open().unwrap();
        let refused = within(witnesses.before_first_commit(&bench.log))
            .await
            .unwrap_err();
        assert!(
            matches!(refused, Unwitnessed::NoQuorum { .. }),
            "{what}: {refused}"
        );
        let squeezed = refused.to_string().replace(' ', "").to_lowercase();
        assert!(
            squeezed.contains(&expected.to_lowercase()),
            "{what}: {refused}"
        );
    }
    // Plain HTTP behind an https address is nobody.
    let plain = Fake::new("w", Does::Cosigns).await;
    bench.believe(&plain, &good);
    bench.config.timeout = Duration::from_millis(300);
    let refused = within(bench.open().unwrap().before_first_commit(&bench.log)).await;
    assert!(matches!(refused, Err(Unwitnessed::NoQuorum { .. })));
    within(bench.log.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_witness_says_over_tls_is_its_own_word_and_ends_the_log_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let good = authority(dir.path(), "good");
    for says in [
        "HTTP/1.1 409 Conflict\r\nContent-Length: 3\r\n\r\n99\n",
        "HTTP/1.1 422 Unprocessable\r\nContent-Length: 0\r\n\r\n",
    ] {
        let mut bench = Bench::new("").await;
        let fake = behind(
            acceptor(&good, here(), time::Duration::ZERO),
            Does::Says(says),
        )
        .await;
        bench.believe(&fake, &good);
        // Whatever stands here: this is no doubt.
        bench.config.stop_on_unproved = false;
        let witnesses = bench.open().unwrap();
        let refused = within(witnesses.before_first_commit(&bench.log)).await;
        let Unwitnessed::Against(against) = refused.unwrap_err() else {
            panic!("{says}");
        };
        assert_eq!(
            (against.secure, against.proven, against.times),
            (true, false, 1)
        );
        assert!(against.to_string().contains("over TLS"), "{against}");
        within(bench.log.close()).await.unwrap();
    }
}
