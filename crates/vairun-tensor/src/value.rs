use thiserror::Error;

use crate::dtype::DType;
use crate::tensor::Tensor;

/// What an edge of a graph carries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// A tensor.
    Tensor(Tensor),
    /// A list of values of one type, possibly empty.
    Sequence(Vec<Value>),
    /// A value or none.
    Optional(Option<Box<Value>>),
}

/// A value of another kind than the caller asks for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("expected a {expected}, got a {got}")]
pub struct ValueError {
    /// What was asked for.
    pub expected: &'static str,
    /// What it is.
    pub got: &'static str,
}

impl Value {
    /// `tensor`, `sequence` or `optional`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tensor(_) => "tensor",
            Self::Sequence(_) => "sequence",
            Self::Optional(_) => "optional",
        }
    }

    /// The tensor.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn as_tensor(&self) -> Result<&Tensor, ValueError> {
        match self {
            Self::Tensor(tensor) => Ok(tensor),
            other => Err(ValueError { expected: "tensor", got: other.kind() }),
        }
    }

    /// The tensor itself.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn into_tensor(self) -> Result<Tensor, ValueError> {
        match self {
            Self::Tensor(tensor) => Ok(tensor),
            other => Err(ValueError { expected: "tensor", got: other.kind() }),
        }
    }

    /// The element type, where it is a tensor.
    pub fn dtype(&self) -> Option<DType> {
        self.as_tensor().ok().map(Tensor::dtype)
    }

    /// Bytes of all the tensors in it.
    pub fn byte_len(&self) -> usize {
        match self {
            Self::Tensor(tensor) => tensor.byte_len(),
            Self::Sequence(items) => items.iter().map(Self::byte_len).sum(),
            Self::Optional(item) => item.as_ref().map_or(0, |item| item.byte_len()),
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}
