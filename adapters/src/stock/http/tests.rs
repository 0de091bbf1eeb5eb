//! Backends over real sockets.

use rustls::pki_types::CertificateDer;
use serde_json::json;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use self::backend::{Backend, response};
use super::*;
use crate::provider::Provider;
use crate::stock::Providers;
use crate::stock::tests::{opened, problems, request, secret};

mod backend;

const GET: &str = r#"
    [service.h.operation.payments]
    method = "GET"
    path = "/people/{national_id}/payments"
    query = { year = "{year}", order = "newest" }
    parameters = { national_id = "text", year = "integer" }
    rows = "/payments"
    fields = { month = "/month", amount_egp = "/amount/egp" }
"#;
const POST: &str = r#"
    [service.h.operation.eligibility]
    method = "POST"
    path = "/eligibility"
    parameters = { national_id = "text", year = "integer" }
    fields = { eligible = "/result/eligible", name = "/name" }
"#;

fn toml(backend: &str, more: &str, operations: &str) -> String {
    format!("[service.h]\nkind = \"http\"\nbackend = \"{backend}\"\n{more}\n{operations}")
}

fn load(backend: &Backend, more: &str) -> Providers {
    let text = toml(&backend.url, more, &[GET, POST].concat());
    Providers::parse(&text, std::path::Path::new("")).unwrap()
}

async fn payments(providers: &Providers, national_id: &str) -> Result<Reply, Failure> {
    let parameters = json!({ "national_id": national_id, "year": 2024 });
    providers
        .answer(request(
            "h",
            "payments",
            &["amount_egp", "month"],
            parameters,
        ))
        .await
}

#[tokio::test]
async fn a_get_puts_arguments_into_the_url_and_maps_the_rows() {
    let body = r#"{"payments":[{"month":"يناير","amount":{"egp":500,"usd":10}},{"month":"فبراير"}],"secret":1}"#;
    let backend = Backend::json("200 OK", body).await;
    let dir = TempDir::new().unwrap();
    secret(&dir, "token", "t0ken\n");
    let text = toml(&backend.url, "bearer = { file = \"token\" }", GET);
    let providers = Providers::parse(&text, dir.path()).unwrap();
    let reply = payments(&providers, "30101010100017").await.unwrap();
    let rows =
        json!([{ "amount_egp": 500, "month": "يناير" }, { "amount_egp": null, "month": "فبراير" }]);
    assert_eq!(opened(&reply), json!({ "rows": rows, "truncated": false }));
    let one = request(
        "h",
        "payments",
        &["month"],
        json!({ "national_id": "1", "year": 1 }),
    );
    assert_eq!(
        opened(&providers.answer(one).await.unwrap())["rows"][0],
        json!({ "month": "يناير" })
    );
    let seen = backend.seen();
    assert!(
        seen[0]
            .starts_with("GET /people/30101010100017/payments?order=newest&year=2024 HTTP/1.1\r\n"),
        "{seen:?}"
    );
    assert!(seen[0].contains("authorization: Bearer t0ken\r\n"));
}

#[tokio::test]
async fn a_post_carries_arguments_in_its_body() {
    let backend = Backend::json(
        "200 OK",
        r#"{"name":"منى","result":{"eligible":true,"score":9}}"#,
    )
    .await;
    let providers = load(&backend, "");
    let parameters = json!({ "national_id": "\"}, \"admin\": true", "year": 2024 });
    let reply = providers
        .answer(request(
            "h",
            "eligibility",
            &["eligible"],
            parameters.clone(),
        ))
        .await
        .unwrap();
    assert_eq!(
        opened(&reply),
        json!({ "rows": [{ "eligible": true }], "truncated": false })
    );
    let seen = backend.seen();
    let (head, body) = seen[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /eligibility HTTP/1.1\r\n"));
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), parameters);
}

