//! Integer parameters that stand in attributes or arrive as inputs.

use vairun_tensor::{DType, Tensor};

use crate::error::OpError;
use crate::operator::Inputs;

/// The elements of an int32 or int64 tensor.
///
/// # Errors
/// [`OpError::DType`] for other types.
pub(crate) fn integers(tensor: &Tensor, name: &str) -> Result<Vec<i64>, OpError> {
    match tensor.dtype() {
        DType::I64 => Ok(tensor.as_slice::<i64>()?.to_vec()),
        DType::I32 => Ok(tensor.as_slice::<i32>()?.iter().map(|&value| value.into()).collect()),
        got => Err(OpError::DType { input: name.into(), got, expected: "int32 or int64".into() }),
    }
}

/// The error for a parameter that should have one element.
pub(crate) fn one_element(tensor: &Tensor, name: &str) -> OpError {
    OpError::Shape {
        input: name.into(),
        got: tensor.shape().to_vec(),
        expected: "one element".into(),
    }
}

/// A list of integers that older opsets hold in an attribute and newer ones take as an input.
#[derive(Clone, Debug)]
pub(crate) enum Ints {
    /// The attribute, if given.
    Attribute(Option<Vec<i64>>),
    /// The place of the input.
    Input(usize),
}

impl Ints {
    /// The list; `None` where it is left out.
    ///
    /// # Errors
    /// [`OpError::Kind`], [`OpError::DType`].
    pub(crate) fn read(&self, inputs: &Inputs, name: &str) -> Result<Option<Vec<i64>>, OpError> {
        match self {
            Self::Attribute(values) => Ok(values.clone()),
            Self::Input(index) => {
                inputs.optional(*index)?.map(|tensor| integers(tensor, name)).transpose()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_integer_types_are_read() {
        assert_eq!(integers(&Tensor::vector(vec![-1i32, 2]), "axes").unwrap(), [-1, 2]);
        assert_eq!(integers(&Tensor::scalar(7i64), "axes").unwrap(), [7]);
    }

    #[test]
    fn other_types_are_named() {
        let error = integers(&Tensor::scalar(1f32), "axes").unwrap_err().to_string();
        assert_eq!(error, "axes is float32, expected int32 or int64");
    }
}
