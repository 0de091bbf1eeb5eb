//! The folder of a switch: where `mohawel init` puts what, and how the other commands find it.
//!
//! ```text
//! switch.toml          the configuration, every key explained
//! authority/           the certificate authority; root.key may (and should) be kept elsewhere
//! tls/                 broker.pem, broker.key, hosts (the names the certificate is issued for)
//! keys/log.key         signs checkpoints
//! log/                 the log: the one thing that must never be lost
//! operator/            the first operator's keys, certificate, and operator.toml
//! echo/                home of the built-in echo adapter
//! running.toml         the addresses of the switch that runs here; gone when it has stopped
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Failure};

/// A switch's folder. Nothing is read or made before it is asked for.
#[derive(Clone, Debug)]
pub struct SwitchDir(PathBuf);

impl SwitchDir {
    /// The folder `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The broker's configuration.
    pub fn config(&self) -> PathBuf {
        self.0.join("switch.toml")
    }

    /// The certificate authority.
    pub fn authority(&self) -> PathBuf {
        self.0.join("authority")
    }

    /// The broker's certificate and its intermediate.
    pub fn broker_chain(&self) -> PathBuf {
        self.0.join("tls/broker.pem")
    }

    /// The broker's TLS key.
    pub fn broker_key(&self) -> PathBuf {
        self.0.join("tls/broker.key")
    }

    /// The names and addresses that the broker's certificate is issued for, one a line.
    pub fn broker_hosts(&self) -> PathBuf {
        self.0.join("tls/hosts")
    }

    /// The key that signs checkpoints.
    pub fn log_key(&self) -> PathBuf {
        self.0.join("keys/log.key")
    }

    /// The log directory.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The first operator's folder.
    pub fn operator(&self) -> PathBuf {
        self.0.join("operator")
    }

    /// The home of the echo adapter.
    pub fn echo(&self) -> PathBuf {
        self.0.join("echo")
    }

    /// The echo agency's invitation while it is being used: with it an enrolment that was cut short goes on.
    pub fn echo_invitation(&self) -> PathBuf {
        self.0.join("echo.invitation")
    }

    /// The addresses of the running switch.
    pub fn running(&self) -> PathBuf {
        self.0.join("running.toml")
    }

    /// The addresses of the switch that runs here; `None` when none says so.
    ///
    /// # Errors
    /// A usage failure when the file cannot be read.
    pub fn running_addresses(&self) -> Result<Option<Addresses>, Failure> {
        let path = self.running();
        match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map(Some)
                .map_err(|error| in_file(&path, error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(in_file(&path, error)),
        }
    }

    /// Says that the switch runs at `addresses`.
    ///
    /// # Errors
    /// A failure when the file cannot be written.
    pub fn say_running(&self, addresses: &Addresses) -> Result<(), Failure> {
        let text = toml::to_string(addresses).map_err(Failure::unavailable)?;
        let text = format!(
            "# Where the running switch is reached. Written at its start, removed at its end.\n{text}"
        );
        certs::key_files::replace_public(&self.running(), text.as_bytes())
            .map_err(Failure::unavailable)
    }

    /// Says that the switch no longer runs.
    pub fn say_stopped(&self) {
        // A file that stays behind only names addresses that nobody answers at.
        let _ = fs::remove_file(self.running());
    }
}

/// Where agencies reach a switch: host:port each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// The exchange door.
    pub exchange: String,
    /// The enrolment door.
    pub enrol: String,
}

/// The host of `host:port`, without brackets.
pub fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// `address` with another port.
pub fn with_port(address: &str, port: u16) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    format!("{host}:{port}")
}

/// A file is missing or wrong; the error says how.
pub fn in_file(path: &Path, error: impl std::fmt::Display) -> Failure {
    let path = path.display();
    let error = error.to_string();
    let error = error.trim();
    Failure::new(
        Exit::Usage,
        [
            format!("{path}: {error}"),
            format!("خطأ في الملف {path}: {error}"),
        ],
        [
            "Correct the file and run the command again.",
            "صحّح الملف ثم أعد تشغيل الأمر.",
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_come_apart() {
        assert_eq!(host_of("switch.example:7443"), "switch.example");
        assert_eq!(host_of("[::1]:7443"), "::1");
        assert_eq!(with_port("[::1]:7443", 9), "[::1]:9");
        assert_eq!(with_port("127.0.0.1:0", 9), "127.0.0.1:9");
    }

    #[test]
    fn a_running_switch_says_where_until_it_stops() {
        let dir = tempfile::tempdir().unwrap();
        let switch = SwitchDir::new(dir.path());
        assert_eq!(switch.running_addresses().unwrap(), None);
        let addresses = Addresses {
            exchange: "127.0.0.1:1".to_owned(),
            enrol: "127.0.0.1:2".to_owned(),
        };
        switch.say_running(&addresses).unwrap();
        assert_eq!(switch.running_addresses().unwrap(), Some(addresses));
        fs::write(switch.running(), "exchange = 7").unwrap();
        assert_eq!(switch.running_addresses().unwrap_err().exit, Exit::Usage);
        switch.say_stopped();
        assert_eq!(switch.running_addresses().unwrap(), None);
    }
}
