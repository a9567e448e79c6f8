//! The golden has the same channels, or the same items of the batch, in another order.

use std::collections::HashMap;

use super::case::Case;
use super::numbers::{Numbers, same};
use crate::measure::channels::Layout;
use crate::report::Explanation;

/// More slices than this are not compared each with each.
const MOST: usize = 4096;

/// Slices of so many elements that vary are not equal by chance.
const LONG: usize = 16;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let numbers = case.numbers()?;
    let rank = case.got.rank();
    let mut axes = vec![1, 0];
    axes.extend((2..rank).rev());
    axes.into_iter().filter(|&axis| axis < rank).find_map(|axis| along(case, numbers, axis))
}

fn along(case: &Case, numbers: &Numbers, axis: usize) -> Option<Explanation> {
    let layout = Layout::of(case.got.shape(), Some(axis));
    let count = layout.count;
    if !(2..=MOST).contains(&count) {
        return None;
    }
    let order = order(case, numbers, &layout)?;
    let (cause, what) = match axis {
        // Weights, and what has no batch, begin with their channels.
        0 if case.got.rank() > 1 && !case.is_constant() => ("batch", "items of the batch"),
        1 => ("channel_order", "channels"),
        _ => ("channel_order", "slices"),
    };
    let reversed = order.iter().rev().copied().eq(0..count);
    let mut distinct = order.clone();
    distinct.sort_unstable();
    distinct.dedup();
    case.explanation(cause, 0, None, || {
        if distinct.len() == 1 {
            format!("all {what} (dimension {axis}) of the golden are the model's {}", order[0])
        } else if reversed {
            let bgr = if count == 3 { " (BGR in place of RGB)" } else { "" };
            format!("the {what} (dimension {axis}) stand in reversed order{bgr}")
        } else {
            let first = (0..count).find(|&i| order[i] != i).unwrap_or(0);
            format!(
                "the {what} (dimension {axis}) stand in another order: the golden's {first} is the model's {}",
                order[first]
            )
        }
    })
}

/// For each slice of the golden the slice of the model that it is; `None` where some is none, or none has moved.
fn order(case: &Case, numbers: &Numbers, layout: &Layout) -> Option<Vec<usize>> {
    if first_moved_is_none(case, numbers, layout) {
        return None;
    }
    let got = slices(&numbers.got, layout);
    let want = slices(&numbers.want, layout);
    let key = |slice: &[f64]| slice.iter().map(|x| (x + 0.0).to_bits()).collect::<Vec<_>>();
    let mut places: HashMap<Vec<u64>, Vec<usize>> = HashMap::new();
    got.iter().enumerate().for_each(|(i, slice)| places.entry(key(slice)).or_default().push(i));
    let equal = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(&a, &b)| same(case.record.kind, a, b));
    let find = |(i, slice): (usize, &Vec<f64>)| {
        if equal(&got[i], slice) {
            return Some(i);
        }
        match places.get(&key(slice)) {
            Some(found) => found.first().copied(),
            None => got.iter().position(|other| equal(other, slice)),
        }
    };
    let order = want.iter().enumerate().map(find).collect::<Option<Vec<_>>>()?;
    let moved = order.iter().enumerate().any(|(i, &from)| i != from);
    (moved && is_order(&got, &want, &order, key)).then_some(order)
}

/// Whether the first slice of the golden that stands elsewhere in the model stands nowhere: mostly it is so, and needs
/// no copies.
fn first_moved_is_none(case: &Case, numbers: &Numbers, layout: &Layout) -> bool {
    let &Layout { count, inner, .. } = layout;
    let outer = numbers.got.len() / (count * inner);
    let equal = |a: usize, b: usize| {
        (0..outer).all(|i| {
            let run = |side: &[f64], at: usize| (i * count + at) * inner..side.len();
            let (got, want) =
                (&numbers.got[run(&numbers.got, a)], &numbers.want[run(&numbers.want, b)]);
            got.iter().zip(want).take(inner).all(|(&a, &b)| is_like(case, a, b))
        })
    };
    let moved = (0..count).find(|&at| !equal(at, at));
    moved.is_some_and(|moved| !(0..count).any(|at| equal(at, moved)))
}

/// Whether two numbers are the same, or the same NaN.
fn is_like(case: &Case, a: f64, b: f64) -> bool {
    same(case.record.kind, a, b) || a.to_bits() == b.to_bits()
}

/// Whether the golden may be the model's slices in another order, not only equal to some of them by chance.
fn is_order(
    got: &[Vec<f64>],
    want: &[Vec<f64>],
    order: &[usize],
    key: impl Fn(&[f64]) -> Vec<u64>,
) -> bool {
    // Each slice is there as often as in the model.
    let mut keys = [got, want].map(|side| side.iter().map(|slice| key(slice)).collect::<Vec<_>>());
    keys.iter_mut().for_each(|keys| keys.sort_unstable());
    if keys[0] == keys[1] {
        return true;
    }
    let mut distinct = order.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() == order.len() {
        return true;
    }
    // Some are there twice, in place of others: then they must be long enough not to be equal by chance.
    let telling = |slice: &Vec<f64>| slice.len() >= LONG && slice.iter().any(|x| *x != slice[0]);
    let in_place = order.iter().enumerate().filter(|&(i, &from)| i == from).count();
    let moved = want.iter().zip(order).enumerate().filter(|(i, (_, from))| *i != **from);
    in_place + 1 < order.len() && moved.clone().all(|(_, (slice, _))| telling(slice))
        || distinct.len() == 1 && want.iter().all(telling)
}

fn slices(data: &[f64], layout: &Layout) -> Vec<Vec<f64>> {
    let mut slices = vec![Vec::with_capacity(data.len() / layout.count); layout.count];
    for (i, run) in data.chunks(layout.inner).enumerate() {
        slices[i % layout.count].extend_from_slice(run);
    }
    slices
}
