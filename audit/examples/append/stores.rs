//! The stores that do the same durable batch: all entries of it, or none, are there after a power cut.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use redb::{Database, TableDefinition};

use crate::{ENTRY_BYTES, Failure};

/// One way of making a batch durable.
pub(crate) trait Store: Send {
    /// Returns when `entries`, the first with index `first`, are durable.
    fn commit(&mut self, first: u64, entries: &[Bytes]) -> Result<(), Failure>;
}

/// The store `name` in the empty folder `dir`, with the settings under which its makers promise durability.
pub(crate) fn open(name: &str, dir: &Path) -> Result<Box<dyn Store>, Failure> {
    Ok(match name {
        "file" => Box::new(Plain {
            file: File::create(dir.join("log"))?,
            buffer: Vec::new(),
        }),
        "file, preallocated" => Box::new(Preallocated::open(dir)?),
        "sqlite wal" => Box::new(Sqlite::open(dir)?),
        "redb" => Box::new(Redb(Database::create(dir.join("log.redb"))?)),
        "fjall" => Box::new(Fjall::open(dir)?),
        "sled, one a value" => Box::new(Sled::open(dir, 1)?),
        "sled, packed 16" => Box::new(Sled::open(dir, 16)?),
        _ => return Err(format!("no store is called {name}").into()),
    })
}

fn framed(buffer: &mut Vec<u8>, entries: &[Bytes]) {
    buffer.clear();
    for entry in entries {
        buffer.extend_from_slice(&(entry.len() as u32).to_be_bytes());
        buffer.extend_from_slice(entry);
    }
}

/// Append and fdatasync.
struct Plain {
    file: File,
    buffer: Vec<u8>,
}

impl Store for Plain {
    fn commit(&mut self, _: u64, entries: &[Bytes]) -> Result<(), Failure> {
        framed(&mut self.buffer, entries);
        self.file.write_all(&self.buffer)?;
        Ok(self.file.sync_data()?)
    }
}

/// The same into space that is there already, as the log's tail has it.
struct Preallocated {
    file: File,
    buffer: Vec<u8>,
}

impl Preallocated {
    fn open(dir: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(dir.join("log"))?;
        // More than the longest run writes.
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 4 << 30)?;
        file.sync_all()?;
        Ok(Self {
            file,
            buffer: Vec::new(),
        })
    }
}

impl Store for Preallocated {
    fn commit(&mut self, _: u64, entries: &[Bytes]) -> Result<(), Failure> {
        framed(&mut self.buffer, entries);
        self.file.write_all(&self.buffer)?;
        Ok(self.file.sync_data()?)
    }
}

/// SQLite, journal_mode WAL, synchronous FULL: one transaction a batch.
struct Sqlite(rusqlite::Connection);

impl Sqlite {
    fn open(dir: &Path) -> Result<Self, Failure> {
        let connection = rusqlite::Connection::open(dir.join("log.sqlite"))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection
            .execute_batch("CREATE TABLE log (i INTEGER PRIMARY KEY, entry BLOB NOT NULL)")?;
        Ok(Self(connection))
    }
}

impl Store for Sqlite {
    fn commit(&mut self, first: u64, entries: &[Bytes]) -> Result<(), Failure> {
        let transaction = self.0.transaction()?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO log (i, entry) VALUES (?1, ?2)")?;
            for (index, entry) in (first..).zip(entries) {
                insert.execute(rusqlite::params![i64::try_from(index)?, &entry[..]])?;
            }
        }
        Ok(transaction.commit()?)
    }
}

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

/// redb, durability Immediate (its default): one write transaction a batch.
struct Redb(Database);

impl Store for Redb {
    fn commit(&mut self, first: u64, entries: &[Bytes]) -> Result<(), Failure> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (index, entry) in (first..).zip(entries) {
                table.insert(index, &entry[..])?;
            }
        }
        Ok(transaction.commit()?)
    }
}

/// fjall: one write batch, then the journal synced with fdatasync.
struct Fjall {
    database: fjall::Database,
    keyspace: fjall::Keyspace,
}

impl Fjall {
    fn open(dir: &Path) -> Result<Self, Failure> {
        let database = fjall::Database::builder(dir.join("log.fjall")).open()?;
        let keyspace = database.keyspace("log", fjall::KeyspaceCreateOptions::default)?;
        Ok(Self { database, keyspace })
    }
}

impl Store for Fjall {
    fn commit(&mut self, first: u64, entries: &[Bytes]) -> Result<(), Failure> {
        let mut batch = self.database.batch();
        for (index, entry) in (first..).zip(entries) {
            batch.insert(&self.keyspace, index.to_be_bytes(), &entry[..]);
        }
        batch.commit()?;
        Ok(self.database.persist(fjall::PersistMode::SyncData)?)
    }
}

/// sled as the commit point: one batch, flush, and our own fdatasync, without which a power cut empties it.
struct Sled {
    tree: sled::Db,
    file: File,
    pack: usize,
}

impl Sled {
    fn open(dir: &Path, pack: usize) -> Result<Self, Failure> {
        let path = dir.join("log.sled");
        let config = sled::Config::new()
            .path(&path)
            .cache_capacity(128 << 20)
            .segment_size(8 << 20)
            .flush_every_ms(None);
        let tree = config.open()?;
        let file = File::open(path.join("db"))?;
        Ok(Self { tree, file, pack })
    }
}

impl Store for Sled {
    fn commit(&mut self, first: u64, entries: &[Bytes]) -> Result<(), Failure> {
        let mut batch = sled::Batch::default();
        let mut value = Vec::with_capacity(self.pack * (ENTRY_BYTES + 4));
        for (index, pack) in (first..).step_by(self.pack).zip(entries.chunks(self.pack)) {
            framed(&mut value, pack);
            batch.insert(&index.to_be_bytes(), &value[..]);
        }
        self.tree.apply_batch(batch)?;
        self.tree.flush()?;
        Ok(self.file.sync_data()?)
    }
}
