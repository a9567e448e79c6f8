//! `Concat`: tensors one after another along an axis.
//!
//! | | name            | type        | shape                                |
//! |-|-----------------|-------------|--------------------------------------|
//! | 0… | `inputs`     | any, all the same | equal but for `axis`           |
//! | → | `concat_result` | as `inputs` | the dimensions at `axis` add up   |
//!
//! Attributes: `axis` (int; 1 by default before opset 4, required since).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Concat.html>.

use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::common::axes::{around, axis};
use crate::common::dispatch::with_element;
use crate::common::movement::carry_common;
use crate::common::sizes::result_len;
use crate::common::types::{ANY, same_type};
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Concat`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Concat")],
    opsets: 1..=LATEST,
    summary: "tensors one after another along an axis",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Concat {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=usize::MAX)?;
    let axis = match attrs.int("axis")? {
        Some(axis) => axis,
        None if spec.op.opset < 4 => 1,
        None => return Err(BuildError::MissingAttribute("axis".into())),
    };
    Ok(Box::new(Concat { axis }))
}

impl Operator for Concat {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let tensors =
            (0..inputs.len()).map(|i| inputs.tensor(i, "inputs")).collect::<Result<Vec<_>, _>>()?;
        one(concat(&tensors, axis(self.axis, tensors[0].rank())?)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![ANY.check_same(inputs, 0)?])
    }
}

/// `tensors`, at least one, after one another along `axis`.
pub(crate) fn concat(tensors: &[&Tensor], axis: usize) -> Result<Tensor, OpError> {
    let shape = shape(tensors, axis)?;
    Ok(carry_common(tensors, join(tensors, axis, &shape)?))
}

fn shape(tensors: &[&Tensor], axis: usize) -> Result<Vec<usize>, OpError> {
    let mut shape = tensors[0].shape().to_vec();
    for (index, tensor) in tensors.iter().enumerate().skip(1) {
        same_type(tensors[0], tensor, &format!("input {index}"))?;
        let own = tensor.shape();
        let fits = own.len() == shape.len()
            && (0..own.len()).all(|other| other == axis || own[other] == shape[other]);
        if !fits {
            return Err(OpError::Shape {
                input: format!("input {index}"),
                got: own.to_vec(),
                expected: format!("{:?} but for axis {axis}", tensors[0].shape()),
            });
        }
        shape[axis] += own[axis];
    }
    Ok(shape)
}

fn join(tensors: &[&Tensor], axis: usize, shape: &[usize]) -> Result<Tensor, OpError> {
    let dtype = tensors[0].dtype();
    let len = result_len(dtype, shape)?;
    with_element!(dtype, T => {
        let parts = tensors
            .iter()
            .map(|tensor| {
                let (_, length, inner) = around(tensor.shape(), axis);
                Ok((tensor.as_slice::<T>()?, length * inner))
            })
            .collect::<Result<Vec<_>, OpError>>()?;
        let mut out = Vec::with_capacity(len);
        for row in 0..around(shape, axis).0 {
            for &(elements, run) in &parts {
                out.extend_from_slice(&elements[row * run..(row + 1) * run]);
            }
        }
        Ok(Tensor::with_dtype(dtype, shape, out)?)
    })
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Dequantized;

    use super::*;
    use crate::common::testing::*;

    #[test]
    fn rows_interleave_along_inner_axes() {
        let y = node("Concat").int("axis", -1).run([count_up(&[2, 1]), count_up(&[2, 2])]);
        assert_tensor(&y, &floats(&[2, 3], &[0.0, 0.0, 1.0, 1.0, 2.0, 3.0]));
    }

    #[test]
    fn empty_parts_add_nothing() {
        let y = node("Concat").int("axis", 0).run([count_up(&[0, 2]), count_up(&[1, 2])]);
        assert_tensor(&y, &count_up(&[1, 2]));
    }

    #[test]
    fn other_dimensions_must_be_equal() {
        let error = node("Concat").int("axis", 0).error([count_up(&[1, 2]), count_up(&[1, 3])]);
        assert_eq!(error, "input 1 has shape [1, 3], expected [1, 2] but for axis 0");
    }

    #[test]
    fn other_types_are_refused_before_the_run() {
        let error = node("Concat").int("axis", 0).error([count_up(&[1]), ints(&[1])]);
        assert_eq!(error, "input 1 is int64, expected float32 as the others");
    }

    #[test]
    fn the_axis_is_required() {
        assert!(node("Concat").build(&[Some(count_up(&[1]).into())]).is_err());
    }

    fn on_grid(scale: f32) -> Tensor {
        let (scale, zero_point) = (Tensor::scalar(scale), Tensor::scalar(0i32));
        count_up(&[2]).with_dequantized(Dequantized::on_grid(scale, zero_point, None))
    }

    #[test]
    fn numbers_of_one_grid_stay_on_it() {
        let y = concat(&[&on_grid(1.0), &on_grid(1.0)], 0).unwrap();
        assert_eq!(y.codes().unwrap().as_slice::<i8>().unwrap(), [0, 1, 0, 1]);
        assert!(concat(&[&on_grid(1.0), &on_grid(2.0)], 0).unwrap().dequantized().is_none());
    }
}
