//! `relu`, `neg`: on the grid of the input.

use vairun_numeric::fixed;
use vairun_tensor::Tensor;

use super::codes::{codes, map, with_code};
use super::grids::Grids;
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `relu`.
pub static RELU: OpDef = def(&[("xir", "relu")], "the larger of x and 0", EXECUTOR, build_relu);

/// `neg`.
pub static NEG: OpDef = def(&[("xir", "neg")], "-x", crate::def::Grade::Runs, build_neg);

struct Relu;

struct Neg;

fn build_relu(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    node(spec, attrs, Relu)
}

fn build_neg(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    node(spec, attrs, Neg)
}

impl Compute for Relu {
    fn compute(&self, grids: &Grids, mut inputs: Inputs) -> Result<Tensor, OpError> {
        if grids.is_real() {
            // NaN stays NaN.
            return map(grids, inputs, |_| Ok(Box::new(|x| x)), |x| if x < 0.0 { 0.0 } else { x });
        }
        let x = inputs.take(0, "input")?;
        let (dtype, shape) = (x.dtype(), x.shape().to_vec());
        with_code!(dtype, T => {
            let mut x = x.into_vec::<T>()?;
            fixed::relu(&mut x);
            codes(dtype, &shape, x)
        })
    }
}

impl Compute for Neg {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        map(grids, inputs, |_| Ok(Box::new(|x| -x)), |x| -x)
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn negative_codes_become_zero() {
        let case = xir("relu").codes_in(&[3]).codes_out(DType::I32, 3);
        assert_tensor(&case.run([tensor(&[3], &[-1i32, 0, 7])]), &tensor(&[3], &[0i32, 0, 7]));
    }

    #[test]
    fn the_negated_least_code_fits() {
        let case = xir("neg").codes_in(&[3]).codes_out(DType::I32, 3);
        assert_tensor(&case.run([tensor(&[1], &[-128i8])]), &tensor(&[1], &[128i32]));
    }
}
