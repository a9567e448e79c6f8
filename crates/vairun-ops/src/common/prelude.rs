//! What every operator's file needs.

pub(crate) use vairun_tensor::{DType, Tensor};

pub(crate) use crate::attrs::Attrs;
pub(crate) use crate::common::{LATEST, one};
pub(crate) use crate::def::{Grade, OpDef};
pub(crate) use crate::error::{BuildError, OpError};
pub(crate) use crate::operator::{Context, Inputs, Operator, Outputs};
pub(crate) use crate::spec::NodeSpec;

/// What a builder gives.
pub(crate) type Built = Result<Box<dyn Operator>, BuildError>;
/// The types of outputs, where known.
pub(crate) type DTypes = Result<Vec<Option<DType>>, OpError>;

/// The error for a tensor of a shape that the operator does not take.
pub(crate) fn wrong_shape(input: &str, got: &[usize], expected: impl Into<String>) -> OpError {
    OpError::Shape { input: input.into(), got: got.to_vec(), expected: expected.into() }
}

/// The error for a parameter with a value outside of what is defined.
pub(crate) fn wrong_value(input: &str, got: impl ToString, expected: impl Into<String>) -> OpError {
    OpError::Value { input: input.into(), got: got.to_string(), expected: expected.into() }
}
