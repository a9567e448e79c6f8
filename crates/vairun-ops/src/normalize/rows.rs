//! Rows of numbers, each computed in float64.

use rayon::prelude::*;
use vairun_tensor::Tensor;

use crate::common::axes::around;
use crate::common::broadcast::broadcast_shape;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::movement::expand::expand;

/// Elements from which on more than one thread takes part.
const PARALLEL: usize = 1 << 15;

/// Each row of `length` elements through `f`, which is given the number of the row and its elements.
pub(super) fn map_rows<T: Number>(
    x: &[T],
    length: usize,
    f: impl Fn(usize, &mut [f64]) + Sync,
) -> Vec<T> {
    let mut y = x.to_vec();
    let length = length.max(1);
    let one = |wide: &mut Vec<f64>, (i, row): (usize, &mut [T])| {
        T::all_to_f64(row, wide);
        f(i, wide);
        T::all_from_f64(wide, row);
    };
    if x.len() < PARALLEL {
        let mut wide = Vec::with_capacity(length);
        y.chunks_mut(length).enumerate().for_each(|row| one(&mut wide, row));
    } else {
        let rows = y.par_chunks_mut(length).enumerate();
        let rows = rows.with_min_len((PARALLEL / 4 / length).max(1));
        rows.for_each_init(|| Vec::with_capacity(length), one);
    }
    y
}

/// As [`map_rows`] along any axis: elements that are apart are gathered and put back.
pub(super) fn map_along<T: Number>(
    x: &[T],
    shape: &[usize],
    axis: usize,
    f: impl Fn(&mut [f64]) + Sync,
) -> Vec<T> {
    let (_, length, inner) = around(shape, axis);
    if inner == 1 {
        return map_rows(x, length, |_, row| f(row));
    }
    let mut y = x.to_vec();
    let mut wide = vec![0.0; length];
    for block in y.chunks_exact_mut((length * inner).max(1)) {
        for column in 0..inner {
            let places = || (0..length).map(|i| i * inner + column);
            wide.iter_mut().zip(places()).for_each(|(wide, at)| *wide = block[at].to_f64());
            f(&mut wide);
            wide.iter().zip(places()).for_each(|(&wide, at)| block[at] = T::from_f64(wide));
        }
    }
    y
}

/// The elements of `x` in float64, repeated to `shape` where it is smaller.
pub(super) fn wide<T: Number>(x: &Tensor, shape: &[usize]) -> Result<Vec<f64>, OpError> {
    if broadcast_shape(&[shape, x.shape()])? != shape {
        return Err(wrong_shape("Scale", x.shape(), format!("at most {shape:?}")));
    }
    let x = expand(x, shape)?;
    Ok(x.as_slice::<T>()?.iter().map(|x| x.to_f64()).collect())
}

/// The only dimension of a parameter must be `n`.
pub(super) fn expect_vector(x: &Tensor, n: usize, name: &str) -> Result<(), OpError> {
    if x.shape() == [n] { Ok(()) } else { Err(wrong_shape(name, x.shape(), format!("[{n}]"))) }
}
