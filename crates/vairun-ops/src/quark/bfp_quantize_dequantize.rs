//! `com.amd.quark::BFPQuantizeDequantize`: numbers rounded to block floating point, the result as numbers again.
//!
//! The elements of a block share the largest exponent `E` among them. `to_bfp`: `y = clamp(round(x / s)·s)`,
//! `s = 2^(E - m + 1)`, `m = bit_width - 9` bits of mantissa. `to_bfp_prime`: each sub-block may use an exponent that
//! is up to `2^sub_block_shift_bits - 1` smaller. Details: [`vairun_numeric::bfp`].
//!
//! | | name | type     | shape                                                     |
//! |-|------|----------|-----------------------------------------------------------|
//! | 0 | `x` | f32, f16 | any; blocks run along `axis`, the last one may be shorter |
//! | → | `y` | as `x`   | as `x`                                                    |
//!
//! Attributes: `bfp_method` (string, `to_bfp`; `to_bfp_prime`, formerly `to_bfp_prime_shared`), `bit_width` (int, 16),
//! `block_size` (int, 8), `axis` (int, 1; not read for one dimension), `rounding_mode` (int, 0: ties away from zero; 1:
//! toward +∞; 2: to even), `sub_block_size` (int, 2), `sub_block_shift_bits` (int, 1), `convert_to_bfloat_before_bfp`
//! (int, 0: every number is rounded to bfloat16 first), `use_compiler_version_cpu_kernel` (int, 0).
//!
//! A tensor of one element comes back unchanged. The reference rounds to bfloat16 in the buffer of its input, where
//! other readers of the tensor see it; here they do not.
//!
//! Source: `src/custom_op_bfp.cc` and `src/bfp/cpu/` of amd-quark 0.13. Vectors: `golden/quark`, module `quark` of the
//! integration tests.

use vairun_numeric::bfp::{Bfp, BfpMethod, round_to_bf16};
use vairun_numeric::blocks::BlockRound;
use vairun_tensor::DType;

