//! What becomes of the sums of a tile.

#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // the loops run over registers

use std::arch::x86_64::*;

use super::codes::{codes, divided, rounded_product, rounded_small};
use crate::kernel::finish::{LANES, Output, Part};
use crate::kernel::kind::{CHECKED, DIVISION, by_kind};
use crate::kernel::narrow::{Division, Narrow};
use crate::kernel::tile::Target;

/// The parameters of some vectors of channels whose codes of 8 bits the factors of `Finish::merged` give.
pub(super) struct Merged<'a, const VECTORS: usize, const KIND: u8> {
    narrow: &'a Narrow,
    scale: *const f32,
    factor: *const f32,
    mask: u64,
    low: __m512i,
    high: __m512i,
    zero: __m512i,
    order: __m512i,
}

impl<'a, const VECTORS: usize, const KIND: u8> Merged<'a, VECTORS, KIND> {
    /// For the first `channels` of these vectors.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn new(part: &Part, merged: &[f32], narrow: &'a Narrow, channels: usize) -> Self {
        assert!(part.scale.len().min(merged.len()) >= VECTORS * LANES, "parameters of all vectors");
        let (low, high) = narrow.range();
        Self {
            narrow,
            scale: part.scale.as_ptr(),
            factor: merged.as_ptr(),
            mask: u64::MAX >> (64 - channels.min(64)),
            low: _mm512_set1_epi8(low as i8),
            high: _mm512_set1_epi8(high as i8),
            zero: _mm512_set1_epi16(narrow.zero() as i16),
            order: _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
        }
    }

    /// Writes the codes of the sums of a pixel; `FIXED` as `Part::fixed`.
    ///
    /// # Safety
    /// `to` is writable for the channels.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) unsafe fn write<const FIXED: bool>(&self, sums: [__m512i; VECTORS], to: *mut u8) {
        let tie = _mm512_set1_ps(0.5 - Division::MARGIN);
        let mut code = [_mm512_setzero_si512(); 4];
        let mut farthest = _mm512_setzero_ps();
        // SAFETY: there are parameters of all vectors; `to` as the caller promises.
        unsafe {
            for n in 0..VECTORS {
                let factor = _mm512_loadu_ps(self.factor.add(n * LANES));
                let distance;
                (code[n], distance) = rounded_product::<KIND>(sums[n], factor, FIXED);
                if KIND & DIVISION == CHECKED {
                    // 0b11: the larger of the magnitudes; 0b10 in the upper bits: without its sign.
                    farthest = _mm512_range_ps::<0b1011>(farthest, distance);
                }
            }
            if KIND & DIVISION == CHECKED && _mm512_cmp_ps_mask::<_CMP_GE_OQ>(farthest, tie) != 0 {
                return self.write_near_tie(&sums, to);
            }
            self.store(code, to);
        }
    }

    /// As [`Merged::write`], by division.
    ///
    /// # Safety
    /// As there.
    #[cold]
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn write_near_tie(&self, sums: &[__m512i; VECTORS], to: *mut u8) {
        let mut code = [_mm512_setzero_si512(); 4];
        // SAFETY: as `write`.
        unsafe {
            for n in 0..VECTORS {
                let scale = _mm512_loadu_ps(self.scale.add(n * LANES));
                let number = _mm512_cvtepi32_ps(sums[n]);
                let quotient = _mm512_mul_ps(number, _mm512_loadu_ps(self.factor.add(n * LANES)));
                code[n] = rounded_small::<KIND>(divided(self.narrow, number, scale, quotient));
            }
            self.store(code, to);
        }
    }

    /// Writes quotients as codes.
    ///
    /// # Safety
    /// `to` is writable for the channels.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn store(&self, code: [__m512i; 4], to: *mut u8) {
        let lower = _mm512_adds_epi16(_mm512_packs_epi32(code[0], code[1]), self.zero);
        let upper = match VECTORS > 2 {
            true => _mm512_adds_epi16(_mm512_packs_epi32(code[2], code[3]), self.zero),
            false => lower,
        };
        let bytes = _mm512_permutexvar_epi32(self.order, _mm512_packus_epi16(lower, upper));
        let bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, self.low), self.high);
        // SAFETY: as the caller promises.
        unsafe { _mm512_mask_storeu_epi8(to.cast(), self.mask, bytes) };
    }
}

/// Finishes and writes corrected sums `[vectors, pixels, lanes]` as codes of 8 bits, by the factors of `Finish::merged`.
///
/// # Safety
/// As [`finish`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn merged8<const VECTORS: usize, const KIND: u8>(
    part: &Part,
    merged: &[f32],
    narrow: &Narrow,
    target: Target,
    pixels: usize,
    sums: &[i32],
) {
    let merged = Merged::<VECTORS, KIND>::new(part, merged, narrow, target.channels);
    assert_eq!(sums.len(), VECTORS * pixels * LANES, "sums of all vectors and pixels");
    for m in 0..pixels {
        let mut of_pixel = [_mm512_setzero_si512(); VECTORS];
        // SAFETY: `sums` holds LANES elements for each vector and pixel; the target as the caller promises.
        unsafe {
            for n in 0..VECTORS {
                let at = sums.as_ptr().add((n * pixels + m) * LANES);
                of_pixel[n] = _mm512_loadu_si512(at.cast());
            }
            merged.write::<false>(of_pixel, target.start.add(m * target.stride));
        }
    }
}

