//! `com.amd.quark::MXQuantizeDequantize`: numbers rounded to a microscaling format, the result as numbers again.
//!
//! `y = s·element(x / s)`, `s = 2^(E - e)`: `E` is the largest exponent in the block, `e` that of the largest power of
//! two in the element's type. Details: [`vairun_numeric::mx`].
//!
//! | | name | type     | shape                                                     |
//! |-|------|----------|-----------------------------------------------------------|
//! | 0 | `x` | f32, f16 | any; blocks run along `axis`, the last one may be shorter |
//! | → | `y` | as `x`   | as `x`                                                    |
//!
//! Attributes: `element_dtype` (string, `int8`; `fp8_e5m2`, `fp8_e4m3`, `fp6_e3m2`, `fp6_e2m3`, `fp4_e2m1`),
//! `block_size` (int, 32), `axis` (int, 1; not read for one dimension), `rounding_mode` (int, 0; for `int8`: 1 ties
//! toward +∞, 2 to even, any other away from zero; floats always round half to even).
//!
//! A tensor of one element comes back unchanged.
//!
//! Source: `src/custom_op_mx.cc` and `src/mx/cpu/` of amd-quark 0.13. Vectors: `golden/quark`, module `quark` of the
//! integration tests.

use vairun_numeric::blocks::BlockRound;
use vairun_numeric::mx::MxElement;
use vairun_tensor::DType;

use super::blocks::{BlockAttributes, output_dtypes};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.amd.quark::MXQuantizeDequantize`.
pub static DEF: OpDef = OpDef {
    names: &[("com.amd.quark", "MXQuantizeDequantize"), ("com.vai.quantize", "MXFixNeuron")],
    opsets: 1..=i64::MAX,
    summary: "numbers rounded to a microscaling format (MXFP8, MXFP6, MXFP4, MXINT8)",
    types: "x float32, float16",
    grade: Grade::Exact("amd-quark 0.13"),
    build,
};

struct MxQuantizeDequantize {
    blocks: BlockAttributes,
    element: MxElement,
    round: BlockRound,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    Ok(Box::new(MxQuantizeDequantize {
        blocks: BlockAttributes::read(attrs, 32)?,
        element: element(attrs)?,
        round: BlockRound::from_code(attrs.int("rounding_mode")?.unwrap_or(0))
            .unwrap_or(BlockRound::HalfAway),
    }))
}

impl Operator for MxQuantizeDequantize {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let round = |data: &mut [f32], blocks| {
            self.element.quantize_dequantize(data, blocks, self.round);
        };
        self.blocks.run(inputs, |_| (), round)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        output_dtypes(inputs)
    }
}

fn element(attrs: &Attrs) -> Result<MxElement, BuildError> {
    let name = attrs.string("element_dtype")?.unwrap_or_else(|| "int8".into());
    MxElement::from_name(&name).ok_or_else(|| {
        let names = MxElement::ALL.map(MxElement::name).join(", ");
        Attrs::value("element_dtype", name, &format!("one of {names}"))
    })
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use super::*;
    use crate::common::testing::{Case, node_in};

    fn case() -> Case {
        node_in(DEF.names[0])
    }

    #[test]
    fn blocks_run_along_the_axis() {
        let x = Tensor::new(&[2, 2], vec![1f32, 100.0, 0.01, 0.01]).unwrap();
        let along = |axis| {
            let y = case().text("element_dtype", "fp4_e2m1").int("axis", axis).run([x.clone()]);
            y.into_vec::<f32>().unwrap()
        };
        assert_eq!(along(0), [1.0, 96.0, 0.0, 0.0]);
        assert_eq!(along(1), [0.0, 96.0, 0.01171875, 0.01171875]);
    }

    #[test]
    fn the_axis_must_be_one_of_the_tensor() {
        let x = Tensor::new(&[2, 2], vec![1f32; 4]).unwrap();
        assert_eq!(case().int("axis", 2).error([x]), "axis is 2, expected an axis from -2 to 1");
    }

    #[test]
    fn integers_are_not_taken() {
        let error = case().error([Tensor::vector(vec![1i8, 2])]);
        assert_eq!(error, "x is int8, expected float32 or float16");
    }

    #[test]
    fn an_unknown_element_is_refused() {
        let error = case().text("element_dtype", "fp8").build(&[None]).err().unwrap().to_string();
        assert_eq!(
            error,
            "`element_dtype` is fp8, expected one of fp8_e5m2, fp8_e4m3, fp6_e3m2, fp6_e2m3, fp4_e2m1, int8"
        );
    }
}
