//! The golden is zero throughout: it was never written, or never computed.

use super::case::Case;
use crate::measure::lanes;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let want = lanes::to_f64(&case.want)?;
    let empty =
        want.iter().all(|x| *x == 0.0) && lanes::to_f64(&case.got)?.iter().any(|x| *x != 0.0);
    empty.then(|| {
        let text = format!(
            "all {} elements of the golden are 0: it was not computed, or not written",
            want.len()
        );
        case.explanation("all_zero", 0, None, || text)
    })?
}
