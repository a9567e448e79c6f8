//! The golden was made from another input: normalised twice or not at all.

use super::case::Case;
use super::numbers::Numbers;
use crate::measure::channels::Layout;
use crate::report::{Explanation, Role};

pub(super) fn test(case: &Case) -> Option<Explanation> {
    if case.record.role != Role::Input {
        return None;
    }
    let numbers = case.numbers()?;
    let by_channel =
        |axis| affine(numbers, &Layout::of(case.got.shape(), axis)).map(|fit| (axis, fit));
    let rank = case.got.rank();
    let axes = [None, Some(1), rank.checked_sub(1)];
    let (axis, fits) =
        axes.into_iter().filter(|axis| axis.is_none_or(|axis| axis < rank)).find_map(by_channel)?;
    let (a, b) = fits[0];
    let channels = if axis.is_some() && fits.len() > 1 { " (for the first channel)" } else { "" };
    case.explanation("input", 0, None, || {
        format!(
            "the golden's input is {a:.6} · yours {b:+.6}{channels}: it was scaled or normalised otherwise (twice, or not at all)"
        )
    })
}

/// A factor and an offset for each channel under which the model's numbers become the golden's.
fn affine(numbers: &Numbers, layout: &Layout) -> Option<Vec<(f64, f64)>> {
    let count = if layout.axis.is_some() { layout.count } else { 1 };
    let channel = |i: usize| if count == 1 { 0 } else { layout.channel(i) };
    if numbers.got.len() < 3 * count {
        return None;
    }
    let mut ends = vec![[(f64::INFINITY, 0.0), (f64::NEG_INFINITY, 0.0)]; count];
    for (i, pair) in numbers.pairs().enumerate() {
        let [low, high] = &mut ends[channel(i)];
        if pair.0 < low.0 {
            *low = pair;
        }
        if pair.0 > high.0 {
            *high = pair;
        }
    }
    let fit = |[low, high]: &[(f64, f64); 2]| {
        let a = (high.1 - low.1) / (high.0 - low.0);
        (a.is_finite() && a != 0.0).then_some((a, low.1 - a * low.0))
    };
    let fits = ends.iter().map(fit).collect::<Option<Vec<_>>>()?;
    let size = numbers.want.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let near = |(i, (got, want)): (usize, (f64, f64))| {
        let (a, b) = fits[channel(i)];
        (a * got + b - want).abs() <= 1e-4 * size
    };
    numbers.pairs().enumerate().all(near).then_some(fits)
}
