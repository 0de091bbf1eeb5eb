//! Narrow charts: as wide as a phone, names above their bars, mirrored for languages that are read from the right.
//!
//! Takes: for each bar a whole and a part of it. Gives: an SVG element to stand inside a page; its figures stand in a table
//! beside it, so that to a screen reader it is one picture with a name. Never draws outside its frame, whatever the
//! figures are.

use std::fmt::Write as _;

use crate::html::escape;

const WIDTH: f64 = 360.0;
/// Of all bars; the rest is for figures behind the longest one.
const ROOM: f64 = 250.0;
const NAME: f64 = 16.0;
const BAR: f64 = 12.0;
const GAP: f64 = 8.0;
/// Of columns.
const HEIGHT: f64 = 120.0;
/// Light and dark stand out from white, and from each other, by 3 to 1 and more.
const WHOLE: &str = "#6893c1";
const PART: &str = "#6b1a0e";
/// Characters of a name that fit.
const NAME_CHARS: usize = 52;

/// A bar or column.
#[derive(Clone, Debug, Default)]
pub struct Share {
    /// Whose.
    pub name: String,
    /// Its length.
    pub whole: f64,
    /// The dark part of it.
    pub part: f64,
    /// A mark in between.
    pub mark: Option<f64>,
    /// Its figures, as they stand behind the bar.
    pub figures: String,
}

/// Bars below each other. `name` is what the picture is; `mirrored` mirrors it.
pub fn shares(name: &str, bars: &[Share], mirrored: bool) -> String {
    let longest = longest(bars);
    let mut body = String::new();
    let mut y = 0.0;
    for bar in bars {
        let frame = Frame { mirrored };
        frame.name(&mut body, (0.0, y + NAME - 4.0), &bar.name);
        let top = y + NAME;
        let long = |value: f64| scaled(value, longest) * ROOM;
        frame.rect(&mut body, (0.0, top), (long(bar.whole), BAR), WHOLE);
        frame.rect(&mut body, (0.0, top), (long(bar.part), BAR), PART);
        if let Some(mark) = bar.mark {
            frame.rect(
                &mut body,
                (long(mark) - 1.0, top - 2.0),
                (2.0, BAR + 4.0),
                "#111",
            );
        }
        let end = long(bar.whole) + 6.0;
        frame.figures(&mut body, (end, top + BAR - 2.0), &bar.figures);
        y = top + BAR + GAP;
    }
    framed(name, y.max(1.0), &body)
}

/// Columns beside each other, in order. As many names as fit stand below.
pub fn columns(name: &str, columns: &[Share], mirrored: bool) -> String {
    let longest = longest(columns);
    let mut body = String::new();
    let frame = Frame { mirrored };
    let count = columns.len().max(1) as f64;
    let step = (WIDTH / count).min(40.0);
    let wide = (step * 0.8).max(0.5);
    let each = (46.0 / step).ceil().max(1.0) as usize;
    let base = HEIGHT + 14.0;
    for (at, column) in columns.iter().enumerate() {
        let x = at as f64 * step;
        for (value, colour) in [(column.whole, WHOLE), (column.part, PART)] {
            let high = scaled(value, longest) * HEIGHT;
            frame.rect(&mut body, (x, base - high), (wide, high), colour);
        }
        if at.is_multiple_of(each) {
            frame.figures(&mut body, (x, base + 14.0), &column.name);
        }
    }
    let highest = columns.iter().find(|column| column.whole >= longest);
    if let Some(highest) = highest.filter(|_| longest > 0.0) {
        frame.figures(&mut body, (0.0, 10.0), &highest.figures);
    }
    frame.rect(&mut body, (0.0, base), (WIDTH, 0.7), "#111");
    framed(name, base + 20.0, &body)
}

fn longest(bars: &[Share]) -> f64 {
    let all = bars.iter().map(|bar| bar.whole);
    all.filter(|whole| whole.is_finite()).fold(0.0, f64::max)
}

/// 0 to 1.
fn scaled(value: f64, longest: f64) -> f64 {
    match longest > 0.0 && value.is_finite() {
        true => (value / longest).clamp(0.0, 1.0),
        false => 0.0,
    }
}

