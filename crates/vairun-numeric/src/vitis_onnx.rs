//! The rules of vai_q_onnx 3.5 (`ai.onnx.contrib`): everything in f32, ties to even, the zero point after rounding, and
//! the clip after the zero point. NaN stays NaN.
//!
//! `FixNeuron`: `r = clip(f32(rint(f32(x / scale)) + zero_point))`, `y = f32(f32(r - zero_point) · scale)`.
//!
//! Source: `onnx_quantizer/vai_q_onnx/operators/qdq_ops.py` in Xilinx/Vitis-AI b2b2279.

use crate::round;

/// The parameters of a node: per tensor only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The distance of two neighbours.
    pub scale: f32,
    /// The code of 0; i8 in the files.
    pub zero_point: i8,
    /// The least code, `-2^(bits - 1)`.
    pub low: f32,
    /// The greatest code, `2^(bits - 1) - 1`.
    pub high: f32,
}

impl Rule {
    /// For signed codes of `bits` bits, 1 to 32.
    pub fn new(scale: f32, zero_point: i8, bits: u32) -> Self {
        let half = (1i64 << (bits - 1)) as f64;
        Self { scale, zero_point, low: -half as f32, high: (half - 1.0) as f32 }
    }

    #[inline(always)]
    fn clip(self, code: f32) -> f32 {
        let raised = if code < self.low { self.low } else { code };
        if raised > self.high { self.high } else { raised }
    }

    #[inline(always)]
    fn code(self, x: f32) -> f32 {
        self.clip(round::f32::half_even(x / self.scale) + f32::from(self.zero_point))
    }

    /// `FixNeuron`: quantizes and dequantizes.
    pub fn fix_neuron(self, x: &mut [f32]) {
        let zero_point = f32::from(self.zero_point);
        x.iter_mut().for_each(|x| *x = (self.code(*x) - zero_point) * self.scale);
    }

    /// `VaiQuantize`: the codes as i8. NaN gives 0, as numpy's conversion through a 32-bit integer does on x86.
    pub fn quantize(self, x: &[f32]) -> Vec<i8> {
        x.iter().map(|&x| round::i32_x86(f64::from(self.code(x))) as i8).collect()
    }

    /// `VaiDeQuantize`: `f32(i8(clip(q) - zero_point) · scale)`; the difference **wraps** in i8.
    pub fn dequantize(self, q: &[i8]) -> Vec<f32> {
        q.iter()
            .map(|&q| {
                f32::from((self.clip(f32::from(q)) as i8).wrapping_sub(self.zero_point))
                    * self.scale
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(zero_point: i8, bits: u32, x: f32) -> f32 {
        let mut x = [x];
        Rule::new(0.5, zero_point, bits).fix_neuron(&mut x);
        x[0]
    }

    #[test]
    fn the_zero_point_comes_after_rounding_and_the_clip_last() {
        assert_eq!(fix(3, 8, 1.25), 1.0, "2.5 rounds to 2 before 3 is added");
        assert_eq!(fix(3, 8, 1000.0), 62.0, "127 - 3 steps");
        assert_eq!(fix(-2, 4, -1000.0), -3.0);
    }

    #[test]
    fn infinities_are_clipped_and_nan_stays() {
        assert_eq!(fix(0, 8, f32::INFINITY), 63.5);
        assert_eq!(fix(0, 8, f32::NEG_INFINITY), -64.0);
        assert!(fix(0, 8, f32::NAN).is_nan());
    }

    #[test]
    fn the_sign_of_zero_is_that_of_float_arithmetic() {
        assert_eq!(fix(0, 8, -0.1).to_bits(), 0, "-0 + 0 is +0");
    }

    #[test]
    fn codes_are_i8_whatever_the_bits() {
        let x = [1.25, -1.25, 1000.0, f32::NAN];
        assert_eq!(Rule::new(0.5, 3, 8).quantize(&x), [5, 1, 127, 0]);
        assert_eq!(Rule::new(0.5, 0, 4).quantize(&x), [2, -2, 7, 0]);
    }

    #[test]
    fn the_difference_wraps_in_i8() {
        assert_eq!(Rule::new(1.0, -2, 8).dequantize(&[127, 100]), [-127.0, 102.0]);
        assert_eq!(Rule::new(1.0, 0, 4).dequantize(&[127, -128]), [7.0, -8.0]);
    }
}
