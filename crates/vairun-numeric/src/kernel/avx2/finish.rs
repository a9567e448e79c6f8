//! What becomes of the sums of a tile, with AVX2.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::codes::Quantizer;
use super::merged::merged8;
use crate::kernel::finish::{LANES, Output, Part};
use crate::kernel::kind::{by_kind, by_merging_kind};
use crate::kernel::tile::Target;

/// Finishes and writes sums `[pixels, LANES]`.
///
/// # Safety
/// The CPU has AVX2 and FMA; the target is writable for the pixels and its channels, [`LANES`] at most.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn finish(part: &Part, target: Target, sums: &[i32]) {
    // SAFETY: as the caller promises.
    unsafe {
        match (part.merged, part.output) {
            (Some(merged), Output::Codes8(narrow)) => {
                by_merging_kind!(narrow, KIND => merged8::<KIND>(part, merged, &narrow, target, sums));
            }
            (_, Output::Codes8(narrow)) => {
                by_kind!(narrow, KIND => {
                    let quantizer = Quantizer::<KIND>::new(&narrow);
                    real(part, target, sums, |x| quantizer.codes(x), write8);
                });
            }
            (_, Output::Codes16(narrow)) => {
                by_kind!(narrow, KIND => {
                    let quantizer = Quantizer::<KIND>::new(&narrow);
                    real(part, target, sums, |x| quantizer.codes(x), write16);
                });
            }
            (_, Output::Real) => real(part, target, sums, |x| _mm256_castps_si256(x), write32),
            (_, Output::Sums) => each(part, target, sums, |_, sum| sum, write32),
        }
    }
}

/// Calls `then` with sums made real numbers.
///
/// # Safety
/// As [`finish`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn real(
    part: &Part,
    target: Target,
    sums: &[i32],
    then: impl Fn(__m256) -> __m256i,
    write: unsafe fn(*mut u8, [__m256i; 2], usize),
) {
    let convert = |lane: usize, sum: __m256i| {
        // SAFETY: the parameters are padded by a block.
        unsafe {
            let scale = _mm256_loadu_ps(part.scale.as_ptr().add(lane));
            let number = match part.wide {
                Some((factors, terms)) => widened(&factors[lane..], &terms[lane..], sum),
                None => _mm256_cvtepi32_ps(sum),
            };
            let product = _mm256_mul_ps(number, scale);
            let real = match part.bias {
                Some(bias) => _mm256_add_ps(product, _mm256_loadu_ps(bias.as_ptr().add(lane))),
                None => product,
            };
            then(match part.slopes {
                Some(slopes) => sloped(real, _mm256_loadu_ps(slopes.as_ptr().add(lane))),
                None => real,
            })
        }
    };
    // SAFETY: as the caller promises.
    unsafe { each(part, target, sums, convert, write) };
}

/// What is below 0 times its slope.
#[inline]
#[target_feature(enable = "avx2")]
fn sloped(x: __m256, slope: __m256) -> __m256 {
    let below = _mm256_cmp_ps::<_CMP_LT_OQ>(x, _mm256_setzero_ps());
    _mm256_blendv_ps(x, _mm256_mul_ps(x, slope), below)
}

/// `f32(sum · factor + term)` of eight channels, in f64 before the rounding.
///
/// # Safety
/// `factors` and `terms` hold eight elements.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn widened(factors: &[f64], terms: &[f64], sum: __m256i) -> __m256 {
    let halves = [_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum)];
    // SAFETY: as the caller promises.
    let half = |i: usize| unsafe {
        let factor = _mm256_loadu_pd(factors.as_ptr().add(4 * i));
        let term = _mm256_loadu_pd(terms.as_ptr().add(4 * i));
        let number = _mm256_add_pd(_mm256_mul_pd(_mm256_cvtepi32_pd(halves[i]), factor), term);
        _mm256_cvtpd_ps(number)
    };
    _mm256_set_m128(half(1), half(0))
}

/// Converts and writes pixel after pixel.
///
/// # Safety
/// As [`finish`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn each(
    part: &Part,
    target: Target,
    sums: &[i32],
    convert: impl Fn(usize, __m256i) -> __m256i,
    write: unsafe fn(*mut u8, [__m256i; 2], usize),
) {
    for (pixel, sums) in sums.chunks_exact(LANES).enumerate() {
        // SAFETY: a pixel has LANES sums, the parameters are padded by a block; the target as the caller promises.
        unsafe {
            // `map` over the lanes would have its body in a function of its own.
            let corrected = |lane: usize| {
                let add = _mm256_loadu_si256(part.add.as_ptr().add(lane).cast());
                _mm256_add_epi32(_mm256_loadu_si256(sums.as_ptr().add(lane).cast()), add)
            };
            let values = [convert(0, corrected(0)), convert(8, corrected(8))];
            write(target.start.add(pixel * target.stride), values, target.channels);
        }
    }
}

/// The first `channels` of 16 bytes.
///
/// # Safety
/// `at` is writable for them; the CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn store16(at: *mut u8, bytes: __m128i, whole: bool, channels: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        if whole {
            return _mm_storeu_si128(at.cast(), bytes);
        }
        // Two words that overlap are all bytes from the first on.
        match channels {
            8.. => {
                at.cast::<i64>().write_unaligned(_mm_cvtsi128_si64(bytes));
                let last = _mm_shuffle_epi8(
                    bytes,
                    _mm_add_epi8(
                        _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0),
                        _mm_set1_epi8(channels as i8 - 8),
                    ),
                );
                at.add(channels - 8).cast::<i64>().write_unaligned(_mm_cvtsi128_si64(last));
            }
            4.. => {
                let word = _mm_cvtsi128_si64(bytes);
                at.cast::<i32>().write_unaligned(word as i32);
                let last = word >> (8 * (channels - 4));
                at.add(channels - 4).cast::<i32>().write_unaligned(last as i32);
            }
            _ => {
                let word = _mm_cvtsi128_si32(bytes).to_le_bytes();
                (0..channels).for_each(|i| at.add(i).write(word[i]));
            }
        }
    }
}

/// # Safety
/// As [`store16`], for codes of 8 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn write8(at: *mut u8, codes: [__m256i; 2], channels: usize) {
    let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(codes[0], codes[1]));
    let bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
    // SAFETY: as the caller promises.
    unsafe { store16(at, bytes, channels >= LANES, channels) };
}

/// # Safety
/// As [`store16`], for codes of 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn write16(at: *mut u8, codes: [__m256i; 2], channels: usize) {
    let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(codes[0], codes[1]));
    let mut all = [0i16; LANES];
    // SAFETY: as the caller promises.
    unsafe {
        if channels >= LANES {
            return _mm256_storeu_si256(at.cast(), words);
        }
        _mm256_storeu_si256(all.as_mut_ptr().cast(), words);
        at.copy_from_nonoverlapping(all.as_ptr().cast(), 2 * channels);
    }
}

/// # Safety
/// As [`store16`], for values of 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn write32(at: *mut u8, values: [__m256i; 2], channels: usize) {
    let mut all = [0i32; LANES];
    // SAFETY: as the caller promises.
    unsafe {
        if channels >= LANES {
            _mm256_storeu_si256(at.cast(), values[0]);
            return _mm256_storeu_si256(at.add(32).cast(), values[1]);
        }
        _mm256_storeu_si256(all.as_mut_ptr().cast(), values[0]);
        _mm256_storeu_si256(all.as_mut_ptr().add(8).cast(), values[1]);
        at.copy_from_nonoverlapping(all.as_ptr().cast(), 4 * channels);
    }
}
