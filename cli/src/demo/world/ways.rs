//! Every other way to exchange, once or twice each: answers and requests in chunks, many items, sealed payloads, and a
//! question that waits. The story of `mohawel demo` has none of them; the tamper matrix forges them.
//!
//! Takes a world that is built. Gives it one more agency, an archive, and what social solidarity exchanged with it.

use serde_json::json;

use super::World;
use crate::demo::agencies::Agency;
use crate::demo::process::{Server, mohawel};
use crate::demo::tell::Teller;
use crate::failure::Failure;

/// How long the one question may wait: a little over what a call may.
pub(in crate::demo) const WITHIN_S: u64 = 180;

const ARCHIVE: Agency = Agency {
    key: "archive",
    id: "EG/GOV/ARCHIVE",
    system: "deeds",
    name_en: "Land Archive",
    name_ar: "أرشيف الأراضي",
    store: ["files", "ملفات"],
    service: "",
};

/// What the archive offers: maps in chunks, its register line by line, and what nobody between may read.
const SERVICES: [(&str, &str); 3] = [
    (
        "maps",
        r#"service = "maps.v1"
name_en = "Maps"
name_ar = "الخرائط"

[[operations]]
name = "deposit"
name_en = "Deposit a map"
name_ar = "إيداع خريطة"
fields = ["number"]

[[operations]]
name = "read"
name_en = "Read a map"
name_ar = "قراءة خريطة"
fields = ["map"]
"#,
    ),
    ("plots", PLOTS),
    ("owners", OWNERS),
];

const PLOTS: &str = r#"service = "plots.v1"
name_en = "Plots"
name_ar = "القطع"

[[operations]]
name = "lookup"
name_en = "One plot"
name_ar = "قطعة واحدة"
fields = ["area", "plot"]
"#;

const OWNERS: &str = r#"service = "owners.v1"
name_en = "Owners of plots"
name_ar = "ملاك القطع"

[[operations]]
name = "lookup"
name_en = "Who owns a plot"
name_ar = "مالك القطعة"
fields = ["owner"]
"#;

const PROVIDERS: &str = r#"[service."maps.v1"]
kind = "files"
folder = "maps"
[service."maps.v1".operation.read]
suffix = ".map"
fields = ["map"]
[service."maps.v1".operation.deposit]
accept = true
suffix = ".map"
fields = { number = "id" }

[service."plots.v1"]
kind = "csv"
file = "plots.csv"
[service."plots.v1".operation.lookup]
key = ["plot"]
fields = ["area", "plot"]

[service."owners.v1"]
kind = "csv"
file = "plots.csv"
[service."owners.v1".operation.lookup]
key = ["plot"]
fields = ["owner"]
"#;

const TERMS: &str = r#"consumer = "EG/GOV/MOSS"
provider = "EG/GOV/ARCHIVE"
days = 365

[[grants]]
system = "deeds"
service = "maps.v1"
operations = ["deposit", "read"]
purposes = ["takaful-eligibility"]
fields = ["map", "number"]
legal_basis = "Synthetic legal basis for the demo"
daily_quota = 0
retention_days = 30

[[grants]]
system = "deeds"
service = "plots.v1"
operations = ["lookup"]
purposes = ["takaful-eligibility"]
fields = ["area", "plot"]
legal_basis = "Synthetic legal basis for the demo"
daily_quota = 0
retention_days = 30

[[grants]]
system = "deeds"
service = "owners.v1"
operations = ["lookup"]
purposes = ["takaful-eligibility"]
fields = ["owner"]
legal_basis = "Synthetic legal basis for the demo"
daily_quota = 0
retention_days = 30
sensitivity = "restricted"
"#;

/// Plots in the register. A batch asks for all of them, in two segments.
const PLOTS_HELD: u32 = 8;

impl World {
    /// Adds the archive, and exchanges with it in every way.
    pub(in crate::demo) async fn every_way(&mut self, teller: Teller) -> Result<(), Failure> {
        self.enrol(&ARCHIVE, teller).await?;
        self.open_the_archive().await?;
        // Two of each: so that what belongs to one can be put to the other.
        for map in ["north", "south"] {
            self.chunks(map).await?;
        }
        self.items().await?;
        let moss = self.home("moss");
        self.ask("call", "owners.v1", "lookup", "owner", &[])
            .await?;
        let within = format!("{WITHIN_S}s");
        self.ask(
            "submission send",
            "owners.v1",
            "lookup",
            "owner",
            &["--within", &within],
        )
        .await?;
        let collect = ["submission", "collect", "--home", &moss, "--wait", "30s"];
        mohawel(&collect).await?.success("collect")?;
        Ok(())
    }

