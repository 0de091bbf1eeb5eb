//! Asking to be invited: an application that the agency's own authority key seals, and what became of it.
//!
//! The applicant makes the token itself and shows only its SHA-256. An approval is an invitation for that token and
//! that key, so what follows is the enrolment that every invited agency goes through. Interrupted anywhere, the same
//! call continues with the same keys.

use std::fs;
use std::path::{Path, PathBuf};

use audit::clock::Clock;
use audit::receipt::Receipt;
use bytes::Bytes;
use certs::key_files::{read_private, write_private};
use proto::act::Application;
use proto::digest::Digest;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::id::{AgencyId, Part};
use proto::key::{PublicKey, Signer as _};
use proto::limits::label;
use proto::seal::Seal;
use proto::wire::registry::v1 as wire;
use serde::{Deserialize, Serialize};
use wire::ApplicationState;

use super::{
    AuthorityPlace, EnrolError, EnrolOptions, Enrolled, Invitation, Keys, SwitchCard, enrol,
    prepare, switch, system_of,
};
use crate::connection::Connection;
use crate::identity::HomeError;

/// The private file of an application that was sent.
const PENDING: &str = "application.pending";

/// What an agency says when it applies.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// The adapter's home folder; made when missing.
    pub home: PathBuf,
    /// The switch's card.
    pub card: String,
    /// Who applies.
    pub agency: AgencyId,
    /// The first system's own name.
    pub system: Part,
    /// The adapter instance, for example `a1`.
    pub adapter: Part,
    /// The agency's name in Arabic.
    pub name_ar: String,
    /// The agency's name in English.
    pub name_en: String,
    /// How the operator reaches the agency's administrators.
    pub contact: String,
    /// Where the agency's authority key is made, or lies already.
    pub authority: AuthorityPlace,
    /// The one clock.
    pub clock: Clock,
}

/// An application that stands in the log.
#[derive(Clone, Debug)]
pub struct Applied {
    /// SHA-256 of the application: what the operator approves.
    pub id: Digest,
    /// The agency's authority key: its fingerprint is read to the operator over the telephone.
    pub authority_key: PublicKey,
    /// Log index.
    pub index: u64,
}

/// How an application stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody decided yet.
    Waiting,
    /// Enrol now, until this Unix time in milliseconds.
    Approved(u64),
    /// Turned down, with the operator's reason.
    Rejected(String),
    /// Nobody decided in time.
    Expired,
    /// Used already.
    Enrolled,
    /// The switch knows no such application.
    Unknown,
}

/// What is kept between applying and enrolling. Holds the token: a secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pending {
    invitation: String,
    application: String,
    system: String,
    adapter: String,
    name_ar: String,
    name_en: String,
}

/// Applies.
///
/// # Errors
/// [`EnrolError`]; the same call may be made again with the same home.
pub async fn apply(options: ApplyOptions) -> Result<Applied, EnrolError> {
    let card = SwitchCard::parse(&options.card)?;
    let path = options.home.join(PENDING);
    let kept = Pending::read(&path)?;
    let invitation = match &kept {
        Some(pending) => Invitation::parse(&pending.invitation)?,
        None => card.invitation(&options.agency, Invitation::new_token()?),
    };
    let enrolling = EnrolOptions {
        home: options.home.clone(),
        invitation: invitation.encode()?,
        address: None,
        system: options.system.to_string(),
        adapter: options.adapter.to_string(),
        name_ar: options.name_ar.clone(),
        name_en: options.name_en.clone(),
        authority: options.authority.clone(),
        clock: options.clock.clone(),
    };
    let connection = Connection::to_enrolment(&card.enrol, &card.root_sha256, &options.clock)?;
    let mut door = connection.enrolment();
    let described = door.describe(wire::DescribeRequest {}).await?.into_inner();
    let described = switch::judge(&described, &invitation, &card.enrol)?;
    let system = system_of(&enrolling.system, &invitation)?;
    let config = prepare(&enrolling, &described, &system, &options.adapter)?;
    let keys = Keys::load_or_make(&enrolling, &config)?;
    let header = match &kept {
        Some(pending) => Bytes::from(
            hex::decode(&pending.application).map_err(|_| EnrolError::Pending(path.clone()))?,
        ),
        None => application(&options, &invitation, keys.authority.key())?,
    };
    let seal = Seal::one(
        label::AUTHORITY,
        described.log_key.origin(),
        &header,
        &keys.authority,
    )?;
    if kept.is_none() {
        Pending {
            invitation: enrolling.invitation.clone(),
            application: hex::encode(&header),
            system: enrolling.system.clone(),
            adapter: enrolling.adapter.clone(),
            name_ar: enrolling.name_ar.clone(),
            name_en: enrolling.name_en.clone(),
        }
        .write(&path)?;
    }
    let envelope = Envelope::bare(header, seal);
    let request = wire::ApplyRequest {
        application: Some(envelope.to_wire()),
    };
    let response = door.apply(request).await?.into_inner();
    let receipt = Receipt::from_wire(response.receipt.ok_or(EnrolError::Receipts)?)?;
    let proven = receipt.verify(&envelope.header, Some(&envelope.seal), &described.log_key)?;
    if proven.entry.kind != Kind::Application {
        return Err(EnrolError::Receipts);
    }
    Ok(Applied {
        id: Digest::of(&envelope.header),
        authority_key: keys.authority.key().clone(),
        index: receipt.index,
    })
}

