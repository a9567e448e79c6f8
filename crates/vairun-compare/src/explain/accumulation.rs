//! Sums of floats in another order: differences of a few units in the last place, and codes that they flip.

use super::case::Case;
use super::numbers::Numbers;
use crate::quantizer::Kind;
use crate::report::Explanation;

/// The relative error that sums of floats may have.
const SLACK: f32 = 1.0 / (1 << 17) as f32;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let numbers = case.numbers()?;
    if case.record.kind == Kind::Plain { floats(case, numbers) } else { codes(case, numbers) }
}

fn floats(case: &Case, numbers: &Numbers) -> Option<Explanation> {
    let size =
        numbers.want.iter().filter(|x| x.is_finite()).fold(0.0f64, |most, x| most.max(x.abs()));
    let worst = numbers.pairs().map(|(got, want)| (got - want).abs()).fold(0.0, f64::max);
    if !(worst.is_finite() && size > 0.0 && worst <= 1e-3 * size) {
        return None;
    }
    case.explanation("float_accumulation", 0, Some(format!("--atol '{}={worst:.1e}'", globset::escape(&case.record.name))), || {
        format!("the largest difference is {:.1e} of the tensor's range: sums of floats in another order, or of another precision", worst / size)
    })
}

/// Every code that differs is that of a number a little larger or smaller.
fn codes(case: &Case, numbers: &Numbers) -> Option<Explanation> {
    let tail = case.tail()?;
    let moved = |factor| crate::measure::lanes::to_f64(&tail.scaled(case.engine(), factor)?);
    let (more, less) = (moved(1.0 + SLACK)?, moved(1.0 - SLACK)?);
    let near = |(i, (got, want)): (usize, (f64, f64))| {
        [got, more[i], less[i]].iter().any(|&x| numbers.same(x, want))
    };
    let left = numbers.pairs().enumerate().filter(|&pair| !near(pair)).count() as u64;
    let proof = Some(format!("--lsb '{}=1'", globset::escape(&case.record.name)));
    case.explanation("float_accumulation", left, proof, || {
        "every code that differs is of a number within 1e-5 of the border between two codes: sums of floats in another order".to_owned()
    })
}
