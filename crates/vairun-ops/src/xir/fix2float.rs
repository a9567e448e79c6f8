//! `fix2float`: the numbers of codes, `code · 2^-input_fix_point / divisor`, as float32.

use vairun_tensor::Tensor;

use super::codes::reals;
use super::grids::Grids;
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `fix2float`.
pub static DEF: OpDef = def(&[("xir", "fix2float")], "codes to numbers", EXECUTOR, build);

struct Fix2Float;

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    node(spec, attrs, Fix2Float)
}

impl Compute for Fix2Float {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        reals(inputs.tensor(0, "input")?, grids.input(0))
    }
}

#[cfg(test)]
mod tests {
    use crate::xir::testing::*;

    #[test]
    fn codes_become_numbers() {
        let y = xir("fix2float").codes_in(&[4]).run([tensor(&[3], &[16i8, -8, 1])]);
        assert_tensor(&y, &floats(&[3], &[1.0, -0.5, 0.0625]));
        let y = xir("fix2float")
            .codes_in(&[1])
            .ints("input_divisors", &[3])
            .run([tensor(&[1], &[9i64])]);
        assert_tensor(&y, &floats(&[1], &[1.5]));
    }
}
