//! A time-stamp authority on a loopback port: `openssl ts` answers, so that nothing here vouches for itself.
//!
//! Its knobs make it fail as real ones do. One question a connection, as an authority behind a proxy would have it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audit::timestamp::Roots;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::ground::loopback;

/// How the authority behaves.
#[derive(Clone, Debug, Default)]
pub enum Manner {
    /// Stamps.
    #[default]
    Honest,
    /// Says 503.
    Away,
    /// Takes the question and says nothing.
    Silent,
    /// Sends bytes without end.
    Endless,
    /// Answers with these bytes, whatever was asked.
    Fixed(Vec<u8>),
}

/// A running authority. Gone when dropped.
#[derive(Debug)]
pub struct TimeAuthority {
    dir: TempDir,
    address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicU64>,
    _serving: AbortOnDropHandle<()>,
}

const CONFIGURATION: &str = "\
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:TRUE
[stamps]
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = reply
[reply]
serial = tokens.txt
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
clock_precision_digits = 3
";

impl TimeAuthority {
    /// An authority called `name` with a key of `algorithm`, as `openssl genpkey` takes it.
    pub async fn start(name: &str, algorithm: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("openssl.cnf"), CONFIGURATION).unwrap();
        fs::write(dir.path().join("tokens.txt"), "01\n").unwrap();
        for command in [
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out root.key".to_owned(),
            format!("req -x509 -new -key root.key -subj /CN={name}-root -days 3 -extensions root -out root.pem"),
            format!("genpkey {algorithm} -out tsa.key"),
            format!("req -new -key tsa.key -subj /CN={name} -out tsa.csr"),
            "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -set_serial 7 -days 2 -extfile openssl.cnf \
             -extensions stamps -out tsa.pem"
                .to_owned(),
        ] {
            openssl(dir.path(), &command).unwrap();
        }
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let manner = Arc::new(Mutex::new(Manner::Honest));
        let asked = Arc::new(AtomicU64::new(0));
        let serving = serve(
            listener,
            dir.path().to_owned(),
            Arc::clone(&manner),
            Arc::clone(&asked),
        );
        Self {
            dir,
            address,
            manner,
            asked,
            _serving: AbortOnDropHandle::new(tokio::spawn(serving)),
        }
    }

    /// With a P-256 key.
    pub async fn start_ec(name: &str) -> Self {
        Self::start(name, "-algorithm EC -pkeyopt ec_paramgen_curve:P-256").await
    }

    /// With an RSA key of 2,048 bits.
    pub async fn start_rsa(name: &str) -> Self {
        Self::start(name, "-algorithm RSA -pkeyopt rsa_keygen_bits:2048").await
    }

    /// Lines of `switch.toml` that name it.
    pub fn section(&self) -> String {
        format!(
            "[[time.authorities]]\nurl = \"http://{}/tsa\"\nroot = \"{}\"\n",
            self.address,
            self.root().display()
        )
    }

    /// The PEM file of its root.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    /// Its root, read.
    pub fn roots(&self) -> Roots {
        Roots::load(&self.root()).unwrap()
    }

    /// From now on it behaves like this.
    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// How often it was asked.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Whether `openssl` believes that `token` is this authority's over the file `note`.
    ///
    /// # Errors
    /// What it says against it.
    pub fn confirms(&self, note: &Path, token: &Path) -> Result<(), String> {
        let (note, token) = (note.display(), token.display());
        openssl(
            self.dir.path(),
            &format!("ts -verify -data {note} -in {token} -CAfile root.pem"),
        )
    }
}

async fn serve(
    listener: TcpListener,
    dir: PathBuf,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicU64>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        asked.fetch_add(1, Ordering::SeqCst);
        let manner = manner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // One after the other: openssl keeps a serial number in a file. Whoever hangs up is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(8), answer(stream, &dir, manner)).await;
    }
}

async fn answer(mut stream: TcpStream, dir: &Path, manner: Manner) -> std::io::Result<()> {
    let question = body(&mut stream).await?;
    let reply = match manner {
        Manner::Away => {
            return stream
                .write_all(b"HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n")
                .await;
        }
        Manner::Silent => {
            // Until the other side gives up.
            let _ = stream.read_u8().await;
            return Ok(());
        }
        Manner::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[0x30; 4096]).await?;
            }
        }
        Manner::Fixed(bytes) => bytes,
        Manner::Honest => {
            fs::write(dir.join("query.tsq"), question)?;
            let dir = dir.to_owned();
            tokio::task::spawn_blocking(move || {
                openssl(
                    &dir,
                    "ts -reply -queryfile query.tsq -signer tsa.pem -inkey tsa.key -out reply.tsr",
                )
                .unwrap();
                fs::read(dir.join("reply.tsr"))
            })
            .await??
        }
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        reply.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&reply).await
}

/// The body of one POST that says its length.
async fn body(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut got = Vec::new();
    loop {
        if let Some(at) = got.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&got[..at]).to_lowercase();
            assert!(
                head.contains("content-type: application/timestamp-query"),
                "{head}"
            );
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if got.len() >= at + 4 + length {
                return Ok(got[at + 4..at + 4 + length].to_vec());
            }
        }
        let mut part = [0; 1024];
        match stream.read(&mut part).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            length => got.extend_from_slice(&part[..length]),
        }
    }
}

fn openssl(dir: &Path, arguments: &str) -> Result<(), String> {
    let ran = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(dir)
        .env("OPENSSL_CONF", dir.join("openssl.cnf"))
        .stdin(Stdio::null())
        .output()
        .expect("tests/scripts/tools.sh openssl makes sure of this program");
    match ran.status.success() {
        true => Ok(()),
        false => Err(format!(
            "openssl {arguments}: {}",
            String::from_utf8_lossy(&ran.stderr)
        )),
    }
}
