//! An exchange under way: carried by the task of whoever waits for it, and by one of its own once nobody does.
//!
//! Waking one task from another, and often another thread with it, takes longer than most rooms of the way. So whoever waits
//! for a unary call carries it. It must not end with the caller, though: dropped, what is left of it goes on by itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// What is left of an exchange. Over when it is ready; a fault of ours in it ends it, and nothing else.
pub(super) struct UnderWay {
    /// `None` once it is over.
    rest: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    tasks: TaskTracker,
    runtime: Handle,
    /// The switch waits for it.
    _counted: TaskTrackerToken,
}

impl UnderWay {
    /// Counts among `tasks`, and goes on among them where it is dropped. Needs a runtime.
    pub(super) fn new(
        exchange: impl Future<Output = ()> + Send + 'static,
        tasks: &TaskTracker,
    ) -> Self {
        Self {
            rest: Some(Box::pin(exchange)),
            tasks: tasks.clone(),
            runtime: Handle::current(),
            _counted: tasks.token(),
        }
    }
}

impl Future for UnderWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut rest) = self.rest.take() else {
            return Poll::Ready(());
        };
        // As on a task of its own: a panic, which its hook has told, ends this exchange and no connection.
        match catch_unwind(AssertUnwindSafe(|| rest.as_mut().poll(cx))) {
            Ok(Poll::Pending) => {
                self.rest = Some(rest);
                Poll::Pending
            }
            Ok(Poll::Ready(())) | Err(_) => Poll::Ready(()),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take() {
            self.tasks.spawn_on(rest, &self.runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Notify;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_carries_it_and_it_is_over_with_it() {
        let tasks = TaskTracker::new();
        let (told, on) = oneshot::channel();
        let exchange = async move { told.send(tokio::task::id()).unwrap() };
        let under_way = UnderWay::new(exchange, &tasks);
        assert_eq!(tasks.len(), 1);
        let caller = tokio::spawn(under_way);
        let id = caller.id();
        caller.await.unwrap();
        assert_eq!(on.await, Ok(id));
        assert!(tasks.is_empty());
    }

    #[tokio::test]
    async fn dropped_half_way_it_goes_on_by_itself_and_is_waited_for() {
        let tasks = TaskTracker::new();
        let (go_on, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, over) = oneshot::channel();
        let (wait, say) = (Arc::clone(&go_on), Arc::clone(&begun));
        let exchange = async move {
            say.notify_one();
            wait.notified().await;
            told.send(()).unwrap();
        };
        let under_way = UnderWay::new(exchange, &tasks);
        tokio::select! {
            biased;
            () = under_way => panic!("over without a word"),
            () = begun.notified() => {}
        }
        assert_eq!(tasks.len(), 1);
        go_on.notify_one();
        assert_eq!(over.await, Ok(()));
        tasks.close();
        tasks.wait().await;
    }

    #[tokio::test]
    async fn one_that_was_never_looked_at_is_carried_all_the_same() {
        let tasks = TaskTracker::new();
        let (told, over) = oneshot::channel();
        drop(UnderWay::new(async move { told.send(()).unwrap() }, &tasks));
        assert_eq!(over.await, Ok(()));
    }

    #[tokio::test]
    async fn a_panic_ends_it_alone() {
        let tasks = TaskTracker::new();
        let (told, over) = oneshot::channel::<()>();
        let exchange = async move {
            tokio::task::yield_now().await;
            let _told = told;
            panic!("a fault of ours");
        };
        UnderWay::new(exchange, &tasks).await;
        assert!(over.await.is_err());
        assert!(tasks.is_empty());
    }
}
