//! Events: the civil registry tells of three persons, and social solidarity takes in two. The story of `mohawel demo` has
//! none; the tamper matrix forges them.

use serde_json::json;

use super::World;
use crate::demo::agencies::agency;
use crate::demo::process::mohawel;
use crate::failure::Failure;

impl World {
    /// Two events that are taken, and one that nobody has fetched yet.
    pub(in crate::demo) async fn events(&self) -> Result<(), Failure> {
        let (civil, moss) = (self.home("civil"), self.home("moss"));
        let service = format!("{}/persons.v1", agency("civil").system_id());
        let arguments = [
            "event",
            "subscribe",
            &service,
            "lookup",
            "--home",
            &moss,
            "--purpose",
            "takaful-eligibility",
            "--fields",
            "alive,name_en",
        ];
        let subscribed = mohawel(&arguments).await?.success("subscribe")?;
        let subscription = subscribed["subscription"].as_str().unwrap_or_default();
        for name in ["First", "Second"] {
            tell(&civil, name).await?;
        }
        let arguments = [
            "event",
            "follow",
            subscription,
            "--home",
            &moss,
            "--until-idle",
            "0s",
        ];
        mohawel(&arguments).await?.success("follow")?;
        tell(&civil, "Third").await
    }
}

async fn tell(home: &str, name: &str) -> Result<(), Failure> {
    let data = json!({ "alive": false, "name_en": name }).to_string();
    let arguments = ["event", "publish", "persons.v1", "lookup"];
    let arguments = arguments
        .into_iter()
        .chain(["--home", home, "--data", &data]);
    let arguments: Vec<&str> = arguments.collect();
    mohawel(&arguments).await?.success("event")?;
    Ok(())
}
