//! What the verdicts say, in both languages.

use std::fmt;

use proto::Digest;
use proto::act::AgreementContent;

use super::{State, Verdict};
use crate::timestamp::TrustedTime;

/// Every check with its title.
const TITLES: &[(&str, [&str; 2])] = &[
    ("form", ["form of the bundle", "صيغة الحزمة"]),
    ("key", ["the log's key", "مفتاح السجل"]),
    (
        "checkpoint",
        [
            "the log's signature under the checkpoint",
            "توقيع السجل على نقطة التحقق",
        ],
    ),
    ("witnesses", ["cosignatures of witnesses", "توقيعات الشهود"]),
    (
        "inclusion",
        [
            "every entry is under the checkpoint",
            "كل قيد تحت نقطة التحقق",
        ],
    ),
    (
        "registry",
        [
            "the registry entries follow from each other",
            "قيود التسجيل متسلسلة",
        ],
    ),
    (
        "registry_complete",
        ["no registry entry was left out", "لم يُسقط قيد تسجيل"],
    ),
    (
        "seals",
        [
            "requests are sealed by keys bound at that time",
            "الطلبات مختومة بمفاتيح مربوطة حينها",
        ],
    ),
    (
        "answers",
        [
            "answers and endings belong to their requests",
            "الإجابات والنهايات تخص طلباتها",
        ],
    ),
    (
        "decisions",
        [
            "the decisions follow from the agreements",
            "القرارات تتبع الاتفاقات",
        ],
    ),
    (
        "agreement",
        [
            "agreements sealed by both authorities",
            "الاتفاقات مختومة من السلطتين",
        ],
    ),
    (
        "switch_part",
        [
            "the switch's own part contradicts nothing",
            "جزء المحوِّل لا يناقض شيئًا",
        ],
    ),
    (
        "disclosed",
        [
            "disclosed payloads are what was sealed",
            "المحتوى المُفصح عنه هو ما خُتم",
        ],
    ),
    ("time", ["time-stamp (RFC 3161)", "الختم الزمني (RFC 3161)"]),
    (
        "files",
        [
            "what openssl reads is made from the entries",
            "ملفات openssl مصنوعة من القيود",
        ],
    ),
    (
        "page",
        [
            "the page says what the evidence says",
            "الصفحة تقول ما يقوله الدليل",
        ],
    ),
];

pub(super) fn verdict(check: &'static str, state: State, detail: [String; 2]) -> Verdict {
    let known = TITLES.iter().find(|(name, _)| *name == check);
    Verdict {
        check,
        title: known.map_or([check, check], |(_, title)| *title),
        state,
        detail,
    }
}

fn two(en: impl Into<String>, ar: impl Into<String>) -> [String; 2] {
    [en.into(), ar.into()]
}

/// Something that reads left to right, isolated inside Arabic text.
fn isolated(text: impl fmt::Display) -> String {
    format!("\u{2066}{text}\u{2069}")
}

/// An error or a finding, whose words are the same in both.
pub(super) fn plain(what: impl fmt::Display) -> [String; 2] {
    let what = what.to_string();
    [what.clone(), what]
}

pub(super) fn key_given(vkey: &str) -> [String; 2] {
    two(
        format!("the one you gave: {vkey}"),
        format!("المفتاح الذي قدمته: {}", isolated(vkey)),
    )
}

pub(super) fn key_inside(vkey: &str) -> [String; 2] {
    two(
        format!("taken from the bundle; compare it with one from elsewhere (--key): {vkey}"),
        format!(
            "مأخوذ من الحزمة؛ قارنه بمفتاح من مصدر آخر (‎--key): {}",
            isolated(vkey)
        ),
    )
}

pub(super) fn other_key(inside: &str, given: &str) -> [String; 2] {
    two(
        format!("the bundle is of {inside}, you gave {given}"),
        format!(
            "الحزمة للمفتاح {} والذي قدمته {}",
            isolated(inside),
            isolated(given)
        ),
    )
}

pub(super) fn entries_and_root(size: u64, root: &Digest) -> [String; 2] {
    two(
        format!("{size} entries, root {root}"),
        format!("{size} قيدًا، الجذر {}", isolated(root)),
    )
}

pub(super) fn entries(count: usize) -> [String; 2] {
    two(format!("{count} entries"), format!("{count} قيدًا"))
}

pub(super) fn entry_not_included(index: u64) -> [String; 2] {
    two(
        format!("the proof of entry {index} does not lead to the root"),
        format!("إثبات القيد {index} لا يصل إلى الجذر"),
    )
}

pub(super) fn other_genesis() -> [String; 2] {
    two(
        "entry 0 is not in the bundle, or names another log or key",
        "القيد الأول ليس في الحزمة أو يذكر سجلًا أو مفتاحًا آخر",
    )
}

