//! The peer: nginx as a gRPC proxy with mutual TLS on both sides, as `nginx/nginx.conf.template` says.
//!
//! ```text
//! client  -- mTLS -->  nginx  -- mTLS -->  backend (tonic, gives every envelope back)
//! ```
//!
//! Everybody's certificate comes from an authority of the run's own, made by the code that makes a switch's, so
//! both sides of the comparison use the same kind of chain, keys and TLS settings.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use certs::authority::Host;
use certs::tls::Trust;
use certs::{Authority, Identity, Issued, ReloadableIdentity, TlsKey, pem, request};
use time::OffsetDateTime;
use tokio::process::{Child as Process, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::child::{Child, terminate};

pub(crate) mod backend;
pub(crate) mod client;

/// The trust domain of the peer's certificates.
const TRUST_DOMAIN: &str = "peer.example";
/// The name in the backend's certificate.
const BACKEND_NAME: &str = "localhost";
/// nginx's name as a certificate says it.
const NGINX: &str = "nginx";
/// How the certificate files are called.
const ROOTS: &str = "roots.pem";
/// Life of the run's certificates.
const LIFE: time::Duration = time::Duration::days(1);
/// How long nginx may take to listen, and to end.
const NGINX_LIMIT: Duration = Duration::from_secs(20);
/// The configuration, with its placeholders.
const TEMPLATE: &str = include_str!("../nginx/nginx.conf.template");

/// nginx and what stands around it, running.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The client.
    pub(crate) load: Child,
    /// The proxy.
    pub(crate) nginx: Nginx,
    /// The server behind it.
    pub(crate) backend: Child,
}

impl Peer {
    /// Makes certificates and configuration in `dir` and starts all three.
    pub(crate) async fn start(
        dir: &Path,
        logs: &Path,
        connections: usize,
        payload_bytes: usize,
    ) -> anyhow::Result<Self> {
        certificates(dir)?;
        let folder = dir.display().to_string();
        let backend = Child::role("backend", &["backend".to_owned(), folder.clone()], logs).await?;
        let nginx = Nginx::start(dir, backend.ready()).await?;
        let load = [
            "peer-load".to_owned(),
            folder,
            nginx.address.clone(),
            connections.to_string(),
            payload_bytes.to_string(),
        ];
        let load = Child::role("nginx-client", &load, logs).await?;
        Ok(Self {
            load,
            nginx,
            backend,
        })
    }

    /// Ends all three, the client first.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.load.dismiss().await?;
        self.nginx.stop().await?;
        self.backend.dismiss().await
    }
}

/// A running nginx. Dropping it asks it to end: killed, it would leave its workers behind.
#[derive(Debug)]
pub(crate) struct Nginx {
    process: Process,
    address: String,
}

impl Nginx {
    async fn start(dir: &Path, upstream: &str) -> anyhow::Result<Self> {
        let prefix = fs::canonicalize(dir)?.join(NGINX);
        fs::create_dir_all(&prefix)?;
        let address = free_address()?;
        let file = |name: &str| prefix.with_file_name(name).display().to_string();
        let workers = std::thread::available_parallelism()?.to_string();
        let text = fill(&[
            ("PREFIX", &prefix.display().to_string()),
            ("LISTEN", &address),
            ("UPSTREAM", upstream),
            ("UPSTREAM_NAME", BACKEND_NAME),
            ("WORKERS", &workers),
            ("CERT", &file("nginx.pem")),
            ("KEY", &file("nginx.key")),
            ("CLIENT_CERT", &file("nginx-client.pem")),
            ("CLIENT_KEY", &file("nginx-client.key")),
            ("ROOTS", &file(ROOTS)),
        ])?;
        let (config, log) = (prefix.join("nginx.conf"), prefix.join("error.log"));
        fs::write(&config, text)?;
        let process = Command::new(program()?)
            .arg("-p")
            .arg(&prefix)
            .arg("-e")
            .arg(&log)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start nginx")?;
        let mut nginx = Self { process, address };
        if let Err(error) = nginx.listening().await {
            bail!(
                "{error}\n{}",
                fs::read_to_string(&log).unwrap_or_default().trim()
            );
        }
        Ok(nginx)
    }

    async fn listening(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < NGINX_LIMIT {
            if let Some(status) = self.process.try_wait()? {
                bail!("nginx ended with {status}");
            }
            if tokio::net::TcpStream::connect(&self.address).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("nginx does not listen on {}", self.address)
    }

    /// The master process; its workers are its children.
    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.process.id().ok_or_else(|| anyhow!("nginx has ended"))
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        terminate(&self.process)?;
        let status = timeout(NGINX_LIMIT, self.process.wait())
            .await
            .context("nginx did not end")??;
        ensure!(status.success(), "nginx ended with {status}");
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // One that has ended already has no id any more.
        let _ = terminate(&self.process);
    }
}

