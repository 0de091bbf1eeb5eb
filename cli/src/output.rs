//! What people and machines read: tables, JSON, both languages, progress.

use std::io::{ErrorKind, IsTerminal as _, Write as _, stderr, stdout};
use std::sync::OnceLock;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use proto::refusal::Language;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::failure::{Exit, Failure};

/// How this run speaks.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Language of what people read.
    pub language: Language,
    /// JSON on standard output instead of tables.
    pub json: bool,
}

impl Output {
    /// The text in the language of this run.
    pub fn say<'a>(&self, english: &'a str, arabic: &'a str) -> &'a str {
        match self.language {
            Language::English => english,
            Language::Arabic => arabic,
        }
    }

    /// Prints a line for people; nothing with `--json`.
    pub fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            write_line(text.as_ref());
        }
    }

    /// Prints a line of progress or warning to standard error.
    pub fn note(&self, text: impl AsRef<str>) {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(stderr(), "{}", text.as_ref());
    }

    /// Prints `value` as one JSON document, or what `people` prints.
    pub fn show<T: Serialize>(&self, value: &T, people: impl FnOnce()) -> Result<(), Failure> {
        if self.json {
            let text = serde_json::to_string_pretty(value).map_err(Failure::unavailable)?;
            write_line(&text);
        } else {
            people();
        }
        Ok(())
    }

    /// Prints one JSON line, for lists that stream.
    pub fn json_line<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        write_line(&serde_json::to_string(value).map_err(Failure::unavailable)?);
        Ok(())
    }

    /// Prints a table with a heading row.
    pub fn table<const N: usize>(
        &self,
        heading: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        let heading = heading.map(str::to_owned).to_vec();
        self.columns(heading, rows.into_iter().map(Vec::from).collect());
    }

    /// The same where what is asked decides how many columns there are.
    pub fn columns(&self, heading: Vec<String>, rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        let preset = if stdout().is_terminal() {
            presets::UTF8_FULL_CONDENSED
        } else {
            presets::ASCII_MARKDOWN
        };
        table.load_style(preset).set_header(heading);
        if stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        for row in rows {
            table.add_row(row);
        }
        write_line(&table.to_string());
    }

    /// A progress bar on standard error; silent when nobody watches.
    pub fn progress(&self, total: u64, english: &str, arabic: &str) -> ProgressBar {
        let target = if self.json || !stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) =
            ProgressStyle::with_template("{msg} [{bar:30}] {human_pos}/{human_len} {eta}")
        {
            bar.set_style(style);
        }
        bar.set_message(self.say(english, arabic).to_owned());
        bar
    }
}

/// An identifier inside Arabic text, isolated so that it reads left to right.
pub fn isolated(text: impl AsRef<str>) -> String {
    format!("\u{2066}{}\u{2069}", text.as_ref())
}

/// Always the same width, so that times stand under each other and sort as text.
const MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Unix milliseconds as RFC 3339 in UTC, with three digits of the second's fraction.
pub fn time_of_ms(unix_ms: u64) -> String {
    let nanos = i128::from(unix_ms) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|time| time.format(MILLISECONDS).ok())
        .unwrap_or_else(|| unix_ms.to_string())
}

/// An RFC 3339 time as Unix milliseconds.
pub fn ms_of_time(text: &str) -> Result<u64, Failure> {
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|error| {
        Failure::usage(format!(
            "'{text}' is not an RFC 3339 time such as 2026-11-22T10:00:00Z: {error}"
        ))
    })?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000)
        .map_err(|_| Failure::usage(format!("'{text}' lies before 1970")))
}

/// The first error of standard output that is not a reader who has seen enough.
static LOST: OnceLock<String> = OnceLock::new();

fn write_line(text: &str) {
    write_all(format!("{text}\n").as_bytes());
}

/// Writes to standard output. An error is kept for [`lost`]: what runs has done its work, and goes on.
pub(crate) fn write_all(bytes: &[u8]) {
    let mut stdout = stdout().lock();
    keep(stdout.write_all(bytes).and_then(|()| stdout.flush()));
}

fn keep(written: std::io::Result<()>) {
    match written {
        // A reader that closed the pipe (head, less) has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            LOST.get_or_init(|| error.to_string());
        }
        _ => {}
    }
}

/// Why something that should stand on standard output does not, if so.
///
/// # Errors
/// [`Exit::Unavailable`].
pub(crate) fn lost() -> Result<(), Failure> {
    keep(stdout().flush());
    match LOST.get() {
        None => Ok(()),
        Some(error) => Err(Failure::new(
            Exit::Unavailable,
            [
                format!(
                    "Standard output cannot be written, and what should stand there is lost: {error}"
                ),
                format!("تعذّرت الكتابة إلى المخرج القياسي وفُقد ما كان يجب أن يُكتب فيه: {error}"),
            ],
            [
                "What was asked for may have been done. Make room where the output goes, look at what stands there now, and only then run the command again.",
                "ربما نُفّذ المطلوب. أفسح مكانًا للمخرجات وراجع ما هو قائم الآن قبل إعادة تشغيل الأمر.",
            ],
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_one_width_and_come_back() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_363_078_330, "2026-11-22T15:57:58.330Z"),
        ] {
            assert_eq!(time_of_ms(ms), text);
            assert_eq!(ms_of_time(text).unwrap(), ms);
        }
        assert_eq!(
            ms_of_time("2026-11-22T17:57:58+02:00").unwrap(),
            1_795_363_078_000
        );
        for bad in ["", "yesterday", "2026-11-22", "1969-12-31T23:59:59Z"] {
            assert_eq!(ms_of_time(bad).unwrap_err().exit, Exit::Usage, "{bad}");
        }
    }
}
