//! Axes counted from either end.

use crate::error::OpError;

/// The axis that `value` names in a tensor of `rank` dimensions; negative values count from the end.
///
/// # Errors
/// [`OpError::Value`] where it is outside of `-rank..rank`.
pub(crate) fn axis(value: i64, rank: usize) -> Result<usize, OpError> {
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let from_start = if value < 0 { value + signed } else { value };
    usize::try_from(from_start).ok().filter(|&axis| axis < rank).ok_or_else(|| OpError::Value {
        input: "axis".into(),
        got: value.to_string(),
        expected: if rank == 0 {
            "no axis, the tensor has no dimensions".into()
        } else {
            format!("an axis from -{rank} to {}", rank - 1)
        },
    })
}

/// The axes that `values` name, in their order.
///
/// # Errors
/// [`OpError::Value`] where one is outside of the tensor or named twice.
pub(crate) fn axes(values: &[i64], rank: usize) -> Result<Vec<usize>, OpError> {
    let mut found = Vec::with_capacity(values.len().min(rank));
    for &value in values {
        let axis = axis(value, rank)?;
        if found.contains(&axis) {
            return Err(OpError::Value {
                input: "axes".into(),
                got: format!("{values:?}"),
                expected: "each axis once".into(),
            });
        }
        found.push(axis);
    }
    Ok(found)
}

/// `(outer, length, inner)`: the dimensions before, at and after `axis`, multiplied.
pub(crate) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// The distance between neighbours along each axis in row-major order.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i].max(1);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_axes_count_from_the_end() {
        assert_eq!(axis(-1, 3).unwrap(), 2);
        assert_eq!(axis(-3, 3).unwrap(), 0);
    }

    #[test]
    fn an_axis_outside_is_named_with_what_is_inside() {
        assert_eq!(axis(3, 3).unwrap_err().to_string(), "axis is 3, expected an axis from -3 to 2");
        assert!(axis(i64::MIN, 3).is_err());
        assert!(axis(0, 0).is_err());
    }

    #[test]
    fn an_axis_named_twice_is_refused() {
        assert!(axes(&[0, -2], 2).is_err());
        assert_eq!(axes(&[1, 0], 2).unwrap(), [1, 0]);
    }

    #[test]
    fn strides_of_an_empty_tensor_do_not_vanish() {
        assert_eq!(strides(&[2, 0, 3]), [3, 3, 1]);
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
    }
}
