//! `Flatten`: a matrix; the dimensions before `axis` become the rows.
//!
//! `[d0 · … · d(axis-1), d(axis) · … · dn]`; a product without factors is 1.
//!
//! Attributes: `axis` (int, 1), up to the rank itself; negative from opset 11.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Flatten.html>.

use vairun_tensor::DType;

use crate::attrs::Attrs;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Flatten`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Flatten")],
    opsets: 1..=LATEST,
    summary: "a matrix; the dimensions before an axis become its rows",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Flatten {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    Ok(Box::new(Flatten { axis: attrs.int("axis")?.unwrap_or(1) }))
}

impl Operator for Flatten {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let input = inputs.take(0, "input")?;
        let shape = input.shape();
        let split = self.split(shape.len())?;
        let matrix = [shape[..split].iter().product(), shape[split..].iter().product()];
        one(input.reshaped(&matrix)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![inputs.first().copied().flatten()])
    }
}

impl Flatten {
    fn split(&self, rank: usize) -> Result<usize, OpError> {
        let from_start = if self.axis < 0 { self.axis + rank as i64 } else { self.axis };
        usize::try_from(from_start).ok().filter(|&axis| axis <= rank).ok_or_else(|| {
            OpError::Value {
                input: "axis".into(),
                got: self.axis.to_string(),
                expected: format!("from -{rank} to {rank}"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    fn shape(axis: i64) -> Vec<usize> {
        node("Flatten").int("axis", axis).run([count_up(&[2, 3, 4])]).shape().to_vec()
    }

    #[test]
    fn the_axis_starts_the_columns() {
        assert_eq!(shape(1), [2, 12]);
        assert_eq!(shape(0), [1, 24]);
        assert_eq!(shape(3), [24, 1]);
        assert_eq!(shape(-1), [6, 4]);
    }

    #[test]
    fn an_axis_beyond_the_rank_is_refused() {
        let error = node("Flatten").int("axis", 4).error([count_up(&[2, 3, 4])]);
        assert_eq!(error, "axis is 4, expected from -3 to 3");
    }
}
