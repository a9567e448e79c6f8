//! `LayerNormalization`, `RMSNormalization`, and onnxruntime's `SimplifiedLayerNormalization`, which is the latter.
//!
//! `y = (x - mean) / √(variance + epsilon) · scale + bias` over the last axes; RMS: `y = x / √(mean x² + epsilon) · scale`.
//!
//! | | name    | type                                | shape |
//! |-|---------|-------------------------------------|-------|
//! | 0 | `X`     | float16, bfloat16, float32, float64 | any |
//! | 1 | `Scale` | a float type                      | broadcasts to the last axes |
//! | 2 | `B`     | as `Scale`                        | as `Scale`, optional; LayerNormalization alone |
//! | → 0 | `Y`   | as `X`; RMS: as `Scale`             | as `X` |
//! | → 1 | `Mean`, `InvStdDev` | float32             | `X` with the last axes of 1. RMS of onnxruntime: `InvStdDev` alone |
//!
//! Attributes: `axis` (int, -1): the first of the last axes; `epsilon` (float, 1e-5); `stash_type` (int, 1).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>,
//! <https://onnx.ai/onnx/operators/onnx__RMSNormalization.html>, onnxruntime 1.32 `core/providers/cpu/nn/layer_norm_impl.cc`.

use std::sync::Mutex;

use vairun_numeric::normalize::{self, mean_square, moments};

use super::GRADE;
use super::rows::{map_rows, wide};
use crate::common::axes::axis;
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::types::FLOATS;

/// `LayerNormalization`.
pub static DEF: OpDef = OpDef {
    names: &[("", "LayerNormalization")],
    opsets: 1..=LATEST,
    summary: "normalization over the last axes",
    types: "float16, bfloat16, float32, float64",
    grade: GRADE,
    build: |spec, attrs| build(false, spec, attrs),
};

/// `RMSNormalization`.
pub static RMS: OpDef = OpDef {
    names: &[("", "RMSNormalization"), ("", "SimplifiedLayerNormalization")],
    opsets: 1..=LATEST,
    summary: "normalization by the root of the mean square over the last axes",
    types: "float16, bfloat16, float32, float64",
    grade: GRADE,
    build: |spec, attrs| build(true, spec, attrs),
};

struct LayerNormalization {
    root_mean_square: bool,
    axis: i64,
    epsilon: f64,
}

fn build(root_mean_square: bool, spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=if root_mean_square { 2 } else { 3 })?;
    match attrs.int("stash_type")? {
        None | Some(1 | 10 | 11 | 16) => {}
        Some(other) => return Err(Attrs::value("stash_type", other, "a floating-point type")),
    }
    Ok(Box::new(LayerNormalization {
        root_mean_square,
        axis: attrs.int("axis")?.unwrap_or(-1),
        epsilon: attrs.float("epsilon")?.unwrap_or(1e-5).into(),
    }))
}

impl Operator for LayerNormalization {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, scale) = (inputs.tensor(0, "X")?, inputs.tensor(1, "Scale")?);
        let axis = axis(self.axis, x.rank())?;
        let shape = &x.shape()[axis..];
        let scale = parameter(scale, shape)?;
        let bias = inputs.optional(2)?.map(|bias| parameter(bias, shape)).transpose()?;
        let (y, [means, factors]) = with_float!(x.dtype(), "X", T => {
            let affine = Affine { scale: &scale, bias: bias.as_deref() };
            let elements = x.as_slice::<T>()?;
            Ok(normalize(elements, scale.len(), self.root_mean_square, self.epsilon, affine))
                .and_then(|(y, moments)| Ok::<_, OpError>((Tensor::new(x.shape(), y)?, moments)))
        })?;
        let mut row_shape = x.shape().to_vec();
        row_shape[axis..].fill(1);
        let mut outputs = vec![y.into()];
        if !self.root_mean_square {
            outputs.push(Tensor::new(&row_shape, means)?.into());
        }
        outputs.push(Tensor::new(&row_shape, factors)?.into());
        Ok(outputs)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        FLOATS.check(inputs, 1, "Scale")?;
        FLOATS.check(inputs, 2, "B")?;
        let stash = Some(DType::F32);
        Ok(vec![FLOATS.check(inputs, 0, "X")?, stash, stash])
    }
}

/// A parameter of any float type over `shape`.
pub(super) fn parameter(x: &Tensor, shape: &[usize]) -> Result<Vec<f64>, OpError> {
    with_float!(x.dtype(), "Scale", T => wide::<T>(x, shape))
}

/// What follows the normalization of a row.
#[derive(Clone, Copy)]
pub(super) struct Affine<'a> {
    pub(super) scale: &'a [f64],
    pub(super) bias: Option<&'a [f64]>,
}

/// Each row of `length` normalized, and the mean and the factor of each.
pub(super) fn normalize<T: Number>(
    x: &[T],
    length: usize,
    root_mean_square: bool,
    epsilon: f64,
    affine: Affine,
) -> (Vec<T>, [Vec<f32>; 2]) {
    let rows = x.len() / length.max(1);
    let found = Mutex::new([vec![0f32; rows], vec![0f32; rows]]);
    let y = map_rows(x, length, |i, row| {
        let (mean, variance) =
            if root_mean_square { (0.0, mean_square(row)) } else { moments(row) };
        let factor = 1.0 / (variance + epsilon).sqrt();
        let Affine { scale, bias } = affine;
        normalize::Affine { mean, factor, scale, bias }.apply(row);
        if let Ok(mut found) = found.lock() {
            found[0][i] = mean as f32;
            found[1][i] = factor as f32;
        }
    });
    (y, found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn mean_and_variance_of_the_last_axes() {
        let x = floats(&[2, 2], &[1.0, 3.0, 0.0, 0.0]);
        let inputs = [x, floats(&[2], &[1.0, 2.0]), floats(&[2], &[0.0, 1.0])];
        let y = node("LayerNormalization")
            .float("epsilon", 0.0)
            .outputs(3)
            .try_run_values(inputs.map(|x| Some(x.into())).to_vec())
            .unwrap();
        let row: Vec<_> = y[0].as_tensor().unwrap().as_slice::<f32>().unwrap()[..2].to_vec();
        assert_eq!(row, [-1.0, 3.0]);
        assert_tensor(y[1].as_tensor().unwrap(), &floats(&[2, 1], &[2.0, 0.0]));
    }

    #[test]
    fn root_of_the_mean_square() {
        let y = node("RMSNormalization")
            .float("epsilon", 0.0)
            .run([floats(&[1, 2], &[1.0, 7.0]), Tensor::scalar(5f32)]);
        assert_tensor(&y, &floats(&[1, 2], &[1.0, 7.0]));
    }

    #[test]
    fn a_scale_of_another_shape_is_refused() {
        assert!(node("LayerNormalization").try_run([count_up(&[2, 2]), count_up(&[3])]).is_err());
    }
}
