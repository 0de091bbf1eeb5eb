//! Stock providers: an agency's database, backend or table answers, described in TOML, no code.
//!
//! [`Providers::load`] reads one file for one system; every service in it is of one kind. All kinds
//! speak the stock payload: the request is JSON `{"operation": "lookup", "parameters": {"plate": "..."}}`
//! and the answer is JSON `{"rows": [{"field": value, ...}], "truncated": false}`. A row holds exactly
//! the fields that were asked for; `null` stands where the store has nothing. `truncated` says that
//! `max_rows` or the size of a payload cut the answer. No rows at all are "not found", or an empty
//! answer where the operation says `empty = "answer"`. Where the published contract has schemas, the
//! request schema describes `parameters`, the answer schema each row (or the list of rows).
//!
//! Common keys of an operation: `fields` names what may be returned, as a list where a column is
//! called like its field, or as a table `{ field = "column" }`; `parameters` gives each parameter a
//! type: `text` (at most 4,096 bytes), `integer` (64 bits), `real`, `bool` or `date` (`2024-02-29`).
//! All of them must be given and no others. Unknown keys are refused; relative paths start at the
//! file's own folder; all problems are told at once.
//!
//! # `sql`
//! SQLite by path, opened read-only, or PostgreSQL by URL. `:name` in a query is always a bound
//! parameter. A query is one SELECT (or WITH ... SELECT) without comments and runs in a read-only
//! transaction with a statement timeout. NULL is `null`; NUMERIC is text, so that no digit is lost;
//! dates and times are ISO 8601 text; a BLOB or an array must be cast in the query. A database in
//! WAL mode needs its `-wal` and `-shm` files readable.
//! ```toml
//! [service.persons]
//! kind = "sql"
//! sqlite = "registry.sqlite"
//! timeout_ms = 2000        # 1 to 120000; default 5000
//! max_rows = 100           # 1 to 10000; default 100
//! connections = 4          # 1 to 64; default 4
//!
//! [service.persons.operation.lookup]
//! parameters = { national_id = "text" }
//! query = """SELECT name_ar, name_en, birth_date, sex, marital_status, governorate_code, alive
//!            FROM persons WHERE national_id = :national_id"""
//! fields = ["name_ar", "name_en", "birth_date", "sex", "marital_status", "governorate_code", "alive"]
//!
//! [service.persons.operation.household]
//! parameters = { national_id = "text" }
//! query = """SELECT p.national_id AS member_id, p.name_ar, p.role FROM persons p
//!            JOIN persons head ON head.household_id = p.household_id
//!            WHERE head.national_id = :national_id ORDER BY p.birth_date"""
//! fields = { member = "member_id", name_ar = "name_ar", role = "role" }
//! ```
//! A password never stands in the URL: it lies in a file that only its owner can read, or in a
//! variable. A connection to PostgreSQL is not encrypted, so the host must be this machine (or a
//! socket, `postgres://user@:5432/database?host=/run/postgresql`), unless `plaintext_network = true` says
//! that something else protects the way.
//! ```toml
//! [service.insured]
//! kind = "sql"
//! postgres = "postgres://registry_reader@127.0.0.1:5432/insurance"
//! password = { file = "database.password" }   # or { env = "NAME" }
//!
//! [service.insured.operation.status]
//! parameters = { national_id = "text", since = "date" }
//! query = """SELECT insured, sector, monthly_wage_egp, last_contribution
//!            FROM social_insurance.insured_persons
//!            WHERE national_id = :national_id AND last_contribution >= :since"""
//! fields = ["insured", "sector", "monthly_wage_egp", "last_contribution"]
//! ```
//! Many items of one exchange (a batch) are one query to PostgreSQL: the same query, for each row of a table of their arguments.
//! # `http`
//! Asks one backend, named here and nowhere else; redirects are not followed. A parameter stands
//! alone in a path segment or a query value, percent-encoded, or goes into the JSON body of a POST.
//! `fields` are JSON pointers into each row; `rows` points at the array of rows, and without it the
//! whole document is the one row. 200 answers, 404 is "not found", 400 and 422 say that the request
//! is invalid, 503 says "not now", everything else has failed. An `https` backend is believed by
//! the certificates in `roots` only; `http` must stay on this machine or say `plaintext_network`.
//! ```toml
//! [service.benefits]
//! kind = "http"
//! backend = "http://127.0.0.1:9000"
//! bearer = { file = "backend.token" } # optional
//! connect_timeout_ms = 1000           # default 2000
//! timeout_ms = 3000                   # default 5000
//! max_bytes = 262144                  # of the backend's answer; 1 MiB at most and by default
//!
//! [service.benefits.operation.payments]
//! method = "GET"
//! path = "/people/{national_id}/payments"
//! query = { year = "{year}", order = "newest" }
//! parameters = { national_id = "text", year = "integer" }
//! rows = "/payments"
//! fields = { month = "/month", amount_egp = "/amount/egp" }
//! empty = "answer"
//!
//! [service.benefits.operation.eligibility]
//! method = "POST"
//! path = "/eligibility"
//! parameters = { national_id = "text" }
//! fields = { eligible = "/result/eligible" }
//! ```
//! # `csv`
//! A table with a header line, in memory, indexed by each operation's `key`: a list of columns that
//! are the parameters' names too, or a table `{ parameter = "column" }`. It is looked at once a
//! second at most and replaced as a whole when the file changes; a broken, cut or missing new file
//! changes nothing but the log. Replace the file by renaming: a table that was cut at a line end
//! cannot be told from a smaller one, except by `min_rows`. Values are text, an empty cell is `null`.
//! ```toml
//! [service.vehicles]
//! kind = "csv"
//! file = "vehicles.csv"
//! delimiter = ","          # default
//! max_bytes = 67108864     # default 64 MiB, 1 GiB at most
//! min_rows = 1             # default; fewer are a broken file
//!
//! [service.vehicles.operation.by_owner]
//! key = ["owner_id"]
//! fields = ["plate", "kind", "model_year", "governorate_ar", "licence_valid_until"]
//!
//! [service.vehicles.operation.by_plate]
//! key = { plate_number = "plate" }
//! fields = { owner = "owner_name_ar", valid_until = "licence_valid_until" }
//! ```
//! # `files`
//! The files of one folder, in chunks. The one parameter is `id`, which is a name of letters, digits, `.`, `_` and `-` and
//! never a path; the file is `ID` and the operation's `suffix`. A symbolic link is not followed. `fields` says what a
//! file holds: it is given only to who asks for, and so was granted, all of them. Over 1 MiB only who takes
//! chunks gets it. Replace a file by renaming: one that is cut while it is sent makes its stream void.
//! ```toml
//! [service.registers]
//! kind = "files"
//! folder = "exports"
//!
//! [service.registers.operation.monthly]
//! suffix = ".csv"                  # optional
//! content_type = "text/csv"        # default application/octet-stream
//! fields = ["name_ar", "status"]
//!
//! [service.registers.operation.deposit]
//! accept = true                    # takes files that a consumer sends in chunks, and gives none
//! suffix = ".csv"
//! bytes_max = 1073741824           # default 2 GiB
//! fields = ["id", "bytes"]         # what is answered of a file that was taken; or { receipt_number = "id" }
//! ```
//! A file that is taken is written as `ID` and the operation's `suffix`, where `ID` is the exchange's id: nothing that comes from
//! outside names it. It has that name only once its end was proved and the disk has all of it; before, a file that begins with a
//! dot and ends with `.part`. One that a killed process left is taken away when the provider starts ([`Providers::sweep`]); one
//! that is being written is not. Ask for the file by an operation with the same suffix.
//! # `inbox`
//! A folder into which questions are laid, for a clerk or another program: `EXCHANGE.json` says who asks what for. Once
//! `EXCHANGE.answer.json` stands beside it, a JSON object, that is the answer; until then the provider says "not now". For
//! submissions, which the switch asks again; a call gets no answer unless it waits there already. Write the answer under
//! another name and rename it.
//! ```toml
//! [service.complaints]
//! kind = "inbox"
//! folder = "inbox"
//!
//! [service.complaints.operation.file]
//! parameters = { from = "text", about = "text" }
//! fields = { number = "file_number", state = "state" }
//! ```
//! # Events
//! Beside its services, or alone, the file says where the events go that the system follows (`mohawel event subscribe`): each
//! as `EVENT.json` into one folder, before it is acknowledged. One that is brought twice is one file.
//! ```toml
//! [events]
//! folder = "events"
//! ```
//! # `echo`
//! Gives the payload back unchanged, with no fields.
//! ```toml
//! [service.echo]
//! kind = "echo"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proto::id::Part;
use thiserror::Error;

