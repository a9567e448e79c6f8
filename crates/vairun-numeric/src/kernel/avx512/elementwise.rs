//! Codes of real numbers, and of two codes: sixteen at a time, four times in a turn.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;

use super::codes::codes;
use crate::kernel::elementwise::{Binary, Grid, Operation, Stored};
use crate::kernel::kind::{CHECKED, DIVISION, by_kind};
use crate::kernel::narrow::Narrow;
use crate::kernel::requantize::Requantize;

/// Elements of one register.
const LANES: usize = 16;
/// Registers of one turn.
const VECTORS: usize = 4;
/// Elements of one turn.
const TURN: usize = VECTORS * LANES;

/// As [`crate::kernel::quantize`], one task of it.
///
/// # Safety
/// The CPU has AVX-512.
pub(in crate::kernel) unsafe fn quantize<C: Stored>(narrow: &Narrow, x: &[f32], out: &mut [C]) {
    let narrow = *narrow;
    // SAFETY: as the caller promises.
    by_kind!(narrow, KIND => unsafe { quantize_kind::<KIND, C>(&narrow, x, out) });
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn quantize_kind<const KIND: u8, C: Stored>(narrow: &Narrow, x: &[f32], out: &mut [C]) {
    for (x, out) in x.chunks(LANES).zip(out.chunks_mut(LANES)) {
        let mask = mask(x.len().min(out.len()));
        // SAFETY: as many elements as the mask has bits.
        unsafe {
            let numbers = _mm512_maskz_loadu_ps(mask, x.as_ptr());
            store(codes::<KIND>(narrow, numbers), out, mask);
        }
    }
}

/// As [`Requantize::run`], one task of it.
///
/// # Safety
/// The CPU has AVX-512.
pub(in crate::kernel) unsafe fn requantize<X: Stored, C: Stored>(
    requantize: &Requantize,
    x: &[X],
    out: &mut [C],
) {
    let Requantize { grid, narrow } = *requantize;
    // SAFETY: as the caller promises.
    by_kind!(narrow, KIND => unsafe { requantize_kind::<KIND, X, C>(grid, &narrow, x, out) });
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn requantize_kind<const KIND: u8, X: Stored, C: Stored>(
    grid: Grid,
    narrow: &Narrow,
    x: &[X],
    out: &mut [C],
) {
    for (x, out) in x.chunks(LANES).zip(out.chunks_mut(LANES)) {
        let mask = mask(x.len().min(out.len()));
        // SAFETY: as many elements as the mask has bits.
        unsafe { store(codes::<KIND>(narrow, reals(grid, load(x, mask))), out, mask) };
    }
}

/// As [`Binary::run`], one row of it: slices of one length.
///
/// # Safety
/// The CPU has AVX-512.
pub(in crate::kernel) unsafe fn binary<A: Stored, B: Stored, C: Stored>(
    binary: &Binary,
    a: &[A],
    b: &[B],
    out: &mut [C],
) {
    let narrow = binary.narrow;
    // SAFETY: as the caller promises.
    by_kind!(narrow, KIND => unsafe { binary_kind::<KIND, A, B, C>(binary, a, b, out) });
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn binary_kind<const KIND: u8, A: Stored, B: Stored, C: Stored>(
    binary: &Binary,
    a: &[A],
    b: &[B],
    out: &mut [C],
) {
    let bytes = size_of::<A>() + size_of::<B>() + size_of::<C>() == 3;
    let near = bytes && KIND & DIVISION == CHECKED;
    let near = if near { Near::new(binary) } else { None };
    for ((a, b), out) in a.chunks(TURN).zip(b.chunks(TURN)).zip(out.chunks_mut(TURN)) {
        if let Some(near) = &near
            && out.len() == TURN
            // SAFETY: TURN bytes each.
            && unsafe { near.turn(a.as_ptr().cast(), b.as_ptr().cast(), out.as_mut_ptr().cast()) }
        {
            continue;
        }
        exactly::<KIND, A, B, C>(binary, a, b, out);
    }
}

/// In the order of the definition.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn exactly<const KIND: u8, A: Stored, B: Stored, C: Stored>(
    binary: &Binary,
    a: &[A],
    b: &[B],
    out: &mut [C],
) {
    let [of_a, of_b] = binary.grids;
    for ((a, b), out) in a.chunks(LANES).zip(b.chunks(LANES)).zip(out.chunks_mut(LANES)) {
        let mask = mask(out.len());
        // SAFETY: as many elements as the mask has bits.
        let (a, b) = unsafe { (reals(of_a, load(a, mask)), reals(of_b, load(b, mask))) };
        let fused = |[p, q, r]: [f32; 3], a, b| {
            let [p, q, r] = [_mm512_set1_ps(p), _mm512_set1_ps(q), _mm512_set1_ps(r)];
            _mm512_fmadd_ps(a, p, _mm512_fmadd_ps(b, q, r))
        };
        let result = match binary.operation {
            Operation::Add => _mm512_add_ps(a, b),
            Operation::Subtract => _mm512_sub_ps(a, b),
            Operation::Multiply => _mm512_mul_ps(a, b),
            Operation::WeightedSum(factors) => fused(factors, a, b),
            Operation::SwappedSum(factors) => fused(factors, b, a),
            Operation::ScaledProduct([p, q]) => {
                let product = _mm512_mul_ps(_mm512_mul_ps(a, b), _mm512_set1_ps(p));
                _mm512_add_ps(product, _mm512_set1_ps(q))
            }
        };
        // SAFETY: as above.
        unsafe { store(codes::<KIND>(&binary.narrow, result), out, mask) };
    }
}

/// A sum of bytes as `a · p + (b · q + r)` in codes of the result, near the quotient of the definition.
///
/// Either form rounds some numbers, each by `2^-24` of it at most. Where a result is farther from a tie than all of that
/// comes to, both round to the same code.
struct Near {
    p: __m512,
    q: __m512,
    r: __m512,
    /// What is nearer to an integer is far enough from a tie.
    tie: __m512,
    low: __m512i,
    high: __m512i,
}

impl Near {
    /// Codes of the result that an operand may reach: more make many results near to a tie.
    const REACH: f32 = 512.0;

    #[target_feature(enable = "avx512f,avx512bw")]
    fn new(binary: &Binary) -> Option<Self> {
        let ([a, b], narrow) = (binary.grids, binary.narrow);
        let sign = match binary.operation {
            Operation::Add => 1.0,
            Operation::Subtract => -1.0,
            _ => return None,
        };
        let factor = |grid: Grid| grid.scale / narrow.scale();
        let (p, q) = (factor(a), sign * factor(b));
        let zero = |grid: Grid, factor: f32| f64::from(factor) * f64::from(grid.zero);
        let r = (f64::from(narrow.zero()) - zero(a, p) - zero(b, q)) as f32;
        // The largest product with a code, and with a code less its zero point.
        let largest = |factor: f32| 255.0 * factor.abs();
        let farthest = |grid: Grid, factor: f32| {
            let codes = grid.zero.unsigned_abs().max((255 - grid.zero).unsigned_abs());
            codes as f32 * factor.abs()
        };
        let reaches = [farthest(a, p), farthest(b, q), largest(p), largest(q)];
        let (low, high) = narrow.range();
        let bytes = low >= 0 && high <= 255 && (0..=255).contains(&narrow.zero());
        let within = reaches.into_iter().all(|x| x <= Self::REACH);
        if !(bytes && within && p.is_normal() && q.is_normal()) {
            return None;
        }
        let operands = farthest(a, p) + farthest(b, q);
        // Of the definition: both operands, their sum and the quotient. Here: both factors, r, and two sums.
        let definition = 3.0 * operands;
        let here =
            operands + r.abs() + (largest(q) + r.abs()) + (largest(p) + largest(q) + r.abs());
        let margin = 1.5 * (definition + here) * f32::EPSILON / 2.0;
        Some(Self {
            p: _mm512_set1_ps(p),
            q: _mm512_set1_ps(q),
            r: _mm512_set1_ps(r),
            tie: _mm512_set1_ps(0.5 - margin),
            low: _mm512_set1_epi8(low as i8),
            high: _mm512_set1_epi8(high as i8),
        })
    }

    /// [`TURN`] results; false, and none is written, where one of them is near a tie.
    ///
    /// # Safety
    /// The pointers hold so many bytes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn turn(&self, a: *const u8, b: *const u8, out: *mut u8) -> bool {
        let mut results = [_mm512_setzero_ps(); VECTORS];
        let mut farthest = _mm512_setzero_ps();
        // SAFETY: as the caller promises.
        unsafe {
            for n in 0..VECTORS {
                let number = |from: *const u8| {
                    let bytes = _mm_loadu_si128(from.add(n * LANES).cast());
                    _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))
                };
                let sum = _mm512_fmadd_ps(number(b), self.q, self.r);
                results[n] = _mm512_fmadd_ps(number(a), self.p, sum);
                // As `Merged::write`.
                let distance = _mm512_reduce_ps::<0>(results[n]);
                farthest = _mm512_range_ps::<0b1011>(farthest, distance);
            }
            if _mm512_cmp_ps_mask::<_CMP_GE_OQ>(farthest, self.tie) != 0 {
                return false;
            }
            let code = |n: usize| _mm512_cvtps_epi32(results[n]);
            let lower = _mm512_packs_epi32(code(0), code(1));
            let upper = _mm512_packs_epi32(code(2), code(3));
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(lower, upper));
            let bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, self.low), self.high);
            _mm512_storeu_si512(out.cast(), bytes);
        }
        true
    }
}

