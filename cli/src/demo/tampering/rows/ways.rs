//! The rows about the newer ways to exchange: chunks both ways, many items, sealed payloads, questions that wait.
//!
//! In most of them the operator is not alone: one agency lends it its key, so that every seal holds and only what the
//! entries say of each other is left to tell.

use super::Outsider::{Auditor, Consumer, Member, OlderCopy, Witness};
use super::{Deed, Row};

/// What is forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::demo::tampering) enum Way {
    TrailerCount,
    TrailerLength,
    TrailerRoot,
    TrailerUnopened,
    TrailerElsewhere,
    TrailerInAClosing,
    EndedTwice,
    Manifest,
    ItemsElsewhere,
    Unsealed,
    KeyOfAnother,
    AnswerLate,
    CutShort,
    Outlived,
    SubmissionTwice,
    UploadUntrailed,
    UploadElsewhere,
    UploadTwice,
}

/// After the others.
pub(in crate::demo::tampering) const WAYS: &[Row] = &[
    Row {
        name: "trailer-count",
        what: [
            "with the provider's key: say of an answer that it came in one chunk more",
            "بمفتاح الجهة المجيبة: الادعاء بأن الإجابة جاءت في قطعة زائدة",
        ],
        deed: Deed::Way(Way::TrailerCount),
        rule: "",
        by: &[OlderCopy, Witness, Consumer],
    },
    Row {
        name: "trailer-length",
        what: [
            "with the provider's key: say of an answer that it was shorter than announced",
            "بمفتاح الجهة المجيبة: الادعاء بأن الإجابة أقصر مما أُعلن",
        ],
        deed: Deed::Way(Way::TrailerLength),
        rule: "answer",
        by: &[Auditor, OlderCopy, Witness, Consumer],
    },
    Row {
        name: "trailer-root",
        what: [
            "with the provider's key: say of an answer that it held something else",
            "بمفتاح الجهة المجيبة: الادعاء بأن مضمون الإجابة كان غيره",
        ],
        deed: Deed::Way(Way::TrailerRoot),
        rule: "",
        by: &[OlderCopy, Witness, Consumer],
    },
    Row {
        name: "trailer-unopened",
        what: [
            "leave out the opening of an answer in chunks, and keep its trailer",
            "حذف قيد افتتاح إجابة مجزأة وإبقاء خاتمتها",
        ],
        deed: Deed::Way(Way::TrailerUnopened),
        rule: "answer",
        by: &[Auditor, Consumer],
    },
    Row {
        name: "trailer-elsewhere",
        what: [
            "end an answer in chunks with the trailer of another exchange",
            "إنهاء إجابة مجزأة بخاتمة تبادل آخر",
        ],
        deed: Deed::Way(Way::TrailerElsewhere),
        rule: "answer",
        by: &[Auditor, Consumer],
    },
    Row {
        name: "trailer-closing",
        what: [
            "record an answer in chunks as one piece, so that nothing says what it held",
            "تدوين إجابة مجزأة كأنها قطعة واحدة، فلا يدل شيء على مضمونها",
        ],
        deed: Deed::Way(Way::TrailerInAClosing),
        rule: "answer",
        by: &[Auditor, Consumer],
    },
    Row {
        name: "ended-twice",
        what: [
            "end an answer in chunks a second time",
            "إنهاء إجابة مجزأة مرة ثانية",
        ],
        deed: Deed::Way(Way::EndedTwice),
        rule: "pairing",
        by: &[Auditor],
    },
    Row {
        name: "manifest",
        what: [
            "with the consumer's key: say of a batch that it asked for other items",
            "بمفتاح الجهة السائلة: الادعاء بأن الدفعة سألت عن عناصر أخرى",
        ],
        deed: Deed::Way(Way::Manifest),
        rule: "answer",
        by: &[Auditor, OlderCopy, Witness],
    },
    Row {
        name: "items-elsewhere",
        what: [
            "exchange the results of two segments of a batch",
            "تبديل نتائج جزأين من دفعة",
        ],
        deed: Deed::Way(Way::ItemsElsewhere),
        rule: "answer",
        by: &[Auditor, Consumer, OlderCopy],
    },
    Row {
        name: "unsealed",
        what: [
            "with the consumer's key: let an open payload through where the grant wants it sealed",
            "بمفتاح الجهة السائلة: تمرير محتوى مكشوف حيث تشترط المنحة ختمه",
        ],
        deed: Deed::Way(Way::Unsealed),
        rule: "decision",
        by: &[Auditor],
    },
    Row {
        name: "encryption-key",
        what: [
            "with another agency's key: bind a key of the operator's own to a system, to read what is sealed for it",
            "بمفتاح جهة أخرى: ربط مفتاح للمشغّل بنظام لقراءة ما يُختم له",
        ],
        deed: Deed::Way(Way::KeyOfAnother),
        rule: "fold",
        by: &[Auditor, Member],
    },
    Row {
        name: "submission-late",
        what: [
            "record the answer to a submission after its time was over",
            "تدوين إجابة طلب مودَع بعد انتهاء مدته",
        ],
        deed: Deed::Way(Way::AnswerLate),
        rule: "time",
        by: &[Auditor, OlderCopy],
    },
    Row {
        name: "submission-cut",
        what: [
            "say of a submission that its time was over, before it was",
            "الادعاء بانتهاء مدة طلب مودَع قبل أوانها",
        ],
        deed: Deed::Way(Way::CutShort),
        rule: "time",
        by: &[Auditor, Consumer],
    },
    Row {
        name: "submission-outlived",
        what: [
            "let a submission be answered although its agreement was revoked meanwhile",
            "السماح بالإجابة عن طلب مودَع رغم إلغاء اتفاقيته في الأثناء",
        ],
        deed: Deed::Way(Way::Outlived),
        rule: "decision",
        by: &[Auditor, OlderCopy],
    },
    Row {
        name: "submission-twice",
        what: ["end a submission a second time", "إنهاء طلب مودَع مرة ثانية"],
        deed: Deed::Way(Way::SubmissionTwice),
        rule: "pairing",
        by: &[Auditor],
    },
    Row {
        name: "upload-untrailed",
        what: [
            "leave out the trailer of a request in chunks that was answered",
            "حذف خاتمة طلب مجزأ أُجيب عنه",
        ],
        deed: Deed::Way(Way::UploadUntrailed),
        rule: "answer",
        by: &[Auditor, Consumer],
    },
    Row {
        name: "upload-elsewhere",
        what: [
            "end a request in chunks with the trailer of another one",
            "إنهاء طلب مجزأ بخاتمة طلب آخر",
        ],
        deed: Deed::Way(Way::UploadElsewhere),
        rule: "seal",
        by: &[Auditor, Consumer],
    },
    Row {
        name: "upload-twice",
        what: [
            "record the trailer of a request in chunks twice",
            "تدوين خاتمة طلب مجزأ مرتين",
        ],
        deed: Deed::Way(Way::UploadTwice),
        rule: "pairing",
        by: &[Auditor],
    },
];
