//! Many rows at once: vectors hold an element of each.

use rayon::prelude::*;

use crate::transcendental::ExpAll;
use crate::vector::{Loop, widest};

/// Rows side by side.
const WIDTH: usize = 16;

/// Accumulators of the sum of a row, as in [`crate::reduce`].
const LANES: usize = 8;

/// Elements from which on more than one thread takes part, and of one task at least.
const PARALLEL: usize = 1 << 15;
const TASK: usize = 1 << 13;

/// [`super::softmax`] along the middle dimension of `[outer, length, inner]`, rounded to float32: for rows that are too
/// short for vectors of their own, or whose elements are apart. Bit for bit what each row gives for itself.
///
/// # Panics
/// Where x is no whole number of `length · inner` elements.
pub fn softmax_across(x: &[f32], length: usize, inner: usize) -> Vec<f32> {
    let block = length * inner;
    let mut y = vec![0f32; x.len()];
    if x.is_empty() {
        return y;
    }
    assert!(x.len().is_multiple_of(block), "{} elements in blocks of {block}", x.len());
    let task = match inner {
        1 => length * WIDTH * TASK.div_ceil(length * WIDTH),
        _ => block,
    };
    if x.len() < PARALLEL {
        widest(Across { x, y: &mut y, length, inner });
    } else {
        let tasks = y.par_chunks_mut(task).zip(x.par_chunks(task));
        tasks.for_each(|(y, x)| widest(Across { x, y, length, inner }));
    }
    y
}

struct Across<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    length: usize,
    inner: usize,
}

impl Loop for Across<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, y, length, inner } = self;
        let mut wide = vec![[0f64; WIDTH]; length];
        if inner == 1 {
            let rows = x.chunks(length * WIDTH).zip(y.chunks_mut(length * WIDTH));
            for (x, y) in rows {
                for (w, x) in x.chunks_exact(length).enumerate() {
                    wide.iter_mut().zip(x).for_each(|(wide, &x)| wide[w] = x.into());
                }
                shares(&mut wide);
                for (w, y) in y.chunks_exact_mut(length).enumerate() {
                    y.iter_mut().zip(&wide).for_each(|(y, wide)| *y = wide[w] as f32);
                }
            }
            return;
        }
        let blocks = x.chunks_exact(length * inner).zip(y.chunks_exact_mut(length * inner));
        for (x, y) in blocks {
            for first in (0..inner).step_by(WIDTH) {
                let count = WIDTH.min(inner - first);
                for (wide, x) in wide.iter_mut().zip(x.chunks_exact(inner)) {
                    let x = &x[first..first + count];
                    wide.iter_mut().zip(x).for_each(|(wide, &x)| *wide = x.into());
                }
                shares(&mut wide);
                for (y, wide) in y.chunks_exact_mut(inner).zip(&wide) {
                    let y = &mut y[first..first + count];
                    y.iter_mut().zip(wide).for_each(|(y, &wide)| *y = wide as f32);
                }
            }
        }
    }
}

/// Each column as shares of its whole. What stands in columns that are not meant is any numbers.
#[inline(always)]
fn shares(x: &mut [[f64; WIDTH]]) {
    let (mut largest, mut nans) = ([f64::NEG_INFINITY; WIDTH], [0f64; WIDTH]);
    for x in &*x {
        for w in 0..WIDTH {
            largest[w] = if x[w] > largest[w] { x[w] } else { largest[w] };
            nans[w] += if x[w].is_nan() { f64::NAN } else { 0.0 };
        }
    }
    for w in 0..WIDTH {
        largest[w] = if nans[w].is_nan() { f64::NAN } else { largest[w] };
    }
    for x in &mut *x {
        for w in 0..WIDTH {
            x[w] -= largest[w];
        }
    }
    ExpAll(x.as_flattened_mut()).run();
    let mut lanes = [[0f64; WIDTH]; LANES];
    for x in x.chunks(LANES) {
        for (lane, x) in lanes.iter_mut().zip(x) {
            for w in 0..WIDTH {
                lane[w] += x[w];
            }
        }
    }
    // Joined as those of a row are.
    let [a, b, c, d, e, f, g, h] = &lanes;
    let mut total = [0f64; WIDTH];
    for w in 0..WIDTH {
        total[w] = ((a[w] + b[w]) + (c[w] + d[w])) + ((e[w] + f[w]) + (g[w] + h[w]));
    }
    for x in &mut *x {
        for w in 0..WIDTH {
            x[w] /= total[w];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::softmax;
    use super::*;

    /// Row by row.
    fn expected(x: &[f32], length: usize, inner: usize) -> Vec<f32> {
        let mut y = vec![0f32; x.len()];
        let block = length * inner;
        for start in (0..x.len()).step_by(block) {
            for column in 0..inner {
                let at = |i: usize| start + i * inner + column;
                let mut row: Vec<f64> = (0..length).map(|i| x[at(i)].into()).collect();
                softmax(&mut row);
                row.iter().enumerate().for_each(|(i, &share)| y[at(i)] = share as f32);
            }
        }
        y
    }

    #[test]
    fn each_row_has_the_bits_that_it_has_alone() {
        let wild = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e30, 0.0, -0.0, 3e38];
        for (outer, length, inner) in [
            (1, 1, 1),
            (40, 2, 1),
            (17, 3, 1),
            (5, 9, 1),
            (33, 40, 1),
            (1, 2, 20),
            (3, 7, 16),
            (2, 21, 33),
            (9000, 2, 1),
            (20, 5, 700),
        ] {
            let n = outer * length * inner;
            let number = |i: usize| match i * 7 % 23 {
                0 if i.is_multiple_of(5) => wild[i / 5 % wild.len()],
                _ => ((i * 7919 % 2003) as f32 - 1000.0) / 60.0,
            };
            let x: Vec<f32> = (0..n).map(number).collect();
            let bits = |y: Vec<f32>| y.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let got = bits(softmax_across(&x, length, inner));
            assert!(got == bits(expected(&x, length, inner)), "[{outer}, {length}, {inner}]");
        }
        assert!(softmax_across(&[], 3, 2).is_empty());
    }
}