    /// Publishes, serves, agrees, and binds a key that payloads are sealed to.
    async fn open_the_archive(&mut self) -> Result<(), Failure> {
        let (home, moss) = (self.home(ARCHIVE.key), self.home("moss"));
        let file = |name: &str| format!("{home}/{name}");
        let written =
            |name: &str, text: &str| std::fs::write(file(name), text).map_err(Failure::unavailable);
        std::fs::create_dir_all(file("maps")).map_err(Failure::unavailable)?;
        for (map, byte) in [("north", "n"), ("south", "s")] {
            // More than one chunk.
            written(&format!("maps/{map}.map"), &byte.repeat(300_000))?;
        }
        let plots = (1..=PLOTS_HELD).map(|plot| format!("{plot},{}00,Owner {plot}\n", plot));
        let plots: String = plots.collect();
        written("plots.csv", &format!("plot,area,owner\n{plots}"))?;
        written("providers.toml", PROVIDERS)?;
        for (name, definition) in SERVICES {
            let name = format!("{name}.toml");
            written(&name, definition)?;
            mohawel(&["service", "publish", &file(&name), "--home", &home])
                .await?
                .success("publish")?;
        }
        mohawel(&["adapter", "encryption-key", "--home", &home])
            .await?
            .success("encryption-key")?;
        let (log, providers) = (self.dir.join("logs/archive.log"), file("providers.toml"));
        let arguments = ["adapter", "run", "--home", &home, "--providers", &providers];
        self.adapters
            .push(Server::start(ARCHIVE.name_en, &arguments, "serving", &log).await?);
        let terms = format!("{moss}/archive.agreement.toml");
        std::fs::write(&terms, TERMS).map_err(Failure::unavailable)?;
        let proposed = mohawel(&["agreement", "propose", &terms, "--home", &moss])
            .await?
            .success("propose")?;
        let id = proposed["agreement"]["agreement"].as_str();
        mohawel(&[
            "agreement",
            "accept",
            id.unwrap_or_default(),
            "--home",
            &home,
        ])
        .await?
        .success("accept")?;
        Ok(())
    }

    /// A map comes down in chunks, and goes up again as another one.
    async fn chunks(&self, map: &str) -> Result<(), Failure> {
        let moss = self.home("moss");
        let file = format!("{moss}/{map}.map");
        let data = json!({ "operation": "read", "parameters": { "id": map } }).to_string();
        let more = ["--data", &data, "--output", &file];
        self.ask("call", "maps.v1", "read", "map", &more).await?;
        let more = ["--upload", &file];
        self.ask("call", "maps.v1", "deposit", "number", &more)
            .await
    }

    /// All plots, in two segments.
    async fn items(&self) -> Result<(), Failure> {
        let moss = self.home("moss");
        let (asked, came) = (format!("{moss}/plots.csv"), format!("{moss}/plots.out.csv"));
        let plots: String = (1..=PLOTS_HELD).map(|plot| format!("{plot}\n")).collect();
        std::fs::write(&asked, format!("plot\n{plots}")).map_err(Failure::unavailable)?;
        let service = format!("{}/plots.v1", ARCHIVE.system_id());
        let arguments = [
            "batch",
            "run",
            &asked,
            "--home",
            &moss,
            "--batch",
            "plots",
            "--service",
            &service,
            "--operation",
            "lookup",
            "--purpose",
            "takaful-eligibility",
            "--fields",
            "area,plot",
            "--out",
            &came,
            "--segment",
            "4",
            "--window",
            "1",
        ];
        mohawel(&arguments).await?.success("batch")?;
        Ok(())
    }

    async fn ask(
        &self,
        command: &str,
        service: &str,
        operation: &str,
        fields: &str,
        more: &[&str],
    ) -> Result<(), Failure> {
        let service = format!("{}/{service}", ARCHIVE.system_id());
        let moss = self.home("moss");
        let data = json!({ "operation": operation, "parameters": { "plot": "1" } }).to_string();
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.extend([&*service, operation, "--home", &moss, "--fields", fields]);
        arguments.extend(["--purpose", "takaful-eligibility"]);
        arguments.extend(more);
        if !more
            .iter()
            .any(|word| ["--data", "--upload"].contains(word))
        {
            arguments.extend(["--data", &data]);
        }
        mohawel(&arguments).await?.success(command)?;
        Ok(())
    }
}
