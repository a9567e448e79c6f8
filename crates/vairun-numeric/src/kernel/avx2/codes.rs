//! [`Narrow::code`] of eight numbers with AVX2.

use std::arch::x86_64::*;

use crate::kernel::kind::{CHECKED, DIVISION, EXACT, HALF_AWAY, HALF_UP, ROUNDING, rounding};
use crate::kernel::narrow::{Division, Narrow};
use crate::round::Round;

/// A quantizer of some kind in registers.
#[derive(Clone, Copy)]
pub(super) struct Quantizer<const KIND: u8> {
    scale: __m256,
    inverse: __m256,
    low: __m256,
    high: __m256,
    before: __m256,
    after: __m256i,
    narrow: Narrow,
}

impl<const KIND: u8> Quantizer<KIND> {
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn new(narrow: &Narrow) -> Self {
        let (low, high, before, after) = narrow.bounds();
        Self {
            scale: _mm256_set1_ps(narrow.scale()),
            inverse: _mm256_set1_ps(narrow.inverse()),
            low: _mm256_set1_ps(low),
            high: _mm256_set1_ps(high),
            before: _mm256_set1_ps(before),
            after: _mm256_set1_epi32(after),
            narrow: *narrow,
        }
    }

    /// The codes of `x`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn codes(&self, x: __m256) -> __m256i {
        let quotient = self.quotient(x);
        // Adding 0 does not change how a number rounds.
        let quotient = match KIND & DIVISION {
            CHECKED => quotient,
            _ => _mm256_add_ps(quotient, self.before),
        };
        let clamped = _mm256_min_ps(_mm256_max_ps(quotient, self.low), self.high);
        _mm256_add_epi32(rounded(rounding::<KIND>(&self.narrow), clamped), self.after)
    }

    /// The quotient of `x` by the step, or what rounds to the same code.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn quotient(&self, x: __m256) -> __m256 {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        let quotient = _mm256_mul_ps(x, self.inverse);
        match KIND & DIVISION {
            EXACT => quotient,
            CHECKED => {
                let distance = _mm256_sub_ps(quotient, _mm256_round_ps::<NEAREST>(quotient));
                let distance = _mm256_andnot_ps(_mm256_set1_ps(-0.0), distance);
                let tie = _mm256_set1_ps(0.5 - Division::MARGIN);
                match _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(distance, tie)) {
                    0 => quotient,
                    _ => _mm256_div_ps(x, self.scale),
                }
            }
            _ => _mm256_div_ps(x, self.scale),
        }
    }
}

/// `number · scale / step` in the order of the definition, where that is small; else `quotient`, which is clamped.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn divided(narrow: &Narrow, number: __m256, scale: __m256, quotient: __m256) -> __m256 {
    let exact = _mm256_div_ps(_mm256_mul_ps(number, scale), _mm256_set1_ps(narrow.scale()));
    let magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0), quotient);
    let near = _mm256_cmp_ps::<_CMP_LT_OQ>(magnitude, _mm256_set1_ps(1024.0));
    _mm256_blendv_ps(quotient, exact, near)
}

/// `x`, of magnitude below 2^31, rounded by the rule of `KIND`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn rounded_small<const KIND: u8>(x: __m256) -> __m256i {
    match KIND & ROUNDING {
        HALF_UP => half_up(x),
        HALF_AWAY => half_away(x),
        _ => _mm256_cvtps_epi32(x),
    }
}

/// `x`, of magnitude below 2^22, rounded.
#[inline]
#[target_feature(enable = "avx2")]
fn rounded(round: Round, x: __m256) -> __m256i {
    match round {
        Round::HalfEven => _mm256_cvtps_epi32(x),
        Round::HalfUp => half_up(x),
        Round::HalfAway => half_away(x),
        Round::Floor => _mm256_cvtps_epi32(_mm256_floor_ps(x)),
        Round::Ceil => _mm256_cvtps_epi32(_mm256_ceil_ps(x)),
        Round::HalfTowardZero => {
            // Half away from zero of the number next to x towards zero: 0 stays.
            let magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0), x);
            let floor = _mm256_floor_ps(magnitude);
            let up = above_half::<_CMP_GT_OQ>(magnitude, floor);
            let rounded = _mm256_sub_epi32(_mm256_cvtps_epi32(floor), up);
            // The sign of x, and 1 for 0.
            let sign = _mm256_or_si256(_mm256_castps_si256(x), _mm256_set1_epi32(1));
            _mm256_sign_epi32(rounded, sign)
        }
        Round::HalfUpBelowZeroElseEven => {
            let (even, up) = (_mm256_cvtps_epi32(x), half_up(x));
            let chosen = _mm256_blendv_ps(_mm256_castsi256_ps(even), _mm256_castsi256_ps(up), x);
            _mm256_castps_si256(chosen)
        }
    }
}

/// Ties up; the fraction of a number is exact.
#[inline]
#[target_feature(enable = "avx2")]
fn half_up(x: __m256) -> __m256i {
    let floor = _mm256_floor_ps(x);
    _mm256_sub_epi32(_mm256_cvtps_epi32(floor), above_half::<_CMP_GE_OQ>(x, floor))
}

/// Ties away from zero.
///
/// Adding the number before a half carries exactly those over the next integer whose fraction is at least a half: of
/// the others the sum stays below it by more than the half unit that would round it up.
#[inline]
#[target_feature(enable = "avx2")]
fn half_away(x: __m256) -> __m256i {
    let sign = _mm256_and_ps(x, _mm256_set1_ps(-0.0));
    let before_half = _mm256_set1_ps(0.5 - f32::EPSILON / 4.0);
    _mm256_cvttps_epi32(_mm256_add_ps(x, _mm256_or_ps(before_half, sign)))
}

/// -1 where `x - floor` and a half compare.
#[inline]
#[target_feature(enable = "avx2")]
fn above_half<const COMPARE: i32>(x: __m256, floor: __m256) -> __m256i {
    let fraction = _mm256_sub_ps(x, floor);
    _mm256_castps_si256(_mm256_cmp_ps::<COMPARE>(fraction, _mm256_set1_ps(0.5)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tie_tests::near_ties;

    #[target_feature(enable = "avx2")]
    fn all(round: Round, x: [f32; 8]) -> [i32; 8] {
        let mut out = [0; 8];
        // SAFETY: eight elements each.
        #[allow(unsafe_code)]
        unsafe {
            let rounded = rounded(round, _mm256_loadu_ps(x.as_ptr()));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), rounded);
        }
        out
    }

    #[test]
    fn every_rule_around_every_half_and_integer() {
        if !std::arch::is_x86_feature_detected!("avx2") {
            return;
        }
        for round in Round::ALL {
            for numbers in near_ties().as_chunks::<8>().0 {
                // SAFETY: the CPU has AVX2.
                #[allow(unsafe_code)]
                let codes = unsafe { all(round, *numbers) };
                assert_eq!(codes, numbers.map(|x| round.f32(x) as i32), "{round:?} {numbers:?}");
            }
        }
    }
}
