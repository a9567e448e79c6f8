//! ONNX's own `QuantizeLinear` and `DequantizeLinear` on integers (`com.microsoft` computes the same numbers).
//!
//! Quantizer: `q = saturate(round_half_even(x / scale) + zero_point)`: a true division in the *precision* of the node,
//! the zero point **after** rounding, nothing overflows; NaN gives the least code, as onnxruntime on x86 does.
//!
//! Dequantizer: `y = f32(f32(q - zero_point) · scale)`, the difference in i32 (wrapping for 32-bit codes).
//!
//! Source: `onnx/reference/ops/op_quantize_linear.py` of onnx 1.23; onnxruntime 1.28 and 1.32 without optimizations.

use half::{bf16, f16};

use crate::contraction::Codes;
use crate::narrow::{Narrow, Overflow};
use crate::round;
use crate::spread::Spread;
use crate::vector::{Loop, widest};

/// An integer that a quantizer may give, at most 16 bits wide.
pub trait Code: Copy + Default {
    /// The low bits of `wide`, which the caller has clipped.
    fn narrow(wide: i32) -> Self;
    /// Its value.
    fn widen(self) -> i32;
}

macro_rules! codes {
    ($($code:ty),*) => {$(
        impl Code for $code {
            #[inline(always)]
            fn narrow(wide: i32) -> Self {
                wide as $code
            }
            #[inline(always)]
            fn widen(self) -> i32 {
                i32::from(self)
            }
        }
    )*};
}
codes!(i8, u8, i16, u16);

/// The scale and the zero point of an element, ready for quantizing to codes from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    scale: f32,
    zero_point: i32,
    /// The bounds less the zero point: clipping to integers before rounding to integers is the same as after, and
    /// keeps the sum with the zero point in range.
    low: f32,
    high: f32,
}

impl Affine {
    /// For codes from `low` to `high`.
    ///
    /// # Panics
    /// Where a bound or the zero point has more than 17 bits, so that sums would not be exact in f32.
    pub fn new(scale: f32, zero_point: i32, low: i32, high: i32) -> Self {
        let exact = -(1 << 17)..=1 << 17;
        assert!([low, high, zero_point].iter().all(|value| exact.contains(value)));
        Self { scale, zero_point, low: (low - zero_point) as f32, high: (high - zero_point) as f32 }
    }

    /// What numbers are divided by; a requantizer multiplies sums by it.
    pub(crate) fn scale(self) -> f32 {
        self.scale
    }

    /// The code of `quotient`, which is `x / scale`.
    #[inline(always)]
    pub(crate) fn code<C: Code>(self, quotient: f32) -> C {
        // The comparisons send NaN to the lower bound.
        let raised = if quotient > self.low { quotient } else { self.low };
        let clipped = if raised < self.high { raised } else { self.high };
        C::narrow(integer(clipped).wrapping_add(self.zero_point))
    }
}

/// `x` to the nearest integer, ties to even; right for magnitudes up to 2^22.
#[inline(always)]
pub(crate) fn integer(x: f32) -> i32 {
    // In the sum the integer stands in the low bits: adding rounds to even, and no conversion is needed, which SSE2
    // lacks for rounding to nearest in a fixed mode.
    const SHIFT: f32 = 12_582_912.0; // 1.5 · 2^23
    ((x + SHIFT).to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32)
}

/// The floating-point type that a quantizer divides in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// f32.
    Single,
    /// Both operands and the quotient are rounded to f16.
    Half,
    /// Both operands and the quotient are rounded to bf16.
    Brain,
}

impl Precision {
    /// `x` rounded to the type.
    #[inline]
    pub fn round(self, x: f32) -> f32 {
        match self {
            Self::Single => x,
            Self::Half => f16::from_f32(x).to_f32(),
            Self::Brain => bf16::from_f32(x).to_f32(),
        }
    }

    /// `x / scale` in the type. The quotient in f32 has more than twice the bits of the narrower types, so rounding
    /// it again is the same as dividing in them.
    #[inline]
    pub fn quotient(self, x: f32, scale: f32) -> f32 {
        self.round(self.round(x) / self.round(scale))
    }
}

/// Quantizes `x`, dividing in f32.
pub fn quantize<C: Code>(x: &[f32], parameters: &[Affine], spread: Spread) -> Vec<C> {
    spread.map(x, parameters, |x, affine| affine.code(x / affine.scale))
}

