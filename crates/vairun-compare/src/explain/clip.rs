//! The golden treats what lies beyond the range in another way: wrapped, narrow, clipped elsewhere.

use vairun_numeric::variation::{Beyond, Variation};

use super::case::Case;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let plain = Variation::default();
    let range = |beyond| Variation { range: Some(beyond), ..plain };
    let ways = [
        (
            "narrow_range",
            "narrow",
            range(Beyond::Narrow),
            "the least code is left out (narrow range)",
        ),
        (
            "wrapped",
            "wrap",
            range(Beyond::Wrap),
            "codes beyond the range wrap around instead of being clipped",
        ),
        (
            "clip_order",
            "clip-first",
            range(Beyond::ClipFirst),
            "codes are clipped before the zero point is added",
        ),
        (
            "clip_order",
            "clip-first-only",
            range(Beyond::ClipFirstOnly),
            "codes are clipped before the zero point is added, and not after it",
        ),
        (
            "clip_order",
            "move-clip",
            Variation { moves_clip: true, ..plain },
            "the clip and the conversion to 32 bits change places",
        ),
    ];
    ways.into_iter().find_map(|(cause, word, variation, what)| {
        let left = case.left_by(&variation)?;
        let proof = case.vary_option(word);
        case.explanation(cause, left, proof, || format!("where {what}: {left} differences"))
    })
}
