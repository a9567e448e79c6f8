//! An activation that the model does not have, or lacks, between its tensor and the golden.

use vairun_numeric::variation::Variation;

use super::super::case::Case;
use crate::report::Explanation;

type Function = fn(f64) -> f64;

/// Activations that may have been applied as well in what makes the golden.
const FUNCTIONS: [(&str, Function); 12] = [
    ("Relu", |x| x.max(0.0)),
    ("Relu6 (0 … 6)", |x| x.clamp(0.0, 6.0)),
    ("LeakyRelu 0.1", |x| if x < 0.0 { 0.1 * x } else { x }),
    ("LeakyRelu 26/256", |x| if x < 0.0 { x * 26.0 / 256.0 } else { x }),
    ("LeakyRelu 0.01", |x| if x < 0.0 { 0.01 * x } else { x }),
    ("Sigmoid", sigmoid),
    ("Tanh", f64::tanh),
    ("HardSigmoid", |x| (x / 6.0 + 0.5).clamp(0.0, 1.0)),
    ("HardSigmoid 0.2", |x| (0.2 * x + 0.5).clamp(0.0, 1.0)),
    ("HardSwish", |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
    ("Swish", |x| x * sigmoid(x)),
    ("Abs", f64::abs),
];

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

pub(super) fn test(case: &Case) -> Option<Explanation> {
    applied_as_well(case).or_else(|| missing_clip(case))
}

/// The model's tensor after a further activation is the golden; or before quantizing, where a quantizer follows.
fn applied_as_well(case: &Case) -> Option<Explanation> {
    let numbers = case.numbers()?;
    FUNCTIONS.into_iter().find_map(|(name, function)| {
        let before_quantizer = || {
            let left = case.left_with(|tail| tail.mapped(case.engine(), function))?;
            case.holds(left).then_some(left)
        };
        let far = |(got, want): (f64, f64)| !numbers.same(function(got), want);
        let on_numbers = || case.count(numbers.pairs().map(far));
        let left = before_quantizer().unwrap_or_else(on_numbers);
        case.explanation("activation", left, None, || {
            format!("with {name} applied as well, as if the golden were from after it: {left} differences")
        })
    })
}

/// The golden where it is within the model's range is the model's: a clip is missing that the model has.
fn missing_clip(case: &Case) -> Option<Explanation> {
    let is_itself = || case.count_by(&Variation::default()) == Some(case.differing());
    if case.tail().is_some_and(|tail| !tail.exact && !is_itself()) {
        return None;
    }
    let numbers = case.numbers()?;
    let low = numbers.got.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.got.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let outside = numbers.want.iter().filter(|x| **x < low || **x > high).count();
    if outside == 0 || low >= high {
        return None;
    }
    let far = |(got, want): (f64, f64)| !numbers.same(got, want.clamp(low, high));
    let left = case.count(numbers.pairs().map(far));
    let range = numbers.codes.as_ref().and_then(|codes| codes.range);
    let cause = if range.is_some_and(|_| at_its_ends(case, low, high)) {
        "not_clipped"
    } else {
        "activation"
    };
    case.explanation(cause, left, None, || match cause {
        "not_clipped" => "the golden's codes go beyond the range of the quantizer, which the model clips to".to_owned(),
        _ => format!("the golden, cut off at {low} and {high}, is the model's tensor: it is from before an activation"),
    })
}

/// Whether the golden leaves the range only where the model's codes stand at an end of it.
fn at_its_ends(case: &Case, low: f64, high: f64) -> bool {
    let Some(codes) = case.numbers().and_then(|numbers| numbers.codes.as_ref()) else {
        return false;
    };
    let Some(numbers) = case.numbers() else { return false };
    let mut outside =
        numbers.pairs().zip(&codes.got).filter(|((_, want), _)| *want < low || *want > high);
    outside.all(|(_, &code)| codes.at_end(code))
}
