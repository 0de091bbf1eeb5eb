//! The agencies' adapters as processes: they start, leave, and come back.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cli::demo::process::Server;

use super::part::{MAIL, PAY};
use super::{PAY_KEY, Town};
use crate::told;

impl Town {
    /// Stops an agency's adapter: its services stay published, and nobody answers.
    ///
    /// # Errors
    /// A process that does not end as it should.
    pub async fn leave(&mut self, key: &str) -> Result<()> {
        let at = self.adapters.iter().position(|(whose, _)| whose == key);
        let at = at.with_context(|| format!("{key} serves nothing"))?;
        let (_, adapter) = self.adapters.remove(at);
        adapter.stop().await.map_err(told)
    }

    /// Starts it again.
    ///
    /// # Errors
    /// A process that does not do what it should.
    pub async fn come_back(&mut self, key: &str) -> Result<()> {
        let folder = self.folder_of(key);
        self.start_adapter(key, &folder).await
    }

    /// What an agency publishes and serves: the story's own, or the town's.
    pub(super) fn folder_of(&self, key: &str) -> PathBuf {
        let own = self.story.join(key);
        match own.exists() {
            true => own,
            false => self.story.with_file_name("town").join(key),
        }
    }

    pub(super) async fn start_adapter(&mut self, key: &str, folder: &Path) -> Result<()> {
        let home = self.home(key);
        let log = self.dir.path().join(format!("{key}.log"));
        let server = match folder.join("providers.toml").exists() {
            true => {
                let providers = self.register(key, folder).await?.display().to_string();
                Server::start(
                    key,
                    &["adapter", "run", "--home", &home, "--providers", &providers],
                    "serving",
                    &log,
                )
                .await
            }
            false if key == PAY_KEY => Server::start(key, &[PAY, &home], "serving", &log).await,
            false => Server::start(key, &[MAIL, &home, &self.post.address], "serving", &log).await,
        };
        self.adapters.push((key.to_owned(), server.map_err(told)?));
        Ok(())
    }

    /// Starts `mohawel` with these arguments as an agency's adapter.
    ///
    /// # Errors
    /// It does not come to serve.
    pub async fn start(&mut self, key: &str, arguments: &[&str]) -> Result<()> {
        let log = self.dir.path().join(format!("{key}.log"));
        let server = Server::start(key, arguments, "serving", &log).await;
        self.adapters.push((key.to_owned(), server.map_err(told)?));
        Ok(())
    }
}
