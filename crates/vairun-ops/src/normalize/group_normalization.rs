//! `InstanceNormalization` and `GroupNormalization`: normalization of each channel, or group of channels, of each sample.
//!
//! `y = (x - mean) / √(variance + epsilon) · scale + bias`, mean and variance over a group and all of space.
//!
//! | | name    | type                                | shape |
//! |-|---------|-------------------------------------|-------|
//! | 0 | `X`     | float16, bfloat16, float32, float64 | `[n, c, ..]` |
//! | 1, 2 | `scale`, `bias` | a float type           | `[c]`; GroupNormalization before opset 21: `[num_groups]` |
//! | → | `Y`     | as `X`                              | as `X` |
//!
//! Attributes: `epsilon` (float, 1e-5); GroupNormalization: `num_groups` (int, required), `stash_type` (int, 1; opset 21).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html>,
//! <https://onnx.ai/onnx/operators/onnx__GroupNormalization.html>.

use vairun_numeric::normalize::moments;

use super::GRADE;
use super::layer_normalization::parameter;
use super::rows::{expect_vector, map_rows};
use crate::common::dispatch::with_float;
use crate::common::prelude::*;
use crate::common::types::FLOATS;
use crate::elementwise::map::ignore_consumed_inputs;

/// `InstanceNormalization`.
pub static INSTANCE: OpDef = OpDef {
    names: &[("", "InstanceNormalization")],
    opsets: 1..=LATEST,
    summary: "normalization of each channel of each sample",
    types: "float16, bfloat16, float32, float64",
    grade: GRADE,
    build: |spec, attrs| {
        spec.expect_inputs(3..=3)?;
        ignore_consumed_inputs(spec, attrs);
        let epsilon = attrs.float("epsilon")?.unwrap_or(1e-5).into();
        Ok(Box::new(GroupNormalization { groups: None, epsilon, per_group: false }))
    },
};

/// `GroupNormalization`.
pub static GROUP: OpDef = OpDef {
    names: &[("", "GroupNormalization")],
    opsets: 18..=LATEST,
    summary: "normalization of each group of channels of each sample",
    types: "float16, bfloat16, float32, float64",
    grade: GRADE,
    build: |spec, attrs| {
        spec.expect_inputs(3..=3)?;
        let missing = || BuildError::MissingAttribute("num_groups".into());
        let groups = attrs.int("num_groups")?.ok_or_else(missing)?;
        let groups = usize::try_from(groups).ok().filter(|&groups| groups > 0);
        let groups = groups.ok_or_else(|| Attrs::value("num_groups", 0, "1 or more"))?;
        if spec.op.opset >= 21 {
            attrs.int("stash_type")?;
        }
        Ok(Box::new(GroupNormalization {
            groups: Some(groups),
            epsilon: attrs.float("epsilon")?.unwrap_or(1e-5).into(),
            per_group: spec.op.opset < 21,
        }))
    },
};

struct GroupNormalization {
    /// `None`: one for each channel.
    groups: Option<usize>,
    epsilon: f64,
    /// Scale and bias are for groups, not for channels.
    per_group: bool,
}

impl Operator for GroupNormalization {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        let [_, channels, space @ ..] = x.shape() else {
            return Err(wrong_shape("X", x.shape(), "[n, c, ..]"));
        };
        let groups = self.groups.unwrap_or(*channels);
        if groups != 0 && !channels.is_multiple_of(groups) {
            let expected = format!("channels that are a multiple of {groups}");
            return Err(wrong_shape("X", x.shape(), expected));
        }
        let per_group = channels.checked_div(groups).unwrap_or(0);
        let size: usize = space.iter().product();
        let parameters = if self.per_group { groups } else { *channels };
        let vector = |index: usize, name: &'static str| {
            let vector = inputs.tensor(index, name)?;
            expect_vector(vector, parameters, name)?;
            parameter(vector, &[parameters])
        };
        let (scale, bias) = (vector(1, "scale")?, vector(2, "bias")?);
        let each = |i: usize, row: &mut [f64]| {
            let (mean, variance) = moments(row);
            let factor = 1.0 / (variance + self.epsilon).sqrt();
            for (k, channel) in row.chunks_mut(size.max(1)).enumerate() {
                let group = i % groups;
                let at = if self.per_group { group } else { group * per_group + k };
                let (scale, bias) = (scale[at], bias[at]);
                channel.iter_mut().for_each(|x| *x = (*x - mean) * factor * scale + bias);
            }
        };
        with_float!(x.dtype(), "X", T => {
            one(Tensor::new(x.shape(), map_rows::<T>(x.as_slice()?, per_group * size, each))?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![FLOATS.check(inputs, 0, "X")?])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn each_channel_for_itself() {
        let y = node("InstanceNormalization").float("epsilon", 0.0).run([
            floats(&[1, 2, 2], &[1.0, 3.0, 10.0, 30.0]),
            floats(&[2], &[1.0, 2.0]),
            floats(&[2], &[0.0, 1.0]),
        ]);
        assert_tensor(&y, &floats(&[1, 2, 2], &[-1.0, 1.0, -1.0, 3.0]));
    }

    #[test]
    fn channels_of_a_group_share_their_statistics() {
        let case = || node("GroupNormalization").float("epsilon", 0.0).int("num_groups", 1);
        let x = || floats(&[1, 2, 1], &[1.0, 3.0]);
        let y = case().run([x(), floats(&[2], &[1.0, 2.0]), floats(&[2], &[0.0, 1.0])]);
        assert_tensor(&y, &floats(&[1, 2, 1], &[-1.0, 3.0]));
        let y = case().opset(18).run([x(), floats(&[1], &[2.0]), floats(&[1], &[1.0])]);
        assert_tensor(&y, &floats(&[1, 2, 1], &[-1.0, 3.0]));
    }
}
