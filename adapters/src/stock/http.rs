//! The `http` kind: one backend, asked with GET or POST.
//!
//! Takes bound arguments. Gives what JSON pointers find in the backend's answer. Never goes anywhere
//! but to the backend that the file names: no redirects, no proxy, no argument in host or path syntax.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::limits::PAYLOAD_BYTES_MAX;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use self::template::Template;
use super::file::{Names, OperationTables, Reading, Secret, is_loopback};
use super::operation::{self, Asked, Empty, Operation, Operations, ParameterType};
use super::payload::JSON;
use crate::provider::contract::is_json;
use crate::provider::{Failure, Reply, Request};

mod template;

const CONNECT_TIMEOUT_MS: u64 = 2_000;
const TIMEOUT_MS: u64 = 5_000;
/// Rows of one answer, by default and at most.
const ROWS: u64 = 100;
const ROWS_MAX: u64 = 10_000;
/// Connections that wait for the next request.
const IDLE_MAX: usize = 16;

/// A backend that answers.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    backend: Url,
    max_bytes: usize,
    pub(super) operations: Operations<Way>,
}

/// How one operation asks.
#[derive(Debug)]
pub(super) struct Way {
    method: Method,
    template: Template,
    /// Where the array of rows is; `None`: the document is the row.
    rows: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    backend: String,
    roots: Option<PathBuf>,
    bearer: Option<Secret>,
    #[serde(default)]
    plaintext_network: bool,
    connect_timeout_ms: Option<u64>,
    timeout_ms: Option<u64>,
    max_bytes: Option<u64>,
    max_rows: Option<u64>,
    #[serde(default)]
    operation: OperationTables,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationShape {
    method: Verb,
    path: String,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    parameters: BTreeMap<String, ParameterType>,
    rows: Option<String>,
    fields: Names,
    #[serde(default)]
    empty: Empty,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    Get,
    Post,
}

impl Http {
    /// Reads the service's table.
    pub(super) fn read(place: &str, table: toml::Table, reading: &mut Reading) -> Option<Self> {
        let shape: Shape = reading.shape(place, table)?;
        let connect = reading.timeout(
            place,
            "connect_timeout_ms",
            shape.connect_timeout_ms,
            CONNECT_TIMEOUT_MS,
        );
        let timeout = reading.timeout(place, "timeout_ms", shape.timeout_ms, TIMEOUT_MS);
        let largest = u64::try_from(PAYLOAD_BYTES_MAX).unwrap_or(u64::MAX);
        let max_bytes = reading.size(place, "max_bytes", shape.max_bytes, largest, largest);
        let max_rows = reading.size(place, "max_rows", shape.max_rows, ROWS, ROWS_MAX);
        let operations = Operations::read(
            place,
            shape.operation,
            (max_rows, timeout),
            reading,
            read_operation,
        );
        let bearer = shape
            .bearer
            .as_ref()
            .and_then(|secret| reading.secret(place, secret));
        let backend = backend(&shape.backend, shape.plaintext_network)
            .map_err(|problem| reading.say(place, format_args!("backend: {problem}")))
            .ok();
        let https = backend.as_ref().is_some_and(|url| url.scheme() == "https");
        let roots = match (&shape.roots, https) {
            (Some(path), true) => roots(&reading.path(path)),
            (None, true) => Err(
                "an https backend needs roots = \"FILE\", the certificates to believe".to_owned(),
            ),
            (Some(_), false) => Err("roots are for an https backend".to_owned()),
            (None, false) => Ok(rustls::RootCertStore::empty()),
        };
        let client = roots.and_then(|roots| client(roots, https, connect, bearer.as_deref()));
        let client = client.map_err(|problem| reading.say(place, problem)).ok();
        Some(Self {
            client: client?,
            backend: backend?,
            max_bytes,
            operations,
        })
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: &Request) -> Result<Reply, Failure> {
        let mut asked = self.operations.open(request)?;
        let within = asked.within;
        let document = match tokio::time::timeout(within, self.ask(&asked)).await {
            Ok(document) => document?,
            Err(_) => {
                tracing::warn!(exchange = %request.exchange_id, ?within, "the backend did not answer in time");
                return Err(Failure::Unavailable);
            }
        };
        fill(&mut asked, &document)?;
        asked.reply()
    }

