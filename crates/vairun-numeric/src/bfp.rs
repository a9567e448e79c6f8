//! Block floating point: the elements of a block share an exponent and keep a few bits of mantissa each.
//!
//! Source: `src/bfp/cpu/bfp_kernel.cc` of amd-quark 0.13.

use std::marker::PhantomData;

use crate::blocks::{
    BlockFormat, BlockRound, Blocks, LANES, Rule, Strip, by_rule, inverses, is_finite, power_of_two,
};

/// A block floating point format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bfp {
    /// How the shared exponent is used.
    pub method: BfpMethod,
    /// Bits of an element's magnitude, 1 to 23: Quark's `bit_width` without the sign and the 8 bits of the exponent.
    pub mantissa_bits: u32,
    /// How elements are rounded.
    pub round: BlockRound,
}

/// How the elements of a block use the exponent that they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BfpMethod {
    /// `to_bfp`: one scale for the block. Infinities and NaN do not count and come back as they are.
    Plain,
    /// `to_bfp` with `use_compiler_version_cpu_kernel`: an element that would round to 128 or more raises the exponent.
    Compiler,
    /// `to_bfp_prime`: each sub-block may use a smaller exponent. Subnormal numbers become zeros; an infinity or a
    /// NaN makes the whole block NaN.
    Prime {
        /// Elements of a sub-block; divides the size of the block.
        sub_block_size: usize,
        /// Bits in which a sub-block tells how far its exponent is below the shared one; at most 8.
        sub_block_shift_bits: u32,
    },
}

impl Bfp {
    /// Rounds every element to what the format can hold of it.
    ///
    /// `to_bfp`: `y = clamp(round(x / s)·s, ±(2^m - 1)·s)`, `s = 2^(E - m + 1)`, `E` the largest exponent of the block,
    /// `m` the bits of mantissa. `to_bfp_prime`: `y = ±min(round(|x| / s), 2^m - 1)·s`, `E` that of the sub-block, but
    /// at most `2^sub_block_shift_bits - 1` below that of the block.
    pub fn quantize_dequantize(&self, data: &mut [f32], blocks: Blocks) {
        assert!((1..24).contains(&self.mantissa_bits), "{} bits of mantissa", self.mantissa_bits);
        match self.method {
            BfpMethod::Plain => {
                by_rule!(self.round, R => blocks.apply(data, &Plain::<R>(self, PhantomData)))
            }
            BfpMethod::Compiler => {
                by_rule!(self.round, R => blocks.apply(data, &Compiler::<R>(self, PhantomData)))
            }
            BfpMethod::Prime { sub_block_size, sub_block_shift_bits } => {
                assert!(blocks.size.is_multiple_of(sub_block_size) && sub_block_shift_bits <= 8);
                let most_below = (1 << sub_block_shift_bits) - 1;
                by_rule!(self.round, R => {
                    let rule = PhantomData::<R>;
                    blocks.apply(data, &Prime { format: self, sub_block_size, most_below, rule });
                });
            }
        }
    }

    /// 2^m
    #[inline(always)]
    fn steps(&self) -> f32 {
        power_of_two(self.mantissa_bits as i32)
    }

    /// The step between neighbouring values where the shared exponent, biased, is `exponent`.
    #[inline(always)]
    fn step(&self, exponent: u32) -> f32 {
        power_of_two(self.step_exponent(exponent))
    }

    #[inline(always)]
    fn step_exponent(&self, exponent: u32) -> i32 {
        exponent as i32 - 127 - (self.mantissa_bits as i32 - 1)
    }
}

struct Plain<'a, R>(&'a Bfp, PhantomData<R>);

impl<R: Rule> BlockFormat for Plain<'_, R> {
    #[inline(always)]
    fn strip(&self, mut strip: Strip<'_>) {
        let (exponents, finite) = strip.max_finite_exponents();
        let step = exponents.map(|exponent| self.0.step_exponent(exponent));
        let scale = step.map(power_of_two);
        let most = self.0.steps() - 1.0;
        // Steps are clamped before they are scaled: a power of two changes nothing but the exponent.
        match inverses(&step).filter(|_| finite) {
            Some(inverse) => strip.map(&scale, &inverse, |x, scale, inverse| {
                clamped(R::round(x * inverse), -most, most) * scale
            }),
            None => strip.map(&scale, &scale, |x, scale, _| {
                let y = clamped(R::round(x / scale), -most, most) * scale;
                if is_finite(x) { y } else { x }
            }),
        }
    }
}

