//! The Ministry's own part of the cash support: its beneficiaries' register, what came back from registers, and what
//! follows. The switch knows nothing of this.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use cli::demo::people::{Plan, Role};

/// Monthly wage and pension that a household may have, pounds.
const INCOME_MAX: u64 = 4_000;
/// Value of all units that it may own, pounds.
const PROPERTY_MAX: u64 = 1_200_000;
/// Vehicles that its head may own.
const VEHICLES_MAX: u32 = 1;
/// Pounds a month, and more for each of up to three children.
const BASE_EGP: u64 = 700;
const CHILD_EGP: u64 = 150;

/// What became of a household this month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// Everything holds.
    #[default]
    Paid,
    /// The civil registry has no such person: the id is wrong.
    Unknown,
    /// The beneficiary has died: another of the household must be named.
    Deceased,
    /// Above what a household may have.
    Means,
    /// A condition was not kept.
    Condition,
}

impl Decision {
    /// As people read it, English and Arabic.
    pub fn words(self) -> [&'static str; 2] {
        match self {
            Self::Paid => ["paid", "يُصرف لها"],
            Self::Unknown => [
                "stopped: no such national ID, to be looked up",
                "موقوفة: لا يوجد رقم قومي كهذا ويُراجع",
            ],
            Self::Deceased => [
                "stopped: the beneficiary has died, another head to be named",
                "موقوفة: توفي المستفيد ويُسمى غيره",
            ],
            Self::Means => ["ended: above the means test", "منتهية: فوق حد الموارد"],
            Self::Condition => [
                "suspended this month: school or health condition not kept",
                "معلّقة هذا الشهر: لم يُستوفَ شرط الدراسة أو الصحة",
            ],
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Household {
    national_id: String,
    household_id: String,
    minors: u64,
    decision: Decision,
}

/// The beneficiaries' register as it is being corrected.
#[derive(Debug)]
pub struct Beneficiaries {
    all: Vec<Household>,
}

/// The lines of results of one item.
type Lines = Vec<csv::StringRecord>;

impl Beneficiaries {
    /// A register as it is before a month's check: of some households it still names somebody who has died, and some ids
    /// were mistyped.
    pub fn of(plan: &Plan, households: usize) -> Self {
        let named = |household: cli::demo::people::Household| {
            let late = household
                .members
                .iter()
                .find(|member| member.role == Role::LateSpouse);
            let mut id = late.or(household.head())?.national_id.to_string();
            if household.id.number() % 331 == 7 {
                id.replace_range(13.., "x");
            }
            Some(Household {
                national_id: id,
                ..Household::default()
            })
        };
        Self {
            all: plan
                .households()
                .filter_map(named)
                .take(households)
                .collect(),
        }
    }

    /// A line for everybody.
    ///
    /// # Errors
    /// The disk.
    pub fn write_everybody(&self, path: &Path) -> Result<()> {
        write(
            path,
            &["national_id"],
            self.all.iter().map(|one| [one.national_id.clone()]),
        )
    }

    /// A line for each that nothing stops so far.
    ///
    /// # Errors
    /// The disk.
    pub fn write_left(&self, path: &Path, column: &str) -> Result<()> {
        let left = self.all.iter().filter(|one| one.decision == Decision::Paid);
        let cell = |one: &Household| match column {
            "national_id" => [one.national_id.clone()],
            _ => [one.household_id.clone()],
        };
        write(path, &[column], left.map(cell))
    }

    /// What the civil registry said of everybody.
    ///
    /// # Errors
    /// Results that are not those of the question.
    pub fn read_civil(&mut self, path: &Path) -> Result<()> {
        let mut results = Results::open(path)?;
        for one in &mut self.all {
            let lines = results.next()?;
            let cell = |name: &str| results.cell(&lines[0], name);
            one.decision = match cell("status")? {
                "answered" if cell("alive")? == "1" || cell("alive")? == "true" => Decision::Paid,
                "answered" => Decision::Deceased,
                _ => Decision::Unknown,
            };
            cell("household_id")?.clone_into(&mut one.household_id);
            one.minors = cell("minors")?.parse().unwrap_or_default();
        }
        Ok(())
    }

    /// What social insurance said.
    ///
    /// # Errors
    /// As [`Beneficiaries::read_civil`].
    pub fn read_income(&mut self, path: &Path) -> Result<()> {
        self.read(path, Decision::Means, |results, lines| {
            let pounds = |name| {
                Ok::<u64, anyhow::Error>(results.cell(&lines[0], name)?.parse().unwrap_or(0))
            };
            Ok(pounds("monthly_wage_egp")? + pounds("monthly_pension_egp")? <= INCOME_MAX)
        })
    }

    /// What the Real Estate Registry said: every unit is a line.
    ///
    /// # Errors
    /// As [`Beneficiaries::read_civil`].
    pub fn read_property(&mut self, path: &Path) -> Result<()> {
        self.read(path, Decision::Means, |results, lines| {
            let mut value = 0;
            for line in lines {
                value += results.cell(line, "value_egp")?.parse().unwrap_or(0_u64);
            }
            Ok(value <= PROPERTY_MAX)
        })
    }

    /// What Traffic said: every vehicle is a line.
    ///
    /// # Errors
    /// As [`Beneficiaries::read_civil`].
    pub fn read_vehicles(&mut self, path: &Path) -> Result<()> {
        self.read(path, Decision::Means, |results, lines| {
            let mut vehicles = 0;
            for line in lines {
                vehicles += u32::from(!results.cell(line, "kind")?.is_empty());
            }
            Ok(vehicles <= VEHICLES_MAX)
        })
    }

    /// Whether a condition was kept.
    ///
    /// # Errors
    /// As [`Beneficiaries::read_civil`].
    pub fn read_condition(&mut self, path: &Path, field: &str) -> Result<()> {
        self.read(path, Decision::Condition, |results, lines| {
            Ok(results.cell(&lines[0], field)? == "true")
        })
    }

    /// Reads results of those that were left, and stops those of which `holds` does not.
    fn read(
        &mut self,
        path: &Path,
        otherwise: Decision,
        holds: impl Fn(&Results, &Lines) -> Result<bool>,
    ) -> Result<()> {
        let mut results = Results::open(path)?;
        for one in self
            .all
            .iter_mut()
            .filter(|one| one.decision == Decision::Paid)
        {
            let lines = results.next()?;
            if !holds(&results, &lines)? {
                one.decision = otherwise;
            }
        }
        Ok(())
    }

    /// How many there are of each.
    pub fn decisions(&self) -> BTreeMap<Decision, u64> {
        let mut counts = BTreeMap::new();
        for one in &self.all {
            *counts.entry(one.decision).or_default() += 1;
        }
        counts
    }

    /// The corrected register.
    ///
    /// # Errors
    /// The disk.
    pub fn write_register(&self, path: &Path) -> Result<()> {
        let line = |one: &Household| {
            let why = one.decision.words()[0].to_owned();
            [one.national_id.clone(), one.household_id.clone(), why]
        };
        write(
            path,
            &["national_id", "household_id", "status"],
            self.all.iter().map(line),
        )
    }

    /// The payments of an order: how many, and their sum.
    ///
    /// # Errors
    /// The disk.
    pub fn write_payments(&self, path: &Path, order: &str) -> Result<(u64, u64)> {
        let (mut count, mut sum) = (0, 0);
        let paid = self.all.iter().filter(|one| one.decision == Decision::Paid);
        let lines = paid.map(|one| {
            let pounds = BASE_EGP + CHILD_EGP * one.minors.min(3);
            (count, sum) = (count + 1, sum + pounds);
            [
                order.to_owned(),
                one.household_id.clone(),
                pounds.to_string(),
            ]
        });
        write(path, &["order", "household_id", "amount_egp"], lines)?;
        Ok((count, sum))
    }
}

/// How many results were answered, and the sum of one of their fields.
///
/// # Errors
/// Results without that field.
pub fn totals(path: &Path, field: &str) -> Result<(u64, u64)> {
    let mut results = Results::open(path)?;
    let (mut count, mut sum) = (0, 0);
    while results.is_more() {
        let lines = results.next()?;
        if results.cell(&lines[0], "status")? == "answered" {
            count += 1;
            sum += results.cell(&lines[0], field)?.parse::<u64>()?;
        }
    }
    Ok((count, sum))
}

fn write<const N: usize>(
    path: &Path,
    header: &[&str; N],
    lines: impl Iterator<Item = [String; N]>,
) -> Result<()> {
    let mut table = csv::Writer::from_path(path)?;
    table.write_record(header)?;
    for line in lines {
        table.write_record(line)?;
    }
    Ok(table.flush()?)
}

/// A file of results, item by item.
struct Results {
    header: csv::StringRecord,
    lines: csv::StringRecordsIntoIter<std::fs::File>,
    ahead: Option<csv::StringRecord>,
    item: u64,
}

impl Results {
    fn open(path: &Path) -> Result<Self> {
        let mut table = csv::Reader::from_path(path)?;
        let header = table.headers()?.clone();
        let mut lines = table.into_records();
        let ahead = lines.next().transpose()?;
        Ok(Self {
            header,
            lines,
            ahead,
            item: 0,
        })
    }

    fn is_more(&self) -> bool {
        self.ahead.is_some()
    }

    /// The lines of the next item: one at least.
    fn next(&mut self) -> Result<Lines> {
        self.item += 1;
        let mut lines = Vec::new();
        let number = self.item.to_string();
        while let Some(line) = self.ahead.take_if(|line| line.get(0) == Some(&number)) {
            lines.push(line);
            self.ahead = self.lines.next().transpose()?;
        }
        ensure!(!lines.is_empty(), "item {number} has no result");
        Ok(lines)
    }

    fn cell<'a>(&self, line: &'a csv::StringRecord, name: &str) -> Result<&'a str> {
        let at = self.header.iter().position(|column| column == name);
        let cell = at.and_then(|at| line.get(at));
        cell.with_context(|| format!("the results have no column {name}"))
    }
}
