//! Two changes of one object put together, for the classes of the package `BTrees`: the length counter, and buckets, sets and trees
//! of every family. The rules are those of that package (`Length._p_resolveConflict`; `MergeTemplate.c:bucket_merge`), refusals
//! included; where Python would have to run a comparison of some class, there is no merge.

use std::cmp::Ordering;

use super::order::{Kind, compare};
use crate::pickle::{Limits, Policy, Value, any_global, decode_pair, encode};

const STATE: Policy = Policy { globals: any_global, limits: Limits::RECORD, python2: true };

/// The data of an object with the change from `base` to `current` and that from `base` to `other`; all are records. `None`: they
/// cannot be put together.
#[must_use]
pub fn merge(base: &[u8], current: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let (class, after, length) = decode_pair(other, &STATE).ok()?;
    let state = |record: &[u8]| decode_pair(record, &STATE).ok().map(|(_, state, _)| state);
    let states = [state(base)?, state(current)?, after];
    let merged = match class_of(&class)? {
        Class::Length => sum(&states)?,
        Class::Bucket(shape) => bucket(shape, states.each_ref())?,
        Class::Tree(shape) => {
            let [base, current, other] = &states;
            let merged = bucket(shape, [only_bucket(base)?, only_bucket(current)?, only_bucket(other)?])?;
            Value::Tuple(vec![Value::Tuple(vec![merged])])
        }
    };
    // The class stays as it is written.
    let mut record = other.get(..length)?.to_vec();
    encode(&merged, &mut record).ok()?;
    Some(record)
}

enum Class {
    Length,
    /// A bucket or set.
    Bucket(Shape),
    /// A tree of them.
    Tree(Shape),
}

#[derive(Clone, Copy)]
struct Shape {
    key: Kind,
    /// `None`: of a set.
    value: Option<Kind>,
}

/// The class that the first pickle of a record names, alone or with the arguments of its `__new__`.
fn class_of(class: &Value) -> Option<Class> {
    let class = match class {
        Value::Tuple(parts) => match &parts[..] {
            [class, Value::None] => class,
            [class, Value::Tuple(arguments)] if arguments.is_empty() => class,
            _ => return None,
        },
        class => class,
    };
    let (module, name) = match class {
        Value::Global { module, name } => (module.as_str(), name.as_str()),
        Value::Tuple(names) => match &names[..] {
            [Value::Text(module), Value::Text(name)] => (module.as_str(), name.as_str()),
            _ => return None,
        },
        _ => return None,
    };
    let module = module.strip_prefix("BTrees.")?;
    if (module, name) == ("Length", "Length") {
        return Some(Class::Length);
    }
    let family = module.strip_prefix('_').unwrap_or(module).strip_suffix("BTree")?;
    let (key, value) = match family {
        "fs" => (Kind::Fixed(2), Kind::Fixed(6)),
        _ => match family.as_bytes() {
            [key, value] => (Kind::of(*key).filter(|kind| *kind != Kind::Float)?, Kind::of(*value)?),
            _ => return None,
        },
    };
    let (map, set) = (Shape { key, value: Some(value) }, Shape { key, value: None });
    match name.strip_prefix(family)? {
        "Bucket" => Some(Class::Bucket(map)),
        "Set" => Some(Class::Bucket(set)),
        "BTree" => Some(Class::Tree(map)),
        "TreeSet" => Some(Class::Tree(set)),
        _ => None,
    }
}

/// Both changes of a number.
fn sum([base, current, other]: &[Value; 3]) -> Option<Value> {
    let whole = |value: &Value| value.as_int().map(i128::from);
    if let (Some(base), Some(current), Some(other)) = (whole(base), whole(current), whole(other)) {
        return i64::try_from(current + other - base).ok().map(Value::Int);
    }
    #[allow(clippy::cast_precision_loss)] // as Python does
    let float = |value: &Value| match value {
        Value::Float(float) => Some(*float),
        value => value.as_int().map(|number| number as f64),
    };
    Some(Value::Float(float(current)? + float(other)? - float(base)?))
}

/// The only item of a tuple.
fn only(value: &Value) -> Option<&Value> {
    match value {
        Value::Tuple(items) => items.first().filter(|_| items.len() == 1),
        _ => None,
    }
}

/// The state of the bucket that a tree consists of; a tree of several is not merged.
fn only_bucket(tree: &Value) -> Option<&Value> {
    match tree {
        Value::None => Some(tree),
        tree => only(only(tree)?).filter(|bucket| matches!(bucket, Value::Tuple(_))),
    }
}

/// Keys in order, with their values in a map.
struct Entries<'a> {
    shape: Shape,
    items: &'a [Value],
    next: Option<&'a Value>,
    at: usize,
}

