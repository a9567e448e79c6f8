//! Quark's `ExtendedQuantizeLinear` and `ExtendedDequantizeLinear`, formerly Vitis'.
//!
//! Integers: `q = clamp(i64(round_half_even(f32(x / scale))) + zero_point)`, the conversion and the sum in i64 as x86
//! computes them: NaN, infinities and whatever reaches 2^63 become -2^63, and a negative zero point then wraps around
//! to the other end. So NaN and +∞ give the type's **least** code, with a negative zero point the greatest.
//! Back: `y = f32(f32(q - zero_point) · scale)`, the difference exact.
//!
//! bfloat16: `f32(x / scale) + zero_point` in f32, rounded once; back the same way. float16 ignores both parameters.
//!
//! Source: `src/qdq/cpu/quantize_linear.h` and `src/custom_op_qdq.cc` of amd-quark 0.13.

use half::{bf16, f16};

use crate::linear::{Code, Grid, integer};
use crate::round::f32::half_even;
use crate::round::i64_x86;
use crate::spread::Spread;
use crate::vector::{Loop, widest};

/// The magnitude from which on a number does not fit i64.
const BEYOND_I64: f32 = 9_223_372_036_854_775_808.0;

/// The parameters of an element, ready for quantizing to codes of at most 16 bits.
#[derive(Clone, Copy)]
struct Narrow {
    scale: f32,
    zero_point: i32,
    /// The bounds less the zero point: clipping to integers before rounding is the same as after.
    low: f32,
    high: f32,
    /// The code of what does not fit i64.
    beyond: i32,
}

impl Narrow {
    fn new(grid: Grid, (low, high): (i32, i32)) -> Self {
        let Grid { scale, zero_point } = grid;
        let beyond = if zero_point < 0 { high } else { low };
        let [low, high] = [low, high].map(|bound| (bound - zero_point) as f32);
        Self { scale, zero_point, low, high, beyond }
    }

    #[inline(always)]
    fn code<C: Code>(self, x: f32) -> C {
        let quotient = x / self.scale;
        let raised = if quotient > self.low { quotient } else { self.low };
        let clipped = if raised < self.high { raised } else { self.high };
        let code = integer(clipped).wrapping_add(self.zero_point);
        C::narrow(if quotient.abs() < BEYOND_I64 { code } else { self.beyond })
    }
}

/// Quantizes to codes of at most 16 bits, from `range.0` to `range.1`.
pub fn quantize<C: Code>(x: &[f32], grids: &[Grid], range: (i32, i32), spread: Spread) -> Vec<C> {
    let parameters: Vec<_> = grids.iter().map(|&grid| Narrow::new(grid, range)).collect();
    spread.map(x, &parameters, |x, parameters| parameters.code(x))
}

/// A scale and a zero point of any integer type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WideGrid {
    /// The distance of two neighbours.
    pub scale: f32,
    /// The code of 0.
    pub zero_point: i64,
}

/// Quantizes to codes from `low` to `high`.
pub fn quantize_wide(
    x: &[f32],
    grids: &[WideGrid],
    (low, high): (i64, i64),
    spread: Spread,
) -> Vec<i64> {
    spread.map(x, grids, |x, grid| {
        let code = i64_x86(f64::from(half_even(x / grid.scale)));
        code.wrapping_add(grid.zero_point).clamp(low, high)
    })
}

/// Dequantizes codes of at most 32 bits.
pub fn dequantize_wide<C: Copy + Into<i64>>(
    q: &[C],
    grids: &[WideGrid],
    spread: Spread,
) -> Vec<f32> {
    spread.map(q, grids, |q, grid| (q.into() - grid.zero_point) as f32 * grid.scale)
}

/// The scale and the zero point of a bfloat16 quantizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BrainGrid {
    /// What is divided by.
    pub scale: f32,
    /// What is added.
    pub zero_point: bf16,
}

