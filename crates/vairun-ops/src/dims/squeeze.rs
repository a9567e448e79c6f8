//! `Squeeze`: without the dimensions of 1 that `axes` names, or without all of them.
//!
//! | | name       | type      | shape |
//! |-|------------|-----------|-------|
//! | 0 | `data`     | any       | any   |
//! | 1 | `axes`     | int64     | `[n]`, optional; an attribute before opset 13 |
//! | → | `squeezed` | as `data` |       |
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Squeeze.html>.

use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::common::axes::axes;
use crate::common::movement::{AxisAfter, carry};
use crate::common::parameters::Ints;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Squeeze`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Squeeze")],
    opsets: 1..=LATEST,
    summary: "without dimensions of 1",
    types: "any; axes int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Squeeze {
    axes: Ints,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    let axes = if spec.op.opset < 13 {
        spec.expect_inputs(1..=1)?;
        Ints::Attribute(attrs.ints("axes")?.map(<[i64]>::to_vec))
    } else {
        spec.expect_inputs(1..=2)?;
        Ints::Input(1)
    };
    Ok(Box::new(Squeeze { axes }))
}

impl Operator for Squeeze {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let axes = self.axes.read(&inputs, "axes")?;
        let data = inputs.take(0, "data")?;
        let gone = gone(data.shape(), axes.as_deref())?;
        one(squeeze(&data, &gone)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![inputs.first().copied().flatten()])
    }
}

/// The axes to leave out.
fn gone(shape: &[usize], named: Option<&[i64]>) -> Result<Vec<usize>, OpError> {
    let Some(named) = named else {
        return Ok((0..shape.len()).filter(|&axis| shape[axis] == 1).collect());
    };
    let named = axes(named, shape.len())?;
    match named.iter().find(|&&axis| shape[axis] != 1) {
        None => Ok(named),
        Some(axis) => Err(OpError::Shape {
            input: "data".into(),
            got: shape.to_vec(),
            expected: format!("1 at axis {axis}"),
        }),
    }
}

fn squeeze(data: &Tensor, gone: &[usize]) -> Result<Tensor, OpError> {
    let stays = |axis: &usize| !gone.contains(axis);
    let shape: Vec<_> = (0..data.rank()).filter(stays).map(|axis| data.shape()[axis]).collect();
    let axis_after = |axis: usize| {
        if gone.contains(&axis) {
            AxisAfter::Lost
        } else {
            AxisAfter::At((0..axis).filter(stays).count())
        }
    };
    Ok(carry(data, axis_after, data.reshaped(&shape)?.without_dequantized()))
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn without_axes_every_dimension_of_one_goes() {
        assert_eq!(node("Squeeze").run([count_up(&[1, 2, 1, 3])]).shape(), [2, 3]);
    }

    #[test]
    fn named_axes_may_be_negative() {
        let y = node("Squeeze").run([count_up(&[1, 2, 1, 3]), ints(&[-2])]);
        assert_eq!(y.shape(), [1, 2, 3]);
    }

    #[test]
    fn before_opset_13_the_axes_are_an_attribute() {
        let y = node("Squeeze").opset(11).ints("axes", &[0]).run([count_up(&[1, 2, 1])]);
        assert_eq!(y.shape(), [2, 1]);
    }

    #[test]
    fn a_dimension_that_is_not_one_stays_an_error() {
        let error = node("Squeeze").error([count_up(&[1, 2]), ints(&[1])]);
        assert_eq!(error, "data has shape [1, 2], expected 1 at axis 1");
    }
}
