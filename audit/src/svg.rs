//! Charts as SVG: bars with spreads, lines over a logarithmic scale, and for pages that people read on a phone the narrow
//! ones of [`shares()`]. No colours that a printer loses, no fonts that have to be there. Every text is escaped here.

use std::fmt::Write as _;

use crate::html::escape;

mod shares;

pub use shares::{Share, columns, shares};

/// Strokes and fills, one for each series; they differ in darkness, too.
const COLOURS: [&str; 8] = [
    "#4c4c4c", "#8c8c8c", "#b8b8b8", "#d95f02", "#1b6fb5", "#117733", "#882255", "#b59b00",
];
const WIDTH: f64 = 960.0;
const LEFT: f64 = 240.0;
const RIGHT: f64 = 30.0;
const LINE: f64 = 22.0;

/// A page that grows downwards.
#[derive(Debug, Default)]
pub struct Page {
    body: String,
    bottom: f64,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whose.
    pub name: String,
    /// Its length.
    pub value: f64,
    /// Its spread.
    pub lowest: f64,
    /// Its spread.
    pub highest: f64,
    /// A mark that it should reach, or stay below.
    pub goal: Option<f64>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Series {
    /// Whose.
    pub name: String,
    /// Its points, in order. A value of 0 or less has no place on a logarithmic scale and is left out.
    pub values: Vec<Option<f64>>,
}

impl Page {
    fn text(&mut self, (x, y): (f64, f64), anchor: &str, text: &str) {
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#,
            escape(text)
        );
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), style: &str) {
        let _ = writeln!(
            self.body,
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" {style}/>"#,
            from.0, from.1, to.0, to.1
        );
    }

    /// A line of text.
    pub fn title(&mut self, text: &str) {
        self.bottom += LINE * 1.5;
        let y = self.bottom;
        let _ = writeln!(
            self.body,
            r#"<text x="10" y="{y:.1}" font-weight="bold">{}</text>"#,
            escape(text)
        );
        self.bottom += LINE * 0.4;
    }

    /// Bars from 0, each with its spread as a thin line and its goal as a mark.
    pub fn bars(&mut self, bars: &[Bar]) {
        let longest = bars
            .iter()
            .flat_map(|bar| [bar.highest, bar.goal.unwrap_or(0.0)])
            .filter(|value| value.is_finite())
            .fold(0.0, f64::max);
        if longest <= 0.0 {
            return;
        }
        let room = WIDTH - LEFT - RIGHT - 60.0;
        let x = |value: f64| LEFT + value.clamp(0.0, longest) / longest * room;
        for (bar, colour) in bars.iter().zip(COLOURS.iter().cycle()) {
            let (top, middle) = (self.bottom + 3.0, self.bottom + LINE / 2.0);
            self.text((LEFT - 8.0, middle + 4.0), "end", &bar.name);
            let _ = writeln!(
                self.body,
                r#"<rect x="{LEFT:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" fill="{colour}"/>"#,
                x(bar.value) - LEFT,
                LINE - 6.0
            );
            let (low, high) = (x(bar.lowest), x(bar.highest));
            self.line((low, middle), (high, middle), r##"stroke="#000""##);
            if let Some(goal) = bar.goal {
                let at = x(goal);
                let style = r##"stroke="#c00" stroke-width="2""##;
                self.line((at, top - 2.0), (at, top + LINE - 4.0), style);
            }
            let end = high.max(x(bar.value)) + 6.0;
            self.text((end, middle + 4.0), "start", &format!("{:.2}", bar.value));
            self.bottom += LINE;
        }
    }

    /// Lines over named places, on a logarithmic scale of `unit`.
    pub fn lines(&mut self, places: &[String], unit: &str, series: &[Series]) {
        let values = series.iter().flat_map(|one| one.values.iter().flatten());
        let values = values.copied().filter(|value| *value > 0.0);
        let (low, high) = values.fold((f64::MAX, 0.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if high <= 0.0 || places.is_empty() {
            return;
        }
        let (low, high) = (low.log10().floor(), high.log10().ceil());
        let high = high.max(low + 1.0);
        let (top, height) = (self.bottom + 12.0, 260.0);
        let right = WIDTH - RIGHT - 170.0;
        let y = |value: f64| top + (high - value.log10()) / (high - low) * height;
        let x = |at: usize| {
            let steps = places.len().max(2) - 1;
            LEFT + at as f64 / steps as f64 * (right - LEFT)
        };
        let mut power = low;
        while power <= high {
            let at = y(10_f64.powf(power));
            self.line((LEFT, at), (right, at), r##"stroke="#ddd""##);
            let label = format!("{} {unit}", 10_f64.powf(power));
            self.text((LEFT - 8.0, at + 4.0), "end", &label);
            power += 1.0;
        }
        for (at, place) in places.iter().enumerate() {
            self.text((x(at), top + height + 18.0), "middle", place);
        }
        for (number, (one, colour)) in series.iter().zip(COLOURS.iter().cycle()).enumerate() {
            let points: Vec<String> = one
                .values
                .iter()
                .enumerate()
                .filter_map(|(at, value)| {
                    let value = value.filter(|value| *value > 0.0)?;
                    Some(format!("{:.1},{:.1}", x(at), y(value)))
                })
                .collect();
            let _ = writeln!(
                self.body,
                r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
                points.join(" ")
            );
            let at = top + number as f64 * LINE;
            let style = format!(r#"stroke="{colour}" stroke-width="4""#);
            self.line((right + 15.0, at), (right + 35.0, at), &style);
            self.text((right + 42.0, at + 4.0), "start", &one.name);
        }
        let legend = series.len() as f64 * LINE;
        self.bottom = top + f64::max(height + 24.0, legend);
    }

    /// The document.
    pub fn finish(self) -> String {
        let height = self.bottom + LINE;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}</svg>\n",
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_what_was_drawn_and_no_markup_of_names() {
        let mut page = Page::default();
        page.title("a < b & c");
        page.bars(&[Bar {
            name: "one".to_owned(),
            value: 0.5,
            lowest: 0.4,
            highest: 0.6,
            goal: Some(1.0),
        }]);
        page.lines(
            &["p50".to_owned(), "p99".to_owned()],
            "ms",
            &[Series {
                name: "one".to_owned(),
                values: vec![Some(0.5), Some(20.0), None],
            }],
        );
        let svg = page.finish();
        assert!(svg.contains("a &lt; b &amp; c") && svg.contains("0.50"));
        assert!(svg.contains("0.1 ms") && svg.contains("100 ms"), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 1);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn nothing_to_draw_draws_nothing() {
        let mut page = Page::default();
        page.bars(&[]);
        page.lines(&[], "ms", &[]);
        let none = Series {
            name: "none".to_owned(),
            values: vec![Some(0.0), None],
        };
        page.lines(&["a".to_owned()], "ms", &[none]);
        assert!(!page.finish().contains("<polyline"));
    }
}
