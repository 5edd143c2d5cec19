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

/// Seconds that the program took, processor seconds of the mover.
struct Flow {
    time: Duration,
    cost: Duration,
}

pub fn measure(contenders: &[Contender], rounds: usize, long: bool) -> io::Result<Vec<Row>> {
    let mib: u16 = if long { 1024 } else { 256 };
    let bytes = usize::from(mib) * MIB;
    let mut place = Place::new()?;
    let (mut rates, mut shares, mut costs) = (Samples::new(), Samples::new(), Samples::new());
    let mut direct = Vec::new();
    for _ in 0..rounds {
        let rate =
            f64::from(mib) / flow(&mut place, Contender::Runit, bytes, Mover::Nobody)?.time.as_secs_f64();
        direct.push(rate);
        for contender in contenders.iter().copied() {
            let mover = match contender {
                Contender::Supervisor => continue,
                Contender::Ours | Contender::Zdaemon => Mover::Manager,
                _ => Mover::Logger,
            };
            let flow = flow(&mut place, contender, bytes, mover)?;
            let own = f64::from(mib) / flow.time.as_secs_f64();
            rates.entry(contender).or_default().push(own);
            shares.entry(contender).or_default().push(100.0 * own / rate);
            costs.entry(contender).or_default().push(flow.cost.as_secs_f64() * 1024.0 / f64::from(mib));
        }
    }
    let mut rows = [
        Row::new("output of the program, MiB/s", Target::None),
        Row::new("... % of its rate to the file itself", Target::AtLeast(90.0)),
        Row::new("... processor seconds per GiB of the manager or logger", Target::AtMost(0.2)),
    ];
    for contender in contenders {
        for (row, samples) in rows.iter_mut().zip([&rates, &shares, &costs]) {
            row.add(*contender, samples.get(contender).map_or(&[], Vec::as_slice));
        }
    }
    let [rate, ..] = &mut rows;
    rate.without_manager(&direct);
    Ok(rows.into())
}

/// Who takes the output to the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mover {
    Nobody,
    Manager,
    Logger,
}

fn flow(place: &mut Place, contender: Contender, bytes: usize, mover: Mover) -> io::Result<Flow> {
    let mut service = place.service(contender, Some("output"))?;
    let go = service.dir.join("go");
    mkfifo(&go, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let variables = [(FLOOD, bytes.to_string()), (GO, go.display().to_string())];
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
        until(SOON, &what, || (length(&service) >= bytes).then_some(()))?;
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
    let logger = service.contender.logger(&service.dir).filter(|_| mover == Mover::Logger);
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
