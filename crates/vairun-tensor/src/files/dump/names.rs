//! File names for names of tensors, which may be any text.

use std::collections::HashSet;
use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Bytes of a file name without its extension; most file systems allow 255, some tools add to it.
const LONGEST: usize = 180;

/// Gives each name a file name of its own, in one folder.
///
/// A name of letters, digits, `_`, `-` and `.` stays as it is. In any other, what is not one of these becomes `_`, and
/// a fingerprint of the name follows; so does it where the file name is taken already, upper and lower case counting
/// as one.
#[derive(Debug, Default)]
pub(crate) struct FileNames(HashSet<String>);

impl FileNames {
    /// A file name without extension, for the next tensor called `name`.
    pub(crate) fn next(&mut self, name: &str) -> String {
        let plain = escaped(name);
        let own = plain == name && !is_device(name) && self.0.insert(plain.to_lowercase());
        if own {
            return plain;
        }
        let mut candidate = format!("{plain}~{}", fingerprint(name));
        for n in 2.. {
            if self.0.insert(candidate.to_lowercase()) {
                break;
            }
            candidate = format!("{plain}~{}~{n}", fingerprint(name));
        }
        candidate
    }
}

/// `name` with `_` for everything but letters, digits, `_`, `-` and `.`; not hidden, not empty, not too long.
pub(crate) fn escaped(name: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let text: String = name.chars().map(|c| if safe(c) { c } else { '_' }).take(LONGEST).collect();
    match text.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None if text.is_empty() => "_".to_owned(),
        None => text,
    }
}

/// Whether Windows takes the name, up to its first dot, for a device.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = ["com", "lpt"].iter().find_map(|kind| stem.strip_prefix(kind));
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul")
        || numbered.is_some_and(|digit| digit.len() == 1 && digit.as_bytes()[0].is_ascii_digit())
}

fn fingerprint(name: &str) -> String {
    hex(&Sha256::digest(name.as_bytes())[..4])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay() {
        let mut names = FileNames::default();
        assert_eq!(names.next("conv1.weight-0_q"), "conv1.weight-0_q");
    }

    #[test]
    fn no_two_names_share_a_file_on_any_file_system() {
        let mut names = FileNames::default();
        let long = "x".repeat(5000);
        let hostile = [
            "/a/b::c", "_a_b__c", "a_b", "A_B", "a/b", "..", "../x", "/", "", ".", ".hidden",
            "CON", "con.x", "aux", "lpt1", "ü", "𝄞", "a\0b", "a\nb", &long, "a_b", "a_b", "C:\\x",
            "_",
        ];
        let files: Vec<String> = hostile.iter().map(|name| names.next(name)).collect();
        let unique: HashSet<String> = files.iter().map(|file| file.to_lowercase()).collect();
        assert_eq!(unique.len(), files.len(), "{files:?}");
        for file in &files {
            let safe = |c: char| c.is_ascii_alphanumeric() || "_-.~".contains(c);
            assert!(file.len() < 200 && !file.starts_with('.') && file.chars().all(safe), "{file}");
        }
    }
}