use super::blocks::{BlockAttributes, output_dtypes, positive};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.amd.quark::BFPQuantizeDequantize`.
pub static DEF: OpDef = OpDef {
    names: &[("com.amd.quark", "BFPQuantizeDequantize"), ("com.vai.quantize", "BFPFixNeuron")],
    opsets: 1..=i64::MAX,
    summary: "numbers rounded to block floating point (BFP16, MX4, MX6, MX9)",
    types: "x float32, float16",
    grade: Grade::Exact("amd-quark 0.13"),
    build,
};

struct BfpQuantizeDequantize {
    blocks: BlockAttributes,
    format: Bfp,
    bf16_first: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let blocks = BlockAttributes::read(attrs, 8)?;
    Ok(Box::new(BfpQuantizeDequantize {
        blocks,
        format: Bfp {
            method: method(attrs, blocks.block_size)?,
            mantissa_bits: mantissa_bits(attrs)?,
            round: rounding_mode(attrs)?,
        },
        bf16_first: attrs.int("convert_to_bfloat_before_bfp")?.is_some_and(|flag| flag != 0),
    }))
}

impl Operator for BfpQuantizeDequantize {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let before = |data: &mut [f32]| {
            if self.bf16_first {
                data.iter_mut().for_each(|x| *x = round_to_bf16(*x));
            }
        };
        self.blocks
            .run(inputs, before, |data, blocks| self.format.quantize_dequantize(data, blocks))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        output_dtypes(inputs)
    }
}

fn method(attrs: &Attrs, block_size: usize) -> Result<BfpMethod, BuildError> {
    let compiler = attrs.int("use_compiler_version_cpu_kernel")?.is_some_and(|flag| flag != 0);
    let prime = prime(attrs)?;
    let name = attrs.string("bfp_method")?;
    match name.as_deref().unwrap_or("to_bfp") {
        "to_bfp" if compiler => Ok(BfpMethod::Compiler),
        "to_bfp" => Ok(BfpMethod::Plain),
        "to_bfp_prime" | "to_bfp_prime_shared" => match prime {
            BfpMethod::Prime { sub_block_size, .. }
                if !block_size.is_multiple_of(sub_block_size) =>
            {
                let expected = format!("a divisor of the block size, {block_size}");
                Err(Attrs::value("sub_block_size", sub_block_size, &expected))
            }
            prime => Ok(prime),
        },
        other => Err(Attrs::value("bfp_method", other, "to_bfp or to_bfp_prime")),
    }
}

fn prime(attrs: &Attrs) -> Result<BfpMethod, BuildError> {
    let bits = attrs.int("sub_block_shift_bits")?.unwrap_or(1);
    let sub_block_shift_bits = u32::try_from(bits)
        .ok()
        .filter(|&bits| bits <= 8)
        .ok_or_else(|| Attrs::value("sub_block_shift_bits", bits, "0 to 8"))?;
    let sub_block_size = positive(attrs, "sub_block_size", 2)?;
    Ok(BfpMethod::Prime { sub_block_size, sub_block_shift_bits })
}

/// A sign and 8 bits of exponent beside them make `bit_width`; a float32 has no more than 23.
fn mantissa_bits(attrs: &Attrs) -> Result<u32, BuildError> {
    let width = attrs.int("bit_width")?.unwrap_or(16);
    let bits = u32::try_from(width).ok().filter(|width| (10..=32).contains(width));
    bits.map(|width| width - 9).ok_or_else(|| Attrs::value("bit_width", width, "10 to 32"))
}

/// Other codes leave the reference's result uninitialised.
fn rounding_mode(attrs: &Attrs) -> Result<BlockRound, BuildError> {
    let code = attrs.int("rounding_mode")?.unwrap_or(0);
    BlockRound::from_code(code).ok_or_else(|| Attrs::value("rounding_mode", code, "0, 1 or 2"))
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Tensor, f16};

    use super::*;
    use crate::common::testing::{Case, node_in};

    fn case() -> Case {
        node_in(DEF.names[0])
    }

    #[test]
    fn blocks_run_along_the_axis() {
        let x = Tensor::new(&[2, 2], vec![1f32, 100.0, 0.01, 0.01]).unwrap();
        let along = |axis| {
            let y = case().int("bit_width", 13).int("axis", axis).run([x.clone()]);
            y.into_vec::<f32>().unwrap()
        };
        assert_eq!(along(0), [1.0, 104.0, 0.0, 0.0]);
        assert_eq!(along(1), [0.0, 104.0, 0.009765625, 0.009765625]);
        assert_eq!(along(-1), along(1));
    }

    #[test]
    fn one_element_comes_back_unchanged_but_for_bfloat16() {
        let x = || Tensor::new(&[1, 1], vec![1.001f32]).unwrap();
        assert!(case().run([x()]).bits_eq(&x()));
        let rounded = case().int("convert_to_bfloat_before_bfp", 1).run([x()]);
        assert_eq!(rounded.into_vec::<f32>().unwrap(), [1.0]);
    }

    #[test]
    fn one_dimension_has_no_choice_of_axis() {
        let y = case().int("axis", 7).run([Tensor::vector(vec![1f32, 0.001])]);
        assert_eq!(y.into_vec::<f32>().unwrap(), [1.0, 0.0]);
    }

    #[test]
    fn float16_stays_float16() {
        let y = case().run([Tensor::vector([1.0, 0.001].map(f16::from_f32).to_vec())]);
        assert_eq!(y.as_slice::<f16>().unwrap(), [f16::ONE, f16::ZERO]);
    }

    #[test]
    fn what_the_reference_leaves_undefined_is_refused() {
        let prime = || case().text("bfp_method", "to_bfp_prime");
        for (case, expected) in [
            (case().text("bfp_method", "x"), "`bfp_method` is x, expected to_bfp or to_bfp_prime"),
            (case().int("rounding_mode", 3), "`rounding_mode` is 3, expected 0, 1 or 2"),
            (case().int("bit_width", 9), "`bit_width` is 9, expected 10 to 32"),
            (case().int("block_size", 0), "`block_size` is 0, expected at least 1"),
            (
                prime().int("sub_block_size", 3),
                "`sub_block_size` is 3, expected a divisor of the block size, 8",
            ),
        ] {
            assert_eq!(case.build(&[None]).err().unwrap().to_string(), expected);
        }
    }
}
