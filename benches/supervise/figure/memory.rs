//! What a manager holds: at first, and, of ours, after very many restarts and status calls.

use std::io;
use std::time::{Duration, Instant};

use super::running;
use crate::contender::Contender;
use crate::process::Footprint;
use crate::service::{Place, Service};
use crate::table::{Row, Target};
use crate::wait::until_time;

/// What a manager at rest may hold, in KiB.
const MAX_PSS: f64 = 512.0;

/// How long nothing is asked before memory is looked at.
const REST: Duration = Duration::from_secs(3);

pub fn measure(contenders: &[Contender], long: bool) -> io::Result<Vec<Row>> {
    let mut place = Place::new()?;
    let services = running(&mut place, contenders)?;
    let mut first = Row::new("manager's PSS, KiB", Target::AtMost(MAX_PSS));
    for (service, _) in &services {
        first.add(service.contender, &[kib(footprint(service)?.pss)]);
    }
    // A week, asked each second.
    let (restarts, calls) = if long { (100_000, 604_800) } else { (1_000, 10_000) };
    let mut rows = vec![first];
    for (service, _) in services.iter().filter(|(service, _)| service.contender == Contender::Ours) {
        // What is allocated once has been after the first half.
        work(&mut place, service, restarts / 2, calls / 2)?;
        let before = footprint(service)?;
        work(&mut place, service, restarts / 2, calls / 2)?;
        let after = footprint(service)?;
        let title = format!("PSS after {restarts} restarts and {calls} status calls, KiB");
        rows.push(single(title, kib(after.pss), Target::AtMost(MAX_PSS)));
        // A page may come or go; what leaks adds up to more.
        let grown = kib(after.anonymous) - kib(before.anonymous);
        rows.push(single(
            "... memory of its own gained in the second half of them, KiB".to_owned(),
            grown,
            Target::AtMost(8.0),
        ));
        let opened = count(after.descriptors) - count(before.descriptors);
        rows.push(single(
            "... descriptors gained in the second half".to_owned(),
            opened,
            Target::AtMost(0.0),
        ));
        rows.push(single("... zombies".to_owned(), count(after.zombies), Target::AtMost(0.0)));
    }
    Ok(rows)
}

/// Restarts by request, and status calls.
fn work(place: &mut Place, service: &Service, restarts: usize, calls: usize) -> io::Result<()> {
    for _ in 0..restarts {
        service.ask("restart")?;
        place.report(service)?;
    }
    for _ in 0..calls {
        service.ask("status")?;
    }
    Ok(())
}

/// The footprint of a manager that is at rest: ours gives memory back after a second without work.
fn footprint(service: &Service) -> io::Result<Footprint> {
    // Asking for its number is work, too.
    let manager = service.manager()?;
    until_time(Instant::now() + REST);
    Footprint::of(manager)
}

fn single(title: String, value: f64, target: Target) -> Row {
    let mut row = Row::new(title, target);
    row.add(Contender::Ours, &[value]);
    row
}

fn kib(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}
