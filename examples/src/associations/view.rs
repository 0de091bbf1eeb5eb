//! The governance view: per governorate what was granted, beside what statistics say about need.
//!
//! Takes statistics of all governorates and the fund's verdicts. Gives rows, the greatest need first, and the words for
//! what stands out. Knows sums over governorates, and nobody.

use anyhow::{Context as _, Result};
use cli::output::{Output, isolated};
use proto::refusal::Language;
use serde_json::{Map, Value};

use super::{Answers, Verdict};

/// Cells of the longest bar.
const BAR_CELLS: u64 = 14;

/// One governorate.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// English, then Arabic.
    pub names: [String; 2],
    /// Households in need, as statistics say.
    pub in_need: u64,
    /// Nurseries for 1,000 children, as statistics say.
    pub nurseries: String,
    /// Beneficiaries that associations reached there last year, as statistics say.
    pub reached: u64,
    /// Applications that came from it.
    pub applied: u64,
    /// Of those, supported.
    pub granted: u64,
    /// In EGP.
    pub granted_egp: u64,
}

/// Lays verdicts beside statistics.
///
/// # Errors
/// Statistics without a name or a figure.
pub fn rows(figures: &[Map<String, Value>], cases: &[(&Answers, &Verdict)]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for figure in figures {
        let text = |field: &str| {
            let value = figure.get(field).with_context(|| field.to_owned())?;
            anyhow::Ok(value.as_str().map_or(value.to_string(), str::to_owned))
        };
        let count = |field: &str| {
            text(field)?
                .parse::<u64>()
                .with_context(|| field.to_owned())
        };
        rows.push(Row {
            names: [text("governorate")?, text("governorate_ar")?],
            in_need: count("households_in_need")?,
            nurseries: text("nurseries_per_1000_children")?,
            reached: count("beneficiaries_reached")?,
            applied: 0,
            granted: 0,
            granted_egp: 0,
        });
    }
    for (answers, verdict) in cases {
        let from = answers
            .field("register", "governorate")
            .and_then(Value::as_str);
        let Some(row) = rows
            .iter_mut()
            .find(|row| Some(row.names[0].as_str()) == from)
        else {
            continue;
        };
        row.applied += 1;
        if let Verdict::Eligible { amount_egp, .. } = verdict {
            row.granted += 1;
            row.granted_egp += amount_egp;
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.in_need));
    Ok(rows)
}

/// Shows the rows, with two bars of one scale: the share of all need, and the share of all money.
pub fn print(rows: &[Row], output: Output) {
    let heading = [
        output.say("governorate", "المحافظة"),
        output.say("in need", "أسر محتاجة"),
        output.say("nurseries / 1,000", "حضانات / 1,000"),
        output.say("reached", "مستفيدون"),
        output.say("applied", "تقدمت"),
        output.say("granted", "دُعمت"),
        "EGP",
        output.say("share of the need", "نصيبها من الاحتياج"),
        output.say("share of the money", "نصيبها من المال"),
    ];
    let shares: Vec<[u64; 2]> = shares(rows);
    let max = shares.iter().flatten().copied().max().unwrap_or_default();
    let shown = |share: u64| {
        let text = format!("{:>4.1} % {}", share as f64 / 10.0, bar(share, max));
        match output.language {
            Language::English => text,
            Language::Arabic => isolated(text),
        }
    };
    output.table(
        heading,
        rows.iter().zip(&shares).map(|(row, [need, money])| {
            [
                output.say(&row.names[0], &row.names[1]).to_owned(),
                row.in_need.to_string(),
                row.nurseries.clone(),
                row.reached.to_string(),
                row.applied.to_string(),
                row.granted.to_string(),
                row.granted_egp.to_string(),
                shown(*need),
                shown(*money),
            ]
        }),
    );
}

