//! Multidirectional broadcasting.
//!
//! Source: <https://github.com/onnx/onnx/blob/v1.19.0/docs/Broadcasting.md>.

use vairun_tensor::Tensor;

use crate::common::dispatch::with_element;
use crate::common::movement::strided;
use crate::common::sizes::result_len;
use crate::error::OpError;

/// The shape that all of `shapes` broadcast to.
///
/// # Errors
/// [`OpError::Shape`] where a dimension is neither equal nor 1.
pub(crate) fn broadcast_shape(shapes: &[&[usize]]) -> Result<Vec<usize>, OpError> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut common = vec![1; rank];
    for (index, shape) in shapes.iter().enumerate() {
        let tail = rank - shape.len();
        let fits = common[tail..].iter().zip(*shape).all(|(&a, &b)| a == b || a == 1 || b == 1);
        if !fits {
            return Err(OpError::Shape {
                input: format!("input {index}"),
                got: shape.to_vec(),
                expected: format!("one that broadcasts with {common:?}"),
            });
        }
        for (have, &dim) in common[tail..].iter_mut().zip(*shape) {
            if *have == 1 {
                *have = dim;
            }
        }
    }
    Ok(common)
}

/// How `N` row-major operands are walked in the order of a result: runs in which each operand steps by 1 or stays.
#[derive(Debug)]
pub(crate) struct Runs<const N: usize> {
    outer: Vec<(usize, [usize; N])>,
    /// Elements of a run.
    pub(crate) len: usize,
    /// The step of each operand within a run: 0 or 1.
    pub(crate) step: [usize; N],
}

impl<const N: usize> Runs<N> {
    /// For a result of `shape`, to which all of `shapes` broadcast.
    pub(crate) fn new(shape: &[usize], shapes: [&[usize]; N]) -> Self {
        let strides = shapes.map(|own| broadcast_strides(own, shape));
        // From the innermost dimension outwards; neighbours that continue each other become one.
        let mut merged: Vec<(usize, [usize; N])> = Vec::new();
        for (i, &dim) in shape.iter().enumerate().rev().filter(|&(_, &dim)| dim != 1) {
            let step = std::array::from_fn(|k| strides[k][i]);
            match merged.last_mut() {
                Some((len, inner)) if (0..N).all(|k| step[k] == inner[k] * *len) => *len *= dim,
                _ => merged.push((dim, step)),
            }
        }
        if merged.is_empty() {
            merged.push((1, [1; N]));
        }
        let (len, step) = merged.remove(0);
        merged.reverse();
        Self { outer: merged, len, step }
    }

    /// The length of the row of the second operand that is laid beside every row of the first; `None` where it is none.
    pub(crate) fn row(&self) -> Option<usize> {
        let repeated = match self.outer[..] {
            [(_, step)] => N == 2 && step[0] == self.len && step[1] == 0,
            _ => false,
        };
        (repeated && self.step.iter().all(|&step| step == 1)).then_some(self.len)
    }

    /// Calls `run` with the first element of each operand, for each run in the order of the result.
    pub(crate) fn for_each(&self, mut run: impl FnMut([usize; N])) {
        let count: usize = self.outer.iter().map(|(dim, _)| dim).product();
        if self.len == 0 {
            return;
        }
        let mut index = vec![0; self.outer.len()];
        let mut start = [0; N];
        for _ in 0..count {
            run(start);
            for (place, (dim, step)) in index.iter_mut().zip(&self.outer).rev() {
                *place += 1;
                (0..N).for_each(|k| start[k] += step[k]);
                if *place < *dim {
                    break;
                }
                (0..N).for_each(|k| start[k] -= step[k] * dim);
                *place = 0;
            }
        }
    }
}

/// The distance between neighbours of an operand along the dimensions of the result; 0 where it is repeated.
pub(crate) fn broadcast_strides(own: &[usize], shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; shape.len()];
    let tail = shape.len() - own.len();
    let mut stride = 1;
    for (i, &dim) in own.iter().enumerate().rev() {
        if dim != 1 {
            strides[tail + i] = stride;
            stride *= dim;
        }
    }
    strides
}

/// `tensor` repeated along dimensions of 1 to `shape`, which it broadcasts to; itself where it has that shape.
pub(crate) fn expanded(tensor: &Tensor, shape: &[usize]) -> Result<Tensor, OpError> {
    if tensor.shape() == shape {
        return Ok(tensor.clone());
    }
    let count = result_len(tensor.dtype(), shape)?;
    let steps = broadcast_strides(tensor.shape(), shape);
    let steps: Vec<isize> = steps.into_iter().map(usize::cast_signed).collect();
    with_element!(tensor.dtype(), T => {
        let elements = strided(tensor.as_slice::<T>()?, 0, shape, &steps, count);
        Ok(Tensor::with_dtype(tensor.dtype(), shape, elements)?)
    })
}

