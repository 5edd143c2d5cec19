//! Many managers at once: started one after the other, then asked one after the other.

use std::io;
use std::time::Instant;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::contender::Contender;
use crate::process::pss;
use crate::service::Place;
use crate::table::{Row, Target};

pub fn measure(contenders: &[Contender], long: bool) -> io::Result<Vec<Row>> {
    // A supervised directory takes a descriptor or two of ours while it starts.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let count: u32 = if long { 1000 } else { 100 };
    let mut rows = [
        Row::new(format!("{count} managers: all programs run after, s"), Target::None),
        Row::new("... good answers to `status`", Target::AtLeast(f64::from(count))),
        Row::new("... mean PSS of the managers, KiB", Target::AtMost(512.0)),
    ];
    for contender in contenders.iter().copied().filter(|contender| contender.is_light()) {
        let samples = fleet(contender, count)?;
        for (row, sample) in rows.iter_mut().zip(samples) {
            row.add(contender, &[sample]);
        }
    }
    Ok(rows.into())
}

/// Seconds to start, good answers, mean PSS in KiB.
fn fleet(contender: Contender, count: u32) -> io::Result<[f64; 3]> {
    let mut place = Place::new()?;
    let mut services = (0..count).map(|_| place.service(contender, None)).collect::<io::Result<Vec<_>>>()?;
    let start = Instant::now();
    for service in &mut services {
        service.start(&[])?;
    }
    for service in &services {
        place.report(service)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let (mut good, mut memory) = (0_u32, 0_u64);
    for service in &services {
        if service.run(contender.status(&service.dir)).is_ok() {
            good += 1;
        }
        memory += pss(service.manager()?)?;
    }
    let memory = u32::try_from(memory).map_or(f64::INFINITY, f64::from);
    Ok([seconds, f64::from(good), memory / f64::from(count)])
}
