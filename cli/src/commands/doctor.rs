//! `mohawel doctor`: every hop of an agency or of a switch, each with what was found and what to do about it.
//!
//! Nothing is changed by looking, but for an adapter's own memory of the largest checkpoint. What needs a hop that
//! failed is listed as not tried, so that one cause is not told as ten.
//!
//! | file | what it looks at |
//! |---|---|
//! | [`agency`] | the agency's side, in the order in which a request goes: home, network, switch, registry, agreement |
//! | [`home`] | the adapter's own files |
//! | [`network`] | name, port, handshake |
//! | [`served`] | what the switch says, against this machine's clock and memory |
//! | [`reviews`] | whether a review is overdue after the glass was broken |
//! | [`call`] | which clause decides an intended call |
//! | [`operator`] | the operator's side: configuration, keys, certificates, log, doors |
//! | [`doors`] | the switch's two doors, from the machine it runs on |
//! | [`log`] | the log directory at its end, or whole |
//! | [`witnesses`] | who cosigned what is published |
//! | [`disk`], [`life`], [`modes`] | room left, certificates' lives, who may read a file |
//! | [`check`], [`row`] | what is checked; how one was found, and how all are printed |

use std::path::{Path, PathBuf};

use audit::clock::Clock;

use super::switch_dir::SwitchDir;
use crate::args::Doctor;
use crate::failure::Failure;
use crate::output::Output;

pub mod agency;
pub mod call;
pub mod check;
pub mod disk;
mod doors;
mod home;
pub mod life;
pub mod log;
mod modes;
pub mod network;
pub mod operator;
mod reviews;
pub mod row;
pub mod served;
mod witnesses;

use call::Intended;

/// Looks at the side that was asked for, and prints.
///
/// # Errors
/// [`crate::failure::Exit::Found`] when a check fails; a usage failure when neither side is named.
pub async fn run(doctor: Doctor, output: Output) -> Result<(), Failure> {
    let environment = |name: &str| std::env::var_os(name).map(PathBuf::from);
    match Side::of(&doctor, environment)? {
        Side::Agency(home) => {
            let call = match (doctor.service, doctor.operation, doctor.purpose) {
                (Some(service), Some(operation), Some(purpose)) => Some(Intended {
                    service,
                    operation,
                    purpose,
                    fields: doctor.fields,
                }),
                _ => None,
            };
            run_agency(&home, call.as_ref(), output).await
        }
        Side::Operator(switch) => {
            let switch = SwitchDir::new(switch);
            let depth = if doctor.deep {
                log::Depth::Whole(output)
            } else {
                log::Depth::End
            };
            let rows = operator::examine(&switch, depth, &Clock::System).await;
            row::print("operator", &rows, output)
        }
    }
}

/// The agency's side; `mohawel adapter check` is this without a call.
///
/// # Errors
/// As [`run`].
pub async fn run_agency(
    home: &Path,
    call: Option<&Intended>,
    output: Output,
) -> Result<(), Failure> {
    let rows = Box::pin(agency::examine(home, call, &Clock::System)).await;
    row::print("agency", &rows, output)
}

/// Whose side is looked at.
#[derive(Debug, PartialEq, Eq)]
enum Side {
    Agency(PathBuf),
    Operator(PathBuf),
}

impl Side {
    /// The option that was given, or the one variable of `environment` that is set.
    fn of(doctor: &Doctor, environment: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, Failure> {
        match (&doctor.home, &doctor.switch) {
            (Some(home), _) => return Ok(Self::Agency(home.clone())),
            (None, Some(switch)) => return Ok(Self::Operator(switch.clone())),
            (None, None) => {}
        }
        // What only one side has says which is meant.
        let home = environment("MOHAWEL_HOME").filter(|_| !doctor.deep);
        let switch = environment("MOHAWEL_SWITCH").filter(|_| doctor.service.is_none());
        match (home, switch) {
            (Some(home), None) => Ok(Self::Agency(home)),
            (None, Some(switch)) => Ok(Self::Operator(switch)),
            _ => Err(Failure::usage(
                "say which side: --home DIR for an agency's, --switch DIR for the operator's",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
