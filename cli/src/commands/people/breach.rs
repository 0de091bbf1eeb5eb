//! `mohawel audit breach`: what a stolen key or an intruder exposed, whom to tell, and by when.
//!
//! Egypt's Law 151 of 2020 (article 7) and the GDPR (article 33) want the authority notified within 72 hours of learning
//! of a breach. This is an engineer's reading; what the law asks for is a lawyer's to say.

use std::collections::BTreeSet;

use audit::people::{self, Breach as Found, Exposure, Period, Suspect};
use proto::refusal::Language;
use serde_json::{Value, json};

use super::{now_ms, proven, standing_json};
use crate::args::Breach;
use crate::commands::audit::{directory, given_key};
use crate::commands::new_file::NewFile;
use crate::failure::{Exit, Failure};
use crate::output::{Output, ms_of_time, time_of_ms};

mod letter;

/// From learning of a breach to the notification.
const NOTIFY_WITHIN_MS: u64 = 72 * 3_600_000;
/// Exchanges in the table; the rest is in `--json`.
const SHOWN_MAX: usize = 50;

/// When the notification is due.
#[derive(Clone, Copy, Debug)]
struct Clock {
    learned_ms: u64,
    deadline_ms: u64,
    now_ms: u64,
}

impl Clock {
    fn new(learned_ms: u64, now_ms: u64) -> Self {
        Self {
            learned_ms,
            deadline_ms: learned_ms.saturating_add(NOTIFY_WITHIN_MS),
            now_ms,
        }
    }

    fn is_over(&self) -> bool {
        self.now_ms > self.deadline_ms
    }

    /// What is left, or what it is over by: hours and minutes.
    fn distance(&self) -> String {
        let minutes = self.deadline_ms.abs_diff(self.now_ms) / 60_000;
        format!("{}:{:02}", minutes / 60, minutes % 60)
    }

    fn told(&self, language: Language) -> String {
        let distance = self.distance();
        match (language, self.is_over()) {
            (Language::English, false) => format!("{distance} h left"),
            (Language::English, true) => format!("over by {distance} h"),
            (Language::Arabic, false) => format!("بقي {distance} ساعة"),
            (Language::Arabic, true) => format!("انقضى منذ {distance} ساعة"),
        }
    }
}

/// What a report is about.
struct Told<'a> {
    found: &'a Found,
    suspect: &'a Suspect,
    period: Period,
    clock: Clock,
}

/// Finds, prints, writes the letter.
///
/// # Errors
/// A usage failure for times that make no period, or a suspect that this log does not know;
/// [`Exit::Untrusted`] when the log does not prove what was shown.
pub fn run(breach: &Breach, output: Output) -> Result<(), Failure> {
    let dir = directory(&breach.log)?;
    let suspect = suspect(breach)?;
    let (from_ms, to_ms) = (ms_of_time(&breach.from)?, ms_of_time(&breach.to)?);
    if from_ms >= to_ms {
        return Err(Failure::usage("--from must lie before --to"));
    }
    let now_ms = now_ms();
    let learned = breach.learned_at.as_deref().map(ms_of_time).transpose()?;
    let learned_ms = learned.unwrap_or(now_ms);
    if learned_ms > now_ms {
        return Err(Failure::usage("--learned-at lies in the future"));
    }
    let letter = breach.letter.as_deref();
    let letter = letter.map(|path| NewFile::at(path, 0o600)).transpose()?;
    let period = Period {
        from_ms: Some(from_ms),
        to_ms: Some(to_ms),
    };
    let bar = output.progress(0, "reading the log", "جارٍ قراءة السجل");
    let mut on_progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let key = given_key(&breach.log)?;
    let found = people::breach(dir, key, Some(&mut on_progress), &suspect, period);
    bar.finish_and_clear();
    if !found.known {
        proven(&found.files, &found.faults, output)?;
        return Err(Failure::new(
            Exit::Usage,
            [
                format!("This log knows no {}", name(&suspect)),
                format!("لا يعرف هذا السجل {}", name(&suspect)),
            ],
            [
                "`mohawel agency show` lists an agency's systems and keys.",
                "يعرض الأمر mohawel agency show أنظمة الجهة ومفاتيحها.",
            ],
        ));
    }
    let told = Told {
        found: &found,
        suspect: &suspect,
        period,
        clock: Clock::new(learned_ms, now_ms),
    };
    output.show(&told.json(), || told.print(output))?;
    if let Some(file) = letter {
        let path = file.path().display().to_string();
        file.write(letter::text(&told).as_bytes())?;
        output.line(path);
    }
    proven(&found.files, &found.faults, output)
}

