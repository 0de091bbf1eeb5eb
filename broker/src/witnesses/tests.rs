//! Policies that cannot be used, witnesses that behave badly, and when somebody is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use audit::checkpoint::LogKey;
use audit::cosignature::{WitnessKey, cosign};
use audit::log;
use audit::note::SignedNote;
use audit::witness::request::AddCheckpoint;
use bytes::Bytes;
use certs::{SealAlgorithm, SealKeyFile};
use proto::entry::{Draft, Kind};
use proto::key::Signer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::switch::LogKeyFile;

mod doubts;
mod tls;
const ORIGIN: &str = "log.example/one";
const TIME_S: u64 = 1_795_363_078;

fn key() -> LogKeyFile {
    LogKeyFile::new(SealKeyFile::generate(SealAlgorithm::Ed25519).unwrap()).unwrap()
}

/// What a bad witness does with a request.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Cosigns whatever it is shown.
    Cosigns,
    /// Answers with these bytes, as a whole HTTP answer.
    Says(&'static str),
    /// Says so once, and then cosigns: somebody else spoke.
    Once(&'static str),
    /// Says so, and shows this note to whoever asks what it cosigned.
    Shows(&'static str, &'static str),
    /// Answers with more than may be read.
    Floods,
    /// Takes the request and says nothing.
    Hangs,
    /// Is not there.
    Closed,
}

struct Fake {
    key: Arc<LogKeyFile>,
    name: String,
    address: SocketAddr,
}

impl Fake {
    async fn new(name: &str, does: Does) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let fake = Self {
            key: Arc::new(key()),
            name: format!("witness.example/{name}"),
            address,
        };
        let (key, name) = (Arc::clone(&fake.key), fake.name.clone());
        if !matches!(does, Does::Closed) {
            let asked = Arc::new(AtomicU64::new(0));
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let asked = Arc::clone(&asked);
                    tokio::spawn(answer(stream, Arc::clone(&key), name.clone(), does, asked));
                }
            });
        }
        fake
    }

    fn line(&self, name: &str) -> String {
        let key = WitnessKey::new(&self.name, self.key.key()).unwrap();
        format!(
            "witness {name} {} http://{}/\n",
            key.to_vkey(),
            self.address
        )
    }
}

/// One connection, one request after the other.
async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    key: Arc<LogKeyFile>,
    name: String,
    does: Does,
    asked: Arc<AtomicU64>,
) {
    let mut read = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => read.extend_from_slice(&chunk[..count]),
        }
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length: ")
                .map(|n| n.parse().unwrap())
        });
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        let whole = |body: &str| {
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let said = match does {
            Does::Shows(_, note) if head.starts_with("GET ") => whole(note),
            Does::Once(says) if asked.fetch_add(1, Ordering::Relaxed) == 0 => says.to_owned(),
            Does::Cosigns | Does::Once(_) => {
                let request = AddCheckpoint::parse(body.as_bytes()).unwrap();
                let note = SignedNote::parse(&request.note).unwrap();
                let line = cosign(note.text(), &name, &*key, TIME_S).unwrap();
                whole(&format!("{line}\n"))
            }
            Does::Says(answer) | Does::Shows(answer, _) => answer.to_owned(),
            Does::Floods => format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n{}",
                "x".repeat(1 << 20)
            ),
            Does::Hangs | Does::Closed => {
                read.clear();
                continue;
            }
        };
        if stream.write_all(said.as_bytes()).await.is_err() {
            return;
        }
        read.clear();
    }
}

struct Bench {
    dir: TempDir,
    key: Arc<LogKeyFile>,
    log: Log,
    config: WitnessConfig,
}

