//! `concat`: tensors one after another along `axis`, brought to one grid.

use vairun_numeric::fixed;
use vairun_tensor::Tensor;

use super::codes::{all, codes, reals, source, with_code};
use super::grids::Grids;
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::common::axes;
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::movement::concat::concat;
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `concat`.
pub static DEF: OpDef = def(&[("xir", "concat")], "tensors one after another", EXECUTOR, build);

struct Concat {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=usize::MAX)?;
    let axis = attrs.int("axis")?.ok_or_else(|| BuildError::MissingAttribute("axis".into()))?;
    node(spec, attrs, Concat { axis })
}

impl Compute for Concat {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let tensors = together(grids, inputs)?;
        let axis = axes::axis(self.axis, tensors[0].rank())?;
        concat(&tensors.iter().collect::<Vec<_>>(), axis)
    }
}

/// The inputs on the grid and in the type of the output; at least one.
pub(super) fn together(grids: &Grids, inputs: Inputs) -> Result<Vec<Tensor>, OpError> {
    let tensors = all(inputs)?;
    let align = |(i, tensor): (usize, &Tensor)| {
        if grids.is_real() {
            return reals(tensor, grids.input(i));
        }
        let multiplier = grids.multiplier(i)?;
        if multiplier == 1 && tensor.dtype() == grids.dtype() {
            return Ok(tensor.clone());
        }
        let source = source(tensor, multiplier)?;
        with_code!(grids.dtype(), S => {
            codes::<S>(grids.dtype(), tensor.shape(), fixed::map(tensor.len(), source.as_ref(), |code| code))
        })
    };
    let aligned: Vec<Tensor> = tensors.iter().enumerate().map(align).collect::<Result<_, _>>()?;
    if aligned.is_empty() { Err(OpError::Missing("input")) } else { Ok(aligned) }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn parts_come_to_the_finest_grid() {
        let case = xir("concat").codes_in(&[1, 3]).codes_out(DType::I32, 3).int("axis", -1);
        let y = case.run([tensor(&[1, 2], &[1i8, -2]), tensor(&[1, 1], &[5i8])]);
        assert_tensor(&y, &tensor(&[1, 3], &[4i32, -8, 5]));
    }

    #[test]
    fn codes_and_real_numbers_become_real() {
        let y = xir("concat")
            .codes_in(&[1, 0])
            .int("axis", 0)
            .run([tensor(&[1], &[3i8]), floats(&[1], &[0.3])]);
        assert_tensor(&y, &floats(&[2], &[1.5, 0.3]));
    }
}
