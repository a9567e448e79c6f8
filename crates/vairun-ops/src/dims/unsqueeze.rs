//! `Unsqueeze`: with dimensions of 1 at the places that `axes` names in the result.
//!
//! | | name       | type      | shape |
//! |-|------------|-----------|-------|
//! | 0 | `data`     | any       | any   |
//! | 1 | `axes`     | int64     | `[n]`; an attribute before opset 13 |
//! | → | `expanded` | as `data` |       |
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Unsqueeze.html>.

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

/// `Unsqueeze`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Unsqueeze")],
    opsets: 1..=LATEST,
    summary: "with more dimensions of 1",
    types: "any; axes int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Unsqueeze {
    axes: Ints,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    let axes = if spec.op.opset < 13 {
        spec.expect_inputs(1..=1)?;
        let axes = attrs.ints("axes")?;
        let axes = axes.ok_or_else(|| BuildError::MissingAttribute("axes".into()))?;
        Ints::Attribute(Some(axes.to_vec()))
    } else {
        spec.expect_inputs(2..=2)?;
        Ints::Input(1)
    };
    Ok(Box::new(Unsqueeze { axes }))
}

impl Operator for Unsqueeze {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let named = self.axes.read(&inputs, "axes")?.ok_or(OpError::Missing("axes"))?;
        let data = inputs.take(0, "data")?;
        let new = axes(&named, data.rank() + named.len())?;
        one(unsqueeze(&data, &new)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![inputs.first().copied().flatten()])
    }
}

fn unsqueeze(data: &Tensor, new: &[usize]) -> Result<Tensor, OpError> {
    let rank = data.rank() + new.len();
    let old: Vec<usize> = (0..rank).filter(|axis| !new.contains(axis)).collect();
    let mut shape = vec![1; rank];
    old.iter().zip(data.shape()).for_each(|(&axis, &dim)| shape[axis] = dim);
    let expanded = data.reshaped(&shape)?.without_dequantized();
    Ok(carry(data, |axis| AxisAfter::At(old[axis]), expanded))
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Dequantized, Tensor};

    use crate::common::testing::*;

    fn shape(axes: &[i64]) -> Vec<usize> {
        node("Unsqueeze").run([count_up(&[2, 3]), ints(axes)]).shape().to_vec()
    }

    #[test]
    fn axes_are_places_in_the_result() {
        assert_eq!(shape(&[0, 3]), [1, 2, 3, 1]);
        assert_eq!(shape(&[3, 0]), [1, 2, 3, 1]);
        assert_eq!(shape(&[-1]), [2, 3, 1]);
    }

    #[test]
    fn an_axis_named_twice_is_refused() {
        assert!(
            node("Unsqueeze").error([count_up(&[2]), ints(&[0, -3])]).contains("each axis once")
        );
    }

    #[test]
    fn before_opset_13_the_axes_are_an_attribute() {
        let y = node("Unsqueeze").opset(11).ints("axes", &[0]).run([count_up(&[2])]);
        assert_eq!(y.shape(), [1, 2]);
    }

    #[test]
    fn the_axis_of_the_scales_moves_along() {
        let (scale, zero_point) = (Tensor::vector(vec![1f32; 3]), Tensor::scalar(0i32));
        let origin = Dequantized::on_grid(scale, zero_point, Some(1));
        let x = count_up(&[2, 3]).with_dequantized(origin);
        let y = node("Unsqueeze").run([x, ints(&[0])]);
        assert_eq!(y.dequantized().unwrap().axis, Some(2));
        assert_eq!(y.codes().unwrap().shape(), [1, 2, 3]);
    }
}
