//! `prelu`: `x`, below 0 `weight · x`, with a slope for each channel or one.

use vairun_numeric::fixed::{Source, fold};
use vairun_tensor::Tensor;

use super::codes::{broadcast, codes, reals, source, with_code};
use super::grids::Grids;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `prelu`.
pub static DEF: OpDef = def(&[("xir", "prelu")], "x, below 0 weight · x", Grade::Runs, build);

struct Prelu;

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=2)?;
    node(spec, attrs, Prelu)
}

impl Compute for Prelu {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let (shape, tensors) = broadcast(inputs)?;
        if grids.is_real() {
            let (x, w) = (reals(&tensors[0], grids.input(0))?, reals(&tensors[1], grids.input(1))?);
            let pairs = x.as_slice::<f32>()?.iter().zip(w.as_slice::<f32>()?);
            let y = pairs.map(|(&x, &w)| if x < 0.0 { x * w } else { x }).collect();
            return Ok(Tensor::new(&shape, y)?);
        }
        let above = grids.multiplier(0)?;
        let (numerator, divisor) = grids.product_ratio(0..2)?;
        let combine = |x: &mut [i64], w: &[i64]| {
            for (x, &w) in x.iter_mut().zip(w) {
                *x = if *x < 0 { *x * w * numerator / divisor } else { *x * above };
            }
        };
        let (x, w) = (source(&tensors[0], 1)?, source(&tensors[1], 1)?);
        let sources: [&dyn Source; 2] = [x.as_ref(), w.as_ref()];
        with_code!(grids.dtype(), S => {
            codes::<S>(grids.dtype(), &shape, fold(shape.iter().product(), &sources, combine, |_| ()))
        })
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn each_channel_has_its_slope() {
        let case = xir("prelu").codes_in(&[1, 2]).codes_out(DType::I32, 3);
        let y = case.run([tensor(&[2, 2], &[4i8, -4, -1, 2]), tensor(&[2], &[1i8, 3])]);
        assert_tensor(&y, &tensor(&[2, 2], &[16i32, -12, -1, 8]));
    }
}
