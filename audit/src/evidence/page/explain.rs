//! What the page says beside the facts: which file proves what, the commands, who could be lying, what is not proved.

use std::collections::BTreeSet;

use crate::evidence::contents::{Contents, ENDINGS, NAMED, entry_file};
use crate::evidence::name;
use crate::evidence::parts::seal_parts;
use crate::evidence::told::Told;
use crate::html::{Html, escape};

/// What a file proves and what it does not, by name or ending: English, Arabic, English, Arabic.
const PROVES: &[(&str, [&str; 4])] = &[
    (
        ".entry",
        [
            "what the log recorded, byte for byte",
            "ما دوّنه السجل، بايتًا ببايت",
            "that what was recorded is true",
            "صدق ما دُوِّن",
        ],
    ),
    (
        ".proof",
        [
            "that the entry stands in the log, at this place, under the checkpoint",
            "وجود القيد في السجل وفي موضعه هذا تحت نقطة التحقق",
            "that nothing was left out of this bundle",
            "خلوّ الحزمة من نقص",
        ],
    ),
    (
        ".signature",
        [
            "that the holder of the key sealed the header, for this use and this switch",
            "أن حامل المفتاح ختم الترويسة لهذا الاستعمال ولهذا المحوِّل",
            "which person acted, or that the key was not stolen",
            "من هو الشخص الذي تصرف، أو أن المفتاح لم يُسرق",
        ],
    ),
    (
        name::CHECKPOINT,
        [
            "what the whole log was when it was signed: no entry before it can change without notice",
            "حال السجل كله عند توقيعه: لا يتغير قيد قبله دون أن يُكتشف",
            "that everybody was shown the same log, unless witnesses signed it too",
            "أن الجميع رأوا السجل نفسه، ما لم يوقعه شهود",
        ],
    ),
    (
        name::TOKEN,
        [
            "that the checkpoint under it existed at that time",
            "وجود نقطة التحقق في ذلك الوقت",
            "when the exchange happened, only that it was not later",
            "وقت حدوث التبادل، بل أنه لم يقع بعد ذلك الوقت",
        ],
    ),
    (
        ".payload",
        [
            "which bytes were sealed, together with the salt",
            "ما هي البايتات التي خُتمت، مع الملح",
            "that the bytes are true",
            "صدق ما فيها",
        ],
    ),
];

/// The files of this bundle, each with what it is, proves and does not prove.
pub(super) fn files(contents: &Contents, html: &mut Html) {
    html.heading(2, "What each file proves", "ما الذي يثبته كل ملف");
    html.raw("<table class=\"list\"><tr><th>file · <bdi lang=\"ar\">الملف</bdi></th><th>what it is · <bdi lang=\"ar\">ما هو</bdi></th><th>proves · <bdi lang=\"ar\">يثبت</bdi></th><th>does not prove · <bdi lang=\"ar\">لا يثبت</bdi></th></tr>");
    let there = kinds_of_files(contents);
    let known = NAMED.iter().chain(ENDINGS);
    for (pattern, meaning) in known.filter(|(pattern, _)| there.contains(pattern)) {
        let shown = match pattern.strip_prefix('.') {
            Some("payload" | "salt") => format!("disclosed/*{pattern}"),
            Some(_) => format!("entries/*{pattern}"),
            None => (*pattern).to_owned(),
        };
        let proves = PROVES.iter().find(|(of, _)| of == pattern);
        let [en, ar, not_en, not_ar] = proves.map_or(["–", "", "–", ""], |(_, texts)| *texts);
        html.both(&[[&shown, ""], *meaning, [en, ar], [not_en, not_ar]]);
    }
    html.raw("</table>");
}

/// Names and endings of which this bundle has a file.
fn kinds_of_files(contents: &Contents) -> BTreeSet<&'static str> {
    let keys = contents.keys();
    let mut there = BTreeSet::from([
        name::PAGE,
        name::CHECK,
        name::MANIFEST,
        name::CHECKPOINT,
        name::CHECKPOINT_TEXT,
        name::CHECKPOINT_SIGNATURE,
        name::VKEY,
        name::LOG_PEM,
        ".entry",
        ".proof",
        ".header",
    ]);
    let parts = contents
        .items
        .iter()
        .filter_map(|item| seal_parts(&item.entry, contents.key.origin(), &keys));
    for part in parts {
        there.extend([".signed", ".signature"]);
        if part.der.is_some() {
            there.insert(".signature-der");
        }
    }
    if !contents.disclosed.is_empty() {
        there.extend([".payload", ".salt"]);
    }
    if contents.policy.is_some() {
        there.insert(name::POLICY);
    }
    if let Some(stamped) = &contents.stamped {
        there.extend([name::STAMPED, name::TOKEN, ".time-proof"]);
        if stamped.roots.is_some() {
            there.insert(name::ROOTS);
        }
    }
    there
}

