use super::requantize::saturated;
use crate::linear::{Code, Grid};

/// `QLinearSoftmax` of rows of `length` codes from `low` (-128 or 0) on.
///
/// `y = saturate(round_half_even(f32(f32(e·⌊1/scale⌋) / Σe)) + zero_point)`, `e` the exponentials of the codes less the
/// largest one, from a table in f32 that is scaled so that their sum fits.
///
/// Source: `contrib_ops/cpu/quantization/qlinear_softmax.cc` of onnxruntime 1.28.
pub fn softmax<C: Code>(x: &[C], length: usize, x_scale: f32, y: Grid, low: i32) -> Vec<C> {
    if length == 0 {
        return Vec::new();
    }
    let table = exponentials(x_scale, length);
    let steps = (1.0 / y.scale).floor();
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(length) {
        let max = row.iter().map(|x| x.widen()).max().unwrap_or(low);
        let e = |x: &C| table[(255 - max + x.widen()) as usize];
        let sum = row.iter().fold(0f32, |sum, x| sum + e(x));
        out.extend(row.iter().map(|x| {
            let share = saturated(share(e(x), steps, sum), 0.0, 65536.0);
            C::narrow((share + y.zero_point).min(low + 255))
        }));
    }
    out
}

/// `f32(f32(e·steps) / sum)`. Where the product overflows (a row of one code, steps of 1/256 or less), onnxruntime gives
/// 0 instead of 1; here the division comes first.
fn share(e: f32, steps: f32, sum: f32) -> f32 {
    let scaled = e * steps;
    if scaled.is_finite() { scaled / sum } else { e / sum * steps }
}

/// `e^(scale·(i - 255))`, times a factor that leaves room for the sum of `length` of them.
fn exponentials(scale: f32, length: usize) -> [f32; 256] {
    let scale = f64::from(scale);
    let room = f64::from((f64::from(f32::MAX / length as f32)).ln() as f32);
    let shift = (room - 5.0).max(0.0) / scale;
    std::array::from_fn(|i| ((i as f64 - 255.0 + shift) * scale).exp() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_shares_out_the_steps_and_saturates() {
        let grid = |zero_point| Grid { scale: 1.0 / 256.0, zero_point };
        let y = softmax::<u8>(&[10, 10, 200, 10], 2, 1.0, grid(0), 0);
        assert_eq!(y, [128, 128, 255, 0]);
        let y = softmax::<i8>(&[-128, -128], 1, 0.1, grid(-128), -128);
        assert_eq!(y, [127, 127]);
    }
}
