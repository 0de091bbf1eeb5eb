//! The certificates of a switch's own people and machines: made at `init`, made anew before they end.
//!
//! Members' certificates are not here: the running switch issues those, and each is an entry of the log.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use audit::checkpoint::LogKey;
use certs::authority::{Host, LEAF_LIFE_MAX};
use certs::{Authority, Issued, TlsKey, pem, request};
use time::{Duration, OffsetDateTime};

use crate::commands::operator;
use crate::commands::switch_dir::{SwitchDir, in_file};
use crate::failure::Failure;

/// A certificate is made anew when it has no longer than this to live.
pub const RENEW_BEFORE_END: Duration = Duration::days(30);

/// Makes the broker's key and its certificate for `hosts`.
pub(super) fn new_broker(
    switch: &SwitchDir,
    authority: &Authority,
    name: &str,
    hosts: &[String],
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let key = TlsKey::generate().map_err(Failure::unavailable)?;
    key.save(&switch.broker_key()).map_err(Failure::usage)?;
    let path = switch.broker_hosts();
    certs::key_files::replace_public(&path, format!("{}\n", hosts.join("\n")).as_bytes())
        .map_err(Failure::unavailable)?;
    issue_broker(switch, authority, name, &key, now)
}

/// Makes the operator's keys and certificate, and the files that say which switch they are for.
pub(super) fn new_operator(
    switch: &SwitchDir,
    authority: &Authority,
    file: &operator::File,
    log_key: &LogKey,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let dir = switch.operator();
    let key = TlsKey::generate().map_err(Failure::unavailable)?;
    key.save(&dir.join(operator::TLS_KEY))
        .map_err(Failure::usage)?;
    let write = |name: &str, text: String| {
        certs::key_files::replace_public(&dir.join(name), text.as_bytes())
            .map_err(Failure::unavailable)
    };
    write(operator::ROOT, authority.root_pem())?;
    write(operator::LOG_KEY, format!("{}\n", log_key.to_vkey()))?;
    issue_operator(&dir, authority, &file.name, &key, now)?;
    write(operator::FILE, file.to_toml()?)
}

/// Makes the broker's certificate anew when it ends soon or `tls/hosts` was changed after it. Says whether it did.
///
/// # Errors
/// A failure when the authority or one of the files cannot be used.
pub fn renew_broker(switch: &SwitchDir, name: &str, now: OffsetDateTime) -> Result<bool, Failure> {
    let chain = switch.broker_chain();
    let changed = match (written(&switch.broker_hosts()), written(&chain)) {
        (Some(hosts), Some(chain)) => hosts > chain,
        _ => false,
    };
    if !changed && !ends_soon(&chain, &switch.broker_key(), now)? {
        return Ok(false);
    }
    let authority = Authority::open(&switch.authority()).map_err(Failure::usage)?;
    let key = TlsKey::load(&switch.broker_key()).map_err(Failure::usage)?;
    issue_broker(switch, &authority, name, &key, now)?;
    Ok(true)
}

/// Makes the operator's certificate anew when it ends soon and the authority is at hand. Says whether it did.
///
/// # Errors
/// As [`renew_broker`].
pub fn renew_operator(
    switch: &SwitchDir,
    name: &str,
    now: OffsetDateTime,
) -> Result<bool, Failure> {
    let dir = switch.operator();
    let (chain, key) = (dir.join(operator::CHAIN), dir.join(operator::TLS_KEY));
    if !switch.authority().exists() || !ends_soon(&chain, &key, now)? {
        return Ok(false);
    }
    let authority = Authority::open(&switch.authority()).map_err(Failure::usage)?;
    let key = TlsKey::load(&key).map_err(Failure::usage)?;
    issue_operator(&dir, &authority, name, &key, now)?;
    Ok(true)
}

/// When a file was last written.
fn written(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}

fn ends_soon(chain: &Path, key: &Path, now: OffsetDateTime) -> Result<bool, Failure> {
    let identity = certs::Identity::load(chain, key).map_err(|error| in_file(chain, error))?;
    Ok(identity.not_after() - now < RENEW_BEFORE_END)
}

fn issue_broker(
    switch: &SwitchDir,
    authority: &Authority,
    name: &str,
    key: &TlsKey,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let path = switch.broker_hosts();
    let text = fs::read_to_string(&path).map_err(|error| in_file(&path, error))?;
    let hosts: Vec<Host> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(Host::from)
        .collect();
    let request = request::make(key).map_err(Failure::unavailable)?;
    let issued = authority
        .issue_broker(&request, name, &hosts, LEAF_LIFE_MAX, now)
        .map_err(|error| in_file(&path, error))?;
    write_chain(&switch.broker_chain(), &issued)
}

fn issue_operator(
    dir: &Path,
    authority: &Authority,
    name: &str,
    key: &TlsKey,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let request = request::make(key).map_err(Failure::unavailable)?;
    let issued = authority
        .issue_operator(&request, name, LEAF_LIFE_MAX, now)
        .map_err(Failure::usage)?;
    write_chain(&dir.join(operator::CHAIN), &issued)
}

fn write_chain(path: &Path, issued: &Issued) -> Result<(), Failure> {
    let chain = pem::decode_chain(issued.chain_pem.as_bytes()).map_err(Failure::unavailable)?;
    pem::write_chain(path, &chain).map_err(Failure::unavailable)
}
