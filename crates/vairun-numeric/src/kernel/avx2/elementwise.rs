//! Codes of real numbers, and of two codes, with AVX2: sixteen at a time.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::codes::Quantizer;
use super::finish::{write8, write16};
use crate::kernel::elementwise::{Binary, Grid, Operation, Stored};
use crate::kernel::kind::by_kind;
use crate::kernel::narrow::Narrow;
use crate::kernel::requantize::Requantize;

/// Elements of one turn.
const TURN: usize = 16;

/// As [`crate::kernel::quantize`], one task of it.
///
/// # Safety
/// The CPU has AVX2.
pub(in crate::kernel) unsafe fn quantize<C: Stored>(narrow: &Narrow, x: &[f32], out: &mut [C]) {
    let narrow = *narrow;
    // SAFETY: as the caller promises.
    by_kind!(narrow, KIND => unsafe { quantize_kind::<KIND, C>(&narrow, x, out) });
}

#[target_feature(enable = "avx2")]
fn quantize_kind<const KIND: u8, C: Stored>(narrow: &Narrow, x: &[f32], out: &mut [C]) {
    let quantizer = Quantizer::<KIND>::new(narrow);
    let (whole, rest) = x.as_chunks::<TURN>();
    for (x, out) in whole.iter().zip(out.chunks_exact_mut(TURN)) {
        quantize_turn(&quantizer, x, out);
    }
    if !rest.is_empty() {
        let (mut last, mut codes) = ([0.0; TURN], [C::default(); TURN]);
        last[..rest.len()].copy_from_slice(rest);
        quantize_turn(&quantizer, &last, &mut codes);
        out[TURN * whole.len()..].copy_from_slice(&codes[..rest.len()]);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn quantize_turn<const KIND: u8, C: Stored>(
    quantizer: &Quantizer<KIND>,
    x: &[f32; TURN],
    out: &mut [C],
) {
    // SAFETY: sixteen elements each.
    unsafe {
        let lower = quantizer.codes(_mm256_loadu_ps(x.as_ptr()));
        let upper = quantizer.codes(_mm256_loadu_ps(x.as_ptr().add(8)));
        write([lower, upper], out);
    }
}

/// As [`Requantize::run`], one task of it.
///
/// # Safety
/// The CPU has AVX2.
pub(in crate::kernel) unsafe fn requantize<X: Stored, C: Stored>(
    requantize: &Requantize,
    x: &[X],
    out: &mut [C],
) {
    let Requantize { grid, narrow } = *requantize;
    // SAFETY: as the caller promises.
    by_kind!(narrow, KIND => unsafe { requantize_kind::<KIND, X, C>(grid, &narrow, x, out) });
}

#[target_feature(enable = "avx2")]
fn requantize_kind<const KIND: u8, X: Stored, C: Stored>(
    grid: Grid,
    narrow: &Narrow,
    x: &[X],
    out: &mut [C],
) {
    let quantizer = Quantizer::<KIND>::new(narrow);
    let (whole, rest) = x.as_chunks::<TURN>();
    for (x, out) in whole.iter().zip(out.chunks_exact_mut(TURN)) {
        let [lower, upper] = reals(grid, x);
        write([quantizer.codes(lower), quantizer.codes(upper)], out);
    }
    if !rest.is_empty() {
        let mut last = [X::default(); TURN];
        last[..rest.len()].copy_from_slice(rest);
        let [lower, upper] = reals(grid, &last);
        let mut codes = [C::default(); TURN];
        write([quantizer.codes(lower), quantizer.codes(upper)], &mut codes);
        out[TURN * whole.len()..].copy_from_slice(&codes[..rest.len()]);
    }
}

/// As [`Binary::run`], one row of it: slices of one length.
///
/// # Safety
/// The CPU has AVX2 and FMA.
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

#[target_feature(enable = "avx2,fma")]
fn binary_kind<const KIND: u8, A: Stored, B: Stored, C: Stored>(
    binary: &Binary,
    a: &[A],
    b: &[B],
    out: &mut [C],
) {
    let ((whole_a, rest_a), (whole_b, rest_b)) = (a.as_chunks::<TURN>(), b.as_chunks::<TURN>());
    for ((a, b), out) in whole_a.iter().zip(whole_b).zip(out.chunks_exact_mut(TURN)) {
        binary_turn::<KIND, A, B, C>(binary, a, b, out);
    }
    if !rest_a.is_empty() {
        let (mut last_a, mut last_b) = ([A::default(); TURN], [B::default(); TURN]);
        last_a[..rest_a.len()].copy_from_slice(rest_a);
        last_b[..rest_b.len()].copy_from_slice(rest_b);
        let mut codes = [C::default(); TURN];
        binary_turn::<KIND, A, B, C>(binary, &last_a, &last_b, &mut codes);
        out[TURN * whole_a.len()..].copy_from_slice(&codes[..rest_a.len()]);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn binary_turn<const KIND: u8, A: Stored, B: Stored, C: Stored>(
    binary: &Binary,
    a: &[A; TURN],
    b: &[B; TURN],
    out: &mut [C],
) {
    let ([lower_a, upper_a], [lower_b, upper_b]) =
        (reals(binary.grids[0], a), reals(binary.grids[1], b));
    let fused = |[p, q, r]: [f32; 3], a, b| {
        let [p, q, r] = [_mm256_set1_ps(p), _mm256_set1_ps(q), _mm256_set1_ps(r)];
        _mm256_fmadd_ps(a, p, _mm256_fmadd_ps(b, q, r))
    };
    let results = match binary.operation {
        Operation::Add => [_mm256_add_ps(lower_a, lower_b), _mm256_add_ps(upper_a, upper_b)],
        Operation::Subtract => [_mm256_sub_ps(lower_a, lower_b), _mm256_sub_ps(upper_a, upper_b)],
        Operation::Multiply => [_mm256_mul_ps(lower_a, lower_b), _mm256_mul_ps(upper_a, upper_b)],
        Operation::WeightedSum(f) => [fused(f, lower_a, lower_b), fused(f, upper_a, upper_b)],
        Operation::SwappedSum(f) => [fused(f, lower_b, lower_a), fused(f, upper_b, upper_a)],
        Operation::ScaledProduct([p, q]) => {
            let (p, q) = (_mm256_set1_ps(p), _mm256_set1_ps(q));
            [(lower_a, lower_b), (upper_a, upper_b)]
                .map(|(a, b)| _mm256_add_ps(_mm256_mul_ps(_mm256_mul_ps(a, b), p), q))
        }
    };
    // In a loop, all but the codes themselves is computed once.
    let quantizer = Quantizer::<KIND>::new(&binary.narrow);
    write(results.map(|x| quantizer.codes(x)), out);
}

/// The real numbers of stored codes.
#[inline]
#[target_feature(enable = "avx2")]
fn reals<T: Stored>(grid: Grid, codes: &[T; TURN]) -> [__m256; 2] {
    let at = codes.as_ptr();
    // SAFETY: sixteen codes; T is u8 or i16, of which each has its size alone.
    let wide = unsafe {
        match size_of::<T>() {
            1 => [
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(at.cast())),
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(at.add(8).cast())),
            ],
            _ => [
                _mm256_cvtepi16_epi32(_mm_loadu_si128(at.cast())),
                _mm256_cvtepi16_epi32(_mm_loadu_si128(at.add(8).cast())),
            ],
        }
    };
    let (zero, scale) = (_mm256_set1_epi32(grid.zero), _mm256_set1_ps(grid.scale));
    [
        _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(wide[0], zero)), scale),
        _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(wide[1], zero)), scale),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn write<C: Stored>(codes: [__m256i; 2], out: &mut [C]) {
    assert!(out.len() >= TURN, "room for the codes");
    let at = out.as_mut_ptr().cast();
    // SAFETY: room for sixteen codes of u8 or i16.
    unsafe {
        match size_of::<C>() {
            1 => write8(at, codes, TURN),
            _ => write16(at, codes, TURN),
        }
    }
}

