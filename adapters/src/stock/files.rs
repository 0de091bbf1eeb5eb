//! The `files` kind: the files of one folder, by id, in chunks; and files taken into it, where an operation says so.
//!
//! Takes an id, which is one name part and never a path. Gives that file of that folder and no other: not one that a
//! symbolic link points at, nothing that is no plain file. Never reads more of it than goes out.

use std::path::{Path, PathBuf};

use proto::id::{ExchangeId, Part};
use proto::limits::{CONTENT_TYPE_BYTES_MAX, PAYLOAD_BYTES_MAX};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::file::{Names, OperationTables, Reading};
use super::operation::{self, Argument, Empty, Operation, Operations, ParameterType};
use super::payload::{JSON, Rows};
use crate::provider::{Failure, LongReply, Reply, Request, Upload};
use crate::whole::{WholeFile, is_same, sweep};

/// The one parameter.
const ID: &str = "id";
/// What else is said of a file that was taken.
const BYTES: &str = "bytes";
/// Bytes of a file that is taken when no limit is said.
const BYTES_MAX_DEFAULT: u64 = 2 * 1024 * 1024 * 1024;
/// The media type when none is said.
const ANY: &str = "application/octet-stream";

/// A folder that answers.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    pub(super) operations: Operations<Kind>,
}

/// Which files of the folder one operation gives, or takes.
#[derive(Debug)]
pub(super) struct Kind {
    suffix: String,
    content_type: String,
    /// Bytes of a file that is taken, at most; `None`: none is.
    takes: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    folder: PathBuf,
    #[serde(default)]
    operation: OperationTables,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationShape {
    #[serde(default)]
    suffix: String,
    content_type: Option<String>,
    #[serde(default)]
    accept: bool,
    bytes_max: Option<u64>,
    fields: Names,
}

impl Files {
    /// Reads the service's table. The folder is there from the beginning.
    pub(super) fn read(place: &str, table: toml::Table, reading: &mut Reading) -> Option<Self> {
        let shape: Shape = reading.shape(place, table)?;
        let folder = reading.path(&shape.folder);
        if !folder.is_dir() {
            reading.say(place, format_args!("{} is no folder", folder.display()));
        }
        let limits = (1, std::time::Duration::MAX);
        let operations = Operations::read(place, shape.operation, limits, reading, read_operation);
        Some(Self { folder, operations })
    }

    /// The file in chunks.
    pub(super) async fn stream(&self, request: &Request) -> Result<LongReply, Failure> {
        let found = self.open(request).await?;
        let fields = request.fields.iter().map(Part::as_str);
        // What is appended meanwhile is not part of it.
        let body = found.file.take(found.length);
        let reply = LongReply::new(fields, found.content_type, body)?;
        Ok(reply.of_length(found.length))
    }

    /// The file in one piece, for who takes no chunks: only a small one.
    pub(super) async fn answer(&self, request: &Request) -> Result<Reply, Failure> {
        let found = self.open(request).await?;
        if found.length > PAYLOAD_BYTES_MAX as u64 {
            return Err(Failure::InvalidRequest(format!(
                "the file has {} bytes, and in one piece no more than {PAYLOAD_BYTES_MAX} go",
                found.length
            )));
        }
        let mut payload = Vec::new();
        let mut body = found.file.take(found.length);
        body.read_to_end(&mut payload)
            .await
            .map_err(Failure::failed)?;
        Reply::new(
            request.fields.iter().map(Part::as_str),
            found.content_type,
            payload,
        )
    }

    /// Takes a file into the folder. Its name is the exchange's id, so nobody outside says what stands where.
    pub(super) async fn upload(
        &self,
        request: &Request,
        mut upload: Upload,
    ) -> Result<Reply, Failure> {
        let (operation, bytes_max) = self.taker(request)?;
        let too_long =
            || Failure::InvalidRequest(format!("no more than {bytes_max} bytes are taken"));
        if upload.length().is_some_and(|length| length > bytes_max) {
            return Err(too_long());
        }
        let id = request.exchange_id.to_string();
        let path = self.folder.join(format!("{id}{}", operation.way.suffix));
        let mut file = WholeFile::beside(&path).map_err(Failure::failed)?;
        let mut length = 0;
        while let Some(chunk) = upload.chunk().await.map_err(Failure::failed)? {
            length += chunk.len() as u64;
            if length > bytes_max {
                return Err(too_long());
            }
            file.write(&chunk).await.map_err(Failure::failed)?;
        }
        // All of it came, and is what was sealed.
        file.keep().await.map_err(Failure::failed)?;
        let mut taken = Map::new();
        for (field, source) in &operation.fields {
            let value: Value = match source.as_str() {
                BYTES => length.into(),
                _ => id.as_str().into(),
            };
            if request.wants(field.as_str()) {
                taken.insert(field.to_string(), value);
            }
        }
        let mut rows = Rows::new(1);
        rows.push(&taken)?;
        Reply::new(taken.keys(), JSON, rows.finish())
    }

