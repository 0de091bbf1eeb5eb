//! The closed list of ways the protocol says no, with stable codes and what people read.
//!
//! A refusal is a decision; what merely broke is a fault (`provider_failed`, `log_unavailable`,
//! `deadline`) and stands in the same list because the caller needs one table.

use std::fmt;

/// Generates the closed enum with its stable names and its sentences in both languages.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal {
        en: $en:literal, remedy_en: $remedy_en:literal, ar: $ar:literal, remedy_ar: $remedy_ar:literal
    })*) => {
        /// A stable refusal code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code, in the order of the table in `docs/protocol.md`.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable word on the wire, in entries and in metrics.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence: what happened.
            pub fn sentence(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$variant, Language::English) => $en,
                      (Self::$variant, Language::Arabic) => $ar,)*
                }
            }

            /// One sentence: what to do next.
            pub fn remedy(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$variant, Language::English) => $remedy_en,
                      (Self::$variant, Language::Arabic) => $remedy_ar,)*
                }
            }
        }
    };
}

codes! {
    /// Cannot be parsed, or is not in its one form.
    Malformed = "malformed" {
        en: "The message is not in the one form that the protocol allows.",
        remedy_en: "Compare your bytes with the worked example in docs/protocol.md.",
        ar: "الرسالة ليست بالصيغة الوحيدة التي يسمح بها البروتوكول.",
        remedy_ar: "قارن البايتات بالمثال المشروح في docs/protocol.md."
    }
    /// A header of a later version.
    UnknownVersion = "unknown_version" {
        en: "The header is of a version that this switch does not speak.",
        remedy_en: "Use header version 1, or ask the operator when the switch is upgraded.",
        ar: "إصدار الترويسة غير معروف لهذا المحوِّل.",
        remedy_ar: "استخدم الإصدار 1 من الترويسة، أو اسأل المشغّل عن موعد الترقية."
    }
    /// Payload and salt are not what the header commits to.
    PayloadMismatch = "payload_mismatch" {
        en: "The payload is not what its signed header commits to.",
        remedy_en: "Send again; if it repeats, something between the two adapters changes messages: tell both administrators.",
        ar: "المحتوى لا يطابق ما تلتزم به الترويسة الموقّعة.",
        remedy_ar: "أعد الإرسال؛ فإن تكرر فهناك ما يغيّر الرسائل بين الطرفين: أبلغ مسؤولي الجهتين."
    }
    /// Over a limit.
    TooLarge = "too_large" {
        en: "The message is over a limit of the protocol.",
        remedy_en: "Ask for less at once; docs/protocol.md lists the limits.",
        ar: "الرسالة تتجاوز أحد حدود البروتوكول.",
        remedy_ar: "اطلب قدرًا أقل في المرة الواحدة؛ الحدود مذكورة في docs/protocol.md."
    }
    /// The TLS peer is nobody the registry knows.
    UnknownPeer = "unknown_peer" {
        en: "The connection's certificate belongs to nobody in the registry.",
        remedy_en: "Enrol the system with `mohawel adapter enrol`, or connect with its own certificate.",
        ar: "شهادة الاتصال لا تخص أي جهة في السجل.",
        remedy_ar: "سجّل النظام بالأمر mohawel adapter enrol أو اتصل بشهادته الخاصة."
    }
    /// The TLS peer or the seal key may not speak for the header's system.
    WrongSigner = "wrong_signer" {
        en: "Who connected or who sealed may not speak for the system that the header names.",
        remedy_en: "Use the certificate and the seal key of the system named in the header.",
        ar: "المتصل أو الموقِّع لا يحق له التحدث باسم النظام المذكور في الترويسة.",
        remedy_ar: "استخدم شهادة ومفتاح ختم النظام المذكور في الترويسة."
    }
    /// The seal does not hold.
    BadSeal = "bad_seal" {
        en: "The seal does not hold for this header, this use and this switch.",
        remedy_en: "Send the request again from the source; if it repeats, the request was changed on the way.",
        ar: "الختم لا يصح لهذه الترويسة ولهذا الاستعمال على هذا المحوِّل.",
        remedy_ar: "أعد إرسال الطلب من مصدره؛ فإن تكرر فقد جرى تغيير الطلب في الطريق."
    }
    /// The seal key was ended in the registry.
    KeyEnded = "key_ended" {
        en: "The seal key was ended in the registry.",
        remedy_en: "The agency's administrators bind a new key with the authority key; seal with that one.",
        ar: "انتهت صلاحية مفتاح الختم في السجل.",
        remedy_ar: "يربط مسؤولو الجهة مفتاحًا جديدًا بمفتاح السلطة؛ اختم به."
    }
    /// The certificate, its system, or the system's agency counts no longer.
    CertificateRevoked = "certificate_revoked" {
        en: "The connection's certificate or its system was revoked in the registry.",
        remedy_en: "Ask your agency's administrators why; a system that goes on needs a new key and a new certificate.",
        ar: "أُلغيت شهادة الاتصال أو نظامها في السجل.",
        remedy_ar: "اسأل مسؤولي جهتك عن السبب؛ والنظام الذي يستمر يحتاج مفتاحًا جديدًا وشهادة جديدة."
    }
    /// The consumer's or provider's agency is suspended.
    AgencySuspended = "agency_suspended" {
        en: "The agency is suspended by the operators of the switch.",
        remedy_en: "Ask the operators; `mohawel agency show` says since when and why.",
        ar: "أوقف مشغّلو المحوِّل هذه الجهة.",
        remedy_ar: "اسأل المشغّلين؛ والأمر mohawel agency show يذكر متى ولماذا."
    }
    /// This exchange id was seen before.
    Duplicate = "duplicate" {
        en: "An exchange with this id was recorded before; its first outcome stands.",
        remedy_en: "Take the outcome of the first one; to try again, make a new exchange id and set attempt_of.",
        ar: "سُجّل من قبل تبادل بهذا المعرّف، ونتيجته الأولى هي القائمة.",
        remedy_ar: "خذ نتيجة الأول؛ ولإعادة المحاولة أنشئ معرّفًا جديدًا واذكر attempt_of."
    }
    /// Issued too long ago, or in the future.
    Stale = "stale" {
        en: "The request's time lies outside the switch's window.",
        remedy_en: "Set this machine's clock (NTP) and seal a new request.",
        ar: "وقت الطلب خارج النافذة الزمنية للمحوِّل.",
        remedy_ar: "اضبط ساعة هذا الجهاز (NTP) ثم اختم طلبًا جديدًا."
    }
    /// No active agreement between these two.
    NoAgreement = "no_agreement" {
        en: "No active agreement permits this consumer to ask this provider.",
        remedy_en: "Propose one with `mohawel agreement propose` and have the provider accept it.",
        ar: "لا توجد اتفاقية سارية تسمح لهذا الطالب بسؤال هذا المزوّد.",
        remedy_ar: "اقترح اتفاقية بالأمر mohawel agreement propose واطلب من المزوّد قبولها."
    }
    /// The agreement is not valid at this time.
    AgreementExpired = "agreement_expired" {
        en: "The agreement is not valid at this time.",
        remedy_en: "Look at its dates with `mohawel agreement show` and propose a new one.",
        ar: "الاتفاقية غير سارية في هذا الوقت.",
        remedy_ar: "راجع تواريخها بالأمر mohawel agreement show واقترح اتفاقية جديدة."
    }
    /// One of the parties revoked it.
    AgreementRevoked = "agreement_revoked" {
        en: "The agreement was revoked by one of its parties.",
        remedy_en: "Ask the other agency why; a new agreement needs both seals again.",
        ar: "ألغى أحد الطرفين الاتفاقية.",
        remedy_ar: "اسأل الجهة الأخرى عن السبب؛ والاتفاقية الجديدة تحتاج ختمي الطرفين."
    }
    /// The grant does not name this purpose.
    PurposeNotGranted = "purpose_not_granted" {
        en: "The agreement does not grant this purpose.",
        remedy_en: "State a purpose that the agreement grants, or propose one that grants this.",
        ar: "الاتفاقية لا تمنح هذا الغرض.",
        remedy_ar: "اذكر غرضًا تمنحه الاتفاقية أو اقترح اتفاقية تمنحه."
    }
    /// The grant does not name this service or operation.
    OperationNotGranted = "operation_not_granted" {
        en: "The agreement does not grant this operation.",
        remedy_en: "Use an operation that the agreement grants, or propose one that grants this.",
        ar: "الاتفاقية لا تمنح هذه العملية.",
        remedy_ar: "استخدم عملية تمنحها الاتفاقية أو اقترح اتفاقية تمنحها."
    }
    /// A field asked for is not granted.
    FieldNotGranted = "field_not_granted" {
        en: "A field was asked for that the agreement does not grant.",
        remedy_en: "Ask without the field, or propose an agreement that grants it.",
        ar: "طُلب حقل لا تمنحه الاتفاقية.",
        remedy_ar: "اطلب دون هذا الحقل أو اقترح اتفاقية تمنحه."
    }
    /// The header names a delegation that does not hold.
    DelegationBroken = "delegation_broken" {
        en: "The delegation that the header names does not hold.",
        remedy_en: "Ask in your own name, under an agreement of your own agency.",
        ar: "التفويض المذكور في الترويسة غير قائم.",
        remedy_ar: "اطلب باسم جهتك وبموجب اتفاقية تخصها."
    }
    /// The daily quota of the grant, or of the agency that asks, is used up.
    QuotaExceeded = "quota_exceeded" {
        en: "The daily quota of this grant, or of the agency that asks, is used up.",
        remedy_en: "Wait for the next day (UTC), or agree on a larger quota.",
        ar: "استُنفدت الحصة اليومية لهذا الإذن أو للجهة الطالبة.",
        remedy_ar: "انتظر اليوم التالي (بالتوقيت العالمي) أو اتفق على حصة أكبر."
    }
    /// More requests at once than this agency may have, or more in a second than the grant gives.
    RateLimited = "rate_limited" {
        en: "Too many requests at once, or in a second; nothing was recorded.",
        remedy_en: "Wait as long as retry-after says, then send fewer at once.",
        ar: "طلبات أكثر من المسموح في آن واحد أو في الثانية؛ لم يُسجَّل شيء.",
        remedy_ar: "انتظر المدة المذكورة في retry-after ثم أرسل عددًا أقل في آن واحد."
    }
    /// The switch is full.
    Overloaded = "overloaded" {
        en: "The switch is busy; nothing was recorded.",
        remedy_en: "Wait as long as retry-after says and send again.",
        ar: "المحوِّل مشغول؛ لم يُسجَّل شيء.",
        remedy_ar: "انتظر المدة المذكورة في retry-after ثم أعد الإرسال."
    }
    /// No such service.
    UnknownService = "unknown_service" {
        en: "The provider publishes no such service.",
        remedy_en: "List what is published with `mohawel service list`.",
        ar: "المزوّد لا ينشر خدمة بهذا الاسم.",
        remedy_ar: "اعرض الخدمات المنشورة بالأمر mohawel service list."
    }
    /// The provider switched the operation off.
    OperationDisabled = "operation_disabled" {
        en: "The provider has switched this operation off for now.",
        remedy_en: "Read the provider's notice with `mohawel directory show` and wait, or use another operation.",
        ar: "أوقف المزوّد هذه العملية مؤقتًا.",
        remedy_ar: "اقرأ إشعار المزوّد بالأمر mohawel directory show وانتظر أو استخدم عملية أخرى."
    }
    /// No adapter of the provider is attached.
    ProviderOffline = "provider_offline" {
        en: "No adapter of the provider is attached to the switch.",
        remedy_en: "Try again later; the provider's administrators can look with `mohawel adapter check`.",
        ar: "لا يوجد محوّل طرفي متصل للمزوّد الآن.",
        remedy_ar: "حاول لاحقًا؛ ويمكن لمسؤولي المزوّد الفحص بالأمر mohawel adapter check."
    }
    /// The provider's side broke.
    ProviderFailed = "provider_failed" {
        en: "The provider could not answer.",
        remedy_en: "Try again with attempt_of set; if it repeats, tell the provider the exchange id.",
        ar: "تعذّر على المزوّد أن يجيب.",
        remedy_ar: "أعد المحاولة مع ذكر attempt_of؛ فإن تكرر فأبلغ المزوّد بمعرّف التبادل."
    }
    /// The log cannot commit.
    LogUnavailable = "log_unavailable" {
        en: "The log cannot record, so nothing is exchanged.",
        remedy_en: "Try again later; the operator must look at the switch's disk and its last message.",
        ar: "السجل لا يستطيع التدوين، فلا تبادل بدونه.",
        remedy_ar: "حاول لاحقًا؛ وعلى المشغّل فحص قرص المحوِّل وآخر رسائله."
    }
    /// The request came without a receipt of this switch's log.
    NotLogged = "not_logged" {
        en: "The request came without proof that it stands in the log, so the provider refused it.",
        remedy_en: "The operator must explain: keep the exchange id and tell the auditor.",
        ar: "وصل الطلب دون إثبات وجوده في السجل، فرفضه المزوّد.",
        remedy_ar: "على المشغّل أن يفسّر ذلك: احتفظ بمعرّف التبادل وأبلغ المدقّق."
    }
    /// The payload asks for another operation than the header.
    OperationMismatch = "operation_mismatch" {
        en: "The payload asks for another operation than its header names.",
        remedy_en: "Name the same operation in both.",
        ar: "المحتوى يطلب عملية غير المذكورة في ترويسته.",
        remedy_ar: "اذكر العملية نفسها في الموضعين."
    }
    /// The header names another contract than the published one, or the payload breaks it.
    ContractViolation = "contract_violation" {
        en: "The request does not keep to the service's published contract.",
        remedy_en: "Read the contract again with `mohawel service list --json` and build the request from it.",
        ar: "الطلب لا يلتزم بعقد الخدمة المنشور.",
        remedy_ar: "اقرأ العقد من جديد بالأمر mohawel service list --json وابنِ الطلب عليه."
    }
    /// The answer is not an answer to this request by its provider.
    AnswerInvalid = "answer_invalid" {
        en: "The provider's answer does not hold: wrong key, wrong exchange, or fields outside the grant.",
        remedy_en: "Nothing was given out; tell the provider the exchange id.",
        ar: "إجابة المزوّد لا تصح: مفتاح آخر أو تبادل آخر أو حقول خارج الإذن.",
        remedy_ar: "لم يُسلَّم شيء؛ أبلغ المزوّد بمعرّف التبادل."
    }
    /// No answer within the deadline.
    Deadline = "deadline" {
        en: "No answer came within the deadline.",
        remedy_en: "Try again with attempt_of set and, if need be, a longer deadline.",
        ar: "لم تصل إجابة قبل انتهاء المهلة.",
        remedy_ar: "أعد المحاولة مع ذكر attempt_of وبمهلة أطول عند الحاجة."
    }
    /// The header does not name the persons whom the payload names.
    SubjectMismatch = "subject_mismatch" {
        en: "The header does not name, by their pseudonyms, exactly the persons whom the payload names.",
        remedy_en: "Put this agreement's current subject key from the data-protection authority into the home's subjects folder, and ask again.",
        ar: "الترويسة لا تذكر بالأسماء المستعارة الأشخاص المذكورين في المحتوى تحديدًا.",
        remedy_ar: "ضع مفتاح الأشخاص الحالي لهذه الاتفاقية، من سلطة حماية البيانات، في مجلد subjects بمجلد الموصّل، ثم أعد السؤال."
    }
    /// The grant wants the payload sealed to its receiver.
    EncryptionRequired = "encryption_required" {
        en: "The payload is not sealed to its receiver, as the agreement demands, or not to a key that the receiver has.",
        remedy_en: "The provider binds a key with `mohawel adapter encryption-key` and has its file in every home of the system; a current adapter seals to it by itself.",
        ar: "المحتوى غير معمّى لمستلمه كما تشترط الاتفاقية، أو معمّى لمفتاح ليس لدى المستلم.",
        remedy_ar: "يربط المزوّد مفتاحًا بالأمر mohawel adapter encryption-key ويضع ملفه في كل مجلد موصّل للنظام؛ والموصّل الحديث يعمّي له تلقائيًا."
    }
    /// The two are of different instances, and what is asked is not opened from one to the other.
    BorderClosed = "border_closed" {
        en: "The asking and the answering agency belong to different countries, and what was asked is not open from the one to the other.",
        remedy_en: "The provider opens the operation with `mohawel agreement open-abroad`; `mohawel instance list` says which countries are admitted, and why one was withdrawn.",
        ar: "الجهة السائلة والجهة المجيبة من بلدين مختلفين، والمطلوب غير مفتوح من أحدهما للآخر.",
        remedy_ar: "يفتح المزوّد العملية بالأمر mohawel agreement open-abroad؛ ويبيّن الأمر mohawel instance list البلدان المقبولة وسبب سحب ما سُحب منها."
    }
}

impl Code {
    /// Reads the stable word.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// Whether such a refusal is an entry of the log. The three that are not say so.
    pub fn is_recorded(self) -> bool {
        !matches!(
            self,
            Self::RateLimited | Self::Overloaded | Self::LogUnavailable
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The two languages of every sentence that a person reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Arabic.
    Arabic,
}
