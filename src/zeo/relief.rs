//! Blocking one thread of the runtime without leaving the network alone.
//!
//! A commit of a client that is alone is brought to the disk by the thread that received it: waking any other costs it
//! a third of the time of the fsync. But of the runtime's threads only one waits for the network, and it is that one. So
//! a watch looks every millisecond while there are commits; where one takes longer, it has another thread of the runtime wait
//! for the network meanwhile. It wakes nobody and is woken only by the first commit after a pause.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::Handle;

use super::served::LOGGER;
use crate::eventlog::EventLog;

/// How often the watch looks; what blocks for longer than one to two of these is relieved.
const TICK: Duration = Duration::from_millis(1);
/// Looks in vain after which it sleeps.
const PATIENCE: u32 = 20;

/// The watch over one thing that may block.
pub struct Relief {
    state: Arc<State>,
    thread: Thread,
}

#[derive(Default)]
struct State {
    /// Counts begins and ends: odd while something runs.
    turns: AtomicU64,
    asleep: AtomicBool,
    over: AtomicBool,
}

impl Relief {
    /// A watch that relieves this runtime; a fault in it ends the process, with a line in `log`.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(runtime: Handle, log: Arc<EventLog>) -> io::Result<Self> {
        let state = Arc::new(State::default());
        let watched = state.clone();
        let spawned = thread::Builder::new().name("relief".to_owned()).spawn(move || {
            log.or_end(LOGGER, format_args!("seeing to the network"), || watch(&watched, &runtime));
        });
        Ok(Self { state, thread: spawned?.thread().clone() })
    }

    /// Does what may block; one thing at a time.
    pub fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        self.state.turns.fetch_add(1, Ordering::SeqCst);
        if self.state.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        let result = work();
        self.state.turns.fetch_add(1, Ordering::SeqCst);
        result
    }
}

impl Drop for Relief {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn watch(state: &State, runtime: &Handle) {
    let (mut seen, mut quiet) = (0, 0);
    while !state.over.load(Ordering::SeqCst) {
        let turn = state.turns.load(Ordering::SeqCst);
        let same = turn == seen;
        seen = turn;
        quiet = if same { quiet + 1 } else { 0 };
        if same && turn % 2 == 1 {
            // Whichever thread this wakes has nothing to do then but to wait for the network.
            drop(runtime.spawn(async {}));
        } else if quiet > PATIENCE {
            state.asleep.store(true, Ordering::SeqCst);
            if state.turns.load(Ordering::SeqCst) == seen && !state.over.load(Ordering::SeqCst) {
                thread::park();
            }
            state.asleep.store(false, Ordering::SeqCst);
            quiet = 0;
        }
        thread::park_timeout(TICK);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::mpsc;

    use super::*;

    /// Echoes byte by byte. When only one thread is up, a byte blocks it until the echo of the next has arrived.
    #[test]
    fn network_goes_on_while_the_thread_that_waited_for_it_is_blocked() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let relief =
            Arc::new(Relief::start(runtime.handle().clone(), Arc::new(EventLog::disabled())).unwrap());
        let (finish, end) = mpsc::channel::<()>();
        runtime.spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut end, mut echoed) = (Some(end), 0);
            loop {
                stream.readable().await.unwrap();
                match stream.try_read(&mut [0]) {
                    Ok(1) => assert_eq!(stream.try_write(b"x").unwrap(), 1),
                    Ok(_) => break,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
                echoed += 1;
                if let Some(end) = end.take_if(|_| echoed > 200) {
                    let relief = relief.clone();
                    tokio::spawn(async move {
                        relief.during(|| end.recv_timeout(Duration::from_secs(60))).unwrap();
                    });
                }
            }
        });
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        for _ in 0..300 {
            client.write_all(b"x").unwrap();
            client.read_exact(&mut [0]).unwrap();
        }
        finish.send(()).unwrap();
    }
}