impl Bench {
    /// A log, and a policy of `lines`.
    async fn new(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = WitnessConfig {
            policy: dir.path().join("policy"),
            tls_root: None,
            timeout: Duration::from_millis(300),
            late_alarm: Duration::from_secs(1),
            stop_after: None,
            stop_on_unproved: true,
        };
        std::fs::write(&config.policy, lines).unwrap();
        let log_config = log::Config {
            cosign_wait: Witnesses::hold(&config),
            publish_interval: Duration::from_millis(50),
            ..log::Config::new(&dir.path().join("log"), ORIGIN)
        };
        let key = Arc::new(key());
        let signer = Arc::clone(&key) as Arc<dyn Signer>;
        let log = Log::create(log_config, draft(Kind::Genesis), signer)
            .await
            .unwrap();
        Self {
            dir,
            key,
            log,
            config,
        }
    }

    fn open(&self) -> Result<Witnesses, WitnessesError> {
        Witnesses::open(&self.config, self.log.key())
    }

    async fn append(&self) {
        self.log.append(draft(Kind::Request), None).await.unwrap();
    }
}

fn draft(kind: Kind) -> Draft {
    Draft {
        kind,
        facts: Bytes::new(),
        header: Bytes::new(),
        seal: None,
    }
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(Duration::from_secs(60), what).await;
    ended.unwrap()
}

#[tokio::test]
async fn a_policy_that_cannot_serve_is_told_with_the_file() {
    let fake = Fake::new("a", Does::Closed).await;
    let bench = Bench::new("").await;
    let line = fake.line("a");
    let without_url = line.rsplit_once(' ').unwrap().0.to_owned();
    let other = LogKey::new("log.example/two", key().key())
        .unwrap()
        .to_vkey();
    for (text, expected) in [
        (String::new(), "there is no quorum line"),
        ("quorum none\n".into(), "leave out [witness]"),
        (format!("{line}quorum b\n"), "b is not defined"),
        (
            format!("log {other}\n{line}quorum a\n"),
            "is not one of them",
        ),
        (format!("{without_url}\nquorum a\n"), "have a URL"),
        (
            format!("{without_url} https://w.example\nquorum a\n"),
            "witness.tls_root: missing",
        ),
        (
            format!("{without_url} ftp://w.example\nquorum a\n"),
            "the URL of a",
        ),
        (
            format!("{without_url} http://me:secret@w.example\nquorum a\n"),
            "the URL of a",
        ),
        (
            format!("{without_url} http://w.example/?q\nquorum a\n"),
            "the URL of a",
        ),
        ("#".repeat(POLICY_BYTES_MAX) + "\n", "at most"),
    ] {
        std::fs::write(&bench.config.policy, &text).unwrap();
        let error = bench.open().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("secret"));
    }
    std::fs::write(
        &bench.config.policy,
        format!("log {}\n{line}quorum a\n", bench.log.key().to_vkey()),
    )
    .unwrap();
    assert!(bench.open().is_ok());
    std::fs::remove_file(&bench.config.policy).unwrap();
    assert!(matches!(bench.open(), Err(WitnessesError::Read { .. })));
    bench.log.close().await.unwrap();
    drop(bench.dir);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn badly_behaved_witnesses_cost_no_quorum_and_stop_nothing() {
    let mut tried = tokio::task::JoinSet::new();
    for does in [
        Does::Closed,
        Does::Hangs,
        Does::Floods,
        Does::Says("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"),
        Does::Says(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        ),
        Does::Says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        Does::Says("HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nx\n"),
        Does::Says("HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n0\n"),
        Does::Says("no HTTP at all\r\n\r\n"),
    ] {
        tried.spawn(beside_a_good_one(does));
    }
    while let Some(one) = tried.join_next().await {
        one.unwrap();
    }
}

