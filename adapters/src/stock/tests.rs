//! The stock file as a whole.

use std::time::Duration;

use bytes::Bytes;
use proto::id::{ExchangeId, Part, SystemId};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

/// A request as the adapter hands it over.
pub(super) fn request(
    service: &str,
    operation: &str,
    fields: &[&str],
    parameters: Value,
) -> Request {
    let payload = json!({ "operation": operation, "parameters": parameters });
    Request {
        exchange_id: ExchangeId::from_uuid(Uuid::now_v7()).unwrap(),
        request_index: 7,
        consumer: SystemId::parse("EG/GOV/MOSS/takaful").unwrap(),
        service: Part::parse(service).unwrap(),
        operation: Part::parse(operation).unwrap(),
        purpose: Part::parse("social-benefit").unwrap(),
        fields: fields
            .iter()
            .map(|field| Part::parse(field).unwrap())
            .collect(),
        rows: Vec::new(),
        content_type: "application/json".to_owned(),
        payload: serde_json::to_vec(&payload).unwrap().into(),
        remaining: Duration::from_secs(20),
        traceparent: String::new(),
    }
}

/// The payload of an answer as JSON.
pub(super) fn opened(reply: &Reply) -> Value {
    assert_eq!(reply.content_type, "application/json");
    serde_json::from_slice(&reply.payload).unwrap()
}

/// All problems of a text that must not load.
pub(super) fn problems(text: &str, dir: &TempDir) -> Vec<String> {
    match Providers::parse(text, dir.path()) {
        Err(StockError::Problems(problems)) => problems,
        other => panic!("loaded: {other:?}"),
    }
}

/// Writes a file that only its owner can read.
pub(super) fn secret(dir: &TempDir, name: &str, text: &str) {
    certs::key_files::write_private(&dir.path().join(name), text.as_bytes()).unwrap();
}

/// The TOML examples of the module's own documentation.
fn examples() -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    let mut inside = false;
    for line in include_str!("../stock.rs")
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
    {
        match line.trim() {
            "```toml" => {
                inside = true;
                examples.push(String::new());
            }
            "```" => inside = false,
            _ if inside => {
                let example = examples.last_mut().unwrap();
                example.push_str(line.strip_prefix(' ').unwrap_or(line));
                example.push('\n');
            }
            _ => {}
        }
    }
    examples
}

#[test]
fn every_documented_example_loads_as_it_stands() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("registry.sqlite"), "").unwrap();
    secret(&dir, "database.password", "a password\n");
    secret(&dir, "backend.token", "token-1");
    let header = "owner_id,owner_name_ar,plate,kind,model_year,governorate_ar,governorate_en,licence_valid_until\n";
    let row = "30101010100017,منى,ب ج د 123,car,2015,الجيزة,Giza,2027-01-31\n";
    std::fs::write(dir.path().join("vehicles.csv"), format!("{header}{row}")).unwrap();
    let examples = examples();
    std::fs::create_dir(dir.path().join("exports")).unwrap();
    assert_eq!(examples.len(), 8);
    for folder in ["inbox", "events"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let file = dir.path().join("stock.toml");
    std::fs::write(&file, examples.concat()).unwrap();
    let providers = Providers::load(&file).unwrap();
    let services: Vec<&str> = providers.services().collect();
    assert_eq!(
        services,
        [
            "benefits",
            "complaints",
            "echo",
            "insured",
            "persons",
            "registers",
            "vehicles"
        ]
    );
    assert!(crate::Provider::follows(&providers));
    let operations = providers.operations();
    assert_eq!(operations.len(), 10);
    let household = operations
        .iter()
        .find(|(_, operation, _)| *operation == "household")
        .unwrap();
    let fields: Vec<&str> = household.2.iter().map(|field| field.as_str()).collect();
    assert_eq!(fields, ["member", "name_ar", "role"]);
    assert!(!format!("{providers:?}").contains("a password"));
    assert!(!format!("{providers:?}").contains("token-1"));
}