struct Compiler<'a, R>(&'a Bfp, PhantomData<R>);

impl<R: Rule> BlockFormat for Compiler<'_, R> {
    #[inline(always)]
    fn strip(&self, mut strip: Strip<'_>) {
        let (mut exponents, _) = strip.max_finite_exponents();
        let scale = exponents.map(|exponent| self.0.step(exponent));
        let mut raise = [0u32; LANES];
        for row in strip.rows() {
            for (((&x, &scale), &shared), raise) in
                row.iter().zip(&scale).zip(&exponents).zip(&mut raise)
            {
                let code = R::round(x / scale);
                // 128 whatever the number of bits: so in the reference.
                let beyond = !(-128.0..128.0).contains(&code);
                *raise |= u32::from(beyond & (crate::blocks::exponent(x) == shared));
            }
        }
        exponents.iter_mut().zip(&raise).for_each(|(exponent, raise)| *exponent += raise);
        let steps = self.0.steps();
        let scale = exponents.map(|exponent| self.0.step(exponent));
        // Not in steps: only one bit of mantissa would ever be clamped by it. So in the reference.
        let unit = exponents.map(|exponent| power_of_two(exponent as i32 - 127));
        strip.map(&scale, &unit, |x, scale, unit| {
            element::<R>(x, scale, -unit * steps, unit * (steps - 1.0))
        });
    }
}

struct Prime<'a, R> {
    format: &'a Bfp,
    sub_block_size: usize,
    /// How far the exponent of a sub-block can be below the shared one.
    most_below: u32,
    rule: PhantomData<R>,
}

impl<R: Rule> BlockFormat for Prime<'_, R> {
    #[inline(always)]
    fn strip(&self, mut strip: Strip<'_>) {
        let mantissa_bits = self.format.mantissa_bits as i32;
        let shared = strip.max_exponents();
        // -0 + NaN, all bits of the payload set, is what the reference writes.
        let poison = shared.map(|shared| shared == 0xff);
        let most_steps = self.format.steps() - 1.0;
        for mut part in strip.parts(self.sub_block_size) {
            let highest = part.max_exponents();
            let step: [i32; LANES] = std::array::from_fn(|lane| {
                // Below 2^-149 a step changes nothing: every f32 is a multiple of it already.
                let exponent =
                    highest[lane].max(shared[lane].saturating_sub(self.most_below)) as i32;
                (exponent - 127 - (mantissa_bits - 1)).max(-149)
            });
            let scale = step.map(power_of_two);
            match inverses(&step) {
                Some(inverse) => part.map(&scale, &inverse, |x, scale, inverse| {
                    prime_element::<R>(x, x * inverse, scale, most_steps)
                }),
                None => part.map(&scale, &scale, |x, scale, _| {
                    prime_element::<R>(x, x / scale, scale, most_steps)
                }),
            }
        }
        // Rare, so apart from the loops above.
        if poison.contains(&true) {
            strip.map(
                &poison,
                &poison,
                |x, poison, _| {
                    if poison { f32::from_bits(0x7fff_ffff) } else { x }
                },
            );
        }
    }
}

/// The nearest bfloat16, ties to even, as an f32. The low half of a NaN's bits decides whether its payload changes, as
/// if it were a number: it may come back as an infinity.
///
/// Source: `float2bfloat_cpu` in `src/bfloat_convert.h` of amd-quark 0.13.
#[inline(always)]
pub fn round_to_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    let (low, odd) = (bits & 0xffff, (bits >> 16) & 1);
    let up = u32::from(low + odd > 0x8000);
    f32::from_bits((bits & 0xffff_0000).wrapping_add(up << 16))
}

/// Infinities and NaN as they are, the rest rounded to multiples of `scale` and clamped.
#[inline(always)]
fn element<R: Rule>(x: f32, scale: f32, min: f32, max: f32) -> f32 {
    let y = clamped(R::round(x / scale) * scale, min, max);
    if is_finite(x) { y } else { x }
}

#[inline(always)]
fn clamped(y: f32, min: f32, max: f32) -> f32 {
    let y = if max < y { max } else { y };
    if min < y { y } else { min }
}

