//! The golden's zero point was added on the other side of the rounding.

use vairun_numeric::variation::Variation;

use super::case::Case;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let left = case.left_by(&Variation { moves_zero_point: true, ..Variation::default() })?;
    let proof = case.vary_option("move-zero-point");
    case.explanation("zero_point_order", left, proof, || {
        format!("with the zero point added on the other side of the rounding: {left} differences")
    })
}
