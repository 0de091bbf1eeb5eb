//! A further system or adapter of an agency that is on board: no invitation, the authority key seals it.
//!
//! Keys are made here and stay here. The act and the request are kept until they were answered, so that the same call
//! sends the same bytes again.

use std::fs;
use std::path::{Path, PathBuf};

use audit::clock::Clock;
use audit::receipt::Receipt;
use bytes::Bytes;
use certs::Identity;
use certs::key_files::{read_private, replace_public, write_private};
use prost::Message;
use proto::act::KeyBinding;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::id::{Part, SystemId};
use proto::key::Signer;
use proto::limits::label;
use proto::seal::Seal;
use proto::wire::registry::v1 as wire;

use super::{
    AuthorityPlace, Described, EnrolError, EnrolOptions, Home, HomeKeys, SwitchCard, certificate,
    prepare, switch,
};
use crate::config::Config;
use crate::connection::Connection;
use crate::identity::HomeError;

/// The private file of a request that was not answered yet.
const PENDING: &str = "join.request";

/// What joins.
#[derive(Debug)]
pub struct JoinOptions<'a> {
    /// The new adapter's home folder; made when missing.
    pub home: PathBuf,
    /// Which switch.
    pub card: SwitchCard,
    /// The system, new or known.
    pub system: SystemId,
    /// The adapter instance.
    pub adapter: Part,
    /// The agency's authority key.
    pub authority: &'a dyn Signer,
    /// Where it lies, to be remembered.
    pub authority_path: PathBuf,
    /// The one clock.
    pub clock: Clock,
}

/// What joining made.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Ready for [`crate::Adapter::connect`].
    pub home: Home,
    /// SHA-256 of the seal key.
    pub seal_kid: Digest,
    /// Log indexes of the key's and the certificate's entry.
    pub indexes: [u64; 2],
}

/// The card of the switch that an adapter's home belongs to.
#[must_use]
pub fn card_of(home: &Home) -> SwitchCard {
    SwitchCard {
        root_sha256: Digest::of(home.root()),
        genesis_sha256: home.config().genesis,
        enrol: home.config().enrol.clone(),
    }
}

/// Joins.
///
/// # Errors
/// [`EnrolError`]; the same call may be made again with the same home.
pub async fn join(options: JoinOptions<'_>) -> Result<Joined, EnrolError> {
    let agency = options.system.agency();
    let invitation = options.card.invitation(&agency, [0; 32]);
    let connection = Connection::to_enrolment(
        &options.card.enrol,
        &options.card.root_sha256,
        &options.clock,
    )?;
    let mut door = connection.enrolment();
    let described = door.describe(wire::DescribeRequest {}).await?.into_inner();
    let described = switch::judge(&described, &invitation, &options.card.enrol)?;
    let preparing = EnrolOptions {
        home: options.home.clone(),
        invitation: String::new(),
        address: None,
        system: options.system.to_string(),
        adapter: options.adapter.to_string(),
        name_ar: String::new(),
        name_en: String::new(),
        authority: AuthorityPlace::File {
            path: options.authority_path.clone(),
            passphrase: None,
        },
        clock: options.clock.clone(),
    };
    let config = prepare(&preparing, &described, &options.system, &options.adapter)?;
    let keys = HomeKeys::load_or_make(&options.home, &config)?;
    let pending = options.home.join(PENDING);
    let request = match kept(&pending)? {
        Some(request) => request,
        None => {
            let request = sealed(&options, &keys, described.log_key.origin())?;
            write_private(&pending, &request.encode_to_vec())?;
            request
        }
    };
    let response = door.join(request.clone()).await?.into_inner();
    let indexes = store(
        &options.home,
        &config,
        &keys,
        &described,
        request,
        &response,
    )?;
    fs::remove_file(&pending).map_err(|cause| HomeError::Read {
        path: pending,
        cause,
    })?;
    Ok(Joined {
        home: Home::open(&options.home)?,
        seal_kid: keys.seal.key().kid(),
        indexes,
    })
}

/// Proves both entries and keeps the chain. Gives the entries' indexes.
fn store(
    home: &Path,
    config: &Config,
    keys: &HomeKeys,
    described: &Described,
    request: wire::JoinRequest,
    response: &wire::JoinResponse,
) -> Result<[u64; 2], EnrolError> {
    let receipts: Vec<Receipt> = response
        .receipts
        .iter()
        .cloned()
        .map(Receipt::from_wire)
        .collect::<Result<_, _>>()?;
    let [bound, issued] = &receipts[..] else {
        return Err(EnrolError::Receipts);
    };
    let envelope = Envelope::from_wire(request.act).map_err(|_| EnrolError::Receipts)?;
    let proven = bound.verify(&envelope.header, Some(&envelope.seal), &described.log_key)?;
    if proven.entry.kind != Kind::KeyBound {
        return Err(EnrolError::Receipts);
    }
    let chain = &response.certificate_chain;
    certificate::prove(
        chain,
        issued,
        &config.system,
        &config.trust_domain,
        &described.log_key,
    )?;
    let text = std::str::from_utf8(chain).map_err(|_| EnrolError::Certificate("it is not PEM"))?;
    Identity::from_pem(text, &keys.tls).map_err(HomeError::Identity)?;
    // Last, for its presence says that this home is on board.
    replace_public(&home.join(&config.files.chain), chain)?;
    Ok([bound.index, issued.index])
}

fn kept(path: &Path) -> Result<Option<wire::JoinRequest>, EnrolError> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(None);
    }
    wire::JoinRequest::decode(&read_private(path)?[..])
        .map(Some)
        .map_err(|_| EnrolError::Pending(path.to_owned()))
}

fn sealed(
    options: &JoinOptions<'_>,
    keys: &HomeKeys,
    origin: &str,
) -> Result<wire::JoinRequest, EnrolError> {
    let mut binding = KeyBinding {
        system: options.system.clone(),
        adapter: options.adapter.clone(),
        key: keys.seal.key().clone(),
        issued_at_ms: options.clock.now_ms(),
        possession: Bytes::new(),
    };
    let over = binding.possession_bytes();
    binding.possession = Seal::one(label::POSSESSION, origin, &over, &keys.seal)?.cose;
    let header = binding.encode();
    let seal = Seal::one(label::AUTHORITY, origin, &header, options.authority)?;
    Ok(wire::JoinRequest {
        kind: u32::from(Kind::KeyBound as u8),
        act: Some(Envelope::bare(header, seal).to_wire()),
        certificate_request: certs::request::make(&keys.tls)?.into(),
    })
}
