//! Depthwise kernels of nine taps over pixels side by side: what is interleaved of a column of x serves up to three of them.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::depthwise::{channel, interleaved};
use crate::kernel::weights::BLOCK;

/// Pixels of a tile.
pub(super) const PIXELS: usize = 4;
/// Rows and columns of the kernel.
const SIDE: usize = 3;
pub(super) const TAPS: usize = SIDE * SIDE;

/// The weights of 3×3 taps, column by column.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// `[blocks, columns, 4 registers]`, 64 bytes each: the three rows of a channel in a lane, and 0.
    weights: Vec<i8>,
}

impl Columns {
    /// `weights` are `[taps, channels]`; `None` for another number of taps.
    pub(super) fn new(weights: &[i16], channels: usize) -> Option<Self> {
        if channels == 0 || weights.len() != TAPS * channels {
            return None;
        }
        let weight = |column: usize, c: usize, row: usize| match row < SIDE && c < channels {
            true => weights[(row * SIDE + column) * channels + c] as i8,
            false => 0,
        };
        let blocks = (0..channels).step_by(BLOCK);
        let columns = blocks.flat_map(|first| (0..SIDE).map(move |column| (first, column)));
        let lanes = columns
            .flat_map(|(first, column)| (0..BLOCK).map(move |i| (column, first + channel(i))));
        let weights = lanes.flat_map(|(column, c)| (0..4).map(move |row| weight(column, c, row)));
        Some(Self { weights: weights.collect() })
    }

    /// Whether the pixels with these rows of x, `[pixels, taps]`, are so many whose neighbours share two columns.
    pub(super) fn serve(rows: &[u32]) -> bool {
        let shared = |line: usize| {
            let (before, here) = (&rows[line + 1..][..SIDE - 1], &rows[line + TAPS..][..SIDE - 1]);
            before == here
        };
        rows.len() == PIXELS * TAPS && (0..(PIXELS - 1) * TAPS).step_by(SIDE).all(shared)
    }

    /// The sums of the pixels with these rows, in the order of [`channel`]; `row` gives a row of x from the first channel of
    /// the block on, of which `mask` names the bytes that are read.
    ///
    /// # Safety
    /// The CPU has AVX-512 with VNNI; the rows are readable so far, and [`Columns::serve`] the pixels; there is such a block.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) unsafe fn sums(
        &self,
        row: impl Fn(u32) -> *const u8,
        rows: &[u32],
        block: usize,
        mask: u64,
    ) -> [[__m512i; 4]; PIXELS] {
        let weights = self.weights[block * SIDE * 4 * BLOCK..][..SIDE * 4 * BLOCK].as_ptr();
        let mut sums = [[_mm512_setzero_si512(); 4]; PIXELS];
        macro_rules! add_columns {
            ($($column:literal)*) => {{$({
                // The first pixel that reads the column, and its tap in the first row of the kernel.
                const FIRST: usize = if $column < SIDE { 0 } else { $column + 1 - SIDE };
                let tap = FIRST * TAPS + $column - FIRST;
                let load = |line: usize| {
                    _mm512_maskz_loadu_epi8(mask, row(rows[tap + line * SIDE]).cast())
                };
                let parts = interleaved([load(0), load(1), load(2), _mm512_setzero_si512()]);
                for pixel in 0..PIXELS {
                    if $column >= pixel && $column < pixel + SIDE {
                        let w = weights.add(($column - pixel) * 4 * BLOCK);
                        for j in 0..4 {
                            let w = _mm512_loadu_si512(w.add(j * BLOCK).cast());
                            sums[pixel][j] = _mm512_dpbusd_epi32(sums[pixel][j], parts[j], w);
                        }
                    }
                }
            })*}};
        }
        assert_eq!(rows.len(), PIXELS * TAPS, "rows of all pixels");
        // SAFETY: the rows as the caller promises; the weights hold three columns.
        unsafe { add_columns!(0 1 2 3 4 5) };
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_told_from_the_places_that_they_read() {
        let rows = |stride: u32| -> Vec<u32> {
            let tap = |pixel: u32, tap: u32| pixel * stride + tap / 3 * 50 + tap % 3;
            (0..4).flat_map(|pixel| (0..9).map(move |t| tap(pixel, t))).collect()
        };
        assert!(Columns::serve(&rows(1)) && !Columns::serve(&rows(2)));
        assert!(!Columns::serve(&rows(1)[..27]));
        for place in 0..36 {
            // The first column of the first pixel and the last one of the last are nobody else's.
            let own = [0, 3, 6, 29, 32, 35].contains(&place);
            let mut rows = rows(1);
            rows[place] += 1000;
            assert_eq!(Columns::serve(&rows), own, "{place}");
        }
    }
}