/// As [`crate::kernel::map_bytes`], one task of it.
///
/// `vpshufb` looks up the lower four bits of a code in each sixteenth of the table; its upper bits choose among the
/// sixteen results, one bit after the other.
///
/// # Safety
/// The CPU has AVX2.
#[target_feature(enable = "avx2")]
pub(in crate::kernel) unsafe fn map_bytes(table: &[u8; 256], x: &[u8], out: &mut [u8]) {
    let mut parts = [_mm256_setzero_si256(); 16];
    for (part, entries) in parts.iter_mut().zip(table.as_chunks::<16>().0) {
        // SAFETY: sixteen bytes.
        *part = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(entries.as_ptr().cast()) });
    }
    let (whole, rest) = x.as_chunks::<32>();
    for (x, out) in whole.iter().zip(out.chunks_exact_mut(32)) {
        // SAFETY: 32 bytes each.
        unsafe {
            let codes = _mm256_loadu_si256(x.as_ptr().cast());
            _mm256_storeu_si256(out.as_mut_ptr().cast(), looked_up(&parts, codes));
        }
    }
    let done = 32 * whole.len();
    out[done..].iter_mut().zip(rest).for_each(|(out, &x)| *out = table[usize::from(x)]);
}

#[inline]
#[target_feature(enable = "avx2")]
fn looked_up(parts: &[__m256i; 16], codes: __m256i) -> __m256i {
    let index = _mm256_and_si256(codes, _mm256_set1_epi8(15));
    // The bit that chooses is the uppermost of a byte; what is shifted in from the next byte stands below it.
    let fourth = _mm256_slli_epi16::<3>(codes);
    let fifth = _mm256_slli_epi16::<2>(codes);
    let sixth = _mm256_slli_epi16::<1>(codes);
    let two = |i: usize| {
        let values = [parts[i], parts[i + 1]].map(|part| _mm256_shuffle_epi8(part, index));
        _mm256_blendv_epi8(values[0], values[1], fourth)
    };
    let four = |i: usize| _mm256_blendv_epi8(two(i), two(i + 2), fifth);
    let eight = |i: usize| _mm256_blendv_epi8(four(i), four(i + 4), sixth);
    _mm256_blendv_epi8(eight(0), eight(8), codes)
}
