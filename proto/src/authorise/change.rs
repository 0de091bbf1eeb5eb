//! What would change a decision: a closed list, with a sentence in both languages for each.

use crate::digest::Digest;
use crate::id::{AgencyId, Part, ServiceId, SystemId};
use crate::refusal::Language;

/// One thing that would have to be done before a request goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The agency gets on board.
    EnrolAgency(AgencyId),
    /// The operators lift the agency's suspension.
    LiftSuspension(AgencyId),
    /// The other party accepts this agreement.
    AcceptAgreement(Digest),
    /// Nothing is between the two: one proposes, the other accepts.
    ProposeAgreement {
        /// Who would ask.
        consumer: AgencyId,
        /// Who would answer.
        provider: AgencyId,
    },
    /// A new agreement in the place of this one, which is revoked, expired, superseded, or cannot be accepted.
    NewAgreement(Digest),
    /// An agreement that supersedes this one and has a grant for the service, too.
    AddGrant {
        /// The agreement.
        agreement: Digest,
        /// The service.
        service: ServiceId,
    },
    /// An agreement that supersedes this one and grants the operation, too.
    AddOperation {
        /// The agreement.
        agreement: Digest,
        /// Number of the grant, from 1.
        grant: u32,
        /// What is missing.
        operation: Part,
    },
    /// An agreement that supersedes this one and grants the purpose, too.
    AddPurpose {
        /// The agreement.
        agreement: Digest,
        /// Number of the grant, from 1.
        grant: u32,
        /// What is missing.
        purpose: Part,
    },
    /// An agreement that supersedes this one and grants the field, too.
    AddField {
        /// The agreement.
        agreement: Digest,
        /// Number of the grant, from 1.
        grant: u32,
        /// What is missing.
        field: Part,
    },
    /// The operators take the purpose into the catalogue, or take back its end.
    ListPurpose(Part),
    /// One agency hands on to another what is asked, wide enough and for now.
    Delegate {
        /// The agreement that it hangs on now.
        agreement: Digest,
        /// Who hands on.
        from: AgencyId,
        /// To whom.
        to: AgencyId,
    },
    /// Nothing but time: it counts from this moment on.
    WaitUntil {
        /// Unix time, milliseconds.
        at_ms: u64,
    },
    /// The provider publishes the service.
    PublishService(ServiceId),
    /// The provider publishes the service anew, with this operation.
    PublishOperation {
        /// The service.
        service: ServiceId,
        /// The operation.
        operation: Part,
    },
    /// The request names the contract that is published now.
    UseContract(Digest),
    /// The provider switches it on again.
    SwitchOn {
        /// The service.
        service: ServiceId,
        /// The operation; `None`: the whole service.
        operation: Option<Part>,
        /// What the provider said.
        notice_ar: String,
        /// What the provider said.
        notice_en: String,
    },
    /// The agency binds a seal key to the system.
    BindKey(SystemId),
    /// The request is sealed to the encryption key of this system, which binds one where it has none.
    SealPayload(SystemId),
    /// This system names who asks and in which case.
    NameActorAndCase(SystemId),
    /// Another agency than this one asks: nobody reviews oneself.
    AskFromOutside(AgencyId),
    /// The operators admit this instance, which they never did or took back.
    AdmitInstance(String),
    /// The provider opens the operation to agencies of another instance.
    OpenAbroad {
        /// Who answers.
        provider: AgencyId,
        /// Which operation.
        operation: Part,
        /// To whose agencies.
        instance: String,
    },
    /// The system was ended for good: another one has to take its part.
    UseOtherSystem(SystemId),
}

