use std::ops::{Add, AddAssign, Div};

use super::geometry::Pool;

/// A type whose elements are compared.
pub trait Ordered: Copy + PartialOrd {
    /// Not larger than any element.
    const LEAST: Self;
}

/// A type whose elements are added and divided.
pub trait Float: Ordered + Add<Output = Self> + AddAssign + Div<Output = Self> {
    /// Nothing added yet.
    const ZERO: Self;
    /// A number of elements, rounded.
    fn count(n: usize) -> Self;
    /// |x|^p.
    fn power(self, p: i32) -> Self;
    /// The p-th root.
    fn root(self, p: i32) -> Self;
}

macro_rules! ordered {
    ($($type:ty, $least:expr;)*) => {$(
        impl Ordered for $type {
            const LEAST: Self = $least;
        }
    )*};
}

ordered! { f32, f32::NEG_INFINITY; f64, f64::NEG_INFINITY; i8, i8::MIN; u8, u8::MIN; half::f16, half::f16::NEG_INFINITY;
half::bf16, half::bf16::NEG_INFINITY; }

macro_rules! float {
    ($($type:ty),*) => {$(
        impl Float for $type {
            const ZERO: Self = 0.0;
            fn count(n: usize) -> Self {
                n as Self
            }
            fn power(self, p: i32) -> Self {
                match p {
                    1 => self.abs(),
                    2 => self * self,
                    _ => self.abs().powf(p as Self),
                }
            }
            fn root(self, p: i32) -> Self {
                match p {
                    1 => self,
                    2 => self.sqrt(),
                    _ => self.powf(1.0 / p as Self),
                }
            }
        }
    )*};
}

float!(f32, f64);

/// The larger of two elements, the first of equal ones; NaN is larger than any number.
#[inline(always)]
pub fn largest<T: Ordered>(a: T, b: T) -> T {
    // Only NaN differs from itself.
    #[allow(clippy::eq_op)]
    if b > a || b != b { b } else { a }
}

/// The largest element of each window; [`Ordered::LEAST`] where a window sees none.
#[inline(always)]
pub fn max<T: Ordered>(x: &[T], pool: &Pool) -> Vec<T> {
    fold(x, pool, T::LEAST, largest)
}

/// The mean of each window: its sum from the first element to the last, divided by their number.
///
/// With `include_padding` the elements of the padding count, as zeros. NaN where a window sees no element.
#[inline(always)]
pub fn mean<T: Float>(x: &[T], pool: &Pool, include_padding: bool) -> Vec<T> {
    let mut y = sum(x, pool);
    let counts: Vec<T> = pool.counts(include_padding).into_iter().map(T::count).collect();
    for plane in y.chunks_exact_mut(counts.len().max(1)) {
        plane.iter_mut().zip(&counts).for_each(|(sum, &n)| *sum = *sum / n);
    }
    y
}

/// The sum of each window, from its first element to its last.
#[inline(always)]
pub fn sum<T: Float>(x: &[T], pool: &Pool) -> Vec<T> {
    fold(x, pool, T::ZERO, |sum, x| sum + x)
}

/// The sum of `|x|^p` over each window.
pub fn power_sum<T: Float>(x: &[T], pool: &Pool, p: i32) -> Vec<T> {
    fold(x, pool, T::ZERO, |sum, x| sum + x.power(p))
}

/// The p-th root of each sum of [`power_sum`].
pub fn norm<T: Float>(mut sums: Vec<T>, p: i32) -> Vec<T> {
    sums.iter_mut().for_each(|sum| *sum = sum.root(p));
    sums
}

/// The largest element of each window and its place in its plane, the first of equal ones; (`LEAST`, 0) where a window
/// sees none.
pub fn argmax<T: Ordered>(x: &[T], pool: &Pool) -> Vec<(T, usize)> {
    let mut y = vec![None; pool.planes * pool.output_len()];
    each_plane(x, pool, &mut y, |best: &mut Option<(T, usize)>, x, at| match best {
        #[allow(clippy::eq_op)]
        Some((largest, _)) if !(x > *largest || (x != x && *largest == *largest)) => {}
        _ => *best = Some((x, at)),
    });
    y.into_iter().map(|best| best.unwrap_or((T::LEAST, 0))).collect()
}

/// The mean of each row of `length` elements; NaN for rows without elements.
///
/// Eight sums run side by side over the row and are added at its end: the order is the same on every machine.
#[inline(always)]
pub fn mean_of_rows<T: Float>(x: &[T], rows: usize, length: usize) -> Vec<T> {
    let n = T::count(length);
    if length == 0 {
        return vec![T::ZERO / n; rows];
    }
    x.chunks_exact(length).map(|row| row_sum(row) / n).collect()
}

#[inline(always)]
fn row_sum<T: Float>(row: &[T]) -> T {
    let mut lanes = [T::ZERO; 8];
    let chunks = row.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane += x);
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane += x);
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

#[inline(always)]
fn fold<T: Copy, A: Copy>(x: &[T], pool: &Pool, initial: A, step: impl Fn(A, T) -> A) -> Vec<A> {
    let mut y = vec![initial; pool.planes * pool.output_len()];
    each_plane(x, pool, &mut y, |y, x, _| *y = step(*y, x));
    y
}

