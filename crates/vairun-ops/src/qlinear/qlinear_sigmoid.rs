//! `com.microsoft::QLinearSigmoid`: the logistic function of codes.
//!
//! `Y = saturate(round_half_even(σ(X) / sy) + zy)`, σ onnxruntime's own logistic function.
//!
//! | | name                            | type   | shape       |
//! |-|---------------------------------|--------|-------------|
//! | 0 | `X`                           | i8, u8 | any         |
//! | 1, 3 | `X_scale`, `Y_scale`       | f32    | one element |
//! | 2, 4 | `X_zero_point`, `Y_zero_point` | as `X` | one element; may be left out |
//! | → | `Y`                           | as `X` | as `X`      |
//!
//! Source: `qlinear_activations.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::qlinear::logistic;
use vairun_tensor::DType;

use super::lookup::{on_codes, output_dtypes, run};
use crate::attrs::Attrs;
use crate::coded::OnCodes;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.microsoft::QLinearSigmoid`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "QLinearSigmoid")],
    opsets: 1..=i64::MAX,
    summary: "the logistic function of codes, by a table",
    types: "X, Y int8, uint8; scales float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

struct QLinearSigmoid;

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(4..=5)?;
    Ok(Box::new(QLinearSigmoid))
}

impl Operator for QLinearSigmoid {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        run(&inputs, logistic)
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
    fn it_rises_from_0_to_1() {
        let x = tensor(&[3], &[-128i8, 0, 127]);
        let y = node_in(DEF.names[0]).try_run_values(codes(x, 0.25, 1.0 / 64.0)).unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &tensor(&[3], &[0i8, 32, 64]));
    }
}
