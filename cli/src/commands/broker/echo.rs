//! The built-in echo service: a new agency's first exchange needs nobody else.
//!
//! It is an agency like any other: invited by the operator, enrolled over the loopback with keys of its own, its
//! service published and its public agreement sealed by its own authority key. Each step is skipped when it stands
//! in the log already, so a start that was cut short goes on where it ended.

use std::fs;
use std::time::Duration;

use adapters::adapter::Adapter;
use adapters::authority::AuthorityPlace;
use adapters::config::{Config, FILE_NAME};
use adapters::enrol::{EnrolOptions, Invitation, enrol};
use adapters::identity::Home;
use adapters::provider::{Handle, Options};
use adapters::stock::Echo;
use audit::clock::Clock;
use proto::act::{ConsumerScope, Grant, Operation};
use proto::id::{AgencyId, Part};
use proto::registry::{AgreementState, Registry};

use crate::commands::adapter::enrolling;
use crate::commands::adapter::serving::ended;
use crate::commands::agreement::terms::{End, Terms, Validity};
use crate::commands::operator::Operator;
use crate::commands::service::definition::Definition;
use crate::commands::switch_dir::{Addresses, SwitchDir, in_file};
use crate::commands::{act, agency, agreement, service};
use crate::failure::Failure;

/// The agency without its instance.
const AGENCY: &str = "GOV/SWITCH";
/// The system, the service, its operation, and the purpose that everybody may state.
const SYSTEM: &str = "echo";
const SERVICE: &str = "echo.v1";
const OPERATION: &str = "echo";
const PURPOSE: &str = "test";
/// How long the public agreement counts.
const DAYS: u32 = 3_650;
/// How long the invitation is good for; it is used at once.
const INVITATION_LIFE: Duration = Duration::from_secs(3_600);
/// How long the switch may take to accept the echo adapter's link.
const ATTACH_WAIT: Duration = Duration::from_secs(20);

/// Puts the echo agency of `switch` on board where it is not yet, and serves it. The switch runs at `addresses`.
///
/// # Errors
/// Any failure of the steps; the switch itself runs on, and the next start goes on from here.
pub async fn serve(
    switch: &SwitchDir,
    addresses: &Addresses,
    clock: &Clock,
) -> Result<Handle, Failure> {
    let home = match Home::open(switch.echo()) {
        Ok(_) => at(switch, addresses)?,
        Err(adapters::identity::HomeError::NotEnrolled(_)) => {
            Box::pin(on_board(switch, addresses, clock)).await?
        }
        Err(error) => return Err(Failure::usage(error)),
    };
    let adapter = Adapter::start(home, clock.clone()).map_err(|error| act::connecting(&error))?;
    adapter
        .ready(ATTACH_WAIT)
        .await
        .map_err(|error| act::connecting(&error))?;
    offer(&adapter).await?;
    let serving = adapter.serve(Echo, Options::default()).await;
    serving
        .attached(ATTACH_WAIT)
        .await
        .map_err(|error| ended(&error))?;
    Ok(serving)
}

/// Opens the home after writing where the switch runs now: on port 0 each start has another address.
fn at(switch: &SwitchDir, addresses: &Addresses) -> Result<Home, Failure> {
    let path = switch.echo().join(FILE_NAME);
    let text = fs::read_to_string(&path).map_err(|error| in_file(&path, error))?;
    let mut config = Config::parse(&text).map_err(|error| in_file(&path, error))?;
    if config.exchange != addresses.exchange || config.enrol != addresses.enrol {
        config.exchange.clone_from(&addresses.exchange);
        config.enrol.clone_from(&addresses.enrol);
        let text = config.to_toml().map_err(|error| in_file(&path, error))?;
        certs::key_files::replace_public(&path, text.as_bytes()).map_err(Failure::unavailable)?;
    }
    Home::open(switch.echo()).map_err(Failure::usage)
}

async fn on_board(
    switch: &SwitchDir,
    addresses: &Addresses,
    clock: &Clock,
) -> Result<Home, Failure> {
    let invitation = invitation(switch, addresses, clock).await?;
    let options = EnrolOptions {
        home: switch.echo(),
        invitation,
        address: Some(addresses.enrol.clone()),
        system: SYSTEM.to_owned(),
        adapter: "a1".to_owned(),
        name_ar: "المحوِّل نفسه".to_owned(),
        name_en: "The switch itself".to_owned(),
        // Whoever runs the switch is its own agency: nobody else could keep the key from them.
        authority: AuthorityPlace::InHome,
        clock: clock.clone(),
    };
    Box::pin(enrol(options))
        .await
        .map_err(|error| enrolling(&error))?;
    // The token is used; the file has done its work.
    let _ = fs::remove_file(switch.echo_invitation());
    at(switch, addresses)
}

