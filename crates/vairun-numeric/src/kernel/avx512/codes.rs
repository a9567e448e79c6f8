//! [`Narrow::code`] of 16 numbers.

use std::arch::x86_64::*;

use crate::kernel::kind::{CHECKED, DIVISION, EXACT, HALF_AWAY, HALF_UP, ROUNDING, rounding};
use crate::kernel::narrow::Narrow;
use crate::round::Round;

/// [`Narrow::code`] of 16 numbers, for a quantizer of that [`kind`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn codes<const KIND: u8>(narrow: &Narrow, x: __m512) -> __m512i {
    let scale = _mm512_set1_ps(narrow.scale());
    let quotient = match KIND & DIVISION {
        EXACT => _mm512_mul_ps(x, _mm512_set1_ps(narrow.inverse())),
        CHECKED if narrow.scale() >= SMALLEST => corrected(narrow, x),
        _ => _mm512_div_ps(x, scale),
    };
    let (low, high, before, after) = narrow.bounds();
    // Adding 0 does not change how a number rounds.
    let quotient = match KIND & DIVISION {
        CHECKED => quotient,
        _ => _mm512_add_ps(quotient, _mm512_set1_ps(before)),
    };
    let clamped = _mm512_min_ps(_mm512_max_ps(quotient, _mm512_set1_ps(low)), _mm512_set1_ps(high));
    _mm512_add_epi32(rounded(rounding::<KIND>(narrow), clamped), _mm512_set1_epi32(after))
}

/// The smallest step with which [`corrected`] is the quotient: what is left of a number has no bits below the smallest
/// float.
const SMALLEST: f32 = 1.0 / (1u128 << 80) as f32;

/// The quotients of `x` by the step, each the nearest float where it is from 1/4 to 2^12; below they are near, and what is
/// beyond stays beyond 2^11.
///
/// The product with the nearest float of the reciprocal is less than two units in the last place off. What it leaves of
/// `x`, times the reciprocal, makes it one of the two floats beside the quotient, and once more the nearest one
/// (P. Markstein, Computation of elementary functions on the IBM RISC System/6000 processor, 1990, theorem 8.1). To look
/// for ties instead, and divide there, takes as many instructions and a branch: interpolation makes many ties.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn corrected(narrow: &Narrow, x: __m512) -> __m512 {
    let (scale, inverse) = (_mm512_set1_ps(narrow.scale()), _mm512_set1_ps(narrow.inverse()));
    // 0b0010: the smaller of the magnitudes with the sign of x. What is left of a larger number may not be finite.
    let most = _mm512_set1_ps((narrow.scale() * 4096.0).min(f32::MAX));
    let x = _mm512_range_ps::<0b0010>(x, most);
    let mut quotient = _mm512_mul_ps(x, inverse);
    for _ in 0..2 {
        let left = _mm512_fnmadd_ps(quotient, scale, x);
        quotient = _mm512_fmadd_ps(left, inverse, quotient);
    }
    quotient
}

/// `x`, of magnitude below 2^22, rounded.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn rounded(round: Round, x: __m512) -> __m512i {
    const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
    const UP: i32 = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;
    let half = _mm512_set1_ps(0.5);
    let one = _mm512_set1_ps(1.0);
    // Below 2^22 the fraction is exact.
    match round {
        Round::HalfEven => _mm512_cvtps_epi32(x),
        Round::HalfUp => {
            let floor = _mm512_roundscale_ps::<DOWN>(x);
            let up = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(_mm512_sub_ps(x, floor), half);
            _mm512_cvtps_epi32(_mm512_mask_add_ps(floor, up, floor, one))
        }
        Round::HalfAway => {
            let magnitude = _mm512_abs_ps(x);
            let floor = _mm512_roundscale_ps::<DOWN>(magnitude);
            let up = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(_mm512_sub_ps(magnitude, floor), half);
            let rounded = _mm512_cvtps_epi32(_mm512_mask_add_ps(floor, up, floor, one));
            let negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
            _mm512_mask_sub_epi32(rounded, negative, _mm512_setzero_si512(), rounded)
        }
        Round::Floor => _mm512_cvtps_epi32(_mm512_roundscale_ps::<DOWN>(x)),
        Round::Ceil => _mm512_cvtps_epi32(_mm512_roundscale_ps::<UP>(x)),
        Round::HalfTowardZero => {
            let magnitude = _mm512_abs_ps(x);
            let floor = _mm512_roundscale_ps::<DOWN>(magnitude);
            let up = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(_mm512_sub_ps(magnitude, floor), half);
            let rounded = _mm512_cvtps_epi32(_mm512_mask_add_ps(floor, up, floor, one));
            let negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
            _mm512_mask_sub_epi32(rounded, negative, _mm512_setzero_si512(), rounded)
        }
        Round::HalfUpBelowZeroElseEven => {
            let floor = _mm512_roundscale_ps::<DOWN>(x);
            let up = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(_mm512_sub_ps(x, floor), half);
            let half_up = _mm512_cvtps_epi32(_mm512_mask_add_ps(floor, up, floor, one));
            let negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
            _mm512_mask_blend_epi32(negative, _mm512_cvtps_epi32(x), half_up)
        }
    }
}

