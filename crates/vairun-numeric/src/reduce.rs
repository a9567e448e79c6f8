//! Folding the elements along an axis into one.
//!
//! The order is fixed: along rows, eight accumulators run side by side and are joined at the end; across rows, one
//! accumulator a column. So the bits are the same on every machine and for any number of threads.

use crate::vector::{Loop, widest};

/// How elements become one: where it starts, how an element joins, how two accumulators join.
///
/// All three are inlined into the loops; keep them small.
#[derive(Clone, Copy, Debug)]
pub struct Fold<A, S, J> {
    /// The value for no elements; it changes nothing when it joins.
    pub identity: A,
    /// An accumulator and the next element.
    pub step: S,
    /// Two accumulators.
    pub join: J,
}

const LANES: usize = 8;

struct Rows<'a, T, A, S, J> {
    x: &'a [T],
    length: usize,
    fold: Fold<A, S, J>,
}

impl<T: Copy, A: Copy, S: Fn(A, T) -> A, J: Fn(A, A) -> A> Loop for Rows<'_, T, A, S, J> {
    type Output = Vec<A>;

    #[inline(always)]
    fn run(self) -> Vec<A> {
        let Fold { identity, step, join } = self.fold;
        let mut folded = Vec::with_capacity(self.x.len() / self.length);
        for row in self.x.chunks_exact(self.length) {
            let mut lanes = [identity; LANES];
            let chunks = row.chunks_exact(LANES);
            let rest = chunks.remainder();
            for chunk in chunks {
                for (lane, &x) in lanes.iter_mut().zip(chunk) {
                    *lane = step(*lane, x);
                }
            }
            for (lane, &x) in lanes.iter_mut().zip(rest) {
                *lane = step(*lane, x);
            }
            let [a, b, c, d, e, f, g, h] = lanes;
            folded.push(join(join(join(a, b), join(c, d)), join(join(e, f), join(g, h))));
        }
        folded
    }
}

/// Each row of `length` elements as one. `x` must be a whole number of rows; a `length` of 0 gives no rows.
pub fn rows<T: Copy, A: Copy>(
    x: &[T],
    length: usize,
    fold: Fold<A, impl Fn(A, T) -> A, impl Fn(A, A) -> A>,
) -> Vec<A> {
    if length == 0 {
        return Vec::new();
    }
    assert!(x.len().is_multiple_of(length), "{} elements in rows of {length}", x.len());
    widest(Rows { x, length, fold })
}

struct Columns<'a, T, A, S> {
    x: &'a [T],
    length: usize,
    inner: usize,
    identity: A,
    step: S,
}

impl<T: Copy, A: Copy, S: Fn(A, T) -> A> Loop for Columns<'_, T, A, S> {
    type Output = Vec<A>;

    #[inline(always)]
    fn run(self) -> Vec<A> {
        let block = self.length * self.inner;
        let mut folded = vec![self.identity; self.x.len() / block * self.inner];
        for (x, out) in self.x.chunks_exact(block).zip(folded.chunks_exact_mut(self.inner)) {
            for row in x.chunks_exact(self.inner) {
                for (folded, &x) in out.iter_mut().zip(row) {
                    *folded = (self.step)(*folded, x);
                }
            }
        }
        folded
    }
}

/// The middle dimension of `[outer, length, inner]` folded: `[outer, inner]`. `length` and `inner` must not be 0.
pub fn columns<T: Copy, A: Copy>(
    x: &[T],
    (length, inner): (usize, usize),
    identity: A,
    step: impl Fn(A, T) -> A,
) -> Vec<A> {
    assert!(x.len().is_multiple_of(length * inner), "{} elements in blocks", x.len());
    widest(Columns { x, length, inner, identity, step })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum() -> Fold<f64, impl Fn(f64, f32) -> f64, impl Fn(f64, f64) -> f64> {
        Fold { identity: 0.0, step: |a: f64, x: f32| a + f64::from(x), join: |a, b| a + b }
    }

    #[test]
    fn rows_of_any_length_add_up() {
        for length in 1..40 {
            let x: Vec<f32> = (0..3 * length).map(|i| i as f32).collect();
            let want: Vec<f64> =
                x.chunks(length).map(|row| row.iter().map(|&x| f64::from(x)).sum()).collect();
            assert_eq!(rows(&x, length, sum()), want, "{length}");
        }
    }

    #[test]
    fn columns_add_up() {
        let x: Vec<f32> = (0..12).map(|i| i as f32).collect();
        assert_eq!(columns(&x, (3, 2), 0f64, |a, x| a + f64::from(x)), [6.0, 9.0, 24.0, 27.0]);
    }

    #[test]
    fn no_rows_give_nothing() {
        assert!(rows::<f32, f64>(&[], 3, sum()).is_empty());
    }
}
