//! Matrix products in float32 in one order of summation.
//!
//! `y[i, j] = Σ a[i, k] · b[k, j]`: one chain of fused multiply-adds from the first term to the last. The result depends
//! neither on the CPU nor on the number of threads.

use rayon::prelude::*;

use crate::vector::{Loop, widest};

/// Rows and columns whose sums stay in registers.
const ROWS: usize = 4;
const COLUMNS: usize = 16;

/// `[m, n]` from `a`, `[m, k]`, and `b`, `[k, n]`, all row-major.
///
/// # Panics
/// Where the slices do not fill the shapes.
pub fn product(a: &[f32], b: &[f32], (m, k, n): (usize, usize, usize)) -> Vec<f32> {
    assert!(a.len() == m * k && b.len() == k * n, "{m} × {k} × {n}");
    let mut y = vec![0.0; m * n];
    if m * k * n > 0 {
        let tasks = y.par_chunks_mut(ROWS * n).zip(a.par_chunks(ROWS * k));
        tasks.for_each(|(y, a)| widest(Panel { a, b, y, k, n }));
    }
    y
}

/// Up to [`ROWS`] rows of the result.
struct Panel<'a> {
    a: &'a [f32],
    b: &'a [f32],
    y: &'a mut [f32],
    k: usize,
    n: usize,
}

impl Loop for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let whole = self.n / COLUMNS * COLUMNS;
        for column in (0..whole).step_by(COLUMNS) {
            self.tile::<COLUMNS>(column);
        }
        for column in whole..self.n {
            self.tile::<1>(column);
        }
    }
}

impl Panel<'_> {
    /// Writes `WIDTH` columns.
    #[inline(always)]
    fn tile<const WIDTH: usize>(&mut self, column: usize) {
        let rows = self.y.len() / self.n;
        let mut sums = [[0f32; WIDTH]; ROWS];
        for k in 0..self.k {
            let b = &self.b[k * self.n + column..][..WIDTH];
            for (row, sums) in sums.iter_mut().enumerate() {
                // A row too many is computed again and dropped: the loops keep their lengths.
                let a = self.a[row.min(rows - 1) * self.k + k];
                for (sum, &b) in sums.iter_mut().zip(b) {
                    *sum = a.mul_add(b, *sum);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate().take(rows) {
            self.y[row * self.n + column..][..WIDTH].copy_from_slice(sums);
        }
    }
}

/// `[columns, rows]` from `[rows, columns]`.
pub fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    assert_eq!(x.len(), rows * columns);
    let mut y = vec![0.0; x.len()];
    for (row, x) in x.chunks_exact(columns.max(1)).enumerate() {
        x.iter().zip(y[row..].iter_mut().step_by(rows)).for_each(|(&x, y)| *y = x);
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(a: &[f32], b: &[f32], (m, k, n): (usize, usize, usize)) -> Vec<f32> {
        let sum = |i: usize, j: usize| {
            (0..k).fold(0f32, |sum, l| a[i * k + l].mul_add(b[l * n + j], sum))
        };
        (0..m * n).map(|at| sum(at / n, at % n)).collect()
    }

    #[test]
    fn every_shape_sums_in_the_same_order() {
        let number = |i: usize| ((i * 7919 % 1013) as f32 - 500.0) / 37.0;
        for (m, k, n) in
            [(1, 1, 1), (3, 5, 17), (4, 128, 16), (5, 129, 33), (9, 300, 20), (2, 0, 3)]
        {
            let a: Vec<f32> = (0..m * k).map(number).collect();
            let b: Vec<f32> = (0..k * n).map(|i| number(i + 11)).collect();
            let got = product(&a, &b, (m, k, n));
            let want = plain(&a, &b, (m, k, n));
            let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&got), bits(&want), "{m} × {k} × {n}");
        }
    }

    #[test]
    fn a_matrix_is_transposed() {
        assert_eq!(transposed(&[1., 2., 3., 4., 5., 6.], 2, 3), [1., 4., 2., 5., 3., 6.]);
        assert!(transposed(&[], 0, 3).is_empty());
    }
}