/// `x / scale + zero_point` in bfloat16; any NaN is 0x7fc1.
pub fn quantize_bf16(x: &[f32], grids: &[BrainGrid], spread: Spread) -> Vec<bf16> {
    if let (Spread::Tensor, &[grid]) = (spread, grids) {
        let mut y = vec![bf16::ZERO; x.len()];
        widest(ToBrain { x, grid, y: &mut y });
        return y;
    }
    spread.map(x, grids, |x, grid| brain(x / grid.scale + grid.zero_point.to_f32()))
}

#[inline(always)]
fn brain(x: f32) -> bf16 {
    bf16::from_bits(if x.is_nan() { 0x7fc1 } else { rounded_bf16(x) })
}

/// [`quantize_bf16`] on one grid.
struct ToBrain<'a> {
    x: &'a [f32],
    grid: BrainGrid,
    y: &'a mut [bf16],
}

impl Loop for ToBrain<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, grid, y } = self;
        let zero_point = grid.zero_point.to_f32();
        let inverse = 1.0 / grid.scale;
        let power_of_two = grid.scale.to_bits() & 0x007f_ffff == 0;
        if power_of_two && grid.scale.is_normal() && inverse.is_normal() {
            x.iter().zip(y).for_each(|(&x, y)| *y = brain(x * inverse + zero_point));
        } else {
            x.iter().zip(y).for_each(|(&x, y)| *y = brain(x / grid.scale + zero_point));
        }
    }
}

/// The bits of the nearest bfloat16, ties to even. Not for NaN.
#[inline(always)]
fn rounded_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// `(q - zero_point) · scale` in f32; any NaN counts as the positive quiet one.
pub fn dequantize_bf16(q: &[bf16], grids: &[BrainGrid], spread: Spread) -> Vec<f32> {
    if let (Spread::Tensor, &[grid]) = (spread, grids) {
        let mut y = vec![0.0; q.len()];
        widest(FromBrain { q, grid, y: &mut y });
        return y;
    }
    spread.map(q, grids, |q, grid| wide(q, grid.zero_point.to_f32(), grid.scale))
}

#[inline(always)]
fn wide(q: bf16, zero_point: f32, scale: f32) -> f32 {
    let x = f32::from_bits(u32::from(q.to_bits()) << 16);
    let x = if x.is_nan() { f32::NAN } else { x };
    (x - zero_point) * scale
}

/// [`dequantize_bf16`] on one grid.
struct FromBrain<'a> {
    q: &'a [bf16],
    grid: BrainGrid,
    y: &'a mut [f32],
}

impl Loop for FromBrain<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { q, grid, y } = self;
        let zero_point = grid.zero_point.to_f32();
        q.iter().zip(y).for_each(|(&q, y)| *y = wide(q, zero_point, grid.scale));
    }
}

/// The nearest float16, ties to even, magnitudes cut off at 65504: infinities too.
pub fn quantize_f16(x: &[f32]) -> Vec<f16> {
    x.iter().map(|x| f16::from_f32(x.clamp(-65504.0, 65504.0))).collect()
}

