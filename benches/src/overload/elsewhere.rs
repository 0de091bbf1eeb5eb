//! A second switch on the same machine that refuses a flood: what that flood takes of the machine, and nothing of the
//! switch that is measured.
//!
//! Each agency may have one exchange under way, with a provider that never answers it: everything else is refused at the
//! door, as a flood is refused at the switch that is measured. As many flood here as there: what one agency can have refused
//! in a second is bounded by its connections, and by how long a no is held back from it.

use std::path::Path;

use anyhow::ensure;
use cli::bench::child::Child;
use cli::bench::ours;

use super::world::{EACH, MANY};
use crate::crowd::Founding;
use crate::peer::program::free_address;

/// The other switch and who floods it.
pub(super) struct Elsewhere {
    /// As many as ask together at the switch that is measured.
    pub(super) many: Child,
    /// One agency.
    pub(super) flood: Child,
    switch: Child,
    hanging: Child,
}

impl Elsewhere {
    /// Founds it in `dir` and starts it.
    pub(super) async fn start(dir: &Path, logs: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let text = |path: &Path| path.display().to_string();
        let (folder, homes, keys) = (dir.join("switch"), dir.join("homes"), dir.join("keys"));
        let [exchange, enrol] = [free_address()?, free_address()?];
        ours::init(&text(&folder), [&exchange, &enrol]).await?;
        one_under_way(&folder)?;
        let (name, home) = ("EG/GOV/HANGS", dir.join("hangs"));
        let founding = Founding::open(&folder).await?;
        let agencies = founding
            .crowd(((MANY + 1) * EACH, EACH), &homes, &keys)
            .await?;
        let provider = founding.agency(name, &keys).await?;
        let system = founding.system(&provider, "registry", &home).await?;
        founding.publish(&provider, &system).await?;
        for agency in &agencies {
            founding.agree(agency, &provider, &system).await?;
        }
        founding.close().await?;
        let switch = ours::switch("elsewhere-switch", &text(&folder), logs).await?;
        let hanging = ["provider", &text(&home), "--hangs"];
        let hanging = Child::part("elsewhere-provider", &hanging, logs).await?;
        let asked = format!("{name}/registry/echo.v1");
        let homes = text(&homes);
        let flood = async |what: &str, first: usize, agencies: usize| {
            let [first, count] = [first * EACH, agencies * EACH].map(|one| one.to_string());
            let flood = ["thin-load", "1024", &homes, &first, &count, "--unverified"];
            let flood = [&flood[..], &["--service", &asked]].concat();
            Child::role(what, &flood, logs).await
        };
        Ok(Self {
            many: flood("elsewhere-many", 0, MANY).await?,
            flood: flood("elsewhere-flood", MANY, 1).await?,
            switch,
            hanging,
        })
    }

    /// Ends it, who floods first.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.many.dismiss().await?;
        self.flood.dismiss().await?;
        self.hanging.dismiss().await?;
        self.switch.terminate().await?;
        Ok(())
    }
}

fn one_under_way(folder: &Path) -> anyhow::Result<()> {
    let file = folder.join("switch.toml");
    let text = std::fs::read_to_string(&file)?;
    let shown = "# in_flight_per_agency = 1024\n";
    ensure!(
        text.contains(shown),
        "switch.toml does not show the default of limits.in_flight_per_agency any more"
    );
    Ok(std::fs::write(
        &file,
        text.replace(shown, "in_flight_per_agency = 1\n"),
    )?)
}
