//! Fills the planes of x, and packs pixels in panels.

#![allow(unsafe_code)]

use std::ops::Range;

use super::planes::{Axis, Part, Span};
use super::tile::COLUMNS;
use super::vector::LANES;
use crate::vector::{Loop, widest};

/// Elements behind the last plane that may be spoiled.
pub(super) const SPILL: usize = LANES;

/// Fills the planes of some channels, each `part.step` behind the one before, from x, where they follow each other.
///
/// Rows are written from first to last in whole vectors, and spoil what comes behind them.
///
/// # Panics
/// Where `to` does not hold the planes and [`SPILL`] elements.
pub(super) fn fill(part: &Part, padding: f32, x: &[f32], to: &mut [f32]) {
    let channels = x.len() / part.planes.input();
    assert!(to.len() >= channels * part.step + SPILL, "room for the planes");
    widest(Fill { part, padding, x, to });
}

struct Fill<'a> {
    part: &'a Part<'a>,
    padding: f32,
    x: &'a [f32],
    to: &'a mut [f32],
}

impl Loop for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { part, padding, x, to } = self;
        let input = part.planes.input();
        for number in 0..x.len() / input {
            let (x, to) = (&x[number * input..], to[number * part.step..].as_mut_ptr());
            // SAFETY: the planes of a channel are no longer than a step; behind them is room for a vector.
            unsafe {
                match part.planes.axes[2].stride {
                    1 => channel::<1>(part, padding, x, to),
                    2 => channel::<2>(part, padding, x, to),
                    4 => channel::<4>(part, padding, x, to),
                    _ => channel::<0>(part, padding, x, to),
                }
            }
        }
    }
}

/// The planes of the channel at the start of x; `STEP` is the stride of its rows, 0 for any.
///
/// # Safety
/// `to` holds the planes and [`SPILL`] elements.
#[inline(always)]
unsafe fn channel<const STEP: usize>(part: &Part, padding: f32, x: &[f32], mut to: *mut f32) {
    let [z, y, last] = &part.planes.axes;
    let [z_first, y_first, _] = part.area.first;
    let length = part.lengths[2];
    for &z_phase in &z.phases {
        for &y_phase in &y.phases {
            for &span in &part.spans {
                for at_z in z_first..z_first + part.lengths[0] {
                    for at_y in y_first..y_first + part.lengths[1] {
                        // SAFETY: a row of the planes.
                        unsafe {
                            match source(z, z_phase, at_z).zip(source(y, y_phase, at_y)) {
                                Some((z, at)) if span.first < span.end => {
                                    let x = &x[(z * y.input + at) * last.input + span.from..];
                                    row::<STEP>(span, last.stride, padding, x, length, to);
                                }
                                _ => pad(padding, 0, length, to),
                            }
                            to = to.add(length);
                        }
                    }
                }
            }
        }
    }
}

/// The place in x of place `at` of a phase.
#[inline(always)]
fn source(axis: &Axis, phase: usize, at: usize) -> Option<usize> {
    (at * axis.stride + phase).checked_sub(axis.pad).filter(|&place| place < axis.input)
}

/// A row of `length` elements; x starts with the first one that it reads.
///
/// # Safety
/// `to` holds the row and [`SPILL`] elements.
#[inline(always)]
unsafe fn row<const STEP: usize>(
    span: Span,
    stride: usize,
    padding: f32,
    x: &[f32],
    length: usize,
    to: *mut f32,
) {
    let Span { first, end, .. } = span;
    let count = end - first;
    let whole = match STEP {
        0 => 0,
        _ => count.div_ceil(LANES).min(x.len() / (LANES * STEP)) * LANES,
    };
    // SAFETY: within the row, or a vector behind it; x holds whole vectors, and all that a span reads.
    unsafe {
        pad(padding, 0, first, to);
        let inner = to.add(first);
        for at in (0..whole).step_by(4) {
            four::<STEP>(x.as_ptr().add(at * STEP), inner.add(at));
        }
        for at in whole..count {
            *inner.add(at) = *x.get_unchecked(at * stride);
        }
        pad(padding, end, length, to);
    }
}

/// Writes the padding from `first` to before `end`, and somewhat behind.
///
/// # Safety
/// `to` holds them and [`SPILL`] elements.
#[inline(always)]
unsafe fn pad(padding: f32, first: usize, end: usize, to: *mut f32) {
    let mut at = first;
    while at < end {
        // SAFETY: as the caller promises.
        unsafe { to.add(at).cast::<[f32; LANES]>().write_unaligned([padding; LANES]) };
        at += LANES;
    }
}

/// Every `STEP`th of `4 · STEP` elements. The compiler makes no shuffles of the plain form.
///
/// # Safety
/// The pointers hold them.
#[inline(always)]
unsafe fn four<const STEP: usize>(from: *const f32, to: *mut f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64; as the caller promises.
    unsafe {
        use std::arch::x86_64::{_mm_loadu_ps, _mm_shuffle_ps, _mm_storeu_ps};
        const EVENS: i32 = 0b10_00_10_00;
        let at = |i: usize| _mm_loadu_ps(from.add(4 * i));
        match STEP {
            2 => return _mm_storeu_ps(to, _mm_shuffle_ps::<EVENS>(at(0), at(1))),
            4 => {
                let (low, high) =
                    (_mm_shuffle_ps::<EVENS>(at(0), at(1)), _mm_shuffle_ps::<EVENS>(at(2), at(3)));
                return _mm_storeu_ps(to, _mm_shuffle_ps::<EVENS>(low, high));
            }
            _ => {}
        }
    }
    // SAFETY: as the caller promises.
    unsafe {
        match STEP {
            1 => to.cast::<[f32; 4]>().write_unaligned(from.cast::<[f32; 4]>().read_unaligned()),
            _ => (0..4).for_each(|i| *to.add(i) = *from.add(i * STEP)),
        }
    }
}

/// Packs the pixels `pixels` of x, whose terms stand `step` apart, in panels of `panel` elements.
///
/// # Panics
/// Where x does not hold the pixels of all terms, or `panels` the panels.
pub(super) fn pack(x: &[f32], step: usize, pixels: Range<usize>, panel: usize, panels: &mut [f32]) {
    widest(Pack { x, step, pixels, panel, panels });
}

struct Pack<'a> {
    x: &'a [f32],
    step: usize,
    pixels: Range<usize>,
    panel: usize,
    panels: &'a mut [f32],
}

impl Loop for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let whole = self.pixels.len() / COLUMNS;
        for term in 0..self.panel / COLUMNS {
            let from = &self.x[term * self.step..][self.pixels.clone()];
            for (i, from) in from.chunks_exact(COLUMNS).enumerate() {
                let to = &mut self.panels[i * self.panel + term * COLUMNS..][..COLUMNS];
                to.copy_from_slice(from);
            }
            let rest = &from[whole * COLUMNS..];
            if !rest.is_empty() {
                let to = &mut self.panels[whole * self.panel + term * COLUMNS..][..COLUMNS];
                rest.iter().zip(to).for_each(|(&x, to)| *to = x);
            }
        }
    }
}
