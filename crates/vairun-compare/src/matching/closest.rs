//! Names that may have been meant.

use strsim::levenshtein as distance;

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

/// Of an escaped name, which is ASCII.
fn end(name: &str) -> String {
    let from = name.len().saturating_sub(LONGEST);
    name.get(from..).unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn the_closest_names_come_first_and_strangers_not_at_all() {
        let names = ["/conv1/Conv_output_0", "/conv2/Conv_output_0", "zzz", ""];
        let found = closest("_conv2_Conv_output_1", names.into_iter());
        assert_eq!(found, ["/conv2/Conv_output_0", "/conv1/Conv_output_0"]);
    }
}
