//! The tamper matrix: what is tried, and which outsiders must catch it.

use super::outsiders::Outsider::{self, Auditor, Consumer, Member, OlderCopy, Provider, Witness};

mod events;
mod ways;

pub(super) use events::{EVENTS, Lie};
pub(super) use ways::{WAYS, Way};

/// What a row does to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Nothing,
    Alter,
    Drop,
    Insert,
    Swap,
    Truncate,
    TruncateAndResign,
    Fork,
    RollBack,
    BackDate,
    Forward,
    Hide,
    MintKey,
    ForgeReview,
    Way(Way),
    DeleteTiles,
    Event(Lie),
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    /// Its stable word; the folder of the forged log is called by it.
    pub(super) name: &'static str,
    /// For people.
    pub(super) what: [&'static str; 2],
    pub(super) deed: Deed,
    /// The rule that the auditor's replay must name; empty: whichever.
    pub(super) rule: &'static str,
    /// Who must catch it, at least. Nobody: the log is honest.
    pub(super) by: &'static [Outsider],
}

/// Every row; the first is the control.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "nothing",
        what: ["nothing: the honest log", "لا شيء: السجل السليم"],
        deed: Deed::Nothing,
        rule: "",
        by: &[],
    },
    Row {
        name: "alter",
        what: ["alter one byte of an entry", "تغيير بايت في قيد"],
        deed: Deed::Alter,
        rule: "",
        by: &[Auditor],
    },
    Row {
        name: "drop",
        what: ["take one entry out of its bundle", "حذف قيد من حزمته"],
        deed: Deed::Drop,
        rule: "",
        by: &[Auditor],
    },
    Row {
        name: "insert",
        what: ["put one more entry into a bundle", "إدراج قيد زائد في حزمة"],
        deed: Deed::Insert,
        rule: "",
        by: &[Auditor],
    },
    Row {
        name: "swap",
        what: ["swap two entries", "تبديل موضع قيدين"],
        deed: Deed::Swap,
        rule: "",
        by: &[Auditor],
    },
    Row {
        name: "truncate",
        what: [
            "cut the log back to an older checkpoint that it really signed",
            "قصّ السجل إلى نقطة تحقق أقدم وقّعها فعلًا",
        ],
        deed: Deed::Truncate,
        rule: "",
        by: &[OlderCopy, Witness, Consumer, Provider],
    },
    Row {
        name: "truncate-resign",
        what: [
            "cut the last exchange, build the tree anew, sign it with the real key",
            "قصّ آخر تبادل وإعادة بناء الشجرة وتوقيعها بالمفتاح الحقيقي",
        ],
        deed: Deed::TruncateAndResign,
        rule: "",
        by: &[OlderCopy, Witness, Consumer, Provider],
    },
    Row {
        name: "fork",
        what: [
            "show one agency another log of the same size, signed with the real key",
            "عرض سجل آخر بالحجم نفسه على جهة واحدة، موقّعًا بالمفتاح الحقيقي",
        ],
        deed: Deed::Fork,
        rule: "",
        by: &[OlderCopy, Witness, Consumer, Provider],
    },
    Row {
        name: "roll-back",
        what: [
            "put the whole machine back to a snapshot, store, head and checkpoint together, and go on",
            "إعادة الجهاز كله إلى لقطة سابقة بمخزنه ورأسه ونقطة تحققه ثم المتابعة",
        ],
        deed: Deed::RollBack,
        rule: "",
        by: &[OlderCopy, Witness, Consumer, Provider],
    },
    Row {
        name: "back-date",
        what: [
            "stamp what is recorded now as if it had been there before",
            "ختم ما يُدوَّن الآن بوقت سابق كأنه كان موجودًا",
        ],
        deed: Deed::BackDate,
        rule: "",
        by: &[OlderCopy, Witness],
    },
    Row {
        name: "forward-unlogged",
        what: [
            "forward a request and its answer without any entry",
            "تمرير طلب وإجابته دون أي قيد",
        ],
        deed: Deed::Forward,
        rule: "",
        by: &[Consumer],
    },
    Row {
        name: "hide",
        what: [
            "leave out an exchange that both parties hold receipts of, mend everything behind it, sign anew",
            "إخفاء تبادل يملك طرفاه إيصالاته وإصلاح ما بعده والتوقيع من جديد",
        ],
        deed: Deed::Hide,
        rule: "",
        by: &[OlderCopy, Witness, Consumer, Provider],
    },
    Row {
        name: "mint-key",
        what: [
            "bind a seal key to an agency that its administrators did not make",
            "ربط مفتاح ختم بجهة لم يصنعه مسؤولوها",
        ],
        deed: Deed::MintKey,
        rule: "fold",
        by: &[Auditor, Member],
    },
    Row {
        name: "forge-review",
        what: [
            "say for an agency that it reviewed an exchange",
            "الادعاء باسم جهة أنها راجعت تبادلًا",
        ],
        deed: Deed::ForgeReview,
        rule: "oversight",
        by: &[Auditor],
    },
    Row {
        name: "delete-tiles",
        what: ["delete tiles and bundles", "حذف ملفات التجزئة والحزم"],
        deed: Deed::DeleteTiles,
        rule: "",
        by: &[Auditor],
    },
];
