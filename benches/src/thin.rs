//! Consumers of whom thousands fit into one process: the adapter's own connection, key and proofs, without what each
//! adapter has for itself (a mirror of the registry, a journal, a sealing thread).
//!
//! One adapter stands for all of them where the registry is needed. Every header is sealed alone, and every answer is
//! verified as an adapter verifies it, unless the load is there to overload: then answers are counted and not looked at, and
//! requests are sealed before the window ([`ahead`]), so that the generator takes as little of the machine as it can.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use adapters::connection::Connection;
use adapters::consumer::verify;
use adapters::{Adapter, Home};
use anyhow::{Context as _, bail, ensure};
use audit::checkpoint::NoteMemory;
use audit::clock::Clock;
use clap::Args;
use cli::bench::load::{self, Asker, Order, Payload, Payloads, Reply, say};
use cli::bench::ours::{ASKED, CONTENT_TYPE, OPERATION, PURPOSE};
use proto::Code;
use proto::authorise::{Choice, SealedRequest, choose};
use proto::commitment::{Commitment, Salt};
use proto::entry::Kind;
use proto::envelope::Envelope;
use proto::header::RequestHeader;
use proto::id::{ExchangeId, Part, ServiceId, SystemId};
use proto::seal::SealMemory;
use proto::wire::exchange::v1 as wire;
use tokio::task::JoinSet;
use tonic::Status;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::crowd::home_of;

mod ahead;

use ahead::Stock;

/// Connections that are made at once.
const TOGETHER: usize = 64;
/// Beyond an exchange's own deadline, how long its outcome is waited for.
const GRACE: Duration = Duration::from_secs(5);

/// What thin consumers do.
#[derive(Clone, Debug, Args)]
pub(crate) struct Task {
    /// Bytes of each request, or several by weight.
    payloads: String,
    /// Where the homes lie, named by their numbers.
    homes: PathBuf,
    /// The first of them.
    first: usize,
    /// How many.
    count: usize,
    /// What is asked.
    #[arg(long, default_value = ASKED)]
    service: String,
    /// Milliseconds to wait for an answer.
    #[arg(long, default_value_t = 30_000)]
    deadline_ms: u32,
    /// Count answers without verifying them, and ask nothing before the first order.
    #[arg(long)]
    unverified: bool,
}

/// What all of them share.
struct Shared {
    adapter: Adapter,
    payloads: Payloads,
    deadline_ms: u32,
    unverified: bool,
}

/// One system.
#[derive(Clone)]
struct Thin(Arc<Own>);

struct Own {
    shared: Arc<Shared>,
    notes: NoteMemory,
    seals: SealMemory,
    home: Home,
    connection: Connection,
    /// A request as it stands but for ids, time and payload.
    header: RequestHeader,
    sequence: AtomicU64,
    stock: Stock,
}

/// Serves the harness's orders until dismissed.
pub(crate) async fn load(task: Task) -> anyhow::Result<()> {
    let first = Home::open(home_of(&task.homes, task.first))?;
    let shared = Arc::new(Shared {
        adapter: Adapter::connect(first).await?,
        payloads: task.payloads.parse()?,
        deadline_ms: task.deadline_ms,
        unverified: task.unverified,
    });
    let service = ServiceId::parse(&task.service)?;
    let mut all = Vec::with_capacity(task.count);
    for number in task.first..task.first + task.count {
        let home = Home::open(home_of(&task.homes, number))?;
        all.push(Thin::new(Arc::clone(&shared), home, &service)?);
    }
    if task.unverified {
        say("ready 0")?;
        return load::serve_orders(&all).await;
    }
    // Each asks once: its connection stands before anything is measured.
    let mut waiting = all.iter().cloned();
    let mut asking = JoinSet::new();
    loop {
        while asking.len() < TOGETHER
            && let Some(thin) = waiting.next()
        {
            asking.spawn(async move { thin.ask().await });
        }
        match asking.join_next().await {
            None => break,
            Some(asked) => ensure!(asked?? == Reply::Answered, "the first request was refused"),
        }
    }
    say(&format!("ready {}", all.len()))?;
    load::serve_orders(&all).await
}

impl Thin {
    fn new(shared: Arc<Shared>, home: Home, service: &ServiceId) -> anyhow::Result<Self> {
        let mut own = Own {
            connection: Connection::to_exchange(&home, &Clock::System)?,
            header: header(home.system(), service, shared.deadline_ms)?,
            notes: NoteMemory::new(home.log_key().clone()),
            seals: SealMemory::default(),
            shared,
            home,
            sequence: AtomicU64::new(0),
            stock: Stock::default(),
        };
        let registry = own.shared.adapter.mirror().snapshot();
        let known = registry.service(service);
        own.header.contract = known
            .context("the registry knows no such service")?
            .contract;
        match choose(&registry, &own.header, Clock::System.now_ms()) {
            Choice::Permits { agreement, .. } => own.header.agreement = Some(agreement),
            Choice::Closest { .. } | Choice::Nothing(_) => {
                bail!("{} has no agreement", own.home.system())
            }
        }
        Ok(Self(Arc::new(own)))
    }

