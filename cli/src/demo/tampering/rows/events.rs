//! The rows about events: what the switch says that a system told, and what became of it.

use super::Outsider::{Auditor, OlderCopy, Witness};
use super::{Deed, Row};

/// What is forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::demo::tampering) enum Lie {
    Event,
    Taken,
    Ended,
    ReceiptElsewhere,
    GivenUp,
}

/// After the others.
pub(in crate::demo::tampering) const EVENTS: &[Row] = &[
    Row {
        name: "forge-event",
        what: [
            "say for an agency that something happened",
            "الادعاء باسم جهة أن حدثًا قد وقع",
        ],
        deed: Deed::Event(Lie::Event),
        by: &[Auditor],
        rule: "event",
    },
    Row {
        name: "forge-outcome",
        what: [
            "say for an agency that it took in an event that it was never brought",
            "الادعاء باسم جهة أنها تسلّمت حدثًا لم يُبلَّغ إليها قط",
        ],
        deed: Deed::Event(Lie::Taken),
        by: &[Auditor],
        rule: "event",
    },
    Row {
        name: "forge-end",
        what: [
            "end a subscription as no longer permitted, although it is",
            "إنهاء اشتراك بدعوى أنه لم يعد مسموحًا به وهو مسموح",
        ],
        deed: Deed::Event(Lie::Ended),
        by: &[Auditor],
        rule: "event",
    },
    Row {
        name: "receipt-elsewhere",
        what: [
            "exchange the receipts of two events",
            "تبديل إيصالي حدثين أحدهما بالآخر",
        ],
        deed: Deed::Event(Lie::ReceiptElsewhere),
        by: &[Auditor, OlderCopy, Witness],
        rule: "event",
    },
    Row {
        name: "untaken",
        what: [
            "say of an event that was taken in that it was given up",
            "الادعاء بأن حدثًا تسلّمته جهة قد صُرف النظر عن تبليغه",
        ],
        deed: Deed::Event(Lie::GivenUp),
        by: &[OlderCopy, Witness],
        rule: "",
    },
];
