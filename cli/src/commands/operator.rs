//! The operator's own folder: who invites, with which keys, at which switch.
//!
//! ```text
//! operator.toml              name, addresses, which switch
//! operator.key               seals what the operator does
//! tls.key  chain.pem         who is connected
//! root.pem  log.vkey         whom the operator believes
//! ```
//!
//! The folder needs nothing else of the switch's, so an operator may keep it on another machine.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use adapters::identity::FileSigner;
use audit::checkpoint::CheckpointError;
use audit::clock::Clock;
use audit::note::NoteError;
use audit::receipt::{Proven, Receipt, ReceiptError};
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::wire::registry::v1 as wire;
use serde::{Deserialize, Serialize};
use wire::operations_client::OperationsClient;

use super::init::{certificates, now};
use super::person::Person;
use super::refused;
use super::switch_dir::{SwitchDir, in_file};
use crate::failure::Failure;

/// What the folder is called by.
pub const FILE: &str = "operator.toml";
/// The key that seals.
pub const SEAL_KEY: &str = "operator.key";
/// The TLS key.
pub const TLS_KEY: &str = "tls.key";
/// The TLS certificate and its intermediate.
pub const CHAIN: &str = "chain.pem";
/// The switch's root certificate.
pub const ROOT: &str = "root.pem";
/// The log's verifier key.
pub const LOG_KEY: &str = "log.vkey";

/// `operator.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The operator's name, as the certificate and the genesis say.
    pub name: String,
    /// host:port of the exchange door.
    pub exchange: String,
    /// host:port of the enrolment door: what invitations say.
    pub enrol: String,
    /// The SPIFFE URI that the broker's certificate must carry.
    pub broker_uri: String,
    /// SHA-256 of entry 0, hex: which switch this is.
    pub genesis_sha256: String,
}

impl File {
    /// The file's text.
    ///
    /// # Errors
    /// A failure when a value is not text that TOML can hold.
    pub fn to_toml(&self) -> Result<String, Failure> {
        let body = toml::to_string(self).map_err(Failure::unavailable)?;
        Ok(format!(
            "# An operator of a switch. docs/operating.md explains every key.\n{body}"
        ))
    }
}

/// An operator, ready to act: a person who seals.
#[derive(Debug)]
pub struct Operator {
    person: Person,
    /// Seals what the operator does.
    pub signer: FileSigner,
}

impl Deref for Operator {
    type Target = Person;

    fn deref(&self) -> &Person {
        &self.person
    }
}

impl DerefMut for Operator {
    fn deref_mut(&mut self) -> &mut Person {
        &mut self.person
    }
}

impl Operator {
    /// Opens the operator's folder of a switch; makes the certificate anew when it ends soon and the authority is
    /// at hand.
    ///
    /// # Errors
    /// A usage failure naming the file that is missing or wrong.
    pub fn open(switch: &SwitchDir, clock: &Clock) -> Result<Self, Failure> {
        let dir = switch.operator();
        let path = dir.join(FILE);
        let file: File = toml::from_str(&read(&path)?).map_err(|error| in_file(&path, error))?;
        certificates::renew_operator(switch, &file.name, now(clock)?)?;
        Self::open_at(switch, &dir, clock)
    }

    /// Opens the folder `dir` of another person with a role at the same switch.
    ///
    /// # Errors
    /// As [`Operator::open`].
    pub fn open_at(switch: &SwitchDir, dir: &Path, clock: &Clock) -> Result<Self, Failure> {
        // A switch on port 0 says where it runs; everybody else's addresses stand in the file.
        let person = Person::open(dir, switch.running_addresses()?, clock)?;
        let signer = FileSigner::load(&dir.join(SEAL_KEY)).map_err(Failure::usage)?;
        Ok(Self { person, signer })
    }

    /// Sends a sealed act of `kind` (invitation, operator act or approval) and proves its entry.
    ///
    /// # Errors
    /// What the switch refuses, that it cannot be reached, or that its receipt proves nothing.
    pub async fn operate(
        &self,
        kind: Kind,
        envelope: &Envelope,
    ) -> Result<(Receipt, Proven), Failure> {
        let mut client = OperationsClient::new(self.channel()?);
        let request = wire::OperateRequest {
            kind: u32::from(kind as u8),
            envelope: Some(envelope.to_wire()),
        };
        let response = client
            .operate(request)
            .await
            .map_err(|status| refused::failure(&status))?;
        let receipt = response
            .into_inner()
            .receipt
            .ok_or_else(|| Failure::untrusted("no receipt came back"))?;
        let receipt = Receipt::from_wire(receipt).map_err(Failure::untrusted)?;
        let verify = || receipt.verify(&envelope.header, Some(&envelope.seal), &self.log_key);
        let proven = match verify() {
            // Signed by a key that this folder has not heard of: it may be the log's next one.
            Err(ReceiptError::Checkpoint(CheckpointError::Note(NoteError::NotSigned))) => {
                self.follow_log_key().await?;
                verify()
            }
            proven => proven,
        };
        let proven = proven.map_err(Failure::untrusted)?;
        Ok((receipt, proven))
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| in_file(path, error))
}