/// `number · scale / step` in the order of the definition, where that is small; else `quotient`, which is clamped.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn divided(narrow: &Narrow, number: __m512, scale: __m512, quotient: __m512) -> __m512 {
    let exact = _mm512_div_ps(_mm512_mul_ps(number, scale), _mm512_set1_ps(narrow.scale()));
    let small = _mm512_set1_ps(1024.0);
    let near = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(_mm512_abs_ps(quotient), small);
    _mm512_mask_blend_ps(near, quotient, exact)
}

/// `x`, of magnitude below 2^31, rounded by the rule of `KIND`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn rounded_small<const KIND: u8>(x: __m512) -> __m512i {
    const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
    const TO_ZERO: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
    let half = _mm512_set1_ps(0.5);
    match KIND & ROUNDING {
        // The sum is at least the integer n where x is at least n - 1/2: rounding it down crosses no integer.
        HALF_UP => _mm512_cvt_roundps_epi32::<DOWN>(_mm512_add_round_ps::<DOWN>(x, half)),
        HALF_AWAY => {
            let sign = _mm512_and_ps(x, _mm512_set1_ps(-0.0));
            _mm512_cvttps_epi32(_mm512_add_round_ps::<TO_ZERO>(x, _mm512_or_ps(half, sign)))
        }
        _ => _mm512_cvtps_epi32(x),
    }
}

/// Of numbers of magnitude below 2^22 added to it, the lowest bit is 1.
const MAGIC: f32 = 12_582_912.0;