fn suspect(breach: &Breach) -> Result<Suspect, Failure> {
    let given = &breach.suspect;
    let key = given.kid.map(Suspect::Key);
    let agency = given.agency.clone().map(Suspect::Agency);
    let system = given.system.clone().map(Suspect::System);
    key.or(agency)
        .or(system)
        .ok_or_else(|| Failure::usage("say what was broken into: --kid, --agency or --system"))
}

/// The suspect as it is written.
fn name(suspect: &Suspect) -> String {
    match suspect {
        Suspect::Key(kid) => format!("key {kid}"),
        Suspect::Agency(id) => id.to_string(),
        Suspect::System(id) => id.to_string(),
    }
}

fn way(exposure: Exposure, language: Language) -> &'static str {
    match (exposure, language) {
        (Exposure::Asked, Language::English) => "asked with the stolen key",
        (Exposure::Asked, Language::Arabic) => "سُئل بالمفتاح المسروق",
        (Exposure::Answered, Language::English) => "answered with the stolen key",
        (Exposure::Answered, Language::Arabic) => "أُجيب بالمفتاح المسروق",
        (Exposure::SawAnswer, Language::English) => "its answer was seen there",
        (Exposure::SawAnswer, Language::Arabic) => "اطُّلع هناك على الإجابة",
        (Exposure::SawQuestion, Language::English) => "its question was seen there",
        (Exposure::SawQuestion, Language::Arabic) => "اطُّلع هناك على السؤال",
    }
}

