//! The golden has the same channels, or the same items of the batch, in another order.

use std::collections::HashMap;

use super::case::Case;
use super::numbers::{Numbers, same};
use crate::measure::channels::Layout;
use crate::report::Explanation;

/// More slices than this are not compared each with each.
const MOST: usize = 4096;

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
    let what = match axis {
        0 => "items of the batch",
        1 => "channels",
        _ => "slices",
    };
    let reversed = order.iter().rev().copied().eq(0..count);
    case.explanation("channel_order", 0, None, || {
        if reversed {
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
    // Equal slices stand for each other; but a golden that repeats one slice is no order.
    let mut distinct = order.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let moved = order.iter().enumerate().any(|(i, &from)| i != from);
    (moved && distinct.len() * 2 > order.len()).then_some(order)
}

fn slices(data: &[f64], layout: &Layout) -> Vec<Vec<f64>> {
    let mut slices = vec![Vec::with_capacity(data.len() / layout.count); layout.count];
    for (i, run) in data.chunks(layout.inner).enumerate() {
        slices[i % layout.count].extend_from_slice(run);
    }
    slices
}
