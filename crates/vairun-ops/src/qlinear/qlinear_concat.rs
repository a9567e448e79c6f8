//! `com.microsoft::QLinearConcat`: quantized tensors one after another along an axis.
//!
//! Each code becomes `saturate(round_half_even(f32(f32((q - z)·s) / sy)) + zy)`; codes that have the grid of the result
//! stay as they are.
//!
//! | | name                              | type   | shape                 |
//! |-|-----------------------------------|--------|-----------------------|
//! | 0 | `Y_scale`                       | f32    | one element           |
//! | 1 | `Y_zero_point`                  | i8, u8 | one element           |
//! | 2, 5, … | `X`                       | as `Y_zero_point` | equal but for `axis` |
//! | 3, 6, … | `X_scale`                 | f32    | one element           |
//! | 4, 7, … | `X_zero_point`            | as `X` | one element           |
//! | → | `Y`                             | as `X` | the dimensions at `axis` add up |
//!
//! Attributes: `axis` (INT, required).
//!
//! Source: `qlinear_concat.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::linear::{Code, Grid};
use vairun_numeric::qlinear::Table;
use vairun_tensor::{DType, Tensor};

use super::codes::{CODES, Coded, Names, affine, check, grid, part, range, rounding, with_code};
use crate::attrs::Attrs;
use crate::coded::{CodeRule, OnCodes};
use crate::common::axes::axis;
use crate::common::one;
use crate::common::types::other_type;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::movement::concat::concat;
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.microsoft::QLinearConcat`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "QLinearConcat")],
    opsets: 1..=i64::MAX,
    summary: "quantized tensors one after another, each put on the grid of the result",
    types: "X, Y int8, uint8; scales float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

const X: Names = Names("X", "X_scale", "X_zero_point");
const Y: Names = Names("Y", "Y_scale", "Y_zero_point");

struct QLinearConcat {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    let count = spec.inputs.len();
    if count < 5 || !(count - 2).is_multiple_of(3) {
        return Err(BuildError::InputCount {
            got: count,
            expected: "2, and 3 for each tensor".into(),
        });
    }
    let axis = attrs.int("axis")?.ok_or_else(|| BuildError::MissingAttribute("axis".into()))?;
    Ok(Box::new(QLinearConcat { axis }))
}

impl Operator for QLinearConcat {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let first = Coded::read(&inputs, 2, X)?;
        let y = grid(&inputs, 0, Y, first.codes.dtype())?;
        let parts = (2..inputs.len()).step_by(3).map(|i| regridded(Coded::read(&inputs, i, X)?, y));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let parts: Vec<&Tensor> = parts.iter().collect();
        one(concat(&parts, axis(self.axis, first.codes.rank())?)?)
    }

    fn on_codes(&self, parameters: &Inputs) -> Option<OnCodes> {
        let parts = (2..parameters.len()).step_by(3).map(|i| part(parameters, i, X));
        let parts = parts.collect::<Option<Vec<_>>>()?;
        let dtype = parts.first()?.dtype;
        let y = grid(parameters, 0, Y, dtype).ok()?;
        let all = all_codes(dtype).ok()?;
        let results = parts.iter().map(|part| {
            let grid = Grid { scale: part.grid.scale, zero_point: part.grid.zero_point };
            (part.dtype == dtype).then(|| regridded(Coded { codes: &all, grid }, y).ok()).flatten()
        });
        let rule = CodeRule::Concat { axis: self.axis, results: results.collect::<Option<_>>()? };
        Some(OnCodes { parts, quantizer: rounding(y.zero_point, dtype), rule })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let mut y = CODES.check(inputs, 1, Y.2)?;
        for first in (2..inputs.len()).step_by(3) {
            let x = check(inputs, first, X)?;
            if let (Some(x), Some(y)) = (x, y)
                && x != y
            {
                return Err(other_type(&format!("input {first}"), x, y));
            }
            y = y.or(x);
        }
        Ok(vec![y])
    }
}

/// Every code, from the least to the largest.
fn all_codes(dtype: DType) -> Result<Tensor, OpError> {
    let (low, high) = range(dtype);
    with_code!(dtype, "X", C => Ok(Tensor::vector((low..=high).map(C::narrow).collect())))
}

/// The codes of the same numbers on another grid.
pub(super) fn regridded(x: Coded, y: Grid) -> Result<Tensor, OpError> {
    if x.grid == y {
        return Ok(x.codes.clone());
    }
    let dtype = x.codes.dtype();
    with_code!(dtype, "X", C => {
        let table = Table::<C>::new(x.grid, affine(y, dtype), |x| x);
        Ok(Tensor::new(x.codes.shape(), table.map(x.codes.as_slice()?))?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::{assert_tensor, node_in, tensor};

    #[test]
    fn codes_of_other_grids_are_requantized() {
        let one = |x: f32| Tensor::scalar(x);
        let y = node_in(DEF.names[0]).int("axis", 0).run([
            one(1.0),
            Tensor::scalar(1u8),
            tensor(&[2], &[7u8, 9]),
            one(1.0),
            Tensor::scalar(1u8),
            tensor(&[2], &[1u8, 3]),
            one(0.5),
            Tensor::scalar(0u8),
        ]);
        assert_tensor(&y, &tensor(&[4], &[7u8, 9, 1, 3]));
    }

    #[test]
    fn inputs_come_in_threes() {
        let error = node_in(DEF.names[0]).int("axis", 0).build(&vec![None; 6]).err().unwrap();
        assert_eq!(error.to_string(), "6 inputs, expected 2, and 3 for each tensor");
    }
}
