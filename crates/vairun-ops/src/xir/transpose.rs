//! `transpose`: the dimensions in the order `order`.

use vairun_tensor::Tensor;

use super::grids::Grids;
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::common::axes::axes;
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::movement::transpose::transpose;
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `transpose`.
pub static DEF: OpDef =
    def(&[("xir", "transpose")], "the dimensions in another order", EXECUTOR, build);

struct Transpose {
    order: Vec<i64>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let order = attrs.ints("order")?.ok_or_else(|| BuildError::MissingAttribute("order".into()))?;
    node(spec, attrs, Transpose { order: order.to_vec() })
}

impl Compute for Transpose {
    fn compute(&self, _: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let x = inputs.tensor(0, "input")?;
        if x.rank() != self.order.len() {
            let expected = format!("{} dimensions, as `order` has", self.order.len());
            return Err(OpError::Shape {
                input: "input".into(),
                got: x.shape().to_vec(),
                expected,
            });
        }
        transpose(x, &axes(&self.order, x.rank())?)
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn channels_move_to_the_end() {
        let case =
            xir("transpose").codes_in(&[0]).codes_out(DType::I8, 0).ints("order", &[0, 2, 1]);
        let y = case.run([tensor(&[1, 2, 3], &[1i8, 2, 3, 4, 5, 6])]);
        assert_tensor(&y, &tensor(&[1, 3, 2], &[1i8, 4, 2, 5, 3, 6]));
    }
}
