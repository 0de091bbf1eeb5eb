//! Whether the published checkpoint carries the cosignatures of the configured witnesses.
//!
//! Reads files alone: the policy and the checkpoint. Whom a witness would cosign for now, only the running broker hears.

use std::time::Duration;

use audit::clock::Clock;
use audit::note::SignedNote;
use audit::tiles::published::read_published;
use broker::Config;

use super::check::Check;
use super::log::Ends;
use super::row::{Row, same};
use crate::commands::audit::witnesses::read;
use crate::output::time_of_ms;

const REMEDY: [&str; 2] = [
    "Look at the broker's log: it says who gave nothing and why. Reach those witnesses, or have others (docs/operating.md, section 10).",
    "راجع سجل الوسيط فهو يبيّن من لم يشهد ولماذا. تواصل مع هؤلاء الشهود أو استعن بغيرهم (القسم 10 من docs/operating.md).",
];

/// The row, where witnesses are configured.
pub(super) fn examine(config: &Config, ends: Option<&Ends>, clock: &Clock) -> Option<Row> {
    let witness = config.witness.as_ref()?;
    let Some(ends) = ends else {
        return Some(Check::Witnesses.not_tried(Check::Log));
    };
    let policy = match read(&witness.policy) {
        Ok(policy) => policy,
        Err(failure) => return Some(Check::Witnesses.failed(failure.what, REMEDY)),
    };
    let published = read_published(&config.log.dir).map_err(|error| error.to_string());
    let note = published.and_then(|published| {
        let note = published.map(|published| published.note);
        SignedNote::parse(&note.unwrap_or_default()).map_err(|error| error.to_string())
    });
    let witnessed = match note {
        Ok(note) => policy.verify(&note),
        Err(error) => return Some(Check::Witnesses.failed(same(error), REMEDY)),
    };
    let late = clock.now_ms().saturating_sub(ends.last_recorded_at_ms);
    let held = witnessed.held.iter();
    let held = held.map(|one| format!("{} {}", one.name, time_of_ms(one.time_s * 1_000)));
    let held = held.collect::<Vec<_>>().join(", ");
    if !witnessed.bad.is_empty() {
        let bad = witnessed.bad.join("; ");
        return Some(Check::Witnesses.failed(same(bad), REMEDY));
    }
    if witnessed.quorum {
        return Some(Check::Witnesses.ok(same(held)));
    }
    let found = [
        format!(
            "no quorum ({}) under the published checkpoint, whose last entry is {} s old; there: {held}",
            policy.quorum_text(),
            late / 1_000
        ),
        format!(
            "لا نصاب ({}) تحت نقطة التحقق المنشورة، وعمر آخر قيد فيها {} ثانية؛ الموجود: {held}",
            policy.quorum_text(),
            late / 1_000
        ),
    ];
    // They are being asked.
    let row = if Duration::from_millis(late) < witness.late_alarm {
        Check::Witnesses.warning(found, REMEDY)
    } else {
        Check::Witnesses.failed(found, REMEDY)
    };
    Some(row)
}