/// `sum · factor`, rounded by the rule of `KIND`, and how far it is from the nearest integer, where that is asked.
///
/// With `fixed`, the quotients are below 2^15 (`Part::fixed`): added to [`MAGIC`], one becomes an integer in the lower bits,
/// rounded once. That may be another one than the definition's near a tie alone, which the caller looks for.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn rounded_product<const KIND: u8>(
    sum: __m512i,
    factor: __m512,
    fixed: bool,
) -> (__m512i, __m512) {
    let number = _mm512_cvtepi32_ps(sum);
    if KIND & DIVISION != CHECKED {
        let quotient = _mm512_mul_ps(number, factor);
        return (rounded_small::<KIND>(quotient), _mm512_setzero_ps());
    }
    if fixed {
        let magic = _mm512_set1_ps(MAGIC);
        let rounded = _mm512_fmadd_ps(number, factor, magic);
        let distance = _mm512_fmsub_ps(number, factor, _mm512_sub_ps(rounded, magic));
        let offset = _mm512_set1_epi32(MAGIC.to_bits() as i32);
        return (_mm512_sub_epi32(_mm512_castps_si512(rounded), offset), distance);
    }
    let quotient = _mm512_mul_ps(number, factor);
    (rounded_small::<KIND>(quotient), _mm512_reduce_ps::<0>(quotient))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::kind::HALF_EVEN;
    use crate::kernel::tie_tests::near_ties;
    use crate::kernel::{Isa, NarrowParts};

    /// By [`rounded`], and by [`rounded_small`] where that has the rule.
    #[target_feature(enable = "avx512f,avx512dq")]
    fn all(round: Round, x: [f32; 16]) -> [[i32; 16]; 2] {
        let mut out = [[0; 16]; 2];
        // SAFETY: sixteen elements each.
        #[allow(unsafe_code)]
        unsafe {
            let x = _mm512_loadu_ps(x.as_ptr());
            let small = match round {
                Round::HalfEven => rounded_small::<HALF_EVEN>(x),
                Round::HalfUp => rounded_small::<HALF_UP>(x),
                Round::HalfAway => rounded_small::<HALF_AWAY>(x),
                _ => rounded(round, x),
            };
            _mm512_storeu_si512(out[0].as_mut_ptr().cast(), rounded(round, x));
            _mm512_storeu_si512(out[1].as_mut_ptr().cast(), small);
        }
        out
    }

    #[target_feature(enable = "avx512f,avx512dq")]
    fn quotients(narrow: &Narrow, x: [f32; 16]) -> [f32; 16] {
        let mut out = [0.0; 16];
        // SAFETY: sixteen elements each.
        #[allow(unsafe_code)]
        unsafe {
            _mm512_storeu_ps(out.as_mut_ptr(), corrected(narrow, _mm512_loadu_ps(x.as_ptr())));
        }
        out
    }

    #[test]
    fn a_corrected_quotient_is_the_nearest_float() {
        if !Isa::Avx512.is_available() {
            return;
        }
        // The significands with the most and the fewest bits, those beside powers of two, and others.
        let significands = [1, 2, 3, 0x7f_ffff, 0x7f_fffe, 0x40_0001, 0x3f_ffff, 0x55_5555];
        let more = (0u32..64).map(|i| i.wrapping_mul(0x9e37_79b9) >> 9);
        for significand in significands.into_iter().chain(more) {
            for exponent in [47, 90, 118, 127, 140] {
                let scale = f32::from_bits(exponent << 23 | significand);
                let round = Round::HalfEven;
                let parts =
                    NarrowParts { scale, zero: 0, low: 0, high: 255, round, zero_inside: None };
                let Some(narrow) = Narrow::new(parts) else { continue };
                let numbers = (0u32..4096).map(|i| {
                    // From a fourth of the step to 2^12 steps, and both signs.
                    let bits = i.wrapping_mul(0x85eb_ca6b) >> 9;
                    let magnitude = f32::from_bits((exponent - 1 + i % 13) << 23 | bits);
                    if i % 2 == 0 { magnitude } else { -magnitude }
                });
                let numbers: Vec<f32> = numbers.collect();
                for numbers in numbers.as_chunks::<16>().0 {
                    // SAFETY: the CPU has AVX-512.
                    #[allow(unsafe_code)]
                    let got = unsafe { quotients(&narrow, *numbers) };
                    for (got, x) in got.iter().zip(numbers) {
                        let want = x / scale;
                        let meant = (0.25..4000.0).contains(&want.abs());
                        assert!(!meant || *got == want, "{x} / {scale}: {got}, not {want}");
                    }
                    let far = [f32::MAX, f32::INFINITY, -f32::MAX, f32::NEG_INFINITY];
                    let far: [f32; 16] = std::array::from_fn(|i| far[i % 4]);
                    // SAFETY: as above.
                    #[allow(unsafe_code)]
                    let got = unsafe { quotients(&narrow, far) };
                    assert!(got.iter().zip(far).all(|(got, x)| got * x.signum() > 2048.0));
                }
            }
        }
    }

    #[test]
    fn every_rule_around_every_half_and_integer() {
        if !Isa::Avx512.is_available() {
            return;
        }
        for round in Round::ALL {
            for numbers in near_ties().as_chunks::<16>().0 {
                // SAFETY: the CPU has AVX-512.
                #[allow(unsafe_code)]
                let codes = unsafe { all(round, *numbers) };
                let want = numbers.map(|x| round.f32(x) as i32);
                assert_eq!(codes, [want; 2], "{round:?} {numbers:?}");
            }
        }
    }
}
