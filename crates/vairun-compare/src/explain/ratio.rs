//! Every element is off by the same factor: another fix position, a scale that was not applied.

use vairun_numeric::variation::Variation;

use super::case::Case;
use super::numbers::Numbers;
use crate::report::Explanation;

/// The fix positions that are tried, this far to each side.
const FURTHEST: i32 = 8;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let numbers = case.numbers()?;
    in_numbers(case, numbers).or_else(|| by_quantizer(case)).or_else(|| in_codes(case, numbers))
}

fn in_numbers(case: &Case, numbers: &Numbers) -> Option<Explanation> {
    let (ratio, left) = ratios(numbers)
        .into_iter()
        .map(|ratio| {
            let far = |(got, want): (f64, f64)| !numbers.same(got * ratio, want);
            (ratio, case.count(numbers.pairs().map(far)))
        })
        .find(|(_, left)| case.holds(*left))?;
    let exponent = ratio.abs().log2();
    let power = exponent == exponent.round() && ratio > 0.0;
    let proof = power.then(|| case.vary_option(&format!("scale*2^{}", -exponent))).flatten();
    case.explanation("constant_ratio", left, proof, || {
        if power {
            format!("every element of the golden is 2^{exponent} times the model's: the fix position differs by {}", exponent.abs())
        } else {
            format!("every element of the golden is {ratio:.6} times the model's: a factor is missing or applied twice")
        }
    })
}

/// Ratios that all elements may have: that of the largest element, and the middle one of all.
fn ratios(numbers: &Numbers) -> Vec<f64> {
    if numbers.got.len() < 2 {
        return Vec::new();
    }
    let ratio = |(got, want): (f64, f64)| want / got;
    let largest = numbers.pairs().max_by(|a, b| a.0.abs().total_cmp(&b.0.abs())).map(ratio);
    // The largest may be the one that is cut off.
    let sized = |(got, want): &(f64, f64)| *got != 0.0 && *want != 0.0;
    let mut all: Vec<f64> = numbers.pairs().filter(sized).map(ratio).collect();
    let half = all.len() / 2;
    let middle = (half < all.len()).then(|| *all.select_nth_unstable_by(half, f64::total_cmp).1);
    let usable = |ratio: &f64| ratio.is_finite() && *ratio != 0.0 && (ratio - 1.0).abs() >= 1e-6;
    largest.into_iter().chain(middle).filter(usable).map(snapped).collect()
}

/// The codes themselves were shifted, and rounded and clipped once more.
fn in_codes(case: &Case, numbers: &Numbers) -> Option<Explanation> {
    let codes = numbers.codes.as_ref()?;
    let zero_points = [0, case.record.quantizer.as_ref().map_or(0, |q| q.zero_point[0])];
    let clip = |code: f64| match codes.range {
        Some([low, high]) => code.clamp(low as f64, high as f64),
        None => code,
    };
    let roundings: [fn(f64) -> f64; 4] = [f64::floor, f64::trunc, f64::round, f64::round_ties_even];
    let exponents = (1..=FURTHEST).flat_map(|n| [n, -n]);
    exponents.flat_map(|n| zero_points.map(|zero| (n, zero as f64))).find_map(|(exponent, zero)| {
        let factor = 2f64.powi(exponent);
        let left = |round: fn(f64) -> f64| {
            let shifted = |code: i64| clip(round((code as f64 - zero) * factor) + zero);
            case.count(codes.pairs().map(|(got, want)| shifted(got) != want as f64))
        };
        let left = roundings.map(left).into_iter().min().unwrap_or(u64::MAX);
        case.explanation("constant_ratio", left, None, || {
            format!("every code of the golden is the model's times 2^{exponent}, rounded and clipped again: the fix position differs by {}", exponent.abs())
        })
    })
}

/// The power of two that a ratio is up to float rounding, else the ratio.
fn snapped(ratio: f64) -> f64 {
    let power = 2f64.powf(ratio.abs().log2().round()).copysign(ratio);
    if (ratio / power - 1.0).abs() < 1e-6 { power } else { ratio }
}

/// Quantized anew with a step that is a power of two larger or smaller.
fn by_quantizer(case: &Case) -> Option<Explanation> {
    let scaled = |exponent| Variation { scale_exponent: exponent, ..Variation::default() };
    let exponents = (1..=FURTHEST).flat_map(|n| [n, -n]);
    let (exponent, left) = exponents
        .filter_map(|exponent| Some((exponent, case.left_by(&scaled(exponent))?)))
        .find(|(_, left)| case.holds(*left))?;
    let proof = case.vary_option(&format!("scale*2^{exponent}"));
    case.explanation("constant_ratio", left, proof, || {
        format!(
            "quantized with a scale that is 2^{exponent} times as large (fix position {:+}): {left} differences",
            -exponent
        )
    })
}
