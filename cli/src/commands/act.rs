//! What binds an agency: sealed by its authority key, submitted over its adapter, proved, and seen in its own mirror.

use std::path::Path;
use std::time::Duration;

use adapters::adapter::Adapter;
use adapters::identity::{FileSigner, Home};
use audit::receipt::Receipt;
use bytes::Bytes;
use certs::keys::KeyError;
use certs::{Fingerprint, KeyFile, Passphrase};
use proto::entry::{Entry, Kind};
use proto::envelope::Envelope;
use proto::key::Signer;
use proto::seal::Seal;
use proto::wire::audit::v1 as audit_wire;
use proto::wire::registry::v1 as wire;

use super::refused;
use crate::args::AuthorityKey;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::passphrase;

/// How long the own mirror may take to show what was recorded.
const MIRROR_WAIT: Duration = Duration::from_secs(10);

/// Connects as the system of the home `dir`, and waits until the registry is here.
///
/// # Errors
/// A usage failure for a home that cannot be opened; unavailable or untrusted as the switch is.
pub async fn connect(dir: &Path) -> Result<Adapter, Failure> {
    let home = Home::open(dir).map_err(Failure::usage)?;
    Adapter::connect(home)
        .await
        .map_err(|error| connecting(&error))
}

/// Why an adapter does not start, with the exit code that fits.
pub fn connecting(error: &adapters::adapter::AdapterError) -> Failure {
    use adapters::adapter::AdapterError;
    use adapters::checkpoints::SeenError;
    use adapters::mirror::MirrorError;
    match error {
        AdapterError::Distrust(_)
        | AdapterError::Mirror(MirrorError::Distrust(_))
        | AdapterError::Seen(SeenError::Distrust(_)) => Failure::untrusted(error),
        AdapterError::Mirror(MirrorError::Late { .. })
        | AdapterError::Sealer(_)
        | AdapterError::Journal(_)
        | AdapterError::Seen(SeenError::Switch(_)) => Failure::unavailable(error),
        AdapterError::Connection(_) | AdapterError::Seen(_) | AdapterError::Subjects(_) => {
            Failure::usage(error)
        }
    }
}

/// The agency's authority key, opened: where `given` says, or else where the home `dir` last saw it.
///
/// # Errors
/// A usage failure that says where the key is looked for and what is wrong with it.
pub fn authority(dir: &Path, given: &AuthorityKey, output: Output) -> Result<FileSigner, Failure> {
    let home = Home::open(dir).map_err(Failure::usage)?;
    let path = given.authority.clone();
    let path = path.unwrap_or_else(|| home.authority_path());
    let signer = open(&path, given, output)?;
    if given.authority.is_some() {
        // What is remembered only saves typing: a home that cannot be written to must not stop an act.
        let _ = adapters::authority::remember(dir, &path);
    }
    Ok(signer)
}

/// Opens the authority key at `path`; its passphrase is asked for when it has one and `given` names no file.
///
/// # Errors
/// As [`authority`].
pub fn open(path: &Path, given: &AuthorityKey, output: Output) -> Result<FileSigner, Failure> {
    let unusable = |error: KeyError| unusable(path, error);
    let key = match KeyFile::read(path).map_err(unusable)? {
        KeyFile::Plain(key) => key,
        KeyFile::Encrypted(key) => {
            let passphrase = match &given.passphrase_file {
                Some(file) => Passphrase::load(file).map_err(Failure::usage)?,
                None => passphrase::ask(path, output)?,
            };
            key.open(&passphrase).map_err(unusable)?
        }
    };
    FileSigner::new(key).map_err(|error| self::unusable(path, error))
}

/// The authority key of an adapter whose key lies where its home says and has no passphrase: the switch's own agency,
/// and examples.
///
/// # Errors
/// As [`authority`].
pub fn plain_authority(adapter: &Adapter) -> Result<FileSigner, Failure> {
    let home = adapter.home();
    let unusable = |error| unusable(&home.authority_path(), error);
    home.authority().map_err(unusable)
}

fn unusable(path: &Path, error: impl std::fmt::Display) -> Failure {
    let path = path.display();
    Failure::new(
        Exit::Usage,
        [
            format!("The agency's authority key cannot be used: {error}"),
            format!("تعذّر استخدام مفتاح سلطة الجهة: {error}"),
        ],
        [
            format!(
                "It was looked for at {path}. Let the agency's administrators give its place with --authority FILE."
            ),
            format!("جرى البحث عنه في {path}. ليحدّد مسؤولو الجهة مكانه بالخيار ‎--authority FILE‎."),
        ],
    )
}