/// So many lanes, 16 at most.
fn mask(count: usize) -> __mmask16 {
    ((1u32 << count.min(LANES)) - 1) as __mmask16
}

/// The stored codes of the lanes of a mask; 0 in the others.
///
/// # Safety
/// There are so many codes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn load<T: Stored>(codes: &[T], mask: __mmask16) -> __m512i {
    let at = codes.as_ptr();
    // SAFETY: as the caller promises; T is u8 or i16, of which each has its size alone.
    unsafe {
        match size_of::<T>() {
            1 => _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, at.cast())),
            _ => _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(mask, at.cast())),
        }
    }
}

/// The real numbers of stored codes.
#[inline]
#[target_feature(enable = "avx512f")]
fn reals(grid: Grid, codes: __m512i) -> __m512 {
    let codes = _mm512_sub_epi32(codes, _mm512_set1_epi32(grid.zero));
    _mm512_mul_ps(_mm512_cvtepi32_ps(codes), _mm512_set1_ps(grid.scale))
}

/// Writes the codes of the lanes of a mask.
///
/// # Safety
/// There is room for so many.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn store<C: Stored>(codes: __m512i, out: &mut [C], mask: __mmask16) {
    let at = out.as_mut_ptr();
    // SAFETY: as the caller promises; C is u8 or i16.
    unsafe {
        match size_of::<C>() {
            1 => _mm_mask_storeu_epi8(at.cast(), mask, _mm512_cvtepi32_epi8(codes)),
            _ => _mm256_mask_storeu_epi16(at.cast(), mask, _mm512_cvtepi32_epi16(codes)),
        }
    }
}
