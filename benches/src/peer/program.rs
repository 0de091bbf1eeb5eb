//! nginx or haproxy, running as its template says.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use cli::bench::child::terminate;
use tokio::process::{Child as Process, Command};
use tokio::time::{Instant, sleep, timeout};

use super::Kind;
use super::certificates::{ROOTS, SERVER_NAME};

/// How long a program may take to listen, and to end.
const LIMIT: Duration = Duration::from_secs(20);
/// Idle connections that nginx keeps upstream, as its template says: one for each call in flight.
const UPSTREAM_KEPT: usize = 512;
/// Calls that one client's connection may have open at least.
const STREAMS_MIN: usize = 16;
/// The configurations, with their placeholders.
const NGINX: &str = include_str!("../../nginx/nginx.conf.template");
const HAPROXY: &str = include_str!("../../haproxy/haproxy.cfg.template");

/// A running program. Dropping it asks it to end: killed, nginx would leave its workers behind.
#[derive(Debug)]
pub(crate) struct Program {
    kind: Kind,
    process: Process,
    address: String,
}

impl Program {
    /// Starts it in front of `upstream`, below `dir`, where the certificates lie.
    pub(super) async fn start(
        kind: Kind,
        dir: &Path,
        upstream: &str,
        connections: usize,
    ) -> anyhow::Result<Self> {
        let name = kind.name();
        let dir = fs::canonicalize(dir)?;
        let prefix = dir.join(name);
        fs::create_dir_all(&prefix)?;
        let address = free_address()?;
        let log = prefix.join("error.log");
        let config = prefix.join("configuration");
        fs::write(
            &config,
            text(kind, &dir, [&address, upstream], connections)?,
        )?;
        let mut command = Command::new(path_of(name)?);
        let out = fs::File::create(prefix.join("out"))?;
        match kind {
            Kind::Nginx => command
                .arg("-p")
                .arg(&prefix)
                .arg("-e")
                .arg(&log)
                .arg("-c")
                .arg(&config)
                .stderr(Stdio::null()),
            Kind::Haproxy => command
                .arg("-db")
                .arg("-f")
                .arg(&config)
                .stderr(fs::File::create(&log)?),
            Kind::Hub => bail!("the hub is a part of this binary"),
        };
        let process = command
            .stdin(Stdio::null())
            .stdout(out)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut program = Self {
            kind,
            process,
            address,
        };
        if let Err(error) = program.listening().await {
            let said = fs::read_to_string(&log).unwrap_or_default();
            bail!("{error}\n{}", said.trim());
        }
        Ok(program)
    }

    async fn listening(&mut self) -> anyhow::Result<()> {
        let (began, name) = (Instant::now(), self.name());
        while began.elapsed() < LIMIT {
            if let Some(status) = self.process.try_wait()? {
                bail!("{name} ended with {status}");
            }
            if tokio::net::TcpStream::connect(&self.address).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("{name} does not listen on {}", self.address)
    }

    /// Where clients call.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// What it is called.
    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// The process that was started; nginx's workers are its children.
    pub(super) fn id(&self) -> anyhow::Result<u32> {
        let id = self.process.id();
        id.ok_or_else(|| anyhow!("{} has ended", self.name()))
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let name = self.name();
        // Not a bad end of its own.
        if let Some(status) = self.process.try_wait()? {
            bail!("{name} ended by itself with {status}");
        }
        terminate(&self.process)?;
        timeout(LIMIT, self.process.wait())
            .await
            .with_context(|| format!("{name} did not end"))??;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended already has no id any more.
        let _ = terminate(&self.process);
    }
}

/// A program's version, as it says it; an error says how to install it.
pub(crate) async fn version(kind: Kind) -> anyhow::Result<String> {
    let output = Command::new(path_of(kind.name())?)
        .arg("-v")
        .stdin(Stdio::null())
        .output()
        .await?;
    // nginx says it on standard error.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let first = said.lines().next().unwrap_or_default();
    let words = first.trim_start_matches("nginx version: ");
    Ok(words.split(" - ").next().unwrap_or(words).trim().to_owned())
}

/// Where a program is: it often lies outside a user's path.
fn path_of(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .ok_or_else(|| {
            anyhow!("{name} is not installed; `tests/scripts/tools.sh {name}` installs it")
        })
}

/// A loopback address that is free now.
pub(crate) fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()?
        .to_string())
}

fn text(
    kind: Kind,
    dir: &Path,
    [listen, upstream]: [&str; 2],
    connections: usize,
) -> anyhow::Result<String> {
    let file = |name: &str| dir.join(name).display().to_string();
    let workers = std::thread::available_parallelism()?.to_string();
    let streams = (UPSTREAM_KEPT / connections.max(1)).max(STREAMS_MIN);
    let (prefix, roots) = (file(kind.name()), file(ROOTS));
    let shared = [
        ("LISTEN", listen),
        ("UPSTREAM", upstream),
        ("UPSTREAM_NAME", SERVER_NAME),
        ("WORKERS", &workers),
        ("ROOTS", &roots),
    ];
    let own: Vec<(&str, String)> = match kind {
        Kind::Nginx => vec![
            ("PREFIX", prefix),
            ("STREAMS", streams.to_string()),
            ("CERT", file("middle.pem")),
            ("KEY", file("middle.key")),
            ("CLIENT_CERT", file("middle-client.pem")),
            ("CLIENT_KEY", file("middle-client.key")),
        ],
        Kind::Haproxy => vec![
            ("CERT", file("middle.both.pem")),
            ("CLIENT_CERT", file("middle-client.both.pem")),
        ],
        Kind::Hub => bail!("the hub has no configuration"),
    };
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let values: Vec<(&str, &str)> = shared.into_iter().chain(own).collect();
    let template = if kind == Kind::Nginx { NGINX } else { HAPROXY };
    fill(template, &values)
}

/// The template with each placeholder's value.
fn fill(template: &str, values: &[(&str, &str)]) -> anyhow::Result<String> {
    // What the comments say about placeholders is for readers of the template.
    let lines = template
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
            !value.contains([';', '"', '\'', '{', '}', '$', '@', ' ', '\n', '\\', '#']),
            "{value} cannot stand in a configuration"
        );
        text = text.replace(&placeholder, value);
    }
    match text.split('@').nth(1) {
        None => Ok(text),
        Some(left) => bail!("nothing was given for @{left}@"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_these_placeholders_and_no_others() {
        let dir = Path::new("/run/bench");
        for kind in [Kind::Nginx, Kind::Haproxy] {
            let text = text(kind, dir, ["127.0.0.1:1", "127.0.0.1:2"], 4).unwrap();
            assert!(text.contains("127.0.0.1:1") && text.contains("/run/bench/"));
        }
        assert!(text(Kind::Hub, dir, ["", ""], 4).is_err());
        let odd = Path::new("/run/a; daemon on");
        assert!(text(Kind::Nginx, odd, ["127.0.0.1:1", "127.0.0.1:2"], 4).is_err());
    }

    #[test]
    fn a_placeholder_too_many_or_too_few_is_told() {
        assert_eq!(fill("# @A@\nx @B@\n", &[("B", "b")]).unwrap(), "x b\n");
        assert!(fill("x @B@\n", &[]).is_err());
        assert!(fill("x @B@\n", &[("B", "b"), ("C", "c")]).is_err());
    }
}
