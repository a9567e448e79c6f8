//! Microscaling formats: the elements of a block share a power-of-two scale and are narrow floats or integers.
//!
//! Source: `src/mx/cpu/mx_kernel.cc` and `include/mx/funcs.cuh` of amd-quark 0.13; the formats are those of the OCP
//! Microscaling specification 1.0, the arithmetic is Quark's.

use std::marker::PhantomData;

use crate::blocks::{
    BlockFormat, BlockRound, Blocks, LANES, Rule, Strip, by_rule, exponent, inverses, is_finite,
    power_of_two,
};

/// The type of an element of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MxElement {
    /// 5 bits of exponent, 2 of mantissa, up to 57344.
    Fp8E5M2,
    /// 4 bits of exponent, 3 of mantissa, up to 448.
    Fp8E4M3,
    /// 3 bits of exponent, 2 of mantissa, up to 28.
    Fp6E3M2,
    /// 2 bits of exponent, 3 of mantissa, up to 7.5.
    Fp6E2M3,
    /// 2 bits of exponent, 1 of mantissa, up to 6.
    Fp4E2M1,
    /// Integers from -128 to 127, in units of 2^-6.
    Int8,
}

/// The numbers that make a narrow float.
#[derive(Clone, Copy)]
struct Float {
    mantissa_bits: i32,
    /// The least exponent of a normal number.
    min_exponent: i32,
    max: f32,
}

impl MxElement {
    /// Every type.
    pub const ALL: [Self; 6] =
        [Self::Fp8E5M2, Self::Fp8E4M3, Self::Fp6E3M2, Self::Fp6E2M3, Self::Fp4E2M1, Self::Int8];

    /// The name in Quark's attribute `element_dtype`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp8E5M2 => "fp8_e5m2",
            Self::Fp8E4M3 => "fp8_e4m3",
            Self::Fp6E3M2 => "fp6_e3m2",
            Self::Fp6E2M3 => "fp6_e2m3",
            Self::Fp4E2M1 => "fp4_e2m1",
            Self::Int8 => "int8",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.name() == name)
    }

    /// The exponent of the largest power of two in the type.
    fn max_exponent(self) -> i32 {
        match self {
            Self::Fp8E5M2 => 15,
            Self::Fp8E4M3 => 8,
            Self::Fp6E3M2 => 4,
            Self::Fp6E2M3 | Self::Fp4E2M1 => 2,
            Self::Int8 => 0,
        }
    }

    fn float(self) -> Option<Float> {
        let (mantissa_bits, min_exponent, max) = match self {
            Self::Fp8E5M2 => (2, -14, 57344.0),
            Self::Fp8E4M3 => (3, -6, 448.0),
            Self::Fp6E3M2 => (2, -2, 28.0),
            Self::Fp6E2M3 => (3, 0, 7.5),
            Self::Fp4E2M1 => (1, 0, 6.0),
            Self::Int8 => return None,
        };
        Some(Float { mantissa_bits, min_exponent, max })
    }

    /// Rounds every element to what the format can hold of it: `y = s·element(x / s)`, `s = 2^(E - e)`, `E` the largest
    /// exponent of the block, `e` that of the largest power of two in the element's type.
    ///
    /// Floats round half to even whatever `round` says, and saturate; a zero result is +0. Integers round by `round`.
    /// Infinities and NaN do not count for the exponent and come back as they are.
    pub fn quantize_dequantize(self, data: &mut [f32], blocks: Blocks, round: BlockRound) {
        let down = 127 + self.max_exponent();
        match self.float() {
            Some(element) => blocks.apply(data, &Mx { down, element }),
            None => {
                by_rule!(round, R => blocks.apply(data, &Mx { down, element: Int8::<R>(PhantomData) }))
            }
        }
    }
}

/// The numbers that an element can be, seen from within its block.
trait Nearest: Copy + Sync {
    /// The nearest such number.
    fn nearest(self, x: f32) -> f32;
}

struct Mx<E> {
    /// How far the biased exponent of a block is above that of its scale.
    down: i32,
    element: E,
}

impl<E: Nearest> BlockFormat for Mx<E> {
    #[inline(always)]
    fn strip(&self, mut strip: Strip<'_>) {
        let (exponents, finite) = strip.max_finite_exponents();
        let step = exponents.map(|exponent| exponent as i32 - self.down);
        let scale: [f32; LANES] = step.map(power_of_two);
        let element = self.element;
        match inverses(&step).filter(|_| finite) {
            Some(inverse) => strip
                .map(&scale, &inverse, |x, scale, inverse| scale * element.nearest(x * inverse)),
            None => strip.map(&scale, &scale, |x, scale, _| {
                let y = scale * element.nearest(x / scale);
                if is_finite(x) { y } else { x }
            }),
        }
    }
}

