//! What each file of a bundle is, in both languages: for the manifest and for the page.

use super::super::name;

/// Files by the end of their name, for the page: English, Arabic.
pub(in crate::evidence) const ENDINGS: &[(&str, [&str; 2])] = &[
    (
        ".entry",
        [
            "an entry of the log, byte for byte as hashed",
            "قيد من السجل، بايتًا ببايت كما جرت بصمته",
        ],
    ),
    (
        ".time-proof",
        [
            "proof that the time-stamped checkpoint covers this entry (C2SP tlog-proof)",
            "إثبات أن نقطة التحقق المختومة زمنيًا تشمل هذا القيد (C2SP tlog-proof)",
        ],
    ),
    (
        ".proof",
        [
            "proof that the checkpoint covers this entry (C2SP tlog-proof)",
            "إثبات أن نقطة التحقق تشمل هذا القيد (C2SP tlog-proof)",
        ],
    ),
    (
        ".header",
        [
            "what was sealed: the header inside the entry",
            "ما جرى ختمه: الترويسة الموجودة داخل القيد",
        ],
    ),
    (
        ".signed",
        [
            "the exact bytes under the signature (COSE Sig_structure), made from the header",
            "البايتات الموقّع عليها بالضبط (COSE Sig_structure)، مصنوعة من الترويسة",
        ],
    ),
    (
        ".signature",
        [
            "the raw signature of the seal, 64 bytes",
            "توقيع الختم، 64 بايتًا",
        ],
    ),
    (
        ".signature-der",
        [
            "the same P-256 signature as openssl reads it",
            "توقيع P-256 نفسه بالصيغة التي يقرؤها openssl",
        ],
    ),
    (
        ".payload",
        [
            "a payload that a party disclosed",
            "محتوى أفصح عنه أحد الطرفين",
        ],
    ),
    (
        ".salt",
        [
            "the salt of the commitment to that payload, 32 bytes",
            "ملح الالتزام بذلك المحتوى، 32 بايتًا",
        ],
    ),
];

/// The other files, by name.
pub(in crate::evidence) const NAMED: &[(&str, [&str; 2])] = &[
    (
        name::PAGE,
        ["what people read first", "الصفحة التي يبدأ بها القارئ"],
    ),
    (
        name::CHECK,
        [
            "checks this bundle with openssl, sha256sum and xxd: sh check.sh",
            "يفحص هذه الحزمة بالأدوات openssl وsha256sum وxxd: الأمر sh check.sh",
        ],
    ),
    (
        name::MANIFEST,
        ["every file with its digest", "قائمة الملفات وبصماتها"],
    ),
    (
        name::CHECKPOINT,
        [
            "the checkpoint that covers every entry, with all signatures",
            "نقطة التحقق التي تشمل كل القيود، بكل توقيعاتها",
        ],
    ),
    (
        name::CHECKPOINT_TEXT,
        [
            "the text of the checkpoint that the log signed",
            "نص نقطة التحقق الذي وقّعه السجل",
        ],
    ),
    (
        name::CHECKPOINT_SIGNATURE,
        [
            "the log's signature under that text, 64 bytes",
            "توقيع السجل على ذلك النص، 64 بايتًا",
        ],
    ),
    (
        name::VKEY,
        [
            "the log's key as verifiers of C2SP logs read it",
            "مفتاح السجل بصيغة سجلات C2SP",
        ],
    ),
    (
        name::LOG_PEM,
        [
            "the log's key for openssl. Compare it with one from elsewhere",
            "مفتاح السجل لأداة openssl. قارنه بمفتاح من مصدر آخر",
        ],
    ),
    (
        name::POLICY,
        [
            "which witnesses must have cosigned (C2SP tlog-policy)",
            "الشهود المطلوب توقيعهم (C2SP tlog-policy)",
        ],
    ),
    (
        name::STAMPED,
        [
            "the checkpoint that a time-stamp authority saw",
            "نقطة التحقق التي اطلعت عليها هيئة الختم الزمني",
        ],
    ),
    (
        name::TOKEN,
        [
            "the time-stamp over it (RFC 3161)",
            "الختم الزمني عليها (RFC 3161)",
        ],
    ),
    (
        name::ROOTS,
        [
            "certificates of time-stamp authorities, as given by whoever made the bundle",
            "شهادات هيئات الختم الزمني كما قدمها صانع الحزمة",
        ],
    ),
];

/// What the file `path` is.
pub(in crate::evidence) fn of(path: &str) -> [&'static str; 2] {
    let named = NAMED.iter().find(|(name, _)| *name == path);
    let ending = || ENDINGS.iter().find(|(ending, _)| path.ends_with(ending));
    named.or_else(ending).map_or(
        [
            "a public key for openssl; its name is its SHA-256",
            "مفتاح عام لأداة openssl؛ اسمه بصمته SHA-256",
        ],
        |(_, meaning)| *meaning,
    )
}