use crate::events::Told;
use crate::provider::{Failure, Form, LongReply, Provider, Replies, Reply, Request, Upload};

mod csv;
mod echo;
mod events;
mod file;
mod files;
mod http;
mod inbox;
mod operation;
mod payload;
mod probe;
mod sql;

pub use echo::Echo;
pub use events::keep;
pub use sql::{Column, Gives, Unread};

use file::Reading;

/// The services of one system, each answered by what the file says. Nothing is asked of a backend
/// or a database before the first request or [`Providers::probe`].
#[derive(Debug)]
pub struct Providers {
    services: BTreeMap<String, Service>,
    events: Option<events::Events>,
}

#[derive(Debug)]
enum Service {
    Sql(sql::Sql),
    Http(http::Http),
    Csv(csv::Csv),
    Files(files::Files),
    Inbox(inbox::Inbox),
    Echo(Echo),
}

impl Providers {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`StockError::File`] when it cannot be read, [`StockError::Problems`] with all of its problems.
    pub fn load(path: &Path) -> Result<Self, StockError> {
        let text = std::fs::read_to_string(path).map_err(|cause| StockError::File {
            path: path.to_owned(),
            cause,
        })?;
        Self::parse(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads TOML text whose relative paths start at `dir`.
    ///
    /// # Errors
    /// [`StockError::Problems`] with all of its problems.
    pub fn parse(text: &str, dir: &Path) -> Result<Self, StockError> {
        let mut reading = Reading::new(dir);
        let mut services = BTreeMap::new();
        let file::Contents { tables, events } = file::contents(text, &mut reading);
        let events = events.and_then(|table| events::Events::read(table, &mut reading));
        for (name, table) in tables {
            let place = format!("service.{name}");
            if let Err(error) = Part::parse(&name) {
                reading.say(&place, error);
            }
            if let Some(service) = read_service(&place, table, &mut reading) {
                services.insert(name, service);
            }
        }
        reading.done()?;
        Ok(Self { services, events })
    }

    /// What is served: each operation as (service, operation, fields that it can return).
    pub fn operations(&self) -> Vec<(&str, &str, Vec<&Part>)> {
        let mut all = Vec::new();
        for (name, service) in &self.services {
            let operations = match service {
                Service::Sql(sql) => sql.operations.list(),
                Service::Http(http) => http.operations.list(),
                Service::Csv(csv) => csv.operations.list(),
                Service::Files(files) => files.operations.list(),
                Service::Inbox(inbox) => inbox.operations.list(),
                Service::Echo(_) => Vec::new(),
            };
            let named = operations.into_iter();
            all.extend(named.map(|(operation, fields)| (name.as_str(), operation, fields)));
        }
        all
    }

    /// Takes away parts of files that an earlier run, which was killed, had begun to take. To be called before serving;
    /// gives how many there were. Other files, and parts that another process writes, stay.
    ///
    /// # Errors
    /// [`StockError::File`] for the first folder in which that was not possible.
    pub fn sweep(&self) -> Result<u64, StockError> {
        let mut swept = 0;
        for service in self.services.values() {
            if let Service::Files(files) = service {
                swept += files.sweep().map_err(|cause| StockError::File {
                    path: files.folder().to_owned(),
                    cause,
                })?;
            }
        }
        Ok(swept)
    }

    /// The names of the services.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(String::as_str)
    }
}

