//! `--map FILE`: what the user says about names.

use std::collections::HashMap;
use std::path::Path;

use thiserror::Error;

use crate::golden::GoldenSource;

/// Names of a golden with those of the model that they stand for.
#[derive(Clone, Debug, Default)]
pub struct NameMap(HashMap<String, String>);

/// A file of names that cannot be used.
#[derive(Debug, Error)]
#[error("{path}: {message}")]
pub struct NameMapError {
    /// The file.
    pub path: String,
    /// What is wrong, and where.
    pub message: String,
}

impl NameMap {
    /// Reads a JSON object `{"golden": "model"}`, or lines `golden=model` with `#` before comments. The last `=` of a
    /// line counts.
    ///
    /// # Errors
    /// A file that cannot be read or is neither; a name that comes twice.
    pub fn read(path: &Path) -> Result<Self, NameMapError> {
        let fail = |message: String| NameMapError { path: path.display().to_string(), message };
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        Self::parse(&text).map_err(fail)
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('{') {
            return match serde_json::from_str(text) {
                Ok(names) => Ok(Self(names)),
                Err(error) => Err(format!("expected {{\"golden\": \"model\", …}}: {error}")),
            };
        }
        let mut names = HashMap::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (golden, model) = line
                .rsplit_once('=')
                .ok_or_else(|| format!("line {number}: expected golden=model, got `{line}`"))?;
            let (golden, model) = (golden.trim().to_owned(), model.trim().to_owned());
            if names.contains_key(&golden) {
                return Err(format!("line {number}: `{golden}` comes a second time"));
            }
            names.insert(golden, model);
        }
        Ok(Self(names))
    }

    /// The name in the model.
    pub(super) fn get(&self, golden: &str) -> Option<&str> {
        self.0.get(golden).map(String::as_str)
    }

    /// Names that the golden does not have: mistakes.
    pub fn unused(&self, golden: &dyn GoldenSource) -> Vec<&str> {
        let entries = golden.entries();
        let absent = |name: &&str| entries.iter().all(|entry| entry.name != **name);
        let mut unused: Vec<_> = self.0.keys().map(String::as_str).filter(absent).collect();
        unused.sort_unstable();
        unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_objects_are_read() {
        for text in ["# names\n a=b = /conv/y \n\n", r#"{"a=b": "/conv/y"}"#] {
            assert_eq!(NameMap::parse(text).unwrap().get("a=b"), Some("/conv/y"), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let error = |text: &str| NameMap::parse(text).unwrap_err();
        assert_eq!(error("x"), "line 1: expected golden=model, got `x`");
        assert_eq!(error("a=b\na=c"), "line 2: `a` comes a second time");
        assert!(error("{\"a\": 1}").starts_with("expected {\"golden\""));
    }
}
