//! Depthwise convolution with AVX2: the words of two taps side by side in a lane.
//!
//! Interleaving sixteen words of two taps within each 128-bit half gives two registers for `vpmaddwd`: the channels
//! 0 .. 3 and 8 .. 11, and the others.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::finish::finish;
use super::sources::{SLACK, inside, widen};
use crate::kernel::finish::{Finish, LANES};
use crate::kernel::product::Image;
use crate::kernel::rows::Rows;
use crate::kernel::tile::Target;
use crate::kernel::weights::Element;

/// Pixels whose sums are finished together.
const PIXELS: usize = 8;
/// Words of a task at most.
const BAND: usize = 1 << 15;
/// Pixels of a task at least.
const TASK: usize = 64;
/// Products below which sharing the work costs more than it gains.
const SMALL: usize = 1 << 17;

/// The weights of a depthwise convolution.
#[derive(Clone, Debug)]
pub(in crate::kernel) struct Packed {
    element: Element,
    channels: usize,
    /// `[blocks of LANES channels, pairs of taps, 2 registers, 8 channels, 2 taps]`
    weights: Vec<i16>,
    /// A pixel of zero points, as words.
    zeros: Vec<i16>,
}

/// Memory that tasks keep.
#[derive(Default)]
struct Scratch {
    words: Vec<i16>,
    rows: Vec<*const i16>,
}

impl Packed {
    /// `weights` are `[taps, channels]`.
    pub(in crate::kernel) fn new(
        element: Element,
        weights: &[i16],
        channels: usize,
        zero: i32,
    ) -> Self {
        let taps = weights.len() / channels.max(1);
        let mut packed = vec![];
        for block in (0..channels).step_by(LANES) {
            for tap in (0..taps).step_by(2) {
                for i in 0..LANES {
                    let c = block + channel(i);
                    let weight = |tap| match tap < taps && c < channels {
                        true => weights[tap * channels + c],
                        false => 0,
                    };
                    packed.extend([weight(tap), weight(tap + 1)]);
                }
            }
        }
        let zeros = vec![zero as i16; channels.next_multiple_of(LANES)];
        Self { element, channels, weights: packed, zeros }
    }

    /// Computes one image of the result.
    ///
    /// # Safety
    /// The CPU has AVX2; `x` is an image that `rows` may read, without gaps; the target starts at the first pixel of
    /// the result and is writable for all of them.
    pub(in crate::kernel) unsafe fn image(
        &self,
        rows: &Rows,
        finish: &Finish,
        x: Image,
        target: Target,
    ) {
        let pixels = rows.pixels();
        let codes = (rows.input * self.channels).div_ceil(pixels).max(1);
        let threads = rayon::current_num_threads();
        let shared = threads > 1 && rows.table.len() * self.channels >= SMALL;
        let fair = if shared { pixels.div_ceil(2 * threads) } else { pixels };
        let task = (BAND / codes).max(TASK).min(fair);
        let start = target.start as usize;
        let run = |i: usize| {
            let range = i * task..pixels.min((i + 1) * task);
            let start = (start + range.start * target.stride) as *mut u8;
            // SAFETY: as the caller promises; no two tasks write the same pixels.
            unsafe { self.task(rows, finish, x, range, Target { start, ..target }) };
        };
        match (shared, pixels.div_ceil(task)) {
            (true, tasks) => (0..tasks).into_par_iter().for_each(run),
            (false, tasks) => (0..tasks).for_each(run),
        }
    }

    /// # Safety
    /// As [`Packed::image`]; the target starts at the first of the pixels.
    unsafe fn task(
        &self,
        rows: &Rows,
        finish: &Finish,
        x: Image,
        pixels: Range<usize>,
        target: Target,
    ) {
        thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
        let table = &rows.table[pixels.start * rows.taps..pixels.end * rows.taps];
        SCRATCH.with_borrow_mut(|scratch| {
            // SAFETY: as the caller promises.
            unsafe {
                self.point(scratch, x, table);
                let mut target = target;
                for rows_of in scratch.rows.chunks(PIXELS * rows.taps) {
                    self.tile(finish, rows_of, rows.taps, target);
                    target.start = target.start.wrapping_add(PIXELS * target.stride);
                }
            }
        });
    }

