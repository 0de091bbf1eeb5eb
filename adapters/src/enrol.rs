//! Getting on board: from an operator's invitation to a home that can exchange.
//!
//! All keys are made here and none is ever sent: those of the adapter in its home, the agency's authority key in a
//! place of its own. Interrupted anywhere, the same call on the same
//! home continues with the same keys and the same sealed request. Nothing that exists is overwritten.
//! Specification: `docs/protocol.md` §1 (enrolment).

use std::fs;
use std::path::{Path, PathBuf};

use audit::checkpoint::SUCCESSIONS_FILE;
use audit::clock::Clock;
use audit::log_key::successions_text;
use audit::receipt::{Receipt, ReceiptError};
use bytes::Bytes;
use certs::key_files::{KeyFileError, private_dir, read_private, replace_public, write_private};
use certs::request::RequestError;
use certs::{Identity, TlsKey};
use prost::Message;
use proto::act::{AgencyEnrolment, KeyBinding};
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::id::{NameError, Part, SystemId};
use proto::key::{PublicKey, Signer};
use proto::limits::label;
use proto::seal::{Seal, SealError};
use proto::wire::registry::v1 as wire;
use thiserror::Error;
use tonic::Status;

use crate::adapter::{Adapter, ProofError};
use crate::authority::{self, AuthorityPlace};
use crate::config::{Config, ConfigError, FILE_NAME, Files};
use crate::connection::{Connection, ConnectionError};
use crate::identity::{FileSigner, Home, HomeError, read_config};

pub mod apply;
mod card;
pub(crate) mod certificate;
mod invitation;
pub mod join;
mod switch;

pub use apply::{Applied, ApplyOptions, apply};
pub use card::SwitchCard;
pub use invitation::{Invitation, InvitationError};
pub use join::{JoinOptions, Joined, join};
use switch::Described;

/// What an agency says when it enrols.
#[derive(Clone, Debug)]
pub struct EnrolOptions {
    /// The adapter's home folder; made when missing.
    pub home: PathBuf,
    /// The operator's text.
    pub invitation: String,
    /// host:port of the enrolment door, where it is not the invitation's.
    pub address: Option<String>,
    /// The system: its own name (`takaful`) or its whole one (`EG/GOV/MOSS/takaful`).
    pub system: String,
    /// The adapter instance, for example `a1`.
    pub adapter: String,
    /// The agency's name in Arabic.
    pub name_ar: String,
    /// The agency's name in English.
    pub name_en: String,
    /// Where the agency's authority key is made, or lies already.
    pub authority: AuthorityPlace,
    /// The one clock.
    pub clock: Clock,
}

/// What enrolment made.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// Ready for [`Adapter::connect`].
    pub home: Home,
    /// The agency's authority key: its fingerprint is read to the operator over the telephone.
    pub authority_key: PublicKey,
    /// SHA-256 of the seal key.
    pub seal_kid: Digest,
    /// Log index of the agency's entry.
    pub agency_index: u64,
    /// Log index of the key's entry.
    pub key_index: u64,
    /// Log index of the certificate's entry.
    pub certificate_index: u64,
}

/// Uses an invitation.
///
/// # Errors
/// [`EnrolError`]. Whatever it is, the same call may be made again with the same home.
pub async fn enrol(options: EnrolOptions) -> Result<Enrolled, EnrolError> {
    let invitation = Invitation::parse(&options.invitation)?;
    if options.clock.now_ms() >= invitation.expires_at_ms {
        return Err(EnrolError::Expired);
    }
    let system = system_of(&options.system, &invitation)?;
    let adapter = Part::parse(&options.adapter)?;
    let address = options
        .address
        .clone()
        .unwrap_or_else(|| invitation.enrol.clone());
    let connection = Connection::to_enrolment(&address, &invitation.root_sha256, &options.clock)?;
    let mut door = connection.enrolment();
    let described = door.describe(wire::DescribeRequest {}).await?.into_inner();
    let described = switch::judge(&described, &invitation, &address)?;
    let config = prepare(&options, &described, &system, &adapter)?;
    let keys = Keys::load_or_make(&options, &config)?;
    let origin = described.log_key.origin();
    let (request, pending) = keys.request(&options, &invitation, &config, origin)?;
    let response = door.enrol(request.clone()).await?.into_inner();
    let indexes = store(
        &options.home,
        &config,
        &keys,
        &described,
        &request,
        &response,
    )?;
    // The token is used; nothing is left of it here.
    fs::remove_file(&pending).map_err(|cause| HomeError::Read {
        path: pending,
        cause,
    })?;
    Ok(Enrolled {
        home: Home::open(&options.home)?,
        authority_key: keys.authority.key().clone(),
        seal_kid: keys.seal.key().kid(),
        agency_index: indexes[0],
        key_index: indexes[1],
        certificate_index: indexes[2],
    })
}

