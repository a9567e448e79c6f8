//! `scale`: `input · scale + bias` along `axis`: an unfolded batch normalization.

use vairun_numeric::fixed::{Source, fold};
use vairun_tensor::Tensor;

use super::codes::{codes, source, with_code};
use super::grids::Grids;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::common::axes;
use crate::common::broadcast::expanded;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `scale`.
pub static DEF: OpDef =
    def(&[("xir", "scale")], "input · scale + bias for each channel", Grade::Runs, build);

struct Scale {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=3)?;
    node(spec, attrs, Scale { axis: attrs.int("axis")?.unwrap_or(-1) })
}

impl Compute for Scale {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let x = inputs.tensor(0, "input")?;
        let axis = axes::axis(self.axis, x.rank())?;
        let along = |tensor: &Tensor| {
            let mut shape = vec![1; x.rank()];
            shape[axis] = x.shape()[axis];
            expanded(&tensor.reshaped(&shape)?, x.shape())
        };
        let (numerator, divisor) = grids.product_ratio(0..2)?;
        let scale = along(inputs.tensor(1, "scale")?)?;
        let sources: [&dyn Source; 2] = [&*source(x, numerator)?, &*source(&scale, 1)?];
        let multiply = |all: &mut [i64], next: &[i64]| {
            all.iter_mut().zip(next).for_each(|(a, &b)| *a = *a * b / divisor);
        };
        let products = Tensor::new(x.shape(), fold::<i64>(x.len(), &sources, multiply, |_| ()))?;
        let bias = inputs.optional(2)?.map(along).transpose()?;
        let products = source(&products, 1)?;
        let bias = bias.as_ref().map(|bias| source(bias, grids.multiplier(2)?)).transpose()?;
        let sources: Vec<&dyn Source> =
            [Some(&products), bias.as_ref()].into_iter().flatten().map(AsRef::as_ref).collect();
        let add =
            |all: &mut [i64], next: &[i64]| all.iter_mut().zip(next).for_each(|(a, &b)| *a += b);
        with_code!(grids.dtype(), S => {
            codes::<S>(grids.dtype(), x.shape(), fold(x.len(), &sources, add, |_| ()))
        })
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn every_channel_has_its_scale_and_bias() {
        let case = xir("scale").int("axis", 1).codes_in(&[1, 1, 2]).codes_out(DType::I32, 2);
        let y = case.run([
            tensor(&[2, 2], &[1i8, 2, 3, 4]),
            tensor(&[2], &[10i8, -1]),
            tensor(&[2], &[1i8, 0]),
        ]);
        assert_tensor(&y, &tensor(&[2, 2], &[11i32, -2, 31, -4]));
    }
}
