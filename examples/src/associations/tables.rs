//! The fund's tables, as its committee reads them.
//!
//! Takes rules, answers and verdicts. Prints; decides nothing.

use cli::output::Output;
use serde_json::Value;

use super::{Answers, Application, Rules, Verdict};
use crate::show;

/// The conditions, each as its file says it.
pub fn rules(rules: &Rules, output: Output) {
    let heading = [
        output.say("condition", "الشرط"),
        output.say("looks at", "ينظر إلى"),
        output.say("must be", "المطلوب"),
    ];
    let rows = rules.conditions.iter().map(|condition| {
        let [english, arabic] = condition.names();
        let [at, must] = condition.reads();
        [output.say(english, arabic).to_owned(), at, must]
    });
    output.table(heading, rows);
}

/// What each agency said in one case, as `compose run --json` told it, with the entries that prove it.
pub fn answers(one: &Application, told: &Value, output: Output) {
    let name = output.say(&one.name_en, &one.name_ar);
    show(format!("   {} {name}", one.case));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parts = told["parts"].as_array().map_or(&[][..], Vec::as_slice);
    let rows = parts.iter().map(|part| {
        let fields = part["rows"][0].as_object();
        let fields = fields.into_iter().flatten().map(|(field, value)| {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            format!("{field}: {value}")
        });
        let mut lines: Vec<String> = fields.collect();
        if lines.is_empty() {
            lines.push(text(&part[output.say("sentence", "sentence_ar")]));
            lines.push(text(&part[output.say("remedy", "remedy_ar")]));
        }
        let index = part["closing_index"].as_u64();
        [
            text(&part[output.say("name_en", "name_ar")]),
            text(&part["outcome"]),
            lines.join("\n"),
            index.map(|index| index.to_string()).unwrap_or_default(),
        ]
    });
    let heading = [
        output.say("part", "الجزء"),
        output.say("outcome", "النتيجة"),
        output.say("answer", "الإجابة"),
        output.say("entry", "القيد"),
    ];
    output.table(heading, rows);
}

/// Who is eligible, how much, why not, and where the log has what it was decided on.
pub fn outcome(all: &[Application], decided: &[(Answers, Verdict)], output: Output) {
    let heading = [
        output.say("application", "الطلب"),
        output.say("association", "الجمعية"),
        output.say("outcome", "النتيجة"),
        output.say("asked, EGP", "المطلوب بالجنيه"),
        output.say("granted, EGP", "الممنوح بالجنيه"),
        output.say("why", "السبب"),
        output.say("in the log", "في السجل"),
    ];
    let rows = all.iter().zip(decided).map(|(one, (answers, verdict))| {
        let [word, amount, why] = words(one, verdict, output);
        [
            one.case.clone(),
            output.say(&one.name_en, &one.name_ar).to_owned(),
            word,
            one.asked_egp.to_string(),
            amount,
            why,
            span(&answers.entries),
        ]
    });
    output.table(heading, rows);
}

/// Outcome, amount and reasons.
fn words(one: &Application, verdict: &Verdict, output: Output) -> [String; 3] {
    let say = |why: &[String; 2]| output.say(&why[0], &why[1]).to_owned();
    let without = |word: &str, why: &[[String; 2]]| {
        let lines: Vec<String> = why.iter().map(say).collect();
        [word.to_owned(), String::new(), lines.join("\n")]
    };
    match verdict {
        Verdict::Eligible {
            amount_egp,
            ceiling,
        } => {
            let why = match *amount_egp < one.asked_egp {
                true => say(ceiling),
                false => String::new(),
            };
            let word = output.say("eligible", "مستحقة").to_owned();
            [word, amount_egp.to_string(), why]
        }
        Verdict::NotEligible(why) => without(output.say("not eligible", "غير مستحقة"), why),
        Verdict::AskAgain(why) => without(output.say("to be asked again", "يُعاد السؤال"), why),
        Verdict::NotCovered(why) => without(output.say("needs an agreement", "تحتاج اتفاقية"), why),
    }
}

/// The first and the last of some entries.
fn span(entries: &[u64]) -> String {
    match entries {
        [] => String::new(),
        [one] => one.to_string(),
        [first, .., last] => format!("{first}–{last}"),
    }
}
