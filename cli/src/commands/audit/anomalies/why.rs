//! Why something is in the report, as a sentence in either language: the figures, and the threshold that they passed.

use std::collections::BTreeMap;

use audit::anomaly::{Odd, Oddity, Rules, Who};
use audit::find::printable;
use proto::id::AgencyId;
use proto::refusal::Language;

use crate::commands::audit::event::subject_text;
use crate::commands::audit::scanned::left_to_right;
use crate::output::{Output, time_of_ms};

/// What a rule looks for, once for all its rows.
pub(super) fn about(odd: &Odd, output: Output) -> &'static str {
    let (english, arabic) = match odd {
        Odd::Volume { .. } => (
            "far more in one hour than in the same agency's own typical hours at the same service",
            "أكثر بكثير في ساعة واحدة مما هو معتاد من الجهة نفسها لدى الخدمة نفسها",
        ),
        Odd::OutsideHours { .. } => (
            "a large share outside the working hours",
            "نسبة كبيرة خارج ساعات العمل",
        ),
        Odd::UnusualHour { .. } => (
            "an hour of the day in which the agency is rarely active",
            "ساعة من اليوم نادرًا ما تنشط فيها الجهة",
        ),
        Odd::Repeated { .. } => (
            "one person looked up again and again by one asker",
            "شخص واحد بحث عنه طالب واحد مرارًا",
        ),
        Odd::ManySubjects => (
            "many different persons looked up by one clerk in a short time",
            "أشخاص كثيرون مختلفون بحث عنهم موظف واحد في وقت قصير",
        ),
        Odd::Refused { .. } => ("refusals gathered at one asker", "رفض متكرر عند طالب واحد"),
        Odd::RefusedThenPermitted { .. } => (
            "refused for want of a right, then let through about the same persons",
            "رُفض لعدم وجود حق ثم سُمح به عن الأشخاص أنفسهم",
        ),
        Odd::ReviewOverdue { .. } => (
            "looks under break-glass grants that nobody reviewed in time",
            "نظرات بكسر الزجاج لم يراجعها أحد في موعدها",
        ),
        Odd::Unjustified { .. } => (
            "looks under break-glass grants that their review found unjustified",
            "نظرات بكسر الزجاج وجدتها المراجعة غير مبرَّرة",
        ),
    };
    output.say(english, arabic)
}

fn who(who: &Who, output: Output) -> String {
    let (english, arabic, name) = match who {
        Who::Agency(agency) => ("", "", agency.to_string()),
        Who::Clerk(system, actor) => ("clerk ", "موظف ", format!("{actor} @ {system}")),
        Who::System(system) => ("system ", "نظام ", system.to_string()),
        Who::Connection(peer) => (
            "connection with certificate ",
            "اتصال بالشهادة ",
            peer.to_string(),
        ),
    };
    format!(
        "{}{}",
        output.say(english, arabic),
        left_to_right(output, &name)
    )
}

/// Why it is here.
pub(super) fn why(oddity: &Oddity, rules: &Rules, output: Output) -> String {
    let sentence = Sentence {
        oddity,
        rules,
        output,
        who: who(&oddity.who, output),
    };
    let [english, arabic] = sentence.both();
    match output.language {
        Language::English => english,
        Language::Arabic => arabic,
    }
}

/// What both languages say. Figures are worked out once for a rule, and stand in both sentences.
struct Sentence<'a> {
    oddity: &'a Oddity,
    rules: &'a Rules,
    output: Output,
    who: String,
}

