//! Windows over single channels, of depthwise convolutions and pools: the vectors run along the rows of the result.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::mem::MaybeUninit;

use super::conv::grow;
use super::fill::{SPILL, fill};
use super::planes::Part;
use super::strips::copy;
use super::vector::{Body, Kernels, LANES, Set, Vector};

thread_local! {
    static PLANES: RefCell<Vec<f32>> = RefCell::default();
}

/// Elements of the planes of an area: they stay in the first cache.
pub(super) const PLANES_HELD: usize = 6 << 10;

/// What becomes of the elements that a window sees.
#[derive(Clone, Copy, Debug)]
pub(super) enum Window<'a> {
    /// Their sum with a weight for each tap, and what is added to it.
    Sum(&'a [f32], Option<f32>),
    /// The largest, by [`crate::pool::largest`].
    Largest,
}

/// Moves a window over one channel, area by area, and writes the result.
///
/// # Panics
/// Where `out` does not hold the areas, or there is not a weight for each tap.
pub(super) fn depthwise(
    kernels: Kernels,
    parts: &[Part],
    x: &[f32],
    window: Window,
    out: &mut [MaybeUninit<f32>],
) {
    let padding = match window {
        Window::Sum(..) => 0.0,
        Window::Largest => f32::NEG_INFINITY,
    };
    PLANES.with_borrow_mut(|planes| {
        for part in parts {
            // The last vector of the last row reads beyond it.
            grow(planes, part.step + SPILL.max(LANES));
            fill(part, padding, x, planes);
            let ([_, height, width], [layers, rows, count]) =
                (part.planes.output(), part.area.counts);
            for z in 0..layers {
                let [first, top, left] = part.area.first;
                let start = ((first + z) * height + top) * width + left;
                let out = &mut out[start..][..(rows - 1) * width + count];
                let taps = part.shifts.len();
                assert!(!matches!(window, Window::Sum(weights, _) if weights.len() != taps));
                let layer = Layer {
                    x: planes[z * part.lengths[1] * part.lengths[2]..].as_ptr(),
                    x_step: part.lengths[2],
                    shifts: &part.shifts,
                    window,
                    rows,
                    count,
                    to: out.as_mut_ptr().cast(),
                    to_step: width,
                };
                // SAFETY: the planes hold what the layer reads through every tap, and a vector behind; `out` holds its
                // rows.
                unsafe { kernels.run(&layer) };
            }
        }
    });
}

/// Some rows of the result.
struct Layer<'a> {
    /// What the first pixel reads through a tap without shift.
    x: *const f32,
    /// From one row to the next.
    x_step: usize,
    shifts: &'a [usize],
    window: Window<'a>,
    rows: usize,
    /// Pixels of a row.
    count: usize,
    to: *mut f32,
    to_step: usize,
}

/// Vectors of a block at most.
const VECTORS: usize = 8;

/// Rows of a block whose rows are narrower than a vector.
const NARROW: usize = 4;

impl Body for &Layer<'_> {
    #[inline(always)]
    unsafe fn run<S: Set>(self) {
        // SAFETY: as the caller promises.
        unsafe {
            match self.count.div_ceil(LANES) {
                1 if self.count < LANES => self.narrow::<S::Short>(),
                1 => self.blocks::<S::Short, 1, 4>(),
                2 => self.blocks::<S::Short, 2, 4>(),
                3 => self.blocks::<S::Short, 3, 2>(),
                4 => self.blocks::<S::Short, 4, 2>(),
                _ => {
                    for row in 0..self.rows {
                        self.wide::<S::Short>(row);
                    }
                }
            }
        }
    }
}

