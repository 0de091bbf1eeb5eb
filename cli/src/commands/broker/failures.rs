//! What is said when a switch does not start, or ends by itself.

use broker::witnesses::Unwitnessed;

use crate::failure::{Exit, Failure};

pub(super) fn not_started(error: &broker::StartError) -> Failure {
    use broker::StartError;
    use broker::exchange::ResumeError;
    let exit = match error {
        StartError::Log(_)
        | StartError::Epoch(_)
        | StartError::Listener(_)
        | StartError::Metrics { .. }
        | StartError::Unwitnessed(Unwitnessed::NoQuorum { .. })
        | StartError::Resume(ResumeError::Read(_) | ResumeError::Append(_)) => Exit::Unavailable,
        StartError::Registry(_)
        | StartError::Resume(_)
        | StartError::Unwitnessed(Unwitnessed::Against(_)) => Exit::Untrusted,
        StartError::LogKey(_)
        | StartError::Authority(_)
        | StartError::Identity(_)
        | StartError::Mismatches(_)
        | StartError::Tls(_)
        | StartError::OutsideRoot { .. }
        | StartError::Witnesses(_)
        | StartError::Time(_)
        | StartError::Reflection(_) => Exit::Usage,
    };
    Failure::new(
        exit,
        [
            format!("The switch does not start: {error}"),
            format!("لا يمكن تشغيل المحوِّل: {error}"),
        ],
        [
            "docs/operating.md, \"When the switch refuses to start\", says what to do. Change nothing in the log directory by hand.",
            "راجع قسم «When the switch refuses to start» في docs/operating.md، ولا تغيّر شيئًا في مجلد السجل بيدك.",
        ],
    )
}

pub(super) fn limit_passed(reason: &str) -> Failure {
    Failure::new(
        Exit::Unavailable,
        [
            format!("A limit of the configuration ended the switch: {reason}"),
            format!("انتهى عمل المحوِّل بسبب حد في الإعدادات: {reason}"),
        ],
        [
            "Nothing is lost. See whether the authorities under [time] can be reached, then start the switch again.",
            "لم يُفقد شيء. تحقق من إمكانية الوصول إلى جهات الختم الزمني في [time] ثم أعد تشغيل المحوِّل.",
        ],
    )
}

pub(super) fn log_stopped(reason: &str) -> Failure {
    Failure::new(
        Exit::Unavailable,
        [
            format!("The log can no longer record, so nothing is exchanged: {reason}"),
            format!("لم يعد السجل قادرًا على التدوين فتوقف التبادل: {reason}"),
        ],
        [
            "Nothing acknowledged is lost. Look at the disk, then start the switch again: it verifies what it finds.",
            "لم يُفقد شيء مما أُقرّ به. افحص القرص ثم أعد تشغيل المحوِّل: وسيتحقق مما يجده.",
        ],
    )
}
