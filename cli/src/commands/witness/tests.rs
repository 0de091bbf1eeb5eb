//! A witness in its folder and over HTTP: made, asked, asked badly, started again.

use std::time::Duration;

use audit::checkpoint::Checkpoint;
use audit::note::NoteSignature;
use audit::witness::origin_hash;
use audit::witness::request::{AddCheckpoint, REQUEST_BYTES_MAX};
use proto::digest::Digest;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

const ORIGIN: &str = "log.example/one";

struct Bench {
    _dir: TempDir,
    witness: WitnessDir,
    log: LogKeyFile,
}

fn loopback() -> std::net::SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn seal_key() -> LogKeyFile {
    LogKeyFile::new(SealKeyFile::generate(SealAlgorithm::Ed25519).unwrap()).unwrap()
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let witness = WitnessDir::new(&dir.path().join("witness"));
        let log = seal_key();
        let key = LogKey::new(ORIGIN, log.key()).unwrap();
        let file = File::new(
            "witness.example/1".into(),
            loopback(),
            std::slice::from_ref(&key),
        );
        init(&witness, &file, &[key]).unwrap();
        Self {
            _dir: dir,
            witness,
            log,
        }
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint {
            origin: ORIGIN.into(),
            size,
            root: Digest::of(&size.to_be_bytes()),
        }
    }

    fn request(&self, old: u64, size: u64) -> Vec<u8> {
        let note = self.checkpoint(size).sign(&self.log).unwrap().note;
        AddCheckpoint {
            old,
            proof: Vec::new(),
            note,
        }
        .to_bytes()
    }

    async fn serve(&self) -> Served {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        serve(
            listener,
            Arc::new(open(&self.witness).unwrap()),
            Clock::System,
        )
        .unwrap()
    }
}

/// Status, head and body of one request with one connection.
async fn ask(served: &Served, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "{head} HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // It may answer before it has read everything.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .unwrap();
    let split = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(answer[..split].to_vec())
        .unwrap()
        .to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[split + 4..].to_vec())
}

const POST: &str = "POST /add-checkpoint";

#[tokio::test]
async fn a_checkpoint_is_cosigned_over_http_and_can_be_fetched() {
    let bench = Bench::new();
    let served = bench.serve().await;
    let path = format!("GET /{}/checkpoint", origin_hash(ORIGIN));
    assert_eq!(ask(&served, &path, b"").await.0, 404);
    let (status, _, body) = ask(&served, POST, &bench.request(0, 7)).await;
    assert_eq!(status, 200);
    let line = String::from_utf8(body).unwrap();
    let line = NoteSignature::parse(line.strip_suffix('\n').unwrap()).unwrap();
    let key = bench.witness.public_key().unwrap();
    key.verify(&bench.checkpoint(7).to_text(), &line).unwrap();
    let (status, head, body) = ask(&served, POST, &bench.request(3, 9)).await;
    assert_eq!((status, body.as_slice()), (409, &b"7\n"[..]));
    assert!(head.contains("content-type: text/x.tlog.size"), "{head}");
    let (status, _, note) = ask(&served, &path, b"").await;
    assert_eq!(status, 200);
    let log = LogKey::new(ORIGIN, bench.log.key()).unwrap();
    assert_eq!(audit::checkpoint::open(&note, &log).unwrap().size, 7);
    // The memory is one process's, and outlives it.
    assert_eq!(open(&bench.witness).unwrap_err().exit, Exit::Unavailable);
    served.end().await;
    let served = bench.serve().await;
    assert_eq!(ask(&served, POST, &bench.request(0, 9)).await.2, b"7\n");
    let (last, evidence) = witness::look(&bench.witness.memory(), ORIGIN, &key).unwrap();
    assert_eq!((last.unwrap().checkpoint.size, evidence), (7, 0));
}

