//! Apache Parquet with typed columns: numbers, times, texts and lists of texts, compressed with Snappy. What the rows are
//! is the caller's: a table of columns says what each row has in them.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::TOOL;
use super::columns::{Column, Type, Value};

/// Rows of a row group, all of which are held until it is written: about 50 MiB. Of each group written some 40 KiB stay
/// for the file's end.
const GROUP_ROWS: usize = 16_384;

/// Writes row groups.
pub(crate) struct Columnar<W: Write + Send, R: 'static> {
    out: SerializedFileWriter<W>,
    columns: &'static [Column<R>],
    gathered: Vec<Gathered>,
    rows: usize,
}

/// What a file is, beside its rows.
#[derive(Clone, Debug)]
pub(crate) struct Titled {
    /// Of the schema.
    pub(crate) name: &'static str,
    /// Facts about the whole file, by name.
    pub(crate) facts: Vec<(&'static str, String)>,
}

/// The values of one column of one row group.
#[derive(Debug, Default)]
struct Gathered {
    numbers: Vec<i64>,
    texts: Vec<ByteArray>,
    /// 1 where there is a value.
    there: Vec<i16>,
    /// In lists, 0 at the first place of a row.
    repeated: Vec<i16>,
}

impl<W: Write + Send, R> Columnar<W, R> {
    pub(crate) fn new(out: W, titled: &Titled, columns: &'static [Column<R>]) -> io::Result<Self> {
        let schema = parse_message_type(&schema(titled.name, columns)).map_err(io_error)?;
        let facts = titled.facts.iter();
        let facts: Vec<KeyValue> = facts
            .map(|(name, value)| KeyValue::new((*name).to_owned(), value.clone()))
            .collect();
        let properties = WriterProperties::builder()
            .set_created_by(TOOL.to_owned())
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_key_value_metadata((!facts.is_empty()).then_some(facts))
            .build();
        Ok(Self {
            out: SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))
                .map_err(io_error)?,
            columns,
            gathered: columns.iter().map(|_| Gathered::default()).collect(),
            rows: 0,
        })
    }

    pub(crate) fn row(&mut self, row: &R) -> io::Result<()> {
        for (column, gathered) in self.columns.iter().zip(&mut self.gathered) {
            gathered.push((column.value)(row));
        }
        self.rows += 1;
        if self.rows == GROUP_ROWS {
            self.write_group()?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.out.into_inner().map_err(io_error)
    }

    fn write_group(&mut self) -> io::Result<()> {
        let mut group = self.out.next_row_group().map_err(io_error)?;
        for (column, gathered) in self.columns.iter().zip(&mut self.gathered) {
            gathered.write(column.holds, &mut group).map_err(io_error)?;
        }
        group.close().map_err(io_error)?;
        self.rows = 0;
        Ok(())
    }
}

impl Gathered {
    fn push(&mut self, value: Value) {
        match value {
            Value::Nothing => {
                self.there.push(0);
                self.repeated.push(0);
            }
            Value::Number(number) => {
                self.there.push(1);
                // The same 64 bits: the schema says that they have no sign.
                self.numbers.push(number.cast_signed());
            }
            Value::Time(time) => {
                self.there.push(1);
                self.numbers.push(time);
            }
            Value::Text(text) => {
                self.there.push(1);
                self.texts.push(ByteArray::from(text.into_bytes()));
            }
            Value::Texts(texts) if texts.is_empty() => self.push(Value::Nothing),
            Value::Texts(texts) => {
                for (at, text) in texts.into_iter().enumerate() {
                    self.there.push(1);
                    self.repeated.push(i16::from(at > 0));
                    self.texts.push(ByteArray::from(text.into_bytes()));
                }
            }
        }
    }

    /// Writes the next column of `group` and empties this one.
    fn write<W: Write + Send>(
        &mut self,
        holds: Type,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let Some(mut column) = group.next_column()? else {
            return Err(ParquetError::General("a column too few".to_owned()));
        };
        let there = Some(&self.there[..]);
        match holds {
            Type::Number | Type::Time => {
                let writer = column.typed::<Int64Type>();
                writer.write_batch(&self.numbers, there, None)?;
            }
            Type::Text => {
                let writer = column.typed::<ByteArrayType>();
                writer.write_batch(&self.texts, there, None)?;
            }
            Type::Texts => {
                let writer = column.typed::<ByteArrayType>();
                writer.write_batch(&self.texts, there, Some(&self.repeated))?;
            }
        }
        self.numbers.clear();
        self.texts.clear();
        self.there.clear();
        self.repeated.clear();
        column.close()
    }
}

/// The schema in Parquet's own notation. A list is never absent: without elements it is empty.
fn schema<R>(name: &str, columns: &[Column<R>]) -> String {
    let columns = columns.iter().map(|column| {
        let name = column.name;
        match column.holds {
            Type::Number => format!("OPTIONAL INT64 {name} (INTEGER(64,false));"),
            Type::Time => format!("OPTIONAL INT64 {name} (TIMESTAMP(MICROS,true));"),
            Type::Text => format!("OPTIONAL BYTE_ARRAY {name} (STRING);"),
            Type::Texts => format!(
                "REQUIRED group {name} (LIST) {{ REPEATED group list {{ REQUIRED BYTE_ARRAY element (STRING); }} }}"
            ),
        }
    });
    format!("message {name} {{ {} }}", columns.collect::<String>())
}

fn io_error(error: ParquetError) -> io::Error {
    io::Error::other(error)
}
