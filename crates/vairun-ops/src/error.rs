use thiserror::Error;
use vairun_tensor::{DType, TensorError, ValueError};

/// A node that cannot be turned into an operator: found before anything runs.
///
/// The texts say what is wrong and what would be accepted; the caller adds the node's name and operator.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The operator, or this use of it, is outside of what vairun computes.
    #[error("{0}")]
    Unsupported(String),
    /// The node breaks the operator's specification.
    #[error("{0}")]
    Malformed(String),
    /// Attributes that the operator does not have.
    #[error("unknown attribute {got:?}; this operator has {known:?}")]
    UnknownAttribute {
        /// Those of the node that were not read.
        got: Vec<String>,
        /// Those that the operator reads.
        known: Vec<String>,
    },
    /// A required attribute is absent.
    #[error("attribute `{0}` is missing")]
    MissingAttribute(String),
    /// An attribute of another kind.
    #[error("attribute `{name}` is {got}, expected {expected}")]
    AttributeKind {
        /// The attribute.
        name: String,
        /// What the specification asks for.
        expected: &'static str,
        /// What the node has.
        got: &'static str,
    },
    /// An attribute or a constant parameter with a value that is not supported.
    #[error("`{name}` is {got}, expected {expected}")]
    Value {
        /// The attribute or input.
        name: String,
        /// Its value.
        got: String,
        /// What is accepted.
        expected: String,
    },
    /// A number of inputs that the operator does not take.
    #[error("{got} inputs, expected {expected}")]
    InputCount {
        /// Of the node.
        got: usize,
        /// `2 to 3`
        expected: String,
    },
}

/// An operator that cannot compute its outputs from the inputs it is given.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpError {
    /// An input is missing.
    #[error("input {0} is missing")]
    Missing(&'static str),
    /// An input of a type that the operator does not take.
    #[error("{input} is {got}, expected {expected}")]
    DType {
        /// The input.
        input: String,
        /// Its type.
        got: DType,
        /// What is accepted.
        expected: String,
    },
    /// An input of a shape that the operator does not take.
    #[error("{input} has shape {got:?}, expected {expected}")]
    Shape {
        /// The input.
        input: String,
        /// Its shape.
        got: Vec<usize>,
        /// What is accepted, in words.
        expected: String,
    },
    /// A parameter with a value outside of what is defined.
    #[error("{input} is {got}, expected {expected}")]
    Value {
        /// The parameter.
        input: String,
        /// Its value.
        got: String,
        /// What is accepted, in words.
        expected: String,
    },
    /// An input that is no tensor, or no sequence, where one is needed.
    #[error(transparent)]
    Kind(#[from] ValueError),
    /// A tensor that is not what the operator takes.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The result would be larger than memory can hold.
    #[error("the result would have shape {0:?}, more than memory can hold")]
    TooLarge(Vec<usize>),
    /// A kernel from elsewhere failed; its own words.
    #[error("{0}")]
    Kernel(String),
    /// A node of a body failed.
    #[error(transparent)]
    Body(Box<dyn std::error::Error + Send + Sync>),
}
