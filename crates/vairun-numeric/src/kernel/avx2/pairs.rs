//! Products of two matrices of words with AVX2: see [`crate::kernel::Pairs`].

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;

use crate::kernel::pairs::COLUMNS;

/// Rows whose sums are held in registers.
const ROWS: usize = 6;

/// The sums of rows `[m, pairs, 2]` with blocks `[blocks, pairs, COLUMNS, 2]`: `[m, blocks · COLUMNS]`.
///
/// # Safety
/// The CPU has AVX2.
#[target_feature(enable = "avx2")]
pub(in crate::kernel) unsafe fn sums(a: &[i16], b: &[i16], pairs: usize, sums: &mut [i32]) {
    if pairs == 0 {
        return sums.fill(0);
    }
    let width = b.len() / (2 * pairs);
    assert_eq!(a.len() / (2 * pairs) * width, sums.len(), "one sum for each row and column");
    // A block of b stays in the nearest cache for all rows.
    for (block, b) in b.chunks_exact(pairs * 2 * COLUMNS).enumerate() {
        let rows = a.chunks(ROWS * 2 * pairs).zip(sums.chunks_mut(ROWS * width));
        for (a, sums) in rows {
            let sums = &mut sums[block * COLUMNS..];
            match a.len() / (2 * pairs) {
                1 => tile::<1>(a, b, pairs, sums, width),
                2 => tile::<2>(a, b, pairs, sums, width),
                3 => tile::<3>(a, b, pairs, sums, width),
                4 => tile::<4>(a, b, pairs, sums, width),
                5 => tile::<5>(a, b, pairs, sums, width),
                _ => tile::<ROWS>(a, b, pairs, sums, width),
            }
        }
    }
}

/// The sums of `R` rows and one block; rows of sums are `width` apart.
#[inline]
#[target_feature(enable = "avx2")]
fn tile<const R: usize>(a: &[i16], b: &[i16], pairs: usize, sums: &mut [i32], width: usize) {
    assert!(a.len() >= R * 2 * pairs && b.len() >= pairs * 2 * COLUMNS);
    assert!(sums.len() >= (R - 1) * width + COLUMNS);
    let mut registers = [[_mm256_setzero_si256(); 2]; R];
    for pair in 0..pairs {
        // SAFETY: within a and b, as asserted.
        unsafe {
            let at = b.as_ptr().add(pair * 2 * COLUMNS);
            let weights = [_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(16).cast())];
            for row in 0..R {
                let codes = a.as_ptr().add((row * pairs + pair) * 2).cast::<i32>();
                let codes = _mm256_set1_epi32(codes.read_unaligned());
                for half in 0..2 {
                    let products = _mm256_madd_epi16(codes, weights[half]);
                    registers[row][half] = _mm256_add_epi32(registers[row][half], products);
                }
            }
        }
    }
    for row in 0..R {
        // SAFETY: within the sums, as asserted.
        unsafe {
            let at = sums.as_mut_ptr().add(row * width);
            _mm256_storeu_si256(at.cast(), registers[row][0]);
            _mm256_storeu_si256(at.add(8).cast(), registers[row][1]);
        }
    }
}
