//! Every element is off by the same factor: another fix position, a scale that was not applied.

use vairun_numeric::variation::Variation;

use super::case::Case;
use super::numbers::Numbers;
use crate::report::Explanation;

/// The fix positions that are tried, this far to each side.
const FURTHEST: i32 = 8;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    in_numbers(case, case.numbers()?).or_else(|| by_quantizer(case))
}

fn in_numbers(case: &Case, numbers: &Numbers) -> Option<Explanation> {
    let largest = numbers.pairs().max_by(|a, b| a.0.abs().total_cmp(&b.0.abs()))?;
    let ratio = largest.1 / largest.0;
    if !ratio.is_finite() || ratio == 0.0 || (ratio - 1.0).abs() < 1e-6 || numbers.got.len() < 2 {
        return None;
    }
    // The sample with the largest magnitude may be the one that is clipped: the median of the others is asked too.
    let ratio = snapped(ratio);
    let left = numbers.pairs().filter(|&(got, want)| !numbers.same(got * ratio, want)).count();
    let exponent = ratio.abs().log2();
    let power = exponent == exponent.round() && ratio > 0.0;
    let proof = power.then(|| case.vary_option(&format!("scale*2^{}", -exponent))).flatten();
    case.explanation("constant_ratio", left as u64, proof, || {
        if power {
            format!("every element of the golden is 2^{exponent} times the model's: the fix position differs by {}", exponent.abs())
        } else {
            format!("every element of the golden is {ratio:.6} times the model's: a factor is missing or applied twice")
        }
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