impl Change {
    /// The stable word in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::EnrolAgency(_) => "enrol_agency",
            Self::LiftSuspension(_) => "lift_suspension",
            Self::AcceptAgreement(_) => "accept_agreement",
            Self::ProposeAgreement { .. } => "propose_agreement",
            Self::NewAgreement(_) => "new_agreement",
            Self::AddGrant { .. } => "add_grant",
            Self::AddOperation { .. } => "add_operation",
            Self::AddPurpose { .. } => "add_purpose",
            Self::AddField { .. } => "add_field",
            Self::ListPurpose(_) => "list_purpose",
            Self::Delegate { .. } => "delegate",
            Self::WaitUntil { .. } => "wait_until",
            Self::PublishService(_) => "publish_service",
            Self::PublishOperation { .. } => "publish_operation",
            Self::UseContract(_) => "use_contract",
            Self::SwitchOn { .. } => "switch_on",
            Self::BindKey(_) => "bind_key",
            Self::SealPayload(_) => "seal_payload",
            Self::NameActorAndCase(_) => "name_actor_and_case",
            Self::AskFromOutside(_) => "ask_from_outside",
            Self::AdmitInstance(_) => "admit_instance",
            Self::OpenAbroad { .. } => "open_abroad",
            Self::UseOtherSystem(_) => "use_other_system",
        }
    }

    /// One sentence: who does what.
    pub fn sentence(&self, language: Language) -> String {
        match language {
            Language::English => self.english(),
            Language::Arabic => self.arabic(),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one sentence for each change")]
    fn english(&self) -> String {
        match self {
            Self::EnrolAgency(agency) => format!("{agency} enrols with the switch."),
            Self::LiftSuspension(agency) => {
                format!("The operators of the switch lift the suspension of {agency}.")
            }
            Self::AcceptAgreement(id) => {
                format!("The other party accepts agreement {}.", id.short())
            }
            Self::ProposeAgreement { consumer, provider } => format!(
                "{consumer} or {provider} proposes an agreement that grants this, and the other accepts it."
            ),
            Self::NewAgreement(id) => format!(
                "The parties of agreement {}, which no longer counts, agree anew on what is asked.",
                id.short()
            ),
            Self::AddGrant { agreement, service } => format!(
                "The parties agree on an agreement that supersedes {} and has a grant for {service}, too.",
                agreement.short()
            ),
            Self::AddOperation {
                agreement,
                grant,
                operation,
            } => format!(
                "The parties agree on an agreement that supersedes {} and adds the operation {operation} to grant {grant}.",
                agreement.short()
            ),
            Self::AddPurpose {
                agreement,
                grant,
                purpose,
            } => format!(
                "The parties agree on an agreement that supersedes {} and adds the purpose {purpose} to grant {grant}.",
                agreement.short()
            ),
            Self::AddField {
                agreement,
                grant,
                field,
            } => format!(
                "The parties agree on an agreement that supersedes {} and adds the field {field} to grant {grant}.",
                agreement.short()
            ),
            Self::ListPurpose(purpose) => {
                format!("The operators put the purpose {purpose} into the catalogue.")
            }
            Self::Delegate {
                agreement,
                from,
                to,
            } => format!(
                "{from} hands on to {to} what it holds from agreement {} or its successor, wide enough for what is asked.",
                agreement.short()
            ),
            Self::WaitUntil { at_ms } => {
                format!("Wait until {}: it counts from then on.", utc(*at_ms))
            }
            Self::PublishService(service) => format!("The provider publishes {service}."),
            Self::PublishOperation { service, operation } => {
                format!("The provider publishes {service} anew, with the operation {operation}.")
            }
            Self::UseContract(contract) => format!(
                "The consumer names the contract that is published now, {}.",
                contract.short()
            ),
            Self::SwitchOn {
                service,
                operation: Some(operation),
                notice_en,
                ..
            } => format!(
                "The provider switches {operation} of {service} on again; it says: {notice_en}"
            ),
            Self::SwitchOn {
                service,
                operation: None,
                notice_en,
                ..
            } => format!("The provider switches {service} on again; it says: {notice_en}"),
            Self::BindKey(system) => {
                format!("The agency binds a seal key to {system}, with its authority key.")
            }
            Self::SealPayload(system) => format!(
                "The data is restricted: {system} binds an encryption key, and the payload is sealed to it."
            ),
            Self::NameActorAndCase(system) => format!(
                "{system} names the person who asks and the case: the agreement wants both to break the glass."
            ),
            Self::AskFromOutside(agency) => format!(
                "Another agency than {agency} asks: whoever breaks the glass does not review it."
            ),
            Self::AdmitInstance(instance) => {
                format!("The operators of the switch admit the country {instance}.")
            }
            Self::OpenAbroad {
                provider,
                operation,
                instance,
            } => format!(
                "{provider} opens the operation {operation} of the agreement to {instance}, with its authority key."
            ),
            Self::UseOtherSystem(system) => {
                format!("{system} was ended and does not come back: another system takes its part.")
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "one sentence for each change")]
    fn arabic(&self) -> String {
        match self {
            Self::EnrolAgency(agency) => format!("تلتحق الجهة {agency} بالمحوِّل."),
            Self::LiftSuspension(agency) => {
                format!("يرفع مشغّلو المحوِّل الإيقاف عن الجهة {agency}.")
            }
            Self::AcceptAgreement(id) => {
                format!("يقبل الطرف الآخر الاتفاقية {}.", id.short())
            }
            Self::ProposeAgreement { consumer, provider } => {
                format!("تقترح {consumer} أو {provider} اتفاقية تمنح المطلوب، ويقبلها الطرف الآخر.")
            }
            Self::NewAgreement(id) => format!(
                "يتفق طرفا الاتفاقية {} التي لم تعد سارية من جديد على المطلوب.",
                id.short()
            ),
            Self::AddGrant { agreement, service } => format!(
                "يتفق الطرفان على اتفاقية تحل محل {} وفيها منحة للخدمة {service} أيضًا.",
                agreement.short()
            ),
            Self::AddOperation {
                agreement,
                grant,
                operation,
            } => format!(
                "يتفق الطرفان على اتفاقية تحل محل {} وتضيف العملية {operation} إلى المنحة {grant}.",
                agreement.short()
            ),
            Self::AddPurpose {
                agreement,
                grant,
                purpose,
            } => format!(
                "يتفق الطرفان على اتفاقية تحل محل {} وتضيف الغرض {purpose} إلى المنحة {grant}.",
                agreement.short()
            ),
            Self::AddField {
                agreement,
                grant,
                field,
            } => format!(
                "يتفق الطرفان على اتفاقية تحل محل {} وتضيف الحقل {field} إلى المنحة {grant}.",
                agreement.short()
            ),
            Self::ListPurpose(purpose) => {
                format!("يدرج المشغّلون الغرض {purpose} في قائمة الأغراض.")
            }
            Self::Delegate {
                agreement,
                from,
                to,
            } => format!(
                "تفوّض {from} إلى {to} ما لديها من الاتفاقية {} أو ما حلّ محلها، بما يكفي للمطلوب.",
                agreement.short()
            ),
            Self::WaitUntil { at_ms } => {
                format!("انتظر حتى {}: يبدأ السريان عندها.", utc(*at_ms))
            }
            Self::PublishService(service) => format!("ينشر المزوّد الخدمة {service}."),
            Self::PublishOperation { service, operation } => {
                format!("ينشر المزوّد الخدمة {service} من جديد وفيها العملية {operation}.")
            }
            Self::UseContract(contract) => {
                format!("يذكر الطالب العقد المنشور الآن {}.", contract.short())
            }
            Self::SwitchOn {
                service,
                operation: Some(operation),
                notice_ar,
                ..
            } => format!(
                "يعيد المزوّد تشغيل العملية {operation} من الخدمة {service}؛ ويقول: {notice_ar}"
            ),
            Self::SwitchOn {
                service,
                operation: None,
                notice_ar,
                ..
            } => format!("يعيد المزوّد تشغيل الخدمة {service}؛ ويقول: {notice_ar}"),
            Self::BindKey(system) => {
                format!("تربط الجهة مفتاح ختم بالنظام {system} بمفتاح سلطتها.")
            }
            Self::SealPayload(system) => {
                format!("البيانات مقيّدة: يربط النظام {system} مفتاح تعمية، ويُعمَّى له المحتوى.")
            }
            Self::NameActorAndCase(system) => format!(
                "يذكر النظام {system} الشخص السائل والحالة: فالاتفاقية تشترطهما لكسر الزجاج."
            ),
            Self::AskFromOutside(agency) => {
                format!("تسأل جهة غير {agency}: فمن يكسر الزجاج لا يراجع نفسه.")
            }
            Self::AdmitInstance(instance) => {
                format!("يقبل مشغّلو المحوِّل البلد {instance}.")
            }
            Self::OpenAbroad {
                provider,
                operation,
                instance,
            } => format!(
                "تفتح {provider} العملية {operation} من الاتفاقية للبلد {instance} بمفتاح سلطتها."
            ),
            Self::UseOtherSystem(system) => {
                format!("أُنهي النظام {system} ولا يعود: يحل نظام آخر محله.")
            }
        }
    }
}

/// `2026-11-26 23:45:00 UTC`; the last second when a part of one is left, so that nobody comes too early.
fn utc(at_ms: u64) -> String {
    let seconds = at_ms.div_ceil(1_000);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days to a date in years that begin in March, so that the leap day is the last one.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests;
