//! Whether a switch would start with a configuration: everything that the start reads is read, and every problem told.
//!
//! Takes the configuration and the clock; gives sentences, each with its key and path. Opens no port, takes no lock and
//! changes nothing, so it may be asked while the switch runs. The tail and the store are not read: the start does that.

use audit::checkpoint::LogKey;
use audit::clock::Clock;
use audit::verify;
use certs::{Authority, Identity};
use proto::act::Genesis;

use super::{LogKeyFiles, Switch, trust};
use crate::config::Config;
use crate::stamping;
use crate::witnesses::Witnesses;

impl Switch {
    /// Every reason why a start with `config` would fail now, as far as keys, certificates, authority and the log's
    /// public files tell; empty when there is none.
    pub fn check(config: &Config, clock: &Clock) -> Vec<String> {
        let mut found = Vec::new();
        let mut told = |key: &str, path: &std::path::Path, error: &dyn std::fmt::Display| {
            let path = path.display().to_string();
            let error = error.to_string();
            // Many errors name their file themselves.
            found.push(match error.contains(&path) {
                true => format!("{key}: {error}"),
                false => format!("{key}: {path}: {error}"),
            });
        };
        let tls = &config.tls;
        let authority = Authority::open(&tls.authority_dir)
            .map_err(|error| told("tls.authority_dir", &tls.authority_dir, &error));
        let identity = Identity::load(&tls.certificate_chain, &tls.key).map_err(|error| {
            told(
                "tls.certificate_chain and tls.key",
                &tls.certificate_chain,
                &error,
            )
        });
        let log_key = LogKeyFiles::load(&config.log.key)
            .map_err(|error| error.to_string())
            .and_then(|files| files.log_key(&config.origin, &config.log.dir, clock.now_ms()));
        let log_key = log_key
            .map_err(|error| told("log.key", &config.log.key, &error))
            .ok();
        let genesis = genesis(config).map_err(|error| told("log.dir", &config.log.dir, &error));
        if let (Ok(genesis), Ok(authority)) = (&genesis, &authority) {
            found.extend(trust::differences(
                config,
                genesis,
                log_key.as_ref(),
                authority,
            ));
        }
        // Without a log key that is told already.
        if let (Some(witness), Some(key)) = (&config.witness, &log_key) {
            found.extend(
                Witnesses::open(witness, key)
                    .err()
                    .map(|error| error.to_string()),
            );
        }
        if let (Ok(authority), Ok(identity)) = (&authority, &identity) {
            // With the issuing key at hand the start makes a certificate that ended anew.
            let renewed = tls.authority_dir.join("brokers.key").exists();
            let ended = |problem: &String| problem.starts_with("tls.certificate_chain ended on");
            let problems = trust::certificate_problems(config, authority, identity, clock);
            found.extend(
                problems
                    .into_iter()
                    .filter(|problem| !(renewed && ended(problem))),
            );
        }
        if let Some(time) = &config.time {
            found.extend(stamping::check(time).err().into_iter().flatten());
        }
        found
    }
}

/// Entry 0, proved by the log's own key.
fn genesis(config: &Config) -> Result<Genesis, String> {
    let path = config.log.dir.join(verify::VKEY_FILE);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("no log here ({}: {error})", path.display()))?;
    let key =
        LogKey::from_vkey(text.trim()).map_err(|error| format!("{}: {error}", path.display()))?;
    let proven = verify::prove(&config.log.dir, 0, &key).map_err(|error| error.to_string())?;
    Genesis::open(&proven.entry.header).map_err(|error| format!("entry 0: {error}"))
}