fn application(
    options: &ApplyOptions,
    invitation: &Invitation,
    authority_key: &PublicKey,
) -> Result<Bytes, EnrolError> {
    let header = Application {
        agency: options.agency.clone(),
        name_ar: options.name_ar.clone(),
        name_en: options.name_en.clone(),
        authority_key: authority_key.clone(),
        token: invitation.token_sha256(),
        contact: options.contact.clone(),
        issued_at_ms: options.clock.now_ms(),
        genesis: invitation.genesis_sha256,
    }
    .encode();
    // What the switch would refuse is refused here.
    Application::open(&header).map_err(|_| EnrolError::DisplayName)?;
    Ok(header)
}

/// Asks how the application of this home stands.
///
/// # Errors
/// [`EnrolError::NoApplication`] for a home without one; that the switch cannot be reached.
pub async fn standing(home: &Path, clock: &Clock) -> Result<Standing, EnrolError> {
    let path = home.join(PENDING);
    let pending = Pending::read(&path)?.ok_or_else(|| EnrolError::NoApplication(path.clone()))?;
    let invitation = Invitation::parse(&pending.invitation)?;
    let header =
        hex::decode(&pending.application).map_err(|_| EnrolError::Pending(path.clone()))?;
    let connection = Connection::to_enrolment(&invitation.enrol, &invitation.root_sha256, clock)?;
    let request = wire::ApplicationStatusRequest {
        application: Bytes::copy_from_slice(Digest::of(&header).as_ref()),
    };
    let response = connection
        .enrolment()
        .application_status(request)
        .await?
        .into_inner();
    Ok(match response.state() {
        ApplicationState::Unspecified => Standing::Unknown,
        ApplicationState::Waiting => Standing::Waiting,
        ApplicationState::Approved => Standing::Approved(response.enrol_until_ms),
        ApplicationState::Rejected => Standing::Rejected(response.reason),
        ApplicationState::Expired => Standing::Expired,
        ApplicationState::Enrolled => Standing::Enrolled,
    })
}

/// Enrols with the home's approved application.
///
/// # Errors
/// [`EnrolError::NotDecided`] with how it stands while it is not approved; else as [`enrol`].
pub async fn enrol_approved(
    home: &Path,
    authority: AuthorityPlace,
    clock: Clock,
) -> Result<Enrolled, EnrolError> {
    let path = home.join(PENDING);
    let pending = Pending::read(&path)?.ok_or_else(|| EnrolError::NoApplication(path.clone()))?;
    // A used one is asked for again as well: the answer may have been lost on the way.
    match standing(home, &clock).await? {
        Standing::Approved(_) | Standing::Enrolled => {}
        other => return Err(EnrolError::NotDecided(other)),
    }
    let enrolled = enrol(EnrolOptions {
        home: home.to_owned(),
        invitation: pending.invitation,
        address: None,
        system: pending.system,
        adapter: pending.adapter,
        name_ar: pending.name_ar,
        name_en: pending.name_en,
        authority,
        clock,
    })
    .await?;
    // The token is used; nothing is left of it here.
    fs::remove_file(&path).map_err(|cause| HomeError::Read { path, cause })?;
    Ok(enrolled)
}

/// Which agency the application of this home is for; `None` without one.
///
/// # Errors
/// [`EnrolError::Pending`] when the file is damaged.
pub fn applied_for(home: &Path) -> Result<Option<AgencyId>, EnrolError> {
    match Pending::read(&home.join(PENDING))? {
        Some(pending) => Ok(Some(Invitation::parse(&pending.invitation)?.agency)),
        None => Ok(None),
    }
}

impl Pending {
    fn read(path: &Path) -> Result<Option<Self>, EnrolError> {
        if fs::symlink_metadata(path).is_err() {
            return Ok(None);
        }
        let damaged = || EnrolError::Pending(path.to_owned());
        let bytes = read_private(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
        toml::from_str(text).map(Some).map_err(|_| damaged())
    }

    fn write(&self, path: &Path) -> Result<(), EnrolError> {
        let text = toml::to_string(self).map_err(|_| EnrolError::Pending(path.to_owned()))?;
        Ok(write_private(path, text.as_bytes())?)
    }
}
