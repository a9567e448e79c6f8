//! The one limit on the size of a result, checked before anything is allocated.

use vairun_tensor::DType;

use crate::error::OpError;

/// Bytes that one result may take. A few bytes of a file can ask for any shape (Expand, Tile, ConstantOfShape, Range,
/// Resize …); no honest activation comes near this.
const MAX_BYTES: usize = 1 << 32;

/// The number of elements of a result.
///
/// # Errors
/// [`OpError::TooLarge`] where they would take more than the limit.
pub(crate) fn result_len(dtype: DType, shape: &[usize]) -> Result<usize, OpError> {
    if shape.contains(&0) {
        return Ok(0);
    }
    // An empty `String` takes 24 bytes.
    let bytes = dtype.carrier().bytes().unwrap_or(24);
    let fits = |&n: &usize| n.checked_mul(bytes).is_some_and(|bytes| bytes <= MAX_BYTES);
    let len = shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
    len.filter(fits).ok_or_else(|| OpError::TooLarge(shape.to_vec()))
}

/// A dimension that a file or an input asks for.
///
/// # Errors
/// [`OpError::Value`] where it is negative.
pub(crate) fn dim(value: i64, input: &str) -> Result<usize, OpError> {
    usize::try_from(value).map_err(|_| OpError::Value {
        input: input.into(),
        got: value.to_string(),
        expected: "a dimension of 0 or more".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_beyond_the_limit_is_refused_before_allocation() {
        assert_eq!(result_len(DType::F32, &[1 << 15, 1 << 15]).unwrap(), 1 << 30);
        assert!(matches!(result_len(DType::F64, &[1 << 15, 1 << 15]), Err(OpError::TooLarge(_))));
        assert!(matches!(result_len(DType::U8, &[usize::MAX, 2]), Err(OpError::TooLarge(_))));
    }

    #[test]
    fn an_empty_shape_is_small_whatever_its_other_dimensions() {
        assert_eq!(result_len(DType::F32, &[usize::MAX, 0]).unwrap(), 0);
    }
}
