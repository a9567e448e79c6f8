//! Rows of numbers in float64, less their mean and over their deviation.
//!
//! Sums are taken in the order of [`crate::reduce`].

use crate::reduce::{Fold, rows};
use crate::vector::{Loop, widest};

/// The sum of `map(x)`; 0 of nothing.
pub fn sum(row: &[f64], map: impl Fn(f64) -> f64) -> f64 {
    let fold = Fold { identity: 0.0, step: |a, x| a + map(x), join: |a, b| a + b };
    rows(row, row.len(), fold).first().copied().unwrap_or(0.0)
}

/// The mean and the variance; NaN of nothing.
pub fn moments(row: &[f64]) -> (f64, f64) {
    let n = row.len() as f64;
    let mean = sum(row, |x| x) / n;
    (mean, sum(row, |x| (x - mean) * (x - mean)) / n)
}

/// The mean of the squares; NaN of nothing.
pub fn mean_square(row: &[f64]) -> f64 {
    sum(row, |x| x * x) / row.len() as f64
}

/// `(x - mean) · factor · scale + bias`, in place, each step rounded to float64; `scale` and `bias` have a number for each
/// of the row.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// What becomes 0 before the bias.
    pub mean: f64,
    /// The same for all.
    pub factor: f64,
    /// One for each.
    pub scale: &'a [f64],
    /// One for each, or none.
    pub bias: Option<&'a [f64]>,
}

impl Affine<'_> {
    /// Each number of the row.
    pub fn apply(&self, row: &mut [f64]) {
        widest(Applied { affine: self, row });
    }
}

struct Applied<'a> {
    affine: &'a Affine<'a>,
    row: &'a mut [f64],
}

impl Loop for Applied<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let &Affine { mean, factor, scale, bias } = self.affine;
        let scaled = |x: f64, scale: f64| (x - mean) * factor * scale;
        let row = self.row.iter_mut().zip(scale);
        match bias {
            Some(bias) => row.zip(bias).for_each(|((x, &s), bias)| *x = scaled(*x, s) + bias),
            None => row.for_each(|(x, &s)| *x = scaled(*x, s)),
        }
    }
}

/// Numbers of float32 in float64, in the place of what was there.
pub fn widen(x: &[f32], wide: &mut Vec<f64>) {
    wide.resize(x.len(), 0.0);
    widest(Widen(x, wide));
}

struct Widen<'a>(&'a [f32], &'a mut [f64]);

impl Loop for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.1.iter_mut().zip(self.0).for_each(|(wide, &x)| *wide = x.into());
    }
}

/// Numbers of float64 rounded to float32.
pub fn narrow(wide: &[f64], x: &mut [f32]) {
    widest(Narrow(wide, x));
}

struct Narrow<'a>(&'a [f64], &'a mut [f32]);

impl Loop for Narrow<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.1.iter_mut().zip(self.0).for_each(|(x, &wide)| *x = wide as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_variance_and_mean_square() {
        let row: Vec<f64> = (1..=9).map(f64::from).collect();
        assert_eq!(moments(&row), (5.0, 60.0 / 9.0));
        assert_eq!(mean_square(&row), 285.0 / 9.0);
        assert!(moments(&[]).0.is_nan() && mean_square(&[]).is_nan());
    }

    #[test]
    fn each_number_is_moved_and_scaled() {
        let (scale, bias) = ([1.0, 2.0, 3.0], [10.0, 0.0, -1.0]);
        let of = |bias| {
            let mut row = [1.0, 2.0, 4.0];
            Affine { mean: 2.0, factor: 0.5, scale: &scale, bias }.apply(&mut row);
            row
        };
        assert_eq!(of(Some(&bias[..])), [9.5, 0.0, 2.0]);
        assert_eq!(of(None), [-0.5, 0.0, 3.0]);
    }

    #[test]
    fn numbers_widen_and_are_rounded() {
        let (mut wide, mut x) = (vec![7.0; 9], [0f32; 5]);
        widen(&[0.1, -0.0, f32::INFINITY, 3.0, 1e-40], &mut wide);
        assert_eq!(wide, [f64::from(0.1f32), -0.0, f64::INFINITY, 3.0, f64::from(1e-40f32)]);
        narrow(&wide, &mut x);
        assert_eq!(x, [0.1, -0.0, f32::INFINITY, 3.0, 1e-40]);
        narrow(&[0.1, 1e300], &mut x[..2]);
        assert_eq!(x[..2], [0.1, f32::INFINITY]);
    }
}