fn read_service(place: &str, mut table: toml::Table, reading: &mut Reading) -> Option<Service> {
    let kind = table.remove("kind");
    match kind.as_ref().and_then(toml::Value::as_str) {
        Some("sql") => sql::Sql::read(place, table, reading).map(Service::Sql),
        Some("http") => http::Http::read(place, table, reading).map(Service::Http),
        Some("csv") => csv::Csv::read(place, table, reading).map(Service::Csv),
        Some("files") => files::Files::read(place, table, reading).map(Service::Files),
        Some("inbox") => inbox::Inbox::read(place, table, reading).map(Service::Inbox),
        Some("echo") => {
            for key in table.keys() {
                reading.say(place, format_args!("unknown key `{key}`"));
            }
            Some(Service::Echo(Echo))
        }
        _ => {
            reading.say(
                place,
                "kind is one of \"sql\", \"http\", \"csv\", \"files\", \"inbox\", \"echo\"",
            );
            None
        }
    }
}

impl Provider for Providers {
    fn operation_of(&self, content_type: &str, payload: &[u8]) -> Option<String> {
        // An echo takes anything, also what looks like a question of another service. The other
        // kinds compare the operation again when they open the payload.
        let echoes = self
            .services
            .values()
            .any(|service| matches!(service, Service::Echo(_)));
        if echoes {
            None
        } else {
            payload::operation_of(content_type, payload)
        }
    }