    async fn ask(&self, asked: &Asked<'_, Way>) -> Result<Value, Failure> {
        let template = &asked.way.template;
        let url = template.fill(&self.backend, &asked.arguments)?;
        let mut request = self
            .client
            .request(asked.way.method.clone(), url)
            .header(ACCEPT, JSON);
        if asked.way.method == Method::POST {
            let rest = asked
                .arguments
                .iter()
                .filter(|(name, _)| !template.uses(name));
            let body: serde_json::Map<String, Value> = rest
                .map(|(name, argument)| ((*name).to_owned(), argument.to_json()))
                .collect();
            let body = serde_json::to_vec(&body).map_err(Failure::failed)?;
            request = request.header(CONTENT_TYPE, JSON).body(body);
        }
        let response = request.send().await.map_err(unreachable)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(Failure::NotFound),
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                return Err(Failure::InvalidRequest("the backend says so".to_owned()));
            }
            StatusCode::SERVICE_UNAVAILABLE => return Err(Failure::Unavailable),
            status => {
                return Err(Failure::failed(format_args!(
                    "the backend answered {status}"
                )));
            }
        }
        let media = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        if !media.is_some_and(is_json) {
            return Err(Failure::failed("the backend's answer is not JSON"));
        }
        let body = self.body(response).await?;
        serde_json::from_slice(&body)
            .map_err(|error| Failure::failed(format_args!("the backend's answer: {error}")))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > self.max_bytes {
                return Err(Failure::failed(format_args!(
                    "the backend's answer is over {} bytes",
                    self.max_bytes
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// The transport broke. Its words go to the log without the URL, which holds arguments.
fn unreachable(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    tracing::warn!(error = ?error, "the backend cannot be reached");
    Failure::Unavailable
}

/// Takes the rows out of the backend's document.
fn fill(asked: &mut Asked<'_, Way>, document: &Value) -> Result<(), Failure> {
    let rows = match &asked.way.rows {
        None => std::slice::from_ref(document),
        Some(pointer) => document
            .pointer(pointer)
            .and_then(Value::as_array)
            .ok_or_else(|| {
                Failure::failed(format_args!(
                    "the backend's answer has no array at '{pointer}'"
                ))
            })?,
    };
    for row in rows {
        if !row.is_object() {
            return Err(Failure::failed(
                "a row of the backend's answer is not an object",
            ));
        }
        if !asked.push(|pointer| Ok(row.pointer(pointer).cloned().unwrap_or(Value::Null)))? {
            break;
        }
    }
    Ok(())
}

fn read_operation(
    place: &str,
    table: toml::Table,
    reading: &mut Reading,
) -> Option<Operation<Way>> {
    let shape: OperationShape = reading.shape(place, table)?;
    let fields = operation::fields(place, shape.fields, reading);
    for pointer in fields.iter().map(|(_, pointer)| pointer).chain(&shape.rows) {
        if !is_pointer(pointer) {
            reading.say(
                place,
                format_args!("'{pointer}' is not a JSON pointer like /name"),
            );
        }
    }
    let template = Template::parse(&shape.path, &shape.query, &shape.parameters)
        .map_err(|problem| reading.say(place, problem))
        .ok()?;
    let unused = shape.parameters.keys().find(|name| !template.uses(name));
    if let (Verb::Get, Some(name)) = (shape.method, unused) {
        reading.say(
            place,
            format_args!("parameter '{name}' is not used, and a GET has no body"),
        );
    }
    let way = Way {
        method: match shape.method {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
        },
        template,
        rows: shape.rows,
    };
    Some(Operation {
        parameters: shape.parameters,
        fields,
        empty: shape.empty,
        way,
    })
}

/// RFC 6901: empty, or parts that each begin with `/`, with `~0` and `~1` as the only escapes.
fn is_pointer(text: &str) -> bool {
    let escapes = text
        .split('~')
        .skip(1)
        .all(|rest| rest.starts_with(['0', '1']));
    (text.is_empty() || text.starts_with('/')) && escapes
}

/// Scheme, host and port, and nothing else.
fn backend(text: &str, plaintext_network: bool) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let host = url.host_str().unwrap_or_default();
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let known = matches!(url.scheme(), "http" | "https");
    if !known || host.is_empty() || !bare || !url.username().is_empty() || url.password().is_some()
    {
        return Err("it is http://HOST:PORT or https://HOST:PORT and nothing more".to_owned());
    }
    if url.scheme() == "http" && !is_loopback(host) && !plaintext_network {
        return Err(format!(
            "{host} is another machine: use https, or say plaintext_network = true where the network itself protects it"
        ));
    }
    Ok(url)
}

fn roots(path: &Path) -> Result<rustls::RootCertStore, String> {
    let mut roots = rustls::RootCertStore::empty();
    for root in certs::pem::read_chain(path).map_err(|error| format!("roots: {error}"))? {
        roots.add(root).map_err(|error| format!("roots: {error}"))?;
    }
    Ok(roots)
}

fn client(
    roots: rustls::RootCertStore,
    https: bool,
    connect_timeout: Duration,
    bearer: Option<&str>,
) -> Result<Client, String> {
    let mut headers = HeaderMap::new();
    if let Some(token) = bearer {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value =
            value.map_err(|_| "bearer: the token cannot stand in a header".to_owned())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    // Given whole, so that neither a platform's certificates nor another provider get in.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(https)
        .http1_only()
        .no_proxy()
        .referer(false)
        .redirect(Policy::none())
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(IDLE_MAX)
        .default_headers(headers)
        .build()
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
