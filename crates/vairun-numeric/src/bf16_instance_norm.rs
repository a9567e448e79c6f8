//! Quark's `ExtendedInstanceNormalization`: an instance normalization in bfloat16, as AMD's NPU computes it.
//!
//! Source: `src/in/cpu/instance_norm.h` of amd-quark 0.13.

use crate::bfp::round_to_bf16;

/// Normalizes each run of `size` elements, in place; run `i` has the scale and the offset `i % gamma.len()`.
///
/// With b(·) the rounding to bfloat16, `mean` and `variance` those of the rounded elements:
/// `y = b(b(γ)·b(b(b(x)·v) - b(b(mean)·v)) + b(β))`, `v = b(1 / √(variance + ε))`.
///
/// The reference calls `powf` for the root, which is not the same on every system; here it is the correctly rounded
/// one, which is the same after b(·) unless `powf` is wrong right at a border of bfloat16.
pub fn instance_norm(x: &mut [f32], size: usize, gamma: &[f32], beta: &[f32], epsilon: f32) {
    assert_eq!(gamma.len(), beta.len());
    if x.is_empty() || size == 0 {
        return;
    }
    for (i, run) in x.chunks_mut(size).enumerate() {
        let channel = i % gamma.len();
        let (gamma, beta) = (round_to_bf16(gamma[channel]), round_to_bf16(beta[channel]));
        let (mean, variance) = moments(run);
        let inverse = round_to_bf16((1.0 / f64::from(variance + epsilon).sqrt()) as f32);
        let mean = round_to_bf16(mean * inverse);
        for x in run {
            let scaled = round_to_bf16(round_to_bf16(*x) * inverse);
            *x = round_to_bf16(gamma * round_to_bf16(scaled - mean) + beta);
        }
    }
}

/// The mean, in bfloat16, and the variance of the elements rounded to bfloat16.
fn moments(x: &[f32]) -> (f32, f32) {
    let (mut sum, mut squares) = (0f32, 0f32);
    for &x in x {
        let x = round_to_bf16(x);
        sum += x;
        squares = (f64::from(squares) + f64::from(x) * f64::from(x)) as f32;
    }
    let share = (1.0 / x.len() as f64) as f32;
    let mean = sum * share;
    (round_to_bf16(mean), subtract_product(mean, mean, squares * share))
}

/// `c - a·b` as a unit with bfloat16 multipliers computes it: both factors in three parts, the products added from
/// the smallest on, each sum with its operands cut to the last place of the largest.
fn subtract_product(a: f32, b: f32, c: f32) -> f32 {
    let ([a0, a1, a2], [b0, b1, b2]) = (parts(a), parts(-b));
    let products = [(a2, b1), (a1, b2), (a0, b2), (a1, b1), (a2, b0), (a1, b0), (a0, b1)];
    let small = products.into_iter().fold(a2 * b2, |sum, (a, b)| add_product(a, b, sum));
    let product = a0 * b0;
    let top = product_exponent(a0, b0).max(exponent(small)).max(exponent(c));
    aligned(small, top) + aligned(c, top) + aligned(product, top)
}

/// Three bfloat16 numbers that add up to `x`.
fn parts(x: f32) -> [f32; 3] {
    let first = round_to_bf16(x);
    let second = round_to_bf16(x - first);
    [first, second, round_to_bf16(x - first - second)]
}

fn add_product(a: f32, b: f32, c: f32) -> f32 {
    let top = product_exponent(a, b).max(exponent(c));
    aligned(c, top) + aligned(a * b, top)
}

fn exponent(x: f32) -> i32 {
    (x.to_bits() as i32 >> 23) & 0xff
}

fn product_exponent(a: f32, b: f32) -> i32 {
    exponent(a) + exponent(b) - 127
}

/// `x` rounded to the last place of a number whose exponent is `top`.
fn aligned(x: f32, top: i32) -> f32 {
    let up = (top - exponent(x)) << 23;
    let large = f32::from_bits((x.to_bits() & 0xff80_0000).wrapping_add(up as u32));
    (x + large) - large
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_centred_scaled_and_shifted_in_bfloat16() {
        let mut x = [1.0, 3.0, -2.0, 2.0];
        instance_norm(&mut x, 2, &[1.0, 2.0], &[0.0, 1.0], 0.0);
        assert_eq!(x, [-1.0, 1.0, -1.0, 3.0]);
    }

    #[test]
    fn elements_are_rounded_to_bfloat16_before_anything_else() {
        let (mut a, mut b) = ([1.001, 3.001, 5.0, 9.0], [1.0, 3.0, 5.0, 9.0]);
        instance_norm(&mut a, 4, &[1.0], &[0.0], 1e-5);
        instance_norm(&mut b, 4, &[1.0], &[0.0], 1e-5);
        assert_eq!(a, b);
        assert!(a.iter().all(|y| y.to_bits() & 0xffff == 0), "{a:?}");
    }

    #[test]
    fn the_product_in_parts_is_the_product_up_to_the_last_places() {
        for (a, b, c) in [(1.2345678f32, 7.654321f32, 100.0f32), (-3.1, 2.7, 0.5)] {
            let exact = f64::from(c) - f64::from(a) * f64::from(b);
            let got = f64::from(subtract_product(a, b, c));
            assert!((got - exact).abs() < exact.abs() * 1e-5, "{a} {b} {c}: {got}, {exact}");
        }
    }
}
