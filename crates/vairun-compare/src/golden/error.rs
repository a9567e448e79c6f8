use std::io;
use std::path::Path;

use thiserror::Error;
use vairun_onnx::OnnxError;
use vairun_tensor::files::{FileError, FileErrorKind};

/// A golden that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file whose content is not what it should be.
    #[error("{path}: {message}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// A file or folder of no known layout.
    #[error("{path}: {message}")]
    Unknown {
        /// The file or folder.
        path: String,
        /// What was looked for.
        message: String,
    },
}

impl GoldenError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }

    pub(crate) fn format(path: &Path, message: impl ToString) -> Self {
        Self::Format { path: path.display().to_string(), message: message.to_string() }
    }

    pub(crate) fn unknown(path: &Path, message: impl ToString) -> Self {
        Self::Unknown { path: path.display().to_string(), message: message.to_string() }
    }

    pub(crate) fn onnx(path: &Path, error: OnnxError) -> Self {
        match error {
            OnnxError::Io { path, source } => Self::io(&path, source),
            other => Self::format(path, other),
        }
    }
}

impl From<FileError> for GoldenError {
    fn from(error: FileError) -> Self {
        let FileError { path, entry, kind } = error;
        match (kind, entry) {
            (FileErrorKind::Io(source), None) => Self::io(&path, source),
            (kind, None) => Self::format(&path, kind),
            (kind, Some(entry)) => Self::format(&path, format!("`{entry}`: {kind}")),
        }
    }
}
