//! `com.microsoft::QLinearWhere`: codes of one tensor where a condition holds, else of another.
//!
//! Codes are put on the grid of the result as by `QLinearConcat`.
//!
//! | | name                                              | type   | shape       |
//! |-|---------------------------------------------------|--------|-------------|
//! | 0 | `condition`                                     | bool   | broadcast   |
//! | 1, 4 | `X`, `Y`                                     | i8, u8 | broadcast   |
//! | 2, 5, 7 | `x_scale`, `y_scale`, `z_scale`           | f32    | one element |
//! | 3, 6, 8 | `x_zero_point`, `y_zero_point`, `z_zero_point` | as `X` | one element |
//! | → | `Z`                                             | as `X` | the common shape |
//!
//! Source: `qlinear_where.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_tensor::DType;

use super::codes::{Coded, Names, check, check_grid, grid};
use super::qlinear_concat::regridded;
use crate::attrs::Attrs;
use crate::common::one;
use crate::common::types::{BOOL, other_type};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::movement::where_::select;
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.microsoft::QLinearWhere`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "QLinearWhere")],
    opsets: 1..=i64::MAX,
    summary: "codes of one tensor where a condition holds, else of another",
    types: "condition bool; X, Y, Z int8, uint8; scales float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

const X: Names = Names("X", "x_scale", "x_zero_point");
const Y: Names = Names("Y", "y_scale", "y_zero_point");
const Z: Names = Names("Z", "z_scale", "z_zero_point");

struct QLinearWhere;

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(8..=9)?;
    Ok(Box::new(QLinearWhere))
}

impl Operator for QLinearWhere {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let condition = inputs.tensor(0, "condition")?;
        let (x, y) = (Coded::read(&inputs, 1, X)?, Coded::read(&inputs, 4, Y)?);
        let z = grid(&inputs, 7, Z, x.codes.dtype())?;
        one(select(condition, &regridded(x, z)?, &regridded(y, z)?)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        BOOL.check(inputs, 0, "condition")?;
        let (x, y) = (check(inputs, 1, X)?, check(inputs, 4, Y)?);
        match (x, y) {
            (Some(x), Some(y)) if x != y => Err(other_type("Y", y, x)),
            _ => Ok(vec![check_grid(inputs, 7, Z, x.or(y))?]),
        }
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use super::*;
    use crate::common::testing::{assert_tensor, node_in, tensor};

    #[test]
    fn chosen_codes_are_on_the_grid_of_the_result() {
        let (scale, zero) = (Tensor::scalar::<f32>, || Tensor::scalar(0u8));
        let z = node_in(DEF.names[0]).run([
            tensor(&[2], &[true, false]),
            tensor(&[1], &[6u8]),
            scale(0.5),
            zero(),
            tensor(&[2], &[8u8, 9]),
            scale(1.0),
            zero(),
            scale(1.0),
            zero(),
        ]);
        assert_tensor(&z, &tensor(&[2], &[3u8, 9]));
    }
}
