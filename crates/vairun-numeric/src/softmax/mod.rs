//! Shares of a whole in float64.

mod across;

pub use across::softmax_across;

use crate::reduce::{Fold, rows};
use crate::transcendental::exp_all;
use crate::vector::{Loop, widest};

/// `e^(x - max) / Σ e^(x - max)` of a row, in place. A NaN makes all of them NaN; nothing stays nothing.
pub fn softmax(row: &mut [f64]) {
    below_largest(row);
    exp_all(row);
    let fold = Fold { identity: 0.0, step: |a: f64, x: f64| a + x, join: |a, b| a + b };
    let total = rows(row, row.len(), fold).first().copied().unwrap_or(0.0);
    widest(Divide(row, total));
}

/// `x - max` of a row, in place; a NaN makes all of them NaN.
pub fn below_largest(row: &mut [f64]) {
    let largest = widest(Largest(row));
    widest(Subtract(row, largest));
}

/// The largest number, NaN where there is one.
struct Largest<'a>(&'a [f64]);

impl Loop for Largest<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        const LANES: usize = 16;
        let larger = |a: f64, b: f64| if b > a { b } else { a };
        let (mut largest, mut nans) = ([f64::NEG_INFINITY; LANES], [0f64; LANES]);
        let (blocks, rest) = self.0.as_chunks::<LANES>();
        for block in blocks {
            for i in 0..LANES {
                largest[i] = larger(largest[i], block[i]);
                // 0 for every number, infinite ones too, NaN for NaN.
                nans[i] += if block[i].is_nan() { f64::NAN } else { 0.0 };
            }
        }
        let ends = largest.into_iter().chain(rest.iter().copied()).fold(f64::NEG_INFINITY, larger);
        let nan = nans.into_iter().sum::<f64>().is_nan() || rest.iter().any(|x| x.is_nan());
        if nan { f64::NAN } else { ends }
    }
}

struct Subtract<'a>(&'a mut [f64], f64);

impl Loop for Subtract<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.0.iter_mut().for_each(|x| *x -= self.1);
    }
}

struct Divide<'a>(&'a mut [f64], f64);

impl Loop for Divide<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.0.iter_mut().for_each(|x| *x /= self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_make_a_whole() {
        for length in [1, 2, 15, 16, 17, 40] {
            let mut row: Vec<f64> = (0..length).map(|i| f64::from(i * 7 % 5)).collect();
            let largest = row.iter().copied().fold(0.0, f64::max);
            let e: Vec<f64> = row.iter().map(|x| (x - largest).exp()).collect();
            softmax(&mut row);
            let total: f64 = e.iter().sum();
            assert!(row.iter().zip(&e).all(|(x, e)| (x - e / total).abs() < 1e-15), "{row:?}");
        }
    }

    #[test]
    fn a_nan_is_in_all_wherever_it_stands() {
        for at in 0..35 {
            let mut row = vec![f64::NEG_INFINITY; 35];
            row[at] = f64::NAN;
            softmax(&mut row);
            assert!(row.iter().all(|x| x.is_nan()), "{at}");
        }
    }

    #[test]
    fn ends() {
        let mut row = [f64::NEG_INFINITY, 3.0];
        softmax(&mut row);
        assert_eq!(row, [0.0, 1.0]);
        softmax(&mut []);
    }
}