/// Calls `step(output, element, place of the element in its plane)` for every element of every window.
#[inline(always)]
fn each_plane<T: Copy, A>(x: &[T], pool: &Pool, y: &mut [A], step: impl Fn(&mut A, T, usize)) {
    let (input, output) = (pool.input_len(), pool.output_len());
    assert_eq!(
        (x.len(), y.len()),
        (pool.planes * input, pool.planes * output),
        "lengths of input and output"
    );
    if x.is_empty() || y.is_empty() {
        return;
    }
    let stride = pool.axes.last().expect("a pool has at least one dimension").stride;
    let walk = pool.walk();
    for (x, y) in x.chunks_exact(input).zip(y.chunks_exact_mut(output)) {
        walk.visit(|outputs, from| {
            let y = &mut y[outputs];
            // Neighbours are read by whole vectors.
            match stride {
                1 => {
                    let x = &x[from..from + y.len()];
                    y.iter_mut().zip(x).enumerate().for_each(|(i, (y, &x))| step(y, x, from + i));
                }
                2 => {
                    let (last, y) = y.split_last_mut().expect("a run of outputs is not empty");
                    let end = from + 2 * y.len();
                    let pairs = x[from..end].as_chunks::<2>().0;
                    let outputs = y.iter_mut().zip(pairs).enumerate();
                    outputs.for_each(|(i, (y, pair))| step(y, pair[0], from + 2 * i));
                    step(last, x[end], end);
                }
                _ => {
                    let x = x[from..].iter().step_by(stride);
                    let outputs = y.iter_mut().zip(x).enumerate();
                    outputs.for_each(|(i, (y, &x))| step(y, x, from + i * stride));
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::geometry::PoolAxis;
    use super::*;

    fn axis(
        input: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        pads: (usize, usize),
    ) -> PoolAxis {
        let output = (input + pads.0 + pads.1 - dilation * (kernel - 1) - 1) / stride + 1;
        PoolAxis { input, output, kernel, stride, dilation, pad_begin: pads.0, pad_end: pads.1 }
    }

    /// Every window written out: for each output of a plane the places that it sees.
    fn windows(pool: &Pool) -> Vec<Vec<usize>> {
        pool.axes.iter().fold(vec![vec![0]], |outer, axis| {
            let along = |o: usize| {
                (0..axis.kernel).filter_map(move |k| {
                    (o * axis.stride + k * axis.dilation)
                        .checked_sub(axis.pad_begin)
                        .filter(|&i| i < axis.input)
                })
            };
            outer
                .iter()
                .flat_map(|places| {
                    (0..axis.output).map(move |o| {
                        places
                            .iter()
                            .flat_map(|p| along(o).map(move |i| p * axis.input + i))
                            .collect()
                    })
                })
                .collect()
        })
    }

    #[test]
    fn every_window_is_the_one_written_out() {
        for (kernel, stride, dilation, pads) in [
            (1, 1, 1, (0, 0)),
            (3, 1, 1, (1, 1)),
            (2, 2, 1, (0, 1)),
            (3, 2, 2, (1, 2)),
            (2, 3, 4, (1, 0)),
        ] {
            let axes = vec![axis(6, 2, 1, 1, (1, 0)), axis(9, kernel, stride, dilation, pads)];
            let pool = Pool { planes: 2, axes };
            let x: Vec<f64> = (0..108).map(|i| f64::from(i * 37 % 101)).collect();
            let by = |f: fn(Vec<f64>) -> f64| -> Vec<f64> {
                let one =
                    |x: &[f64], places: &Vec<usize>| f(places.iter().map(|&p| x[p]).collect());
                x.chunks(54)
                    .flat_map(|x| windows(&pool).iter().map(|p| one(x, p)).collect::<Vec<_>>())
                    .collect()
            };
            let case = (kernel, stride, dilation, pads);
            assert_eq!(
                max(&x, &pool),
                by(|w| w.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
                "{case:?}"
            );
            assert_eq!(
                mean(&x, &pool, false),
                by(|w| w.iter().sum::<f64>() / w.len() as f64),
                "{case:?}"
            );
            assert_eq!(power_sum(&x, &pool, 2), by(|w| w.iter().map(|x| x * x).sum()), "{case:?}");
        }
    }

    #[test]
    fn padding_counts_only_where_asked_and_only_the_padding() {
        // The last window reaches one beyond the padding, as ceil_mode makes it.
        let last = PoolAxis {
            input: 3,
            output: 2,
            kernel: 3,
            stride: 3,
            dilation: 1,
            pad_begin: 1,
            pad_end: 1,
        };
        let pool = Pool { planes: 1, axes: vec![last] };
        assert_eq!(mean(&[3f32, 3., 6.], &pool, false), [3., 6.]);
        assert_eq!(mean(&[3f32, 3., 6.], &pool, true), [2., 3.]);
    }

    #[test]
    fn nan_is_the_largest_and_infinities_are_numbers() {
        let pool = Pool { planes: 1, axes: vec![axis(2, 2, 1, 1, (0, 0))] };
        assert!(max(&[1f32, f32::NAN], &pool)[0].is_nan());
        assert!(max(&[f32::NAN, 1f32], &pool)[0].is_nan());
        assert_eq!(max(&[f32::NEG_INFINITY; 2], &pool), [f32::NEG_INFINITY]);
        assert_eq!(argmax(&[2u8, 2], &pool), [(2, 0)]);
    }

    #[test]
    fn a_mean_is_divided_not_multiplied() {
        // 7 · (1/49) is 0.14285715; 7 / 49 is 0.14285714.
        assert_eq!(mean_of_rows(&[[7f32].as_slice(), &[0.; 48]].concat(), 1, 49), [7f32 / 49.]);
        assert_ne!(7f32 * (1f32 / 49.), 7f32 / 49.);
    }
}