    fn form(&self, service: &str) -> Form {
        match self.services.get(service) {
            Some(Service::Echo(_)) | None => Form::Whole,
            Some(
                Service::Sql(_)
                | Service::Http(_)
                | Service::Csv(_)
                | Service::Files(_)
                | Service::Inbox(_),
            ) => Form::Rows,
        }
    }

    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        let service = self.services.get(request.service.as_str());
        let answered = match service {
            Some(Service::Sql(sql)) => sql.answer(&request).await,
            Some(Service::Http(http)) => http.answer(&request).await,
            Some(Service::Csv(csv)) => csv.answer(&request).await,
            Some(Service::Files(files)) => files.answer(&request).await,
            Some(Service::Inbox(inbox)) => inbox.answer(&request).await,
            Some(Service::Echo(echo)) => return echo.answer(request).await,
            None => Err(Failure::failed("the stock file has no such service")),
        };
        told(&request, &answered);
        answered
    }

    fn follows(&self) -> bool {
        self.events.is_some()
    }

    async fn told(&self, event: Told) -> Result<(), Failure> {
        let id = event.event_id;
        match &self.events {
            Some(events) => events.take(event).await.inspect_err(|failure| {
                tracing::error!(event = %id, ?failure, "an event could not be kept");
            }),
            None => Err(Failure::Unavailable),
        }
    }

    async fn upload(&self, request: Request, upload: Upload) -> Result<Reply, Failure> {
        let answered = match self.services.get(request.service.as_str()) {
            Some(Service::Files(files)) => files.upload(&request, upload).await,
            _ => Err(Failure::InvalidRequest(
                "this service takes no requests in chunks".to_owned(),
            )),
        };
        told(&request, &answered);
        answered
    }

    async fn items(&self, request: Request, items: Vec<Bytes>) -> Replies {
        if let Some(Service::Sql(sql)) = self.services.get(request.service.as_str()) {
            return sql.items(&request, items).await;
        }
        let mut replies = Vec::with_capacity(items.len());
        for item in items {
            replies.push(self.answer(request.with(item)).await);
        }
        replies
    }

    async fn stream(&self, request: Request) -> Result<Option<LongReply>, Failure> {
        let Some(Service::Files(files)) = self.services.get(request.service.as_str()) else {
            return Ok(None);
        };
        let answered = files.stream(&request).await;
        told(&request, &answered);
        answered.map(Some)
    }
}

/// What failed, for the agency's own log.
fn told<T>(request: &Request, answered: &Result<T, Failure>) {
    if let Err(Failure::Failed(reason)) = answered {
        tracing::error!(exchange = %request.exchange_id, service = %request.service,
            operation = %request.operation, reason, "a stock provider failed");
    }
}

/// Why a stock file cannot be used.
#[derive(Debug, Error)]
pub enum StockError {
    /// It cannot be read.
    #[error("{} cannot be read: {cause}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// All of its problems.
    #[error("the stock providers' file: {}", .0.join("; "))]
    Problems(Vec<String>),
}

#[cfg(test)]
mod tests;
