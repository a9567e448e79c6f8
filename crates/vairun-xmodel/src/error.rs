use thiserror::Error;
use vairun_graph::GraphError;

/// An .xmodel file that cannot be read, or that is not something vairun can run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum XmodelError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The bytes are no `serial_v2.Graph`.
    #[error("no xmodel: {0}")]
    Malformed(String),
    /// An op or a tensor contradicts the file format.
    #[error("op `{op}` ({op_type}): {problem}")]
    Op {
        /// The op's name.
        op: String,
        /// Its type.
        op_type: String,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// The ops do not form a graph.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Graph(Vec<GraphError>),
    /// A file that can be listed but not run.
    #[error("{0}")]
    Unsupported(String),
}

impl From<prost::DecodeError> for XmodelError {
    fn from(error: prost::DecodeError) -> Self {
        Self::Malformed(error.to_string())
    }
}
