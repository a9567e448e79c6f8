//! `hard-swish`: `x · relu6(x + 3) / 6`.

use vairun_tensor::Tensor;

use super::codes::map;
use super::grids::{Grids, ratio};
use super::hard_sigmoid::relu6_of_3_more;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `hard-swish`.
pub static DEF: OpDef = def(&[("xir", "hard-swish")], "x · relu6(x + 3) / 6", Grade::Runs, build);

struct HardSwish;

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    node(spec, attrs, HardSwish)
}

impl Compute for HardSwish {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let on_codes = |grids: &Grids| -> Result<Box<dyn Fn(i64) -> i64 + Sync>, OpError> {
            let (whole, relu6) = relu6_of_3_more(grids.input(0))?;
            let product = grids.input(0).times(whole).and_then(|grid| grid.divided(6));
            let (numerator, divisor) = ratio(product.unwrap_or(whole), grids.output()?)?;
            Ok(Box::new(move |code| code * relu6(code) * numerator / divisor))
        };
        map(grids, inputs, on_codes, |x| x * ((x + 3.0).clamp(0.0, 6.0) / 6.0))
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn the_product_is_exact() {
        let case =
            xir("hard-swish").codes_in(&[1]).codes_out(DType::I32, 3).int("output_divisor", 3);
        let y = case.run([tensor(&[4], &[-7i8, -2, 2, 8])]);
        // On the grid of 1/24: 0, -1 · 2/6, 1 · 4/6, 4.
        assert_tensor(&y, &tensor(&[4], &[0i32, -8, 16, 96]));
    }
}
