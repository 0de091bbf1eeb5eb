//! Where events go that the system follows: one file each, in one folder.
//!
//! Takes an event that passed every check. Writes it as `EVENT.json`, whole and durable, before it is acknowledged; one that
//! comes a second time finds its file. Never names a file by anything that came from outside but the event's id.

use std::path::{Path, PathBuf};

use audit::tiles::durable;
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::file::Reading;
use crate::events::Told;
use crate::provider::Failure;

/// The folder.
#[derive(Debug)]
pub(super) struct Events {
    folder: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    folder: PathBuf,
}

impl Events {
    /// Reads the table. The folder is there from the beginning.
    pub(super) fn read(table: toml::Table, reading: &mut Reading) -> Option<Self> {
        let shape: Shape = reading.shape("events", table)?;
        let folder = reading.path(&shape.folder);
        if !folder.is_dir() {
            reading.say("events", format_args!("{} is no folder", folder.display()));
        }
        Some(Self { folder })
    }

    /// Keeps one.
    pub(super) async fn take(&self, event: Told) -> Result<(), Failure> {
        let folder = self.folder.clone();
        let kept = spawn_blocking(move || keep(&folder, &event)).await;
        kept.map_err(Failure::failed)?
    }
}

/// Writes an event as `EVENT.json` in `folder`, where it is not there yet.
///
/// # Errors
/// [`Failure::Failed`] with what the system said.
pub fn keep(folder: &Path, event: &Told) -> Result<(), Failure> {
    let path = folder.join(format!("{}.json", event.event_id));
    if path.exists() {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(&event.to_json()).map_err(Failure::failed)?;
    durable::write_file(&path, &text).map_err(Failure::failed)
}
