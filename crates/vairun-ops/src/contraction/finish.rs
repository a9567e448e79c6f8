use vairun_numeric::contraction::Sums;
use vairun_tensor::Tensor;

use super::side::Side;

/// From exact sums to real numbers: `f32((sum << shift) + add) · scale (+ bias)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Finish {
    shift: u32,
    add: i64,
    scale: f32,
    bias: Option<f32>,
}

/// Digits that the sum or the bias is shifted at most to meet the other.
const SHIFT: i32 = 31;

impl Finish {
    /// One for each channel; `bias` has one element, or one for each channel.
    pub(super) fn all(scales: &[f32], bias: Option<&Tensor>) -> Option<Vec<Self>> {
        let plain = |&scale: &f32| Self { shift: 0, add: 0, scale, bias: None };
        let Some(tensor) = bias else {
            return Some(scales.iter().map(plain).collect());
        };
        let values = tensor.as_slice::<f32>().ok()?;
        let side = Side::new(tensor);
        let finish = |(channel, scale): (usize, &f32)| {
            let i = if values.len() == 1 { 0 } else { channel };
            let joined = side.as_ref().and_then(|side| Self::joined(*scale, side, i));
            joined.unwrap_or(Self { bias: Some(values[i]), ..plain(scale) })
        };
        Some(scales.iter().enumerate().map(finish).collect())
    }

    /// One for each channel, with integer biases.
    pub(super) fn of_codes(scales: &[f32], bias: Option<&[i32]>) -> Vec<Self> {
        let add = |o: usize| bias.map_or(0, |bias| bias[o].into());
        let finish = |(o, &scale)| Self { shift: 0, add: add(o), scale, bias: None };
        scales.iter().enumerate().map(finish).collect()
    }

    /// With element `i` of a dequantized bias in the sum; `None` where its scale does not allow it.
    fn joined(scale: f32, bias: &Side, i: usize) -> Option<Self> {
        let code = bias.code(i) - i64::from(bias.zero_point(i));
        let k = power_of_two_ratio(bias.scale(i), scale)?;
        match k {
            0..=SHIFT => {
                let add = code.checked_mul(1 << k)?;
                Some(Self { shift: 0, add, scale, bias: None })
            }
            _ => {
                Some(Self { shift: k.unsigned_abs(), add: code, scale: bias.scale(i), bias: None })
            }
        }
    }

    /// The same for sums of a magnitude up to `bound`, without a shift: what is added to the sum, the scale, and what
    /// is added to the product; `None` where there is no such form.
    ///
    /// A shift moves a bias into the sum whose steps are finer than those of the sum. Where both scales are powers of
    /// two and the shifted sum stays below 2^24, every number on the way is exact, so that it may be added afterwards.
    pub(super) fn unshifted(self, bound: i64) -> Option<(i64, f32, Option<f32>)> {
        if self.shift == 0 {
            return Some((self.add, self.scale, self.bias));
        }
        let shifted = bound.checked_mul(1 << self.shift)?.checked_add(self.add.checked_abs()?)?;
        let power_of_two = self.scale.to_bits() & 0x007f_ffff == 0;
        let coarse = self.scale * (1u64 << self.shift) as f32;
        let positive = self.scale > 0.0 && self.scale.is_normal() && coarse.is_normal();
        if shifted > 1 << 24 || !power_of_two || !positive {
            return None;
        }
        Some((0, coarse, Some(self.add as f32 * self.scale)))
    }

    /// By how much the sum is shifted, what is added to it, the scale, and what is added to the product.
    pub(super) fn wide(self) -> (u32, i64, f32, Option<f32>) {
        (self.shift, self.add, self.scale, self.bias)
    }

    #[allow(clippy::cast_precision_loss)] // one rounding, as defined
    fn apply(self, sum: i64) -> f32 {
        // 2^63 · 2^31 + 2^63 fits 128 bits.
        let sum = match self.shift {
            0 => match sum.checked_add(self.add) {
                Some(sum) => sum as f32,
                None => (i128::from(sum) + i128::from(self.add)) as f32,
            },
            shift => ((i128::from(sum) << shift) + i128::from(self.add)) as f32,
        };
        let product = sum * self.scale;
        self.bias.map_or(product, |bias| product + bias)
    }
}

/// k where `a = 2^k · b` for two normal numbers of one sign, |k| at most [`SHIFT`].
fn power_of_two_ratio(a: f32, b: f32) -> Option<i32> {
    const EXPONENT: u32 = 0x7f80_0000;
    if !a.is_normal() || !b.is_normal() || (a.to_bits() ^ b.to_bits()) & !EXPONENT != 0 {
        return None;
    }
    let exponent = |x: f32| ((x.to_bits() & EXPONENT) >> 23).cast_signed();
    let k = exponent(a) - exponent(b);
    (k.abs() <= SHIFT).then_some(k)
}

/// The real numbers of sums that lie as `[outer, channels, inner]`.
pub(super) fn finish(sums: &Sums, finishes: &[Finish], inner: usize) -> Vec<f32> {
    fn each<T: Copy + Into<i64>>(sums: &[T], finishes: &[Finish], inner: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(sums.len());
        let channels = sums.chunks_exact(inner.max(1)).zip(finishes.iter().cycle());
        for (sums, finish) in channels {
            out.extend(sums.iter().map(|&sum| finish.apply(sum.into())));
        }
        out
    }
    match sums {
        Sums::I32(sums) => each(sums, finishes, inner),
        Sums::I64(sums) => each(sums, finishes, inner),
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Dequantized;

    use super::*;

    fn bias(code: i32, scale: f32) -> Tensor {
        let value = Tensor::vector(vec![code as f32 * scale]);
        value.with_dequantized(Dequantized::new(
            Tensor::vector(vec![code]),
            Tensor::scalar(scale),
            Tensor::scalar(0i32),
            None,
        ))
    }

    fn run(sum: i64, scale: f32, bias: &Tensor) -> f32 {
        Finish::all(&[scale], Some(bias)).unwrap()[0].apply(sum)
    }

    #[test]
    fn a_bias_of_the_same_scale_is_added_before_the_rounding_to_f32() {
        // 2^24 + 1 is no f32: added apart, the ones would be lost one by one.
        assert_eq!(run((1 << 24) + 1, 0.3, &bias(1, 0.3)), ((1 << 24) + 2) as f32 * 0.3);
    }

    #[test]
    fn a_coarser_or_finer_bias_joins_by_a_shift() {
        assert_eq!(run((1 << 24) + 1, 0.25, &bias(1, 0.5)), ((1 << 24) + 3) as f32 * 0.25);
        assert_eq!(run((1 << 24) + 1, 0.5, &bias(-2, 0.25)), (1 << 25) as f32 * 0.25);
    }

    #[test]
    fn a_bias_of_another_scale_is_added_in_f32() {
        assert_eq!(run(3, 0.3, &bias(5, 0.7)), 3.0 * 0.3 + 5.0 * 0.7);
    }

    #[test]
    fn ratios_are_of_normal_numbers_of_one_sign() {
        assert_eq!(power_of_two_ratio(6.0, 0.75), Some(3));
        assert_eq!(power_of_two_ratio(-6.0, 0.75), None);
        assert_eq!(power_of_two_ratio(6.0, 0.7), None);
        assert_eq!(power_of_two_ratio(0.0, 1.0), None);
        assert_eq!(power_of_two_ratio(f32::INFINITY, f32::INFINITY), None);
        assert_eq!(power_of_two_ratio(2f32.powi(32), 1.0), None);
    }
}
