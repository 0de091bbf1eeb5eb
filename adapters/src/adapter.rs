//! Everything one adapter holds while it runs: home, connection, mirror, checkpoints, sealer, renewal.
//!
//! A consumer and a provider of one system share one of these, and with it the run id, the sequence
//! numbers, the connection and the standing towards the switch. The only place of this crate, beside
//! a provider's link, that spawns tasks.

use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use audit::checkpoint::{NoteMemory, Notes};
use audit::clock::Clock;
use audit::receipt::{Proven, Receipt, ReceiptError};
use bytes::Bytes;
use proto::seal::{Seal, SealMemory};
use thiserror::Error;
use tokio_util::task::AbortOnDropHandle;

use crate::alarm;
use crate::calls::Calls;
use crate::checkpoints::{Checkpoints, SeenError};
use crate::connection::{Connection, ConnectionError};
use crate::consumer::Consumer;
use crate::enrol::EnrolError;
use crate::error::{Distrust, Standing};
use crate::events::Events;
use crate::identity::Home;
use crate::journal::erasure::{self, ErasureError};
use crate::journal::{Journal, JournalError};
use crate::mirror::{Mirror, MirrorError};
use crate::provider::{Handle, Options, Provider};
use crate::renewal::Renewal;
use crate::sealed::EncryptionKeys;
use crate::sealer::{Sealer, SealerError};
use crate::subjects::{SubjectKeyError, SubjectKeys};

/// What adapters of this process verified a moment ago: an agency with volume holds several, one for each connection, and
/// one checkpoint or one seal covers answers to all of them. A signature holds or does not, whoever asks; by which key it
/// must be made each adapter says itself.
static NOTES: LazyLock<Notes> = LazyLock::new(Notes::default);
/// The same of seals' tree heads. Each is remembered with its key, label and log.
static SEALS: LazyLock<SealMemory> = LazyLock::new(SealMemory::default);

/// How long [`Adapter::connect`] waits for more of the registry.
const CONNECT_WAIT: Duration = Duration::from_secs(15);

/// A running adapter. Clones share it; it stops with the last of them.
#[derive(Clone, Debug)]
pub struct Adapter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    home: Home,
    clock: Clock,
    connection: Connection,
    mirror: Mirror,
    checkpoints: Checkpoints,
    sealer: Sealer,
    standing: Standing,
    journal: Journal,
    renewal: Renewal,
    subject_keys: SubjectKeys,
    erasures: erasure::Sender,
    encryption_keys: EncryptionKeys,
    notes: NoteMemory,
    /// The stream of calls, where the settings ask for it.
    calls: Option<Calls>,
    /// Dropped last of all, which stops them.
    _tasks: [AbortOnDropHandle<()>; 7],
}

impl Adapter {
    /// Starts and waits until the registry is here. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`AdapterError`]; [`AdapterError::Mirror`] when the switch cannot be reached, or gives no more of its registry, in 15 seconds,
    /// [`AdapterError::Seen`] when its log does not extend what this home has seen of it.
    pub async fn connect(home: Home) -> Result<Self, AdapterError> {
        let adapter = Self::start(home, Clock::System)?;
        adapter.ready(CONNECT_WAIT).await?;
        // What an earlier run was promised is looked at before anything new is asked.
        adapter
            .checkpoints()
            .reconcile(adapter.connection())
            .await?;
        Ok(adapter)
    }

    /// Starts without waiting for the switch, with a clock of the caller's.
    ///
    /// # Errors
    /// [`AdapterError`] when the home cannot be used or holds evidence against the switch.
    pub fn start(home: Home, clock: Clock) -> Result<Self, AdapterError> {
        home.without_evidence()?;
        let subject_keys = SubjectKeys::open(home.path(&home.config().subject_keys))?;
        let standing = Standing::default();
        let connection = Connection::to_exchange(&home, &clock)?;
        let mirror = Mirror::new(standing.clone());
        let checkpoints = Checkpoints::open(&home, clock.clone(), standing.clone())?;
        let config = home.config();
        let sealer = Sealer::start_with(
            Arc::clone(home.signer()),
            home.log_key().origin(),
            config.seal_together,
        )?;
        let journal = Journal::start(home.dir(), config.journal.clone(), clock.clone())?;
        let follow = mirror.clone().follow(
            connection.clone(),
            home.config().genesis,
            home.log_key().clone(),
        );
        let watch = checkpoints
            .clone()
            .watch(connection.clone(), home.config().checkpoint_every);
        let renewal = Renewal::new(
            home.clone(),
            clock.clone(),
            connection.clone(),
            checkpoints.clone(),
            standing.clone(),
        );
        let sender = erasure::Sender {
            home: home.clone(),
            sealer: sealer.clone(),
            connection: connection.clone(),
            checkpoints: checkpoints.clone(),
            turn: Arc::default(),
        };
        let tasks = [
            AbortOnDropHandle::new(tokio::spawn(follow)),
            AbortOnDropHandle::new(tokio::spawn(watch)),
            AbortOnDropHandle::new(tokio::spawn(alarm::watch(
                mirror.clone(),
                home.system().agency(),
            ))),
            AbortOnDropHandle::new(tokio::spawn(alarm::watch_keys(
                mirror.clone(),
                home.clone(),
                clock.clone(),
            ))),
            AbortOnDropHandle::new(tokio::spawn(renewal.clone().keep())),
            AbortOnDropHandle::new(tokio::spawn(checkpoints.clone().remembering())),
            AbortOnDropHandle::new(tokio::spawn(erasure::sending(sender.clone()))),
        ];
        Ok(Self(Arc::new(Inner {
            encryption_keys: EncryptionKeys::of(home.dir()),
            erasures: sender,
            notes: NoteMemory::among(home.log_key().clone(), NOTES.clone()),
            calls: (home.config().call_stream).then(|| Calls::new(connection.clone())),
            home,
            clock,
            connection,
            mirror,
            checkpoints,
            sealer,
            standing,
            journal,
            renewal,
            subject_keys,
            _tasks: tasks,
        })))
    }

