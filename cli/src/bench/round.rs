//! The loads of one round, in the order in which they are run: each later one takes its rate from the first.

use serde::Serialize;

use super::load::{Arrival, Order};

/// One load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// As many in flight as the plan says: the most that goes through.
    Full,
    /// Requests at half the rate that [`Load::Full`] reached in the same round, however long answers take.
    Half,
    /// One in flight: the path.
    One,
}

/// All of them.
pub const LOADS: [Load; 3] = [Load::Full, Load::Half, Load::One];

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Requests in flight under [`Load::Full`].
    pub in_flight: usize,
    /// Milliseconds of load before the window.
    pub warm_up_ms: u64,
    /// Milliseconds of the window.
    pub measure_ms: u64,
}

impl Load {
    /// The order for it; `peak` is what [`Load::Full`] reached, exchanges a second.
    #[must_use]
    pub fn order(self, size: Size, peak: f64) -> Order {
        Order {
            arrival: match self {
                Self::Full => Arrival::InFlight(size.in_flight),
                Self::Half => Arrival::PerSecond(peak / 2.0),
                Self::One => Arrival::InFlight(1),
            },
            warm_up_ms: size.warm_up_ms,
            measure_ms: size.measure_ms,
            // A stall (of the disk, of the machine) at a fixed rate can bring more than may wait. That is told, and no reason to
            // end the run; what the log holds of refusals still is.
            may_refuse: self == Self::Half,
        }
    }
}