/// Refuses a key that is not the one the registry holds for the adapter's agency: the switch would refuse each of its
/// seals, and could not say why.
fn judge(adapter: &Adapter, authority: &dyn Signer) -> Result<(), Failure> {
    let agency = adapter.home().system().agency();
    let registry = adapter.mirror().snapshot();
    let Some(record) = registry.agency(&agency) else {
        return Ok(());
    };
    let wanted = registry.authority_at(record, adapter.clock().now_ms());
    if wanted == authority.key() {
        return Ok(());
    }
    let [found, wanted] =
        [authority.key(), wanted].map(|key| Fingerprint::of_kid(key.kid().0).spoken());
    Err(Failure::new(
        Exit::Usage,
        [
            format!(
                "This is not the authority key of {agency}: its fingerprint is {found}, the registered one {wanted}"
            ),
            format!("هذا ليس مفتاح سلطة الجهة {agency}: بصمته {found} والمسجّلة {wanted}"),
        ],
        [
            "Give the agency's own key with --authority FILE. If this is its file, the file is damaged: take it from a backup.",
            "قدّم مفتاح الجهة نفسها بالخيار ‎--authority FILE‎. وإن كان هذا ملفه فهو تالف: استعده من نسخة احتياطية.",
        ],
    ))
}

/// `header` under `label`, sealed with the agency's authority key for this log.
///
/// # Errors
/// The key does not sign.
pub(super) fn sealed(
    adapter: &Adapter,
    authority: &dyn Signer,
    label: &str,
    header: Bytes,
) -> Result<Envelope, Failure> {
    let origin = adapter.home().log_key().origin();
    let seal = Seal::one(label, origin, &header, authority).map_err(Failure::unavailable)?;
    Ok(Envelope::bare(header, seal))
}

/// The receipt that came back for `envelope`, and the entry that it proves.
///
/// # Errors
/// [`Exit::Untrusted`]: there is none, or it proves nothing.
pub(super) fn proved(
    adapter: &Adapter,
    receipt: Option<audit_wire::Receipt>,
    envelope: &Envelope,
) -> Result<(Receipt, Entry), Failure> {
    let receipt = receipt.ok_or_else(|| Failure::untrusted("no receipt came back"))?;
    let receipt = Receipt::from_wire(receipt).map_err(Failure::untrusted)?;
    let proven = adapter.prove(&receipt, &envelope.header, Some(&envelope.seal));
    let proven = proven.map_err(Failure::untrusted)?;
    Ok((receipt, proven.entry))
}

/// Seals `header` under `label` with the agency's authority key, has it recorded, proves the entry, and waits until
/// the own mirror shows it.
///
/// # Errors
/// A usage failure when `authority` is another key than the registry's; what the switch refuses; [`Exit::Untrusted`]
/// when the receipt or the mirror says otherwise than the switch.
pub async fn submit(
    adapter: &Adapter,
    authority: &dyn Signer,
    kind: Kind,
    label: &str,
    header: Bytes,
) -> Result<Receipt, Failure> {
    judge(adapter, authority)?;
    let now_ms = adapter.clock().now_ms();
    adapters::alarm::expect(adapter.home().dir(), kind, &header, now_ms).map_err(Failure::usage)?;
    let envelope = sealed(adapter, authority, label, header)?;
    let request = wire::SubmitRequest {
        kind: u32::from(kind as u8),
        envelope: Some(envelope.to_wire()),
    };
    let response = adapter
        .connection()
        .agencies()
        .submit(request)
        .await
        .map_err(|status| refused::failure(&status))?;
    let (receipt, entry) = proved(adapter, response.into_inner().receipt, &envelope)?;
    let mirror = adapter.mirror();
    let seen = mirror
        .reached(entry.stamp.registry_size + 1, MIRROR_WAIT)
        .await;
    seen.map_err(|error| match error {
        adapters::mirror::MirrorError::Late { .. } => Failure::unavailable(error),
        adapters::mirror::MirrorError::Distrust(_) => Failure::untrusted(error),
    })?;
    Ok(receipt)
}

#[cfg(test)]
mod tests;