    fn prove(
        &self,
        response: wire::CallResponse,
        header: &RequestHeader,
        sent: &Envelope,
    ) -> anyhow::Result<()> {
        let shared = &self.0.shared;
        let returned = verify::open(response)?;
        let proven = verify::proof(&returned, Kind::Closing, &self.0.notes)?;
        let request = SealedRequest {
            header: &sent.header,
            opened: header,
            seal: &sent.seal,
        };
        let registry = shared.adapter.mirror().snapshot();
        let answer = verify::answer(
            &registry,
            request,
            &returned,
            &proven,
            (&self.0.seals, Clock::System.now_ms()),
        )?;
        verify::contents(&answer, &returned.envelope)?;
        ensure!(
            returned.envelope.payload == sent.payload,
            "something else came back"
        );
        Ok(())
    }
}

impl Own {
    /// One more request, as of this time.
    fn seal(&self, issued_at_ms: u64) -> anyhow::Result<(RequestHeader, Envelope)> {
        let Payload::Whole(payload) = self.shared.payloads.take() else {
            bail!("a thin consumer takes no chunks");
        };
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        let own = (sequence, issued_at_ms, payload);
        ahead::sealed(&self.header, own, &**self.home.signer())
    }

    async fn send(
        &self,
        envelope: wire::Envelope,
    ) -> Result<tonic::Response<wire::CallResponse>, Status> {
        let mut request = tonic::Request::new(wire::CallRequest {
            envelope: Some(envelope),
        });
        let deadline = Duration::from_millis(u64::from(self.shared.deadline_ms));
        request.set_timeout(deadline + GRACE);
        self.connection.exchange().call(request).await
    }
}

impl Asker for Thin {
    async fn ask(&self) -> anyhow::Result<Reply> {
        let own = &self.0;
        let (sent, answered) = match own.stock.take() {
            Some(sealed) => (None, own.send(sealed).await),
            None => {
                let (header, envelope) = own.seal(Clock::System.now_ms())?;
                let wire = envelope.to_wire();
                (Some((header, envelope)), own.send(wire).await)
            }
        };
        match answered {
            Ok(response) => {
                if let Some((header, envelope)) = sent.filter(|_| !own.shared.unverified) {
                    self.prove(response.into_inner(), &header, &envelope)?;
                }
                Ok(Reply::Answered)
            }
            Err(status) => refused(&status),
        }
    }

    /// Whoever verifies seals as it asks, as an adapter does.
    async fn prepare(askers: &[Self], order: Order) -> anyhow::Result<()> {
        let now_ms = Clock::System.now_ms();
        let count = askers.len();
        let mut sealing = JoinSet::new();
        for asker in askers.iter().filter(|one| one.0.shared.unverified) {
            let own = Arc::clone(&asker.0);
            sealing.spawn_blocking(move || {
                let due = ahead::due_ms(order, count);
                let sealed = due.map(|due_ms| Ok(own.seal(now_ms + due_ms)?.1.to_wire()));
                own.stock.put(sealed.collect::<anyhow::Result<_>>()?);
                anyhow::Ok(())
            });
        }
        while let Some(sealed) = sealing.join_next().await {
            sealed??;
        }
        Ok(())
    }
}

/// The code of a refusal; any other status is an error.
fn refused(status: &Status) -> anyhow::Result<Reply> {
    let info = status.get_details_error_info();
    match info.and_then(|info| Code::parse(&info.reason)) {
        Some(code @ (Code::RateLimited | Code::Overloaded)) => {
            // Whoever is told to come back must be told when.
            let retry = status.get_details_retry_info();
            let told = retry.is_some_and(|retry| retry.retry_delay.is_some());
            ensure!(told, "a refusal ({code}) does not say when to try again");
            Ok(Reply::Refused(code.name()))
        }
        Some(code) => Ok(Reply::Refused(code.name())),
        None => bail!("{:?}: {}", status.code(), status.message()),
    }
}

fn header(
    consumer: &SystemId,
    service: &ServiceId,
    deadline_ms: u32,
) -> anyhow::Result<RequestHeader> {
    let mut run_id = [0; 16];
    run_id.copy_from_slice(&Salt::random()?.0[..16]);
    let id = ExchangeId::from_uuid(Uuid::now_v7()).context("an exchange id")?;
    Ok(RequestHeader {
        exchange_id: id,
        attempt_of: None,
        run_id,
        sequence: 0,
        consumer: consumer.clone(),
        provider: service.system(),
        service: service.service(),
        operation: Part::parse(OPERATION)?,
        contract: proto::digest::Digest::default(),
        purpose: Part::parse(PURPOSE)?,
        agreement: None,
        delegation: Vec::new(),
        external_id_hash: None,
        case_reference: None,
        subjects: Vec::new(),
        actor: None,
        fields: Vec::new(),
        issued_at_ms: Clock::System.now_ms(),
        deadline_ms,
        payload: Commitment::new(CONTENT_TYPE, b"", &Salt::random()?),
        seen: None,
    })
}