/// The commands that need nothing of ours.
pub(super) fn commands(contents: &Contents, told: &Told<'_>, html: &mut Html) {
    html.heading(2, "Check it yourself", "تحقق بنفسك");
    html.pair(
        "In the unpacked folder. sh check.sh runs these and all others, with openssl, sha256sum and xxd alone. Give it the log's key as you got it elsewhere: sh check.sh LOG.pem",
        "في المجلد بعد فك الحزمة. الأمر sh check.sh ينفذ هذه الأوامر وغيرها بالأدوات openssl وsha256sum وxxd وحدها. أعطه مفتاح السجل من مصدر آخر: sh check.sh LOG.pem",
    );
    let keys = contents.keys();
    let shown = told.exchanges.first().map(|exchange| exchange.item);
    let sealed =
        shown.and_then(|item| Some((item, seal_parts(&item.entry, contents.key.origin(), &keys)?)));
    if let Some((item, parts)) = sealed {
        let file = |ending| entry_file(item.index, ending);
        let key = format!("keys/{}.pem", parts.kid);
        let command = if parts.der.is_some() {
            format!(
                "openssl dgst -sha256 -verify {key} -signature {} {}",
                file("signature-der"),
                file("signed")
            )
        } else {
            format!(
                "openssl pkeyutl -verify -pubin -inkey {key} -rawin -in {} -sigfile {}",
                file("signed"),
                file("signature")
            )
        };
        shell(&command, "the seal of the request", "ختم الطلب", html);
    }
    shell(
        "openssl pkeyutl -verify -pubin -inkey log/log.pem -rawin -in log/checkpoint.text -sigfile log/checkpoint.sig",
        "the log's signature under the checkpoint",
        "توقيع السجل على نقطة التحقق",
        html,
    );
    if contents.stamped.is_some() {
        shell(
            "openssl ts -verify -data time/checkpoint -in time/token.tsr -CAfile ROOTS.pem",
            "the time-stamp, with the root certificate of its authority from elsewhere",
            "الختم الزمني، مع شهادة جذر هيئته من مصدر آخر",
            html,
        );
    }
    if let Some(index) = contents.disclosed.keys().next() {
        let command = format!(
            "openssl dgst -sha256 -mac HMAC -macopt hexkey:$(xxd -p -c 64 disclosed/{index:020}.salt) disclosed/{index:020}.payload"
        );
        shell(
            &command,
            "the disclosed payload: the digest must be the sealed commitment above",
            "المحتوى المُفصح عنه: يجب أن تساوي البصمة الالتزام المختوم أعلاه",
            html,
        );
    }
}

fn shell(command: &str, en: &str, ar: &str, html: &mut Html) {
    html.pair(en, ar);
    html.raw(&format!("<pre>{}</pre>", escape(command)));
}

/// Who could be lying about what.
pub(super) fn liars(html: &mut Html) {
    html.heading(2, "Who could be lying, and about what", "من قد يكذب، وفيم");
    html.raw("<table class=\"list\"><tr><th>who · <bdi lang=\"ar\">من</bdi></th><th>could · <bdi lang=\"ar\">يستطيع</bdi></th><th>could not, and what shows it · <bdi lang=\"ar\">لا يستطيع، وما يكشفه</bdi></th></tr>");
    for row in LIARS {
        html.both(row);
    }
    html.raw("</table>");
}

