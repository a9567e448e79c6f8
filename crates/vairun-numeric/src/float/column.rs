//! Products with a single column: the vectors run over rows of weights.

#![allow(unsafe_code)]

use std::ops::Range;

use super::left::Left;
use super::vector::{Body, Kernels, LANES, Set, Vector};

/// Panels of weights at once: enough sums to hide the latency of the additions of what memory gives.
pub(super) const AT_ONCE: usize = 4;

/// Up to [`AT_ONCE`] panels times one column.
pub(super) struct Column<'a> {
    pub(super) left: &'a Left,
    pub(super) panels: Range<usize>,
    pub(super) terms: Range<usize>,
    /// Where each term stands behind b.
    pub(super) places: *const usize,
    pub(super) b: *const f32,
    /// One for each row of `left`, where the sums are finished.
    pub(super) bias: Option<&'a [f32]>,
    /// The result for row 0 of `left`.
    pub(super) c: *mut f32,
    /// Elements from one row to the next.
    pub(super) c_step: usize,
}

impl Body for &Column<'_> {
    #[inline(always)]
    unsafe fn run<S: Set>(self) {
        // SAFETY: as the caller promises.
        unsafe {
            match self.panels.len() {
                AT_ONCE => self.panels::<S::Short, AT_ONCE>(self.panels.start),
                _ => self.panels.clone().for_each(|panel| self.panels::<S::Short, 1>(panel)),
            }
        }
    }
}

impl Column<'_> {
    /// # Safety
    /// There is a place for each term, readable behind b; c is writable for the rows of the panels.
    pub(super) unsafe fn compute(&self, kernels: Kernels) {
        // SAFETY: as the caller promises.
        unsafe { kernels.run(self) }
    }

    #[inline(always)]
    unsafe fn panels<V: Vector, const P: usize>(&self, panel: usize) {
        let panels: [_; P] = std::array::from_fn(|i| self.left.panel(panel + i, self.terms.start));
        let mut sums = [[0f32; LANES]; P];
        // SAFETY: as the caller promises; behind the last panel a vector may be read.
        unsafe {
            let c = |row: usize| self.c.add(row * self.c_step);
            if self.terms.start > 0 {
                for (&(first, height, _), sums) in panels.iter().zip(&mut sums) {
                    (0..height).for_each(|i| sums[i] = *c(first + i));
                }
            }
            let mut vectors = sums.map(|sums| V::load(sums.as_ptr()));
            let mut a = panels.map(|panel| panel.2.as_ptr());
            for term in 0..self.terms.len() {
                let b = V::splat(*self.b.add(*self.places.add(term)));
                for (i, sum) in vectors.iter_mut().enumerate() {
                    *sum = V::load(a[i]).mul_add(b, *sum);
                    a[i] = a[i].add(panels[i].1);
                }
            }
            for ((first, height, _), (sum, vector)) in
                panels.into_iter().zip(sums.iter_mut().zip(vectors))
            {
                vector.store(sum.as_mut_ptr());
                for i in 0..height {
                    let bias = |bias: &[f32]| sum[i] + bias[first + i];
                    *c(first + i) = self.bias.map_or(sum[i], bias);
                }
            }
        }
    }
}
