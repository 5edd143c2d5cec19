//! SIGKILL of the manager at any point: whatever it was about, the next start ends with one program, which is told of,
//! and a stop leaves nothing.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::counting::Counting;
use super::*;
use crate::sandbox::chance::Chance;
use crate::sandbox::{can_trace, eventually, is_long};

/// What the manager is about when it is killed.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Start,
    Steady,
    Stop,
    Restart,
    Replacement,
    /// The program has died; it is to be started again at once.
    Respawn,
    /// The program has died; it is to be started again in a second.
    BackOff,
    /// The program has died and has left somebody behind, who takes a moment to end when asked.
    LeftBehind,
}

const STAGES: [Stage; 8] = [
    Stage::Start,
    Stage::Stop,
    Stage::Restart,
    Stage::Replacement,
    Stage::Respawn,
    Stage::Steady,
    Stage::BackOff,
    Stage::LeftBehind,
];

/// Who is left behind.
const REST: &str = "trap 'sleep 0.1; exit 0' TERM; while :; do sleep 0.01; done";

impl Stage {
    fn settings(self) -> &'static str {
        match self {
            Self::Respawn => "start-grace 0\n backoff-limit 0",
            _ => "start-grace 0\n backoff-limit 10",
        }
    }

    /// How long it takes, about.
    fn length(self) -> Duration {
        match self {
            Self::Start | Self::Replacement | Self::Respawn | Self::LeftBehind => Duration::from_millis(60),
            _ => Duration::from_millis(15),
        }
    }

    /// Has a manager run, and lets it begin with what it is about.
    fn begin(self, counting: &Counting) {
        if matches!(self, Self::Start) {
            let _running = counting.zdrun().spawn();
            return;
        }
        let rest = if matches!(self, Self::LeftBehind) { REST } else { "" };
        counting.zdrun().env("REST", rest).run();
        eventually(SOON, || rest.is_empty() || !counting.rests().is_empty());
        let manager = counting.manager();
        let ask = |request: &[u8]| {
            let mut stream = manager.connect();
            stream.write_all(request).expect("it is taken");
        };
        match self {
            Self::Stop => ask(b"stop\n"),
            Self::Restart => ask(b"restart\n"),
            Self::Replacement => ask(b"reexec\n"),
            Self::Respawn | Self::BackOff | Self::LeftBehind => signal(manager.pid(), Signal::SIGKILL),
            Self::Start | Self::Steady => {}
        }
    }
}

#[test]
fn manager_killed_at_any_time_is_followed_by_one_with_one_program() {
    let mut chance = Chance::new();
    for round in 0..if is_long() { 160 } else { 24 } {
        let stage = STAGES[round % STAGES.len()];
        let delay = stage.length().mul_f64(chance.fraction());
        let place = format!("{stage:?} after {delay:?} (seed {})", chance.seed());
        let counting = Counting::new(stage.settings());
        stage.begin(&counting);
        let begun = Instant::now();
        eventually(SOON, || begun.elapsed() >= delay);
        if chance.fraction() < 0.5 {
            counting.kill_managers();
        } else {
            // One of them alone: the parent, the manager, or the process that is about to become the program.
            let found = counting.managers();
            let index = chance.below(found.len().max(1));
            if let Some(pid) = found.get(index) {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
                eventually(SOON, || !is_alive(*pid));
            }
        }
        counting.recover(&place, 1);
    }
}

/// The calls by which a manager and its program come to be.
const STARTING: &[&str] = &[
    "clone,clone3,fork,vfork",
    "execve",
    "openat",
    "bind",
    "listen",
    "link,linkat",
    "unlink,unlinkat",
    "chmod,fchmodat",
    "pwrite64",
    "flock",
    "setsid",
    "prctl",
    "signalfd4",
    "poll",
    "read",
    "write",
    "dup2,dup3",
    "close_range",
    "rt_sigprocmask",
];

/// More calls of one kind than are made; those of the C library's own start are among them.
const MANY: usize = 60;

#[test]
fn manager_killed_at_any_call_of_its_start_is_followed_by_one_with_one_program() {
    if !can_trace() {
        return;
    }
    let mut chance = Chance::new();
    let mut kills = 0;
    for calls in STARTING {
        // A daemon's parent makes many of the calls first; without it the manager is the first to make them.
        let modes = if is_long() { &["-d", "--no-daemon"][..] } else { &["--no-daemon"] };
        for mode in modes {
            // Most calls are made a few times only.
            let few = 1 + chance.below(12);
            let first = if is_long() { 1 } else { 1 + chance.below(few) };
            let last = if is_long() { MANY } else { first };
            let place = |nth| format!("call {nth} of {calls}, {mode} (seed {})", chance.seed());
            let tried = (first..=last).map(|nth| killed_at(calls, nth, mode, &place(nth)));
            // The later ones are never made.
            kills += tried.take_while(|killed| *killed).count();
        }
    }
    assert!(kills >= if is_long() { 80 } else { 3 }, "only {kills}");
}

/// Kills a manager at this call of its start, and has the next one recover. Says whether there was such a call.
fn killed_at(calls: &str, nth: usize, mode: &str, place: &str) -> bool {
    let optional = calls.split(',').map(|call| format!("?{call}")).collect::<Vec<_>>().join(",");
    let counting = Counting::new("start-grace 0");
    let running = counting.traced(&[&format!("{optional}:signal=SIGKILL:when={nth}")]).arg(mode).spawn();
    let killed = || counting.trace().contains("+++ killed by SIGKILL");
    eventually(SOON, || killed() || counting.manager_is_up());
    let was_killed = killed();
    if !was_killed {
        // Calls of a stop are numbered on; whether this one comes then is all the same.
        counting.sandbox.zdctl().args(["-C", "conf", "stop"]).output();
    }
    // What was not killed itself is traced still.
    counting.kill_managers();
    // It may be the call that brings output to the transcript (docs/manager.md).
    counting.recover(place, usize::from(calls == "write"));
    running.wait(SOON);
    was_killed
}
