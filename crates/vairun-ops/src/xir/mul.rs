//! `mul`: products, with broadcasting. A divisor of one factor that divides every code of another is taken away.

use vairun_numeric::fixed::{Source, fold};
use vairun_tensor::Tensor;

use super::aligned::fold_reals;
use super::codes::{broadcast, codes, source, with_code};
use super::grids::Grids;
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `mul`.
pub static DEF: OpDef = def(&[("xir", "mul")], "products of elements", EXECUTOR, build);

struct Mul;

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=usize::MAX)?;
    node(spec, attrs, Mul)
}

impl Compute for Mul {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let (shape, tensors) = broadcast(inputs)?;
        if grids.is_real() {
            return fold_reals(grids, &shape, &tensors, |a, b| a * b);
        }
        let (numerator, divisor) = grids.product_ratio(0..tensors.len())?;
        let sources: Vec<_> =
            tensors.iter().map(|tensor| source(tensor, 1)).collect::<Result<_, _>>()?;
        let sources: Vec<&dyn Source> = sources.iter().map(AsRef::as_ref).collect();
        let combine = |all: &mut [i64], next: &[i64]| {
            all.iter_mut().zip(next).for_each(|(a, &b)| *a *= b);
        };
        let finish = |all: &mut [i64]| match (numerator, divisor) {
            (1, 1) => (),
            (n, 1) => all.iter_mut().for_each(|a| *a *= n),
            // The lowering has found that the divisor divides every product.
            (n, d) => all.iter_mut().for_each(|a| *a = *a / d * n),
        };
        with_code!(grids.dtype(), S => {
            codes::<S>(grids.dtype(), &shape, fold(shape.iter().product(), &sources, combine, finish))
        })
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn fix_positions_add() {
        let case = xir("mul").codes_in(&[1, 2]).codes_out(DType::I32, 3);
        let y = case.run([tensor(&[2], &[3i8, -4]), tensor(&[2], &[5i8, 6])]);
        assert_tensor(&y, &tensor(&[2], &[15i32, -24]));
    }

    #[test]
    fn a_divisor_that_a_factor_has_is_taken_away() {
        // A mean over 9 elements times 63 / 64.
        let case =
            xir("mul").codes_in(&[4, 6]).ints("input_divisors", &[9, 1]).codes_out(DType::I32, 10);
        let y = case.run([tensor(&[1], &[100i32]), tensor(&[1], &[63i32])]);
        assert_tensor(&y, &tensor(&[1], &[700i32]));
    }
}
