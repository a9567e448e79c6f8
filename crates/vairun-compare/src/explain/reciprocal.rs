//! The golden's quantizer multiplied by the reciprocal of the scale instead of dividing.

use vairun_numeric::variation::Variation;

use super::case::Case;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let left = case.left_by(&Variation { reciprocal: true, ..Variation::default() })?;
    let proof = case.vary_option("reciprocal");
    case.explanation("reciprocal", left, proof, || {
        format!("multiplied by 1 / scale instead of divided by the scale: {left} differences")
    })
}