impl Sentence<'_> {
    fn ltr(&self, text: &str) -> String {
        left_to_right(self.output, &printable(text))
    }

    fn time(&self, unix_ms: u64) -> String {
        self.ltr(&time_of_ms(unix_ms))
    }

    fn first_and_last(&self) -> (String, String) {
        let traces = &self.oddity.traces;
        (self.time(traces.first_ms), self.time(traces.last_ms))
    }

    /// The count's share of `all`.
    fn share(&self, all: u64) -> String {
        let share = self.oddity.count as f64 / all.max(1) as f64;
        format!("{:.0} %", 100.0 * share)
    }

    /// `10+≤3`: what may be missing from a count.
    fn at_least(&self, missed_max: u64) -> String {
        match missed_max {
            0 => self.oddity.count.to_string(),
            missed_max => self.ltr(&format!("{}+≤{missed_max}", self.oddity.count)),
        }
    }

    /// What would still have been usual, and how that is worked out.
    fn usual(&self, median: u64, deviation: f64, limit: u64) -> String {
        let factor = self.rules.volume_factor;
        self.ltr(&format!("{median} + {factor} × {deviation:.1} = {limit}"))
    }

    /// What was changed between a refusal and its sequel.
    fn changed(&self, changed: &[&str]) -> String {
        match (changed, self.output.language) {
            ([], Language::English) => {
                "nothing in the request, so the registry changed in between".to_owned()
            }
            ([], Language::Arabic) => "لم يتغير شيء في الطلب، فقد تغيّر السجل بينهما".to_owned(),
            (changed, _) => format!(
                "{}: {}",
                self.output.say("changed in between", "تغيّر بينهما"),
                self.ltr(&changed.join(", "))
            ),
        }
    }

    /// The sentence, English then Arabic.
    fn both(&self) -> [String; 2] {
        match &self.oddity.odd {
            Odd::Volume {
                service,
                hour_ms,
                median,
                deviation,
                limit,
                hours,
            } => self.volume(service, *hour_ms, (*median, *deviation, *limit), *hours),
            Odd::OutsideHours { total } => self.outside_hours(*total),
            Odd::UnusualHour {
                hour,
                days,
                days_in_all,
            } => self.unusual_hour(u64::from(*hour), *days, *days_in_all),
            Odd::Repeated {
                subject,
                missed_max,
            } => self.repeated(&subject_text(subject), *missed_max),
            Odd::ManySubjects => self.many_subjects(),
            Odd::Refused { asked, codes } => self.refused(*asked, codes),
            Odd::RefusedThenPermitted { service, changed } => self.sequel(service, changed),
            Odd::ReviewOverdue { consumer } => self.overdue(consumer),
            Odd::Unjustified { provider } => self.unjustified(provider),
        }
    }

    fn volume(
        &self,
        service: &str,
        hour_ms: u64,
        (median, deviation, limit): (u64, f64, u64),
        hours: u64,
    ) -> [String; 2] {
        let (who, count) = (&self.who, self.oddity.count);
        let (service, hour) = (self.ltr(service), self.time(hour_ms));
        let sum = self.usual(median, deviation, limit);
        [
            format!(
                "{who} at {service}: {count} requests in the hour from {hour}. Its {hours} active hours have a median of {median} and a typical deviation of {deviation:.1}; up to {sum} is usual."
            ),
            format!(
                "{who} لدى {service}: عدد الطلبات {count} في الساعة من {hour}. وسيط ساعاتها النشطة ({hours}) هو {median} والانحراف المعتاد {deviation:.1}، فالمعتاد حتى {sum}."
            ),
        ]
    }

    fn outside_hours(&self, total: u64) -> [String; 2] {
        let (who, count) = (&self.who, self.oddity.count);
        let (share, least) = (self.share(total), 100.0 * self.rules.outside_share);
        let (from, to) = self.rules.working.unwrap_or_default();
        [
            format!(
                "{who}: {count} of {total} requests ({share}) outside {from}h to {to}h or on a weekend; from {least:.0} % on this is listed."
            ),
            format!(
                "{who}: عدد {count} من {total} طلبًا ({share}) خارج الساعات من {from} إلى {to} أو في عطلة نهاية الأسبوع؛ ويُذكر ما بلغ {least:.0} %."
            ),
        ]
    }

    fn unusual_hour(&self, hour: u64, days: u64, days_in_all: u64) -> [String; 2] {
        let (who, count) = (&self.who, self.oddity.count);
        let (next, least) = (hour + 1, 100.0 * self.rules.usual_share);
        [
            format!(
                "{who}: {count} requests between {hour}h and {next}h, in which it was active on {days} of {days_in_all} days; below {least:.0} % of the days this is listed."
            ),
            format!(
                "{who}: عدد الطلبات {count} بين الساعة {hour} و{next}، وقد نشطت فيها في {days} من {days_in_all} يومًا؛ ويُذكر ما قل عن {least:.0} % من الأيام."
            ),
        ]
    }

    fn repeated(&self, subject: &str, missed_max: u64) -> [String; 2] {
        let (who, (first, last)) = (&self.who, self.first_and_last());
        let (subject, count) = (self.ltr(subject), self.at_least(missed_max));
        let least = self.rules.repeated_min;
        [
            format!(
                "{who}: looked up {subject} {count} times between {first} and {last}; from {least} on this is listed."
            ),
            format!(
                "{who}: بحث عن {subject} عدد {count} مرة بين {first} و{last}؛ ويُذكر ما بلغ {least}."
            ),
        ]
    }

    fn many_subjects(&self) -> [String; 2] {
        let (who, count) = (&self.who, self.oddity.count);
        let (first, last) = self.first_and_last();
        let least = self.rules.subjects_min;
        let minutes = self.rules.subjects_window_ms / 60_000;
        [
            format!(
                "{who}: {count} different persons between {first} and {last}; from {least} within {minutes} minutes on this is listed."
            ),
            format!(
                "{who}: عدد الأشخاص المختلفين {count} بين {first} و{last}؛ ويُذكر ما بلغ {least} خلال {minutes} دقيقة."
            ),
        ]
    }

    fn refused(&self, asked: u64, codes: &BTreeMap<String, u64>) -> [String; 2] {
        let (who, count) = (&self.who, self.oddity.count);
        let (share, codes) = (self.share(asked), self.ltr(&counted(codes)));
        let least = self.rules.refused_min;
        let percent = 100.0 * self.rules.refused_share;
        [
            format!(
                "{who}: {count} of {asked} refused ({share}): {codes}; from {least} and {percent:.0} % on this is listed."
            ),
            format!(
                "{who}: رُفض {count} من {asked} ({share}): {codes}؛ ويُذكر ما بلغ {least} و{percent:.0} %."
            ),
        ]
    }

    fn sequel(&self, service: &str, changed: &[&str]) -> [String; 2] {
        let (who, count) = (&self.who, self.oddity.count);
        let (service, minutes) = (self.ltr(service), self.rules.sequel_ms / 60_000);
        let changed = self.changed(changed);
        [
            format!(
                "{who} at {service}: let through within {minutes} minutes after a refusal, {count} time(s); {changed}."
            ),
            format!(
                "{who} لدى {service}: سُمح له خلال {minutes} دقيقة بعد رفض، عدد المرات {count}؛ {changed}."
            ),
        ]
    }

    fn overdue(&self, consumer: &AgencyId) -> [String; 2] {
        let (who, count) = (&self.who, self.oddity.count);
        let (first, _) = self.first_and_last();
        let consumer = self.ltr(consumer.as_str());
        [
            format!(
                "{who}: {count} look(s) by {consumer} not reviewed within seven days, the first of {first}; until they are, nothing more is let through."
            ),
            format!(
                "{who}: عدد النظرات من {consumer} التي لم تُراجع خلال سبعة أيام {count}، أولها في {first}؛ ولا يُسمح بمزيد حتى تُراجع."
            ),
        ]
    }

    fn unjustified(&self, provider: &AgencyId) -> [String; 2] {
        let (who, count) = (&self.who, self.oddity.count);
        let (first, last) = self.first_and_last();
        let provider = self.ltr(provider.as_str());
        [
            format!(
                "{who}: {count} look(s) between {first} and {last} found unjustified by {provider}."
            ),
            format!(
                "{who}: عدد النظرات بين {first} و{last} التي وجدتها {provider} غير مبرَّرة {count}."
            ),
        ]
    }
}

/// `bad_seal 3, no_agreement 1`.
fn counted(codes: &BTreeMap<String, u64>) -> String {
    let codes = codes.iter().map(|(code, count)| format!("{code} {count}"));
    codes.collect::<Vec<_>>().join(", ")
}