async fn beside_a_good_one(does: Does) {
    let (good, bad) = (
        Fake::new("good", Does::Cosigns).await,
        Fake::new("bad", does).await,
    );
    let text = format!(
        "{}{}group g any good bad\nquorum g\n",
        good.line("good"),
        bad.line("bad")
    );
    let bench = Bench::new(&text).await;
    let witnesses = Arc::new(bench.open().unwrap());
    within(witnesses.before_first_commit(&bench.log))
        .await
        .unwrap();
    let (done, tasks, mut counts) = (
        CancellationToken::new(),
        TaskTracker::new(),
        witnesses.counts(),
    );
    let mut published = bench.log.published();
    tasks.spawn(Arc::clone(&witnesses).run(bench.log.clone(), done.clone(), tasks.clone()));
    bench.append().await;
    let cosigned = |there: &Arc<SignedCheckpoint>| {
        let policy = &witnesses.policy;
        there.checkpoint.size == 2
            && policy
                .verify(&SignedNote::parse(&there.note).unwrap())
                .is_accepted()
    };
    within(published.wait_for(cosigned))
        .await
        .unwrap_or_else(|_| panic!("{does:?}"));
    within(counts.wait_for(|lateness| lateness.counts.cosigned == 1))
        .await
        .unwrap();
    assert_eq!(counts.borrow().late_ms(Instant::now()), 0);
    // Alone, the bad one is no quorum, and the start says why.
    std::fs::write(
        &bench.config.policy,
        format!("{}quorum bad\n", bad.line("bad")),
    )
    .unwrap();
    let alone = bench.open().unwrap();
    let refused = within(alone.before_first_commit(&bench.log))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, Unwitnessed::NoQuorum { .. }),
        "{does:?}: {refused}"
    );
    assert!(refused.to_string().contains("bad: "), "{refused}");
    done.cancel();
    tasks.close();
    within(tasks.wait()).await;
    within(bench.log.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_submitted_before_anybody_followed_is_cosigned_as_well() {
    let good = Fake::new("good", Does::Cosigns).await;
    let bench = Bench::new(&format!("{}quorum good\n", good.line("good"))).await;
    let witnesses = Arc::new(bench.open().unwrap());
    bench.append().await;
    let mut submitted = bench.log.submitted();
    within(submitted.wait_for(|held| held.as_ref().is_some_and(|held| held.checkpoint.size == 2)))
        .await
        .unwrap();
    let (done, tasks, mut counts) = (
        CancellationToken::new(),
        TaskTracker::new(),
        witnesses.counts(),
    );
    tasks.spawn(Arc::clone(&witnesses).run(bench.log.clone(), done.clone(), tasks.clone()));
    within(counts.wait_for(|lateness| lateness.counts.cosigned == 1))
        .await
        .unwrap();
    done.cancel();
    tasks.close();
    within(tasks.wait()).await;
    within(bench.log.close()).await.unwrap();
}

/// Without a quorum the log stops then; a busy machine publishes a few times within it.
const LIMIT: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_the_log_goes_on_until_the_limit_and_the_alarm_is_counted() {
    let fake = Fake::new("w", Does::Hangs).await;
    let mut bench = Bench::new(&format!("{}quorum w\n", fake.line("w"))).await;
    bench.config.stop_after = Some(LIMIT);
    let witnesses = Arc::new(bench.open().unwrap());
    let (done, tasks, mut counts) = (
        CancellationToken::new(),
        TaskTracker::new(),
        witnesses.counts(),
    );
    tasks.spawn(witnesses.run(bench.log.clone(), done, tasks.clone()));
    let mut published = bench.log.published();
    let began = Instant::now();
    for size in 2..5 {
        bench.append().await;
        within(published.wait_for(|there| there.checkpoint.size >= size))
            .await
            .unwrap();
    }
    within(counts.wait_for(|lateness| lateness.counts.alarms == 1))
        .await
        .unwrap();
    assert!(counts.borrow().is_alarmed());
    let reason = within(bench.log.stopped()).await;
    assert!(reason.contains("witness.stop_after_ms"), "{reason}");
    assert!(began.elapsed() >= LIMIT - Duration::from_millis(100));
    tasks.close();
    within(tasks.wait()).await;
}
