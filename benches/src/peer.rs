//! The peers: what only moves gRPC calls, with mutual TLS on both sides.
//!
//! ```text
//! client  -- mTLS -->  nginx or haproxy  -- mTLS -->            backend (tonic, gives every envelope back)
//! client  -- mTLS -->  bare hub          -- mTLS, a stream -->  backend that dialled the hub
//! ```
//!
//! The bare hub is the switch's own way of carrying a call (tonic, our frames, the adapter's stream) without seals,
//! decisions, log and proofs: what transport alone costs. Everybody's certificate comes from an authority of the run's
//! own, made by the code that makes a switch's, so all sides use the same kind of chain, keys and TLS settings.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use cli::bench::child::Child;
use cli::bench::window::Watched;

pub(crate) mod backend;
mod certificates;
pub(crate) mod client;
pub(crate) mod hub;
pub(crate) mod program;
mod serving;

use program::Program;

/// Which peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Haproxy,
    Hub,
}

impl Kind {
    /// Its name, in certificates, folders and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Hub => "hub",
        }
    }
}

/// A peer and what stands around it, running.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The client.
    pub(crate) load: Child,
    middle: Middle,
    backend: Child,
}

/// What stands between client and backend.
#[derive(Debug)]
enum Middle {
    Program(Program),
    Hub(Child),
}

impl Peer {
    /// Makes certificates and configuration in `dir` and starts all three.
    pub(crate) async fn start(
        kind: Kind,
        dir: &Path,
        logs: &Path,
        connections: usize,
        payloads: &str,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(dir)?;
        certificates::make(dir, kind.name())?;
        let folder = dir.display().to_string();
        let named = |part: &str| format!("{}-{part}", kind.name());
        let (middle, address, backend) = match kind {
            Kind::Nginx | Kind::Haproxy => {
                let backend = Child::role(&named("backend"), &["backend", &folder], logs).await?;
                let program = Program::start(kind, dir, backend.ready(), connections).await?;
                let address = program.address().to_owned();
                (Middle::Program(program), address, backend)
            }
            Kind::Hub => {
                let hub = Child::role(&named("hub"), &["hub", &folder], logs).await?;
                let address = hub.ready().to_owned();
                let backend = ["hub-backend", &folder, &address];
                let backend = Child::role(&named("backend"), &backend, logs).await?;
                (Middle::Hub(hub), address, backend)
            }
        };
        let load = [
            "peer-load",
            &folder,
            kind.name(),
            &address,
            &connections.to_string(),
            payloads,
        ];
        let load = Child::role(&named("client"), &load, logs)
            .await
            .with_context(|| format!("the client of {}", kind.name()))?;
        Ok(Self {
            load,
            middle,
            backend,
        })
    }

    /// All three, what stands between first.
    pub(crate) fn watched(&self) -> anyhow::Result<[Watched; 3]> {
        let (middle, name) = match &self.middle {
            Middle::Program(program) => (program.id()?, program.name()),
            Middle::Hub(hub) => (hub.id()?, "hub"),
        };
        Ok([
            Watched {
                name,
                id: middle,
                family: matches!(self.middle, Middle::Program(_)),
            },
            Watched {
                name: "backend",
                id: self.backend.id()?,
                family: false,
            },
            Watched {
                name: "client",
                id: self.load.id()?,
                family: false,
            },
        ])
    }

    /// Ends all three, the client first.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.load.dismiss().await?;
        match self.middle {
            Middle::Program(program) => {
                program.stop().await?;
                self.backend.dismiss().await
            }
            // The backend hangs on the hub.
            Middle::Hub(hub) => {
                self.backend.dismiss().await?;
                hub.dismiss().await
            }
        }
    }
}
