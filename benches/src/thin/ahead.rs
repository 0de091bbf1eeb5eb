//! Requests that are sealed before they are asked.
//!
//! A flood comes from machines of its own: what its agency spends on sealing takes nothing from the switch. Here both are one
//! machine, so whoever is there to overload seals before the window, and only sends in it. What goes over the wire is what a
//! request sealed as it is asked would be: an exchange id, a number, a time, a salt and a seal of its own. Its time is the one at
//! which it will be due, and the switch takes one that is off by up to [`WINDOW_MS`].

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use cli::bench::load::{Arrival, Order};
use cli::bench::ours::{CONTENT_TYPE, ORIGIN};
use proto::commitment::{Commitment, Salt};
use proto::envelope::Envelope;
use proto::header::RequestHeader;
use proto::id::ExchangeId;
use proto::key::Signer;
use proto::limits::{WINDOW_MS, label};
use proto::seal::Seal;
use proto::wire::exchange::v1 as wire;
use uuid::Uuid;

/// How far ahead requests are sealed: with the time until the load begins they stay well within the switch's window.
const AHEAD_MS: u64 = WINDOW_MS * 2 / 3;
/// What a closed loop asks a second at most: it is not known before it is measured. Beyond these, each is sealed as it is asked.
const CLOSED_PER_S: f64 = 16_000.0;

/// A system's sealed requests, the next one first.
#[derive(Debug, Default)]
pub(super) struct Stock(Mutex<VecDeque<wire::Envelope>>);

impl Stock {
    /// The next one.
    pub(super) fn take(&self) -> Option<wire::Envelope> {
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stock.pop_front()
    }

    /// Takes the place of what is left of an earlier one.
    pub(super) fn put(&self, sealed: VecDeque<wire::Envelope>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sealed;
    }
}

/// After how many milliseconds each of an order's requests is due, if there are `askers` and each asks in its turn.
pub(super) fn due_ms(order: Order, askers: usize) -> impl Iterator<Item = u64> {
    let per_s = match order.arrival {
        Arrival::PerSecond(per_s) => per_s,
        Arrival::InFlight(_) | Arrival::Zipf(_) => CLOSED_PER_S,
    };
    let each_ms = askers.max(1) as f64 * 1e3 / per_s.max(1.0);
    let lasts_ms = (order.warm_up_ms + order.measure_ms).min(AHEAD_MS);
    (0_u32..)
        .map(move |number| (each_ms * f64::from(number)) as u64)
        .take_while(move |due_ms| *due_ms < lasts_ms)
}

/// One request like `header`, with what is its own: number, time, payload.
pub(super) fn sealed(
    header: &RequestHeader,
    (sequence, issued_at_ms, payload): (u64, u64, Bytes),
    signer: &dyn Signer,
) -> anyhow::Result<(RequestHeader, Envelope)> {
    let salt = Salt::random()?;
    let header = RequestHeader {
        exchange_id: ExchangeId::from_uuid(Uuid::now_v7()).context("an exchange id")?,
        sequence,
        issued_at_ms,
        payload: Commitment::new(CONTENT_TYPE, &payload, &salt),
        ..header.clone()
    };
    let bytes = header.encode();
    let seal = Seal::one(label::REQUEST, ORIGIN, &bytes, signer)?;
    Ok((header, Envelope::new(bytes, seal, salt, payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(arrival: Arrival, measure_ms: u64) -> Order {
        Order {
            arrival,
            warm_up_ms: 1_000,
            measure_ms,
            may_refuse: true,
        }
    }

    #[test]
    fn as_many_are_sealed_as_are_due_and_none_that_would_be_stale() {
        let open = order(Arrival::PerSecond(4_000.0), 2_000);
        let due: Vec<u64> = due_ms(open, 4).collect();
        assert_eq!((due.len(), due[1], due[2_999]), (3_000, 1, 2_999));
        let closed = order(Arrival::InFlight(8), 1_000);
        assert_eq!(due_ms(closed, 16).count(), 2_000);
        let nothing = Order {
            warm_up_ms: 0,
            ..order(Arrival::PerSecond(4_000.0), 0)
        };
        assert_eq!(due_ms(nothing, 4).count(), 0);
        let long = order(Arrival::PerSecond(1_000.0), 600_000);
        assert!(due_ms(long, 1).all(|due_ms| due_ms < WINDOW_MS));
    }

    #[test]
    fn a_stock_is_given_out_in_order_and_replaced_whole() {
        let stock = Stock::default();
        let of = |salts: &[u8]| {
            let one = |salt: &u8| wire::Envelope {
                salt: Bytes::copy_from_slice(&[*salt]),
                ..wire::Envelope::default()
            };
            salts.iter().map(one).collect()
        };
        stock.put(of(&[1, 2, 3]));
        assert_eq!(stock.take().unwrap().salt[..], [1]);
        stock.put(of(&[7]));
        assert_eq!(stock.take().unwrap().salt[..], [7]);
        assert!(stock.take().is_none());
    }
}
