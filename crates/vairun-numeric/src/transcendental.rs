//! Exp, Sigmoid and Tanh in float32: evaluated in float64 by plain arithmetic, rounded once.
//!
//! The error before the rounding is below 2^-44 of the result, so the result is the correctly rounded one but for one
//! argument in a million, which is off by one unit in the last place. The same bits come out on every CPU, with or
//! without vector instructions: there is no call into the C library, whose versions differ, and no fused multiply-add.
//! Loops over these functions vectorise.

use std::f64::consts::LOG2_E;

use crate::vector::{Loop, widest};

/// The natural logarithm of 2 in two parts; the first ends in 21 zero bits, so that `k · LN2_HIGH` is exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// Adding this to a float64 below 2^51 leaves the nearest integer in the low bits.
const ROUND_TO_INTEGER: f64 = 6_755_399_441_055_744.0;

/// `e^x` for `x` in [-708, 708]; beyond, the value at the border; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp64(x: f64) -> f64 {
    // NaN compares false and stays.
    let x = if x > 708.0 { 708.0 } else { x };
    let x = if x < -708.0 { -708.0 } else { x };
    let shifted = x * LOG2_E + ROUND_TO_INTEGER;
    let k = shifted - ROUND_TO_INTEGER;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    // The Taylor series: |r| < 0.347, the first term left out is below 2^-54.
    let mut sum = 1.0 / 6_227_020_800.0;
    for coefficient in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        sum = sum * r + coefficient;
    }
    let exponent = shifted.to_bits().wrapping_add(1023) << 52;
    sum * f64::from_bits(exponent)
}

/// [`exp_all`], for loops of their own.
pub(crate) struct ExpAll<'a>(pub(crate) &'a mut [f64]);

impl Loop for ExpAll<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for x in self.0 {
            let below = *x < -708.0;
            let e = exp64(*x);
            *x = if below { 0.0 } else { e };
        }
    }
}

/// `e^x` for every element, none of which is above 708; 0 below -708; NaN stays NaN. The error is below 2^-44.
pub fn exp_all(x: &mut [f64]) {
    widest(ExpAll(x));
}

/// `e^x`. NaN stays NaN, too large gives infinity, too small 0.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    exp64(f64::from(x)) as f32
}

/// `1 / (1 + e^-x)`. NaN stays NaN.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    (1.0 / (1.0 + exp64(-f64::from(x)))) as f32
}

/// The hyperbolic tangent. NaN stays NaN, zero keeps its sign.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let wide = f64::from(x);
    let square = wide * wide;
    // 1 - 2/(e^2x + 1) cancels near zero; there the series does better.
    let near =
        wide * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0 + square * (-17.0 / 315.0))));
    let far = 1.0 - 2.0 / (exp64(2.0 * wide) + 1.0);
    (if square < 1e-4 { near } else { far }) as f32
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Every float32 that is a multiple of a prime step in bits, many near zero, and special values.
    fn arguments() -> impl Iterator<Item = f32> {
        let dense = (-160_000..160_000).map(|i| i as f32 / 10_007.0);
        (0..=u32::MAX).step_by(10_007).map(f32::from_bits).chain(dense).chain([
            0.0,
            -0.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MIN_POSITIVE,
            88.72284,
            -103.97208,
        ])
    }

    /// Nearly all results are those of a slower function, rounded; none is farther away than its neighbour.
    pub(crate) fn compare(name: &str, ours: fn(f32) -> f32, slow: impl Fn(f64) -> f64) {
        let (mut differ, mut count) = (0, 0);
        for x in arguments() {
            let (got, want) = (ours(x), slow(f64::from(x)) as f32);
            if got.is_nan() && want.is_nan() {
                continue;
            }
            let steps = (i64::from(got.to_bits()) - i64::from(want.to_bits())).abs();
            assert!(steps <= 1, "{name}({x:?}) = {got:?}, expected {want:?}");
            differ += u32::from(steps == 1);
            count += 1;
        }
        assert!(differ <= count / 100_000, "{name}: {differ} of {count} off by one");
    }

    #[test]
    fn exp_is_rounded_correctly() {
        compare("exp", exp, f64::exp);
    }

    #[test]
    fn sigmoid_is_rounded_correctly() {
        compare("sigmoid", sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
    }

    #[test]
    fn tanh_is_rounded_correctly() {
        compare("tanh", tanh, f64::tanh);
    }

    #[test]
    fn a_slice_is_rounded_as_its_elements() {
        let mut x: Vec<f64> = (-90..=0).map(f64::from).collect();
        let want: Vec<f32> = x.iter().map(|&x| exp(x as f32)).collect();
        exp_all(&mut x);
        assert_eq!(x.iter().map(|&x| x as f32).collect::<Vec<_>>(), want);
        let mut ends = [f64::NEG_INFINITY, -709.0, f64::NAN];
        exp_all(&mut ends);
        assert!(ends[..2] == [0.0; 2] && ends[2].is_nan());
    }

    #[test]
    fn ends_and_nan() {
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(f32::NEG_INFINITY).to_bits(), 0);
        assert_eq!((exp(89.0), exp(-104.0)), (f32::INFINITY, 0.0));
        assert_eq!((sigmoid(f32::NEG_INFINITY), sigmoid(f32::INFINITY)), (0.0, 1.0));
        assert_eq!((tanh(f32::NEG_INFINITY), tanh(f32::INFINITY)), (-1.0, 1.0));
        assert_eq!(tanh(-0.0).to_bits(), (-0f32).to_bits());
        assert!(exp(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
    }
}
