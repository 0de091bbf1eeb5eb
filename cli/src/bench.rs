//! The load generator: what `mohawel bench` runs on one machine, and what the crate `benches` sets beside others.
//!
//! Takes an empty folder. Makes a switch and two agencies in it with the commands that people type, loads them from a
//! process of its own, and reads every process's cost from the kernel. Never touches a switch that is in use.
//!
//! | file | what it holds |
//! |---|---|
//! | [`child`] | processes that are started and ended, and commands run to their end |
//! | [`load`] | the closed and the open loop, latency, payloads |
//! | [`ours`] | the switch with a provider and a consumer |
//! | [`agencies`] | what these two do |
//! | [`round`] | the loads of one round |
//! | [`window`] | one measured window |
//! | [`cost`] | CPU, memory, synced appends, what else the machine does |
//! | [`evidence`] | the log of a run, verified from its files |
//! | [`spread`] | medians with their spreads |

mod agencies;
pub mod child;
pub mod cost;
pub mod evidence;
pub mod load;
pub mod ours;
pub mod round;
mod run;
pub mod spread;
pub mod window;

pub(crate) use run::run;

use std::future::Future;

use crate::args::BenchPart;
use crate::failure::Failure;

/// Plays a part that a bench started. It ends when its standard input does.
pub(crate) fn play(part: BenchPart) -> Result<(), Failure> {
    match part {
        BenchPart::Provider { home, hangs } => on_runtime(agencies::provider(home, hangs)),
        BenchPart::Consumer { payloads, homes } => {
            on_runtime(async move { agencies::consumer(homes, &payloads).await })
        }
    }
}

fn on_runtime(part: impl Future<Output = anyhow::Result<()>>) -> Result<(), Failure> {
    crate::block_on(async {
        part.await
            .map_err(|error| Failure::unavailable(format!("{error:#}")))
    })
}
