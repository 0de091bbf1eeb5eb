//! What keeps a table from carrying a contract, as people read it: all of it at once, and what to do about each kind.

use adapters::stock::{Column, Gives};

use super::plan::Plan;
use crate::failure::{Exit, Failure};

/// One thing in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) operation: String,
    /// Empty where the store is a file.
    pub(super) table: String,
    pub(super) why: Why,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The table is not there; in the database's words.
    NoTable { said: String },
    /// The plan's reader may not read it; in the database's words.
    NoRight { said: String },
    /// A field's or parameter's column is not there, and these are.
    NoColumn {
        what: String,
        column: String,
        has: Vec<String>,
    },
    /// A field's column gives what the contract cannot carry.
    Type {
        field: String,
        wanted: String,
        column: Column,
    },
    /// A parameter cannot be compared with its column.
    Key {
        parameter: String,
        word: &'static str,
        column: Column,
    },
}

impl Why {
    /// Whether the database could not even prepare the query.
    pub(super) fn stops_the_query(&self) -> bool {
        !matches!(self, Self::Type { .. })
    }
}

/// All of it, with a remedy for each kind.
pub(super) fn told(plan: &Plan, found: &[Unfit]) -> Failure {
    let (from, count) = (&plan.from, found.len());
    let mut english = vec![format!(
        "The table does not carry the contract of {from}, and nothing was published; in the way: {count}"
    )];
    let mut arabic = vec![format!(
        "الجدول لا يفي بعقد الخدمة {from}، ولم يُنشر شيء؛ عدد الموانع: {count}"
    )];
    let (mut next, mut next_ar) = (Vec::new(), Vec::new());
    for one in found {
        let [said, said_ar] = one.sentences();
        english.push(format!("  {}: {said}", one.operation));
        arabic.push(format!("  {}: {said_ar}", one.operation));
        let [remedy, remedy_ar] = one.why.remedy();
        if !next.contains(&remedy) {
            next.push(remedy);
            next_ar.push(remedy_ar);
        }
    }
    next.push("The contract stays the same everywhere.");
    next_ar.push("والعقد واحد في كل مكان.");
    Failure::new(
        Exit::Usage,
        [english.join("\n"), arabic.join("\n")],
        [next.join(" "), next_ar.join(" ")],
    )
}

impl Unfit {
    /// English, then Arabic.
    fn sentences(&self) -> [String; 2] {
        let table = match self.table.as_str() {
            "" => "CSV",
            table => table,
        };
        match &self.why {
            Why::NoTable { said } => [
                format!("there is no table {table} ({said})"),
                format!("لا يوجد جدول باسم {table} ({said})"),
            ],
            Why::NoRight { said } => [
                format!("the plan's user may not read {table} ({said})"),
                format!("لا يحق للمستخدم المذكور في الخطة قراءة {table} ({said})"),
            ],
            Why::NoColumn { what, column, has } => {
                let has = has.join(", ");
                [
                    format!("{what} needs the column '{column}' of {table}, which has {has}"),
                    format!("يحتاج {what} إلى العمود '{column}' في {table}، وأعمدته: {has}"),
                ]
            }
            Why::Type {
                field,
                wanted,
                column,
            } => {
                let Column { name, stated, .. } = column;
                let [gives, gives_ar] = words(column.gives);
                [
                    format!(
                        "{field} is {wanted} in the contract; the column '{name}' of {table} is {stated} and gives {gives}"
                    ),
                    format!(
                        "{field} في العقد {wanted}؛ والعمود '{name}' في {table} من النوع {stated} ويعطي {gives_ar}"
                    ),
                ]
            }
            Why::Key {
                parameter,
                word,
                column,
            } => {
                let Column { name, stated, .. } = column;
                [
                    format!(
                        "{parameter} is asked as {word}; the column '{name}' of {table} is {stated} and cannot be compared with it"
                    ),
                    format!(
                        "يُسأل بالمعطى {parameter} من النوع {word}؛ والعمود '{name}' في {table} من النوع {stated} ولا يُقارن به"
                    ),
                ]
            }
        }
    }
}

impl Why {
    /// English, then Arabic.
    fn remedy(&self) -> [&'static str; 2] {
        match self {
            Self::NoTable { .. } => [
                "Name the table in the plan as the database has it, with its schema and its capital letters.",
                "اذكر الجدول في الخطة كما هو في قاعدة البيانات، مع اسم المخطط (schema) وحالة الأحرف.",
            ],
            Self::NoRight { .. } => [
                "Have the database's administrator give the user in the plan's [store] the right to read: GRANT USAGE ON SCHEMA …, GRANT SELECT ON ….",
                "اطلب من مسؤول قاعدة البيانات منح المستخدم المذكور في ‎[store]‎ حق القراءة: GRANT USAGE ON SCHEMA … وGRANT SELECT ON ….",
            ],
            Self::NoColumn { .. } => [
                "If the column has another name, say so in the plan under `fields` or `key`; otherwise add it to the table, or to a view that the plan names.",
                "إن كان للعمود اسم آخر فاذكره في الخطة تحت ‎fields‎ أو ‎key‎؛ وإلا فأضفه إلى الجدول أو إلى عرض (view) تسميه الخطة.",
            ],
            Self::Type { .. } | Self::Key { .. } => [
                "Give a column of another type its right one in a view (CAST), and name the view in the plan; a CSV file is read into a database first.",
                "حوّل العمود إلى النوع المطلوب في عرض (view) بالدالة CAST واذكر العرض في الخطة؛ أما ملف CSV فيُحمَّل أولًا في قاعدة بيانات.",
            ],
        }
    }
}

/// What a column gives, English then Arabic.
fn words(gives: Gives) -> [&'static str; 2] {
    match gives {
        Gives::Anything => ["whatever a row holds", "ما في كل صف"],
        Gives::Text => ["text", "نصًّا"],
        Gives::Integer => ["a whole number", "عددًا صحيحًا"],
        Gives::Real => ["a number with a fraction", "عددًا كسريًّا"],
        Gives::Decimal => ["a decimal number as text", "عددًا عشريًّا في صورة نص"],
        Gives::Bool => ["true or false", "صوابًا أو خطأ"],
        Gives::Date => ["a day", "تاريخًا"],
        Gives::Time => ["a time of day", "وقتًا من اليوم"],
        Gives::Moment => ["a moment with its zone", "لحظة بمنطقتها الزمنية"],
        Gives::LocalMoment => [
            "day and time without a zone",
            "تاريخًا ووقتًا دون منطقة زمنية",
        ],
        Gives::Uuid => ["a UUID", "معرّف UUID"],
        Gives::Nothing => ["nothing that can be sent", "ما لا يمكن إرساله"],
    }
}
