//! What the registry's services say to acts at the border: gRPC status, stable word, remedy.

use proto::registry::BorderFault;
use tonic::Code::{self, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied};

/// A name that begins with an instance nobody admitted.
pub(super) const OTHER_INSTANCE: (Code, &str, &str) = (
    InvalidArgument,
    "other_instance",
    "Use the instance that Describe gives; an operator admits others with `mohawel instance admit`.",
);

/// A fault's status, stable word and remedy.
pub(super) fn explained(fault: &BorderFault) -> (Code, &'static str, &'static str) {
    match fault {
        BorderFault::Withdrawn(_) => (
            PermissionDenied,
            "instance_withdrawn",
            "`mohawel instance list` says when and why; ask the operators.",
        ),
        BorderFault::NotAdmitted(_) => (
            FailedPrecondition,
            "not_admitted",
            "`mohawel instance list` shows what is admitted; an operator admits.",
        ),
        BorderFault::NoBorder => (
            FailedPrecondition,
            "no_border",
            "Nothing needs to be opened: within one instance agreements hold as they are.",
        ),
        BorderFault::Widens(_) => (
            PermissionDenied,
            "widens",
            "`mohawel agreement show` tells the grants and how long they count.",
        ),
        BorderFault::UnknownOpening => (
            NotFound,
            "unknown_opening",
            "`mohawel agreement show` tells what is open abroad.",
        ),
    }
}
