//! `LpPool`: the p-norm of each window.
//!
//! `y = (Σ |x|^p)^(1/p)`
//!
//! | | name | type                                | shape       |
//! |-|------|-------------------------------------|-------------|
//! | 0 | `X` | float16, bfloat16, float32, float64 | `[n, c, …]` |
//! | → | `Y` | as `X`                              | `[n, c, …]` |
//!
//! Attributes: auto_pad (NOTSET), ceil_mode (0), dilations (1 …), kernel_shape, p (2), pads (0 …), strides (1 …).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__LpPool.html>.

use vairun_numeric::pool::{norm, power_sum};
use vairun_tensor::DType;

use super::window::{Windows, real};
use crate::attrs::Attrs;
use crate::common::types::FLOATS;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `LpPool`.
pub static DEF: OpDef = OpDef {
    names: &[("", "LpPool")],
    opsets: 2..=LATEST,
    summary: "the p-norm of each window",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Runs,
    build,
};

struct LpPool {
    windows: Windows,
    p: i32,
}

/// The exponent, at least 1.
pub(super) fn exponent(attrs: &Attrs) -> Result<i32, BuildError> {
    let p = attrs.int("p")?.unwrap_or(2);
    i32::try_from(p)
        .ok()
        .filter(|&p| p > 0)
        .ok_or_else(|| Attrs::value("p", p, "a positive number"))
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    Ok(Box::new(LpPool { windows: Windows::read(attrs)?, p: exponent(attrs)? }))
}

impl Operator for LpPool {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        FLOATS.check_tensor(x, "X")?;
        let (pool, shape) = self.windows.over(x.dtype(), x.shape())?;
        let p = self.p;
        one(real(
            x,
            &shape,
            |x| norm(power_sum(x, &pool, p), p),
            |x| norm(power_sum(x, &pool, p), p),
        )?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![FLOATS.check(inputs, 0, "X")?])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::{assert_tensor, floats, node};

    #[test]
    fn norms_of_one_two_and_three() {
        let x = || [floats(&[1, 1, 2], &[3., -4.])];
        let pool = |p| node("LpPool").ints("kernel_shape", &[2]).int("p", p);
        assert_tensor(&pool(1).run(x()), &floats(&[1, 1, 1], &[7.]));
        assert_tensor(&pool(2).run(x()), &floats(&[1, 1, 1], &[5.]));
        assert_tensor(&pool(3).run(x()), &floats(&[1, 1, 1], &[91f32.powf(1. / 3.)]));
    }
}
