//! `com.microsoft::SkipLayerNormalization` and `SkipSimplifiedLayerNormalization`: the normalization of a sum.
//!
//! `output = normalize(input + skip + bias) · gamma + beta` over the last axis; the simplified one divides by the root of
//! the mean square.
//!
//! | | name    | type | shape |
//! |-|---------|------|-------|
//! | 0 | `input` | float16, float32, float64 | `[batch, sequence, hidden]` or `[tokens, hidden]` |
//! | 1 | `skip`  | as `input` | broadcasts to `input` |
//! | 2 | `gamma` | as `input` | `[hidden]` |
//! | 3 | `beta`  | as `input` | `[hidden]`, optional; not of the simplified one |
//! | 4 | `bias`  | as `input` | `[hidden]`, optional; input 3 of the simplified one |
//! | → 0 | `output` | as `input` | as `input` |
//! | → 1, 2 | `mean`, `inv_std_var` | float32 | `input` with the last axis of 1 |
//! | → 3 | `input_skip_bias_sum` | as `input` | as `input` |
//!
//! Attributes: `epsilon` (float, 1e-12).
//!
//! Source: onnxruntime 1.32 `contrib_ops/cpu/skip_layer_norm.cc`.

use super::GRADE;
use super::layer_normalization::{Affine, normalize, parameter};
use vairun_numeric::float::Binary;

use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::types::FLOATS;
use crate::elementwise::float32;

/// `SkipLayerNormalization`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "SkipLayerNormalization")],
    opsets: 1..=i64::MAX,
    summary: "the normalization of a sum",
    types: "float16, bfloat16, float32, float64",
    grade: GRADE,
    build: |spec, attrs| build(false, spec, attrs),
};

/// `SkipSimplifiedLayerNormalization`.
pub static SIMPLIFIED: OpDef = OpDef {
    names: &[("com.microsoft", "SkipSimplifiedLayerNormalization")],
    opsets: 1..=i64::MAX,
    summary: "the normalization of a sum by the root of its mean square",
    types: "float16, bfloat16, float32, float64",
    grade: GRADE,
    build: |spec, attrs| build(true, spec, attrs),
};

struct Skip {
    simplified: bool,
    epsilon: f64,
}

fn build(simplified: bool, spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(3..=if simplified { 4 } else { 5 })?;
    Ok(Box::new(Skip { simplified, epsilon: attrs.float("epsilon")?.unwrap_or(1e-12).into() }))
}

impl Operator for Skip {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, skip) = (inputs.take(0, "input")?, inputs.take(1, "skip")?);
        let shape = x.shape().to_vec();
        let last = &shape[shape.len().saturating_sub(1)..];
        let gamma = parameter(inputs.tensor(2, "gamma")?, last)?;
        let beta = if self.simplified { None } else { inputs.optional(3)? };
        let beta = beta.map(|beta| parameter(beta, last)).transpose()?;
        let bias = inputs.take_value(if self.simplified { 3 } else { 4 });
        let bias = bias.map(vairun_tensor::Value::into_tensor).transpose()?;
        with_float!(x.dtype(), "input", T => {
            let mut sum = float32::combine::<T>(Some(Binary::Add), x, skip, Number::add)?;
            if let Some(bias) = bias {
                sum = float32::combine::<T>(Some(Binary::Add), sum, bias, Number::add)?;
            }
            if sum.shape() != shape {
                return Err(wrong_shape("skip", sum.shape(), format!("at most {shape:?} as input")));
            }
            let affine = Affine { scale: &gamma, bias: beta.as_deref() };
            let (y, [means, factors]) =
                normalize::<T>(sum.as_slice()?, gamma.len(), self.simplified, self.epsilon, affine);
            let mut rows = shape.clone();
            rows[shape.len() - 1] = 1;
            Ok(vec![
                Tensor::new(&shape, y)?.into(),
                Tensor::new(&rows, means)?.into(),
                Tensor::new(&rows, factors)?.into(),
                sum.into(),
            ])
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        let x = FLOATS.check(inputs, 0, "input")?;
        Ok(vec![x, Some(DType::F32), Some(DType::F32), x])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn the_sum_is_normalized() {
        let inputs = [
            floats(&[1, 1, 2], &[1.0, 2.0]),
            floats(&[1, 1, 2], &[0.0, 1.0]),
            floats(&[2], &[1.0, 1.0]),
            floats(&[2], &[0.5, 0.5]),
        ];
        let y = node_in(("com.microsoft", "SkipLayerNormalization"))
            .outputs(4)
            .try_run_values(inputs.map(|x| Some(x.into())).to_vec())
            .unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &floats(&[1, 1, 2], &[-0.5, 1.5]));
        assert_tensor(y[3].as_tensor().unwrap(), &floats(&[1, 1, 2], &[1.0, 3.0]));
    }

    #[test]
    fn the_simplified_one_keeps_the_mean() {
        let y = node_in(("com.microsoft", "SkipSimplifiedLayerNormalization")).run([
            floats(&[1, 2], &[1.0, 3.0]),
            floats(&[1, 2], &[0.0, 4.0]),
            floats(&[2], &[5.0, 5.0]),
        ]);
        assert_tensor(&y, &floats(&[1, 2], &[1.0, 7.0]));
    }
}
