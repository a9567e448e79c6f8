//! The golden's bytes were read as numbers of the other signedness.

use super::case::Case;
use super::numbers::Codes;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let codes = case.numbers()?.codes.as_ref()?;
    ranges(codes).into_iter().find_map(|[low, high]| {
        let count = high - low + 1;
        let reread = |code: i64| match (low < 0, code < 0) {
            (true, true) => code + count,
            (false, _) if code >= count / 2 => code - count,
            _ => code,
        };
        let left = case.count(codes.pairs().map(|(got, want)| reread(got) != want));
        let (own, other) = if low < 0 { ("signed", "unsigned") } else { ("unsigned", "signed") };
        case.explanation("signedness", left, None, || {
            format!("the golden holds the same bytes read as {other} numbers, the model's are {own}: Δ = ±{count}")
        })
    })
}

/// The range of the codes; where the quantizer has a narrower one, or none is known, those of types that hold them.
fn ranges(codes: &Codes) -> Vec<[i64; 2]> {
    let own = codes.range;
    let signed = own.map_or(codes.got.iter().any(|&code| code < 0), |[low, _]| low < 0);
    let types = [4, 8, 16].map(|bits| match signed {
        true => [-(1i64 << (bits - 1)), (1 << (bits - 1)) - 1],
        false => [0, (1 << bits) - 1],
    });
    let holds =
        |range: &[i64; 2]| codes.got.iter().all(|code| (range[0]..=range[1]).contains(code));
    own.into_iter().chain(types.into_iter().filter(holds)).collect()
}
