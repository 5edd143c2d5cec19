//! Measures `zdrun` and `zdctl` against the service managers that are installed, in one run: `docs/benchmarks.md` says
//! how to run it and how to read it.
//!
//! Each figure is a module. All contenders of a figure are measured in turn, round by round, so that what else the
//! machine does hits them alike; what is printed is the median. Nothing is left behind: every process has a mark in its
//! environment and is killed by it, on ^C too.

mod contender;
mod figure;
mod process;
mod program;
mod service;
mod table;
mod wait;

#[path = "../table/number.rs"]
mod number;

use std::io;
use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use contender::Contender;
use table::Row;

/// Measure zdrun and zdctl against their peers
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench supervise --", version)]
struct Options {
    /// Only this figure; may be repeated
    #[arg(long, value_name = "FIGURE")]
    only: Vec<Figure>,
    /// Rounds of each figure
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// 100,000 restarts, a week of status calls, 1 GiB of output, 1,000 managers
    #[arg(long)]
    long: bool,
    /// Given by cargo bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Figure {
    /// One status call
    Status,
    /// From a start to the program's first instruction
    Start,
    /// From a crash to the next program's first instruction
    Respawn,
    /// The manager's memory, at first and after very much
    Memory,
    /// The program's output
    Transcript,
    /// Many managers at once
    Many,
}

fn main() -> ExitCode {
    match program::be_if_asked().and_then(|()| run(&Options::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("supervise: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    if !options.bench {
        // All targets are being tested, or so: this is no test.
        println!("nothing measured: run cargo bench --bench supervise");
        return Ok(());
    }
    end_all_when_interrupted()?;
    let (absent, present): (Vec<_>, Vec<_>) =
        Contender::ALL.into_iter().partition(|contender| contender.missing().is_some());
    println!("{}\n", machine());
    for line in absent.into_iter().filter_map(Contender::missing) {
        println!("{line}\n");
    }
    let (mut rows, mut failures) = (Vec::new(), 0);
    for figure in Figure::value_variants() {
        if options.only.is_empty() || options.only.contains(figure) {
            eprintln!("measuring: {figure:?}");
            match measure(*figure, options, &present) {
                Ok(measured) => rows.extend(measured),
                Err(error) => {
                    eprintln!("supervise: {figure:?}: {error}");
                    failures += 1;
                }
            }
        }
    }
    print!("{}", table::render(&rows));
    if failures == 0 { Ok(()) } else { Err(io::Error::other(format!("{failures} figures failed"))) }
}

fn measure(figure: Figure, options: &Options, contenders: &[Contender]) -> io::Result<Vec<Row>> {
    let (rounds, long) = (options.rounds.max(1), options.long);
    match figure {
        Figure::Status => figure::status::measure(contenders, rounds),
        Figure::Start => figure::start::measure(contenders, rounds),
        Figure::Respawn => figure::respawn::measure(contenders, rounds),
        Figure::Memory => figure::memory::measure(contenders, long),
        Figure::Transcript => figure::transcript::measure(contenders, rounds, long),
        Figure::Many => figure::many::measure(contenders, long),
    }
}

/// A terminal's ^C reaches this process only: the managers have groups of their own.
fn end_all_when_interrupted() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let _ = service::end_all();
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// Cores, kernel, date.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let first = |program: &str, word: &str| {
        let output = Command::new(program).arg(word).output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).trim().to_owned()
    };
    format!(
        "{cores} cores, {} {}, {}",
        first("uname", "-sr"),
        first("uname", "-m"),
        first("date", "+%Y-%m-%d")
    )
}
