//! One status call: the command's whole life, and the processor time in it.

use std::io;
use std::time::Instant;

use super::{Samples, milliseconds, running};
use crate::contender::Contender;
use crate::process::children_time;
use crate::service::{Place, Service};
use crate::table::{Row, Target};
use crate::wait::{SOON, until};

/// Calls in a round of those that take no Python to start.
const CALLS: usize = 20;

pub fn measure(contenders: &[Contender], rounds: usize) -> io::Result<Vec<Row>> {
    let mut place = Place::new()?;
    let services = running(&mut place, contenders)?;
    for (service, _) in &services {
        // supervisord opens its socket late, and fails calls until the program has lasted for its second.
        until(SOON, "good status", || service.run(service.contender.status(&service.dir)).ok())?;
    }
    let (mut wall, mut processor) = (Samples::new(), Samples::new());
    for round in 0..rounds {
        for index in 0..services.len() {
            let Some((service, _)) = services.get((index + round) % services.len()) else { continue };
            let calls = if service.contender.is_light() { CALLS } else { 1 };
            let (times, cost) = calls_of(service, calls)?;
            wall.entry(service.contender).or_default().extend(times);
            processor.entry(service.contender).or_default().push(cost);
        }
    }
    let mut rows = [
        Row::new("`status`, ms", Target::TimesAtMost(Contender::S6, 1.5)),
        Row::new("`status`, processor ms", Target::None),
    ];
    for contender in contenders {
        for (row, samples) in rows.iter_mut().zip([&wall, &processor]) {
            row.add(*contender, samples.get(contender).map_or(&[], Vec::as_slice));
        }
    }
    Ok(rows.into())
}

/// The time of each call and the mean processor time, in milliseconds.
fn calls_of(service: &Service, calls: usize) -> io::Result<(Vec<f64>, f64)> {
    let before = children_time()?;
    let mut times = Vec::new();
    for _ in 0..calls {
        let start = Instant::now();
        service.run(service.contender.status(&service.dir))?;
        times.push(milliseconds(start.elapsed()));
    }
    let spent = children_time()?.saturating_sub(before);
    let mean = spent / u32::try_from(calls).unwrap_or(u32::MAX);
    Ok((times, milliseconds(mean)))
}