#[tokio::test]
async fn an_argument_cannot_change_where_a_request_goes() {
    let backend = Backend::json("200 OK", r#"{"payments":[{"month":"1"}]}"#).await;
    let providers = load(&backend, "");
    for (id, path) in [
        ("../../admin", "/people/..%2F..%2Fadmin/payments"),
        ("a/b", "/people/a%2Fb/payments"),
        ("a?x=1#y", "/people/a%3Fx=1%23y/payments"),
        ("%2e%2e", "/people/%252e%252e/payments"),
        ("a b", "/people/a%20b/payments"),
        ("//evil.example", "/people/%2F%2Fevil.example/payments"),
        ("\\", "/people/%5C/payments"),
        ("منى", "/people/%D9%85%D9%86%D9%89/payments"),
    ] {
        payments(&providers, id).await.unwrap();
        let last = backend.seen().pop().unwrap();
        assert!(
            last.starts_with(&format!("GET {path}?order=newest&year=2024 HTTP/1.1\r\n")),
            "{id}: {last}"
        );
    }
    let before = backend.seen().len();
    for id in ["", ".", "..", "a\r\nhost: evil", "3010101\t0100017", "1\n"] {
        assert!(
            matches!(
                payments(&providers, id).await,
                Err(Failure::InvalidRequest(_))
            ),
            "{id}"
        );
    }
    assert_eq!(backend.seen().len(), before);
}

#[tokio::test]
async fn statuses_are_told_apart() {
    for (status, failure) in [
        ("404 Not Found", Failure::NotFound),
        ("400 Bad Request", Failure::InvalidRequest(String::new())),
        (
            "422 Unprocessable Entity",
            Failure::InvalidRequest(String::new()),
        ),
        ("503 Service Unavailable", Failure::Unavailable),
        ("500 Internal Server Error", Failure::Failed(String::new())),
        ("204 No Content", Failure::Failed(String::new())),
        ("429 Too Many Requests", Failure::Failed(String::new())),
        ("401 Unauthorized", Failure::Failed(String::new())),
    ] {
        let backend = Backend::json(status, r#"{"payments":[{"month":"1"}]}"#).await;
        let found = payments(&load(&backend, ""), "1").await.unwrap_err();
        assert_eq!(
            std::mem::discriminant(&found),
            std::mem::discriminant(&failure),
            "{status}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Backend::json("200 OK", r#"{"payments":[{"month":"1"}]}"#).await;
    let answer = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        target.url
    );
    let backend = Backend::start(answer.into_bytes(), Duration::ZERO, None).await;
    let answer = payments(&load(&backend, ""), "1").await;
    assert!(matches!(answer, Err(Failure::Failed(reason)) if reason.contains("302")));
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn only_json_of_the_expected_shape_is_an_answer() {
    for (media, body) in [
        ("text/html", r#"{"payments":[]}"#),
        ("application/json", r#"{"payments":"#),
        ("application/json", ""),
        ("application/json", "[]"),
        ("application/json", r#"{"payments":{"month":"1"}}"#),
        ("application/json", r#"{"payments":[1]}"#),
        ("application/json", "\u{feff}{\"payments\":[]}"),
    ] {
        let backend = Backend::start(response("200 OK", media, body), Duration::ZERO, None).await;
        let answer = payments(&load(&backend, ""), "1").await;
        assert!(
            matches!(answer, Err(Failure::Failed(_))),
            "{media} {body}: {answer:?}"
        );
    }
    let none = Backend::json("200 OK", r#"{"payments":[]}"#).await;
    assert_eq!(
        payments(&load(&none, ""), "1").await,
        Err(Failure::NotFound)
    );
}

#[tokio::test]
async fn large_answers_are_refused_and_long_ones_cut() {
    let padding = "x".repeat(5_000);
    let large = Backend::json(
        "200 OK",
        &format!(r#"{{"payments":[{{"month":"{padding}"}}]}}"#),
    )
    .await;
    let answer = payments(&load(&large, "max_bytes = 4096"), "1").await;
    assert!(matches!(answer, Err(Failure::Failed(reason)) if reason.contains("4096")));
    payments(&load(&large, ""), "1").await.unwrap();
    // One that never says how long it is, and does not end in time either.
    let endless = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[{}",
        " ".repeat(3_000_000)
    );
    let endless = Backend::start(endless.into_bytes(), Duration::ZERO, None).await;
    assert!(matches!(
        payments(&load(&endless, ""), "1").await,
        Err(Failure::Failed(_))
    ));
    let long = Backend::json(
        "200 OK",
        r#"{"payments":[{"month":"1"},{"month":"2"},{"month":"3"}]}"#,
    )
    .await;
    let reply = payments(&load(&long, "max_rows = 2"), "1").await.unwrap();
    assert_eq!(opened(&reply)["truncated"], json!(true));
}

#[tokio::test]
async fn slow_absent_and_broken_backends_are_unavailable() {
    let slow = Backend::start(
        response("200 OK", "application/json", "{}"),
        Duration::from_secs(20),
        None,
    )
    .await;
    let begun = std::time::Instant::now();
    assert_eq!(
        payments(&load(&slow, "timeout_ms = 200"), "1").await,
        Err(Failure::Unavailable)
    );
    // The consumer's deadline counts too.
    let mut hurried = request(
        "h",
        "payments",
        &["month"],
        json!({ "national_id": "1", "year": 1 }),
    );
    hurried.remaining = Duration::from_millis(200);
    assert_eq!(
        load(&slow, "").answer(hurried).await,
        Err(Failure::Unavailable)
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
    let cut = Backend::start(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{"
            .to_vec(),
        Duration::ZERO,
        None,
    )
    .await;
    assert_eq!(
        payments(&load(&cut, ""), "1").await,
        Err(Failure::Unavailable)
    );
    let garbage = Backend::start(b"\x16\x03\x01 no http".to_vec(), Duration::ZERO, None).await;
    assert_eq!(
        payments(&load(&garbage, ""), "1").await,
        Err(Failure::Unavailable)
    );
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let text = toml(&format!("http://{closed}"), "", GET);
    let providers = Providers::parse(&text, std::path::Path::new("")).unwrap();
    assert_eq!(payments(&providers, "1").await, Err(Failure::Unavailable));
}

#[tokio::test]
async fn https_is_believed_by_its_own_roots_only() {
    let dir = TempDir::new().unwrap();
    let now = time::OffsetDateTime::now_utc();
    let authority =
        certs::Authority::create(&dir.path().join("ours"), "backend.example", now).unwrap();
    let other =
        certs::Authority::create(&dir.path().join("other"), "backend.example", now).unwrap();
    let key = certs::TlsKey::generate().unwrap();
    let asked = certs::request::make(&key).unwrap();
    let issued = authority
        .issue_broker(
            &asked,
            "b",
            &["127.0.0.1".into()],
            time::Duration::days(1),
            now,
        )
        .unwrap();
    let chain: Vec<CertificateDer<'static>> =
        certs::pem::decode_chain(issued.chain_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.to_rustls())
        .unwrap();
    let answer = response(
        "200 OK",
        "application/json",
        r#"{"payments":[{"month":"1"}]}"#,
    );
    let backend = Backend::start(
        answer,
        Duration::ZERO,
        Some(TlsAcceptor::from(Arc::new(tls))),
    )
    .await;
    for (name, authority) in [("ours.pem", &authority), ("other.pem", &other)] {
        std::fs::write(dir.path().join(name), authority.root_pem()).unwrap();
        let text = toml(&backend.url, &format!("roots = \"{name}\""), GET);
        let answer = payments(&Providers::parse(&text, dir.path()).unwrap(), "1").await;
        match name {
            "ours.pem" => assert_eq!(opened(&answer.unwrap())["rows"][0]["month"], json!("1")),
            _ => assert_eq!(answer, Err(Failure::Unavailable)),
        }
    }
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn wrong_files_are_refused() {
    let dir = TempDir::new().unwrap();
    for backend in [
        "http://backend.example:80",
        "ftp://127.0.0.1",
        "http://127.0.0.1:1/path",
        "http://user:pw@127.0.0.1:1",
        "http://127.0.0.1:1?x=1",
        "https://127.0.0.1:1",
        "127.0.0.1:1",
    ] {
        assert_eq!(
            problems(&toml(backend, "", GET), &dir).len(),
            1,
            "{backend}"
        );
    }
    Providers::parse(
        &toml("http://backend.example:80", "plaintext_network = true", GET),
        dir.path(),
    )
    .unwrap();
    for (from, to) in [
        ("/people/{national_id}/payments", "people/{national_id}"),
        ("/people/{national_id}/payments", "/people/x{national_id}"),
        ("/people/{national_id}/payments", "/people/{other}"),
        ("/people/{national_id}/payments", "/people/payments"),
        ("/people/{national_id}/payments", "/../{national_id}"),
        ("/people/{national_id}/payments", "/people//{national_id}"),
        (
            "/people/{national_id}/payments",
            "/people/a?b={national_id}",
        ),
        ("\"{year}\"", "\"y{year}\""),
        ("\"/month\"", "\"month\""),
        ("\"/payments\"", "\"payments\""),
        ("\"/month\"", "\"/a~2\""),
        ("\"GET\"", "\"DELETE\""),
    ] {
        let text = toml("http://127.0.0.1:1", "", &GET.replace(from, to));
        assert_eq!(problems(&text, &dir).len(), 1, "{from} {to}");
    }
}
