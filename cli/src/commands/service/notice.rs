//! `mohawel service disable` and `enable`: an operation or a whole service is switched off with a notice, and on again.

use proto::act::{AgencyDeed, OperationNotice};

use crate::args::Switched;
use crate::commands::members::agency_act;
use crate::failure::Failure;
use crate::output::Output;

/// Switches off with the notices in Arabic and English, or on again without.
///
/// # Errors
/// As [`crate::commands::act::submit`].
pub(super) async fn run(
    switched: Switched,
    notices: Option<[String; 2]>,
    output: Output,
) -> Result<(), Failure> {
    let told = match notices {
        Some(_) => [
            "Switched off; whoever asks is refused as operation_disabled from now on",
            "أُوقفت؛ ويُرفض من الآن كل سؤال بالرمز operation_disabled",
        ],
        None => ["Switched on again", "أُعيد تشغيلها"],
    };
    let disabled = notices.is_some();
    let [notice_ar, notice_en] = notices.unwrap_or_default();
    let deed = AgencyDeed::Notice(OperationNotice {
        system: switched.service.system(),
        service: switched.service.service(),
        operation: switched.operation,
        disabled,
        notice_ar,
        notice_en,
    });
    agency_act(&switched.home, &switched.authority, deed, told, output).await
}
