//! Keeps an adapter's TLS certificate alive: renewed when a third of its life is left, tried again until it is.

use std::time::Duration;

use adapters::adapter::Adapter;
use adapters::enrol::renew;

/// The longest sleep between two looks: a clock that was set must not be noticed too late.
const LOOK_MS: u64 = 600_000;
/// The pause after a renewal that did not come through.
const AGAIN: Duration = Duration::from_secs(60);

/// Renews for ever. Ends with the task that runs it.
pub async fn keep(adapter: Adapter) {
    let mut life_ms = left_ms(&adapter);
    loop {
        let left = left_ms(&adapter);
        // The life as it was when first seen: a restart in the middle of it only renews a little earlier.
        let due = life_ms / 3;
        if left > due {
            tokio::time::sleep(Duration::from_millis((left - due).clamp(1_000, LOOK_MS))).await;
            continue;
        }
        match renew(&adapter).await {
            Ok(()) => {
                life_ms = left_ms(&adapter);
                tracing::info!(system = %adapter.home().system(), hours = life_ms / 3_600_000, "certificate renewed");
                // A certificate that ends at once is somebody's mistake: not a reason to ask without pause.
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => {
                tracing::warn!(%error, minutes = left / 60_000, "the certificate could not be renewed yet");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// What is left of the certificate's life, milliseconds.
fn left_ms(adapter: &Adapter) -> u64 {
    let end = adapter
        .home()
        .identity()
        .current()
        .not_after()
        .unix_timestamp();
    u64::try_from(end)
        .unwrap_or(0)
        .saturating_mul(1_000)
        .saturating_sub(adapter.clock().now_ms())
}