/// The invitation of a start that was cut short, while it is good; a new one otherwise.
async fn invitation(
    switch: &SwitchDir,
    addresses: &Addresses,
    clock: &Clock,
) -> Result<String, Failure> {
    let path = switch.echo_invitation();
    if let Ok(text) = fs::read_to_string(&path) {
        let good = Invitation::parse(&text).is_ok_and(|kept| kept.expires_at_ms > clock.now_ms());
        if good {
            return Ok(text);
        }
        fs::remove_file(&path).map_err(|error| in_file(&path, error))?;
    }
    let mut operator = Operator::open(switch, clock)?;
    operator.addresses = addresses.clone();
    let instance = instance(switch)?;
    let agency = AgencyId::parse(&format!("{instance}/{AGENCY}")).map_err(Failure::usage)?;
    let invited = agency::invite(&operator, &agency, INVITATION_LIFE, clock).await?;
    let text = invited.invitation.encode().map_err(Failure::usage)?;
    certs::key_files::write_private(&path, text.as_bytes()).map_err(Failure::usage)?;
    Ok(text)
}

/// The instance of the switch, from its published entry 0.
fn instance(switch: &SwitchDir) -> Result<Part, Failure> {
    let path = switch.log();
    let key = audit::checkpoint::LogKey::from_vkey(
        &fs::read_to_string(path.join(audit::verify::VKEY_FILE))
            .map_err(|error| in_file(&path, error))?,
    )
    .map_err(|error| in_file(&path, error))?;
    let proven = audit::verify::prove(&path, 0, &key).map_err(Failure::untrusted)?;
    let genesis = proto::act::Genesis::open(&proven.entry.header).map_err(Failure::untrusted)?;
    Ok(genesis.instance)
}

/// Publishes the service and seals the public agreement, where they are not in the log yet.
async fn offer(adapter: &Adapter) -> Result<(), Failure> {
    let registry = adapter.mirror().snapshot();
    let system = adapter.home().system().clone();
    if registry.service(&system.service(&part(SERVICE)?)).is_none() {
        let authority = act::plain_authority(adapter)?;
        Box::pin(service::publish(adapter, &authority, &definition()?)).await?;
    }
    let terms = terms(adapter)?;
    if !offered(&registry, &terms, adapter.clock().now_ms()) {
        let authority = act::plain_authority(adapter)?;
        Box::pin(agreement::propose(adapter, &authority, &terms)).await?;
    }
    Ok(())
}

/// Whether an agreement like `terms` counts now.
fn offered(registry: &Registry, terms: &Terms, now_ms: u64) -> bool {
    registry.agreements().any(|record| {
        record.state == AgreementState::Active
            && record.content.provider == terms.provider
            && record.content.consumer == terms.consumer
            && record.content.grants == terms.grants
            && record.content.not_after_ms > now_ms
    })
}

fn definition() -> Result<Definition, Failure> {
    Ok(Definition {
        service: part(SERVICE)?,
        name_ar: "الصدى".to_owned(),
        name_en: "Echo".to_owned(),
        operations: vec![Operation::plain(
            part(OPERATION)?,
            "يعيد ما يُرسل إليه",
            "Gives back what it is given",
            Vec::new(),
        )],
        owner_contact: String::new(),
        sensitivity: None,
    })
}

fn terms(adapter: &Adapter) -> Result<Terms, Failure> {
    let system = adapter.home().system().clone();
    let provider = system.agency();
    let instance = Part::parse(provider.instance()).map_err(Failure::usage)?;
    Ok(Terms {
        consumer: ConsumerScope::Everyone(instance),
        provider,
        validity: Validity {
            not_before_ms: None,
            end: End::Days(DAYS),
        },
        grants: vec![Grant {
            system,
            service: part(SERVICE)?,
            operations: vec![part(OPERATION)?],
            purposes: vec![part(PURPOSE)?],
            fields: Vec::new(),
            legal_basis: "Test of the switch; no personal data".to_owned(),
            daily_quota: 0,
            retention_days: 1,
            rate_per_s: 0,
            row_scope: Vec::new(),
            delegation_depth: 0,
            licence: String::new(),
            sensitivity: None,
        }],
        supersedes: None,
    })
}

fn part(text: &str) -> Result<Part, Failure> {
    Part::parse(text).map_err(Failure::usage)
}