// SAFETY of each: x holds all that the rows read, rounded up to whole vectors; `to` holds the rows.
/// No closure holds a vector: it would be compiled without the instructions of its caller.
impl Layer<'_> {
    /// One row, in strips; the last one ends with the row.
    #[inline(always)]
    unsafe fn wide<V: Vector>(&self, row: usize) {
        let (mut first, count) = (0, self.count);
        unsafe {
            while first + VECTORS * LANES <= count {
                let at = |i: usize| first + i * LANES;
                self.block::<V, VECTORS, 1>(row, at, self.to, self.to_step);
                first += VECTORS * LANES;
            }
            match (count - first).div_ceil(LANES) {
                0 => {}
                1 => self.last::<V, 1>(row, first),
                2 => self.last::<V, 2>(row, first),
                3 => self.last::<V, 3>(row, first),
                4 => self.last::<V, 4>(row, first),
                5 => self.last::<V, 5>(row, first),
                6 => self.last::<V, 6>(row, first),
                7 => self.last::<V, 7>(row, first),
                _ => self.last::<V, 8>(row, first),
            }
        }
    }

    /// The last `N` vectors of a row of more than one vector.
    #[inline(always)]
    unsafe fn last<V: Vector, const N: usize>(&self, row: usize, first: usize) {
        let end = self.count - LANES;
        let at = |i: usize| if i + 1 == N { end } else { first + i * LANES };
        unsafe { self.block::<V, N, 1>(row, at, self.to, self.to_step) }
    }

    /// Rows of `N` vectors, `R` at once; the last rows and the last vector of a row are computed again where they would
    /// hang over.
    #[inline(always)]
    unsafe fn blocks<V: Vector, const N: usize, const R: usize>(&self) {
        let end = self.count - LANES;
        let at = |i: usize| if i + 1 == N { end } else { i * LANES };
        unsafe {
            if self.rows < R {
                for row in 0..self.rows {
                    self.block::<V, N, 1>(row, at, self.to, self.to_step);
                }
                return;
            }
            let mut row = 0;
            while row < self.rows {
                let first = row.min(self.rows - R);
                self.block::<V, N, R>(first, at, self.to, self.to_step);
                row += R;
            }
        }
    }

    /// Rows that are narrower than a vector.
    #[inline(always)]
    unsafe fn narrow<V: Vector>(&self) {
        let mut sums = [0f32; NARROW * LANES];
        let mut row = 0;
        unsafe {
            while row < self.rows {
                let (first, rows) = match self.rows < NARROW {
                    true => (row, 1),
                    false => (row.min(self.rows - NARROW), NARROW),
                };
                // Rows of the layer are found by their number: the first of the block stands at the start of `sums`.
                let aside = sums.as_mut_ptr().wrapping_sub(first * LANES);
                match rows {
                    1 => self.block::<V, 1, 1>(first, |_| 0, aside, LANES),
                    _ => self.block::<V, 1, NARROW>(first, |_| 0, aside, LANES),
                }
                for (i, sums) in sums.chunks_exact(LANES).enumerate().take(rows) {
                    copy(sums.as_ptr(), self.to.add((first + i) * self.to_step), self.count);
                }
                row += rows;
            }
        }
    }

    /// `R` rows from `row` on, `N` vectors of each, which begin where `at` says.
    #[inline(always)]
    unsafe fn block<V: Vector, const N: usize, const R: usize>(
        &self,
        row: usize,
        at: impl Fn(usize) -> usize,
        to: *mut f32,
        to_step: usize,
    ) {
        unsafe {
            let x = self.x.add(row * self.x_step);
            let mut results;
            match self.window {
                Window::Sum(weights, bias) => {
                    results = [[V::splat(0.0); N]; R];
                    for (&shift, &weight) in self.shifts.iter().zip(weights) {
                        let weight = V::splat(weight);
                        for (r, sums) in results.iter_mut().enumerate() {
                            let x = x.add(shift + r * self.x_step);
                            for (i, sum) in sums.iter_mut().enumerate() {
                                *sum = weight.mul_add(V::load(x.add(at(i))), *sum);
                            }
                        }
                    }
                    if let Some(bias) = bias {
                        let bias = V::splat(bias);
                        for sums in &mut results {
                            for sum in sums {
                                *sum = sum.add(bias);
                            }
                        }
                    }
                }
                Window::Largest => {
                    results = [[V::splat(f32::NEG_INFINITY); N]; R];
                    for &shift in self.shifts {
                        for (r, largest) in results.iter_mut().enumerate() {
                            let x = x.add(shift + r * self.x_step);
                            for (i, largest) in largest.iter_mut().enumerate() {
                                *largest = largest.largest(V::load(x.add(at(i))));
                            }
                        }
                    }
                }
            }
            for (r, results) in results.iter().enumerate() {
                let to = to.wrapping_add((row + r) * to_step);
                for (i, result) in results.iter().enumerate() {
                    result.store(to.add(at(i)));
                }
            }
        }
    }
}
