//! Threads that do the work of a walk which depends on nothing but its own input: reading, hashing, decoding,
//! public-key operations.
//!
//! Takes closures. Gives [`Pending`] results, which the walk asks for in the order that it likes; whoever waits for one
//! does other work of the pool meanwhile, so that one thread is a pool, too. Never decides anything: results are the
//! same whatever the number of threads. What waits is bounded by whoever starts it.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;
type Outcome<T> = Result<T, Box<dyn Any + Send>>;

/// Work that waits, and threads that do it, oldest first.
pub(crate) struct Pool {
    queue: Mutex<Queue>,
    /// There is work, or there will be none.
    work: Condvar,
    /// Some work is done.
    done: Condvar,
    threads: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// A result that is there or will be; see [`Pool::finish`].
pub(crate) struct Pending<T>(Arc<Mutex<Option<Outcome<T>>>>);

impl Pool {
    /// Runs `walk` with a pool of `threads` threads, the caller's among them; 0 stands for as many as there are cores.
    pub(crate) fn with<R>(threads: usize, walk: impl FnOnce(&Self) -> R) -> R {
        let threads = match threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        let pool = Self {
            queue: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            threads,
        };
        thread::scope(|scope| {
            // Also when the walk panics: the scope waits for its threads.
            let _close = Close(&pool);
            for _ in 1..threads {
                // A thread that cannot be had only makes it slower.
                let _ = thread::Builder::new().spawn_scoped(scope, || pool.serve());
            }
            walk(&pool)
        })
    }

    /// Threads, the caller's among them.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Has `job` done by some thread.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Pending<T> {
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        self.queue().jobs.push_back(Box::new(move || {
            let outcome = catch_unwind(AssertUnwindSafe(job));
            *lock(&slot) = Some(outcome);
        }));
        self.work.notify_one();
        Pending(result)
    }

    /// The result of `pending`; until it is there, the caller does what else waits.
    pub(crate) fn finish<T>(&self, pending: &Pending<T>) -> T {
        loop {
            let mut queue = self.queue();
            if let Some(outcome) = lock(&pending.0).take() {
                drop(queue);
                return outcome.unwrap_or_else(|panic| resume_unwind(panic));
            }
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                job();
                continue;
            }
            // A thread is at it, and says so under this lock when it is done.
            let woken = self.done.wait(queue);
            drop(woken.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn serve(&self) {
        let mut queue = self.queue();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                job();
                queue = self.queue();
                self.done.notify_all();
            } else if queue.closed {
                return;
            } else {
                queue = self
                    .work
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

struct Close<'a>(&'a Pool);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        // What nobody will ask for any more.
        queue.jobs.clear();
        queue.closed = true;
        drop(queue);
        self.0.work.notify_all();
    }
}

/// No lock of a pool is held while work is done, so what it guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_in_which_they_are_asked_for() {
        for threads in [1, 2, 8] {
            let squares: Vec<u64> = Pool::with(threads, |pool| {
                assert_eq!(pool.threads(), threads);
                let pending: Vec<_> = (0..500_u64)
                    .map(|number| pool.start(move || number * number))
                    .collect();
                pending.iter().map(|one| pool.finish(one)).collect()
            });
            assert!((0..500).map(|number| number * number).eq(squares));
        }
    }

    #[test]
    fn work_that_nobody_asks_for_ends_with_the_pool() {
        Pool::with(3, |pool| {
            for _ in 0..100 {
                pool.start(|| 1);
            }
        });
        assert!(Pool::with(0, Pool::threads) >= 1);
    }

    #[test]
    fn a_panic_reaches_whoever_asks_for_the_result() {
        for threads in [1, 2] {
            let caught = std::panic::catch_unwind(|| {
                Pool::with(threads, |pool| {
                    let broken = pool.start(|| assert!(pool_is_broken(), "broken"));
                    pool.finish(&broken);
                });
            });
            assert!(caught.is_err());
        }
    }

    fn pool_is_broken() -> bool {
        false
    }
}
