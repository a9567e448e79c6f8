//! Slices of a tensor along an axis, and tensors stacked along a new one.

use vairun_tensor::Tensor;

use crate::common::axes::around;
use crate::common::dispatch::with_element;
use crate::common::movement::{AxisAfter, carry};
use crate::common::sizes::result_len;
use crate::error::OpError;
use crate::movement::concat::concat;
use crate::movement::gather::gather;

/// Slice `index` along `axis`, which vanishes from the shape. The caller has checked both.
pub(crate) fn slice(x: &Tensor, axis: usize, index: usize) -> Result<Tensor, OpError> {
    let mut shape = x.shape().to_vec();
    shape.remove(axis);
    let axis_after = |scales: usize| match scales {
        scales if scales < axis => AxisAfter::At(scales),
        scales if scales > axis => AxisAfter::At(scales - 1),
        _ => AxisAfter::Lost,
    };
    Ok(carry(x, axis_after, gather(x, axis, &[index], &shape)?))
}

/// The `length` slices from `start` on along `axis`. The caller has checked that they are there.
pub(crate) fn block(
    x: &Tensor,
    axis: usize,
    start: usize,
    length: usize,
) -> Result<Tensor, OpError> {
    let mut shape = x.shape().to_vec();
    shape[axis] = length;
    let len = result_len(x.dtype(), &shape)?;
    let (outer, whole, inner) = around(x.shape(), axis);
    let y = with_element!(x.dtype(), T => {
        let elements = x.as_slice::<T>()?;
        let mut out = Vec::with_capacity(len);
        for row in 0..outer {
            let from = (row * whole + start) * inner;
            out.extend_from_slice(&elements[from..from + length * inner]);
        }
        Tensor::with_dtype(x.dtype(), &shape, out)?
    });
    let axis_after = |scales| if scales == axis { AxisAfter::Lost } else { AxisAfter::At(scales) };
    Ok(carry(x, axis_after, y))
}

/// `tensors`, at least one, stacked along a new `axis`. They must be equal in type and shape.
pub(crate) fn stack(tensors: &[Tensor], axis: usize) -> Result<Tensor, OpError> {
    let grown = tensors
        .iter()
        .map(|tensor| {
            let mut shape = tensor.shape().to_vec();
            shape.insert(axis, 1);
            Ok(tensor.reshaped(&shape)?)
        })
        .collect::<Result<Vec<_>, OpError>>()?;
    concat(&grown.iter().collect::<Vec<_>>(), axis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::*;

    #[test]
    fn slices_stack_to_the_tensor_again() {
        let x = count_up(&[2, 3, 2]);
        for axis in 0..3 {
            let slices: Vec<_> =
                (0..x.shape()[axis]).map(|i| slice(&x, axis, i).unwrap()).collect();
            assert_tensor(&stack(&slices, axis).unwrap(), &x);
        }
    }
}