/// As f32.
pub fn dequantize_f16(q: &[f16]) -> Vec<f32> {
    q.iter().map(|q| q.to_f32()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn i8s(x: &[f32], zero_point: i32) -> Vec<i8> {
        quantize(x, &[Grid { scale: 1.0, zero_point }], (-128, 127), Spread::Tensor)
    }

    #[test]
    fn nan_and_infinity_give_the_least_code() {
        let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e19, -1e19, 1e18, -1e18];
        assert_eq!(i8s(&x, 0), [-128, -128, -128, -128, -128, 127, -128]);
        assert_eq!(i8s(&x, -1), [127, 127, 127, 127, 127, 127, -128]);
    }

    #[test]
    fn the_zero_point_is_added_after_rounding_half_to_even() {
        assert_eq!(i8s(&[0.5, 1.5, -2.5, 126.5], 1), [1, 3, -1, 127]);
    }

    #[test]
    fn narrow_and_wide_codes_agree() {
        let x: Vec<f32> = (0..=u32::MAX).step_by(100_003).map(f32::from_bits).collect();
        for zero_point in [-32768, -300, -1, 0, 1, 255, 32767] {
            let (scale, spread) = (0.37, Spread::Tensor);
            let narrow =
                quantize::<i16>(&x, &[Grid { scale, zero_point }], (-32768, 32767), spread);
            let grid = WideGrid { scale, zero_point: zero_point.into() };
            let wide = quantize_wide(&x, &[grid], (-32768, 32767), spread);
            for ((x, narrow), wide) in x.iter().zip(narrow).zip(wide) {
                assert_eq!(i64::from(narrow), wide, "{x} with zero point {zero_point}");
            }
        }
    }

    #[test]
    fn wide_differences_are_exact() {
        let grid = WideGrid { scale: 0.5, zero_point: 1 << 31 };
        let y = dequantize_wide(&[0u32, u32::MAX], &[grid], Spread::Tensor);
        assert_eq!(y, [-1073741824.0, 1073741824.0]);
    }

    #[test]
    fn bfloat16_rounds_to_even_and_overflows_to_infinity() {
        let grid = BrainGrid { scale: 1.0, zero_point: bf16::ZERO };
        let bits = |x: f32| quantize_bf16(&[x], &[grid], Spread::Tensor)[0].to_bits();
        assert_eq!(bits(f32::from_bits(0x3f80_8000)), 0x3f80);
        assert_eq!(bits(f32::from_bits(0x3f81_8000)), 0x3f82);
        assert_eq!([bits(f32::MAX), bits(f32::NEG_INFINITY)], [0x7f80, 0xff80]);
        assert_eq!([bits(f32::NAN), bits(-f32::NAN), bits(-0.0)], [0x7fc1, 0x7fc1, 0]);
        let back = dequantize_bf16(&[bf16::from_bits(0xffff)], &[grid], Spread::Tensor);
        assert_eq!(back[0].to_bits(), 0x7fc0_0000);
    }

    #[test]
    fn one_grid_for_all_gives_what_one_for_each_gives() {
        let x: Vec<f32> = (0..=u32::MAX).step_by(65_537 * 3).map(f32::from_bits).collect();
        let zeros = [bf16::ZERO, bf16::from_f32(-3.0)];
        for (scale, zero_point) in [1.0, 0.37, 2f32.powi(-126), 2f32.powi(127), -4.0, 1e-42]
            .into_iter()
            .flat_map(|scale| zeros.map(|zero| (scale, zero)))
        {
            let grid = BrainGrid { scale, zero_point };
            let each = Spread::Axis { length: x.len(), inner: 1 };
            let grids = vec![grid; x.len()];
            let bits = |q: &[bf16]| q.iter().map(|q| q.to_bits()).collect::<Vec<_>>();
            let one = quantize_bf16(&x, &[grid], Spread::Tensor);
            assert!(bits(&one) == bits(&quantize_bf16(&x, &grids, each)), "{grid:?}");
            let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
            let back = dequantize_bf16(&one, &[grid], Spread::Tensor);
            assert!(bits(&back) == bits(&dequantize_bf16(&one, &grids, each)), "{grid:?}");
        }
    }

    #[test]
    fn bfloat16_honours_scale_and_zero_point() {
        let grid = BrainGrid { scale: 0.5, zero_point: bf16::from_f32(3.0) };
        let q = quantize_bf16(&[1.0], &[grid], Spread::Tensor);
        assert_eq!(q, [bf16::from_f32(5.0)]);
        assert_eq!(dequantize_bf16(&q, &[grid], Spread::Tensor), [1.0]);
    }

    #[test]
    fn float16_saturates() {
        let y = dequantize_f16(&quantize_f16(&[1e9, f32::NEG_INFINITY, 0.1, f32::NAN]));
        assert_eq!(y[..3], [65504.0, -65504.0, 0.099975586]);
        assert!(y[3].is_nan());
    }
}