    /// Waits until the registry mirror holds what the switch had at hand, as long as more of it comes within each `wait`.
    ///
    /// # Errors
    /// [`AdapterError::Mirror`].
    pub async fn ready(&self, wait: Duration) -> Result<(), AdapterError> {
        self.0.mirror.caught_up(wait).await?;
        Ok(())
    }

    /// The side that asks.
    pub fn consumer(&self) -> Consumer {
        Consumer::new(self.clone())
    }

    /// The side that tells what happened, and is told.
    pub fn events(&self) -> Events {
        Events::new(self.clone())
    }

    /// The side that answers: attaches to the switch and gives each request to `provider`, after
    /// every check of `docs/protocol.md` §3.
    pub fn serve(
        &self,
        provider: impl Provider,
        options: Options,
    ) -> impl Future<Output = Handle> + Send {
        Handle::start(self.clone(), provider, options)
    }

    /// The home folder.
    pub fn home(&self) -> &Home {
        &self.0.home
    }

    /// The one clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The connection to the exchange door, for calls that this crate has no name for.
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// The registry mirror.
    pub fn mirror(&self) -> &Mirror {
        &self.0.mirror
    }

    /// The watch over checkpoints.
    pub fn checkpoints(&self) -> &Checkpoints {
        &self.0.checkpoints
    }

    /// The journal of receipts.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// With what pseudonyms of persons are made and judged.
    pub fn subject_keys(&self) -> &SubjectKeys {
        &self.0.subject_keys
    }

    /// With what is opened what others seal to this system.
    pub fn encryption_keys(&self) -> &EncryptionKeys {
        &self.0.encryption_keys
    }

    /// Whether the switch is still believed.
    pub fn standing(&self) -> &Standing {
        &self.0.standing
    }

    /// Renews the TLS certificate now and moves the connection over to it, which the adapter does by
    /// itself at two thirds of the certificate's life. What is under way finishes where it began.
    ///
    /// # Errors
    /// [`EnrolError`]; the old certificate, or with [`EnrolError::Switch`] at least the connection
    /// that shows it, then still stands.
    pub async fn renew(&self) -> Result<(), EnrolError> {
        self.0.renewal.renew().await
    }

    /// Has the statements of erasure recorded that wait in the home, which the adapter does by itself; gives how many.
    ///
    /// # Errors
    /// [`ErasureError`]; what is not recorded stays queued.
    pub async fn state_erasures(&self) -> Result<usize, ErasureError> {
        self.0.erasures.send_queued().await
    }

    pub(crate) fn calls(&self) -> Option<&Calls> {
        self.0.calls.as_ref()
    }

    pub(crate) fn notes(&self) -> &NoteMemory {
        &self.0.notes
    }

    pub(crate) fn seals(&self) -> &SealMemory {
        &SEALS
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// Verifies a receipt over the holder's own bytes and queues its checkpoint for reconciliation.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn prove(
        &self,
        receipt: &Receipt,
        header: &Bytes,
        seal: Option<&Seal>,
    ) -> Result<Proven, ProofError> {
        let proven = receipt.verify_remembering(header, seal, &self.0.notes)?;
        self.0
            .checkpoints
            .note(proven.checkpoint.clone(), receipt.checkpoint.clone())?;
        Ok(proven)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last moment's promises: what the task behind would have written.
        if let Err(error) = self.checkpoints.remember() {
            tracing::error!(%error, "the last receipts are not remembered");
        }
    }
}

/// Why a receipt proves nothing.
#[derive(Debug, Error)]
pub enum ProofError {
    /// It does not hold.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// It holds, and shows a fork.
    #[error(transparent)]
    Distrust(#[from] Distrust),
}

/// Why an adapter cannot start.
#[derive(Debug, Error)]
pub enum AdapterError {
    /// The switch is not believed.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// Address or TLS material.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The memory of checkpoints.
    #[error(transparent)]
    Seen(#[from] SeenError),
    /// The sealing thread.
    #[error(transparent)]
    Sealer(#[from] SealerError),
    /// The keys for pseudonyms of persons.
    #[error(transparent)]
    Subjects(#[from] SubjectKeyError),
    /// The registry did not come.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The journal of receipts.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
