//! Plans that fit a contract, plans that do not, and what a hostile name can do in a query: nothing.

use std::path::Path;

use proto::id::{Part, SystemId};

use super::plan::Plan;
use super::probe::probe;
use super::providing::{Providing, providing};
use super::store::{described, written};
use super::*;

const DEFINITION: &str = r#"
service = "permits.v1"
name_en = "Permits"
name_ar = "التراخيص"
[[operations]]
name = "lookup"
name_en = "One permit"
name_ar = "ترخيص"
fields = ["holder_ar", "valid_until"]
[operations.request_schema]
required = ["licence_no", "year"]
properties = { licence_no = { type = "string" }, year = { type = "integer" } }
"#;

const PLAN: &str = r#"
from = "EG/GOV/GIZA/local/permits.v1"
owner_contact = "permits@qena.example"
[store]
sqlite = "erp.sqlite"
[operations.lookup]
table = "PERMITS"
key = { licence_no = "LIC_NO", year = "YR" }
fields = { holder_ar = "OWNER NAME" }
"#;

fn contract() -> ServiceDefinition {
    let system = SystemId::parse("EG/GOV/QENA/local").unwrap();
    Definition::parse(DEFINITION).unwrap().of_system(&system, 1)
}

fn plan(text: &str, dir: &Path) -> Result<Plan, Vec<String>> {
    Plan::parse(text, &dir.join("plan.toml"))
}

async fn store(dir: &Path, columns: &str) {
    use sqlx::{ConnectOptions as _, Connection as _};
    let file = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(dir.join("erp.sqlite"))
        .create_if_missing(true);
    let mut open = file.connect().await.unwrap();
    let text = format!("CREATE TABLE \"PERMITS\" ({columns})");
    sqlx::query(sqlx::AssertSqlSafe(text))
        .execute(&mut open)
        .await
        .unwrap();
    open.close().await.unwrap();
}

#[tokio::test]
async fn a_table_that_has_every_column_is_served_under_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    store(
        dir.path(),
        "LIC_NO TEXT, YR INTEGER, \"OWNER NAME\" TEXT, valid_until TEXT",
    )
    .await;
    let plan = plan(PLAN, dir.path()).unwrap();
    let table = described(&plan, &contract()).unwrap();
    probe(&plan, &contract(), &table).await.unwrap();
    let operation = &table["operation"]["lookup"];
    assert_eq!(operation["parameters"]["year"].as_str(), Some("integer"));
    assert_eq!(
        operation["query"].as_str(),
        Some(
            "SELECT t.\"OWNER NAME\", t.\"valid_until\" FROM \"PERMITS\" AS t WHERE t.\"LIC_NO\" = :licence_no AND t.\"YR\" = :year"
        )
    );
}

#[tokio::test]
async fn every_missing_column_is_named_with_those_that_are_there() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), "LIC_NO TEXT, \"OWNER NAME\" TEXT").await;
    let plan = plan(PLAN, dir.path()).unwrap();
    let table = described(&plan, &contract()).unwrap();
    let failure = probe(&plan, &contract(), &table).await.unwrap_err();
    for text in &failure.what {
        for name in ["valid_until", "'YR'", "LIC_NO, OWNER NAME"] {
            assert!(text.contains(name), "{name}: {text}");
        }
    }
    let gone = PLAN.replace("PERMITS", "NOWHERE");
    let plan = Plan::parse(&gone, &dir.path().join("plan.toml")).unwrap();
    let table = described(&plan, &contract()).unwrap();
    let failure = probe(&plan, &contract(), &table).await.unwrap_err();
    assert!(failure.what[0].contains("NOWHERE"), "{failure:?}");
}

#[test]
fn what_does_not_fit_the_contract_is_told_at_once() {
    let dir = Path::new("/nowhere");
    let wrong = PLAN
        .replace("year = \"YR\"", "person = \"NID\"")
        .replace("holder_ar =", "salary =")
        + "[operations.delete]\ntable = \"PERMITS\"\nkey = [\"licence_no\"]\n";
    let found = described(&plan(&wrong, dir).unwrap(), &contract()).unwrap_err();
    let all = found.join("\n");
    for said in ["'person'", "'year'", "'salary'", "operations.delete"] {
        assert!(all.contains(said), "{said}: {all}");
    }
    let nowhere = PLAN.replace("sqlite = \"erp.sqlite\"", "");
    assert!(described(&plan(&nowhere, dir).unwrap(), &contract()).is_err());
    for (text, with) in [
        (
            "key = { licence_no = \"LIC_NO\", year = \"YR\" }",
            "key = []",
        ),
        ("owner_contact = \"permits@qena.example\"", ""),
        ("[store]", "contract = \"no\"\n[store]"),
        ("[store]", "consumer = \"EG/GOV/MOSS\"\n[store]"),
    ] {
        assert!(plan(&PLAN.replace(text, with), dir).is_err(), "{with}");
    }
}

#[test]
fn a_hostile_name_is_no_name() {
    let dir = Path::new("/nowhere");
    for name in [
        "P\\\"; DROP TABLE x; --",
        "P' OR 'a",
        "a:b",
        "",
        "a..b",
        "a?b",
    ] {
        let text = PLAN.replace("table = \"PERMITS\"", &format!("table = \"{name}\""));
        let found = described(&plan(&text, dir).unwrap(), &contract());
        assert!(found.is_err(), "{name}");
    }
    // Registers speak Arabic, too.
    let text = PLAN.replace("table = \"PERMITS\"", "table = \"erp.تراخيص_البناء\"");
    assert!(described(&plan(&text, dir).unwrap(), &contract()).is_ok());
}

#[test]
fn a_providers_file_is_added_to_once_and_never_changed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("providers.toml");
    let before = "# ours\n[service.\"other.v1\"]\nkind = \"echo\"";
    std::fs::write(&path, before).unwrap();
    std::fs::write(dir.path().join("erp.sqlite"), "").unwrap();
    let plan = plan(PLAN, dir.path()).unwrap();
    let table = described(&plan, &contract()).unwrap();
    let Providing::Writes(text) = providing(&plan, table.clone(), &path).unwrap() else {
        panic!("nothing to write");
    };
    assert!(text.starts_with(before), "{text}");
    replace(&path, &text).unwrap();
    assert_eq!(
        providing(&plan, table.clone(), &path).unwrap(),
        Providing::Stands
    );
    let mut other = table.clone();
    other.insert("sqlite".to_owned(), "another.sqlite".into());
    assert!(providing(&plan, other, &path).is_err());
    // In another folder the plan's paths are written out.
    let away = dir.path().join("away");
    std::fs::create_dir(&away).unwrap();
    let Providing::Writes(text) = providing(&plan, table, &away.join("p.toml")).unwrap() else {
        panic!("nothing to write");
    };
    assert!(
        text.contains(&format!("{}/erp.sqlite", dir.path().display())),
        "{text}"
    );
    let name = Part::parse("x").unwrap();
    assert!(written(name.as_str(), toml::Table::new()).is_ok());
}