#[test]
fn all_problems_are_told_at_once() {
    let dir = TempDir::new().unwrap();
    let problems = problems(
        r#"
        colour = "green"
        [service.a]
        kind = "sql"
        sqlite = "missing.sqlite"
        timeout_ms = 0
        [service.a.operation.one]
        parameters = { id = "text" }
        query = "DELETE FROM persons WHERE id = :id"
        fields = ["name"]
        [service.a.operation.two]
        query = "SELECT 1 AS name"
        fields = ["name"]
        color = 1
        [service.b]
        kind = "ftp"
        [service."c d"]
        kind = "echo"
        extra = 1
        "#,
        &dir,
    );
    for part in [
        "unknown key `colour`",
        "service.a: timeout_ms = 0",
        "service.a.operation.one: query: does not begin with SELECT",
        "service.a.operation.two: unknown field `color`",
        "there is no file",
        "service.b: kind is one of",
        "service.c d: unknown key `extra`",
    ] {
        assert!(
            problems.iter().any(|problem| problem.contains(part)),
            "{part} is not in {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 8, "{problems:#?}");
}

#[test]
fn text_that_is_no_stock_file_is_refused() {
    let dir = TempDir::new().unwrap();
    for text in [
        "",
        "service = 1",
        "[service]\na = 1",
        "[service.a\n",
        "[service.a]\n",
        "[service.a]\nkind = 1\n",
    ] {
        problems(text, &dir);
    }
    let missing = Providers::load(&dir.path().join("none.toml"));
    assert!(matches!(missing, Err(StockError::File { .. })));
}

#[test]
fn secrets_come_from_private_files_and_variables_only() {
    let dir = TempDir::new().unwrap();
    let text = |password: &str| {
        format!(
            "[service.a]\nkind = \"sql\"\npostgres = \"postgres://u@127.0.0.1/d\"\npassword = {password}\n\
             [service.a.operation.o]\nquery = \"SELECT 1 AS x\"\nfields = [\"x\"]\n"
        )
    };
    let load = |password: &str| Providers::parse(&text(password), dir.path());
    secret(&dir, "good", "secret\n");
    load(r#"{ file = "good" }"#).unwrap();
    load(r#"{ env = "PATH" }"#).unwrap();
    std::fs::write(dir.path().join("wide"), "secret").unwrap();
    let wide: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(dir.path().join("wide"), wide).unwrap();
    secret(&dir, "empty", "\n");
    for bad in [
        r#"{ file = "wide" }"#,
        r#"{ file = "empty" }"#,
        r#"{ file = "none" }"#,
        r#"{ env = "NO_SUCH_VARIABLE_HERE" }"#,
        r#"{ file = "good", env = "PATH" }"#,
        "{}",
        r#""secret""#,
    ] {
        load(bad).unwrap_err();
    }
}

#[test]
fn the_payload_names_its_operation() {
    let operation = |media: &str, payload: &str| payload::operation_of(media, payload.as_bytes());
    let good = r#"{"operation":"lookup","parameters":{}}"#;
    assert_eq!(
        operation("application/json", good).as_deref(),
        Some("lookup")
    );
    assert_eq!(
        operation("Application/JSON; charset=utf-8", good).as_deref(),
        Some("lookup")
    );
    for (media, payload) in [
        ("text/plain", good),
        ("application/json", "[]"),
        ("application/json", ""),
        ("application/json", r#"{"operation":1}"#),
        ("application/json", r#"{"operation":"a","operation":"b"}"#),
        ("application/json", r#"{"operation":"a","extra":1}"#),
    ] {
        assert_eq!(operation(media, payload), None, "{media} {payload}");
    }
}

fn table_of_one(dir: &TempDir) -> Providers {
    std::fs::write(dir.path().join("t.csv"), "id,name\n1,منى\n").unwrap();
    let text = "[service.t]\nkind = \"csv\"\nfile = \"t.csv\"\n\
                [service.t.operation.lookup]\nkey = [\"id\"]\nfields = [\"name\"]\n";
    Providers::parse(text, dir.path()).unwrap()
}

#[tokio::test]
async fn a_question_must_fit_its_header_and_its_operation() {
    let dir = TempDir::new().unwrap();
    let providers = table_of_one(&dir);
    let good = request("t", "lookup", &["name"], json!({ "id": "1" }));
    let reply = providers.answer(good.clone()).await.unwrap();
    assert_eq!(
        opened(&reply),
        json!({ "rows": [{ "name": "منى" }], "truncated": false })
    );
    assert_eq!(reply.fields, [Part::parse("name").unwrap()]);

    let mut other = good.clone();
    other.payload = Bytes::from_static(br#"{"operation":"delete","parameters":{"id":"1"}}"#);
    let mut text = good.clone();
    text.content_type = "text/plain".to_owned();
    let mut broken = good.clone();
    broken.payload = Bytes::from_static(b"{");
    let parameters = [
        json!({}),
        json!({ "id": 1 }),
        json!({ "id": null }),
        json!({ "id": "1", "more": "2" }),
    ];
    let asked = parameters
        .into_iter()
        .map(|parameters| request("t", "lookup", &["name"], parameters));
    for bad in [other, text, broken].into_iter().chain(asked) {
        let shown = String::from_utf8_lossy(&bad.payload).into_owned();
        let failure = providers.answer(bad).await.unwrap_err();
        assert!(
            matches!(failure, Failure::InvalidRequest(_)),
            "{shown}: {failure:?}"
        );
    }
    // What the file does not know is the agency's own mistake, not the consumer's.
    for lost in [
        request("t", "lookup", &["name", "other"], json!({ "id": "1" })),
        request("t", "other", &["name"], json!({ "id": "1" })),
        request("u", "lookup", &["name"], json!({ "id": "1" })),
    ] {
        assert!(matches!(
            providers.answer(lost).await,
            Err(Failure::Failed(_))
        ));
    }
    let none = providers
        .answer(request("t", "lookup", &[], json!({ "id": "1" })))
        .await
        .unwrap();
    assert_eq!(opened(&none)["rows"], json!([{}]));
}

#[tokio::test]
async fn an_echo_gives_back_what_came() {
    let providers = Providers::parse(
        "[service.echo]\nkind = \"echo\"\n",
        std::path::Path::new(""),
    )
    .unwrap();
    let mut request = request("echo", "echo", &[], json!({}));
    request.payload = Bytes::from_static(&[0, 255, 7]);
    request.content_type = "application/octet-stream".to_owned();
    assert_eq!(
        providers.operation_of("application/json", br#"{"operation":"x"}"#),
        None
    );
    for reply in [
        providers.answer(request.clone()).await.unwrap(),
        Echo.answer(request.clone()).await.unwrap(),
    ] {
        assert_eq!(reply.payload, request.payload);
        assert_eq!(reply.content_type, request.content_type);
        assert!(reply.fields.is_empty());
    }
}
