//! A case as people read it, side by side, and for machines.

use std::path::Path;

use adapters::compose::{Composition, End, Outcome, Part, Problem, Rows};
use adapters::consumer::ExchangeError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use proto::Digest;
use proto::case::Case;
use proto::refusal::Language;
use proto::refusal::Language::{Arabic, English};
use serde_json::{Value, json};

use super::written;
use crate::commands::call;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Rows of one answer that a table shows; JSON has all.
const ROWS_SHOWN: usize = 5;

/// `FILE:LINE:COLUMN: sentence`, as editors find it.
pub(super) fn problem_line(file: &Path, problem: &Problem, language: Language) -> String {
    let (file, at) = (file.display(), problem.at);
    let sentence = problem.sentence(language);
    match at.line {
        0 => format!("{file}: {sentence}"),
        line => format!("{file}:{line}:{}: {sentence}", at.column),
    }
}

/// The same for machines.
pub(super) fn problem_json(problem: &Problem) -> Value {
    json!({
        "line": problem.at.line,
        "column": problem.at.column,
        "sentence": problem.sentence(English),
        "sentence_ar": problem.sentence(Arabic),
    })
}

/// What a composition without mistakes asks, and in which order.
pub(super) fn declared(composition: &Composition, output: Output) {
    let name = |place: &usize| composition.parts[*place].name.to_string();
    let rows = composition.parts.iter().map(|part| {
        [
            part.name.to_string(),
            format!("{} {}", part.service, part.operation),
            part.purpose.to_string(),
            part.fields
                .iter()
                .map(|field| field.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            part.needs.iter().map(name).collect::<Vec<_>>().join(", "),
        ]
    });
    let heading = [
        output.say("part", "الجزء"),
        output.say("asks", "يسأل"),
        output.say("purpose", "الغرض"),
        output.say("takes", "يأخذ"),
        output.say("after", "بعد"),
    ];
    output.table(heading, rows);
    output.line(output.say("Nothing is wrong with it.", "لا خطأ فيه."));
}

/// A case that was run.
pub(super) struct Told<'a> {
    pub(super) composition: &'a Composition,
    pub(super) case: &'a Case,
    pub(super) actor: Option<Digest>,
    pub(super) outcomes: &'a [Outcome],
    pub(super) output: Output,
}

