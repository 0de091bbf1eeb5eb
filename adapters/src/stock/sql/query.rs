//! A query's text: one SELECT whose `:name` placeholders become positions.
//!
//! Whoever writes the stock file is trusted with what a query reads. What is caught here are
//! mistakes: a second statement, a placeholder that nobody binds, a text that would write. That
//! nothing is written is not left to this file: the database refuses it too.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::operation::ParameterType;

/// Whose words a query is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
    /// PostgreSQL, its parameters columns of [`ITEMS`].
    PostgresItems,
}

/// A query, ready to be prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// With positions instead of names.
    pub(super) text: Arc<str>,
    /// The parameter at each position, the first one first.
    pub(super) order: Vec<String>,
    /// The same query with the columns of a table of items where the positions are; PostgreSQL only.
    pub(super) of_items: Option<Arc<str>>,
}

/// What a table of items is called in the text of a query. Nobody who writes a stock file calls anything so.
pub(super) const ITEMS: &str = "mohawel_items";

impl Query {
    /// Reads a query's text; says in words what is wrong with it.
    pub(super) fn parse(
        text: &str,
        dialect: Dialect,
        parameters: &BTreeMap<String, ParameterType>,
    ) -> Result<Self, String> {
        let word: String = text
            .trim_start()
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .collect();
        if !word.eq_ignore_ascii_case("select") && !word.eq_ignore_ascii_case("with") {
            return Err("does not begin with SELECT or WITH".to_owned());
        }
        let (out, order) = Scanner::scan(text, dialect, parameters)?;
        let of_items = match dialect {
            Dialect::Postgres if !order.is_empty() => {
                let (out, _) = Scanner::scan(text, Dialect::PostgresItems, parameters)?;
                Some(out.into())
            }
            _ => None,
        };
        if let Some(unused) = parameters.keys().find(|name| !order.contains(name)) {
            return Err(format!("parameter '{unused}' is not used"));
        }
        Ok(Self {
            text: out.into(),
            order,
            of_items,
        })
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    out: String,
    order: Vec<String>,
    dialect: Dialect,
    parameters: &'a BTreeMap<String, ParameterType>,
}

impl<'a> Scanner<'a> {
    fn scan(
        text: &'a str,
        dialect: Dialect,
        parameters: &'a BTreeMap<String, ParameterType>,
    ) -> Result<(String, Vec<String>), String> {
        let mut scanner = Self {
            text: text.trim(),
            at: 0,
            out: String::with_capacity(text.len() + 16),
            order: Vec::new(),
            dialect,
            parameters,
        };
        scanner.run()?;
        Ok((scanner.out, scanner.order))
    }

    fn run(&mut self) -> Result<(), String> {
        let sqlite = self.dialect == Dialect::Sqlite;
        while let Some(byte) = self.byte(0) {
            match (byte, self.byte(1)) {
                (b'\'', _) => {
                    self.plain_literal()?;
                    self.quoted('\'')?;
                }
                (b'"', _) => self.quoted('"')?,
                (b'`', _) if sqlite => self.quoted('`')?,
                (b'[', _) if sqlite => self.quoted(']')?,
                (b'-', Some(b'-')) | (b'/', Some(b'*')) => {
                    return Err("holds a comment; write it into the TOML, after #".to_owned());
                }
                (b';', _) => {
                    if self.text[self.at + 1..].trim().is_empty() {
                        return Ok(());
                    }
                    return Err("holds more than one statement".to_owned());
                }
                (b':', Some(b':')) => self.copy(2),
                (b':', Some(next)) if next.is_ascii_alphabetic() || next == b'_' => {
                    self.placeholder()?
                }
                (b':' | b'?' | b'@', _) if sqlite => {
                    return Err(format!(
                        "'{}' binds nothing; a parameter is written :name",
                        char::from(byte)
                    ));
                }
                (b'$', _) => {
                    return Err("'$' binds nothing; a parameter is written :name".to_owned());
                }
                (0, _) => return Err("holds a NUL byte".to_owned()),
                _ => self.copy(1),
            }
        }
        Ok(())
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Copies `bytes`, and the rest of the character that the last of them is in.
    fn copy(&mut self, bytes: usize) {
        let mut end = self.at + bytes;
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        self.out.push_str(&self.text[self.at..end]);
        self.at = end;
    }

    /// Copies what stands between quotes. A doubled quote ends it and begins the next one.
    fn quoted(&mut self, close: char) -> Result<(), String> {
        let inside = self.at + 1;
        let length = self.text[inside..]
            .find(close)
            .ok_or("holds a quote that is never closed")?;
        self.copy(1 + length + 1);
        Ok(())
    }

    /// Refuses literals in which a backslash means something: their end would be somewhere else.
    fn plain_literal(&self) -> Result<(), String> {
        let before = &self.text.as_bytes()[..self.at];
        let word = before
            .iter()
            .rev()
            .take_while(|c| c.is_ascii_alphanumeric() || **c == b'_')
            .count();
        let marked = self.dialect != Dialect::Sqlite
            && word == 1
            && matches!(before.last(), Some(b'e' | b'E'));
        if marked {
            Err("holds an E'...' literal; write '...'".to_owned())
        } else {
            Ok(())
        }
    }

    fn placeholder(&mut self) -> Result<(), String> {
        let rest = &self.text[self.at + 1..];
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        let kind = self
            .parameters
            .get(name)
            .ok_or_else(|| format!(":{name} is not among the parameters"))?;
        let known = self.order.iter().position(|known| known == name);
        let position = known.unwrap_or_else(|| {
            self.order.push(name.to_owned());
            self.order.len() - 1
        }) + 1;
        self.out.push_str(&match (self.dialect, kind) {
            (Dialect::Sqlite, _) => format!("?{position}"),
            // Arguments travel as what they are, except dates: the database reads those itself.
            (Dialect::Postgres, ParameterType::Date) => format!("CAST(${position} AS date)"),
            (Dialect::Postgres, _) => format!("${position}"),
            (Dialect::PostgresItems, ParameterType::Date) => {
                format!("CAST({ITEMS}.p{position} AS date)")
            }
            (Dialect::PostgresItems, _) => format!("{ITEMS}.p{position}"),
        });
        self.at += 1 + name.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
