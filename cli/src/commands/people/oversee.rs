//! Sealing a hold or an erasure with an agency's authority key, and having it recorded.

use adapters::Adapter;
use audit::receipt::Receipt;
use bytes::Bytes;
use prost::Message as _;
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::key::Signer;
use proto::seal::Seal;
use proto::wire::audit::v1 as wire;

use crate::commands::refused;
use crate::failure::Failure;

/// Seals `header` under `label`, submits it, and proves its entry. Gives the receipt.
///
/// # Errors
/// What the switch refuses; [`crate::failure::Exit::Untrusted`] when the receipt proves nothing.
pub(super) async fn submit(
    adapter: &Adapter,
    authority: &dyn Signer,
    (kind, label): (Kind, &str),
    header: Bytes,
) -> Result<Receipt, Failure> {
    let origin = adapter.home().log_key().origin();
    let seal = Seal::one(label, origin, &header, authority).map_err(Failure::unavailable)?;
    let envelope = Envelope::bare(header, seal);
    let request = wire::OverseeRequest {
        kind: u32::from(kind as u8),
        envelope: envelope.to_wire().encode_to_vec().into(),
    };
    let response = adapter
        .connection()
        .log()
        .oversee(request)
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
    if proven.entry.kind == kind {
        Ok(receipt)
    } else {
        Err(Failure::untrusted("it is recorded as something else"))
    }
}