/// What stands out, English then Arabic: where money lags most behind need, and whence nobody applied.
pub fn noticed(rows: &[Row]) -> Vec<[String; 2]> {
    let mut said = Vec::new();
    let shares = shares(rows);
    let behind = rows.iter().zip(&shares);
    let behind = behind.max_by_key(|(_, [need, money])| need.saturating_sub(*money));
    if let Some((row, [need, money])) = behind.filter(|(_, [need, money])| need > money) {
        let percent = |share: &u64| format!("{:.1}", *share as f64 / 10.0);
        let (need, money) = (percent(need), percent(money));
        let [name, name_ar] = &row.names;
        said.push([
            format!("money lags most behind need in {name}: {need} % of the need, {money} % of the money"),
            format!("أكثر ما يتأخر المال عن الاحتياج في {name_ar}: {need} % من الاحتياج و{money} % من المال"),
        ]);
    }
    let quiet: Vec<&Row> = rows.iter().filter(|row| row.granted == 0).collect();
    if !quiet.is_empty() {
        let names = |at: usize, by: &str| {
            let all: Vec<&str> = quiet.iter().map(|row| row.names[at].as_str()).collect();
            all.join(by)
        };
        said.push([
            format!("no association was supported in {}", names(0, ", ")),
            format!("لم تُدعم أي جمعية في {}", names(1, "، ")),
        ]);
    }
    said
}

/// Of all need and of all money, in thousandths.
fn shares(rows: &[Row]) -> Vec<[u64; 2]> {
    let sum = |of: fn(&Row) -> u64| rows.iter().map(of).sum::<u64>().max(1);
    let (need, money) = (sum(|row| row.in_need), sum(|row| row.granted_egp));
    let share = |part: u64, whole: u64| (part * 1_000 + whole / 2) / whole;
    rows.iter()
        .map(|row| [share(row.in_need, need), share(row.granted_egp, money)])
        .collect()
}

/// A bar for `value` where `max` fills it; what is not nothing is never invisible.
fn bar(value: u64, max: u64) -> String {
    let cells = (value * BAR_CELLS * 2 + max) / (max * 2).max(1);
    "█".repeat(usize::try_from(cells.max(u64::from(value > 0))).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::Answer;
    use super::*;

    fn figure(name: &str, in_need: u64) -> Map<String, Value> {
        let figure = json!({
            "governorate": name, "governorate_ar": name, "households_in_need": in_need.to_string(),
            "nurseries_per_1000_children": "4.4", "beneficiaries_reached": 7,
        });
        figure.as_object().unwrap().clone()
    }

    fn case(name: &str) -> Answers {
        let row = json!({ "governorate": name }).as_object().unwrap().clone();
        Answers {
            reference: String::new(),
            entries: Vec::new(),
            parts: BTreeMap::from([("register".to_owned(), Answer::Row(row))]),
        }
    }

    #[test]
    fn every_governorate_is_there_and_no_grant_is_lost() {
        let granted = Verdict::Eligible {
            amount_egp: 300,
            ceiling: Default::default(),
        };
        let refused = Verdict::NotEligible(Vec::new());
        let (minya, giza) = (case("Minya"), case("Giza"));
        let cases = [(&minya, &granted), (&minya, &refused), (&giza, &granted)];
        let figures = [
            figure("Giza", 10),
            figure("Minya", 50),
            figure("Matrouh", 40),
        ];
        let rows = rows(&figures, &cases).unwrap();
        let seen: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    row.names[0].as_str(),
                    row.applied,
                    row.granted,
                    row.granted_egp,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("Minya", 2, 1, 300),
                ("Matrouh", 0, 0, 0),
                ("Giza", 1, 1, 300)
            ]
        );
        assert_eq!(shares(&rows), [[500, 500], [400, 0], [100, 500]]);
        let said = noticed(&rows);
        assert!(
            said[0][0].contains("Matrouh: 40.0 % of the need, 0.0 %"),
            "{said:?}"
        );
        assert!(said[1][0].ends_with("supported in Matrouh"), "{said:?}");
    }

    #[test]
    fn bars_share_one_scale() {
        assert_eq!(bar(0, 0), "");
        assert_eq!(bar(1, 1_000), "█");
        assert_eq!(bar(1_000, 1_000).chars().count(), 14);
        assert!(noticed(&[]).is_empty());
        assert!(rows(&[Map::new()], &[]).is_err());
    }
}
