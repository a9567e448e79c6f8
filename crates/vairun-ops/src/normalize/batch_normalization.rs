//! `BatchNormalization`: normalization of each channel by given statistics, or by those of the batch in training mode.
//!
//! `y = (x - mean) / √(variance + epsilon) · scale + B`
//!
//! | | name    | type                                | shape |
//! |-|---------|-------------------------------------|-------|
//! | 0 | `X`     | float16, bfloat16, float32, float64 | `[n, c, ..]` or `[n]` with one channel |
//! | 1, 2 | `scale`, `B` | a float type              | `[c]` |
//! | 3, 4 | `input_mean`, `input_var` | a float type | `[c]` |
//! | → 0 | `Y`   | as `X`                              | as `X` |
//! | → 1, 2 | `running_mean`, `running_var` | as `input_mean` | `[c]`, in training mode alone |
//!
//! Attributes: `epsilon` (float, 1e-5), `momentum` (float, 0.9), `training_mode` (int, 0; opset 14), `is_test` (int;
//! before opset 7) and `spatial` (int, 1; before opset 9), of which only inference per channel is supported.
//!
//! `running = input · momentum + current · (1 - momentum)`.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html>.

use vairun_numeric::reduce::{Fold, rows};

use super::GRADE;
use super::layer_normalization::parameter;
use super::rows::{expect_vector, map_rows};
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::types::FLOATS;
use crate::elementwise::map::ignore_consumed_inputs;

/// `BatchNormalization`.
pub static DEF: OpDef = OpDef {
    names: &[("", "BatchNormalization")],
    opsets: 1..=LATEST,
    summary: "normalization of each channel by given statistics",
    types: "float16, bfloat16, float32, float64",
    grade: GRADE,
    build,
};

struct BatchNormalization {
    epsilon: f64,
    momentum: f64,
    training: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(5..=5)?;
    ignore_consumed_inputs(spec, attrs);
    let opset = spec.op.opset;
    let training = opset >= 14 && attrs.flag("training_mode")?.unwrap_or(false);
    if opset < 9 && attrs.flag("spatial")? == Some(false) {
        return Err(Attrs::value("spatial", 0, "1"));
    }
    // Before opset 7 the default of `is_test` is training; exported models that run say 1.
    if opset < 7 && !attrs.flag("is_test")?.unwrap_or(false) {
        return Err(Attrs::value("is_test", 0, "1 (inference)"));
    }
    if !training && (1..spec.outputs.len()).any(|i| spec.has_output(i)) {
        return Err(BuildError::Unsupported(
            "statistics as outputs, which only training gives; set `training_mode`".into(),
        ));
    }
    Ok(Box::new(BatchNormalization {
        epsilon: attrs.float("epsilon")?.unwrap_or(1e-5).into(),
        momentum: attrs.float("momentum")?.unwrap_or(0.9).into(),
        training,
    }))
}

impl Operator for BatchNormalization {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        let (channels, size) = match x.shape() {
            [_, c, rest @ ..] => (*c, rest.iter().product()),
            [_] => (1, 1),
            [] => return Err(wrong_shape("X", x.shape(), "[n, c, ..]")),
        };
        let vector = |index: usize, name: &'static str| {
            let vector = inputs.tensor(index, name)?;
            expect_vector(vector, channels, name)?;
            parameter(vector, &[channels])
        };
        let (scale, bias) = (vector(1, "scale")?, vector(2, "B")?);
        let given = [vector(3, "input_mean")?, vector(4, "input_var")?];
        let current = match self.training {
            true => with_float!(x.dtype(), "X", T => Ok::<_, OpError>(
                statistics::<T>(x.as_slice()?, channels, size)))?,
            false => given.clone(),
        };
        let factors: Vec<(f64, f64)> = (0..channels)
            .map(|c| {
                let factor = scale[c] / (current[1][c] + self.epsilon).sqrt();
                (factor, bias[c] - current[0][c] * factor)
            })
            .collect();
        let y = with_float!(x.dtype(), "X", T => Ok::<_, OpError>(Tensor::new(
            x.shape(),
            map_rows::<T>(x.as_slice()?, size, |i, row| {
                let (factor, shift) = factors[i % channels];
                row.iter_mut().for_each(|x| *x = *x * factor + shift);
            }),
        )?))?;
        let mut outputs = vec![y.into()];
        if self.training {
            for (i, (given, current)) in given.iter().zip(&current).enumerate() {
                let running = given.iter().zip(current);
                let running = running.map(|(g, c)| g * self.momentum + c * (1.0 - self.momentum));
                let dtype = inputs.tensor(3 + i, "input_mean")?.dtype();
                outputs.push(
                    with_float!(dtype, "input_mean", T => Ok::<_, OpError>(
                    Tensor::vector(running.map(<T as Number>::from_f64).collect())))?
                    .into(),
                );
            }
        }
        Ok(outputs)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        let statistics = FLOATS.check(inputs, 3, "input_mean")?;
        Ok(vec![FLOATS.check(inputs, 0, "X")?, statistics, statistics])
    }
}

/// The mean and the variance of each channel.
fn statistics<T: Number>(x: &[T], channels: usize, size: usize) -> [Vec<f64>; 2] {
    let count = (x.len() / channels.max(1)) as f64;
    let by_channel = |term: &dyn Fn(usize, f64) -> f64| {
        let mut sums = vec![0.0; channels];
        for (i, row) in x.chunks_exact(size.max(1)).enumerate() {
            let c = i % channels;
            let step = |a: f64, x: T| a + term(c, x.to_f64());
            let fold = Fold { identity: 0.0, step, join: |a, b| a + b };
            sums[c] += rows(row, row.len(), fold).into_iter().sum::<f64>();
        }
        sums.iter_mut().for_each(|sum| *sum /= count);
        sums
    };
    let mean = by_channel(&|_, x| x);
    let variance = by_channel(&|c, x| (x - mean[c]) * (x - mean[c]));
    [mean, variance]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::*;

    fn run(case: Case) -> Vec<Tensor> {
        let x = floats(&[2, 2, 1], &[1.0, 10.0, 3.0, 30.0]);
        let vector = |a: f32, b: f32| floats(&[2], &[a, b]);
        let inputs = [x, vector(2.0, 1.0), vector(0.0, 1.0), vector(1.0, 10.0), vector(4.0, 100.0)];
        let y = case.float("epsilon", 0.0).try_run_values(inputs.map(|x| Some(x.into())).to_vec());
        y.unwrap().into_iter().map(|y| y.into_tensor().unwrap()).collect()
    }

    #[test]
    fn each_channel_by_its_statistics() {
        let y = run(node("BatchNormalization"));
        assert_tensor(&y[0], &floats(&[2, 2, 1], &[0.0, 1.0, 2.0, 3.0]));
    }

    #[test]
    fn training_takes_the_statistics_of_the_batch() {
        let y = run(node("BatchNormalization")
            .int("training_mode", 1)
            .float("momentum", 0.5)
            .outputs(3));
        assert_tensor(&y[0], &floats(&[2, 2, 1], &[-2.0, 0.0, 2.0, 2.0]));
        assert_tensor(&y[1], &floats(&[2], &[1.5, 15.0]));
        assert_tensor(&y[2], &floats(&[2], &[2.5, 100.0]));
    }
}
