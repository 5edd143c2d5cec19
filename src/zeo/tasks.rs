//! Tasks and the faults of this program: one in what all clients need ends the server, one in what only one needs ends
//! that client. Neither passes in silence, as a task of the runtime that panics would.

use std::collections::HashMap;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tokio::task::{Id, JoinSet};

/// The tasks that all clients need. None of them ends by itself.
#[derive(Default)]
pub struct Tasks {
    running: JoinSet<()>,
    does: HashMap<Id, String>,
}

impl Tasks {
    /// Begins one that `does` ("accepting clients") names.
    pub fn begin(&mut self, does: String, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(task).id();
        self.does.insert(id, does);
    }

    /// Waits until one has ended, which is a fault: what it did.
    pub async fn ended(&mut self) -> String {
        let id = match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => pending().await,
        };
        self.does.remove(&id).unwrap_or_default()
    }

    /// Ends all of them, wherever they are.
    pub async fn end(&mut self) {
        self.running.shutdown().await;
    }
}

/// A task that only one client needs; `None`: it has panicked, and what that was is on stderr.
pub async fn contained<T>(task: impl Future<Output = T>) -> Option<T> {
    let mut task = pin!(task);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(Some(result)),
        Err(_) => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};
    use tokio::task::yield_now;

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).build().unwrap()
    }

    #[test]
    fn task_that_ends_is_named_whether_by_a_panic_or_not() {
        runtime().block_on(async {
            let mut tasks = Tasks::default();
            tasks.begin("waiting".to_owned(), pending());
            tasks.begin("failing".to_owned(), async {
                yield_now().await;
                panic!("injected");
            });
            assert_eq!(tasks.ended().await, "failing");
            tasks.begin("returning".to_owned(), async {});
            assert_eq!(tasks.ended().await, "returning");
            tasks.end().await;
        });
    }

    #[test]
    fn panic_is_contained_in_the_task_of_its_client() {
        runtime().block_on(async {
            let well = async {
                yield_now().await;
                7
            };
            assert_eq!(contained(well).await, Some(7));
            let ill = async {
                yield_now().await;
                panic!("injected");
            };
            assert_eq!(contained::<()>(ill).await, None);
        });
    }
}