/// `f(a, b)` for every pair, in the order of the result that `runs` describes.
pub(crate) fn zip<A: Clone, B: Clone, C>(
    (a, b): (&[A], &[B]),
    runs: &Runs<2>,
    count: usize,
    f: impl Fn(&A, &B) -> C,
) -> Vec<C> {
    let mut out = Vec::with_capacity(count);
    let len = runs.len;
    runs.for_each(|[i, j]| match runs.step {
        [1, 1] => out.extend(a[i..i + len].iter().zip(&b[j..j + len]).map(|(x, y)| f(x, y))),
        [1, _] => {
            let y = b[j].clone();
            out.extend(a[i..i + len].iter().map(|x| f(x, &y)));
        }
        [_, 1] => {
            let x = a[i].clone();
            out.extend(b[j..j + len].iter().map(|y| f(&x, y)));
        }
        _ => out.extend((0..len).map(|_| f(&a[i], &b[j]))),
    });
    out
}

/// `x = f(x, y)` for every element `x` of `into`, which has the shape of the result; `runs` walks `(into, other)`.
pub(crate) fn zip_in_place<A, B: Clone>(
    into: &mut [A],
    other: &[B],
    runs: &Runs<2>,
    f: impl Fn(&A, &B) -> A,
) {
    let len = runs.len;
    runs.for_each(|[i, j]| {
        let run = &mut into[i..i + len];
        if runs.step[1] == 1 {
            run.iter_mut().zip(&other[j..j + len]).for_each(|(x, y)| *x = f(x, y));
        } else {
            let y = other[j].clone();
            run.iter_mut().for_each(|x| *x = f(x, &y));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(a: &[usize], b: &[usize]) -> (Vec<usize>, Vec<i32>) {
        let shape = broadcast_shape(&[a, b]).unwrap();
        let data =
            |shape: &[usize]| (0..shape.iter().product::<usize>() as i32).collect::<Vec<_>>();
        let (a_data, b_data) = (data(a), data(b));
        let count = shape.iter().product();
        let sum = zip((&a_data, &b_data), &Runs::new(&shape, [a, b]), count, |x, y| x * 100 + y);
        (shape, sum)
    }

    #[test]
    fn dimensions_align_at_the_end() {
        assert_eq!(add(&[2, 3], &[3]), (vec![2, 3], vec![0, 101, 202, 300, 401, 502]));
        assert_eq!(add(&[2, 1], &[1, 2]), (vec![2, 2], vec![0, 1, 100, 101]));
    }

    #[test]
    fn both_sides_may_grow() {
        assert_eq!(add(&[1, 2], &[2, 1, 1]), (vec![2, 1, 2], vec![0, 100, 1, 101]));
        assert_eq!(add(&[], &[2]), (vec![2], vec![0, 1]));
        assert_eq!(add(&[], &[]), (vec![], vec![0]));
    }

    #[test]
    fn a_dimension_of_zero_makes_an_empty_result() {
        assert_eq!(add(&[0, 2], &[1, 2]), (vec![0, 2], vec![]));
        assert_eq!(add(&[2, 0], &[1]), (vec![2, 0], vec![]));
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let error = broadcast_shape(&[&[2, 3], &[2]]).unwrap_err().to_string();
        assert_eq!(error, "input 1 has shape [2], expected one that broadcasts with [2, 3]");
    }

    #[test]
    fn neighbouring_dimensions_become_one_run() {
        let runs = Runs::new(&[2, 3, 4, 5], [&[2, 3, 4, 5], &[3, 1, 1]]);
        assert_eq!((runs.len, runs.step, runs.outer.len()), (20, [1, 0], 2));
        let runs = Runs::new(&[2, 3, 4], [&[2, 3, 4], &[2, 3, 4]]);
        assert_eq!((runs.len, runs.outer.len()), (24, 0));
    }

    #[test]
    fn a_tensor_is_repeated_where_it_has_one() {
        let x = Tensor::new(&[2, 1], vec![1i8, 2]).unwrap();
        let y = expanded(&x, &[2, 2, 3]).unwrap();
        assert_eq!(y.as_slice::<i8>().unwrap(), [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]);
        assert!(expanded(&x, &[0, 2, 3]).unwrap().is_empty());
    }

    #[test]
    fn in_place_equals_the_copy() {
        let mut a = vec![1, 2, 3, 4];
        zip_in_place(&mut a, &[10, 20], &Runs::new(&[2, 2], [&[2, 2], &[2]]), |x, y| x + y);
        assert_eq!(a, [11, 22, 13, 24]);
    }
}