impl Told<'_> {
    fn parts(&self) -> impl Iterator<Item = (&Part, &Outcome)> {
        self.composition.parts.iter().zip(self.outcomes)
    }

    fn done(&self) -> usize {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.is_done())
            .count()
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        json!({
            "composition": self.composition.name.to_string(),
            "case": self.case.reference(),
            "case_reference": self.case.commitment().to_string(),
            "actor": self.actor.map(|actor| actor.to_string()),
            "complete": self.done() == self.outcomes.len(),
            "parts": self.parts().map(|(part, outcome)| part_json(part, outcome)).collect::<Vec<_>>(),
        })
    }

    /// The answers side by side, then how each part ended, then what to do about those that have none.
    pub(super) fn print(&self) {
        let output = self.output;
        let title = &self.composition.titles[usize::from(output.language == Arabic)];
        output.line(format!("{title}: {}", self.case.reference()));
        let heading = self
            .parts()
            .map(|(part, _)| part.title(output.language).to_owned());
        let cells = self.parts().map(|(_, outcome)| self.cell(outcome));
        output.columns(heading.collect(), vec![cells.collect()]);
        let rows = self.parts().map(|(part, outcome)| {
            let entries = match &outcome.end {
                End::Answered { answer, .. } => {
                    format!("{} + {}", answer.request_index, answer.closing_index)
                }
                End::NoAnswer(error) => index_of(error),
                End::Earlier { .. } | End::NotAsked(_) => String::new(),
            };
            let earlier = match &outcome.end {
                End::Earlier { exchange, .. } => Some(*exchange),
                _ => outcome.exchange,
            };
            let exchange = earlier.map(|id| id.to_string());
            [
                part.title(output.language).to_owned(),
                code(outcome),
                exchange.unwrap_or_default(),
                entries,
                format!("{} ms", outcome.after_ms),
            ]
        });
        let heading = [
            output.say("part", "الجزء"),
            output.say("outcome", "النتيجة"),
            output.say("exchange", "التبادل"),
            output.say("entries, proved", "القيود، مُثبتة"),
            output.say("after", "بعد"),
        ];
        output.table(heading, rows);
        for (part, outcome) in self.parts() {
            if let Some([english, arabic]) = why(outcome) {
                let why = output
                    .say(&english[0], &arabic[0])
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                output.line(format!("✘ {}: {why}", part.title(output.language)));
                output.line(format!(
                    "  {} {}",
                    output.say("→", "←"),
                    output.say(&english[1], &arabic[1])
                ));
            }
        }
        output.line(format!(
            "{} {}",
            output.say(
                "in the log, as one thread: mohawel audit find --case",
                "في السجل، خيط واحد: mohawel audit find --case"
            ),
            self.case.commitment(),
        ));
    }

    /// What one part answered, a line for each field.
    fn cell(&self, outcome: &Outcome) -> String {
        let rows = match &outcome.end {
            End::Answered {
                rows: Some(rows), ..
            }
            | End::Earlier {
                rows: Some(rows), ..
            } => rows,
            End::Answered { answer, rows: None } => {
                return format!("{}, {} B", answer.content_type, answer.payload.len());
            }
            End::Earlier { .. } => return self.output.say("done earlier", "نُفّذ سابقًا").to_owned(),
            End::NoAnswer(_) | End::NotAsked(_) => return format!("✘ {}", code(outcome)),
        };
        let several = rows.rows.len() > 1;
        let mut lines = Vec::new();
        for (number, row) in (1..).zip(rows.rows.iter().take(ROWS_SHOWN)) {
            if several {
                lines.push(format!("— {number} —"));
            }
            lines.extend(
                row.iter()
                    .map(|(field, value)| format!("{field}: {}", written(value))),
            );
        }
        if rows.rows.is_empty() {
            lines.push(
                self.output
                    .say("nothing on record", "لا شيء مسجّل")
                    .to_owned(),
            );
        }
        if rows.rows.len() > ROWS_SHOWN || rows.truncated {
            lines.push(self.output.say("… and more", "… والمزيد").to_owned());
        }
        lines.join("\n")
    }

    /// How the command ends.
    pub(super) fn ending(&self) -> Result<(), Failure> {
        let (done, all) = (self.done(), self.outcomes.len());
        if done == all {
            return Ok(());
        }
        let errors = self
            .outcomes
            .iter()
            .filter_map(|outcome| match &outcome.end {
                End::NoAnswer(error) => Some(call::failure(error).exit),
                _ => None,
            });
        let exits: Vec<Exit> = errors.collect();
        let exit = match done {
            _ if exits.contains(&Exit::Untrusted) => Exit::Untrusted,
            0 if exits.iter().all(|exit| *exit == Exit::Unavailable) => Exit::Unavailable,
            0 => Exit::Refused,
            _ => Exit::Found,
        };
        Err(Failure::new(
            exit,
            [
                format!(
                    "{done} of {all} parts were answered; what came stands above, with the reason for each that did not"
                ),
                format!(
                    "أُجيب عن {done} من {all} من الأجزاء؛ وما وصل معروض أعلاه مع سبب كل ما لم يصل"
                ),
            ],
            [
                "Run it again under the same --case when the reasons are gone: nothing is done twice.",
                "أعد التشغيل بنفس ‎--case‎ بعد زوال الأسباب: فلا يُنفَّذ شيء مرتين.",
            ],
        ))
    }
}

/// The stable word for how a part ended.
fn code(outcome: &Outcome) -> String {
    match &outcome.end {
        End::Answered { .. } => "answered".to_owned(),
        End::Earlier { .. } => "done_earlier".to_owned(),
        End::NotAsked(why) => format!("not_asked ({})", why.name()),
        End::NoAnswer(error) => error_code(error),
    }
}

