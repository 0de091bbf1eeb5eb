//! `mohawel adapter alarms`: the home's alarm book, shown and acknowledged. Asks nobody but the home.

use adapters::alarm::book::{self, Book, Raised};
use adapters::identity::Home;
use audit::clock::Clock;
use proto::digest::Digest;
use serde_json::{Value, json};

use crate::args::Alarms;
use crate::failure::{Exit, Failure};
use crate::output::{Output, time_of_ms};

/// Digits of a fingerprint that name an alarm at least.
const DIGITS_MIN: usize = 8;

/// Acknowledges what was named, then lists.
///
/// # Errors
/// [`Exit::Found`] while an alarm is not acknowledged; a usage failure for a fingerprint that names none or several.
pub fn run(args: &Alarms, output: Output) -> Result<(), Failure> {
    let home = Home::open(&args.home).map_err(Failure::usage)?;
    let book = Book::read(home.dir()).map_err(Failure::usage)?;
    let named: Vec<Digest> = args
        .acknowledge
        .iter()
        .map(|text| find(&book, text))
        .collect::<Result<_, _>>()?;
    for fingerprint in &named {
        book::know(home.dir(), fingerprint, Clock::System.now_ms())
            .map_err(Failure::unavailable)?;
    }
    let book = Book::read(home.dir()).map_err(Failure::usage)?;
    let open = book.open().len();
    let shown = if args.all { book.all() } else { book.open() };
    let value = json!({
        "open": open,
        "acknowledged_now": named.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "alarms": shown.iter().map(|raised| raised_json(raised)).collect::<Vec<_>>(),
    });
    output.show(&value, || print(&shown, output))?;
    if open == 0 {
        output.line(output.say("No alarm is open.", "لا إنذار مفتوحًا."));
        return Ok(());
    }
    Err(Failure::new(
        Exit::Found,
        [
            format!("{open} alarm(s) are open."),
            format!("عدد الإنذارات المفتوحة {open}."),
        ],
        [
            "Ask the agency's administrators who made each. What nobody knows was slipped in: tell the auditor, and end it with `mohawel key end` or `mohawel certs revoke`. What is known: --acknowledge FINGERPRINT.",
            "اسأل مسؤولي الجهة عمّن أنشأ كلًّا منها. وما لا يعرفه أحد فقد دُسّ: أبلغ المدقّق وأنهه بالأمر mohawel key end أو mohawel certs revoke. وما كان معروفًا فاستخدم ‎--acknowledge‎ مع بصمته.",
        ],
    ))
}

fn find(book: &Book, text: &str) -> Result<Digest, Failure> {
    let wanted = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for raised in book.all() {
        let whole = raised.bound.fingerprint.to_string();
        if wanted.len() >= DIGITS_MIN && whole.starts_with(&wanted) {
            found.push(raised.bound.fingerprint);
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        _ => Err(Failure::usage(format!(
            "'{text}' names {} alarms; give {DIGITS_MIN} digits or more of one that `mohawel adapter alarms` lists",
            found.len()
        ))),
    }
}

fn print(shown: &[&Raised], output: Output) {
    let heading = [
        output.say("raised", "وقت الإنذار"),
        output.say("what", "ما هو"),
        output.say("for", "لمن"),
        output.say("entry", "القيد"),
        output.say("fingerprint", "البصمة"),
        output.say("acknowledged", "أُقرّ به"),
    ];
    if shown.is_empty() {
        return;
    }
    output.table(
        heading,
        shown.iter().map(|raised| {
            let bound = &raised.bound;
            [
                time_of_ms(raised.raised_at_ms),
                bound.what.name().to_owned(),
                bound.subject.clone(),
                bound
                    .index
                    .map_or_else(|| "-".to_owned(), |index| index.to_string()),
                bound.fingerprint.to_string(),
                raised
                    .acknowledged_at_ms
                    .map_or_else(|| "-".to_owned(), time_of_ms),
            ]
        }),
    );
}

fn raised_json(raised: &Raised) -> Value {
    json!({
        "alarm": raised.bound.what.name(),
        "subject": raised.bound.subject,
        "fingerprint": raised.bound.fingerprint.to_string(),
        "index": raised.bound.index,
        "raised_at": time_of_ms(raised.raised_at_ms),
        "acknowledged_at": raised.acknowledged_at_ms.map(time_of_ms),
    })
}
