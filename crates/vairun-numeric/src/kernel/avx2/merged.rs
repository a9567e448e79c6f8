//! Codes of 8 bits by the factors of `Finish::merged`, with AVX2 and FMA: sixteen channels of two pixels at a time.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::codes::{divided, rounded_small};
use super::finish::store16;
use crate::kernel::finish::{LANES, Part};
use crate::kernel::kind::{CHECKED, DIVISION};
use crate::kernel::narrow::{Division, Narrow};
use crate::kernel::tile::Target;

/// Finishes and writes sums `[pixels, LANES]`.
///
/// # Safety
/// The CPU has AVX2 and FMA; the target is writable for the pixels and its channels, [`LANES`] at most.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn merged8<const KIND: u8>(
    part: &Part,
    merged: &[f32],
    narrow: &Narrow,
    target: Target,
    sums: &[i32],
) {
    // SAFETY: as the caller promises; the parameters are padded by a block.
    unsafe {
        let merged = Merged::<KIND>::new(part, merged, narrow);
        match KIND & DIVISION == CHECKED && part.fixed {
            true => pairs(narrow, target, sums, |first, second| merged.fixed(first, second)),
            false => pairs(narrow, target, sums, |first, second| merged.bytes(first, second)),
        }
    }
}

/// Writes what `bytes` makes of the sums of two pixels after two: in each half of a register the channels 0 .. 3 and
/// 8 .. 11, or the others, of the first and then of the second one.
///
/// # Safety
/// As [`merged8`].
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn pairs(
    narrow: &Narrow,
    target: Target,
    sums: &[i32],
    bytes: impl Fn(&[i32; LANES], &[i32; LANES]) -> __m256i,
) {
    let (low, high) = narrow.range();
    let (low, high) = (_mm256_set1_epi8(low as i8), _mm256_set1_epi8(high as i8));
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    let clamped = |first, second| {
        let bytes = _mm256_permutevar8x32_epi32(bytes(first, second), order);
        _mm256_min_epu8(_mm256_max_epu8(bytes, low), high)
    };
    let whole = target.channels >= LANES;
    let mut at = target.start;
    let (pairs, last) = sums.as_chunks::<LANES>().0.as_chunks::<2>();
    // SAFETY: the target as the caller promises.
    unsafe {
        for [first, second] in pairs {
            let bytes = clamped(first, second);
            let next = at.add(target.stride);
            store16(at, _mm256_castsi256_si128(bytes), whole, target.channels);
            store16(next, _mm256_extracti128_si256::<1>(bytes), whole, target.channels);
            at = next.add(target.stride);
        }
        if let [last] = last {
            let bytes = _mm256_castsi256_si128(clamped(last, last));
            store16(at, bytes, whole, target.channels);
        }
    }
}

/// The parameters of sixteen channels in registers.
struct Merged<'a, const KIND: u8> {
    narrow: &'a Narrow,
    add: [__m256i; 2],
    factor: [__m256; 2],
    scale: &'a [f32],
}

impl<'a, const KIND: u8> Merged<'a, KIND> {
    /// What is below `1 / FIXED` of a code is its fraction.
    const FIXED: f32 = 65536.0;
    /// Of the fraction: `(number · factor + start)` in one rounding is within 6 of the quotient of two roundings, for codes
    /// apart from 2^8. That is 4 for the factor and the quotient (`Finish::merged`), 1 for a sum below 2^25 and a half for
    /// the conversion.
    const MARGIN: i16 = 8;

