use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Problems of one kind that a message spells out; the rest is counted.
const SHOWN: usize = 20;

/// A file that cannot be turned into a model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The bytes are no protobuf message of the expected kind.
    #[error("not a readable ONNX {message}: {detail} ({bytes} bytes)")]
    Protobuf {
        /// `ModelProto`, `TensorProto`, …
        message: &'static str,
        /// Bytes given.
        bytes: usize,
        /// Where and what.
        detail: String,
    },
    /// The file breaks ONNX's rules.
    #[error("malformed: {}", Listed(.0))]
    Malformed(Vec<Problem>),
    /// The file uses what vairun does not read.
    #[error("unsupported: {}", Listed(.0))]
    Unsupported(Vec<Problem>),
    /// The model cannot be written.
    #[error("{0}")]
    Write(String),
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, by the names of onnx.proto: `graph.node[3]`.
    pub path: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.0.len() > 1 { "\n  " } else { "" };
        for problem in self.0.iter().take(SHOWN) {
            write!(f, "{separator}{problem}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "{separator}and {more} more"),
        }
    }
}

/// A fault of one field, before it is known where the field stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Malformed(String),
    Unsupported(String),
}

impl Fault {
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(what.into())
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }

    /// The same fault with the name of the field before it.
    pub(crate) fn within(self, field: &str) -> Self {
        match self {
            Self::Malformed(what) => Self::Malformed(format!("{field}: {what}")),
            Self::Unsupported(what) => Self::Unsupported(format!("{field}: {what}")),
        }
    }

    /// As the error of a file that holds nothing but this field.
    pub(crate) fn at(self, path: &str) -> OnnxError {
        let mut problems = Problems::default();
        problems.add(path, self);
        problems.into_result(()).expect_err("one problem has just been added")
    }
}

/// What is wrong with a file, collected so that all of it can be told at once.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    malformed: Vec<Problem>,
    unsupported: Vec<Problem>,
}

impl Problems {
    pub(crate) fn add(&mut self, path: impl Into<String>, fault: Fault) {
        let path = path.into();
        match fault {
            Fault::Malformed(what) => self.malformed.push(Problem { path, what }),
            Fault::Unsupported(what) => self.unsupported.push(Problem { path, what }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.malformed.is_empty() && self.unsupported.is_empty()
    }

    /// `value` where nothing is wrong. What is malformed comes first: what it hides is not known.
    pub(crate) fn into_result<T>(self, value: T) -> Result<T, OnnxError> {
        if !self.malformed.is_empty() {
            Err(OnnxError::Malformed(self.malformed))
        } else if !self.unsupported.is_empty() {
            Err(OnnxError::Unsupported(self.unsupported))
        } else {
            Ok(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_problems_are_counted_not_listed() {
        let mut problems = Problems::default();
        (0..25).for_each(|i| problems.add(format!("graph.node[{i}]"), Fault::malformed("wrong")));
        let text = problems.into_result(()).unwrap_err().to_string();
        assert!(text.starts_with("malformed: \n  graph.node[0]: wrong\n"), "{text}");
        assert!(text.ends_with("\n  and 5 more"), "{text}");
    }

    #[test]
    fn malformed_comes_before_unsupported() {
        let mut problems = Problems::default();
        problems.add("a", Fault::unsupported("complex64"));
        problems.add("b", Fault::malformed("3 bytes, expected 4"));
        assert_eq!(
            problems.into_result(()).unwrap_err().to_string(),
            "malformed: b: 3 bytes, expected 4"
        );
    }
}
