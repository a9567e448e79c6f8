//! The tile with AVX2: four terms of four channels to a register of 16-bit factors.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;

use super::finish::LANES;
use super::tile::{Target, Tile};
use super::weights::Element;

/// Computes the tile.
///
/// # Safety
/// The CPU has AVX2; the rows and the target are as [`Tile::scalar`] wants them.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn run(tile: &Tile, target: Target) {
    for first in (0..target.channels).step_by(LANES) {
        let mut pixel = 0;
        while pixel < tile.pixels {
            // SAFETY: as the caller promises.
            unsafe {
                pixel += match (tile.pixels - pixel, tile.element) {
                    (1, Element::Byte) => part::<1, false>(tile, target, pixel, first),
                    (_, Element::Byte) => part::<2, false>(tile, target, pixel, first),
                    (1, Element::Word) => part::<1, true>(tile, target, pixel, first),
                    (_, Element::Word) => part::<2, true>(tile, target, pixel, first),
                };
            }
        }
    }
}

/// `PIXELS` pixels from `pixel` on times [`LANES`] channels from `first` on.
///
/// # Safety
/// As [`run`].
#[target_feature(enable = "avx2")]
unsafe fn part<const PIXELS: usize, const WORDS: bool>(
    tile: &Tile,
    target: Target,
    pixel: usize,
    first: usize,
) -> usize {
    const QUARTERS: usize = LANES / 4;
    let width = tile.width();
    let mut sums = [[_mm256_setzero_si256(); QUARTERS]; PIXELS];
    for tap in 0..tile.taps {
        for step in 0..tile.steps {
            let weights =
                &tile.weights[((tap * tile.steps + step) * width + first) * 4..][..4 * LANES];
            for m in 0..PIXELS {
                let row = tile.rows[tap * tile.pixels + pixel + m];
                // SAFETY: a row holds 4 · steps bytes; `weights` holds 16 bytes for each quarter.
                unsafe {
                    let x = row.add(4 * step).cast::<i32>().read_unaligned();
                    for (quarter, sum) in sums[m].iter_mut().enumerate() {
                        let w = _mm_loadu_si128(weights.as_ptr().add(16 * quarter).cast());
                        let product = if WORDS {
                            // Two terms to a channel: the upper half of the register stays empty.
                            let w = _mm256_zextsi128_si256(w);
                            _mm256_madd_epi16(_mm256_set1_epi32(x), w)
                        } else {
                            let x = _mm256_cvtepu8_epi16(_mm_set1_epi32(x));
                            _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(w))
                        };
                        *sum = _mm256_add_epi32(*sum, product);
                    }
                }
            }
        }
    }
    for (m, sums) in sums.iter().enumerate() {
        let mut out = [0i32; LANES];
        for (quarter, &sum) in sums.iter().enumerate() {
            let mut lanes = [0i32; 8];
            // SAFETY: eight lanes of room.
            unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sum) };
            for i in 0..4 {
                out[4 * quarter + i] = match WORDS {
                    true => lanes[i],
                    false => lanes[2 * i].wrapping_add(lanes[2 * i + 1]),
                };
            }
        }
        // SAFETY: as the caller promises.
        unsafe { target.write(&tile.finish, pixel + m, first, &out) };
    }
    PIXELS
}
