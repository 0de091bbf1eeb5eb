//! The little HTML that pages are made of. Every value is escaped here, and nowhere else; what could turn the
//! direction of the text around it, or cannot be seen, is written out.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3] UTC");

/// A page under construction.
#[derive(Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    /// Markup of our own, as it is.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
        self.0.push('\n');
    }

    /// A heading in both languages.
    pub(crate) fn heading(&mut self, level: u8, en: &str, ar: &str) {
        self.raw(&format!(
            "<h{level} class=\"two\"><span>{}</span><span lang=\"ar\" dir=\"rtl\">{}</span></h{level}>",
            escape(en),
            escape(ar)
        ));
    }

    /// A paragraph in both languages, side by side.
    pub(crate) fn pair(&mut self, en: &str, ar: &str) {
        self.raw(&format!(
            "<div class=\"two\"><p>{}</p><p lang=\"ar\" dir=\"rtl\">{}</p></div>",
            escape(en),
            escape(ar)
        ));
    }

    /// A row of facts: English label, value (markup), Arabic label.
    pub(crate) fn fact(&mut self, en: &str, value: &str, ar: &str) {
        self.raw(&format!(
            "<tr><th>{}</th><td>{value}</td><th lang=\"ar\" dir=\"rtl\">{}</th></tr>",
            escape(en),
            escape(ar)
        ));
    }

    /// A row of cells (markup).
    pub(crate) fn cells(&mut self, cells: &[&str]) {
        let cells: String = cells
            .iter()
            .map(|cell| format!("<td>{cell}</td>"))
            .collect();
        self.raw(&format!("<tr>{cells}</tr>"));
    }

    /// A row whose cells are texts in pairs: English, Arabic, English, Arabic.
    pub(crate) fn both(&mut self, texts: &[[&str; 2]]) {
        let cell = |[en, ar]: &[&str; 2]| {
            format!(
                "<td>{}<p lang=\"ar\" dir=\"rtl\">{}</p></td>",
                escape(en),
                escape(ar)
            )
        };
        self.raw(&format!(
            "<tr>{}</tr>",
            texts.iter().map(cell).collect::<String>()
        ));
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// Text as HTML text or attribute value.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || is_hidden(c) => {
                out.push_str(&format!("[U+{:04X}]", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

/// Characters that turn text around, or that nobody sees.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// An identifier, isolated so that it reads left to right in any text.
pub(crate) fn id(text: &str) -> String {
    format!("<bdi dir=\"ltr\" class=\"id\">{}</bdi>", escape(text))
}

/// A name shown to people, isolated, in whatever direction it has.
pub(crate) fn named(text: &str) -> String {
    format!("<bdi>{}</bdi>", escape(text))
}

/// An Arabic and an English name.
pub(crate) fn names(ar: &str, en: &str) -> String {
    let ar = format!("<bdi lang=\"ar\" dir=\"rtl\">{}</bdi>", escape(ar));
    format!("{} · {ar}", named(en))
}

/// Unix milliseconds in UTC.
pub(crate) fn time_of_ms(unix_ms: u64) -> String {
    let nanos = i128::from(unix_ms) * 1_000_000;
    let text = OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|time| time.format(MILLISECONDS).ok());
    id(&text.unwrap_or_else(|| format!("{unix_ms} ms")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_can_act() {
        let hostile = "<script>alert('1')</script>\"&\u{202e}evil\u{2066}\u{0}\r";
        assert_eq!(
            escape(hostile),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;[U+202E]evil[U+2066][U+0000][U+000D]"
        );
        assert_eq!(escape("سطر\n"), "سطر\n");
    }

    #[test]
    fn times_say_their_zone() {
        assert!(time_of_ms(1_795_363_078_330).contains("2026-11-22 15:57:58.330 UTC"));
        assert!(time_of_ms(u64::MAX).contains("ms"));
    }
}
