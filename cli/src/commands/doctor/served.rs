//! What the switch says once it is reached: whether it serves this system, its clock, its registry, its log.

use std::time::Duration;

use adapters::adapter::{Adapter, AdapterError};
use adapters::alarm::{self, book::Book};
use adapters::checkpoints::SeenError;
use adapters::error::Distrust;
use adapters::mirror::MirrorError;
use audit::clock::Clock;
use certs::Validity;
use proto::refusal::Language;
use proto::wire::audit::v1::CheckpointRequest;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::check::Check;
use super::network::HOP_WAIT;
use super::row::{Both, Row, same};
use crate::commands::refused;

const ASK_OPERATOR: [&str; 2] = [
    "Ask the operator for the switch's state: `mohawel doctor --switch DIR` there.",
    "اسأل المشغّل عن حالة المحوِّل: بالأمر mohawel doctor --switch لديه.",
];
const TELL_AUDITOR: [&str; 2] = [
    "Keep the home folder as it is and tell the auditor.",
    "أبقِ المجلد كما هو وأبلغ المدقّق.",
];

/// A time that the switch said, and this machine's when it was heard.
#[derive(Clone, Debug)]
pub(super) struct Dated {
    date: Option<String>,
    now_ms: u64,
}

impl Dated {
    /// The switch said nothing.
    pub(super) fn unanswered(clock: &Clock) -> Self {
        Self {
            date: None,
            now_ms: clock.now_ms(),
        }
    }
}

/// Asks the smallest question there is.
pub(super) async fn switch(adapter: &Adapter) -> Result<(Row, Dated), Row> {
    let mut log = adapter.connection().log();
    let asked = log.checkpoint(CheckpointRequest {});
    match tokio::time::timeout(HOP_WAIT, asked).await {
        Ok(Ok(response)) => {
            let date = response.metadata().get("date");
            let dated = Dated {
                date: date.and_then(|date| date.to_str().ok()).map(str::to_owned),
                now_ms: adapter.clock().now_ms(),
            };
            let system = adapter.home().system();
            let found = [format!("it serves {system}"), format!("يخدم {system}")];
            Ok((Check::Switch.ok(found), dated))
        }
        Ok(Err(status)) => {
            let failure = refused::failure(&status);
            let remedy = [
                "The switch is reached and does not serve this certificate: ask the operator, and look at the clock.",
                "المحوِّل متاح لكنه لا يقبل هذه الشهادة: اسأل المشغّل وراجع الساعة.",
            ];
            Err(Check::Switch.failed(failure.what, remedy))
        }
        Err(_) => Err(Check::Switch.failed(late(), ASK_OPERATOR)),
    }
}

fn late() -> Both {
    let seconds = HOP_WAIT.as_secs();
    [
        format!("no answer in {seconds} s"),
        format!("لا إجابة خلال {seconds} ثوانٍ"),
    ]
}

/// This machine's clock against the date of the switch's answer, whole seconds; without one, against the life of
/// this adapter's own certificate.
pub(super) fn clock(dated: &Dated, own: Option<Validity>, window_ms: u64) -> Row {
    let (date, now_ms) = (dated.date.as_deref(), dated.now_ms);
    let read = date.and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
    let theirs_ms = read
        .and_then(|time| u64::try_from(time.unix_timestamp()).ok())
        .map(|seconds| seconds * 1_000);
    match theirs_ms {
        Some(theirs_ms) => beside(now_ms.abs_diff(theirs_ms), window_ms),
        None => within(own, now_ms),
    }
}

const SET_CLOCK: [&str; 2] = [
    "Set this machine's clock (NTP).",
    "اضبط ساعة هذا الجهاز (NTP).",
];

fn beside(apart_ms: u64, window_ms: u64) -> Row {
    let (apart, window) = (apart_ms / 1_000, window_ms / 1_000);
    let found = [
        format!("{apart} s from the switch's; {window} s are allowed"),
        format!("الفرق عن المحوِّل {apart} ثانية والمسموح {window}"),
    ];
    match apart_ms {
        apart if apart > window_ms => Check::Clock.failed(found, SET_CLOCK),
        apart if apart > window_ms / 3 => Check::Clock.warning(found, SET_CLOCK),
        _ => Check::Clock.ok(found),
    }
}

