//! The golden was made from another input: normalised twice or not at all, scaled, with other channels.

mod forms;
mod layer;
mod quantizer;

use super::case::Case;
use super::numbers::Numbers;
use crate::measure::channels::Layout;
use crate::report::{Explanation, Role};

pub(super) use layer::first_layer;
pub(super) use quantizer::first_quantizer;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    (case.record.role == Role::Input).then(|| of_input(case))?
}

/// What is said of an input where nothing else holds: with the golden's nothing differs by itself.
pub(super) fn otherwise(case: &Case) -> Option<Explanation> {
    (case.record.role == Role::Input).then(|| {
        case.explanation("input", 0, None, || {
            "the golden was made from another input, by no factor, offset or order that was tried: \
             compare the preprocessing, or leave out -i to run with the golden's"
                .to_owned()
        })
    })?
}

fn of_input(case: &Case) -> Option<Explanation> {
    let (fits, of_channels) = fit(case)?;
    let (a, b) = fits[0];
    let channels = if of_channels { " (for the first channel)" } else { "" };
    case.explanation("input", 0, None, || {
        format!(
            "the golden's input is {a:.6} · yours {b:+.6}{channels}: it was scaled or normalised otherwise (twice, or not at all)"
        )
    })
}

/// The same in a tensor that only passes the input on.
pub(super) fn passed_on(case: &Case) -> Option<Explanation> {
    place_of_input(case)?;
    let (fits, of_channels) = fit(case)?;
    let (a, b) = fits[0];
    let channels = if of_channels { " (for the first channel)" } else { "" };
    case.explanation("input", 0, None, || {
        format!(
            "the golden is {a:.6} · the model's {b:+.6}{channels}: its input was scaled or normalised otherwise (twice, or not at all)"
        )
    })
}

/// Factors and offsets under which the model's numbers are the golden's: for all, or for each channel.
fn fit(case: &Case) -> Option<(Vec<(f64, f64)>, bool)> {
    let numbers = case.numbers()?;
    let rank = case.got.rank();
    let axes = [None, Some(1), rank.checked_sub(1)];
    axes.into_iter().filter(|axis| axis.is_none_or(|axis| axis < rank)).find_map(|axis| {
        let fits = affine(numbers, &Layout::of(case.got.shape(), axis))?;
        let of_channels = axis.is_some() && fits.len() > 1;
        Some((fits, of_channels))
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

/// The place of the model's input among what the nodes before the tensor are given, where it is one of these.
fn place_of_input(case: &Case) -> Option<usize> {
    let part = case.part.as_ref()?;
    let is_input = |name: &str| {
        let mut inputs = case.whole.inputs.iter();
        inputs.any(|&id| case.whole.name_of(id) == name)
    };
    part.graph.inputs.iter().position(|&id| is_input(part.graph.name_of(id)))
}