const LIARS: &[[[&str; 2]; 3]] = &[
    [
        ["Whoever made this bundle", "صانع هذه الحزمة"],
        [
            "leave entries out: a later objection, an end of a key or of an agreement; write another page",
            "إسقاط قيود: اعتراض لاحق أو إنهاء مفتاح أو اتفاق؛ وكتابة صفحة أخرى",
        ],
        [
            "alter an entry, a seal or a proof: check.sh fails. Ask an auditor with a copy of the log for the same bundle: its bytes are the same",
            "تغيير قيد أو ختم أو إثبات: يفشل check.sh. اطلب الحزمة نفسها من مدقّق لديه نسخة من السجل: بايتاتها متطابقة",
        ],
    ],
    [
        ["The switch's operator", "مشغّل المحوِّل"],
        [
            "refuse, delay, stay silent; set its clock; record its own part (decision, times) wrongly; without witnesses, keep two histories",
            "الرفض والتأخير والصمت؛ وضبط ساعته؛ وتدوين جزئه (القرار والأوقات) خطأ؛ ودون شهود: الاحتفاظ بتاريخين",
        ],
        [
            "make a request, an answer or an agreement: it holds none of the agencies' keys. A changed log does not extend the checkpoint that receipts and witnesses hold",
            "اصطناع طلب أو إجابة أو اتفاق: فليست لديه مفاتيح الجهات. والسجل المُغيَّر لا يمتد من نقطة التحقق التي في الإيصالات وعند الشهود",
        ],
    ],
    [
        ["The agency that asked", "الجهة السائلة"],
        [
            "state a purpose that was not its purpose; say another time than its clock's",
            "ذكر غرض ليس غرضها؛ وذكر وقت غير وقت ساعتها",
        ],
        [
            "deny the request, unless its key was stolen: the seal is its system's",
            "إنكار الطلب، ما لم يُسرق مفتاحها: فالختم ختم نظامها",
        ],
    ],
    [
        ["The agency that answered", "الجهة المجيبة"],
        ["answer falsely", "الإجابة بغير الحقيقة"],
        [
            "deny the answer, or claim that it answered another request: the seal covers the request's digest",
            "إنكار الإجابة أو ادعاء أنها عن طلب آخر: فالختم يشمل بصمة الطلب",
        ],
    ],
    [
        [
            "The party that disclosed a payload",
            "الطرف الذي أفصح عن المحتوى",
        ],
        ["disclose one side only", "الإفصاح عن جانب دون الآخر"],
        [
            "disclose other bytes: they do not make the sealed commitment",
            "الإفصاح عن بايتات أخرى: فهي لا تصنع الالتزام المختوم",
        ],
    ],
    [
        ["The witnesses", "الشهود"],
        [
            "all together with the operator: sign two histories",
            "مع المشغّل مجتمعين: توقيع تاريخين",
        ],
        ["change an entry", "تغيير قيد"],
    ],
    [
        ["The time-stamp authority", "هيئة الختم الزمني"],
        ["state a wrong time", "ذكر وقت خطأ"],
        [
            "change the checkpoint that it saw",
            "تغيير نقطة التحقق التي اطلعت عليها",
        ],
    ],
];

/// What no file of the bundle proves.
pub(super) fn not_proved(contents: &Contents, html: &mut Html) {
    html.heading(
        2,
        "What this bundle does not prove",
        "ما لا تثبته هذه الحزمة",
    );
    for [en, ar] in NOT_PROVED {
        html.pair(en, ar);
    }
    if contents.policy.is_none() {
        html.pair(
            "That everybody was shown this log: no witness policy is in the bundle. Compare the checkpoint with the receipts of both agencies.",
            "أن الجميع رأوا هذا السجل: لا توجد سياسة شهود في الحزمة. قارن نقطة التحقق بإيصالات الجهتين.",
        );
    }
    if contents.stamped.is_none() {
        html.pair(
            "The time, by anybody but the three clocks named above: no time-stamp is in the bundle.",
            "الوقت، من غير الساعات الثلاث المذكورة أعلاه: لا يوجد ختم زمني في الحزمة.",
        );
    }
}

const NOT_PROVED: &[[&str; 2]] = &[
    [
        "That the answer is true, or that the purpose was the real one.",
        "أن الإجابة صحيحة، أو أن الغرض المذكور هو الغرض الحقيقي.",
    ],
    [
        "Which person sat at the keyboard: an agency's system sealed, and the agency answers for who used it.",
        "من جلس أمام الجهاز: الذي ختم نظام الجهة، والجهة مسؤولة عمّن استعمله.",
    ],
    [
        "That no seal key was stolen or given away. Ends of keys that are in this bundle are listed above.",
        "أن مفتاح ختم لم يُسرق ولم يُعطَ لغير صاحبه. قيود إنهاء المفاتيح الموجودة في الحزمة مدرجة أعلاه.",
    ],
    [
        "That nothing else happened: other entries exist. That none of the registry was left out is proved only by a bundle made with --whole-registry; `mohawel audit verify` says which this is.",
        "أن شيئًا آخر لم يحدث: ففي السجل قيود أخرى. ولا يثبت عدم إسقاط شيء من قيود التسجيل إلا في حزمة صُنعت بالخيار --whole-registry؛ والأمر mohawel audit verify يبيّن ذلك.",
    ],
];