fn framed(name: &str, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n{body}</svg>\n",
        escape(name)
    )
}

/// Where left is.
#[derive(Clone, Copy)]
struct Frame {
    mirrored: bool,
}

impl Frame {
    fn rect(self, body: &mut String, (x, y): (f64, f64), (wide, high): (f64, f64), fill: &str) {
        if wide <= 0.0 || high <= 0.0 {
            return;
        }
        let x = if self.mirrored { WIDTH - x - wide } else { x };
        let _ = writeln!(
            body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{wide:.1}" height="{high:.1}" fill="{fill}"/>"#
        );
    }

    /// A name of people's, in the direction of the page.
    fn name(self, body: &mut String, (x, y): (f64, f64), text: &str) {
        let (x, direction) = match self.mirrored {
            true => (WIDTH - x, "rtl"),
            false => (x, "ltr"),
        };
        let mut short: String = text.chars().take(NAME_CHARS).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        let _ = writeln!(
            body,
            r#"<text x="{x:.1}" y="{y:.1}" direction="{direction}">{}</text>"#,
            escape(&short)
        );
    }

    /// Figures and times: from left to right in every language.
    fn figures(self, body: &mut String, (x, y): (f64, f64), text: &str) {
        let (x, anchor) = match self.mirrored {
            true => (WIDTH - x, "end"),
            false => (x, "start"),
        };
        let _ = writeln!(
            body,
            r#"<text x="{x:.1}" y="{y:.1}" direction="ltr" text-anchor="{anchor}" font-size="11">{}</text>"#,
            escape(text)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(name: &str, whole: f64, part: f64) -> Share {
        Share {
            name: name.to_owned(),
            whole,
            part,
            mark: Some(whole / 2.0),
            figures: format!("{whole} ({part})"),
        }
    }

    /// Every number of an attribute.
    fn numbers(svg: &str, attribute: &str) -> Vec<f64> {
        let begins = format!(" {attribute}=\"");
        let parts = svg.split(&begins).skip(1);
        let numbers = parts.map(|part| part.split('"').next().unwrap().parse().unwrap());
        numbers.collect()
    }

    #[test]
    fn bars_are_as_long_as_their_figures_and_mirrored_ones_begin_at_the_right() {
        let bars = [share("a", 10.0, 5.0), share("b", 5.0, 0.0)];
        let left = shares("n", &bars, false);
        let wide: Vec<f64> = numbers(&left, "width");
        // Whole, part and mark; the second has no part.
        assert_eq!(wide, [250.0, 125.0, 2.0, 125.0, 2.0]);
        let right = shares("n", &bars, true);
        let ends = numbers(&right, "x").into_iter().zip(numbers(&right, "y"));
        assert!(ends.clone().all(|(x, _)| (0.0..=360.0).contains(&x)));
        assert!(right.contains(r#"x="110.0""#) && right.contains(r#"direction="rtl""#));
        assert!(left.contains("10 (5)") && left.contains(r#"role="img" aria-label="n""#));
    }

    #[test]
    fn nothing_breaks_out_whatever_it_is() {
        let hostile = "</svg><script>alert(1)</script>\u{202e}\"";
        let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300].map(|value| Share {
            part: f64::NEG_INFINITY,
            ..share(hostile, value, 0.0)
        });
        for drawn in [
            shares(hostile, &odd, true),
            columns(hostile, &odd, false),
            shares("", &[], false),
            columns("", &[], true),
        ] {
            assert_eq!(drawn.matches('<').count(), drawn.matches('>').count());
            assert!(!drawn.contains("<script") && !drawn.contains('\u{202e}'));
            let drawn_numbers = ["x", "y", "width", "height"].map(|name| numbers(&drawn, name));
            let mut inside = drawn_numbers.iter().flatten();
            assert!(
                inside.all(|number| (-2.0..=400.0).contains(number)),
                "{drawn}"
            );
        }
        let many: Vec<Share> = (0..400)
            .map(|day| share("2026-11-27", f64::from(day), 1.0))
            .collect();
        let drawn = columns("days", &many, false);
        assert!(drawn.matches("2026-11-27").count() <= 8);
        assert!(numbers(&drawn, "x").into_iter().all(|x| x <= 360.0));
    }
}