fn error_code(error: &ExchangeError) -> String {
    match (error.code(), error) {
        (Some(code), _) => code.name().to_owned(),
        (None, ExchangeError::Provider { status, .. }) => status.name().to_owned(),
        (None, ExchangeError::Untrusted { .. } | ExchangeError::Distrust(_)) => {
            "untrusted".to_owned()
        }
        (None, ExchangeError::Transport { .. }) => "unreachable".to_owned(),
        (None, _) => "unsent".to_owned(),
    }
}

/// Sentence and remedy, English then Arabic, of a part that has no answer.
fn why(outcome: &Outcome) -> Option<[[String; 2]; 2]> {
    match &outcome.end {
        End::Answered { .. } | End::Earlier { .. } => None,
        End::NotAsked(why) => Some(
            [English, Arabic]
                .map(|language| [why.sentence(language), why.remedy(language).to_owned()]),
        ),
        End::NoAnswer(error) => {
            let Failure {
                what: [what, what_ar],
                next: [next, next_ar],
                ..
            } = call::failure(error);
            Some([[what, next], [what_ar, next_ar]])
        }
    }
}

/// Where the log holds what ended without an answer, as far as that is proved.
fn index_of(error: &ExchangeError) -> String {
    match error {
        ExchangeError::Refused(refused) if refused.proven => refused
            .receipt
            .as_ref()
            .map(|receipt| receipt.index.to_string())
            .unwrap_or_default(),
        ExchangeError::Provider { answer, .. } => {
            format!("{} + {}", answer.request_index, answer.closing_index)
        }
        _ => String::new(),
    }
}

fn part_json(part: &Part, outcome: &Outcome) -> Value {
    let why = why(outcome).unwrap_or_default();
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let rows_json = |rows: &Option<Rows>| rows.as_ref().map(|rows| json!(rows.rows));
    let (answer, refused) = match &outcome.end {
        End::Answered { answer, .. } => (Some(answer), None),
        End::NoAnswer(error) => match &**error {
            ExchangeError::Provider { answer, .. } => (Some(answer), None),
            ExchangeError::Refused(refused) => (None, Some(refused)),
            _ => (None, None),
        },
        End::Earlier { .. } | End::NotAsked(_) => (None, None),
    };
    let (rows, truncated) = match &outcome.end {
        End::Answered { rows, .. } | End::Earlier { rows, .. } => (
            rows_json(rows),
            rows.as_ref().is_some_and(|rows| rows.truncated),
        ),
        End::NoAnswer(_) | End::NotAsked(_) => (None, false),
    };
    let earlier = match &outcome.end {
        End::Earlier { exchange, .. } => Some(exchange.to_string()),
        _ => None,
    };
    let receipt = answer.map(|answer| &answer.receipt);
    let receipt =
        receipt.or(refused.and_then(|refused| refused.receipt.as_ref().filter(|_| refused.proven)));
    json!({
        "part": part.name.to_string(),
        "name_en": part.titles[0],
        "name_ar": part.titles[1],
        "provider": part.service.system().to_string(),
        "outcome": code(outcome),
        "clause": refused.and_then(|refused| refused.clause.clone()),
        "sentence": text(&why[0][0]),
        "remedy": text(&why[0][1]),
        "sentence_ar": text(&why[1][0]),
        "remedy_ar": text(&why[1][1]),
        "exchange_id": outcome.exchange.map(|id| id.to_string()).or(earlier),
        "attempt_of": outcome.attempt_of.map(|id| id.to_string()),
        "request_index": answer.map(|answer| answer.request_index),
        "closing_index": receipt.map(|receipt| receipt.index),
        "receipt": receipt.map(|receipt| STANDARD.encode(receipt.to_wire().encode_to_vec())),
        "proven": receipt.is_some(),
        "rows": rows,
        "truncated": truncated,
        "after_ms": outcome.after_ms,
    })
}
