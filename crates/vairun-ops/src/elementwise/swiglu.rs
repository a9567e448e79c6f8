//! `SwiGLU`: `a · sigmoid(alpha · a) · b`.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0, 1 | `A`, `B` | float16, bfloat16, float32, float64, the same | any, the same |
//! | → | `Y` | as `A` | as `A` |
//!
//! Attributes: `alpha` (float, 1).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__SwiGLU.html>. Evaluated in float64 and rounded once.

use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::types::FLOATS;
use crate::elementwise::binary::combine;

/// `SwiGLU`.
pub static DEF: OpDef = OpDef {
    names: &[("", "SwiGLU")],
    opsets: 27..=LATEST,
    summary: "a · sigmoid(alpha · a) · b",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Within(1, "rounded once"),
    build,
};

struct SwiGlu {
    alpha: f64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    Ok(Box::new(SwiGlu { alpha: attrs.float("alpha")?.unwrap_or(1.0).into() }))
}

impl Operator for SwiGlu {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (a, b) = (inputs.take(0, "A")?, inputs.take(1, "B")?);
        if a.shape() != b.shape() {
            return Err(wrong_shape("B", b.shape(), format!("{:?} as A", a.shape())));
        }
        with_float!(a.dtype(), "A", T => one(combine::<T>(a, b, |a, b| {
            let (a, b) = (a.to_f64(), b.to_f64());
            T::from_f64(a / (1.0 + libm::exp(-self.alpha * a)) * b)
        })?))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![FLOATS.check_same(inputs, 0)?])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn the_gate_of_zero_is_closed() {
        let y = node("SwiGLU").run([floats(&[2], &[0.0, 1.0]), floats(&[2], &[5.0, 2.0])]);
        assert_tensor(&y, &floats(&[2], &[0.0, (2.0 / (1.0 + (-1f64).exp())) as f32]));
    }
}