/// A new TLS certificate for the same key, and the connection moved over to it. A running adapter does this by
/// itself: see [`Adapter::renew`].
///
/// # Errors
/// [`EnrolError`]; the old certificate then still stands.
pub async fn renew(adapter: &Adapter) -> Result<(), EnrolError> {
    adapter.renew().await
}

fn system_of(text: &str, invitation: &Invitation) -> Result<SystemId, EnrolError> {
    let system = if text.contains('/') {
        SystemId::parse(text)?
    } else {
        invitation.agency.system(&Part::parse(text)?)
    };
    if system.belongs_to(&invitation.agency) {
        Ok(system)
    } else {
        Err(EnrolError::OtherAgency {
            system,
            agency: invitation.agency.to_string(),
        })
    }
}

/// Makes the home with what is known of the switch, or finds the same home of an interrupted call.
fn prepare(
    options: &EnrolOptions,
    described: &Described,
    system: &SystemId,
    adapter: &Part,
) -> Result<Config, EnrolError> {
    let home = &options.home;
    private_dir(home)?;
    let authority = options.authority.settled(&Files::default().authority_key)?;
    if home.join(FILE_NAME).exists() {
        let config = read_config(home)?;
        if home.join(&config.files.chain).exists() {
            return Err(EnrolError::Already(home.to_owned()));
        }
        let same = config.genesis == described.switch.genesis
            && config.system == *system
            && config.adapter == *adapter;
        if !same {
            return Err(EnrolError::OtherHome(home.to_owned()));
        }
        let begun = home.join(&config.files.authority_key);
        let links = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        return if links(&begun) == links(&home.join(&authority)) {
            Ok(config)
        } else {
            Err(EnrolError::OtherAuthority(begun))
        };
    }
    let mut config = Config::new(&described.switch, system, adapter)?;
    config.files.authority_key = authority;
    let root = certs::pem::encode_chain(std::slice::from_ref(&described.root));
    replace_public(&home.join(&config.files.root), root.as_bytes())?;
    let vkey = format!("{}\n", described.log_key.to_vkey());
    replace_public(&home.join(&config.files.log_key), vkey.as_bytes())?;
    let followed = successions_text(&described.log_key.entries());
    replace_public(&home.join(SUCCESSIONS_FILE), followed.as_bytes())?;
    // Last, for its presence says that the others are there.
    replace_public(&home.join(FILE_NAME), config.to_toml()?.as_bytes())?;
    Ok(config)
}

/// The two keys of a home. Neither leaves it.
struct HomeKeys {
    seal: FileSigner,
    tls: TlsKey,
}

impl HomeKeys {
    fn load_or_make(home: &Path, config: &Config) -> Result<Self, EnrolError> {
        let tls_path = home.join(&config.files.tls_key);
        let tls = if fs::symlink_metadata(&tls_path).is_ok() {
            TlsKey::load(&tls_path).map_err(HomeError::Key)?
        } else {
            let key = TlsKey::generate().map_err(HomeError::Key)?;
            key.save(&tls_path).map_err(HomeError::Key)?;
            key
        };
        Ok(Self {
            seal: FileSigner::load_or_make(&home.join(&config.files.seal_key))?,
            tls,
        })
    }
}

/// The agency's key and the two of a home. None of them leaves its place.
struct Keys {
    authority: FileSigner,
    seal: FileSigner,
    tls: TlsKey,
}

