//! An authority of the run's own and everybody's certificate from it.

use std::fs;
use std::path::Path;

use certs::authority::Host;
use certs::tls::Trust;
use certs::{Authority, Identity, Issued, ReloadableIdentity, TlsKey, pem, request};
use time::OffsetDateTime;

/// The trust domain of the peers' certificates.
pub(super) const TRUST_DOMAIN: &str = "peer.example";
/// The name in servers' certificates.
pub(super) const SERVER_NAME: &str = "localhost";
/// The authority's own certificate.
pub(super) const ROOTS: &str = "roots.pem";
/// Life of the run's certificates.
const LIFE: time::Duration = time::Duration::days(1);

/// An authority below `dir`, and everybody's certificate: `middle`'s towards clients (`middle`) and towards the backend
/// (`middle-client`), the backend's (`backend`) and the client's (`client`).
///
/// Each is a `.pem` (leaf, then intermediate) and a `.key`; `.both.pem` holds both, as haproxy wants them.
pub(super) fn make(dir: &Path, middle: &str) -> anyhow::Result<()> {
    let now = OffsetDateTime::now_utc();
    let authority = Authority::create(&dir.join("authority"), TRUST_DOMAIN, now)?;
    fs::write(dir.join(ROOTS), authority.root_pem())?;
    let hosts = [Host::from(SERVER_NAME), Host::from("127.0.0.1")];
    for (file, name) in [("middle", middle), ("backend", "backend")] {
        keep(dir, file, |request| {
            Ok(authority.issue_broker(request, name, &hosts, LIFE, now)?)
        })?;
    }
    for (file, system) in [
        ("middle-client", "EG/GOV/MIDDLE/proxy"),
        ("client", "EG/GOV/CLIENT/load"),
    ] {
        let uri = format!("spiffe://{TRUST_DOMAIN}/{system}");
        keep(dir, file, |request| {
            Ok(authority.issue_agency(request, &uri, LIFE, now)?)
        })?;
    }
    Ok(())
}

fn keep(
    dir: &Path,
    file: &str,
    issue: impl Fn(&[u8]) -> anyhow::Result<Issued>,
) -> anyhow::Result<()> {
    let key = TlsKey::generate()?;
    let key_file = dir.join(format!("{file}.key"));
    key.save(&key_file)?;
    let chain = issue(&request::make(&key)?)?.chain_pem;
    let both = format!("{chain}{}", fs::read_to_string(&key_file)?);
    certs::key_files::write_private(&dir.join(format!("{file}.both.pem")), both.as_bytes())?;
    fs::write(dir.join(format!("{file}.pem")), chain)?;
    Ok(())
}

/// The identity in `dir` called `name`, and whom its end believes.
pub(super) fn identity(dir: &Path, name: &str) -> anyhow::Result<(ReloadableIdentity, Trust)> {
    let identity = Identity::load(
        &dir.join(format!("{name}.pem")),
        &dir.join(format!("{name}.key")),
    )?;
    let trust = Trust::new(TRUST_DOMAIN.parse()?, &pem::read_chain(&dir.join(ROOTS))?)?;
    Ok((ReloadableIdentity::new(identity), trust))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_certificate_of_the_right_usage() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), "nginx").unwrap();
        for name in ["middle", "middle-client", "backend", "client"] {
            identity(dir.path(), name).unwrap();
        }
        super::super::serving::tls(dir.path(), "backend").unwrap();
        super::super::client::tls(dir.path(), "client", "nginx").unwrap();
    }
}
