//! Every element is off by the same number: another zero point, or a bias.

use vairun_numeric::variation::Variation;

use super::case::Case;
use super::numbers::{Codes, Numbers};
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let numbers = case.numbers()?;
    match &numbers.codes {
        Some(codes) => in_codes(case, codes),
        None => in_numbers(case, numbers),
    }
}

fn in_codes(case: &Case, codes: &Codes) -> Option<Explanation> {
    let inside = |&(got, want): &(i64, i64)| !codes.at_end(got) && !codes.at_end(want);
    let mut deltas = codes.pairs().filter(inside).map(|(got, want)| want - got);
    let offset = deltas.next().filter(|offset| *offset != 0)?;
    if deltas.any(|delta| delta != offset) {
        return None;
    }
    // What stands at an end of the range may have been cut off on its way.
    let clipped = |code: i64| match codes.range {
        Some([low, high]) => code.max(low).min(high),
        None => code,
    };
    let left = codes.pairs().filter(|(got, want)| clipped(got + offset) != *want).count() as u64;
    let left = i32::try_from(offset)
        .ok()
        .and_then(|offset| {
            case.left_by(&Variation { zero_point_offset: offset, ..Variation::default() })
        })
        .map_or(left, |by_quantizer| by_quantizer.min(left));
    let proof = case.vary_option(&format!("zero-point{offset:+}"));
    case.explanation("constant_offset", left, proof, || {
        let zero_points = case.record.quantizer.iter().flat_map(|quantizer| &quantizer.zero_point);
        let is_zero_point =
            zero_points.into_iter().any(|&zero| zero != 0 && zero.abs() == offset.abs());
        let view = match offset.unsigned_abs() {
            _ if is_zero_point => {
                ": the zero point, which one side has not added or has added twice"
            }
            128 | 32768 | 8 => ": signed codes in place of unsigned ones, or the reverse",
            _ => ": another zero point",
        };
        format!("every code of the golden is {offset:+} from the model's{view}")
    })
}

fn in_numbers(case: &Case, numbers: &Numbers) -> Option<Explanation> {
    let mut pairs = numbers.pairs();
    let (first_got, first_want) = pairs.next()?;
    let offset = first_want - first_got;
    let scale = numbers.got.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    if offset.abs() <= 1e-5 * scale || numbers.got.len() < 2 {
        return None;
    }
    let off =
        |(got, want): (f64, f64)| (want - got - offset).abs() > 1e-5 * scale.max(offset.abs());
    let left = numbers.pairs().filter(|&pair| off(pair)).count() as u64;
    case.explanation("constant_offset", left, None, || {
        format!("every element of the golden is {offset:+.6} from the model's: a bias, or another zero point")
    })
}
