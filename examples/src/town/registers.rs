//! The agencies' registers: synthetic people, written where each agency keeps its rows.

use std::path::{Path, PathBuf};

use anyhow::Result;
use cli::demo::people;
use cli::demo::stores::{self, Postgres};

use super::Town;
use super::erp::POSTGRES;
use crate::{show, told};

/// Two assets of the state, and what nobody may know of them before the auction.
const ASSETS: &str = "\
asset,use,reserve_price_egp,lien_egp
NC-17-0042,offices,4117305291,0
AL-03-0007,warehouse,96400000,12500000
";

impl Town {
    /// Fills an agency's register, and gives its providers file with the places filled in.
    pub(super) async fn register(&mut self, key: &str, folder: &Path) -> Result<PathBuf> {
        let into = self.dir.path().join("registers").join(key);
        std::fs::create_dir_all(&into)?;
        let mut text = std::fs::read_to_string(folder.join("providers.toml"))?;
        text = text.replace("@BACKEND@", &self.offices.address);
        text = text.replace("@DESK@", &self.folder(key)?.display().to_string());
        match key {
            "civil" => {
                people::write_sqlite(&self.plan, &into.join("registry.sqlite"), |_, _| {}).await?;
            }
            "traffic" => {
                people::write_csv(&self.plan, &into.join("vehicles.csv"), |_, _| {})?;
            }
            "assets" => std::fs::write(into.join("assets.csv"), ASSETS)?,
            "property" => std::fs::write(into.join("units.csv"), self.units())?,
            "schools" => std::fs::write(into.join("schools.csv"), self.kept("attending", 11))?,
            "health" => std::fs::write(into.join("health.csv"), self.kept("followed_up", 13))?,
            "nosi" => {
                let (store, table) = self.insurance(&into).await?;
                text = text.replace("@STORE@", &store).replace("@TABLE@", table);
            }
            _ if folder.join("store.sql").exists() => {
                let sql = folder.join("store.sql");
                text = self.database(key, &sql, &into).await?.fill(&text);
            }
            // A register that is small enough to be read stands in the story's own folder.
            _ => {
                for file in std::fs::read_dir(folder)? {
                    let file = file?.path();
                    if let Some(name) = file
                        .file_name()
                        .filter(|_| file.extension().is_some_and(|end| end == "csv"))
                    {
                        std::fs::copy(&file, into.join(name))?;
                    }
                }
            }
        }
        let providers = into.join("providers.toml");
        std::fs::write(&providers, text)?;
        Ok(providers)
    }

    /// The insurance register: in PostgreSQL where the variable names a server, else in a file.
    async fn insurance(&self, into: &Path) -> Result<(String, &'static str)> {
        let Ok(url) = std::env::var(POSTGRES) else {
            stores::write_insurance_sqlite(&self.plan, &into.join("insured.sqlite"))
                .await
                .map_err(told)?;
            show(self.voice.say(
                "(no PostgreSQL here: social insurance lies in SQLite, too)",
                "(لا يوجد PostgreSQL هنا: التأمينات في SQLite أيضًا)",
            ));
            return Ok(("sqlite = \"insured.sqlite\"".to_owned(), "insured_persons"));
        };
        people::write_postgres(&self.plan, &url, |_, _| {}).await?;
        let postgres = Postgres::part(&url, &into.join("password")).map_err(told)?;
        let password = postgres
            .password_file
            .map(|file| format!("\npassword = {{ file = {file:?} }}"));
        let store = format!(
            "postgres = {:?}{}",
            postgres.url,
            password.unwrap_or_default()
        );
        Ok((store, "social_insurance.insured_persons"))
    }

    /// Whether each household kept a condition: one in so many did not.
    fn kept(&self, field: &str, one_in: u32) -> String {
        let mut text = format!("household_id,{field}\n");
        for household in self.plan.households() {
            let kept = household.id.number() % one_in != 0;
            text += &format!("{},{kept}\n", household.id);
        }
        text
    }

    /// One unit for every household, made from its number.
    fn units(&self) -> String {
        let mut text = "household_id,unit,area_m2,value_egp,mortgaged\n".to_owned();
        for household in self.plan.households() {
            let number = household.id.number();
            let (area, mortgaged) = (60 + number % 90, number % 4 == 0);
            let value = area * 9_000;
            text += &format!(
                "{},{}/{},{area},{value},{mortgaged}\n",
                household.id,
                number % 40 + 1,
                number % 12 + 1
            );
        }
        text
    }
}