    /// # Safety
    /// The parameters hold [`LANES`] elements.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn new(part: &Part<'a>, merged: &[f32], narrow: &'a Narrow) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let add = |lane| _mm256_loadu_si256(part.add.as_ptr().add(lane).cast());
            let factor = |lane| _mm256_loadu_ps(merged.as_ptr().add(lane));
            let (add, factor) = ([add(0), add(8)], [factor(0), factor(8)]);
            Self { narrow, add, factor, scale: part.scale }
        }
    }

    /// The corrected sums of a pixel.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn numbers(&self, sums: &[i32; LANES]) -> [__m256; 2] {
        // SAFETY: there are LANES sums.
        let number = |i: usize| unsafe {
            let sum = _mm256_loadu_si256(sums.as_ptr().add(8 * i).cast());
            _mm256_cvtepi32_ps(_mm256_add_epi32(sum, self.add[i]))
        };
        [number(0), number(1)]
    }

    /// Codes as bytes, saturated.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn bytes(&self, first: &[i32; LANES], second: &[i32; LANES]) -> __m256i {
        let zero = _mm256_set1_epi16(self.narrow.zero() as i16);
        let words = |sums| {
            let codes = self.quotients(self.numbers(sums)).map(|q| rounded_small::<KIND>(q));
            _mm256_adds_epi16(_mm256_packs_epi32(codes[0], codes[1]), zero)
        };
        _mm256_packus_epi16(words(first), words(second))
    }

    /// The same with the quotients as integers of 65536ths, half a code and the zero point added before: of them the upper
    /// words are the codes, and the lower words tell how near a tie was.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn fixed(&self, first: &[i32; LANES], second: &[i32; LANES]) -> __m256i {
        let start = (self.narrow.zero() as f32 + 0.5) * Self::FIXED + f32::from(Self::MARGIN);
        let factor = self.factor.map(|factor| _mm256_mul_ps(factor, _mm256_set1_ps(Self::FIXED)));
        let quotients = |sums| {
            let numbers = self.numbers(sums);
            let of = |i: usize| _mm256_fmadd_ps(numbers[i], factor[i], _mm256_set1_ps(start));
            [_mm256_cvtps_epi32(of(0)), _mm256_cvtps_epi32(of(1))]
        };
        let fractions =
            |[a, b]: [__m256i; 2]| _mm256_blend_epi16::<0b1010_1010>(a, _mm256_slli_epi32::<16>(b));
        let words = |[a, b]: [__m256i; 2]| {
            _mm256_packs_epi32(_mm256_srai_epi32::<16>(a), _mm256_srai_epi32::<16>(b))
        };
        let (one, other) = (quotients(first), quotients(second));
        let least = _mm256_min_epu16(fractions(one), fractions(other));
        let near = _mm256_subs_epu16(_mm256_set1_epi16(2 * Self::MARGIN), least);
        if _mm256_testz_si256(near, near) == 0 {
            return self.near_ties(first, second);
        }
        _mm256_packus_epi16(words(one), words(other))
    }

    /// [`Merged::bytes`], which seldom has its turn.
    #[cold]
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    fn near_ties(&self, first: &[i32; LANES], second: &[i32; LANES]) -> __m256i {
        self.bytes(first, second)
    }

    /// `number · factor` of one pixel, or what rounds to the same code.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn quotients(&self, numbers: [__m256; 2]) -> [__m256; 2] {
        let quotients = [0, 1].map(|i| _mm256_mul_ps(numbers[i], self.factor[i]));
        if KIND & DIVISION != CHECKED {
            return quotients;
        }
        let distances = quotients.map(|q| distance(q));
        let tie = _mm256_set1_ps(0.5 - Division::MARGIN);
        let near = _mm256_cmp_ps::<_CMP_GE_OQ>(_mm256_max_ps(distances[0], distances[1]), tie);
        if _mm256_movemask_ps(near) == 0 {
            return quotients;
        }
        [0, 1].map(|i| {
            // SAFETY: there are LANES scales.
            let scale = unsafe { _mm256_loadu_ps(self.scale.as_ptr().add(8 * i)) };
            divided(self.narrow, numbers[i], scale, quotients[i])
        })
    }
}

/// How far `x` is from the nearest integer.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn distance(x: __m256) -> __m256 {
    const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    let distance = _mm256_sub_ps(x, _mm256_round_ps::<NEAREST>(x));
    _mm256_andnot_ps(_mm256_set1_ps(-0.0), distance)
}