impl Told<'_> {
    /// Every field that was given, of all services.
    fn fields(&self) -> BTreeSet<String> {
        let services = self.found.services.values();
        let fields = services.flat_map(|service| service.fields.iter());
        fields.map(ToString::to_string).collect()
    }

    fn times(&self) -> (String, String) {
        let time = |ms: Option<u64>| ms.map(time_of_ms).unwrap_or_default();
        (time(self.period.from_ms), time(self.period.to_ms))
    }

    fn json(&self) -> Value {
        let Self { found, clock, .. } = self;
        let (from, to) = self.times();
        let services = found.services.iter().map(|(service, of)| {
            json!({
                "service": service.to_string(),
                "exchanges": of.exchanges,
                "fields": of.fields.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        });
        let parties = found.parties.iter();
        let parties = parties
            .map(|(agency, count)| json!({ "agency": agency.to_string(), "exchanges": count }));
        let ways = found.exposures.iter();
        let ways = ways
            .map(|(exposure, count)| json!({ "exposure": exposure.name(), "exchanges": count }));
        let listed = found.listed.iter().map(|one| {
            json!({
                "index": one.index,
                "closing_index": one.closing_index,
                "recorded_at": time_of_ms(one.recorded_at_us / 1_000),
                "exchange_id": one.exchange.to_string(),
                "consumer": one.consumer.to_string(),
                "service": one.service.to_string(),
                "operation": one.operation.to_string(),
                "purpose": one.purpose.to_string(),
                "outcome": one.outcome,
                "fields_given": one.given.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "persons": one.persons,
                "exposure": one.exposure.name(),
            })
        });
        json!({
            "log": standing_json(&found.files, &found.faults),
            "suspect": name(self.suspect),
            "agency": found.agency.as_ref().map(ToString::to_string),
            "from": from,
            "to": to,
            "exchanges": found.exchanges,
            "exposures": ways.collect::<Vec<_>>(),
            "pseudonyms": found.persons,
            "exchanges_naming_nobody": found.unnamed,
            "services": services.collect::<Vec<_>>(),
            "tell": parties.collect::<Vec<_>>(),
            "following_keys": found.followers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "learned_at": time_of_ms(clock.learned_ms),
            "notify_by": time_of_ms(clock.deadline_ms),
            "overdue": clock.is_over(),
            "minutes": i128::from(clock.deadline_ms) / 60_000 - i128::from(clock.now_ms) / 60_000,
            "listed": listed.collect::<Vec<_>>(),
        })
    }

    fn print(&self, output: Output) {
        let Self { found, clock, .. } = self;
        let line = |en: &str, ar: &str, value: String| {
            output.line(format!("{}: {value}", output.say(en, ar)));
        };
        line("broken into", "المخترَق", name(self.suspect));
        line(
            "exposed exchanges",
            "التبادلات المكشوفة",
            found.exchanges.to_string(),
        );
        for (exposure, count) in &found.exposures {
            output.line(format!("  {}: {count}", way(*exposure, output.language)));
        }
        line(
            "different pseudonyms (one person may have several, one for each agreement and epoch)",
            "أسماء مستعارة مختلفة (قد يكون للشخص أكثر من واحد، لكل اتفاقية وحقبة)",
            found.persons.to_string(),
        );
        line(
            "exchanges that name nobody",
            "تبادلات لا تذكر أحدًا",
            found.unnamed.to_string(),
        );
        line(
            "notify the authority by (72 hours: Law 151/2020 art. 7, GDPR art. 33)",
            "موعد إبلاغ السلطة (72 ساعة: المادة 7 من القانون 151 لسنة 2020 والمادة 33 من GDPR)",
            format!(
                "{} ({})",
                time_of_ms(clock.deadline_ms),
                clock.told(output.language)
            ),
        );
        let heading = [
            output.say("service", "الخدمة"),
            output.say("exchanges", "التبادلات"),
            output.say("fields given", "الحقول المقدَّمة"),
        ];
        let rows = found.services.iter().map(|(service, of)| {
            let fields: Vec<_> = of.fields.iter().map(ToString::to_string).collect();
            [
                service.to_string(),
                of.exchanges.to_string(),
                fields.join(", "),
            ]
        });
        output.table(heading, rows);
        let heading = [
            output.say("agency to be told", "جهة يجب إبلاغها"),
            output.say("exchanges", "التبادلات"),
        ];
        let parties = found.parties.iter();
        output.table(
            heading,
            parties.map(|(agency, count)| [agency.to_string(), count.to_string()]),
        );
        self.print_listed(output);
        for kid in &found.followers {
            let follows = output.say(
                "a key that follows the stolen one; end it too and look at it with --kid",
                "مفتاح يلي المسروق؛ أنهه أيضًا وافحصه بالخيار ‎--kid‎",
            );
            output.line(format!("{follows}: {kid}"));
        }
    }

    fn print_listed(&self, output: Output) {
        let found = self.found;
        let heading = [
            output.say("entry", "القيد"),
            output.say("when", "متى"),
            output.say("who asked", "السائل"),
            output.say("what", "الخدمة"),
            output.say("outcome", "النتيجة"),
            output.say("how exposed", "كيف انكشف"),
        ];
        let rows = found.listed.iter().take(SHOWN_MAX).map(|one| {
            [
                one.index.to_string(),
                time_of_ms(one.recorded_at_us / 1_000),
                one.consumer.to_string(),
                format!("{} {}", one.service, one.operation),
                one.outcome.clone(),
                way(one.exposure, output.language).to_owned(),
            ]
        });
        output.table(heading, rows);
        let more = found.exchanges.saturating_sub(SHOWN_MAX as u64);
        if more > 0 {
            output.line(format!(
                "{more} {}",
                output.say("more: see --json", "أخرى: انظر ‎--json‎")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_says_what_is_left_and_what_it_is_over_by() {
        let hour = 3_600_000;
        let clock = |now_ms| Clock::new(1_000, now_ms);
        let fresh = clock(1_000 + 2 * hour + 60_000);
        assert_eq!(fresh.told(Language::English), "69:59 h left");
        assert!(!fresh.is_over() && !clock(1_000 + 72 * hour).is_over());
        let late = clock(1_001 + 73 * hour);
        assert!(late.is_over());
        assert_eq!(late.told(Language::English), "over by 1:00 h");
    }
}
