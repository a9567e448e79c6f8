//! Moving elements without changing them, and the grid that a dequantizer put them on along with it.

use vairun_tensor::Tensor;

use crate::common::axes::strides;
use crate::common::dispatch::with_element;
use crate::error::OpError;

/// What becomes of the axis of a per-axis scale when elements move.
pub(crate) enum AxisAfter {
    /// The scales run along this dimension of the result, one for each index as before.
    At(usize),
    /// The scales no longer belong to one dimension, or are no longer in their order.
    Lost,
}

/// `y`, whose elements are elements of `x`, on the grid that `x` was dequantized on.
pub(crate) fn carry(x: &Tensor, axis_after: impl FnOnce(usize) -> AxisAfter, y: Tensor) -> Tensor {
    let Some(origin) = x.dequantized() else { return y };
    match origin.axis.map(axis_after) {
        None => y.on_grid_of(x, None),
        Some(AxisAfter::At(axis)) => y.on_grid_of(x, Some(axis)),
        Some(AxisAfter::Lost) => y,
    }
}

/// `y`, whose elements are elements of `tensors`, on their grid where it is one and the same for all of them.
pub(crate) fn carry_common(tensors: &[&Tensor], y: Tensor) -> Tensor {
    let Some((first, others)) = tensors.split_first() else { return y };
    let Some(origin) = first.dequantized() else { return y };
    let same = |tensor: &&Tensor| {
        tensor.dequantized().is_some_and(|other| {
            other.axis.is_none()
                && other.scale.bits_eq(&origin.scale)
                && other.zero_point.bits_eq(&origin.zero_point)
        })
    };
    if origin.axis.is_none() && others.iter().all(same) { y.on_grid_of(first, None) } else { y }
}

/// Copies a block of `shape` whose element `i` stands at `start + Σ i[k]·steps[k]` in `from`, in row-major order.
///
/// The caller has checked that every such place is in `from`.
pub(crate) fn strided<T: Clone>(
    from: &[T],
    start: usize,
    shape: &[usize],
    steps: &[isize],
    count: usize,
) -> Vec<T> {
    let mut out = Vec::with_capacity(count);
    let Some((&len, outer)) = shape.split_last() else {
        out.push(from[start].clone());
        return out;
    };
    if count == 0 {
        return out;
    }
    let (&step, outer_steps) = steps.split_last().expect("a step for each dimension");
    let mut index = vec![0; outer.len()];
    let mut at = start as isize;
    for _ in 0..count / len {
        extend_run(&mut out, from, at, len, step);
        for (place, (&dim, &step)) in index.iter_mut().zip(outer.iter().zip(outer_steps)).rev() {
            *place += 1;
            at += step;
            if *place < dim {
                break;
            }
            at -= step * dim as isize;
            *place = 0;
        }
    }
    out
}

/// The elements of `x` seen as `view`, its dimensions then in the order `perm`, as a tensor of `shape`.
///
/// The caller has checked that `view` and `shape` have as many elements as `x`.
pub(crate) fn rearranged(
    x: &Tensor,
    view: &[usize],
    perm: &[usize],
    shape: &[usize],
) -> Result<Tensor, OpError> {
    let strides = strides(view);
    let dims: Vec<_> = perm.iter().map(|&i| view[i]).collect();
    let steps: Vec<_> = perm.iter().map(|&i| strides[i] as isize).collect();
    let y = with_element!(x.dtype(), T => {
        let moved = match x.len() {
            0 => Vec::new(),
            len => strided(x.as_slice::<T>()?, 0, &dims, &steps, len),
        };
        Tensor::with_dtype(x.dtype(), shape, moved)?
    });
    Ok(carry(x, |_| AxisAfter::Lost, y))
}

fn extend_run<T: Clone>(out: &mut Vec<T>, from: &[T], at: isize, len: usize, step: isize) {
    match step {
        1 => out.extend_from_slice(&from[at as usize..][..len]),
        0 => out.extend(std::iter::repeat_n(from[at as usize].clone(), len)),
        step if step > 0 => {
            out.extend(from[at as usize..].iter().step_by(step as usize).take(len).cloned());
        }
        step => out.extend((0..len as isize).map(|i| from[(at + i * step) as usize].clone())),
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Dequantized;

    use super::*;

    #[test]
    fn strides_may_be_negative_or_zero() {
        let from = [0, 1, 2, 3, 4, 5];
        assert_eq!(strided(&from, 5, &[2, 3], &[-3, -1], 6), [5, 4, 3, 2, 1, 0]);
        assert_eq!(strided(&from, 0, &[2, 2], &[0, 2], 4), [0, 2, 0, 2]);
        assert_eq!(strided(&from, 4, &[], &[], 1), [4]);
        assert!(strided(&from, 0, &[0, 3], &[3, 1], 0).is_empty());
    }

    fn dequantized(axis: Option<usize>) -> Tensor {
        let (scale, zero_point) = (Tensor::scalar(0.5f32), Tensor::scalar(0i32));
        Tensor::vector(vec![1f32, 2.0])
            .with_dequantized(Dequantized::on_grid(scale, zero_point, axis))
    }

    #[test]
    fn moved_numbers_stay_on_their_grid() {
        let y = || Tensor::vector(vec![2f32, 1.0]);
        let moved = carry(&dequantized(None), |_| AxisAfter::Lost, y());
        assert_eq!(moved.codes().unwrap().as_slice::<i8>().unwrap(), [4, 2]);
        assert!(carry(&dequantized(Some(0)), |_| AxisAfter::Lost, y()).dequantized().is_none());
        let moved = carry(&dequantized(Some(0)), AxisAfter::At, y());
        assert_eq!(moved.dequantized().unwrap().axis, Some(0));
    }

    #[test]
    fn a_grid_is_common_only_where_all_share_it() {
        let (a, b) = (dequantized(None), dequantized(None));
        let y = || Tensor::vector(vec![1f32]);
        assert!(carry_common(&[&a, &b], y()).dequantized().is_some());
        assert!(carry_common(&[&a, &dequantized(Some(0))], y()).dequantized().is_none());
        assert!(carry_common(&[&a, &Tensor::scalar(1f32)], y()).dequantized().is_none());
    }
}
