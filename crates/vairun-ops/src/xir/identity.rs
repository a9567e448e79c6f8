//! `identity`, `reshape`: the same elements, perhaps in another `shape`.

use vairun_tensor::Tensor;

use super::grids::Grids;
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::common::sizes::dim;
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `identity`, `reshape`.
pub static DEF: OpDef = def(
    &[("xir", "reshape"), ("xir", "identity")],
    "the same elements in a shape",
    EXECUTOR,
    build,
);

struct Reshape {
    shape: Option<Vec<i64>>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let shape = attrs.ints("shape")?.map(<[i64]>::to_vec);
    node(spec, attrs, Reshape { shape })
}

impl Compute for Reshape {
    fn compute(&self, _: &Grids, mut inputs: Inputs) -> Result<Tensor, OpError> {
        let x = inputs.take(0, "input")?;
        let Some(shape) = &self.shape else { return Ok(x) };
        let shape = shape.iter().map(|&n| dim(n, "shape")).collect::<Result<Vec<_>, _>>()?;
        Ok(x.reshaped(&shape)?)
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn elements_stay_in_order() {
        let case = || xir("reshape").codes_in(&[0]).codes_out(DType::I8, 0).ints("shape", &[3, 1]);
        assert_tensor(&case().run([tensor(&[3], &[1i8, 2, 3])]), &tensor(&[3, 1], &[1i8, 2, 3]));
        assert!(case().error([tensor(&[2], &[1i8, 2])]).contains("do not fill"));
    }
}
