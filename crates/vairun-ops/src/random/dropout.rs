//! `Dropout`: the input as it is; in training mode, elements become 0 at random and the others grow.
//!
//! `output = data · mask / (1 - ratio)` in training mode, `mask` where a random number is at least `ratio`.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `data` | float16, bfloat16, float32, float64 | any |
//! | 1 | `ratio` | a float type | one element, optional: 0.5 (opset 12) |
//! | 2 | `training_mode` | bool | one element, optional: false (opset 12) |
//! | → 0 | `output` | as `data` | as `data` |
//! | → 1 | `mask` | bool; before opset 10 as `data` | as `data` |
//!
//! Attributes: `seed` (int; opset 12); before opset 12 `ratio`, before opset 7 `is_test`, of which only 1 is supported.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Dropout.html>.

use super::mersenne_twister::MersenneTwister;
use super::seed;
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::types::FLOATS;
use crate::elementwise::map::ignore_consumed_inputs;

/// `Dropout`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Dropout")],
    opsets: 1..=LATEST,
    summary: "the input as it is; elements become 0 at random in training mode",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Dropout {
    seed: u32,
    bool_mask: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    let opset = spec.op.opset;
    spec.expect_inputs(1..=if opset >= 12 { 3 } else { 1 })?;
    ignore_consumed_inputs(spec, attrs);
    if opset < 12 {
        attrs.float("ratio")?;
    }
    // Exported models that run say 1; the default of the old opsets is training.
    if opset < 7 && !attrs.flag("is_test")?.unwrap_or(false) {
        return Err(Attrs::value("is_test", 0, "1 (inference)"));
    }
    let seed = if opset >= 12 { seed(spec, attrs)? } else { 0 };
    Ok(Box::new(Dropout { seed, bool_mask: opset >= 10 }))
}

impl Operator for Dropout {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let ratio = match inputs.optional(1)? {
            Some(ratio) => with_float!(ratio.dtype(), "ratio", T => {
                Ok(ratio.as_scalar::<T>().map(|ratio| ratio.to_f64()))
            })?,
            None => Some(0.5),
        };
        let ratio = ratio.filter(|ratio| (0.0..1.0).contains(ratio)).ok_or_else(|| {
            wrong_value("ratio", "something else", "one number from 0 to below 1")
        })?;
        let training = inputs.optional(2)?.and_then(Tensor::as_scalar::<bool>).copied();
        let data = inputs.take(0, "data")?;
        let shape = data.shape().to_vec();
        if training != Some(true) || ratio == 0.0 {
            let mask = if self.bool_mask {
                Tensor::new(&shape, vec![true; data.len()])?
            } else {
                with_float!(data.dtype(), "data", T => {
                    Ok::<_, OpError>(Tensor::new(&shape, vec![<T as Number>::from_f64(1.0); data.len()])?)
                })?
            };
            return Ok(vec![data.into(), mask.into()]);
        }
        let mut twister = MersenneTwister::new(self.seed);
        let mask: Vec<bool> = (0..data.len()).map(|_| twister.uniform() >= ratio).collect();
        let scale = 1.0 / (1.0 - ratio);
        let y = with_float!(data.dtype(), "data", T => {
            let kept = data.as_slice::<T>()?.iter().zip(&mask);
            let kept = kept.map(|(x, &keep)| if keep { x.to_f64() * scale } else { 0.0 * x.to_f64() });
            Ok::<_, OpError>(Tensor::new(&shape, kept.map(<T as Number>::from_f64).collect())?)
        })?;
        Ok(vec![y.into(), Tensor::new(&shape, mask)?.into()])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        let data = FLOATS.check(inputs, 0, "data")?;
        Ok(vec![data, if self.bool_mask { Some(DType::Bool) } else { data }])
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn inference_changes_nothing() {
        let x = count_up(&[3]);
        let y = node("Dropout").outputs(2).try_run_values(vec![Some(x.clone().into())]).unwrap();
        assert!(y[0].as_tensor().unwrap().same_storage(&x));
        assert_tensor(y[1].as_tensor().unwrap(), &tensor(&[3], &[true; 3]));
    }

    #[test]
    fn training_drops_and_scales() {
        let y = node("Dropout").int("seed", 0).run([
            floats(&[3], &[1.0, 1.0, 1.0]),
            Tensor::scalar(0.625f32),
            Tensor::scalar(true),
        ]);
        // The first numbers of the seed are 0.55, 0.72, 0.60.
        assert_tensor(&y, &floats(&[3], &[0.0, (8.0 / 3.0f64) as f32, 0.0]));
    }

    #[test]
    fn a_ratio_of_one_is_refused() {
        assert!(node("Dropout").try_run([count_up(&[1]), Tensor::scalar(1f32)]).is_err());
    }
}
