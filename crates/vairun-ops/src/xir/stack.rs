//! `stack`: tensors of one shape along a new dimension `axis`.

use vairun_tensor::Tensor;

use super::concat::together;
use super::grids::Grids;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::common::axes;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::movement::concat::concat;
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `stack`.
pub static DEF: OpDef =
    def(&[("xir", "stack")], "tensors along a new dimension", Grade::Runs, build);

struct Stack {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=usize::MAX)?;
    let axis = attrs.int("axis")?.ok_or_else(|| BuildError::MissingAttribute("axis".into()))?;
    node(spec, attrs, Stack { axis })
}

impl Compute for Stack {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let tensors = together(grids, inputs)?;
        let axis = axes::axis(self.axis, tensors[0].rank() + 1)?;
        let grown = |tensor: &Tensor| {
            let mut shape = tensor.shape().to_vec();
            shape.insert(axis.min(shape.len()), 1);
            Ok(tensor.reshaped(&shape)?)
        };
        let grown: Vec<Tensor> = tensors.iter().map(grown).collect::<Result<_, OpError>>()?;
        concat(&grown.iter().collect::<Vec<_>>(), axis)
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn a_dimension_is_added() {
        let case = xir("stack").codes_in(&[0, 0]).codes_out(DType::I8, 0).int("axis", 1);
        let y = case.run([tensor(&[2], &[1i8, 2]), tensor(&[2], &[3i8, 4])]);
        assert_tensor(&y, &tensor(&[2, 2], &[1i8, 3, 2, 4]));
    }
}
