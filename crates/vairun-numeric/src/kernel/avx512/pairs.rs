//! Products of two matrices of words: see [`crate::kernel::Pairs`].

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;

use crate::kernel::pairs::COLUMNS;

/// Rows whose sums are held in registers.
const ROWS: usize = 6;

/// Blocks of columns that are multiplied at once: enough sums to hide the latency of the additions.
const BLOCKS: usize = 2;

/// The sums of rows `[m, pairs, 2]` with blocks `[blocks, pairs, COLUMNS, 2]`: `[m, blocks · COLUMNS]`.
///
/// # Safety
/// The CPU has AVX-512 F, BW and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(in crate::kernel) unsafe fn sums(a: &[i16], b: &[i16], pairs: usize, sums: &mut [i32]) {
    if pairs == 0 {
        return sums.fill(0);
    }
    let (block, width) = (pairs * 2 * COLUMNS, b.len() / (2 * pairs));
    assert_eq!(a.len() / (2 * pairs) * width, sums.len(), "one sum for each row and column");
    // Some blocks of b stay in the nearest cache for all rows.
    for (i, b) in b.chunks(BLOCKS * block).enumerate() {
        let rows = a.chunks(ROWS * 2 * pairs).zip(sums.chunks_mut(ROWS * width));
        for (a, sums) in rows {
            let sums = &mut sums[i * BLOCKS * COLUMNS..];
            match a.len() / (2 * pairs) {
                1 => tiles::<1>(a, b, pairs, sums, width),
                2 => tiles::<2>(a, b, pairs, sums, width),
                3 => tiles::<3>(a, b, pairs, sums, width),
                4 => tiles::<4>(a, b, pairs, sums, width),
                5 => tiles::<5>(a, b, pairs, sums, width),
                _ => tiles::<ROWS>(a, b, pairs, sums, width),
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn tiles<const R: usize>(a: &[i16], b: &[i16], pairs: usize, sums: &mut [i32], width: usize) {
    match b.len() > pairs * 2 * COLUMNS {
        true => tile::<R, BLOCKS>(a, b, pairs, sums, width),
        false => tile::<R, 1>(a, b, pairs, sums, width),
    }
}

/// The sums of `R` rows and `B` blocks; rows of sums are `width` apart.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn tile<const R: usize, const B: usize>(
    a: &[i16],
    b: &[i16],
    pairs: usize,
    sums: &mut [i32],
    width: usize,
) {
    let block = pairs * 2 * COLUMNS;
    assert!(a.len() >= R * 2 * pairs && b.len() >= B * block);
    assert!(sums.len() >= (R - 1) * width + B * COLUMNS);
    let mut registers = [[_mm512_setzero_si512(); B]; R];
    for pair in 0..pairs {
        // SAFETY: within a and b, as asserted.
        unsafe {
            let at = b.as_ptr().add(pair * 2 * COLUMNS);
            let mut weights = [_mm512_setzero_si512(); B];
            for n in 0..B {
                weights[n] = _mm512_loadu_si512(at.add(n * block).cast());
            }
            for row in 0..R {
                let codes = a.as_ptr().add((row * pairs + pair) * 2).cast::<i32>();
                let codes = _mm512_set1_epi32(codes.read_unaligned());
                for n in 0..B {
                    registers[row][n] = _mm512_dpwssd_epi32(registers[row][n], codes, weights[n]);
                }
            }
        }
    }
    for row in 0..R {
        for n in 0..B {
            // SAFETY: within the sums, as asserted.
            unsafe {
                let at = sums.as_mut_ptr().add(row * width + n * COLUMNS);
                _mm512_storeu_si512(at.cast(), registers[row][n]);
            }
        }
    }
}