pub(super) fn not_whole() -> [String; 2] {
    two(
        "only the entries that the exchange stands on are here: that no other one ended a key or an agreement is not shown. Ask for a bundle made with --whole-registry",
        "هنا القيود التي يقوم عليها التبادل وحدها: لا يظهر أن قيدًا آخر لم يُنه مفتاحًا أو اتفاقًا. اطلب حزمة صُنعت بالخيار ‎--whole-registry",
    )
}

pub(super) fn whole(size: u64) -> [String; 2] {
    two(
        format!("all {size} are here: they make the registry root in every stamp"),
        format!("كلها هنا ({size}): وهي تصنع جذر التسجيل المذكور في كل ختم"),
    )
}

pub(super) fn nothing() -> [String; 2] {
    two(
        "nothing of the kind is in the bundle",
        "لا شيء من هذا في الحزمة",
    )
}

pub(super) fn no_policy() -> [String; 2] {
    two(
        "no witness policy is in the bundle, and none was given (--policy)",
        "لا توجد سياسة شهود في الحزمة ولم تُقدَّم سياسة (\u{200e}--policy)",
    )
}

pub(super) fn other_policy() -> [String; 2] {
    two(
        "the witness policy is for another log",
        "سياسة الشهود لسجل آخر",
    )
}

pub(super) fn none_asked() -> [String; 2] {
    two("the policy asks for no witness", "السياسة لا تطلب شاهدًا")
}

pub(super) fn no_quorum(wanted: &str, there: &str) -> [String; 2] {
    two(
        format!("the policy asks for {wanted}; cosigned by: {there}"),
        format!(
            "تطلب السياسة {}؛ والموقّعون: {}",
            isolated(wanted),
            isolated(there)
        ),
    )
}

pub(super) fn cosigned(names: &str) -> [String; 2] {
    two(
        format!("cosigned by {names}"),
        format!("شهد عليها {}", isolated(names)),
    )
}

pub(super) fn no_roots() -> [String; 2] {
    two(
        "a token is in the bundle; give the root certificate of its authority (--time-roots)",
        "في الحزمة ختم زمني؛ قدّم شهادة جذر هيئته (\u{200e}--time-roots)",
    )
}

pub(super) fn not_later(time: &TrustedTime) -> [String; 2] {
    two(
        format!("the exchange was recorded before {time}"),
        format!("دُوّن التبادل قبل {}", isolated(time)),
    )
}

pub(super) fn not_disclosed() -> [String; 2] {
    two("no party disclosed a payload", "لم يفصح أي طرف عن محتوى")
}

pub(super) fn looked_at(count: usize) -> [String; 2] {
    two(format!("{count} looked at"), format!("فُحص {count}"))
}

/// What the judge found at an entry.
pub(super) fn at(index: u64, what: &str) -> [String; 2] {
    two(
        format!("entry {index}: {what}"),
        format!("القيد {index}: {}", isolated(what)),
    )
}

pub(super) fn no_agreement(index: u64) -> [String; 2] {
    two(
        format!("the agreement that let entry {index} through is not in the bundle"),
        format!("الاتفاق الذي أذن بالقيد {index} ليس في الحزمة"),
    )
}

pub(super) fn not_sealed(index: u64) -> [String; 2] {
    two(
        format!("the agreement behind entry {index} was not sealed by both before it"),
        format!("الاتفاق وراء القيد {index} لم يختمه الطرفان قبله"),
    )
}

pub(super) fn sealed_by(content: &AgreementContent, more: usize) -> [String; 2] {
    let (consumer, provider) = (&content.consumer, &content.provider);
    let who = if content.consumer.is_public() {
        two(
            format!("a public grant to {consumer}, sealed by {provider}"),
            format!(
                "منحة عامة إلى {} ختمها {}",
                isolated(consumer),
                isolated(provider)
            ),
        )
    } else {
        two(
            format!("sealed by {consumer} and {provider}"),
            format!("ختمه {} و{}", isolated(consumer), isolated(provider)),
        )
    };
    if more == 0 {
        return who;
    }
    let [en, ar] = who;
    two(format!("{en}; {more} more"), format!("{ar}؛ و{more} غيره"))
}

pub(super) fn other_payload(index: u64) -> [String; 2] {
    two(
        format!("the payload disclosed for entry {index} is not what was sealed"),
        format!("المحتوى المُفصح عنه للقيد {index} ليس ما خُتم"),
    )
}

pub(super) fn other_file(name: &str) -> [String; 2] {
    two(
        format!("{name} is not what the evidence makes"),
        format!("الملف {} ليس ما يصنعه الدليل", isolated(name)),
    )
}

pub(super) fn same_page() -> [String; 2] {
    two("made again, the same bytes", "صُنعت من جديد بالبايتات نفسها")
}

pub(super) fn other_edition() -> [String; 2] {
    two(
        "made by another edition of this program; read the page that --page makes",
        "صنعها إصدار آخر من هذا البرنامج؛ اقرأ الصفحة التي يصنعها الخيار ‎--page",
    )
}
