//! The wire between a party and the switch, which stands still after exactly so many bytes: so a process can be killed at a
//! step that only its neighbours see.
//!
//! Takes connections, carries them to wherever the switch stands now. Gives what went each way, and what waits. Never changes
//! a byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::ground::loopback;
use crate::until;

/// One party's wire. Cut when dropped.
#[derive(Debug)]
pub struct Wire {
    /// Where the party finds it.
    pub address: SocketAddr,
    /// From the party to the switch.
    pub out: Arc<Flow>,
    /// From the switch to the party.
    pub back: Arc<Flow>,
    switch: Arc<Mutex<SocketAddr>>,
    cuts: watch::Sender<()>,
    /// Held by every connection that was not cut.
    uncut: Arc<Mutex<Arc<()>>>,
    _task: AbortOnDropHandle<()>,
}

/// One direction.
#[derive(Debug)]
pub struct Flow {
    passed: AtomicU64,
    waiting: AtomicU64,
    limit: watch::Sender<u64>,
}

impl Flow {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            passed: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            limit: watch::Sender::new(u64::MAX),
        })
    }

    /// Bytes that went through, over all connections.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Bytes that were read and stand here.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Lets `more` bytes through from now on, and then none.
    pub fn hold_after(&self, more: u64) {
        self.limit.send_replace(self.passed() + more);
    }

    /// As [`Flow::hold_after`], and waits until they are through; `false` where so many do not come.
    pub async fn lets_through(&self, more: u64) -> bool {
        let end = self.passed() + more;
        self.limit.send_replace(end);
        for _ in 0..300 {
            if self.passed() >= end {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// Lets everything through again.
    pub fn release(&self) {
        self.limit.send_replace(u64::MAX);
    }

    /// Waits until it stands still with `bytes` or more behind the place.
    pub async fn held(&self, bytes: u64) {
        until("the wire stands still", || self.waiting() >= bytes).await;
    }

    /// Carries until either end is gone.
    async fn carry(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut limits = self.limit.subscribe();
        let mut piece = vec![0; 16 * 1024];
        let mut waits = Waits::at(self);
        loop {
            let room = limits.borrow_and_update().saturating_sub(self.passed());
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            if let Some(first) = waits.take(room) {
                if to.write_all(&first).await.is_err() {
                    return;
                }
                continue;
            }
            tokio::select! {
                changed = limits.changed() => if changed.is_err() { return },
                read = from.read(&mut piece), if waits.bytes.len() < WAITING_MAX => match read {
                    Ok(length @ 1..) => waits.add(&piece[..length]),
                    _ => return,
                },
            }
        }
    }
}

/// Bytes that stand still on one connection, at most and about.
const WAITING_MAX: usize = 256 * 1024;

/// What stands still on one connection. It is counted for as long as it does.
struct Waits<'a> {
    flow: &'a Flow,
    bytes: Vec<u8>,
}

impl<'a> Waits<'a> {
    fn at(flow: &'a Flow) -> Self {
        let bytes = Vec::new();
        Self { flow, bytes }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.flow
            .waiting
            .fetch_add(bytes.len() as u64, Ordering::SeqCst);
    }

    /// The first of them that there is room for.
    fn take(&mut self, room: usize) -> Option<Vec<u8>> {
        let length = room.min(self.bytes.len());
        if length == 0 {
            return None;
        }
        self.flow.waiting.fetch_sub(length as u64, Ordering::SeqCst);
        self.flow.passed.fetch_add(length as u64, Ordering::SeqCst);
        Some(self.bytes.drain(..length).collect())
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let left = self.bytes.len() as u64;
        self.flow.waiting.fetch_sub(left, Ordering::SeqCst);
    }
}

impl Wire {
    /// A wire to the switch that listens at `switch`.
    pub async fn to(switch: SocketAddr) -> Self {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (out, back) = (Flow::new(), Flow::new());
        let switch = Arc::new(Mutex::new(switch));
        let cuts = watch::Sender::new(());
        let cut = cuts.subscribe();
        let uncut = Arc::new(Mutex::new(Arc::new(())));
        let whole = Arc::clone(&uncut);
        let (flows, place) = ((Arc::clone(&out), Arc::clone(&back)), Arc::clone(&switch));
        let task = tokio::spawn(async move {
            // Dropped with the listener.
            let mut carried = JoinSet::new();
            while let Ok((party, _)) = listener.accept().await {
                let (out, back) = (Arc::clone(&flows.0), Arc::clone(&flows.1));
                let place = *place.lock().unwrap();
                let mut cut = cut.clone();
                let uncut = Arc::clone(&whole.lock().unwrap());
                cut.mark_unchanged();
                carried.spawn(async move {
                    // Nobody listens there: the party sees its connection end.
                    let Ok(switch) = TcpStream::connect(place).await else {
                        return;
                    };
                    let _ = (party.set_nodelay(true), switch.set_nodelay(true));
                    let ((from_party, to_party), (from_switch, to_switch)) =
                        (party.into_split(), switch.into_split());
                    // Whoever dies first takes what stands here with it.
                    tokio::select! {
                        () = out.carry(from_party, to_switch) => {}
                        () = back.carry(from_switch, to_party) => {}
                        _ = cut.changed() => {}
                    }
                    drop(uncut);
                });
                while carried.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            out,
            back,
            switch,
            cuts,
            uncut,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Carries new connections to `switch` from now on.
    pub fn point_at(&self, switch: SocketAddr) {
        *self.switch.lock().unwrap() = switch;
    }

    /// Cuts every connection, as when the machine at its end is gone: what stands here never arrives.
    pub async fn cut(&self) {
        let uncut = std::mem::take(&mut *self.uncut.lock().unwrap());
        self.cuts.send_replace(());
        until("all connections are cut", || Arc::strong_count(&uncut) == 1).await;
    }

    /// Lets both directions through again.
    pub fn release(&self) {
        self.out.release();
        self.back.release();
    }
}
