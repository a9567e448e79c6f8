//! Names that may have been meant.

use super::names::escape;

/// Names that are offered.
pub(super) const MOST: usize = 3;
/// Longer names are compared by their ends alone: that is where names of layers differ.
const LONGEST: usize = 64;

/// The names closest to `name` by edit distance, the closest first; none that shares next to nothing with it.
pub(super) fn closest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = end(&escape(name));
    let mut found: Vec<(usize, &str)> = names
        .filter(|other| !other.is_empty())
        .map(|other| (distance(&wanted, &end(&escape(other))), other))
        .filter(|(distance, other)| *distance * 2 < wanted.len().max(other.len().min(LONGEST)))
        .collect();
    found.sort();
    found.into_iter().take(MOST).map(|(_, name)| name.to_owned()).collect()
}

fn end(name: &str) -> Vec<u8> {
    let bytes = name.as_bytes();
    bytes[bytes.len().saturating_sub(LONGEST)..].to_ascii_lowercase()
}

/// Levenshtein's: insertions, deletions and changes that make one of the other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"", b"abc"), 3);
    }

    #[test]
    fn the_closest_names_come_first_and_strangers_not_at_all() {
        let names = ["/conv1/Conv_output_0", "/conv2/Conv_output_0", "zzz", ""];
        let found = closest("_conv2_Conv_output_1", names.into_iter());
        assert_eq!(found, ["/conv2/Conv_output_0", "/conv1/Conv_output_0"]);
    }
}