/// The magnitude in steps, never rounded up past `most_steps`; zero keeps the sign of `x`.
#[inline(always)]
fn prime_element<R: Rule>(x: f32, quotient: f32, scale: f32, most_steps: f32) -> f32 {
    let steps = R::round(quotient).abs();
    let steps = if most_steps < steps { most_steps } else { steps };
    let magnitude = if x.abs() < f32::MIN_POSITIVE { 0.0 } else { steps * scale };
    magnitude.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BFP16: Bfp =
        Bfp { method: BfpMethod::Plain, mantissa_bits: 7, round: BlockRound::HalfEven };
    const MX6: Bfp = Bfp {
        method: BfpMethod::Prime { sub_block_size: 2, sub_block_shift_bits: 1 },
        mantissa_bits: 4,
        round: BlockRound::HalfEven,
    };

    fn run(format: Bfp, x: &[f32]) -> Vec<f32> {
        let mut y = x.to_vec();
        format.quantize_dequantize(&mut y, Blocks { outer: 1, len: x.len(), inner: 1, size: 8 });
        y
    }

    #[test]
    fn the_largest_exponent_sets_the_step() {
        // E = 0, so the step is 2^-6; 1.99 would round to 2 and is clamped to 127 steps.
        let y = run(BFP16, &[1.0, 1.99999, -1.99999, 0.0078125, 0.0078126, -0.0078125, 1e-9]);
        assert_eq!(y, [1.0, 1.984375, -1.984375, 0.0, 0.015625, 0.0, 0.0]);
    }

    #[test]
    fn ties_follow_the_rule() {
        let x = [1.0, 0.0234375, -0.0234375, 0.0390625, -0.0390625];
        let steps = |round| -> Vec<f32> {
            run(Bfp { round, ..BFP16 }, &x).iter().map(|y| y * 64.0).collect()
        };
        assert_eq!(steps(BlockRound::HalfAway), [64., 2., -2., 3., -3.]);
        assert_eq!(steps(BlockRound::HalfUp), [64., 2., -1., 3., -2.]);
        assert_eq!(steps(BlockRound::HalfEven), [64., 2., -2., 2., -2.]);
    }

    #[test]
    fn infinities_and_nan_pass_through_and_do_not_count() {
        let y = run(BFP16, &[f32::INFINITY, f32::NAN, 1.004, f32::NEG_INFINITY]);
        assert_eq!((y[0], y[2], y[3]), (f32::INFINITY, 1.0, f32::NEG_INFINITY));
        assert!(y[1].is_nan());
        assert!(run(MX6, &[f32::INFINITY, 1.0]).iter().all(|y| y.to_bits() == 0x7fff_ffff));
    }

    #[test]
    fn the_compiler_variant_raises_the_exponent_where_the_plain_one_clamps() {
        let compiler = Bfp { method: BfpMethod::Compiler, ..BFP16 };
        assert_eq!(run(compiler, &[1.99999, 0.015625, 0.046875]), [2.0, 0.0, 0.0625]);
        assert_eq!(run(compiler, &[1.5, 0.015625]), [1.5, 0.015625]);
    }

    #[test]
    fn a_sub_block_may_use_a_finer_step() {
        // E = 0: step 1/8; the sub-blocks of smaller numbers have 1/16, never less.
        let y = run(MX6, &[1.0, 0.2, 0.25, 0.2, 0.9999, 0.04]);
        assert_eq!(y, [1.0, 0.25, 0.25, 0.1875, 0.9375, 0.0625]);
    }

    #[test]
    fn zeros_of_prime_keep_their_sign_and_subnormal_numbers_are_zeros() {
        let y = run(MX6, &[-0.0, -1e-40, 1e-40, 0.0]);
        assert_eq!(y.iter().map(|y| y.to_bits()).collect::<Vec<_>>(), [1 << 31, 1 << 31, 0, 0]);
    }

    #[test]
    fn bfloat16_rounds_to_nearest_ties_to_even() {
        for (bits, expected) in [
            (0x3f80_8000, 0x3f80_0000),
            (0x3f81_8000, 0x3f82_0000),
            (0x3f80_8001, 0x3f81_0000),
            (0xbf80_7fff, 0xbf80_0000),
            (0x7f7f_ffff, 0x7f80_0000),
            (0x7f80_0000, 0x7f80_0000),
            (0x7fff_ffff, 0x8000_0000),
        ] {
            let got = round_to_bf16(f32::from_bits(bits)).to_bits();
            assert!(got == expected, "{bits:#x} gives {got:#x}, expected {expected:#x}");
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let y = run(BFP16, &[f32::MAX, -f32::MAX]);
        assert_eq!(y[0], 127f32 * 2f32.powi(121));
        assert_eq!(y[1], -y[0]);
    }
}