/// Quantizes `x`, dividing in a narrower type.
pub fn quantize_in<C: Code>(
    precision: Precision,
    x: &[f32],
    parameters: &[Affine],
    spread: Spread,
) -> Vec<C> {
    match precision {
        Precision::Single => quantize(x, parameters, spread),
        narrow => {
            spread.map(x, parameters, |x, affine| affine.code(narrow.quotient(x, affine.scale)))
        }
    }
}

/// Quantizes integers, dividing in f64 as numpy does.
pub fn quantize_i32<C: Code>(x: &[i32], parameters: &[Affine], spread: Spread) -> Vec<C> {
    spread.map(x, parameters, |x, affine| {
        let quotient = round::f64::half_even(f64::from(x) / f64::from(affine.scale));
        affine.code(quotient as f32)
    })
}

/// Quantizes to a narrow floating-point type: `y = encode(x / scale + zero)`, where `zero` is the zero point, 0, or -0
/// for none: a quotient of -0 plus 0 is 0.
pub fn quantize_narrow(
    (narrow, overflow): (Narrow, Overflow),
    (precision, zero): (Precision, f32),
    x: &[f32],
    scales: &[f32],
    spread: Spread,
) -> Vec<u8> {
    spread.map(x, scales, |x, scale| narrow.encode(precision.quotient(x, scale) + zero, overflow))
}

/// Dequantizes a narrow floating-point type: `y = f32(decode(q) · scale)`.
pub fn dequantize_narrow(narrow: Narrow, q: &[u8], scales: &[f32], spread: Spread) -> Vec<f32> {
    spread.map(&narrow.decode_slice(q), scales, |q, scale| q * scale)
}

/// The scale and the zero point of a dequantizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// The distance of two neighbours.
    pub scale: f32,
    /// The code of 0.
    pub zero_point: i32,
}

impl Grid {
    /// The number of a code.
    #[inline(always)]
    pub fn number(self, code: i32) -> f32 {
        code.wrapping_sub(self.zero_point) as f32 * self.scale
    }
}

/// Dequantizes codes; differences of 32 bits wrap around, and are rounded to f32 before they are scaled.
pub fn dequantize(q: Codes, grids: &[Grid], spread: Spread) -> Vec<f32> {
    fn all<C: Copy + Into<i32>>(q: &[C], grids: &[Grid], spread: Spread) -> Vec<f32> {
        spread.map(q, grids, |q, grid| grid.number(q.into()))
    }
    match q {
        Codes::I8(q) => all(q, grids, spread),
        Codes::U8(q) => all(q, grids, spread),
        Codes::I16(q) => all(q, grids, spread),
        Codes::U16(q) => all(q, grids, spread),
        Codes::I32(q) => all(q, grids, spread),
    }
}

/// `DynamicQuantizeLinear`: the codes, the scale, and the zero point.
///
/// `low = min(0, min x)`, `high = max(0, max x)`; `scale = f32(f32(high - low) / 255)`, or 1 where `low = high`;
/// `zero_point = saturate(round_half_even(f32(f32(0 - low) / scale)))`. NaNs do not take part in the range. A range so
/// small that the scale is 0, or an infinite one below, makes the zero point 255: the quotient is NaN, and onnxruntime
/// compares it with the upper bound first.
///
/// Source: operators.md §4.2; onnxruntime 1.28, 1.32.
pub fn dynamic_quantize(x: &[f32]) -> (Vec<u8>, f32, u8) {
    let (low, high) = widest(Extremes(x));
    let scale = if low == high { 1.0 } else { (high - low) / 255.0 };
    let zero_point: u8 = match (0.0 - low) / scale {
        quotient if quotient.is_nan() => 255,
        quotient => Affine::new(scale, 0, 0, 255).code(quotient),
    };
    let affine = Affine::new(scale, i32::from(zero_point), 0, 255);
    let mut codes = vec![0; x.len()];
    widest(Bytes { x, affine, codes: &mut codes });
    (codes, scale, zero_point)
}

/// The least and the greatest of 0 and some numbers, NaNs left out.
struct Extremes<'a>(&'a [f32]);

