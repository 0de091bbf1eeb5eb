//! One time-stamp authority over HTTP (RFC 3161 §3.4): a question goes out, the bytes of an answer come back.
//!
//! Bounded in size and time, no redirects. What the bytes are worth, `audit::timestamp` finds out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audit::timestamp::{RESPONSE_BYTES_MAX, Roots};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use thiserror::Error;

use crate::config::TimeAuthority;

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";
/// How long it may take to reach an authority.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An authority that can be asked.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) url: Url,
    pub(super) roots: Roots,
    client: Client,
}

impl Authority {
    /// Reads the roots that the configuration names.
    pub(super) fn open(config: &TimeAuthority) -> Result<Self, String> {
        let roots = Roots::load(&config.root).map_err(|error| error.to_string())?;
        let tls_roots = match &config.tls_root {
            Some(path) => tls_roots(path)?,
            None => rustls::RootCertStore::empty(),
        };
        // Given whole, so that neither a platform's certificates nor another provider get in.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(tls_roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .referer(false)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            // An authority is asked once a minute: a connection kept would mostly be found dead.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            url: config.url.clone(),
            roots,
            client,
        })
    }

    /// The bytes that it answers to `request`, within `within`.
    pub(super) async fn ask(
        &self,
        request: Vec<u8>,
        within: Duration,
    ) -> Result<Vec<u8>, AskError> {
        tokio::time::timeout(within, self.exchange(request))
            .await
            .unwrap_or(Err(AskError::Slow))
    }

    async fn exchange(&self, request: Vec<u8>) -> Result<Vec<u8>, AskError> {
        let asked = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, QUERY)
            .header(ACCEPT, REPLY)
            .body(request);
        let mut response = asked.send().await.map_err(AskError::unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(AskError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(AskError::unreachable)? {
            if body.len() + chunk.len() > RESPONSE_BYTES_MAX {
                return Err(AskError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn tls_roots(path: &Path) -> Result<rustls::RootCertStore, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut roots = rustls::RootCertStore::empty();
    for root in certs::pem::read_chain(path).map_err(|error| told(&error))? {
        roots.add(root).map_err(|error| told(&error))?;
    }
    Ok(roots)
}

/// Why an authority gave no bytes.
#[derive(Debug, Error)]
pub(super) enum AskError {
    /// No connection, or it broke.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// Another status than 200.
    #[error("answered with HTTP status {0}")]
    Status(u16),
    /// More bytes than an answer has.
    #[error("answered with more than {RESPONSE_BYTES_MAX} bytes")]
    TooLong,
    /// Nothing in time.
    #[error("did not answer in time")]
    Slow,
}

impl AskError {
    /// What broke, down to its cause.
    fn unreachable(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::Unreachable(text)
    }
}
