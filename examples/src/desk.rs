//! An agency of a story with a few lines of its own: what it publishes, serves, proposes and accepts, as in a file.

use std::time::Duration;

use adapters::provider::Handle;
use adapters::{Adapter, FileSigner, Options, Provider};
use anyhow::Result;
use cli::commands::agreement::terms::Terms;
use cli::commands::service::definition::Definition;
use cli::commands::{act, agreement, service};
use proto::Digest;

use crate::{Stage, told};

/// How long what was recorded may take to be seen by others.
pub const WAIT: Duration = Duration::from_secs(10);

/// An agency on the stage, and its authority key.
#[derive(Debug)]
pub struct Desk {
    /// Its adapter.
    pub adapter: Adapter,
    /// Seals what binds it. A story keeps it at hand.
    pub authority: FileSigner,
}

impl Desk {
    /// Invites and enrols it.
    ///
    /// # Errors
    /// The switch, or the disk.
    pub async fn open(stage: &Stage, agency: &str, system: &str, names: [&str; 2]) -> Result<Self> {
        let adapter = stage.join(agency, system, names).await?;
        let authority = act::plain_authority(&adapter).map_err(told)?;
        Ok(Self { adapter, authority })
    }

    /// Publishes a service, described as a TOML file would.
    ///
    /// # Errors
    /// What is wrong with it, or the switch.
    pub async fn publish(&self, definition: &str) -> Result<()> {
        let definition = Definition::parse(definition);
        let definition = definition.map_err(|problems| anyhow::anyhow!(problems.join("; ")))?;
        service::publish(&self.adapter, &self.authority, &definition)
            .await
            .map_err(told)?;
        Ok(())
    }

    /// Serves, and waits until the switch knows.
    ///
    /// # Errors
    /// The switch.
    pub async fn serve(&self, provider: impl Provider) -> Result<Handle> {
        let serving = self.adapter.serve(provider, Options::default()).await;
        serving.attached(WAIT).await?;
        Ok(serving)
    }

    /// Proposes terms as a TOML file has them; gives the agreement's id and the size of the registry with it.
    ///
    /// # Errors
    /// What is wrong with the terms, or the switch.
    pub async fn propose(&self, terms: &str) -> Result<(Digest, u64)> {
        let terms = Terms::parse(terms);
        let terms = terms.map_err(|problems| anyhow::anyhow!(problems.join("; ")))?;
        let proposed = agreement::propose(&self.adapter, &self.authority, &terms)
            .await
            .map_err(told)?;
        Ok((proposed.id, proposed.receipt.stamp.registry_size + 1))
    }

    /// Accepts what was proposed, once it is here; gives the size of the registry with it.
    ///
    /// # Errors
    /// The switch.
    pub async fn accept(&self, (id, size): (Digest, u64)) -> Result<u64> {
        self.adapter.mirror().reached(size, WAIT).await?;
        agreement::accept(&self.adapter, &self.authority, &id)
            .await
            .map_err(told)?;
        Ok(size + 1)
    }
}