#[tokio::test]
async fn what_a_stranger_sends_is_bounded_and_refused() {
    let bench = Bench::new();
    let served = bench.serve().await;
    for (head, body, status) in [
        (POST, &b""[..], 400),
        (POST, b"old 0\n\n", 400),
        (POST, &vec![b'a'; REQUEST_BYTES_MAX + 1], 413),
        (POST, &vec![b'a'; 4 << 20], 413),
        ("GET /add-checkpoint", b"", 405),
        ("POST /", b"", 404),
        ("GET /../memory/checkpoint", b"", 404),
        ("GET /..%2f..%2fwitness.key/checkpoint", b"", 404),
    ] {
        let told = ask(&served, head, body).await;
        assert_eq!(told.0, status, "{head}: {told:?}");
    }
    // Many who say nothing do not keep others out for longer than they are there.
    let silent: Vec<_> = futures_of_silence(&served, 200).await;
    drop(silent);
    let asked = async {
        loop {
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            let _ = stream
                .write_all(b"GET / HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n")
                .await;
            let mut answer = Vec::new();
            if stream.read_to_end(&mut answer).await.is_ok() && answer.starts_with(b"HTTP/1.1 404")
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asked)
        .await
        .unwrap();
    assert_eq!(ask(&served, POST, &bench.request(0, 7)).await.0, 200);
}

async fn futures_of_silence(served: &Served, count: usize) -> Vec<TcpStream> {
    let mut silent = Vec::new();
    for _ in 0..count {
        silent.push(TcpStream::connect(served.address).await.unwrap());
    }
    silent
}

#[test]
fn a_folder_is_made_once_and_a_memory_never_twice() {
    let bench = Bench::new();
    let log = LogKey::new(ORIGIN, bench.log.key()).unwrap();
    let file = bench.witness.read().unwrap();
    let again = init(&bench.witness, &file, std::slice::from_ref(&log)).unwrap_err();
    assert_eq!(again.exit, Exit::Usage);
    assert_eq!(add(&bench.witness, &log).unwrap_err().exit, Exit::Usage);
    // A second key of the same log shares its memory; another log gets its own.
    add(
        &bench.witness,
        &LogKey::new(ORIGIN, seal_key().key()).unwrap(),
    )
    .unwrap();
    add(
        &bench.witness,
        &LogKey::new("log.example/two", seal_key().key()).unwrap(),
    )
    .unwrap();
    assert_eq!(open(&bench.witness).unwrap().standings().len(), 2);
    let memory = bench
        .witness
        .memory()
        .join(format!("{}.note", origin_hash(ORIGIN)));
    std::fs::remove_file(&memory).unwrap();
    let gone = open(&bench.witness).unwrap_err();
    assert_eq!(gone.exit, Exit::Untrusted);
    assert!(
        gone.what[0].contains("retire this witness"),
        "{}",
        gone.what[0]
    );
    assert_eq!(add(&bench.witness, &log).unwrap_err().exit, Exit::Usage);
    assert!(!memory.exists());
}

#[test]
fn names_and_files_that_are_none_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let witness = WitnessDir::new(&dir.path().join("w"));
    for name in ["", "two words", "a+b"] {
        let file = File::new(name.into(), loopback(), &[]);
        assert_eq!(init(&witness, &file, &[]).unwrap_err().exit, Exit::Usage);
        assert!(!witness.key().exists(), "{name}");
    }
    assert_eq!(open(&witness).unwrap_err().exit, Exit::Usage);
    let log = LogKey::new(ORIGIN, seal_key().key()).unwrap();
    let file = File::new("w".into(), loopback(), &[]);
    assert!(init(&witness, &file, &[log.clone(), log]).is_err());
    assert!(!witness.config().exists());
    for text in [
        "",
        "name = 1",
        "name = \"w\"\nlisten = \"nowhere\"\n",
        "name = \"w\"\nlisten = \"127.0.0.1:0\"\nmore = 1\n",
    ] {
        std::fs::write(witness.config(), text).unwrap();
        assert_eq!(open(&witness).unwrap_err().exit, Exit::Usage, "{text}");
    }
}
