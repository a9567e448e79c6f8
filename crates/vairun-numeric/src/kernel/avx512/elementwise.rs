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
    let (whole, rest) = x.as_chunks::<TURN>();
    for (x, out) in whole.iter().zip(out.chunks_exact_mut(TURN)) {
        quantize_turn::<KIND, C>(narrow, x, out);
    }
    if !rest.is_empty() {
        let mut codes = [C::default(); TURN];
        quantize_turn::<KIND, C>(narrow, &filled(rest), &mut codes);
        out[TURN * whole.len()..].copy_from_slice(&codes[..rest.len()]);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn quantize_turn<const KIND: u8, C: Stored>(narrow: &Narrow, x: &[f32; TURN], out: &mut [C]) {
    let mut results = [_mm512_setzero_si512(); VECTORS];
    for n in 0..VECTORS {
        // SAFETY: LANES numbers.
        let numbers = unsafe { _mm512_loadu_ps(x[n * LANES..][..LANES].as_ptr()) };
        results[n] = codes::<KIND>(narrow, numbers);
    }
    write(results, out);
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
    let (whole, rest) = x.as_chunks::<TURN>();
    for (x, out) in whole.iter().zip(out.chunks_exact_mut(TURN)) {
        requantize_turn::<KIND, X, C>(grid, narrow, x, out);
    }
    if !rest.is_empty() {
        let mut codes = [C::default(); TURN];
        requantize_turn::<KIND, X, C>(grid, narrow, &filled(rest), &mut codes);
        out[TURN * whole.len()..].copy_from_slice(&codes[..rest.len()]);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn requantize_turn<const KIND: u8, X: Stored, C: Stored>(
    grid: Grid,
    narrow: &Narrow,
    x: &[X; TURN],
    out: &mut [C],
) {
    let mut results = [_mm512_setzero_si512(); VECTORS];
    for n in 0..VECTORS {
        results[n] = codes::<KIND>(narrow, reals(grid, x, n));
    }
    write(results, out);
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
    let of_bytes = size_of::<A>() + size_of::<B>() + size_of::<C>() == 3;
    let near = of_bytes && KIND & DIVISION == CHECKED;
    let near = if near { Near::new(binary) } else { None };
    let ((whole_a, rest_a), (whole_b, rest_b)) = (a.as_chunks::<TURN>(), b.as_chunks::<TURN>());
    for ((a, b), out) in whole_a.iter().zip(whole_b).zip(out.chunks_exact_mut(TURN)) {
        let done = near.as_ref().is_some_and(|near| {
            // SAFETY: TURN bytes each, where there is such a form.
            unsafe { near.turn(a.as_ptr().cast(), b.as_ptr().cast(), out.as_mut_ptr().cast()) }
        });
        if !done {
            binary_turn::<KIND, A, B, C>(binary, a, b, out);
        }
    }
    if !rest_a.is_empty() {
        let mut codes = [C::default(); TURN];
        binary_turn::<KIND, A, B, C>(binary, &filled(rest_a), &filled(rest_b), &mut codes);
        out[TURN * whole_a.len()..].copy_from_slice(&codes[..rest_a.len()]);
    }
}

/// In the order of the definition.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn binary_turn<const KIND: u8, A: Stored, B: Stored, C: Stored>(
    binary: &Binary,
    a: &[A; TURN],
    b: &[B; TURN],
    out: &mut [C],
) {
    let [of_a, of_b] = binary.grids;
    let fused = |[p, q, r]: [f32; 3], a, b| {
        let [p, q, r] = [_mm512_set1_ps(p), _mm512_set1_ps(q), _mm512_set1_ps(r)];
        _mm512_fmadd_ps(a, p, _mm512_fmadd_ps(b, q, r))
    };
    let mut results = [_mm512_setzero_si512(); VECTORS];
    for n in 0..VECTORS {
        let (a, b) = (reals(of_a, a, n), reals(of_b, b, n));
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
        results[n] = codes::<KIND>(&binary.narrow, result);
    }
    write(results, out);
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
        let fits = low >= 0 && high <= 255 && (0..=255).contains(&narrow.zero());
        let within = reaches.into_iter().all(|x| x <= Self::REACH);
        if !(fits && within && p.is_normal() && q.is_normal()) {
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
            let mut codes = [_mm512_setzero_si512(); VECTORS];
            for n in 0..VECTORS {
                codes[n] = _mm512_cvtps_epi32(results[n]);
            }
            let bytes = _mm512_min_epu8(_mm512_max_epu8(bytes(codes), self.low), self.high);
            _mm512_storeu_si512(out.cast(), bytes);
        }
        true
    }
}

/// A turn that starts with these elements.
fn filled<T: Copy + Default>(rest: &[T]) -> [T; TURN] {
    let mut turn = [T::default(); TURN];
    turn[..rest.len()].copy_from_slice(rest);
    turn
}

/// The real numbers of the stored codes of register `n`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn reals<T: Stored>(grid: Grid, codes: &[T; TURN], n: usize) -> __m512 {
    let at = codes[n * LANES..][..LANES].as_ptr();
    // SAFETY: LANES codes; T is u8 or i16, of which each has its size alone.
    let codes = unsafe {
        match size_of::<T>() {
            1 => _mm512_cvtepu8_epi32(_mm_loadu_si128(at.cast())),
            _ => _mm512_cvtepi16_epi32(_mm256_loadu_si256(at.cast())),
        }
    };
    let codes = _mm512_sub_epi32(codes, _mm512_set1_epi32(grid.zero));
    _mm512_mul_ps(_mm512_cvtepi32_ps(codes), _mm512_set1_ps(grid.scale))
}

/// Codes as bytes, what is beyond as the nearest one.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn bytes(codes: [__m512i; VECTORS]) -> __m512i {
    let lower = _mm512_packs_epi32(codes[0], codes[1]);
    let upper = _mm512_packs_epi32(codes[2], codes[3]);
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_permutexvar_epi32(order, _mm512_packus_epi16(lower, upper))
}

/// Writes the stored codes of a turn.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn write<C: Stored>(codes: [__m512i; VECTORS], out: &mut [C]) {
    let at = out[..TURN].as_mut_ptr();
    // SAFETY: room for TURN codes of u8 or i16.
    unsafe {
        if size_of::<C>() == 1 {
            return _mm512_storeu_si512(at.cast(), bytes(codes));
        }
        let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
        for half in 0..2 {
            let words = _mm512_packs_epi32(codes[2 * half], codes[2 * half + 1]);
            let words = _mm512_permutexvar_epi64(order, words);
            _mm512_storeu_si512(at.add(half * 2 * LANES).cast(), words);
        }
    }
}