/// Finishes and writes corrected sums `[vectors, pixels, lanes]`.
///
/// # Safety
/// The target is writable for the pixels and its channels; the CPU has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn finish(finish: &Part, target: Target, pixels: usize, sums: &[i32]) {
    macro_rules! codes {
        ($narrow:ident, $write:ident) => {
            by_kind!($narrow, KIND => real(finish, target, pixels, sums, |x| codes::<KIND>(&$narrow, x), $write))
        };
    }
    // SAFETY: as the caller promises.
    unsafe {
        match finish.output {
            Output::Codes8(narrow) => codes!(narrow, write8),
            Output::Codes16(narrow) => codes!(narrow, write16),
            Output::Real => real(finish, target, pixels, sums, |x| _mm512_castps_si512(x), write32),
            Output::Sums => each(finish, target, pixels, sums, |_, sums| sums, write32),
        }
    }
}

/// Calls `each` with sums made real numbers.
///
/// # Safety
/// As [`finish`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn real(
    finish: &Part,
    target: Target,
    pixels: usize,
    sums: &[i32],
    then: impl Fn(__m512) -> __m512i,
    write: unsafe fn(*mut u8, __mmask16, __m512i),
) {
    // SAFETY: the parameters are padded by a block; the rest as the caller promises.
    unsafe {
        let product = |first: usize, sums| {
            let scale = _mm512_loadu_ps(finish.scale.as_ptr().add(first));
            let number = match finish.wide {
                Some((factors, terms)) => widened(&factors[first..], &terms[first..], sums),
                None => _mm512_cvtepi32_ps(sums),
            };
            _mm512_mul_ps(number, scale)
        };
        match (finish.bias, finish.slopes) {
            (None, None) => {
                let convert = |first: usize, sums| then(product(first, sums));
                each(finish, target, pixels, sums, convert, write);
            }
            (Some(bias), None) => {
                let convert = |first: usize, sums| {
                    let bias = _mm512_loadu_ps(bias.as_ptr().add(first));
                    then(_mm512_add_ps(product(first, sums), bias))
                };
                each(finish, target, pixels, sums, convert, write);
            }
            (bias, Some(slopes)) => {
                let convert = |first: usize, sums| {
                    let mut x = product(first, sums);
                    if let Some(bias) = bias {
                        x = _mm512_add_ps(x, _mm512_loadu_ps(bias.as_ptr().add(first)));
                    }
                    let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_setzero_ps());
                    let slope = _mm512_loadu_ps(slopes.as_ptr().add(first));
                    then(_mm512_mask_mul_ps(x, below, x, slope))
                };
                each(finish, target, pixels, sums, convert, write);
            }
        }
    }
}

/// `f32(sum · factor + term)` of 16 channels, in f64 before the rounding.
///
/// # Safety
/// `factors` and `terms` hold 16 elements.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn widened(factors: &[f64], terms: &[f64], sums: __m512i) -> __m512 {
    let halves = [_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums)];
    // SAFETY: as the caller promises.
    let half = |i: usize| unsafe {
        let factor = _mm512_loadu_pd(factors.as_ptr().add(8 * i));
        let term = _mm512_loadu_pd(terms.as_ptr().add(8 * i));
        let number = _mm512_add_pd(_mm512_mul_pd(_mm512_cvtepi32_pd(halves[i]), factor), term);
        _mm512_cvtpd_ps(number)
    };
    _mm512_insertf32x8::<1>(_mm512_castps256_ps512(half(0)), half(1))
}

/// Converts and writes vector after vector.
///
/// # Safety
/// As [`finish`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn each(
    finish: &Part,
    target: Target,
    pixels: usize,
    sums: &[i32],
    convert: impl Fn(usize, __m512i) -> __m512i,
    write: unsafe fn(*mut u8, __mmask16, __m512i),
) {
    for (n, sums) in sums.chunks_exact(pixels * LANES).enumerate() {
        let first = n * LANES;
        if first >= target.channels {
            break;
        }
        let mask = (u32::MAX >> (32 - LANES.min(target.channels - first) as u32)) as __mmask16;
        // SAFETY: the parameters are padded by a block; the target is writable for the channels of the mask.
        unsafe {
            let mut at = target.start.add(first * finish.output.bytes());
            for sums in sums.chunks_exact(LANES) {
                let sums = _mm512_loadu_si512(sums.as_ptr().cast());
                write(at, mask, convert(first, sums));
                at = at.add(target.stride);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn write8(at: *mut u8, mask: __mmask16, codes: __m512i) {
    // SAFETY: the caller's target is writable for the channels of the mask.
    unsafe { _mm_mask_storeu_epi8(at.cast(), mask, _mm512_cvtepi32_epi8(codes)) };
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn write16(at: *mut u8, mask: __mmask16, codes: __m512i) {
    // SAFETY: as `write8`.
    unsafe { _mm256_mask_storeu_epi16(at.cast(), mask, _mm512_cvtepi32_epi16(codes)) };
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn write32(at: *mut u8, mask: __mmask16, values: __m512i) {
    // SAFETY: as `write8`.
    unsafe { _mm512_mask_storeu_epi32(at.cast(), mask, values) };
}
