//! `hard-sigmoid`: `relu6(x + 3) / 6`; `hard-sigmoid-fix`, as a DPU computes it: `relu6(x + 3) · 2731 / 2^14`.

use vairun_numeric::fixed::Grid;
use vairun_tensor::Tensor;

use super::codes::map;
use super::grids::{Grids, multiplier};
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `hard-sigmoid`, `hard-sigmoid-fix`.
pub static DEF: OpDef = def(
    &[("xir", "hard-sigmoid"), ("xir", "hard-sigmoid-fix")],
    "relu6(x + 3) / 6, and with the factor of a DPU",
    Grade::Exact("an executor in exact integers, on a quantized file and the one compiled from it"),
    build,
);

struct HardSigmoid {
    /// What stands for 1/6 times the grid of the output over that of the input.
    dpu: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    node(spec, attrs, HardSigmoid { dpu: spec.op.op_type == "hard-sigmoid-fix" })
}

/// `relu6(x + 3)` of codes: the grid that they come to, and the function.
pub(super) fn relu6_of_3_more(
    input: Grid,
) -> Result<(Grid, impl Fn(i64) -> i64 + Sync + Copy), OpError> {
    let whole = input.joined(Grid::of(0)).unwrap_or(input);
    let (times, one) = (multiplier(input, whole)?, multiplier(Grid::of(0), whole)?);
    Ok((whole, move |code: i64| (code * times + 3 * one).clamp(0, 6 * one)))
}

impl Compute for HardSigmoid {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let on_codes = |grids: &Grids| -> Result<Box<dyn Fn(i64) -> i64 + Sync>, OpError> {
            let (whole, relu6) = relu6_of_3_more(grids.input(0))?;
            let (divided, factor) = match self.dpu {
                true => (whole.times(Grid::of(14)), 2731),
                false => (whole.divided(6), 1),
            };
            let factor = factor * multiplier(divided.unwrap_or(whole), grids.output()?)?;
            Ok(Box::new(move |code| relu6(code) * factor))
        };
        map(grids, inputs, on_codes, |x| (x + 3.0).clamp(0.0, 6.0) / 6.0)
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn sixths_are_exact_on_their_grid() {
        let case =
            xir("hard-sigmoid").codes_in(&[1]).codes_out(DType::I32, 2).int("output_divisor", 3);
        let y = case.run([tensor(&[4], &[-7i8, -5, 0, 7])]);
        // On the grid of 1/12: 0, 1/12, 1/2, 1.
        assert_tensor(&y, &tensor(&[4], &[0i32, 1, 6, 12]));
    }

    #[test]
    fn a_dpu_multiplies() {
        let case = xir("hard-sigmoid-fix").codes_in(&[1]).codes_out(DType::I32, 15);
        assert_tensor(&case.run([tensor(&[1], &[1i8])]), &tensor(&[1], &[7 * 2731i32]));
    }
}
