//! The program's output: its rate through the manager or logger against that to the file itself, and what each GiB
//! costs whoever moves it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::Samples;
use crate::contender::Contender;
use crate::process::processor_time;
use crate::program::{FLOOD, GO};
use crate::service::{Place, Service, between};
use crate::table::{Row, Target};
use crate::wait::{SOON, until};

const MIB: usize = 1024 * 1024;

/// What a program writes at a time, in KiB: one that has a buffer of the C library's usual size, and one that sends as
/// much as a pipe takes.
const BLOCKS: [usize; 2] = [4, 64];

/// What one program writes.
#[derive(Clone, Copy)]
struct Output {
    mib: u16,
    /// At a time, in KiB.
    block: usize,
}

impl Output {
    fn bytes(self) -> usize {
        usize::from(self.mib) * MIB
    }

    /// Most programs leave their output to the C library's buffer.
    fn target(self) -> Target {
        if self.block == 4 { Target::TimesAtLeast(Contender::S6, 4.0) } else { Target::None }
    }
}

/// How long the program took, and the processor time of the mover.
struct Flow {
    time: Duration,
    cost: Duration,
}

pub fn measure(contenders: &[Contender], rounds: usize, long: bool) -> io::Result<Vec<Row>> {
    let mib = if long { 1024 } else { 256 };
    let mut rows = Vec::new();
    for block in BLOCKS {
        rows.extend(measure_blocks(contenders, rounds, Output { mib, block })?);
    }
    Ok(rows)
}

fn measure_blocks(contenders: &[Contender], rounds: usize, output: Output) -> io::Result<[Row; 3]> {
    let mut place = Place::new()?;
    let (mut rates, mut shares, mut costs) = (Samples::new(), Samples::new(), Samples::new());
    let mut direct = Vec::new();
    let size = f64::from(output.mib);
    for _ in 0..rounds {
        // Of the contender only the directory is used.
        let rate = size / flow(&mut place, Contender::Ours, output, Mover::Nobody)?.time.as_secs_f64();
        direct.push(rate);
        for contender in contenders.iter().copied() {
            let mover = match contender {
                Contender::Supervisor => continue,
                Contender::Ours | Contender::Zdaemon => Mover::Manager,
                _ => Mover::Logger,
            };
            let flow = flow(&mut place, contender, output, mover)?;
            let own = size / flow.time.as_secs_f64();
            rates.entry(contender).or_default().push(own);
            shares.entry(contender).or_default().push(100.0 * own / rate);
            costs.entry(contender).or_default().push(flow.cost.as_secs_f64() * 1024.0 / size);
        }
    }
    let mut rows = [
        Row::new(format!("output in blocks of {} KiB, MiB/s", output.block), output.target()),
        Row::new("... % of the rate to the file itself", Target::None),
        Row::new("... processor seconds per GiB of the manager or logger", Target::None),
    ];
    for contender in contenders {
        for (row, samples) in rows.iter_mut().zip([&rates, &shares, &costs]) {
            row.add(*contender, samples.get(contender).map_or(&[], Vec::as_slice));
        }
    }
    rows[0].without_manager(&direct);
    Ok(rows)
}

/// Who takes the output to the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mover {
    Nobody,
    Manager,
    Logger,
}

fn flow(place: &mut Place, contender: Contender, output: Output, mover: Mover) -> io::Result<Flow> {
    let mut service = place.service(contender, Some("output"))?;
    let go = service.dir.join("go");
    mkfifo(&go, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let variables =
        [(FLOOD, format!("{}/{}", output.bytes(), output.block * 1024)), (GO, go.display().to_string())];
    let pid = match mover {
        Mover::Manager => {
            service.start(&variables)?;
            Some(service.manager()?)
        }
        Mover::Nobody | Mover::Logger => start_without_manager(&service, &variables, mover)?,
    };
    place.report(&service)?;
    let cost = |pid: Option<i32>| pid.map_or(Ok(Duration::ZERO), processor_time);
    let before = cost(pid)?;
    drop(OpenOptions::new().write(true).open(&go)?);
    let begin = place.report(&service)?;
    let end = place.report(&service)?;
    if mover != Mover::Logger {
        // All of it arrives, and in Python's case a warning of its own. The loggers rotate, and are as far as one pipe's content behind.
        let what = format!("rest of the output, which {} moves,", contender.name());
        until(SOON, &what, || (length(&service) >= output.bytes()).then_some(()))?;
    }
    let flow = Flow { time: between(begin.time, end.time), cost: cost(pid)?.saturating_sub(before) };
    service.end()?;
    Ok(flow)
}

fn length(service: &Service) -> usize {
    let length = fs::metadata(service.dir.join("output")).map_or(0, |found| found.len());
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// The program writes to the file, or to a logger, whose process number this gives.
fn start_without_manager(
    service: &Service,
    variables: &[(&str, String)],
    mover: Mover,
) -> io::Result<Option<i32>> {
    let mut program = service.marked(Command::new(service.dir.join("run")));
    program.envs(variables.iter().map(|(name, value)| (name, value))).process_group(0);
    let logger = match mover {
        Mover::Logger => service.contender.logger(&service.dir),
        Mover::Nobody | Mover::Manager => None,
    };
    let Some(logger) = logger else {
        let file = File::options().append(true).create(true).open(service.dir.join("output"))?;
        program.stdout(file).spawn()?;
        return Ok(None);
    };
    // svlogd makes none.
    fs::create_dir(service.dir.join("log"))?;
    let mut logger = service.marked(logger);
    let mut logger = logger.stdin(Stdio::piped()).process_group(0).spawn()?;
    if let Some(pipe) = logger.stdin.take() {
        program.stdout(Stdio::from(pipe)).spawn()?;
    }
    Ok(i32::try_from(logger.id()).ok())
}
