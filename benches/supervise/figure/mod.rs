//! The figures.

pub mod many;
pub mod memory;
pub mod respawn;
pub mod start;
pub mod status;
pub mod transcript;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::contender::Contender;
use crate::service::{Place, Service};

/// What was measured of each.
type Samples = BTreeMap<Contender, Vec<f64>>;

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A running service of each contender.
fn running(place: &mut Place, contenders: &[Contender]) -> io::Result<Vec<(Service, i32)>> {
    let start = |contender: &Contender| {
        let mut service = place.service(*contender, None)?;
        service.start(&[])?;
        let program = place.report(&service)?.pid;
        Ok((service, program))
    };
    contenders.iter().map(start).collect()
}

/// The list, beginning elsewhere each round: who comes after whom is not always the same.
fn rotated<T: Clone>(list: &[T], round: usize) -> Vec<T> {
    let mut list = list.to_vec();
    if !list.is_empty() {
        let by = round % list.len();
        list.rotate_left(by);
    }
    list
}
