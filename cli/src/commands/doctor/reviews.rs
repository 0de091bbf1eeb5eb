//! Reviews after the glass was broken: whether one of this agency's is overdue. No row where no break-glass agreement
//! is between this agency and another.

use adapters::adapter::Adapter;

use super::check::Check;
use super::row::Row;
use crate::commands::review;
use crate::output::time_of_ms;

pub(super) async fn examine(adapter: &Adapter) -> Option<Row> {
    let own = adapter.home().system().agency();
    let registry = adapter.mirror().snapshot();
    let concerned = registry.agreements().any(|agreement| {
        let content = &agreement.content;
        let mut grants = content.grants.iter();
        (content.provider == own || content.consumer.covers(&own))
            && grants.any(|grant| grant.wants_review())
    });
    if !concerned {
        return None;
    }
    let remedy = [
        "`mohawel review list` shows them; the agency that was asked gives each with `mohawel review give`.",
        "يعرضها الأمر mohawel review list؛ وتقدّم الجهة المسؤولة كلًّا منها بالأمر mohawel review give.",
    ];
    let waiting = match review::waiting(adapter).await {
        Ok(waiting) => waiting,
        Err(failure) => return Some(Check::Reviews.failed(failure.what, remedy)),
    };
    let now_ms = adapter.clock().now_ms();
    let overdue = waiting.iter().filter(|row| row.due_at_ms <= now_ms).count();
    let count = waiting.len();
    let next = waiting.iter().map(|row| row.due_at_ms).min();
    let next = next.map(time_of_ms).unwrap_or_default();
    Some(match (overdue, count) {
        (0, 0) => Check::Reviews.ok([
            "nothing waits for a review".to_owned(),
            "لا شيء ينتظر المراجعة".to_owned(),
        ]),
        (0, _) => Check::Reviews.ok([
            format!("{count} wait, the first until {next}"),
            format!("عدد ما ينتظر {count}، أولها قبل {next}"),
        ]),
        _ => Check::Reviews.failed(
            [
                format!(
                    "{overdue} of {count} overdue since {next}: no further look is let through"
                ),
                format!("عدد المتأخر {overdue} من {count} منذ {next}: لا يُسمح بنظرة أخرى"),
            ],
            remedy,
        ),
    })
}