impl Keys {
    fn load_or_make(options: &EnrolOptions, config: &Config) -> Result<Self, EnrolError> {
        let home = &options.home;
        let authority = home.join(&config.files.authority_key);
        let authority = authority::load_or_make(&authority, options.authority.passphrase())?;
        let HomeKeys { seal, tls } = HomeKeys::load_or_make(home, config)?;
        Ok(Self {
            authority,
            seal,
            tls,
        })
    }

    /// The sealed request, and the private file that keeps it until it was answered: a second call
    /// sends the very same bytes, so that a switch which had recorded them already can say so.
    fn request(
        &self,
        options: &EnrolOptions,
        invitation: &Invitation,
        config: &Config,
        origin: &str,
    ) -> Result<(wire::EnrolRequest, PathBuf), EnrolError> {
        let name = format!("enrolment-{}.request", invitation.token_sha256().short());
        let path = options.home.join(name);
        if fs::symlink_metadata(&path).is_ok() {
            let kept = read_private(&path)?;
            let request = wire::EnrolRequest::decode(&kept[..])
                .map_err(|_| EnrolError::Pending(path.clone()))?;
            return Ok((request, path));
        }
        let request = self.seal(options, invitation, config, origin)?;
        write_private(&path, &request.encode_to_vec())?;
        Ok((request, path))
    }

    fn seal(
        &self,
        options: &EnrolOptions,
        invitation: &Invitation,
        config: &Config,
        origin: &str,
    ) -> Result<wire::EnrolRequest, EnrolError> {
        let issued_at_ms = options.clock.now_ms();
        let agency = AgencyEnrolment {
            agency: invitation.agency.clone(),
            name_ar: options.name_ar.clone(),
            name_en: options.name_en.clone(),
            authority_key: self.authority.key().clone(),
            token: invitation.token_sha256(),
            issued_at_ms,
            genesis: invitation.genesis_sha256,
        };
        let agency = agency.encode();
        // What the switch would refuse is refused here, before the token is shown to anybody.
        AgencyEnrolment::open(&agency).map_err(|_| EnrolError::DisplayName)?;
        let mut binding = KeyBinding {
            system: config.system.clone(),
            adapter: config.adapter.clone(),
            key: self.seal.key().clone(),
            issued_at_ms,
            possession: Bytes::new(),
        };
        binding.possession = Seal::one(
            label::POSSESSION,
            origin,
            &binding.possession_bytes(),
            &self.seal,
        )?
        .cose;
        let binding = binding.encode();
        let by_authority = |header: Bytes| -> Result<_, EnrolError> {
            let seal = Seal::one(label::AUTHORITY, origin, &header, &self.authority)?;
            Ok(Envelope::bare(header, seal).to_wire())
        };
        Ok(wire::EnrolRequest {
            token: Bytes::copy_from_slice(&invitation.token),
            agency: Some(by_authority(agency)?),
            key_binding: Some(by_authority(binding)?),
            certificate_request: certs::request::make(&self.tls)?.into(),
        })
    }
}

/// Proves the three entries and keeps chain and receipts. Gives the entries' indexes.
fn store(
    home: &Path,
    config: &Config,
    keys: &Keys,
    described: &Described,
    request: &wire::EnrolRequest,
    response: &wire::EnrolResponse,
) -> Result<[u64; 3], EnrolError> {
    let receipts: Vec<Receipt> = response
        .receipts
        .iter()
        .cloned()
        .map(Receipt::from_wire)
        .collect::<Result<_, _>>()?;
    let [agency, key, issued] = &receipts[..] else {
        return Err(EnrolError::Receipts);
    };
    let sealed = [
        (agency, &request.agency, Kind::Agency),
        (key, &request.key_binding, Kind::KeyBound),
    ];
    for (receipt, envelope, kind) in sealed {
        let envelope = Envelope::from_wire(envelope.clone()).map_err(|_| EnrolError::Receipts)?;
        let proven = receipt.verify(&envelope.header, Some(&envelope.seal), &described.log_key)?;
        if proven.entry.kind != kind {
            return Err(EnrolError::Receipts);
        }
    }
    let trust_domain = described
        .trust_domain
        .parse()
        .map_err(|_| EnrolError::OtherSwitch("its trust domain cannot stand in certificates"))?;
    let chain = &response.certificate_chain;
    certificate::prove(
        chain,
        issued,
        &config.system,
        &trust_domain,
        &described.log_key,
    )?;
    let text = std::str::from_utf8(chain).map_err(|_| EnrolError::Certificate("it is not PEM"))?;
    Identity::from_pem(text, &keys.tls).map_err(HomeError::Identity)?;
    replace_public(&home.join("enrolment.receipts"), &response.encode_to_vec())?;
    // Last, for its presence says that this home is enrolled.
    replace_public(&home.join(&config.files.chain), chain)?;
    Ok([agency.index, key.index, issued.index])
}

