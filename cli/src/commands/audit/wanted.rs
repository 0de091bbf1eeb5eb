//! What the command line wants of a log, as the library's filter.

use audit::replay::Filter;

use crate::args::Wanted;
use crate::failure::Failure;
use crate::output::ms_of_time;

/// The filter that the options make.
///
/// # Errors
/// A usage failure for a time that is none.
pub(super) fn filter(wanted: &Wanted) -> Result<Filter, Failure> {
    let wanted = wanted.clone();
    Ok(Filter {
        kind: wanted.kind,
        exchange: wanted.exchange,
        party: wanted.party,
        consumer: wanted.consumer,
        provider: wanted.provider,
        service: wanted.service,
        operation: wanted.operation,
        purpose: wanted.purpose,
        code: wanted.code,
        agreement: wanted.agreement,
        key: wanted.seal_key,
        actor: wanted.actor,
        case: wanted.case,
        subject: wanted.subject,
        from_ms: wanted.since.as_deref().map(ms_of_time).transpose()?,
        to_ms: wanted.until.as_deref().map(ms_of_time).transpose()?,
        from: wanted.from,
        to: wanted.to,
    })
}
