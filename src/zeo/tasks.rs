//! Tasks and panics: a panic in a task that all clients need ends the server, one in a client's task ends that client. Neither
//! goes unnoticed, as it would in a bare task of the runtime.

use std::collections::HashMap;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tokio::task::{Id, JoinSet};

/// The tasks that all clients need. None of them is meant to end by itself.
#[derive(Default)]
pub struct Tasks {
    running: JoinSet<()>,
    names: HashMap<Id, String>,
}

impl Tasks {
    /// Starts one; `name` says what it does ("accepting clients").
    pub fn start(&mut self, name: String, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits until one has ended, which is a fault: its name.
    pub async fn ended(&mut self) -> String {
        let id = match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => pending().await,
        };
        self.names.remove(&id).unwrap_or_default()
    }

    /// Aborts all of them, wherever they wait.
    pub async fn abort_all(&mut self) {
        self.running.shutdown().await;
    }
}

/// A client's task; `None`: it has panicked, and the panic's message is on stderr.
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
            tasks.start("waiting".to_owned(), pending());
            tasks.start("failing".to_owned(), async {
                yield_now().await;
                panic!("injected");
            });
            assert_eq!(tasks.ended().await, "failing");
            tasks.start("returning".to_owned(), async {});
            assert_eq!(tasks.ended().await, "returning");
            tasks.abort_all().await;
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
