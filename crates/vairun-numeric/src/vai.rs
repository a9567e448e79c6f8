//! The rules of the vai family (vai_q_pytorch): operators.md of the reference runtime, `load_vai_ops`.
//!
//! Quantizer: `q = f32(i32_x86(round(clip(f32(f32(x / scale) + zero_point)))))`: a true division, the zero point
//! **before** rounding, the clip before rounding. The native rule adds the zero point after it: for x = 2.5, scale 1,
//! zero point 3 and ties to even, vai gives 6 (5.5 is a tie), the native rule 5.
//!
//! Dequantizer: `y = f32(scale · f32(q - zero_point))`.
//!
//! Fixed-point neuron: `y = f32(f32(clip(i32_x86(round(f32(x · a))) + zero_point) - zero_point) · f32(1 / a))`: a
//! product, the zero point and the clip **after** rounding, so what does not fit an i32 becomes the least value: 1e10
//! gives 127 by the quantizer and -128 here.
//!
//! Source: `pytorch_nndct/nn/qat_ops` and `csrc` of pytorch_nndct 3.5.0 in Xilinx/Vitis-AI b2b2279.

use crate::round::{by_round, i32_x86};
use crate::spread::Spread;

/// What is the same for all elements of a quantizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rounding; `None`: a code the kernel does not know, which gives 0 for every input.
    pub round: Option<crate::round::Round>,
    /// The least result. Where it is above `high`, the result is `high`.
    pub low: i32,
    /// The greatest result.
    pub high: i32,
}

/// The scale and the zero point of an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// The distance of two neighbours.
    pub scale: f32,
    /// The code of 0; i8 in the files.
    pub zero_point: f32,
}

/// What C's conversion to `int` gives for NaN, as f32.
const INDEFINITE: f32 = i32::MIN as f32;

/// Bounds up to here are exact in f32, and so is every integer between them.
const NARROW: i32 = 1 << 22;

impl Rule {
    fn is_narrow(self) -> bool {
        let narrow = -NARROW..=NARROW;
        narrow.contains(&self.low) && narrow.contains(&self.high)
    }

    /// Quantizes `x`: integers in f32, never -0; NaN gives -2147483648, infinities the bounds.
    pub fn quantize(self, x: &[f32], grids: &[Grid], spread: Spread) -> Vec<f32> {
        let Some(round) = self.round else { return vec![0.0; x.len()] };
        if self.is_narrow() {
            let (low, high) = (self.low as f32, self.high as f32);
            return by_round!(round, f32, round => {
                spread.map(x, grids, |x, grid| narrow(x, grid, low, high, round))
            });
        }
        by_round!(round, f64, round => spread.map(x, grids, |x, grid| self.wide(x, grid, round)))
    }

    /// [`Rule::quantize`] over its own input.
    pub fn quantize_in_place(self, x: &mut [f32], grids: &[Grid], spread: Spread) {
        let Some(round) = self.round else { return x.fill(0.0) };
        if self.is_narrow() {
            let (low, high) = (self.low as f32, self.high as f32);
            by_round!(round, f32, round => {
                spread.map_in_place(x, grids, |x, grid| narrow(x, grid, low, high, round));
            });
        } else {
            by_round!(round, f64, round => {
                spread.map_in_place(x, grids, |x, grid| self.wide(x, grid, round));
            });
        }
    }

    /// The rule with the clip in f64, where bounds of 32 bits are exact: the reference's numpy does so for them, and
    /// 2147483647 then becomes 2147483648.0 in f32 instead of overflowing.
    fn wide(self, x: f32, grid: Grid, round: impl Fn(f64) -> f64) -> f32 {
        let shifted = f64::from(x / grid.scale + grid.zero_point);
        let raised = if shifted < f64::from(self.low) { f64::from(self.low) } else { shifted };
        let clipped = if raised > f64::from(self.high) { f64::from(self.high) } else { raised };
        i32_x86(round(clipped)) as f32
    }
}