fn not_decided(standing: &apply::Standing) -> String {
    use apply::Standing;
    match standing {
        Standing::Waiting => {
            "the operator has not decided the application yet; run the same command again later"
                .to_owned()
        }
        Standing::Rejected(reason) => {
            format!(
                "the operator turned the application down: {reason}; apply again in a new folder"
            )
        }
        Standing::Expired => {
            "nobody decided the application in time; apply again in a new folder".to_owned()
        }
        Standing::Unknown => {
            "the switch knows no such application; send it again with `mohawel adapter apply`"
                .to_owned()
        }
        Standing::Approved(_) | Standing::Enrolled => "the application is approved".to_owned(),
    }
}

/// Why an agency is not on board.
#[derive(Debug, Error)]
pub enum EnrolError {
    /// The operator's text.
    #[error(transparent)]
    Invitation(#[from] InvitationError),
    /// Too late.
    #[error("the invitation has expired; ask the operator for a new one")]
    Expired,
    /// A name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A display name.
    #[error(
        "the agency's names in Arabic and English must not be empty, long, or hold hidden characters"
    )]
    DisplayName,
    /// A system of somebody else.
    #[error("{system} is not a system of {agency}, which is invited")]
    OtherAgency {
        /// What was asked for.
        system: SystemId,
        /// Who is invited.
        agency: String,
    },
    /// Not the invitation's switch.
    #[error(
        "this is not the switch that the invitation names: {0}. Do not go on; call the operator"
    )]
    OtherSwitch(&'static str),
    /// Done before.
    #[error("{} is enrolled already; open it, or choose another folder", .0.display())]
    Already(PathBuf),
    /// The folder belongs to another system, adapter or switch.
    #[error("{} belongs to another system, adapter or switch; choose another folder", .0.display())]
    OtherHome(PathBuf),
    /// The enrolment was begun with another authority key.
    #[error("this enrolment was begun with the authority key at {}; give that one (--authority), or choose another folder", .0.display())]
    OtherAuthority(PathBuf),
    /// This home has applied for nothing.
    #[error("there is no application in {}; apply first with `mohawel adapter apply`", .0.display())]
    NoApplication(PathBuf),
    /// The application is not approved.
    #[error("{}", not_decided(.0))]
    NotDecided(apply::Standing),
    /// The kept request is damaged.
    #[error("{} is damaged; move it away and enrol again with a new invitation", .0.display())]
    Pending(PathBuf),
    /// The address or TLS.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The home folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// A key could not seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The certificate request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The certificate is not ours.
    #[error("the certificate that came back cannot be used: {0}. Tell the operator")]
    Certificate(&'static str),
    /// Not the receipts of what was asked for.
    #[error("the switch did not give the receipts of what it recorded; tell the operator")]
    Receipts,
    /// A receipt that proves nothing.
    #[error("a receipt of the switch does not hold: {0}. Tell the operator")]
    Receipt(#[from] ReceiptError),
    /// A receipt that shows a fork, or proves nothing.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// What the switch, or the way to it, said.
    #[error("the switch says: {} ({:?})", .0.message(), .0.code())]
    Switch(Box<Status>),
}

impl From<Status> for EnrolError {
    fn from(status: Status) -> Self {
        Self::Switch(Box::new(status))
    }
}

#[cfg(test)]
mod tests;
