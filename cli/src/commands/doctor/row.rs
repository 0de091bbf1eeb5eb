//! One check as it was found, and how all of them are printed.

use serde_json::{Value, json};

use super::check::Check;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// How a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Good.
    Ok,
    /// Works, and somebody should look.
    Warning,
    /// Does not work.
    Failed,
    /// Needs one that failed.
    NotTried,
}

impl Standing {
    /// The word for machines, and for people who read English.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::NotTried => "not_tried",
        }
    }

    fn name_ar(self) -> &'static str {
        match self {
            Self::Ok => "سليم",
            Self::Warning => "تنبيه",
            Self::Failed => "متعطل",
            Self::NotTried => "لم يُفحص",
        }
    }
}

/// English, then Arabic.
pub type Both = [String; 2];

/// The same in both languages: addresses, names, what a library says.
pub fn same(text: impl ToString) -> Both {
    let text = text.to_string();
    [text.clone(), text]
}

/// One check as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub check: Check,
    /// How it stands.
    pub standing: Standing,
    /// What was found.
    pub found: Both,
    /// What to do; empty when nothing.
    pub remedy: Both,
}

impl Check {
    /// It is good.
    pub fn ok(self, found: Both) -> Row {
        self.row(Standing::Ok, found, Both::default())
    }

    /// It works, and somebody should look.
    pub fn warning(self, found: Both, remedy: [&str; 2]) -> Row {
        self.row(Standing::Warning, found, remedy.map(str::to_owned))
    }

    /// It does not work.
    pub fn failed(self, found: Both, remedy: [&str; 2]) -> Row {
        self.row(Standing::Failed, found, remedy.map(str::to_owned))
    }

    /// It needs `needed`, which failed.
    pub fn not_tried(self, needed: Self) -> Row {
        let found = [
            format!("needs: {}", needed.name()[0]),
            format!("يحتاج إلى: {}", needed.name()[1]),
        ];
        self.row(Standing::NotTried, found, Both::default())
    }

    fn row(self, standing: Standing, found: Both, remedy: Both) -> Row {
        Row {
            check: self,
            standing,
            found,
            remedy,
        }
    }
}

impl Row {
    /// Whether it does not work.
    pub fn is_failed(&self) -> bool {
        self.standing == Standing::Failed
    }

    fn to_json(&self) -> Value {
        json!({
            "check": self.check.id(),
            "name": self.check.name()[0],
            "name_ar": self.check.name()[1],
            "standing": self.standing.name(),
            "found": self.found[0],
            "found_ar": self.found[1],
            "remedy": self.remedy[0],
            "remedy_ar": self.remedy[1],
        })
    }
}

/// Prints all rows, and each remedy but that of the first that failed, which the failure carries.
///
/// # Errors
/// [`Exit::Found`] when one failed.
pub fn print(side: &str, rows: &[Row], output: Output) -> Result<(), Failure> {
    let first = rows.iter().find(|row| row.is_failed());
    let value = json!({
        "side": side,
        "checks": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
        "failed": first.map(|row| row.check.id()),
    });
    let say = |both: &Both| output.say(&both[0], &both[1]).to_owned();
    output.show(&value, || {
        let heading = [
            output.say("check", "الفحص"),
            output.say("state", "الحالة"),
            output.say("found", "النتيجة"),
        ];
        output.table(
            heading,
            rows.iter().map(|row| {
                let state = output.say(row.standing.name(), row.standing.name_ar());
                let name = output.say(row.check.name()[0], row.check.name()[1]);
                [name.to_owned(), state.replace('_', " "), say(&row.found)]
            }),
        );
        let others = rows.iter().filter(|row| first != Some(row));
        for row in others.filter(|row| !row.remedy[0].is_empty()) {
            let name = output.say(row.check.name()[0], row.check.name()[1]);
            output.line(format!("{name}: {}", say(&row.remedy)));
        }
        if first.is_none() {
            output.line(output.say("Nothing fails.", "لا شيء متعطل."));
        }
    })?;
    let Some(row) = first else { return Ok(()) };
    Err(Failure::new(
        Exit::Found,
        [
            format!(
                "The check '{}' fails: {}",
                row.check.name()[0],
                row.found[0]
            ),
            format!("الفحص «{}» متعطل: {}", row.check.name()[1], row.found[1]),
        ],
        row.remedy.clone(),
    ))
}

#[cfg(test)]
mod tests {
    use proto::refusal::Language;

    use super::*;

    #[test]
    fn one_failure_among_many_ends_with_1_and_names_itself_with_its_remedy() {
        let output = Output {
            language: Language::Arabic,
            json: false,
        };
        let fine = [
            Check::Tcp.ok(same("x")),
            Check::Tcp.warning(same("y"), ["Look.", "انظر."]),
        ];
        assert_eq!(print("agency", &fine, output), Ok(()));
        let mut rows = fine.to_vec();
        rows.push(Check::Tcp.failed(same("127.0.0.1:1"), ["Start it.", "شغّله."]));
        rows.push(Check::Tcp.not_tried(Check::Tls));
        let failure = print("agency", &rows, output).unwrap_err();
        assert_eq!(failure.exit, Exit::Found);
        for (language, what, remedy) in [
            (Language::English, "'port' fails: 127.0.0.1:1", "Start it."),
            (Language::Arabic, "«المنفذ» متعطل: 127.0.0.1:1", "شغّله."),
        ] {
            let text = failure.text(language);
            assert!(text.contains(what) && text.contains(remedy), "{text}");
        }
    }
}