impl<'a> Entries<'a> {
    /// Those of a bucket's state, which may be None: it is empty.
    fn new(shape: Shape, state: &'a Value) -> Option<Self> {
        let (items, next) = match state {
            Value::None => (&[][..], None),
            Value::Tuple(parts) => match &parts[..] {
                [Value::Tuple(items)] => (&items[..], None),
                // Others would be different objects for Python even if they were alike.
                [Value::Tuple(items), next @ Value::Persistent(_)] => (&items[..], Some(next)),
                _ => return None,
            },
            _ => return None,
        };
        let entries = Self { shape, items, next, at: 0 };
        let fits = |entry: &[Value]| match (entry, shape.value) {
            ([key], None) => shape.key.has(key),
            ([key, value], Some(kind)) => shape.key.has(key) && kind.has(value),
            _ => false,
        };
        items.chunks(entries.width()).all(fits).then_some(entries)
    }

    fn width(&self) -> usize {
        if self.shape.value.is_some() { 2 } else { 1 }
    }

    fn is_active(&self) -> bool {
        self.at < self.items.len()
    }

    fn key(&self) -> &'a Value {
        &self.items[self.at]
    }

    fn skip(&mut self) {
        self.at += self.width();
    }

    fn take(&mut self, out: &mut Vec<Value>) {
        out.extend_from_slice(&self.items[self.at..self.at + self.width()]);
        self.skip();
    }

    fn order(&self, other: &Self) -> Option<Ordering> {
        compare(self.shape.key, self.key(), other.key())
    }

    /// Whether both have the same value, or are of sets.
    fn has_value_of(&self, other: &Self) -> Option<bool> {
        let Some(kind) = self.shape.value else { return Some(true) };
        let order = compare(kind, &self.items[self.at + 1], &other.items[other.at + 1])?;
        Some(order == Ordering::Equal)
    }
}

/// The state of a bucket with both changes.
fn bucket(shape: Shape, [base, current, other]: [&Value; 3]) -> Option<Value> {
    let mut base = Entries::new(shape, base)?;
    let (mut one, mut two) = (Entries::new(shape, current)?, Entries::new(shape, other)?);
    // A bucket that was split, or unlinked from its tree as it was empty.
    if one.next != base.next || two.next != base.next || !one.is_active() || !two.is_active() {
        return None;
    }
    let mut out = Vec::new();
    while base.is_active() && one.is_active() && two.is_active() {
        match (base.order(&one)?, base.order(&two)?) {
            (Ordering::Equal, Ordering::Equal) => {
                let winner = if base.has_value_of(&one)? {
                    &two
                } else if base.has_value_of(&two)? {
                    &one
                } else {
                    return None;
                };
                out.extend_from_slice(&winner.items[winner.at..winner.at + winner.width()]);
                [&mut base, &mut one, &mut two].into_iter().for_each(Entries::skip);
            }
            (Ordering::Equal, Ordering::Greater) => two.take(&mut out),
            (Ordering::Equal, Ordering::Less) => removed(&mut base, &mut one, &two)?,
            (Ordering::Greater, Ordering::Equal) => one.take(&mut out),
            (Ordering::Less, Ordering::Equal) => removed(&mut base, &mut two, &one)?,
            (of_one, of_two) => match (one.order(&two)?, of_one, of_two) {
                // Both added or removed the same key.
                (Ordering::Equal, ..) | (_, Ordering::Less, Ordering::Less) => return None,
                (Ordering::Less, Ordering::Greater, _) => one.take(&mut out),
                _ => two.take(&mut out),
            },
        }
    }
    while one.is_active() && two.is_active() {
        match one.order(&two)? {
            Ordering::Equal => return None,
            Ordering::Greater => two.take(&mut out),
            Ordering::Less => one.take(&mut out),
        }
    }
    // What is left of the base was removed by the one that has ended.
    for left in [&mut one, &mut two] {
        while base.is_active() && left.is_active() {
            match base.order(left)? {
                Ordering::Greater => left.take(&mut out),
                Ordering::Equal if base.has_value_of(left)? => {
                    base.skip();
                    left.skip();
                }
                _ => return None,
            }
        }
    }
    if base.is_active() {
        return None;
    }
    for left in [&mut one, &mut two] {
        while left.is_active() {
            left.take(&mut out);
        }
    }
    if out.is_empty() {
        return None;
    }
    let state = [Value::Tuple(out)].into_iter().chain(base.next.cloned());
    Some(Value::Tuple(state.collect()))
}

/// A key that `by` has removed and `kept` has not changed. Of the first one the tree above knows.
fn removed(base: &mut Entries<'_>, kept: &mut Entries<'_>, by: &Entries<'_>) -> Option<()> {
    let may_go = base.has_value_of(kept)? && by.at > 0;
    may_go.then(|| {
        base.skip();
        kept.skip();
    })
}