fn within(own: Option<Validity>, now_ms: u64) -> Row {
    let now_s = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
    let unasked = [
        "the switch said no time; by the certificate's life alone".to_owned(),
        "لم يذكر المحوِّل وقتًا؛ والحكم بمدة الشهادة وحدها".to_owned(),
    ];
    let Some(own) = own else {
        return Check::Clock.warning(unasked, SET_CLOCK);
    };
    if now_s < own.not_before.unix_timestamp() {
        Check::Clock.failed(
            [
                format!(
                    "it is before the beginning of this adapter's certificate, {}",
                    own.not_before
                ),
                format!("متأخرة عن بداية شهادة هذا المحوّل الطرفي {}", own.not_before),
            ],
            SET_CLOCK,
        )
    } else if now_s >= own.not_after.unix_timestamp() {
        Check::Clock.warning(
            [
                "after the end of this adapter's certificate: either it ended, or the clock runs ahead".to_owned(),
                "بعد نهاية شهادة هذا المحوّل الطرفي: إما أنها انتهت أو أن الساعة متقدمة".to_owned(),
            ],
            SET_CLOCK,
        )
    } else {
        Check::Clock.ok(unasked)
    }
}

/// Whether the registry comes and proves itself to this adapter's own fold.
pub(super) async fn registry(adapter: &Adapter) -> Row {
    match adapter.ready(HOP_WAIT).await {
        Ok(()) => {
            let size = adapter.mirror().size();
            Check::Registry.ok([
                format!("registry entries folded here: {size}"),
                format!("قيود السجل العام المحسوبة هنا: {size}"),
            ])
        }
        Err(AdapterError::Mirror(MirrorError::Distrust(reason))) => match reason {
            Distrust::Registry(_) => Check::Registry.failed(same(reason), TELL_AUDITOR),
            // Found by the adapter's own watch in the meantime: the checkpoint's row says it.
            _ => Check::Registry.not_tried(Check::Checkpoint),
        },
        Err(error) => Check::Registry.failed(same(error), ASK_OPERATOR),
    }
}

/// Whether the registry lets this adapter's key seal for its system.
pub(super) fn key(adapter: &Adapter) -> Row {
    let registry = adapter.mirror().snapshot();
    let (kid, system) = (adapter.home().signer().key().kid(), adapter.home().system());
    match registry.seal_key(&kid, system) {
        Ok(_) => Check::Key.ok([
            format!("{} is bound to {system}", kid.short()),
            format!("{} مربوط بالنظام {system}", kid.short()),
        ]),
        Err(code) => Check::Key.failed(
            [
                format!("{} ({code})", code.sentence(Language::English)),
                format!("{} ({code})", code.sentence(Language::Arabic)),
            ],
            [
                code.remedy(Language::English),
                code.remedy(Language::Arabic),
            ],
        ),
    }
}

/// Whether the log binds something to the agency that nobody here knows of.
pub(super) fn alarms(adapter: &Adapter) -> Row {
    let home = adapter.home();
    let looked = alarm::look(home, &adapter.mirror().snapshot(), adapter.clock().now_ms());
    let book = looked.and_then(|_| Book::read(home.dir()));
    let open = match &book {
        Ok(book) => book.open(),
        Err(error) => {
            let remedy = [
                "The alarms of this home are kept there: mend it first.",
                "إنذارات هذا المجلد محفوظة هناك: أصلحه أولًا.",
            ];
            return Check::Alarms.failed(same(error), remedy);
        }
    };
    let Some(first) = open.first() else {
        return Check::Alarms.ok([
            "every key of the agency is known here".to_owned(),
            "كل مفاتيح الجهة معروفة هنا".to_owned(),
        ]);
    };
    let (count, bound) = (open.len(), &first.bound);
    Check::Alarms.failed(
        [
            format!(
                "{count} open, the first: {} of {}",
                bound.what.name(),
                bound.subject
            ),
            format!(
                "عدد المفتوح {count}، أولها: {} {}",
                bound.what.name(),
                bound.subject
            ),
        ],
        [
            "Run `mohawel adapter alarms`, and ask the agency's administrators who made each.",
            "شغّل mohawel adapter alarms واسأل مسؤولي الجهة عمّن أنشأ كلًّا منها.",
        ],
    )
}

