//! The tile with AVX2: up to [`PIXELS`] pixels times sixteen channels, in registers.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;

use super::pack::{Block, STEP};
use crate::kernel::finish::LANES;
use crate::kernel::weights::Element;

/// Pixels of a tile at most: two sums, and with them two codes and two weights of a pair of steps, fill the registers.
pub(super) const PIXELS: usize = 5;

/// What a tile reads: for each tap, `pixels` rows of codes.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) pixels: usize,
    /// Rows of the codes as they are stored.
    pub(super) stored: &'a [*const u8],
    /// Rows of the codes as words; the same places, none where no block asks for them.
    pub(super) words: &'a [*const i16],
    /// Codes from the start of a row to the first that is meant.
    pub(super) offset: usize,
}

/// The sums of a tile, `[pixels, LANES]`.
#[repr(align(32))]
pub(super) struct Sums(pub(super) [i32; PIXELS * LANES]);

/// The sums of a block.
///
/// # Safety
/// The CPU has AVX2; the rows are readable for the steps of the block.
pub(super) unsafe fn sums(element: Element, block: &Block, sources: Sources, sums: &mut Sums) {
    macro_rules! by_pixels {
        ($($pixels:literal)*) => {
            match (sources.pixels, element) {
                $(($pixels, Element::Byte) => unsafe { bytes::<$pixels>(block, sources, sums) },
                ($pixels, Element::Word) => unsafe { words::<$pixels>(block, sources, sums) },)*
                _ => unreachable!("tiles have at most PIXELS pixels"),
            }
        };
    }
    by_pixels!(1 2 3 4 5);
}

type Registers<const M: usize> = [[__m256i; 2]; M];

/// # Safety
/// As [`sums`]; the tile has `M` pixels.
#[target_feature(enable = "avx2")]
unsafe fn bytes<const M: usize>(block: &Block, sources: Sources, out: &mut Sums) {
    let mut sums: Registers<M> = [[_mm256_setzero_si256(); 2]; M];
    let one = _mm256_set1_epi16(1);
    let (mut w, mut at) = (block.weights.as_ptr(), block.places.as_ptr());
    // SAFETY: the weights hold 64 bytes for each step and the places one number; the rows as the caller promises.
    unsafe {
        for (tap, counts) in block.counts.iter().enumerate() {
            let rows = rows::<M, _>(sources.stored, tap, sources.offset);
            for _ in 0..counts.pairs {
                let (first, second) = (*at as usize, *at.add(1) as usize);
                let weights = [load(w), load(w.add(32)), load(w.add(64)), load(w.add(96))];
                for m in 0..M {
                    let (x, y) = (four(rows[m].add(first)), four(rows[m].add(second)));
                    for n in 0..2 {
                        let a = _mm256_maddubs_epi16(x, weights[n]);
                        let b = _mm256_maddubs_epi16(y, weights[2 + n]);
                        let sum = _mm256_madd_epi16(_mm256_add_epi16(a, b), one);
                        sums[m][n] = _mm256_add_epi32(sums[m][n], sum);
                    }
                }
                (w, at) = (w.add(128), at.add(2));
            }
            for _ in 0..counts.singles {
                let place = *at as usize;
                let weights = [load(w), load(w.add(32))];
                for m in 0..M {
                    let x = four(rows[m].add(place));
                    for n in 0..2 {
                        let sum = _mm256_madd_epi16(_mm256_maddubs_epi16(x, weights[n]), one);
                        sums[m][n] = _mm256_add_epi32(sums[m][n], sum);
                    }
                }
                (w, at) = (w.add(64), at.add(1));
            }
            if counts.wide == 0 {
                continue;
            }
            let rows = self::rows::<M, _>(sources.words, tap, sources.offset);
            for _ in 0..counts.wide {
                let place = *at as usize;
                for half in 0..STEP / 2 {
                    let wide =
                        |n: usize| _mm256_cvtepi8_epi16(_mm_loadu_si128(w.add(16 * n).cast()));
                    add_words(&mut sums, &rows, place + 2 * half, [wide(0), wide(1)]);
                    w = w.add(32);
                }
                at = at.add(1);
            }
        }
    }
    store(&sums, out);
}

/// # Safety
/// As [`sums`]; the tile has `M` pixels.
#[target_feature(enable = "avx2")]
unsafe fn words<const M: usize>(block: &Block, sources: Sources, out: &mut Sums) {
    let mut sums: Registers<M> = [[_mm256_setzero_si256(); 2]; M];
    let mut w = block.weights.as_ptr();
    // SAFETY: the weights hold 64 bytes for each step; the rows as the caller promises.
    unsafe {
        for (tap, counts) in block.counts.iter().enumerate() {
            let rows = rows::<M, _>(sources.words, tap, sources.offset);
            for step in 0..counts.wide as usize {
                add_words(&mut sums, &rows, 2 * step, [load(w), load(w.add(32))]);
                w = w.add(64);
            }
        }
    }
    store(&sums, out);
}

/// Adds the products of two words of each row.
///
/// # Safety
/// The CPU has AVX2; the rows hold them.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn add_words<const M: usize>(
    sums: &mut Registers<M>,
    rows: &[*const i16; M],
    place: usize,
    weights: [__m256i; 2],
) {
    for m in 0..M {
        // SAFETY: as the caller promises.
        let x = unsafe { four(rows[m].add(place).cast()) };
        for n in 0..2 {
            sums[m][n] = _mm256_add_epi32(sums[m][n], _mm256_madd_epi16(x, weights[n]));
        }
    }
}

#[inline(always)]
fn rows<const M: usize, T>(rows: &[*const T], tap: usize, offset: usize) -> [*const T; M] {
    std::array::from_fn(|m| rows[tap * M + m].wrapping_add(offset))
}

/// Four bytes for all channels.
///
/// # Safety
/// The CPU has AVX2; the bytes are readable.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn four(x: *const u8) -> __m256i {
    // SAFETY: as the caller promises.
    _mm256_set1_epi32(unsafe { x.cast::<i32>().read_unaligned() })
}

/// # Safety
/// The CPU has AVX2; 32 bytes are readable.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(w: *const i8) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe { _mm256_loadu_si256(w.cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store<const M: usize>(sums: &Registers<M>, out: &mut Sums) {
    for (out, &sum) in out.0.chunks_exact_mut(8).zip(sums.as_flattened()) {
        // SAFETY: eight elements of room.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), sum) };
    }
}