    /// Where the taps of each pixel are read, as words: `LANES` channels at a time may be.
    ///
    /// # Safety
    /// As [`Packed::image`].
    #[target_feature(enable = "avx2")]
    unsafe fn point(&self, scratch: &mut Scratch, x: Image, table: &[u32]) {
        let inside = inside(table);
        let bytes = self.channels * self.element.bytes();
        let start = (x.start + inside.start * bytes) as *const u8;
        // SAFETY: these pixels are of x.
        let words = unsafe {
            match self.element {
                Element::Byte => widen(
                    std::slice::from_raw_parts(start, inside.len() * bytes),
                    &mut scratch.words,
                ),
                Element::Word if !self.channels.is_multiple_of(LANES) => {
                    let words = inside.len() * self.channels;
                    scratch.words.clear();
                    scratch
                        .words
                        .extend_from_slice(std::slice::from_raw_parts(start.cast(), words));
                    scratch.words.resize(words + SLACK, 0);
                }
                Element::Word => {}
            }
            match self.element {
                Element::Word if self.channels.is_multiple_of(LANES) => start.cast(),
                _ => scratch.words.as_ptr(),
            }
        };
        scratch.rows.clear();
        scratch.rows.extend(table.iter().map(|&at| match at {
            Rows::PADDING => self.zeros.as_ptr(),
            at => words.wrapping_add((at as usize - inside.start) * self.channels),
        }));
    }

    /// Up to [`PIXELS`] pixels.
    ///
    /// # Safety
    /// The CPU has AVX2; the rows `[pixels, taps]` are readable for all blocks; the target is writable.
    #[target_feature(enable = "avx2")]
    unsafe fn tile(&self, parameters: &Finish, rows: &[*const i16], taps: usize, target: Target) {
        let mut sums = [0i32; PIXELS * LANES];
        let length = 2 * LANES * taps.div_ceil(2);
        for (block, weights) in self.weights.chunks_exact(length.max(1)).enumerate() {
            let first = block * LANES;
            let pixels = rows.chunks(2 * taps).zip(sums.chunks_mut(2 * LANES));
            // SAFETY: as the caller promises.
            unsafe {
                for (rows, sums) in pixels {
                    match rows.len() == 2 * taps {
                        true => pixel_sums::<2>(rows, first, weights, taps, sums),
                        false => pixel_sums::<1>(rows, first, weights, taps, sums),
                    }
                }
                let channels = LANES.min(target.channels - first);
                let start = target.start.wrapping_add(first * parameters.output().bytes());
                let sums = &sums[..rows.len() / taps * LANES];
                finish(&parameters.from(first), Target { start, channels, ..target }, sums);
            }
        }
    }
}

/// The channel of its block that element `i` of the two registers belongs to.
fn channel(i: usize) -> usize {
    let (register, lane) = (i / 8, i % 8);
    8 * (lane / 4) + 4 * register + lane % 4
}

/// The sums of `M` pixels and the channels from `first` on.
///
/// # Safety
/// The CPU has AVX2; each row holds [`LANES`] words from `first` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn pixel_sums<const M: usize>(
    rows: &[*const i16],
    first: usize,
    weights: &[i16],
    taps: usize,
    out: &mut [i32],
) {
    let mut sums = [[_mm256_setzero_si256(); 2]; M];
    let rows: [&[*const i16]; M] = std::array::from_fn(|m| &rows[m * taps..][..taps]);
    for (pair, weights) in weights.chunks_exact(2 * LANES).enumerate() {
        // SAFETY: as the caller promises; sixteen words each.
        unsafe {
            let lower = _mm256_loadu_si256(weights.as_ptr().cast());
            let upper = _mm256_loadu_si256(weights.as_ptr().add(LANES).cast());
            for (sums, rows) in sums.iter_mut().zip(rows) {
                let row = |tap: usize| _mm256_loadu_si256(rows[tap].add(first).cast());
                // The last of an odd number of taps stands beside itself, times 0.
                let (a, b) = (row(2 * pair), row((2 * pair + 1).min(taps - 1)));
                let product = _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), lower);
                sums[0] = _mm256_add_epi32(sums[0], product);
                let product = _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), upper);
                sums[1] = _mm256_add_epi32(sums[1], product);
            }
        }
    }
    for (sums, out) in sums.into_iter().zip(out.chunks_exact_mut(LANES)) {
        let halves = [
            _mm256_permute2x128_si256::<0x20>(sums[0], sums[1]),
            _mm256_permute2x128_si256::<0x31>(sums[0], sums[1]),
        ];
        for (half, out) in halves.into_iter().zip(out.chunks_exact_mut(8)) {
            // SAFETY: eight elements of room.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), half) };
        }
    }
}
