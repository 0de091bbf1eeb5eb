//! `benches draw`: a chart of a table of figures, as the other measurements and this folder's README print them.
//!
//! Takes a Markdown table. The first column names the places, each column asked for is a line; with `--rows` the other way
//! round. Of a cell like `1,584 (1,263..1,934)` the first number counts. Never measures anything.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;

use audit::svg::{Page, Series};

/// What is drawn.
#[derive(Clone, Debug, Args)]
pub(crate) struct Plan {
    /// The file with the table; of several the first that has every line asked for.
    table: PathBuf,
    /// The drawing.
    svg: PathBuf,
    /// What stands above it.
    #[arg(long)]
    title: String,
    /// What the values are in.
    #[arg(long, default_value = "")]
    unit: String,
    /// Each row asked for is a line, and the columns are the places.
    #[arg(long)]
    rows: bool,
    /// The lines, by the names that the table gives them; behind a `=` a shorter one for the drawing.
    #[arg(long = "line", required = true)]
    lines: Vec<String>,
}

/// Reads the table and writes the drawing.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let name = plan.table.display();
    let text = fs::read_to_string(&plan.table).with_context(|| format!("cannot read {name}"))?;
    let tables = tables(&text).into_iter();
    let mut tables = tables.map(|table| if plan.rows { turned(&table) } else { table });
    let lines = plan.lines.iter();
    let lines: Vec<(&str, &str)> = lines
        .map(|line| line.split_once('=').unwrap_or((line, line)))
        .collect();
    let place =
        |table: &Vec<Vec<String>>, line: &str| table[0].iter().position(|name| name == line);
    let table = tables
        .find(|table| lines.iter().all(|(line, _)| place(table, line).is_some()))
        .with_context(|| format!("no table in {name} has all of {:?}", plan.lines))?;
    let mut series = Vec::new();
    let mut places: Vec<String> = Vec::new();
    for (line, label) in lines {
        let at = place(&table, line).unwrap_or(0);
        let mut values = Vec::new();
        places.clear();
        for row in &table[1..] {
            // What is no number, or a ratio of two places, has no place on the scale.
            let Some(value) = row.get(at).and_then(|cell| number(cell)) else {
                continue;
            };
            if row[0].contains('÷') {
                continue;
            }
            places.push(row[0].clone());
            values.push(Some(value));
        }
        ensure!(!values.is_empty(), "'{line}' holds no number");
        let name = label.to_owned();
        series.push(Series { name, values });
    }
    ensure!(
        series.iter().all(|one| one.values.len() == places.len()),
        "the lines do not have the same places"
    );
    let mut page = Page::default();
    page.title(&plan.title);
    page.lines(&places, &plan.unit, &series);
    let svg = plan.svg.display();
    fs::write(&plan.svg, page.finish()).with_context(|| format!("cannot write {svg}"))
}

/// Every Markdown table of a text, the header first, without the line below it.
fn tables(text: &str) -> Vec<Vec<Vec<String>>> {
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    let mut within = false;
    for line in text.lines().map(str::trim) {
        let Some(inner) = line.strip_prefix('|') else {
            within = false;
            continue;
        };
        if !within {
            tables.push(Vec::new());
            within = true;
        }
        let inner = inner.strip_suffix('|').unwrap_or(inner);
        let cells = inner.split('|').map(|cell| cell.trim().replace("**", ""));
        let cells: Vec<String> = cells.collect();
        let ruled = cells
            .iter()
            .all(|cell| cell.chars().all(|c| "-: ".contains(c)));
        if let Some(table) = tables.last_mut()
            && (table.is_empty() || !ruled)
        {
            table.push(cells);
        }
    }
    tables
}

/// Rows as columns.
fn turned(table: &[Vec<String>]) -> Vec<Vec<String>> {
    let wide = table.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, at: usize| row.get(at).cloned().unwrap_or_default();
    (0..wide)
        .map(|at| table.iter().map(|row| cell(row, at)).collect())
        .collect()
}

/// The first number of a cell, as we write them: a comma parts thousands.
fn number(cell: &str) -> Option<f64> {
    let end = cell
        .find(|c: char| !(c.is_ascii_digit() || c == ',' || c == '.'))
        .unwrap_or(cell.len());
    cell[..end].replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Words.\n\n| entries | a/s | b |\n|---|---:|---|\n| 1000 | 1,584 (1,263..1,934) | **0.5** |\n\
                        | 2000 | 1,600 | - |\n\nMore.\n\n| x | y |\n|---|---|\n| 1 | 2 |\n";

    #[test]
    fn tables_are_found_and_numbers_read_as_they_are_written() {
        let tables = tables(TEXT);
        assert_eq!((tables.len(), tables[0].len(), tables[1].len()), (2, 3, 2));
        assert_eq!(tables[0][1], ["1000", "1,584 (1,263..1,934)", "0.5"]);
        assert_eq!(turned(&tables[1]), [["x", "1"], ["y", "2"]]);
        let cells = ["1,584 (1,263..1,934)", "0.5", "-", "", "7 ms", "(3)"];
        let numbers = [Some(1_584.0), Some(0.5), None, None, Some(7.0), None];
        assert_eq!(cells.map(number), numbers);
    }

    #[test]
    fn what_is_asked_for_is_drawn_and_what_is_not_there_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("table.md");
        fs::write(&table, TEXT).unwrap();
        let plan = |line: &str, rows: bool| Plan {
            table: table.clone(),
            svg: dir.path().join("out.svg"),
            title: "a title".to_owned(),
            unit: "/s".to_owned(),
            rows,
            lines: vec![line.to_owned()],
        };
        run(&plan("a/s", false)).unwrap();
        let drawn = fs::read_to_string(dir.path().join("out.svg")).unwrap();
        assert!(
            drawn.contains("a title") && drawn.contains(">2000<"),
            "{drawn}"
        );
        run(&plan("1000=thousand", true)).unwrap();
        let drawn = fs::read_to_string(dir.path().join("out.svg")).unwrap();
        assert!(drawn.contains("thousand"), "{drawn}");
        let error = run(&plan("c", false)).unwrap_err().to_string();
        assert!(error.contains("no table"), "{error}");
        fs::write(&table, "").unwrap();
        assert!(run(&plan("a/s", false)).is_err());
    }
}
