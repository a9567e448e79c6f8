//! Depthwise convolution with AVX2: the words of two taps side by side in a lane.
//!
//! Interleaving sixteen words of two taps within each 128-bit half gives two registers for `vpmaddwd`: the channels
//! 0 .. 3 and 8 .. 11, and the others.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::finish::finish;
use crate::kernel::dispatch::alone;
use crate::kernel::finish::{Finish, LANES};
use crate::kernel::gather::sources::{SLACK, inside, widen};
use crate::kernel::product::Image;
use crate::kernel::rows::Rows;
use crate::kernel::tile::Target;
use crate::kernel::weights::Element;

/// Pixels whose sums are finished together.
const PIXELS: usize = 16;
/// Pixels that one pass over the weights serves.
const PASS: usize = 4;
/// Words of a task at most.
const BAND: usize = 1 << 15;
/// Pixels of a task at least.
const TASK: usize = 64;

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
    /// `[pixels, taps]`, an even number of taps: the last of an odd number stands there twice.
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
        let start = target.start as usize;
        let least = (BAND / codes).max(TASK);
        in_tasks(pixels, least, rows.reads() * self.channels, |range| {
            let start = (start + range.start * target.stride) as *mut u8;
            // SAFETY: as the caller promises; no two tasks write the same pixels.
            unsafe { self.task(rows, finish, x, range, Target { start, ..target }) };
        });
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
        let table = rows.of(pixels.clone());
        SCRATCH.with_borrow_mut(|scratch| {
            // SAFETY: as the caller promises.
            unsafe {
                self.point(scratch, x, table, rows.taps);
                let mut target = target;
                let taps = rows.taps.next_multiple_of(2);
                for rows in scratch.rows.chunks(PIXELS * taps) {
                    self.tile(finish, rows, taps, target);
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
    unsafe fn point(&self, scratch: &mut Scratch, x: Image, table: &[u32], taps: usize) {
        let inside = inside(table);
        let bytes = self.channels * self.element.bytes();
        let beyond = (self.channels.next_multiple_of(LANES) - self.channels) * self.element.bytes();
        let start = (x.start + inside.start * bytes) as *const u8;
        // SAFETY: these pixels are of x.
        let words = unsafe {
            match self.element {
                Element::Byte => widen(
                    std::slice::from_raw_parts(start, inside.len() * bytes),
                    &mut scratch.words,
                ),
                Element::Word if beyond > x.behind => {
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
                Element::Word if beyond <= x.behind => start.cast(),
                _ => scratch.words.as_ptr(),
            }
        };
        let even = taps.next_multiple_of(2);
        scratch.rows.resize(table.len() / taps * even, std::ptr::null());
        let (zeros, start) =
            (self.zeros.as_ptr(), words.wrapping_sub(inside.start * self.channels));
        for (rows, places) in scratch.rows.chunks_exact_mut(even).zip(table.chunks_exact(taps)) {
            for (row, &at) in rows.iter_mut().zip(places) {
                let inside = start.wrapping_add(at as usize * self.channels);
                *row = if at == Rows::PADDING { zeros } else { inside };
            }
            rows[even - 1] = rows[taps - 1];
        }
    }

    /// Up to [`PIXELS`] pixels.
    ///
    /// # Safety
    /// The CPU has AVX2; the rows `[pixels, taps]` are readable for all blocks; the target is writable.
    #[target_feature(enable = "avx2")]
    unsafe fn tile(&self, parameters: &Finish, rows: &[*const i16], taps: usize, target: Target) {
        let mut sums = [0i32; PIXELS * LANES];
        for (block, weights) in self.weights.chunks_exact((LANES * taps).max(1)).enumerate() {
            let first = block * LANES;
            // SAFETY: as the caller promises.
            unsafe {
                for (rows, sums) in rows.chunks(PASS * taps).zip(sums.chunks_mut(PASS * LANES)) {
                    let rows = Pass { rows, taps, first };
                    match rows.rows.len() / taps {
                        1 => rows.sums::<1>(weights, sums),
                        2 => rows.sums::<2>(weights, sums),
                        3 => rows.sums::<3>(weights, sums),
                        _ => rows.sums::<PASS>(weights, sums),
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

/// Calls `task` with ranges of `count` things, `size` of them at most, fewer where threads want some; all of them together
/// take `products` products.
pub(super) fn in_tasks(
    count: usize,
    size: usize,
    products: usize,
    task: impl Fn(Range<usize>) + Sync,
) {
    let alone = alone(products / 8);
    let fair = if alone { count } else { count.div_ceil(2 * rayon::current_num_threads()) };
    let size = size.min(fair).max(1);
    let task = |i: usize| task(i * size..count.min((i + 1) * size));
    match alone {
        true => (0..count.div_ceil(size)).for_each(task),
        false => (0..count.div_ceil(size)).into_par_iter().for_each(task),
    }
}

/// The channel of its block that element `i` of the two registers belongs to.
pub(super) fn channel(i: usize) -> usize {
    let (register, lane) = (i / 8, i % 8);
    8 * (lane / 4) + 4 * register + lane % 4
}

/// What is read for some pixels and the channels from `first` on.
#[derive(Clone, Copy)]
struct Pass<'a> {
    /// `[pixels, taps]`, an even number of taps.
    rows: &'a [*const i16],
    taps: usize,
    first: usize,
}

impl Pass<'_> {
    /// The sums of `M` pixels, `[M, LANES]`.
    ///
    /// # Safety
    /// The CPU has AVX2; each row holds [`LANES`] words from `first` on.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn sums<const M: usize>(self, weights: &[i16], out: &mut [i32]) {
        let Self { rows, taps, first } = self;
        assert!(rows.len() == M * taps && taps.is_multiple_of(2) && weights.len() == taps * LANES);
        let mut sums = [[_mm256_setzero_si256(); 2]; M];
        let mut w = weights.as_ptr();
        let mut tap = 0;
        while tap < taps {
            // SAFETY: there are M rows of so many taps, and two registers of weights for two of them; the rows as the
            // caller promises.
            unsafe {
                let (lower, upper) = (load(w), load(w.add(LANES)));
                for m in 0..M {
                    let row = rows.as_ptr().add(m * taps + tap);
                    let (a, b) = (load((*row).add(first)), load((*row.add(1)).add(first)));
                    let product = _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), lower);
                    sums[m][0] = _mm256_add_epi32(sums[m][0], product);
                    let product = _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), upper);
                    sums[m][1] = _mm256_add_epi32(sums[m][1], product);
                }
                w = w.add(2 * LANES);
            }
            tap += 2;
        }
        for (sums, out) in sums.into_iter().zip(out.chunks_exact_mut(LANES)) {
            store_crossed(sums, out);
        }
    }
}

/// The sums of sixteen channels in their order, out of two registers ([`channel`]).
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_crossed(sums: [__m256i; 2], out: &mut [i32]) {
    let out = out[..LANES].as_mut_ptr();
    let lower = _mm256_permute2x128_si256::<0x20>(sums[0], sums[1]);
    let upper = _mm256_permute2x128_si256::<0x31>(sums[0], sums[1]);
    // SAFETY: LANES elements of room.
    unsafe {
        _mm256_storeu_si256(out.cast(), lower);
        _mm256_storeu_si256(out.add(LANES / 2).cast(), upper);
    }
}

/// # Safety
/// The CPU has AVX2; sixteen words are readable.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(words: *const i16) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe { _mm256_loadu_si256(words.cast()) }
}
