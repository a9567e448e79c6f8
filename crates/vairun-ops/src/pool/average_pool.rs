//! `AveragePool`: the mean of each window.
//!
//! `y = Σ x / n`, the sum from the first element to the last, divided once.
//!
//! | | name | type                                | shape               |
//! |-|------|-------------------------------------|---------------------|
//! | 0 | `X` | float16, bfloat16, float32, float64 | `[n, c, …]`         |
//! | → | `Y` | as `X`                              | `[n, c, …]`         |
//!
//! Attributes: auto_pad (NOTSET), ceil_mode (0), count_include_pad (0), dilations (1 …), kernel_shape, pads (0 …),
//! strides (1 …). With count_include_pad elements of the padding count as zeros, but not what ceil_mode adds beyond it.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__AveragePool.html>.

use vairun_numeric::pool::{float32, mean};
use vairun_tensor::DType;

use super::window::{Windows, real};
use crate::attrs::Attrs;
use crate::common::types::FLOATS;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `AveragePool`.
pub static DEF: OpDef = OpDef {
    names: &[("", "AveragePool")],
    opsets: 1..=LATEST,
    summary: "the mean of each window",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Within(1, "onnxruntime adds in another order"),
    build,
};

struct AveragePool {
    windows: Windows,
    count_include_pad: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let count_include_pad = attrs.flag("count_include_pad")?.unwrap_or(false);
    Ok(Box::new(AveragePool { windows: Windows::read(attrs)?, count_include_pad }))
}

impl Operator for AveragePool {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        FLOATS.check_tensor(x, "X")?;
        let (pool, shape) = self.windows.over(x.dtype(), x.shape())?;
        let padding = self.count_include_pad;
        one(real(x, &shape, |x| float32::mean(x, &pool, padding), |x| mean(x, &pool, padding))?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![FLOATS.check(inputs, 0, "X")?])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::{assert_tensor, count_up, floats, node};

    #[test]
    fn the_padding_does_not_count_unless_asked() {
        let pool = node("AveragePool").ints("kernel_shape", &[2]).ints("pads", &[1, 0]);
        let x = floats(&[1, 1, 2], &[4., 6.]);
        assert_tensor(&pool.run([x.clone()]), &floats(&[1, 1, 2], &[4., 5.]));
        assert_tensor(&pool.int("count_include_pad", 1).run([x]), &floats(&[1, 1, 2], &[2., 5.]));
    }

    #[test]
    fn ceil_mode_adds_a_window_that_starts_in_the_input() {
        let pool = node("AveragePool")
            .ints("kernel_shape", &[2])
            .ints("strides", &[2])
            .int("ceil_mode", 1);
        assert_tensor(&pool.run([count_up(&[1, 1, 3])]), &floats(&[1, 1, 2], &[0.5, 2.]));
        // Two elements and one of padding: a third window would start beyond both.
        let padded = node("AveragePool")
            .ints("kernel_shape", &[1])
            .ints("strides", &[2])
            .int("ceil_mode", 1);
        assert_tensor(
            &padded.ints("pads", &[0, 1]).run([count_up(&[1, 1, 3])]),
            &floats(&[1, 1, 2], &[0., 2.]),
        );
    }

    #[test]
    fn same_padding_keeps_the_length() {
        for (mode, expected) in [("SAME_UPPER", [0.5, 1.5, 2.0]), ("SAME_LOWER", [0.0, 0.5, 1.5])] {
            let pool = node("AveragePool").ints("kernel_shape", &[2]).text("auto_pad", mode);
            assert_tensor(&pool.run([count_up(&[1, 1, 3])]), &floats(&[1, 1, 3], &expected));
        }
    }

    #[test]
    fn a_window_that_does_not_fit_is_told() {
        let error = node("AveragePool").ints("kernel_shape", &[4]).error([count_up(&[1, 1, 3])]);
        assert_eq!(
            error,
            "X has shape [1, 1, 3], expected at least the window [4] with its padding"
        );
    }
}
