//! From a start to the program's first instruction.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Samples, milliseconds, rotated, running};
use crate::contender::Contender;
use crate::process;
use crate::service::{Place, between};
use crate::table::{Row, Target};
use crate::wait::{SOON, until, until_time};

/// How long a program must have run for the peers to start the next at once: they look at one second.
pub const SETTLED: Duration = Duration::from_millis(1200);

pub fn measure(contenders: &[Contender], rounds: usize) -> io::Result<Vec<Row>> {
    Ok(vec![
        under_manager(contenders, rounds)?,
        with_manager(contenders, rounds)?,
        by_controller(contenders, rounds)?,
    ])
}

/// The manager is there, the program was stopped.
fn under_manager(contenders: &[Contender], rounds: usize) -> io::Result<Row> {
    let mut place = Place::new()?;
    // The Python manager of today ends when its program is stopped.
    let contenders: Vec<Contender> =
        contenders.iter().copied().filter(|contender| *contender != Contender::Zdaemon).collect();
    let mut services = running(&mut place, &contenders)?;
    let mut samples = Samples::new();
    for round in 0..rounds {
        until_time(Instant::now() + SETTLED);
        for (service, program) in &services {
            service.run(service.contender.down(&service.dir))?;
            until(SOON, "end of the program", || (!process::lives(*program)).then_some(()))?;
        }
        for index in 0..services.len() {
            let index = (index + round) % services.len();
            let Some((service, program)) = services.get_mut(index) else { continue };
            let before = service.run(service.contender.up(&service.dir))?;
            let report = place.report(service)?;
            *program = report.pid;
            let time = milliseconds(between(before, report.time));
            samples.entry(service.contender).or_default().push(time);
        }
    }
    let mut row = Row::new(
        "`start` to first instruction, under a manager that is there, ms",
        Target::TimesAtMost(Contender::Runit, 1.5),
    );
    for contender in contenders {
        row.add(contender, samples.get(&contender).map_or(&[], Vec::as_slice));
    }
    Ok(row)
}

/// The manager's own command.
fn with_manager(contenders: &[Contender], rounds: usize) -> io::Result<Row> {
    let mut place = Place::new()?;
    let (mut samples, mut bare) = (Samples::new(), Vec::new());
    for round in 0..rounds {
        for contender in rotated(contenders, round) {
            let mut service = place.service(contender, None)?;
            let before = service.start(&[])?;
            let report = place.report(&service)?;
            samples.entry(contender).or_default().push(milliseconds(between(before, report.time)));
            service.end()?;
        }
        let service = place.service(Contender::Runit, None)?;
        let mut program = service.marked(Command::new(service.dir.join("run")));
        let before = crate::program::now()?;
        program.spawn()?;
        let report = place.report(&service)?;
        bare.push(milliseconds(between(before, report.time)));
        service.end()?;
    }
    let mut row = Row::new(
        "start of the manager to first instruction (`zdrun -d`, `runsv`, ...), ms",
        Target::TimesAtMost(Contender::Runit, 1.5),
    );
    for contender in contenders {
        row.add(*contender, samples.get(contender).map_or(&[], Vec::as_slice));
    }
    row.without_manager(&bare);
    Ok(row)
}

/// The controller, which starts the manager: only the two zdctl do.
fn by_controller(contenders: &[Contender], rounds: usize) -> io::Result<Row> {
    let mut place = Place::new()?;
    let mut row = Row::new("`zdctl start` with no manager there to first instruction, ms", Target::None);
    for contender in contenders.iter().copied().filter(|contender| contender.is_daemon()) {
        let mut samples = Vec::new();
        for _ in 0..rounds {
            let service = place.service(contender, None)?;
            let before = service.run(contender.up(&service.dir))?;
            let report = place.report(&service)?;
            samples.push(milliseconds(between(before, report.time)));
            service.end()?;
        }
        row.add(contender, &samples);
    }
    Ok(row)
}
