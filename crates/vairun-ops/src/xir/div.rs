//! `div`: quotients of the numbers in float32, with broadcasting.

use vairun_tensor::Tensor;

use super::aligned::fold_reals;
use super::codes::broadcast;
use super::grids::Grids;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `div`.
pub static DEF: OpDef = def(&[("xir", "div")], "quotients of elements", Grade::Runs, build);

struct Div;

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=usize::MAX)?;
    node(spec, attrs, Div)
}

impl Compute for Div {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let (shape, tensors) = broadcast(inputs)?;
        fold_reals(grids, &shape, &tensors, |a, b| a / b)
    }
}

#[cfg(test)]
mod tests {
    use crate::xir::testing::*;

    #[test]
    fn quotients_are_real() {
        let y =
            xir("div").codes_in(&[1, 0]).run([tensor(&[2], &[3i8, -4]), tensor(&[2], &[2i8, 0])]);
        assert_tensor(&y, &floats(&[2], &[0.75, f32::NEG_INFINITY]));
    }
}
