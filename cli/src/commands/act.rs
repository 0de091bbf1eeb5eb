//! What binds an agency: sealed by its authority key, submitted over its adapter, proved, and seen in its own mirror.

use std::path::Path;
use std::time::Duration;

use adapters::adapter::Adapter;
use adapters::identity::{FileSigner, Home};
use audit::receipt::Receipt;
use bytes::Bytes;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::seal::Seal;
use proto::wire::registry::v1 as wire;

use super::refused;
use crate::failure::{Exit, Failure};

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
        | AdapterError::Seen(SeenError::Switch(_)) => Failure::unavailable(error),
        AdapterError::Connection(_) | AdapterError::Seen(_) => Failure::usage(error),
    }
}

/// The agency's authority key, which lies in the home until its administrators take it away.
///
/// # Errors
/// A usage failure that says where the key is looked for.
pub fn authority(adapter: &Adapter) -> Result<FileSigner, Failure> {
    adapter.home().authority().map_err(|error| {
        let path = adapter.home().path(&adapter.home().config().files.authority_key);
        let path = path.display();
        Failure::new(
            Exit::Usage,
            [format!("The agency's authority key cannot be used: {error}"), format!("تعذّر استخدام مفتاح سلطة الجهة: {error}")],
            [
                format!("Let the agency's administrators run this command where the key lies, or put it back at {path}."),
                format!("ليُشغِّل مسؤولو الجهة هذا الأمر حيث يوجد المفتاح أو أعده إلى {path}."),
            ],
        )
    })
}

/// Seals `header` under `label` with the agency's authority key, has it recorded, proves the entry, and waits until
/// the own mirror shows it.
///
/// # Errors
/// What the switch refuses; [`Exit::Untrusted`] when the receipt or the mirror says otherwise than the switch.
pub async fn submit(
    adapter: &Adapter,
    kind: Kind,
    label: &str,
    header: Bytes,
) -> Result<Receipt, Failure> {
    let signer = authority(adapter)?;
    let origin = adapter.home().log_key().origin();
    let seal = Seal::one(label, origin, &header, &signer).map_err(Failure::unavailable)?;
    let envelope = Envelope::bare(header, seal);
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
    let receipt = response
        .into_inner()
        .receipt
        .ok_or_else(|| Failure::untrusted("no receipt came back"))?;
    let receipt = Receipt::from_wire(receipt).map_err(Failure::untrusted)?;
    let proven = adapter
        .prove(&receipt, &envelope.header, Some(&envelope.seal))
        .map_err(Failure::untrusted)?;
    let mirror = adapter.mirror();
    let seen = mirror
        .reached(proven.entry.stamp.registry_size + 1, MIRROR_WAIT)
        .await;
    seen.map_err(|error| match error {
        adapters::mirror::MirrorError::Late { .. } => Failure::unavailable(error),
        adapters::mirror::MirrorError::Distrust(_) => Failure::untrusted(error),
    })?;
    Ok(receipt)
}
