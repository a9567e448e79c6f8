//! The golden's bytes were read as numbers of the other signedness.

use super::case::Case;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    let codes = case.numbers()?.codes.as_ref()?;
    let [low, high] = codes.range?;
    let count = high - low + 1;
    let reread = |code: i64| match (low < 0, code < 0) {
        (true, true) => code + count,
        (false, _) if code >= count / 2 => code - count,
        _ => code,
    };
    let left = codes.pairs().filter(|(got, want)| reread(*got) != *want).count() as u64;
    let (own, other) = if low < 0 { ("signed", "unsigned") } else { ("unsigned", "signed") };
    case.explanation("signedness", left, None, || {
        format!("the golden holds the same bytes read as {other} numbers, the model's are {own}: Δ = ±{count}")
    })
}