/// nginx's version, as it says it.
pub(crate) async fn nginx_version() -> anyhow::Result<String> {
    let output = Command::new(program()?)
        .arg("-v")
        .stdin(Stdio::null())
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(said.trim().trim_start_matches("nginx version: ").to_owned())
}

/// Where nginx is: it often lies outside a user's path.
fn program() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(NGINX))
        .find(|program| program.is_file())
        .ok_or_else(|| {
            anyhow!("nginx is not installed; `tests/scripts/tools.sh nginx` installs it")
        })
}

/// The template with each placeholder's value.
fn fill(values: &[(&str, &str)]) -> anyhow::Result<String> {
    // What the comments say about placeholders is for readers of the template.
    let lines = TEMPLATE
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let mut text: String = lines.map(|line| format!("{line}\n")).collect();
    for (name, value) in values {
        let placeholder = format!("@{name}@");
        ensure!(
            text.contains(&placeholder),
            "the template has no {placeholder}"
        );
        ensure!(
            !value.contains([';', '"', '\'', '{', '}', '$', '@', ' ', '\n']),
            "{value} cannot stand in nginx.conf"
        );
        text = text.replace(&placeholder, value);
    }
    match text.split('@').nth(1) {
        None => Ok(text),
        Some(left) => bail!("nothing was given for @{left}@"),
    }
}

/// A loopback address that is free now.
fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()?
        .to_string())
}

/// An authority and everybody's certificate, below `dir`.
fn certificates(dir: &Path) -> anyhow::Result<()> {
    let now = OffsetDateTime::now_utc();
    let authority = Authority::create(&dir.join("authority"), TRUST_DOMAIN, now)?;
    fs::write(dir.join(ROOTS), authority.root_pem())?;
    let hosts = [Host::from(BACKEND_NAME), Host::from("127.0.0.1")];
    for (file, name) in [("nginx", NGINX), ("backend", "backend")] {
        keep(dir, file, |request| {
            Ok(authority.issue_broker(request, name, &hosts, LIFE, now)?)
        })?;
    }
    for (file, system) in [
        ("nginx-client", "EG/GOV/NGINX/proxy"),
        ("client", "EG/GOV/CLIENT/load"),
    ] {
        let uri = format!("spiffe://{TRUST_DOMAIN}/{system}");
        keep(dir, file, |request| {
            Ok(authority.issue_agency(request, &uri, LIFE, now)?)
        })?;
    }
    Ok(())
}

fn keep(
    dir: &Path,
    file: &str,
    issue: impl Fn(&[u8]) -> anyhow::Result<Issued>,
) -> anyhow::Result<()> {
    let key = TlsKey::generate()?;
    key.save(&dir.join(format!("{file}.key")))?;
    let issued = issue(&request::make(&key)?)?;
    fs::write(dir.join(format!("{file}.pem")), issued.chain_pem)?;
    Ok(())
}

/// The identity in `dir` called `name`, and whom its end believes.
fn identity(dir: &Path, name: &str) -> anyhow::Result<(ReloadableIdentity, Trust)> {
    let identity = Identity::load(
        &dir.join(format!("{name}.pem")),
        &dir.join(format!("{name}.key")),
    )?;
    let trust = Trust::new(TRUST_DOMAIN.parse()?, &pem::read_chain(&dir.join(ROOTS))?)?;
    Ok((ReloadableIdentity::new(identity), trust))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 10] = [
        "PREFIX",
        "LISTEN",
        "UPSTREAM",
        "UPSTREAM_NAME",
        "WORKERS",
        "CERT",
        "KEY",
        "CLIENT_CERT",
        "CLIENT_KEY",
        "ROOTS",
    ];

    #[test]
    fn the_template_has_these_placeholders_and_no_others() {
        let values = ALL.map(|name| (name, "value"));
        assert!(!fill(&values).unwrap().contains('@'));
        assert!(fill(&values[1..]).is_err());
        assert!(fill(&[("NOWHERE", "value")]).is_err());
        assert!(fill(&[("PREFIX", "/tmp/a; daemon on")]).is_err());
    }

    #[test]
    fn everybody_has_a_certificate_of_the_right_usage() {
        let dir = tempfile::tempdir().unwrap();
        certificates(dir.path()).unwrap();
        for name in ["nginx", "nginx-client", "backend", "client"] {
            identity(dir.path(), name).unwrap();
        }
        backend::tls(dir.path()).unwrap();
        client::tls(dir.path()).unwrap();
    }
}