    /// Where its files lie.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes away what a process that was killed had begun to take: only parts of files that an operation here names. Gives
    /// how many.
    pub(super) fn sweep(&self) -> std::io::Result<u64> {
        let takers: Vec<&str> = self
            .operations
            .iter()
            .filter(|(_, operation)| operation.way.takes.is_some())
            .map(|(_, operation)| operation.way.suffix.as_str())
            .collect();
        if takers.is_empty() {
            return Ok(0);
        }
        let is_id = |text: &str| ExchangeId::parse(text).is_some();
        sweep(&self.folder, |name| {
            let mut ids = takers.iter().filter_map(|suffix| name.strip_suffix(suffix));
            ids.any(is_id)
        })
    }

    /// The operation, where it takes files.
    fn taker(&self, request: &Request) -> Result<(&Operation<Kind>, u64), Failure> {
        if !request.rows.is_empty() {
            return Err(Failure::failed(
                "the grant has row rules, and a file is taken whole or not at all",
            ));
        }
        let mut all = self.operations.iter();
        let named = all.find(|(name, _)| *name == request.operation.as_str());
        named
            .and_then(|(_, operation)| Some((operation, operation.way.takes?)))
            .ok_or_else(|| Failure::InvalidRequest("this operation takes no file".to_owned()))
    }

    async fn open<'a>(&'a self, request: &'a Request) -> Result<Found<'a>, Failure> {
        let asked = self.operations.open(request)?;
        if asked.way.takes.is_some() {
            return Err(Failure::InvalidRequest(
                "this operation takes a file, which comes in chunks".to_owned(),
            ));
        }
        if !request.rows.is_empty() {
            return Err(Failure::failed(
                "the grant has row rules, and a file is given whole or not at all",
            ));
        }
        let all = self.operations.iter();
        let mut all = all.filter(|(name, _)| *name == request.operation.as_str());
        let fields = all
            .next()
            .map_or(0, |(_, operation)| operation.fields.len());
        if asked.wanted.len() != fields {
            return Err(Failure::InvalidRequest(
                "a file holds all fields of its operation: ask for all of them".to_owned(),
            ));
        }
        let id = match asked.arguments.get(ID) {
            Some(Argument::Text(id)) => Part::parse(id).ok(),
            _ => None,
        };
        let id = id.ok_or_else(|| {
            Failure::InvalidRequest("the id is not a name of letters, digits, . _ -".to_owned())
        })?;
        let path = self.folder.join(format!("{id}{}", asked.way.suffix));
        let (file, length) = open_plain(&path).await?;
        Ok(Found {
            file,
            length,
            content_type: &asked.way.content_type,
        })
    }
}

/// A file that may be given.
struct Found<'a> {
    file: File,
    length: u64,
    content_type: &'a str,
}

/// Opens a plain file that stands at `path` itself.
async fn open_plain(path: &Path) -> Result<(File, u64), Failure> {
    let named = tokio::fs::symlink_metadata(path).await;
    let named = match named {
        Ok(named) if named.is_file() => named,
        Ok(_) => return Err(Failure::NotFound),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::NotFound);
        }
        Err(error) => return Err(Failure::failed(error)),
    };
    let file = File::open(path).await.map_err(Failure::failed)?;
    let opened = file.metadata().await.map_err(Failure::failed)?;
    // It may have been replaced by a link between the two looks.
    if !is_same(&named, &opened) {
        return Err(Failure::Unavailable);
    }
    Ok((file, opened.len()))
}

fn read_operation(
    place: &str,
    table: toml::Table,
    reading: &mut Reading,
) -> Option<Operation<Kind>> {
    let shape: OperationShape = reading.shape(place, table)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if shape.suffix.len() > 16 || !shape.suffix.chars().all(plain) {
        reading.say(place, "suffix is at most 16 of letters, digits, . _ -");
    }
    let content_type = shape.content_type.unwrap_or_else(|| ANY.to_owned());
    let visible = |c: u8| c.is_ascii_graphic() || c == b' ';
    let short = (1..=CONTENT_TYPE_BYTES_MAX).contains(&content_type.len());
    if !short || !content_type.bytes().all(visible) {
        reading.say(place, "content_type is not a media type");
    }
    if shape.bytes_max.is_some() && !shape.accept {
        reading.say(
            place,
            "bytes_max: only files that are taken have a limit; say accept = true",
        );
    }
    let takes = shape
        .accept
        .then(|| shape.bytes_max.unwrap_or(BYTES_MAX_DEFAULT));
    let fields = operation::fields(place, shape.fields, reading);
    let unknown = |(_, source): &&(Part, String)| !matches!(source.as_str(), ID | BYTES);
    if let Some((_, source)) = fields.iter().find(unknown).filter(|_| shape.accept) {
        reading.say(
            place,
            format_args!(
                "fields: of a file that was taken are known `id` and `bytes`, not `{source}`"
            ),
        );
    }
    if fields.is_empty() {
        reading.say(
            place,
            "fields: a file that nobody can be granted is given to nobody",
        );
    }
    Some(Operation {
        parameters: [(ID.to_owned(), ParameterType::Text)].into(),
        fields,
        empty: Empty::NotFound,
        way: Kind {
            suffix: shape.suffix,
            content_type,
            takes,
        },
    })
}

#[cfg(test)]
mod tests;
