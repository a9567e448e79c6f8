use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file of tensors that cannot be read or written.
#[derive(Debug, Error)]
#[error("{}{}: {kind}", path.display(), entry.as_ref().map_or(String::new(), |entry| format!(": `{entry}`")))]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// The array in it, where it holds several.
    pub entry: Option<String>,
    /// What is wrong.
    pub kind: FileErrorKind,
}

/// What is wrong with a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The bytes break the format's rules.
    #[error("{0}")]
    Malformed(String),
    /// The format is right, but it holds what no [`Tensor`](crate::Tensor) does.
    #[error("{0}")]
    Unsupported(String),
}

impl FileErrorKind {
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(what.into())
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }

    pub(crate) fn at(self, path: &Path) -> FileError {
        FileError { path: path.to_owned(), entry: None, kind: self }
    }

    pub(crate) fn within(self, path: &Path, entry: &str) -> FileError {
        FileError { path: path.to_owned(), entry: Some(entry.to_owned()), kind: self }
    }
}

impl From<zip::result::ZipError> for FileErrorKind {
    fn from(error: zip::result::ZipError) -> Self {
        match error {
            zip::result::ZipError::Io(error) => Self::Io(error),
            zip::result::ZipError::UnsupportedArchive(what) => Self::Unsupported(what.to_string()),
            other => Self::Malformed(other.to_string()),
        }
    }
}
