//! "Did you mean": the name that a mistyped one is closest to.

use strsim::levenshtein as distance;

/// The candidate with the fewest letters to change; `None` where that is more than a third of them.
pub(crate) fn closest<'a>(text: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let lower = text.to_lowercase();
    let scored = candidates.iter().map(|name| (distance(&lower, &name.to_lowercase()), *name));
    let (changes, name) = scored.min_by_key(|(changes, _)| *changes)?;
    (changes <= text.chars().count().div_ceil(3)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_close_and_other_words_are_not() {
        let names = ["rounding", "golden", "exit-codes"];
        assert_eq!(closest("roundign", &names), Some("rounding"));
        assert_eq!(closest("Goldn", &names), Some("golden"));
        assert_eq!(closest("nothing", &names), None);
        assert_eq!(closest("x", &[]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