impl Nearest for Float {
    /// The nearest number of the type, ties to even, magnitudes beyond the largest one cut off.
    #[inline(always)]
    fn nearest(self, x: f32) -> f32 {
        // Added to 2^23 steps, the sum has no bits below a step: the addition rounds, ties to even.
        let lowest = (127 + self.min_exponent) as u32;
        let top = exponent(x).max(lowest) + (23 - self.mantissa_bits) as u32;
        let steps = f32::from_bits(top << 23);
        let magnitude = (x.abs() + steps) - steps;
        let magnitude = if magnitude > self.max { self.max } else { magnitude };
        magnitude.copysign(x) + 0.0
    }
}

/// Multiples of 2^-6 from -2 to 127/64.
#[derive(Clone, Copy)]
struct Int8<R>(PhantomData<R>);

impl<R: Rule> Nearest for Int8<R> {
    #[inline(always)]
    fn nearest(self, x: f32) -> f32 {
        let code = R::round(x * 64.0);
        let code = if code > 127.0 { 127.0 } else { code };
        let code = if code < -128.0 { -128.0 } else { code };
        code * 0.015625
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(element: MxElement, round: BlockRound, x: &[f32]) -> Vec<f32> {
        let mut y = x.to_vec();
        let blocks = Blocks { outer: 1, len: x.len(), inner: 1, size: 32 };
        element.quantize_dequantize(&mut y, blocks, round);
        y
    }

    /// Every non-negative number of a type, from its definition.
    fn numbers(element: MxElement) -> Vec<f32> {
        let float = element.float().unwrap();
        let mut all = vec![0.0];
        let per_exponent = 1 << float.mantissa_bits;
        let unit = |e: i32| 2f64.powi(e - float.mantissa_bits) as f32;
        all.extend((1..per_exponent).map(|m| m as f32 * unit(float.min_exponent)));
        for e in float.min_exponent..=element.max_exponent() {
            all.extend((per_exponent..2 * per_exponent).map(|m| m as f32 * unit(e)));
        }
        all.retain(|&x| x <= float.max);
        all
    }

    #[test]
    fn each_float_rounds_to_the_nearest_of_its_numbers_ties_to_even() {
        for element in &MxElement::ALL[..5] {
            let (float, numbers) = (element.float().unwrap(), numbers(*element));
            assert_eq!(numbers.last(), Some(&float.max));
            for (i, pair) in numbers.windows(2).enumerate() {
                let middle = (pair[0] + pair[1]) / 2.0;
                let even = if i % 2 == 0 { pair[0] } else { pair[1] };
                for (x, want) in [
                    (pair[0], pair[0]),
                    (middle, even),
                    (middle.next_down(), pair[0]),
                    (middle.next_up(), pair[1]),
                ] {
                    assert_eq!(float.nearest(x), want, "{element:?}({x})");
                    assert_eq!(float.nearest(-x), -want, "{element:?}(-{x})");
                }
            }
        }
    }

    #[test]
    fn large_numbers_saturate_and_zero_has_no_sign() {
        let y = run(MxElement::Fp4E2M1, BlockRound::HalfEven, &[7.9, -7.9, -0.1, -0.0]);
        assert_eq!(y, [6.0, -6.0, 0.0, 0.0]);
        assert_eq!([y[2].to_bits(), y[3].to_bits()], [0, 0]);
    }

    #[test]
    fn integers_follow_the_rounding_rule_and_saturate() {
        let x = [1.9999, -1.9999, 0.0234375, -0.0234375, 0.0390625, -0.0390625];
        let codes = |round| -> Vec<f32> {
            run(MxElement::Int8, round, &x).iter().map(|y| y * 64.0).collect()
        };
        assert_eq!(codes(BlockRound::HalfAway), [127., -128., 2., -2., 3., -3.]);
        assert_eq!(codes(BlockRound::HalfUp), [127., -128., 2., -1., 3., -2.]);
        assert_eq!(codes(BlockRound::HalfEven), [127., -128., 2., -2., 2., -2.]);
    }

    #[test]
    fn infinities_and_nan_pass_through_and_do_not_count() {
        let x = [f32::INFINITY, 1.0, f32::NAN, f32::NEG_INFINITY, 0.3];
        let y = run(MxElement::Fp4E2M1, BlockRound::HalfEven, &x);
        assert_eq!([y[0], y[1], y[3], y[4]], [f32::INFINITY, 1.0, f32::NEG_INFINITY, 0.25]);
        assert!(y[2].is_nan());
    }

    #[test]
    fn subnormal_blocks_have_a_subnormal_scale() {
        let x = f32::from_bits(0x0040_0000);
        assert_eq!(run(MxElement::Fp8E4M3, BlockRound::HalfEven, &[x, -x]), [x, -x]);
    }
}
