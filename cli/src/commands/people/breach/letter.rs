//! The draft of a notification: what the log can say is filled in, what only people know is left to fill in, in square
//! brackets. Arabic first, then the same in English.

use std::fmt::Write as _;

use proto::refusal::Language;

use super::{Told, name, way};
use crate::output::time_of_ms;

/// The draft as plain text.
pub(super) fn text(told: &Told<'_>) -> String {
    let mut letter = String::new();
    // Writing to a text never fails.
    let _ = arabic(&mut letter, told);
    letter.push_str("\n----------------------------------------------------------------\n\n");
    let _ = english(&mut letter, told);
    letter
}

fn arabic(out: &mut String, told: &Told<'_>) -> std::fmt::Result {
    let (found, clock) = (told.found, told.clock);
    let (from, to) = told.times();
    writeln!(out, "مسودة إخطار بخرق بيانات شخصية")?;
    writeln!(
        out,
        "(المادة 7 من القانون رقم 151 لسنة 2020، والمادة 33 من اللائحة الأوروبية GDPR حيث تسري)\n"
    )?;
    writeln!(out, "إلى: مركز حماية البيانات الشخصية")?;
    let agency = found.agency.as_ref().map(ToString::to_string);
    writeln!(
        out,
        "من: {}\n",
        agency.unwrap_or_else(|| "[الجهة]".to_owned())
    )?;
    writeln!(
        out,
        "1. ما حدث: [وصف الخرق وأسبابه]. المخترَق: {}.",
        name(told.suspect)
    )?;
    writeln!(out, "   المدة: من {from} إلى {to}.")?;
    writeln!(
        out,
        "   العلم به: {}. آخر موعد للإخطار: {} ({}).",
        time_of_ms(clock.learned_ms),
        time_of_ms(clock.deadline_ms),
        clock.told(Language::Arabic)
    )?;
    writeln!(out, "   [إن كان الأمر يتصل بالأمن القومي فالإبلاغ فوري]")?;
    writeln!(
        out,
        "2. الحجم التقريبي: {} من التبادلات؛ {} من الأسماء المستعارة المختلفة (قد يكون للشخص أكثر من اسم)؛ و{} من التبادلات لا تذكر أحدًا.",
        found.exchanges, found.persons, found.unnamed
    )?;
    ways(out, told, Language::Arabic)?;
    writeln!(out, "3. فئات البيانات: {}.", fields(told, "لا شيء"))?;
    services(out, told)?;
    writeln!(out, "4. الآثار المحتملة: [ما قد يلحق بالأشخاص]")?;
    writeln!(out, "5. ما اتُّخذ وما يُتخذ: [إنهاء المفتاح، إيقاف النظام، …]")?;
    writeln!(out, "6. جهات أخرى تُبلَّغ:")?;
    parties(out, told)?;
    writeln!(out, "7. مسؤول حماية البيانات: [الاسم ووسيلة الاتصال]")?;
    writeln!(out, "8. إخطار الأشخاص المعنيين: [متى وكيف]\n")?;
    writeln!(out, "المصدر: {}", source(told))
}

fn english(out: &mut String, told: &Told<'_>) -> std::fmt::Result {
    let (found, clock) = (told.found, told.clock);
    let (from, to) = told.times();
    writeln!(out, "Draft notification of a personal data breach")?;
    writeln!(
        out,
        "(Article 7 of Law 151 of 2020; article 33 GDPR where it applies)\n"
    )?;
    writeln!(out, "To: the Personal Data Protection Centre")?;
    let agency = found.agency.as_ref().map(ToString::to_string);
    writeln!(
        out,
        "From: {}\n",
        agency.unwrap_or_else(|| "[agency]".to_owned())
    )?;
    writeln!(
        out,
        "1. What happened: [the breach and its causes]. Broken into: {}.",
        name(told.suspect)
    )?;
    writeln!(out, "   Period: from {from} to {to}.")?;
    writeln!(
        out,
        "   Learned of at: {}. To be notified by: {} ({}).",
        time_of_ms(clock.learned_ms),
        time_of_ms(clock.deadline_ms),
        clock.told(Language::English)
    )?;
    writeln!(out, "   [At once where national security is concerned]")?;
    writeln!(
        out,
        "2. Approximate size: {} exchange(s); {} different pseudonym(s) (one person may have several); {} exchange(s) that name nobody.",
        found.exchanges, found.persons, found.unnamed
    )?;
    ways(out, told, Language::English)?;
    writeln!(out, "3. Categories of data: {}.", fields(told, "none"))?;
    services(out, told)?;
    writeln!(
        out,
        "4. Likely consequences: [what may come of it for the persons]"
    )?;
    writeln!(
        out,
        "5. Measures taken and proposed: [key ended, system suspended, …]"
    )?;
    writeln!(out, "6. Other agencies that are told:")?;
    parties(out, told)?;
    writeln!(out, "7. Data-protection officer: [name and contact]")?;
    writeln!(out, "8. Notice to the persons concerned: [when and how]\n")?;
    writeln!(out, "Source: {}", source(told))
}

fn ways(out: &mut String, told: &Told<'_>, language: Language) -> std::fmt::Result {
    for (exposure, count) in &told.found.exposures {
        writeln!(out, "   - {}: {count}", way(*exposure, language))?;
    }
    Ok(())
}

fn fields(told: &Told<'_>, none: &str) -> String {
    let fields: Vec<_> = told.fields().into_iter().collect();
    match fields.is_empty() {
        true => none.to_owned(),
        false => fields.join(", "),
    }
}

fn services(out: &mut String, told: &Told<'_>) -> std::fmt::Result {
    for (service, of) in &told.found.services {
        writeln!(out, "   - {service}: {}", of.exchanges)?;
    }
    Ok(())
}

fn parties(out: &mut String, told: &Told<'_>) -> std::fmt::Result {
    for (agency, count) in &told.found.parties {
        writeln!(out, "   - {agency}: {count}")?;
    }
    Ok(())
}

fn source(told: &Told<'_>) -> String {
    let files = &told.found.files;
    let log = files.checkpoint.as_ref();
    let origin = log.map(|log| log.origin.as_str()).unwrap_or_default();
    let size = log.map(|log| log.size).unwrap_or_default();
    let root = files.root.map(|root| root.to_string()).unwrap_or_default();
    format!("{origin}, {size}, {root}")
}
