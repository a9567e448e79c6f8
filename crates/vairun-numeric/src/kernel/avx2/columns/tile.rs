//! The sums of some pixels side by side and sixteen channels, in registers.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;

use super::block::Block;
use crate::kernel::avx2::depthwise::store_crossed;
use crate::kernel::finish::LANES;

/// Pixels of a tile at most.
pub(super) const PIXELS: usize = 4;
/// Bytes of the weights of a column, and of three of its rows or two.
const WEIGHTS: usize = 4 * LANES;

/// How codes are multiplied: bytes as bytes, bytes as words, and words.
pub(super) const BYTES: u8 = 0;
pub(super) const WIDENED: u8 = 1;
pub(super) const WORDS: u8 = 2;

/// What a tile reads: rows `[columns, height]`, the channels from `first` on.
#[derive(Clone, Copy)]
pub(super) struct Source {
    pub(super) rows: *const *const u8,
    pub(super) height: usize,
    pub(super) first: usize,
}

/// Writes the sums `[pixels, LANES]` of a tile.
///
/// # Safety
/// The CPU has AVX2; the block is that of the form and of the height; there are rows for all columns, in which sixteen
/// codes are readable from channel `first` on.
pub(super) type Form = unsafe fn(&Block, Source, &mut [i32]);

/// The loops for one to [`PIXELS`] pixels, for a kernel of so many columns and so many from one pixel to the next.
pub(super) fn forms([run, stride]: [usize; 2], form: u8) -> Option<&'static [Form]> {
    macro_rules! forms {
        ($run:literal $stride:literal $form:ident) => {
            &[
                sums::<$run, $stride, $form, 1>,
                sums::<$run, $stride, $form, 2>,
                sums::<$run, $stride, $form, 3>,
                sums::<$run, $stride, $form, PIXELS>,
            ]
        };
    }
    Some(match (run, stride, form) {
        (3, 1, BYTES) => forms!(3 1 BYTES),
        (3, 2, BYTES) => forms!(3 2 BYTES),
        (3, 1, WIDENED) => forms!(3 1 WIDENED),
        (3, 2, WIDENED) => forms!(3 2 WIDENED),
        (5, 1, WIDENED) => forms!(5 1 WIDENED),
        (5, 2, WIDENED) => forms!(5 2 WIDENED),
        (3, 1, WORDS) => forms!(3 1 WORDS),
        (3, 2, WORDS) => forms!(3 2 WORDS),
        (5, 1, WORDS) => forms!(5 1 WORDS),
        (5, 2, WORDS) => forms!(5 2 WORDS),
        _ => return None,
    })
}

/// Columns of x that some pixels side by side read.
pub(super) const fn columns(run: usize, stride: usize, pixels: usize) -> usize {
    (pixels - 1) * stride + run
}

/// Adds the products of a column of x, where there is such a one, to the sums of the pixels whose windows hold it.
macro_rules! add_columns {
    ($block:ident, $source:ident, $sums:ident, $pair:ident; $($column:literal)*) => {{$(
        if $column < columns(RUN, STRIDE, PIXELS) {
            let codes = interleaved::<FORM>($source, $column, $pair);
            for pixel in 0..PIXELS {
                if $column >= pixel * STRIDE && $column < pixel * STRIDE + RUN {
                    let w = ($pair * RUN + $column - pixel * STRIDE) * WEIGHTS;
                    let w = $block.weights.as_ptr().add(w).cast::<__m256i>();
                    for half in 0..2 {
                        let products = products::<FORM>(codes[half], _mm256_loadu_si256(w.add(half)));
                        $sums[pixel][half] = _mm256_add_epi32($sums[pixel][half], products);
                    }
                }
            }
        }
    )*}};
}

/// # Safety
/// As [`Form`].
#[target_feature(enable = "avx2")]
unsafe fn sums<const RUN: usize, const STRIDE: usize, const FORM: u8, const PIXELS: usize>(
    block: &Block,
    source: Source,
    out: &mut [i32],
) {
    let pairs = if FORM == BYTES { 1 } else { source.height.div_ceil(2) };
    assert_eq!(block.weights.len(), pairs * RUN * WEIGHTS);
    let mut sums = [[_mm256_setzero_si256(); 2]; PIXELS];
    for pair in 0..pairs {
        // SAFETY: the weights hold so many columns of so many pairs; the rows as the caller promises.
        unsafe { add_columns!(block, source, sums, pair; 0 1 2 3 4 5 6 7 8 9 10) };
    }
    for (sums, out) in sums.into_iter().zip(out.chunks_exact_mut(LANES)) {
        store_crossed(sums, out);
    }
}

/// The codes of a column in two registers (`depthwise::channel`): of a pair of rows as two words, or of up to three as four
/// bytes, the second one twice. A row that there is not is the last one: its weights are 0.
///
/// # Safety
/// As [`Form`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn interleaved<const FORM: u8>(source: Source, column: usize, pair: usize) -> [__m256i; 2] {
    let Source { rows, height, first } = source;
    let row = |i: usize| {
        // SAFETY: as the caller promises.
        unsafe {
            let row = *rows.add(column * height + i.min(height - 1));
            match FORM {
                WORDS => _mm256_loadu_si256(row.add(2 * first).cast()),
                _ => _mm256_cvtepu8_epi16(_mm_loadu_si128(row.add(first).cast())),
            }
        }
    };
    let (a, b) = match FORM {
        BYTES => {
            let second = _mm256_slli_epi16::<8>(row(1));
            (_mm256_or_si256(row(0), second), _mm256_or_si256(row(2), second))
        }
        _ => (row(2 * pair), row(2 * pair + 1)),
    };
    [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)]
}

/// The sums of the products of a lane.
#[inline]
#[target_feature(enable = "avx2")]
fn products<const FORM: u8>(codes: __m256i, w: __m256i) -> __m256i {
    match FORM {
        BYTES => _mm256_madd_epi16(_mm256_maddubs_epi16(codes, w), _mm256_set1_epi16(1)),
        _ => _mm256_madd_epi16(codes, w),
    }
}
