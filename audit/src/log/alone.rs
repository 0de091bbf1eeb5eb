//! A draft that is alone: recorded by whoever brings it.
//!
//! Where nobody else has anything to record, waking the writer and being woken by it takes longer than all else but the
//! sync. So the task that has the only draft does the writer's work, by the same code and under the same lock
//! ([`Recorder`](super::writer::Recorder)), while the writer sleeps on. That holds up one thread of the runtime for one sync, so it is done only
//! where the runtime has another one and the last commit was quick; and by one task at a time.
//!
//! The thread that is held up may be the one that looks after the runtime's sockets and timers, and tokio calls no other for it.
//! [`Relief`] does, where a sync takes long.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};

use super::Inner;
use super::ending::Ending;
use super::writer::Waiting;

/// A last commit that took longer leaves the next one to the writer: the disk may be slow now.
const QUICK: Duration = Duration::from_millis(2);
/// How often it is looked whether a thread of the runtime is held up: after one to two of these it is relieved.
const TICK: Duration = Duration::from_millis(2);

impl Inner {
    /// Records `waiting` here and now, where it is alone; else gives it back, for the queue. Its waiter is told in the same
    /// way.
    pub(super) fn record_alone(&self, waiting: Waiting) -> Option<Waiting> {
        // The one on its way is most likely this one.
        let is_alone = self.shared.arriving() <= 1;
        if !is_alone || self.recorder.took() > QUICK {
            return Some(waiting);
        }
        let Some(runtime) = with_another_thread() else {
            return Some(waiting);
        };
        let Some(stand_in) = self.queue.stand_in() else {
            return Some(waiting);
        };
        let held_up = self.relief.hold_up(runtime);
        let ending = Ending::new(&self.shared, &self.queue);
        ending.with(self.recorder.record(&self.shared, vec![waiting]));
        drop((stand_in, held_up));
        None
    }
}

/// This runtime, if it has a thread that can go on while this one waits for the disk.
fn with_another_thread() -> Option<Handle> {
    let handle = Handle::try_current().ok()?;
    let is_spread = handle.runtime_flavor() == RuntimeFlavor::MultiThread;
    (is_spread && handle.metrics().num_workers() > 1).then_some(handle)
}

/// Wakes another thread of the runtime where one is held up for long. Its own thread sleeps while nobody records alone.
#[derive(Debug, Default)]
pub(super) struct Relief {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Since when a thread of which runtime is held up; `None` once that one was relieved, too.
    held_up: Option<(Instant, Handle)>,
    /// Somebody was held up since the last tick.
    is_used: bool,
    /// The thread ticks.
    is_watching: bool,
    has_ended: bool,
}

/// A thread of the runtime waits for the disk, until this is dropped.
#[derive(Debug)]
pub(super) struct HeldUp<'a> {
    relief: &'a Relief,
}

impl Relief {
    /// Starts its thread, which ends with [`Relief::end`].
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let this = Arc::clone(self);
        std::thread::Builder::new()
            .name("log-relief".into())
            .spawn(move || this.watch())
    }

    /// The thread ends.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.changed.notify_all();
    }

    fn hold_up(&self, runtime: Handle) -> HeldUp<'_> {
        let mut state = self.lock();
        state.held_up = Some((Instant::now(), runtime));
        state.is_used = true;
        if !std::mem::replace(&mut state.is_watching, true) {
            drop(state);
            self.changed.notify_one();
        }
        HeldUp { relief: self }
    }

    fn watch(&self) {
        let mut state = self.lock();
        while !state.has_ended {
            if !state.is_watching {
                let woken = self.changed.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let ticked = self.changed.wait_timeout(state, TICK);
            state = ticked.unwrap_or_else(PoisonError::into_inner).0;
            let is_long = |(since, _): &mut (Instant, Handle)| since.elapsed() >= TICK;
            if let Some((_, runtime)) = state.held_up.take_if(is_long) {
                // Whichever thread runs this looks after sockets and timers next.
                runtime.spawn(std::future::ready(()));
            }
            state.is_watching = state.is_used;
            state.is_used = state.held_up.is_some();
        }
    }

    /// The state is whole whenever the lock is free, also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.relief.lock().held_up = None;
    }
}
