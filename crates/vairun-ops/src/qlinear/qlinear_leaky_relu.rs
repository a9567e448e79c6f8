//! `com.microsoft::QLinearLeakyRelu`: leaky ReLU of codes.
//!
//! `Y = saturate(round_half_even(f(X) / sy) + zy)`, `f(x) = x` from 0 on, `alpha·x` below.
//!
//! | | name                            | type   | shape       |
//! |-|---------------------------------|--------|-------------|
//! | 0 | `X`                           | i8, u8 | any         |
//! | 1, 3 | `X_scale`, `Y_scale`       | f32    | one element |
//! | 2, 4 | `X_zero_point`, `Y_zero_point` | as `X` | one element; may be left out |
//! | → | `Y`                           | as `X` | as `X`      |
//!
//! Attributes: alpha (FLOAT, 0.01).
//!
//! Source: `qlinear_activations.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_tensor::DType;

use super::lookup::{on_codes, output_dtypes, run};
use crate::attrs::Attrs;
use crate::coded::OnCodes;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.microsoft::QLinearLeakyRelu`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "QLinearLeakyRelu")],
    opsets: 1..=i64::MAX,
    summary: "leaky ReLU of codes, by a table",
    types: "X, Y int8, uint8; scales float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

struct QLinearLeakyRelu {
    alpha: f32,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(4..=5)?;
    Ok(Box::new(QLinearLeakyRelu { alpha: attrs.float("alpha")?.unwrap_or(0.01) }))
}

impl Operator for QLinearLeakyRelu {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        run(&inputs, |x| if x >= 0.0 { x } else { self.alpha * x })
    }

    fn on_codes(&self, parameters: &Inputs) -> Option<OnCodes> {
        on_codes(parameters)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        output_dtypes(inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lookup::testing::codes;
    use super::*;
    use crate::common::testing::{assert_tensor, node_in, tensor};

    #[test]
    fn what_is_below_zero_is_scaled() {
        let case = node_in(DEF.names[0]).float("alpha", 0.5);
        let y = case.try_run_values(codes(tensor(&[3], &[-8i8, 0, 8]), 1.0, 2.0)).unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &tensor(&[3], &[-2i8, 0, 4]));
    }

    #[test]
    fn wide_codes_are_refused_before_the_run() {
        let error = node_in(DEF.names[0]).try_run_values(codes(tensor(&[1], &[1i16]), 1.0, 1.0));
        assert_eq!(error.unwrap_err().to_string(), "X is int16, expected int8 or uint8");
    }
}
