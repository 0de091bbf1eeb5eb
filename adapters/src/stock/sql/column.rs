//! A column as a contract sees it: what its values become in an answer, and what it can be asked by.
//!
//! Takes what the database says of a column's type. Gives two answers, and never looks at a row.

use thiserror::Error;

/// One column of a query, as its database describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, in the database's words.
    pub stated: String,
    /// What its values become.
    pub gives: Gives,
    /// The parameter types that it can be compared with.
    finds: &'static [&'static str],
}

/// What a column's values become in an answer. A value may always be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Whatever each row holds.
    Anything,
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Real,
    /// A decimal number with every digit, as text.
    Decimal,
    /// True or false.
    Bool,
    /// A day as text, `YYYY-MM-DD`.
    Date,
    /// A time of day as text.
    Time,
    /// A moment as text, with its zone.
    Moment,
    /// Day and time as text, of no zone.
    LocalMoment,
    /// A UUID as text.
    Uuid,
    /// No value can be given.
    Nothing,
}

const ALL: &[&str] = &["text", "integer", "real", "bool", "date"];

impl Column {
    /// A column of a table in a file: text, found by text.
    pub fn in_file(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            stated: "CSV".to_owned(),
            gives: Gives::Text,
            finds: &["text"],
        }
    }

    /// By what SQLite calls the declared type. It holds to that type only loosely, and compares anything.
    pub(super) fn of_sqlite(name: &str, stated: &str) -> Self {
        let gives = match stated {
            "TEXT" => Gives::Text,
            "INTEGER" => Gives::Integer,
            "REAL" => Gives::Real,
            "BOOLEAN" => Gives::Bool,
            "BLOB" => Gives::Nothing,
            _ => Gives::Anything,
        };
        Self {
            name: name.to_owned(),
            stated: stated.to_owned(),
            gives,
            finds: ALL,
        }
    }

    /// By PostgreSQL's name of the type, and whether the type is an enumeration.
    pub(super) fn of_postgres(name: &str, stated: &str, is_enum: bool) -> Self {
        const NUMBERS: &[&str] = &["integer", "real"];
        let (gives, finds): (_, &[&str]) = match stated {
            _ if is_enum => (Gives::Text, &[]),
            "BOOL" => (Gives::Bool, &["bool"]),
            "INT2" | "INT4" | "INT8" => (Gives::Integer, NUMBERS),
            "FLOAT4" | "FLOAT8" => (Gives::Real, NUMBERS),
            "NUMERIC" => (Gives::Decimal, NUMBERS),
            "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" => (Gives::Text, &["text"]),
            "DATE" => (Gives::Date, &["date"]),
            "TIME" => (Gives::Time, &[]),
            "TIMESTAMP" => (Gives::LocalMoment, &["date"]),
            "TIMESTAMPTZ" => (Gives::Moment, &["date"]),
            "UUID" => (Gives::Uuid, &[]),
            "JSON" | "JSONB" => (Gives::Anything, &[]),
            _ => (Gives::Nothing, &[]),
        };
        Self {
            name: name.to_owned(),
            stated: stated.to_owned(),
            gives,
            finds,
        }
    }

    /// Whether a JSON schema's `type` and `format` can hold what the column gives. Text may hold any format: only its
    /// rows can say.
    pub fn carries(&self, kind: &str, format: Option<&str>) -> bool {
        let form = |own: &str| kind == "string" && format.is_none_or(|format| format == own);
        match self.gives {
            Gives::Anything => true,
            Gives::Nothing => false,
            Gives::Text => kind == "string",
            Gives::Integer => matches!(kind, "integer" | "number"),
            Gives::Real => kind == "number",
            Gives::Decimal | Gives::LocalMoment => kind == "string" && format.is_none(),
            Gives::Bool => kind == "boolean",
            Gives::Date => form("date"),
            Gives::Time => kind == "string" && format.is_none(),
            Gives::Moment => form("date-time"),
            Gives::Uuid => form("uuid"),
        }
    }

    /// Whether a parameter of this type (`text`, `integer`, `real`, `bool`, `date`) can find rows by it.
    pub fn is_asked_by(&self, parameter: &str) -> bool {
        self.finds.contains(&parameter)
    }
}

/// Why a database does not give what a query asks for, with its own words.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unread {
    /// The table, or its schema, is not there.
    #[error("{0}")]
    NoTable(String),
    /// It may not be read by whom the file names.
    #[error("{0}")]
    NoRight(String),
    /// Anything else: no connection, a wrong query.
    #[error("{0}")]
    Other(String),
}

impl From<sqlx::Error> for Unread {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            return Self::Other(error.to_string());
        };
        let (code, said) = (database.code(), database.message().to_owned());
        match code.as_deref() {
            // PostgreSQL: undefined_table, invalid_schema_name, insufficient_privilege.
            Some("42P01" | "3F000") => Self::NoTable(said),
            Some("42501") => Self::NoRight(said),
            // SQLite has one code for all that it does not understand.
            Some("1") if said.starts_with("no such table") => Self::NoTable(said),
            _ => Self::Other(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_holds_what_a_column_gives_or_does_not() {
        let of = |stated| Column::of_postgres("c", stated, false);
        let kinds = [
            ("string", None),
            ("string", Some("date")),
            ("string", Some("date-time")),
            ("integer", None),
            ("number", None),
            ("boolean", None),
        ];
        for (stated, expected) in [
            ("TEXT", [true, true, true, false, false, false]),
            ("INT4", [false, false, false, true, true, false]),
            ("FLOAT8", [false, false, false, false, true, false]),
            // Every digit is kept, so it comes as text.
            ("NUMERIC", [true, false, false, false, false, false]),
            ("BOOL", [false, false, false, false, false, true]),
            ("DATE", [true, true, false, false, false, false]),
            ("TIMESTAMP", [true, false, false, false, false, false]),
            ("TIMESTAMPTZ", [true, false, true, false, false, false]),
            ("JSONB", [true; 6]),
            ("BYTEA", [false; 6]),
            ("TEXT[]", [false; 6]),
        ] {
            let carries = kinds.map(|(kind, format)| of(stated).carries(kind, format));
            assert_eq!(carries, expected, "{stated}");
        }
        let sqlite = |stated| Column::of_sqlite("c", stated);
        assert!(sqlite("NULL").carries("integer", None) && sqlite("DATE").carries("string", None));
        assert!(
            !sqlite("TEXT").carries("integer", None) && !sqlite("BLOB").carries("string", None)
        );
    }

    #[test]
    fn a_column_is_found_by_what_can_be_compared_with_it() {
        let of = |stated| Column::of_postgres("c", stated, false);
        assert!(of("VARCHAR").is_asked_by("text") && !of("VARCHAR").is_asked_by("integer"));
        assert!(of("NUMERIC").is_asked_by("integer") && !of("INT8").is_asked_by("text"));
        assert!(of("DATE").is_asked_by("date") && !of("TEXT").is_asked_by("date"));
        assert!(!Column::of_postgres("c", "sector", true).is_asked_by("text"));
        assert!(Column::of_sqlite("c", "TEXT").is_asked_by("integer"));
        assert!(!Column::in_file("c").is_asked_by("integer"));
    }
}