impl Loop for Extremes<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    fn run(self) -> (f32, f32) {
        const LANES: usize = 32;
        let least = |low: f32, x: f32| if x < low { x } else { low };
        let greatest = |high: f32, x: f32| if x > high { x } else { high };
        let (mut low, mut high) = ([0f32; LANES], [0f32; LANES]);
        let (blocks, rest) = self.0.as_chunks::<LANES>();
        for block in blocks {
            for i in 0..LANES {
                low[i] = least(low[i], block[i]);
                high[i] = greatest(high[i], block[i]);
            }
        }
        let all = |lanes: [f32; LANES]| lanes.into_iter().chain(rest.iter().copied());
        (all(low).fold(0.0, least), all(high).fold(0.0, greatest))
    }
}

/// Codes of 8 bits of numbers on one grid.
struct Bytes<'a> {
    x: &'a [f32],
    affine: Affine,
    codes: &'a mut [u8],
}

impl Loop for Bytes<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, affine, codes } = self;
        codes.iter_mut().zip(x).for_each(|(code, &x)| *code = affine.code(x / affine.scale));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGES: [(i32, i32); 8] =
        [(-128, 127), (0, 255), (-8, 7), (0, 15), (-2, 1), (0, 3), (-32768, 32767), (0, 65535)];

    /// The formula, word for word, in f64 and i128.
    fn oracle(quotient: f32, zero_point: i32, (low, high): (i32, i32)) -> i32 {
        if quotient.is_nan() {
            return low;
        }
        let wide = f64::from(quotient).round_ties_even() as i128;
        let shifted = wide.saturating_add(i128::from(zero_point));
        shifted.clamp(i128::from(low), i128::from(high)) as i32
    }

    fn check(quotient: f32, zero_point: i32, range: (i32, i32)) {
        let want = oracle(quotient, zero_point, range);
        let affine = [Affine::new(1.0, zero_point, range.0, range.1)];
        let got = match range {
            (0, _) => i32::from(quantize::<u16>(&[quotient], &affine, Spread::Tensor)[0]),
            _ => i32::from(quantize::<i16>(&[quotient], &affine, Spread::Tensor)[0]),
        };
        assert!(got == want, "q({quotient}, {zero_point}, {range:?}) = {got}, expected {want}");
    }

    #[test]
    fn every_range_and_zero_point_agrees_with_the_formula() {
        for range in RANGES {
            let zero_points = [range.0, range.0 + 1, (range.0 + range.1 + 1) / 2, range.1];
            for zero_point in zero_points {
                (0..=u32::MAX)
                    .step_by(1_000_003)
                    .for_each(|bits| check(f32::from_bits(bits), zero_point, range));
                for tie in (-300..300).chain([-65537, -32769, 32766, 65534, 131070]) {
                    let tie = tie as f32 + 0.5;
                    for x in [tie, tie.next_up(), tie.next_down()] {
                        check(x, zero_point, range);
                    }
                }
            }
        }
    }

    #[test]
    fn all_256_zero_points_of_int8_are_right() {
        for zero_point in -128..128 {
            for halves in -520..520i16 {
                check(f32::from(halves) / 2.0, zero_point, (-128, 127));
                check(f32::from(halves) / 2.0, zero_point + 128, (0, 255));
            }
        }
    }

    #[test]
    fn the_zero_point_is_added_after_rounding() {
        let affine = [Affine::new(1.0, 3, -128, 127)];
        assert_eq!(quantize::<i8>(&[2.5, 3.5], &affine, Spread::Tensor), [5, 7]);
    }

    #[test]
    fn nothing_overflows_and_nan_is_the_least_code() {
        let x = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e38, -1e38];
        let affine = [Affine::new(1.0, -5, -128, 127)];
        assert_eq!(quantize::<i8>(&x, &affine, Spread::Tensor), [-128, -128, 127, -128, 127, -128]);
        assert_eq!(
            quantize::<i8>(&[0.0], &[Affine::new(0.0, -5, -128, 127)], Spread::Tensor),
            [-128]
        );
    }

    #[test]
    fn the_division_happens_in_the_precision() {
        let affine = [Affine::new(1.0, 0, -128, 127)];
        let code = |precision, x| quantize_in::<i8>(precision, &[x], &affine, Spread::Tensor)[0];
        // 3.4998 is 3.5 in f16, and 3.499 is 3.5 in bf16.
        assert_eq!(code(Precision::Single, 3.4998), 3);
        assert_eq!(code(Precision::Half, 3.4998), 4);
        assert_eq!(code(Precision::Half, 3.499), 3);
        assert_eq!(code(Precision::Brain, 3.499), 4);
    }

    #[test]
    fn narrow_floats_are_scaled_and_have_no_zero_point() {
        let to = (Narrow::Float8E4M3FN, Overflow::Saturate);
        let none = (Precision::Single, -0.0);
        let codes = quantize_narrow(to, none, &[1.0, -1e9], &[2.0], Spread::Tensor);
        assert_eq!(codes, [0x30, 0xfe]);
        let zero = |zero| quantize_narrow(to, (none.0, zero), &[-0.0], &[2.0], Spread::Tensor);
        assert_eq!((zero(-0.0), zero(0.0)), (vec![0x80], vec![0]));
        assert_eq!(dequantize_narrow(to.0, &codes, &[2.0], Spread::Tensor), [1.0, -896.0]);
    }

    #[test]
    fn integers_are_divided_exactly() {
        let affine = [Affine::new(1.0 / 16777216.0, 0, -32768, 32767)];
        assert_eq!(quantize_i32::<i16>(&[i32::MAX, -7], &affine, Spread::Tensor), [32767, -32768]);
        // 33554433 has no f32; it is one and a half times the scale, its neighbour in f32 is less.
        let affine = [Affine::new(22369622.0, 0, -32768, 32767)];
        assert_eq!(quantize_i32::<i16>(&[33554433, 33554432], &affine, Spread::Tensor), [2, 1]);
    }

    #[test]
    fn dequantizing_subtracts_in_integers() {
        let grid = |scale, zero_point| [Grid { scale, zero_point }];
        assert_eq!(
            dequantize(Codes::U8(&[255, 0]), &grid(0.1, 128), Spread::Tensor),
            [127.0f32 * 0.1, -128.0f32 * 0.1]
        );
        assert_eq!(dequantize(Codes::U16(&[0]), &grid(1.0, 65535), Spread::Tensor), [-65535.0]);
        let wide = |q: &[i32], grid: [Grid; 1]| dequantize(Codes::I32(q), &grid, Spread::Tensor);
        let q = [i32::MAX, i32::MIN, 16777217];
        let expected = [2147483648.0f32 * 0.1, -2147483648.0 * 0.1, 16777216.0 * 0.1];
        assert_eq!(wide(&q, grid(0.1, 0)), expected);
        assert_eq!(wide(&[i32::MIN], grid(1.0, 5)), [2147483643.0]);
    }

    #[test]
    fn the_range_of_a_dynamic_quantizer_holds_zero() {
        assert_eq!(dynamic_quantize(&[1.0, 2.0]), (vec![127, 255], 2.0 / 255.0, 0));
        assert_eq!(dynamic_quantize(&[-1.0, -2.0]), (vec![128, 0], 2.0 / 255.0, 255));
        assert_eq!(dynamic_quantize(&[0.0, 0.0]), (vec![0, 0], 1.0, 0));
        assert_eq!(dynamic_quantize(&[]), (vec![], 1.0, 0));
    }

    #[test]
    fn a_dynamic_range_may_be_infinite_or_vanish() {
        let (inf, tiny) = (f32::INFINITY, 1e-45);
        assert_eq!(dynamic_quantize(&[-1.0, inf, 2.0]), (vec![0, 0, 0], inf, 0));
        assert_eq!(dynamic_quantize(&[-inf, 1.0, 2.0]), (vec![0, 255, 255], inf, 255));
        assert_eq!(dynamic_quantize(&[-3e38, 3e38]), (vec![0, 0], inf, 0));
        assert_eq!(dynamic_quantize(&[tiny, 0.0]), (vec![255, 0], 0.0, 255));
    }

    #[test]
    fn a_long_range_has_its_extremes_anywhere() {
        for at in 0..70 {
            let mut x = [0.25f32; 70];
            x[at] = -3.0;
            x[(at + 33) % 70] = 252.0;
            let (codes, scale, zero_point) = dynamic_quantize(&x);
            assert_eq!((scale, zero_point), (1.0, 3));
            assert_eq!((codes[at], codes[(at + 33) % 70], codes[(at + 1) % 70]), (0, 255, 3));
        }
    }

    #[test]
    fn nan_takes_no_part_in_a_dynamic_range() {
        assert_eq!(dynamic_quantize(&[f32::NAN, 1.0, 2.0]), (vec![0, 127, 255], 2.0 / 255.0, 0));
    }
}