/// How long the switch may take to publish what it acknowledged.
const PUBLISH_WAIT: Duration = Duration::from_secs(5);

/// Whether the published log extends everything that this home has seen of it.
pub(super) async fn checkpoint(adapter: &Adapter) -> Row {
    let reconciled = adapter.checkpoints().reconcile(adapter.connection());
    match tokio::time::timeout(HOP_WAIT, reconciled).await {
        Ok(Ok(())) => settled(adapter).await,
        Ok(Err(error)) => unseen(error),
        Err(_) => Check::Checkpoint.failed(late(), ASK_OPERATOR),
    }
}

/// Whether what receipts promised is published by now, or will be in a moment.
async fn settled(adapter: &Adapter) -> Row {
    let checkpoints = adapter.checkpoints();
    let settled = checkpoints
        .settled(adapter.connection(), PUBLISH_WAIT)
        .await;
    let size = checkpoints.seen().map_or(0, |seen| seen.size);
    match settled {
        Ok(true) => Check::Checkpoint.ok([
            format!("log size {size}, consistent with all that was seen before"),
            format!("حجم السجل {size}، وهو متسق مع كل ما سبقت رؤيته"),
        ]),
        Ok(false) => Check::Checkpoint.failed(
            [
                format!("{size} entries are published, and a receipt proves that there were more"),
                format!("المنشور {size} قيدًا، وهناك إيصال يثبت أنها كانت أكثر"),
            ],
            [
                "Keep the home folder as it is. If the same is said a minute later, the switch's log was put back to an older copy: tell the auditor.",
                "أبقِ المجلد كما هو. فإن تكرر ذلك بعد دقيقة فقد أُعيد سجل المحوِّل إلى نسخة أقدم: أبلغ المدقّق.",
            ],
        ),
        Err(error) => unseen(error),
    }
}

fn unseen(error: SeenError) -> Row {
    match error {
        SeenError::Distrust(Distrust::Registry(_)) => Check::Checkpoint.not_tried(Check::Registry),
        SeenError::Distrust(reason) => Check::Checkpoint.failed(same(reason), TELL_AUDITOR),
        error => Check::Checkpoint.failed(same(error), ASK_OPERATOR),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Standing;
    use super::*;

    fn dated(date: Option<&str>, now_ms: u64) -> Dated {
        Dated {
            date: date.map(str::to_owned),
            now_ms,
        }
    }

    #[test]
    fn clocks_are_compared_by_the_date_of_the_answer() {
        let date = Some("Sun, 22 Nov 2026 10:00:00 GMT");
        let theirs_ms = 1_795_341_600_000;
        for (now_ms, standing) in [
            (theirs_ms + 900, Standing::Ok),
            (theirs_ms + 15_000, Standing::Warning),
            (theirs_ms - 31_000, Standing::Failed),
        ] {
            let row = clock(&dated(date, now_ms), None, 30_000);
            assert_eq!(row.standing, standing, "{now_ms}");
        }
    }

    #[test]
    fn without_a_date_the_own_certificate_is_what_there_is() {
        let second = |unix| OffsetDateTime::from_unix_timestamp(unix).unwrap();
        let own = Some(Validity {
            not_before: second(1_000),
            not_after: second(2_000),
        });
        for (date, own, now_ms, standing) in [
            (None, own, 1_500_000, Standing::Ok),
            (Some("yesterday"), own, 999_999, Standing::Failed),
            (None, own, 2_000_000, Standing::Warning),
            (None, None, 1_500_000, Standing::Warning),
        ] {
            let row = clock(&dated(date, now_ms), own, 30_000);
            assert_eq!(row.standing, standing, "{now_ms}");
        }
    }
}
