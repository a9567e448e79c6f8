use crate::linear::{Affine, Code, integer};
use crate::spread::Spread;
use crate::vector::{Loop, widest};

/// Codes of sums: `saturate(round_half_even(f32(f32(sum) · scale)) + zero_point)`, `scale` that of `affine`.
///
/// Source: `MlasRequantizeOutput`, `core/mlas/lib/quantize.cpp` of onnxruntime 1.28.
pub fn requantize<C: Code>(sums: &[i32], affine: &[Affine], spread: Spread) -> Vec<C> {
    widest(Requantize { sums, affine, spread, code: std::marker::PhantomData })
}

struct Requantize<'a, C> {
    sums: &'a [i32],
    affine: &'a [Affine],
    spread: Spread,
    code: std::marker::PhantomData<C>,
}

impl<C: Code> Loop for Requantize<'_, C> {
    type Output = Vec<C>;

    #[inline(always)]
    fn run(self) -> Vec<C> {
        self.spread
            .map(self.sums, self.affine, |sum, affine| affine.code(sum as f32 * affine.scale()))
    }
}

/// Real numbers of sums: `f32(f32(sum) · scale)`, and then `+ bias` where there is one.
///
/// Source: `MLAS_QGEMM_SCALE_BIAS_OUTPUT_PROCESSOR`, `core/mlas/lib/qpostprocessor.cpp` of onnxruntime 1.28.
///
/// # Panics
/// Where scales and biases are not as many as `spread` says.
pub fn to_float(sums: &[i32], scales: &[f32], bias: Option<&[f32]>, spread: Spread) -> Vec<f32> {
    let Some(bias) = bias else { return spread.map(sums, scales, |sum, scale| sum as f32 * scale) };
    let pairs: Vec<_> = scales.iter().copied().zip(bias.iter().copied()).collect();
    spread.map(sums, &pairs, |sum, (scale, bias)| sum as f32 * scale + bias)
}

/// `x` to the nearest integer, ties to even, then cut off at the bounds. What does not fit an i32 gives the lower one:
/// so in x86's `CVTPS2DQ`.
#[inline(always)]
pub fn saturated(x: f32, low: f32, high: f32) -> i32 {
    let x = if x < 2_147_483_648.0 { x } else { low };
    let x = if x > low { x } else { low };
    integer(if x < high { x } else { high })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_no_integer_gives_the_least_code() {
        assert_eq!(saturated(3e9, 0.0, 255.0), 0);
        assert_eq!(saturated(f32::NAN, 0.0, 255.0), 0);
        assert_eq!(saturated(2e9, 0.0, 255.0), 255);
        assert_eq!(saturated(-3e9, -128.0, 127.0), -128);
    }

    #[test]
    fn requantization_adds_the_zero_point_after_rounding() {
        let affine = [Affine::new(0.5, 1, 0, 255)];
        assert_eq!(requantize::<u8>(&[1, 3, -3, 1000], &affine, Spread::Tensor), [1, 3, 0, 255]);
    }

    #[test]
    fn a_sum_is_rounded_to_a_float_before_it_is_scaled() {
        let sum = (1 << 24) + 1;
        let scaled = to_float(&[sum], &[0.1], None, Spread::Tensor);
        assert_eq!(scaled, [16_777_216.0f32 * 0.1]);
        let shifted = to_float(&[1, 1], &[0.5, 2.0], Some(&[1.0, -1.0]), Spread::axis(&[2], 0));
        assert_eq!(shifted, [1.5, 1.0]);
    }
}
