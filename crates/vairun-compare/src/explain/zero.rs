//! The golden is one number throughout: it was never written, or never computed.

use super::case::Case;
use crate::measure::lanes;
use crate::quantizer::Kind;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let first = constant(case).filter(|first| is_zero(case, *first))?;
    case.explanation("all_zero", 0, None, || {
        let which = if first == 0.0 { "" } else { ", the zero point" };
        format!(
            "all {} elements of the golden are {first}{which}: it was not computed, or not written",
            case.want.len()
        )
    })
}

/// Another number than zero: it may come of much else, which is asked before.
pub(super) fn other(case: &Case) -> Option<Explanation> {
    let first = constant(case).filter(|first| !is_zero(case, *first))?;
    case.explanation("constant", 0, None, || {
        format!(
            "all {} elements of the golden are {first}: it was not computed, or not written",
            case.want.len()
        )
    })
}

fn is_zero(case: &Case, first: f64) -> bool {
    let zero_point = case.record.quantizer.as_ref().map(|quantizer| quantizer.zero_point[0] as f64);
    let codes = case.record.kind == Kind::Codes;
    first == 0.0 || (codes && zero_point == Some(first))
}

/// The number that the golden is throughout.
fn constant(case: &Case) -> Option<f64> {
    let want = lanes::to_f64(&case.want)?;
    let got = lanes::to_f64(&case.got)?;
    let &first = want.first()?;
    let constant = want.iter().all(|x| x.to_bits() == first.to_bits() || *x == first);
    let varies = got.iter().any(|x| *x != got[0]);
    // One element says nothing; and what the model has as one number too is only another number.
    let told = want.len() > 1 && (varies || first == 0.0);
    (constant && told).then_some(first)
}
