//! The error function and Gelu in float32: evaluated in float64 by plain arithmetic, rounded once, as in
//! [`crate::transcendental`].

use crate::transcendental::exp64;

/// `erf(x) / x` as a polynomial in x² for |x| up to 1, the highest power first: Chebyshev's, off by 2^-57 at most.
const NEAR: [f64; 12] = [
    -7.795_898_827_002_142e-10,
    1.372_006_454_677_768_6e-8,
    -1.620_848_380_187_170_5e-7,
    1.644_742_470_331_736_2e-6,
    -1.492_473_690_741_966e-5,
    0.000_120_552_949_048_397_07,
    -0.000_854_832_597_538_969_2,
    0.005_223_977_607_116_422_5,
    -0.026_866_170_643_237_77,
    0.112_837_916_709_450_06,
    -0.376_126_389_031_835_43,
    std::f64::consts::FRAC_2_SQRT_PI,
];

/// `e^(x²) · erfc(x)` for x from 1 to [`END`] as a polynomial in `(x - MIDDLE) / (x + MIDDLE)`, the highest power first:
/// Chebyshev's, off by 2^-50 of it at most.
const FAR: [f64; 17] = [
    3.054_159_111_950_697e-7,
    1.720_957_447_649_828_3e-7,
    -1.779_167_655_202_336_2e-6,
    -2.345_029_287_968_780_4e-6,
    7.547_670_936_668_971e-6,
    1.862_620_952_450_026e-5,
    -3.418_179_002_061_751e-5,
    -0.000_128_878_808_887_547_68,
    0.000_228_380_367_402_495_72,
    0.000_875_915_578_507_552_6,
    -0.002_642_365_964_787_146_7,
    -0.003_993_701_171_194_314,
    0.039_922_539_075_603_75,
    -0.125_033_052_378_729_44,
    0.251_713_193_217_449_4,
    -0.371_736_733_948_973_9,
    0.210_806_364_061_143_6,
];

const MIDDLE: f64 = 2.5;

/// Beyond it `erfc(x)` is below 10^-49: less than any float32.
const END: f64 = 10.5;

/// Even and odd powers apart: a chain of all of them is what the time goes into.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f64; N], x: f64) -> f64 {
    let (square, mut sums) = (x * x, [0.0; 2]);
    for (i, coefficient) in coefficients.iter().enumerate() {
        let power = (N - 1 - i) % 2;
        sums[power] = sums[power] * square + coefficient;
    }
    sums[0] + x * sums[1]
}

/// `erf(x)` for |x| up to 1.
#[inline(always)]
fn near(x: f64) -> f64 {
    x * polynomial(&NEAR, x * x)
}

/// `erfc(|x|)` for |x| from 1 on.
#[inline(always)]
fn far(x: f64) -> f64 {
    let size = x.abs();
    // NaN compares false and stays.
    let end = if size > END { END } else { size };
    let far = exp64(-end * end) * polynomial(&FAR, (end - MIDDLE) / (end + MIDDLE));
    if size > END { 0.0 } else { far }
}

/// A function that is computed in one way near zero and in another one elsewhere.
trait Parted {
    fn is_near(x: f32) -> bool;
    fn near(x: f32) -> f32;
    fn far(x: f32) -> f32;
}

struct Erf;

impl Parted for Erf {
    #[inline(always)]
    fn is_near(x: f32) -> bool {
        x.abs() < 1.0
    }

    #[inline(always)]
    fn near(x: f32) -> f32 {
        near(x.into()) as f32
    }

    #[inline(always)]
    fn far(x: f32) -> f32 {
        let x = f64::from(x);
        (1.0 - far(x)).copysign(x) as f32
    }
}

struct Gelu;

/// `x/√2`
#[inline(always)]
fn over_root(x: f32) -> f64 {
    f64::from(x) * std::f64::consts::FRAC_1_SQRT_2
}

impl Parted for Gelu {
    #[inline(always)]
    fn is_near(x: f32) -> bool {
        over_root(x).abs() < 1.0
    }

    #[inline(always)]
    fn near(x: f32) -> f32 {
        (0.5 * f64::from(x) * (1.0 + near(over_root(x)))) as f32
    }

    #[inline(always)]
    fn far(x: f32) -> f32 {
        let v = over_root(x);
        let far = far(v);
        // Below zero 1 + erf would lose what erfc has.
        (0.5 * f64::from(x) * (if v < 0.0 { far } else { 2.0 - far })) as f32
    }
}

#[inline(always)]
fn one<P: Parted>(x: f32) -> f32 {
    if P::is_near(x) { P::near(x) } else { P::far(x) }
}

/// Numbers of which those that are far are computed together.
const CHUNK: usize = 256;

/// All of some numbers: what is far, the smaller part most often and five times the work, only where it is.
#[inline(always)]
fn all<P: Parted>(x: &mut [f32]) {
    for x in x.chunks_mut(CHUNK) {
        let (mut at, mut others, mut count) = ([0; CHUNK], [0f32; CHUNK], 0);
        for (i, &x) in x.iter().enumerate() {
            (at[count], others[count]) = (i, x);
            count += usize::from(!P::is_near(x));
        }
        x.iter_mut().for_each(|x| *x = P::near(*x));
        others[..count].iter_mut().for_each(|x| *x = P::far(*x));
        at.iter().zip(&others[..count]).for_each(|(&at, &far)| x[at] = far);
    }
}

/// The error function. NaN stays NaN, zero keeps its sign.
pub fn erf(x: f32) -> f32 {
    one::<Erf>(x)
}

/// [`erf`] of each.
#[inline(always)]
pub(crate) fn erf_all(x: &mut [f32]) {
    all::<Erf>(x);
}

/// `x/2 · (1 + erf(x/√2))`. NaN and negative infinity give NaN, zero keeps its sign.
pub fn gelu(x: f32) -> f32 {
    one::<Gelu>(x)
}

/// [`gelu`] of each.
#[inline(always)]
pub(crate) fn gelu_all(x: &mut [f32]) {
    all::<Gelu>(x);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcendental::tests::compare;

    #[test]
    fn erf_is_rounded_correctly() {
        compare("erf", erf, libm::erf);
    }

    #[test]
    fn gelu_is_rounded_correctly() {
        compare("gelu", gelu, |x| 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2));
    }

    #[test]
    fn ends_and_nan() {
        assert_eq!((erf(f32::INFINITY), erf(f32::NEG_INFINITY)), (1.0, -1.0));
        let small = 1e-40f32;
        let slope = std::f64::consts::FRAC_2_SQRT_PI;
        assert_eq!((erf(4.0), erf(small)), (1.0, (f64::from(small) * slope) as f32));
        assert_eq!(erf(-0.0).to_bits(), (-0f32).to_bits());
        assert_eq!((gelu(f32::INFINITY), gelu(40.0)), (f32::INFINITY, 40.0));
        assert_eq!(gelu(-40.0).to_bits(), (-0f32).to_bits());
        for nan in [erf(f32::NAN), gelu(f32::NAN), gelu(f32::NEG_INFINITY)] {
            assert!(nan.is_nan());
        }
    }
}
