//! `com.amd.quark::ExtendedInstanceNormalization`: instance normalization in bfloat16.
//!
//! Every number is rounded to bfloat16, before and after each step; the variance is computed with the products in
//! parts, as AMD's NPU does. Details: [`vairun_numeric::bf16_instance_norm`].
//!
//! | | name    | type | shape                              |
//! |-|---------|------|------------------------------------|
//! | 0 | `x`     | f32  | `[n, c, …]`, at least 2 dimensions |
//! | 1 | `scale` | f32  | `[c]`                              |
//! | 2 | `B`     | f32  | `[c]`                              |
//! | → | `y`     | f32  | as `x`                             |
//!
//! Attributes: `epsilon` (float, 1e-5).
//!
//! Source: `src/custom_op_in.cc` of amd-quark 0.13. Vectors: `golden/quark`, module `quark` of the integration tests.

use vairun_numeric::bf16_instance_norm::instance_norm;
use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.amd.quark::ExtendedInstanceNormalization`.
pub static DEF: OpDef = OpDef {
    names: &[
        ("com.amd.quark", "ExtendedInstanceNormalization"),
        ("com.vai.quantize", "VitisInstanceNormalization"),
    ],
    opsets: 1..=i64::MAX,
    summary: "instance normalization in bfloat16",
    types: "x float32",
    grade: Grade::Exact("amd-quark 0.13"),
    build,
};

struct ExtendedInstanceNormalization {
    epsilon: f32,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=3)?;
    let epsilon = attrs.float("epsilon")?.unwrap_or(1e-5);
    Ok(Box::new(ExtendedInstanceNormalization { epsilon }))
}

impl Operator for ExtendedInstanceNormalization {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let mut x = inputs.take(0, "x")?;
        let [_, channels, spatial @ ..] = x.shape() else {
            let (got, expected) = (x.shape().to_vec(), "at least 2 dimensions".into());
            return Err(OpError::Shape { input: "x".into(), got, expected });
        };
        let (channels, size) = (*channels, spatial.iter().product());
        let scale = parameter(inputs.tensor(1, "scale")?, "scale", channels)?;
        let offset = parameter(inputs.tensor(2, "B")?, "B", channels)?;
        instance_norm(x.make_mut()?, size, scale, offset, self.epsilon);
        Ok(vec![x.into()])
    }

    fn output_dtypes(&self, _: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![Some(DType::F32)])
    }
}

fn parameter<'a>(tensor: &'a Tensor, name: &str, channels: usize) -> Result<&'a [f32], OpError> {
    if tensor.shape() != [channels] {
        let expected = format!("[{channels}], one for each channel");
        let got = tensor.shape().to_vec();
        return Err(OpError::Shape { input: name.into(), got, expected });
    }
    Ok(tensor.as_slice()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::node_in;

    #[test]
    fn each_channel_has_its_own_scale_and_offset() {
        let x = Tensor::new(&[1, 2, 2], vec![1f32, 3.0, 10.0, 30.0]).unwrap();
        let (scale, offset) = (Tensor::vector(vec![1f32, 2.0]), Tensor::vector(vec![0f32, 5.0]));
        let y = node_in(DEF.names[0]).float("epsilon", 0.0).run([x, scale, offset]);
        assert_eq!(y.as_slice::<f32>().unwrap(), [-1.0, 1.0, 3.0, 7.0]);
    }

    #[test]
    fn parameters_must_fit_the_channels() {
        let x = Tensor::new(&[1, 2], vec![1f32; 2]).unwrap();
        let error = node_in(DEF.names[0]).error([
            x,
            Tensor::vector(vec![1f32]),
            Tensor::vector(vec![0f32; 2]),
        ]);
        assert_eq!(error, "scale has shape [1], expected [2], one for each channel");
    }
}
