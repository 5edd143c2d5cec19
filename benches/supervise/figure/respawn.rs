//! From a crash to the next program's first instruction, where no back-off is due: the program had run for longer than
//! the second that each of the managers asks for.

use std::io;
use std::time::Instant;

use super::start::SETTLED;
use super::{Samples, milliseconds, running};
use crate::contender::Contender;
use crate::process::slay;
use crate::program::now;
use crate::service::{Place, between};
use crate::table::{Row, Target};
use crate::wait::until_time;

pub fn measure(contenders: &[Contender], rounds: usize) -> io::Result<Vec<Row>> {
    let mut place = Place::new()?;
    let mut services = running(&mut place, contenders)?;
    let mut samples = Samples::new();
    for round in 0..rounds {
        until_time(Instant::now() + SETTLED);
        for index in 0..services.len() {
            let index = (index + round) % services.len();
            let Some((service, program)) = services.get_mut(index) else { continue };
            let before = now()?;
            slay(*program)?;
            let report = place.report(service)?;
            *program = report.pid;
            let time = milliseconds(between(before, report.time));
            samples.entry(service.contender).or_default().push(time);
        }
    }
    let mut row = Row::new(
        "SIGKILL to the next first instruction, no back-off due, ms",
        Target::TimesAtMost(Contender::Daemontools, 1.1),
    );
    for contender in contenders {
        row.add(*contender, samples.get(contender).map_or(&[], Vec::as_slice));
    }
    Ok(vec![row])
}