#[inline(always)]
fn narrow(x: f32, grid: Grid, low: f32, high: f32, round: impl Fn(f32) -> f32) -> f32 {
    let shifted = x / grid.scale + grid.zero_point;
    let raised = if shifted < low { low } else { shifted };
    let clipped = if raised > high { high } else { raised };
    // + 0.0 turns -0 into +0, as the passage through an integer does.
    if clipped.is_nan() { INDEFINITE } else { round(clipped) + 0.0 }
}

/// Dequantizes `q`.
pub fn dequantize(q: &[f32], grids: &[Grid], spread: Spread) -> Vec<f32> {
    spread.map(q, grids, value)
}

/// [`dequantize`] over its own input.
pub fn dequantize_in_place(q: &mut [f32], grids: &[Grid], spread: Spread) {
    spread.map_in_place(q, grids, value);
}

#[inline(always)]
fn value(q: f32, grid: Grid) -> f32 {
    grid.scale * (q - grid.zero_point)
}

/// Rounds `x` to a fixed-point grid of `amplitude` steps for 1: quantizes and dequantizes.
pub fn fix_neuron(x: &mut [f32], rule: Rule, amplitude: f32, zero_point: i32) {
    let inverse = 1.0 / amplitude;
    let fix = |rounded: f32| {
        let code = i32_x86(f64::from(rounded)).wrapping_add(zero_point);
        let code = if code > rule.high { rule.high } else { code.max(rule.low) };
        (code as f32 - zero_point as f32) * inverse
    };
    match rule.round {
        None => x.fill(fix(0.0)),
        Some(round) => by_round!(round, f32, round => {
            x.iter_mut().for_each(|x| *x = fix(round(*x * amplitude)));
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round::Round;

    const S8: (i32, i32) = (-128, 127);

    fn q(round: Round, (low, high): (i32, i32), scale: f32, zero_point: f32, x: f32) -> f32 {
        let rule = Rule { round: Some(round), low, high };
        let grid = [Grid { scale, zero_point }];
        let got = rule.quantize(&[x], &grid, Spread::Tensor)[0];
        let wide = by_round!(round, f64, round => rule.wide(x, grid[0], round));
        assert_eq!(got.to_bits(), wide.to_bits(), "{round:?}({x}) narrow {got}, wide {wide}");
        let mut in_place = [x];
        rule.quantize_in_place(&mut in_place, &grid, Spread::Tensor);
        assert_eq!(got.to_bits(), in_place[0].to_bits());
        got
    }

    #[test]
    fn the_zero_point_is_added_before_rounding() {
        assert_eq!(q(Round::HalfEven, S8, 1.0, 3.0, 2.5), 6.0);
        assert_eq!(q(Round::HalfAway, S8, 1.0, 3.0, -2.5), 1.0);
        // The sum rounds in f32: 3.49999997 is 3.5.
        assert_eq!(q(Round::HalfUp, S8, 1.0, 3.0, 0.49999997), 4.0);
    }

    #[test]
    fn it_divides_and_never_multiplies_by_the_reciprocal() {
        assert_eq!(q(Round::HalfEven, S8, 0.12775537, 0.0, -13.989213), -110.0);
        assert_eq!((-13.989213f32 * (1.0 / 0.12775537f32)).round_ties_even(), -109.0);
    }

    #[test]
    fn the_clip_comes_before_rounding() {
        for x in [f32::INFINITY, 1e10, f32::MAX] {
            assert_eq!(q(Round::HalfUp, S8, 1.0, 0.0, x), 127.0);
            assert_eq!(q(Round::HalfUp, S8, 1.0, 0.0, -x), -128.0);
        }
        assert_eq!(q(Round::HalfUp, (5, -5), 1.0, 0.0, 0.0), -5.0, "the upper bound wins");
    }

    #[test]
    fn nan_becomes_the_least_i32_and_zero_has_no_sign() {
        for round in Round::ALL {
            assert_eq!(q(round, S8, 1.0, 0.0, f32::NAN), -2147483648.0);
            assert_eq!(q(round, S8, 0.0, 0.0, 0.0), -2147483648.0);
            assert_eq!(q(round, S8, 1.0, 0.0, -0.0).to_bits(), 0);
        }
        assert_eq!(q(Round::HalfEven, S8, 1.0, 0.0, -0.4).to_bits(), 0);
        assert_eq!(q(Round::HalfEven, S8, f32::INFINITY, 0.0, -5.0).to_bits(), 0);
    }

    #[test]
    fn bounds_of_32_bits_do_not_overflow() {
        let s32 = (i32::MIN, i32::MAX);
        assert_eq!(q(Round::HalfEven, s32, 1.0, 0.0, 1e30), 2147483648.0);
        assert_eq!(q(Round::HalfEven, s32, 1.0, 0.0, -1e30), -2147483648.0);
        assert_eq!(q(Round::HalfUp, (-16777217, 16777217), 1.0, 0.0, 1e30), 16777216.0);
    }

    #[test]
    fn narrow_and_wide_agree_everywhere() {
        let ranges = [S8, (0, 255), (-8, 7), (-32768, 32767), (-127, 127), (-NARROW, NARROW)];
        for (range, round) in ranges.into_iter().flat_map(|r| Round::ALL.map(|round| (r, round))) {
            for bits in (0..=u32::MAX).step_by(1_000_003) {
                q(round, range, 1.0, 0.0, f32::from_bits(bits));
            }
            for eighths in -2100..2100i16 {
                q(round, range, 0.1, -7.0, f32::from(eighths) / 80.0);
                q(round, range, 1.0, 3.0, f32::from(eighths) / 8.0);
            }
        }
    }

    #[test]
    fn an_unknown_method_gives_zero_even_outside_of_the_range() {
        let rule = Rule { round: None, low: 3, high: 9 };
        let grid = [Grid { scale: 1.0, zero_point: 0.0 }];
        assert_eq!(rule.quantize(&[f32::NAN, 7.0], &grid, Spread::Tensor), [0.0, 0.0]);
    }

    #[test]
    fn dequantizing_follows_ieee() {
        let y = |q: f32, scale: f32, zero_point: f32| {
            dequantize(&[q], &[Grid { scale, zero_point }], Spread::Tensor)[0]
        };
        assert_eq!(y(-128.0, 0.12172052, 0.0), 0.12172052f32 * -128.0);
        assert_eq!(y(3.0, -0.5, 3.0).to_bits(), (-0.0f32).to_bits());
        assert!(y(0.0, f32::INFINITY, 0.0).is_nan());
        assert_eq!(y(-2147483648.0, 1.0, 7.0), -2147483648.0);
        let mut in_place = [5.0];
        let grid = [Grid { scale: 0.5, zero_point: 1.0 }];
        dequantize_in_place(&mut in_place, &grid, Spread::Tensor);
        assert_eq!(in_place, [2.0]);
    }

    fn fix(round: Option<Round>, amplitude: f32, zero_point: i32, x: f32) -> f32 {
        let mut x = [x];
        fix_neuron(&mut x, Rule { round, low: -128, high: 127 }, amplitude, zero_point);
        x[0]
    }

    #[test]
    fn a_fixed_point_neuron_clips_after_the_overflow() {
        assert_eq!(fix(Some(Round::HalfUp), 1.0, 0, 1e10), -128.0);
        assert_eq!(fix(Some(Round::HalfUp), 1.0, 0, f32::NAN), -128.0);
        assert_eq!(fix(Some(Round::HalfUp), 1.0, 0, 1e9), 127.0);
        // The least i32 minus 1 wraps to the greatest.
        assert_eq!(fix(Some(Round::HalfUp), 1.0, -1, f32::NAN), 128.0);
    }

    #[test]
    fn a_fixed_point_neuron_multiplies_and_rounds_before_the_zero_point() {
        assert_eq!(
            fix(Some(Round::HalfEven), 7.8274593, 0, -13.989213),
            -109.0 * (1.0 / 7.8274593f32)
        );
        assert_eq!(fix(Some(Round::HalfEven), 1.0, 3, 2.5), 2.0);
        assert_eq!(fix(None, 1.0, 0, 5.0), 0.0);
    }
}
