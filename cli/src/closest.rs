//! "Did you mean": the name that a mistyped one is closest to.

/// The candidate with the fewest letters to change; `None` where that is more than a third of them.
pub(crate) fn closest<'a>(text: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let lower = text.to_lowercase();
    let scored = candidates.iter().map(|name| (distance(&lower, &name.to_lowercase()), *name));
    let (changes, name) = scored.min_by_key(|(changes, _)| *changes)?;
    (changes <= text.chars().count().div_ceil(3)).then_some(name)
}

/// Letters to insert, delete or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
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
