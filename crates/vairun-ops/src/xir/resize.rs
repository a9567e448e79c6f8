//! `resize`: nearest pixels, or linear interpolation between neighbours, exact on a grid with all of its fractions.
//!
//! `size` are the new lengths of the spatial dimensions. Where pixels are read: [`vairun_numeric::fixed::Sampling`].

use vairun_numeric::fixed::{Sampling, linear, nearest};
use vairun_tensor::{DType, Tensor};

use super::codes::with_code;
use super::grids::Grids;
use super::matmul::narrowed;
use super::window::does_not_fit;
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::common::sizes::{dim, result_len};
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `resize`.
pub static DEF: OpDef = def(&[("xir", "resize")], "images of another size", EXECUTOR, build);

struct Resize {
    linear: bool,
    align_corners: bool,
    half_pixel_centers: bool,
    size: Vec<i64>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let missing = |name: &str| BuildError::MissingAttribute(name.into());
    let linear = match attrs.string("mode")?.ok_or_else(|| missing("mode"))?.as_str() {
        "NEAREST" => false,
        "BILINEAR" | "TRILINEAR" => true,
        other => return Err(Attrs::value("mode", other, "NEAREST, BILINEAR or TRILINEAR")),
    };
    let resize = Resize {
        linear,
        align_corners: attrs.flag("align_corners")?.unwrap_or(false),
        half_pixel_centers: attrs.flag("half_pixel_centers")?.unwrap_or(false),
        size: attrs.ints("size")?.ok_or_else(|| missing("size"))?.to_vec(),
    };
    node(spec, attrs, resize)
}

impl Resize {
    fn samplings(&self, x: &[usize]) -> Result<Vec<Sampling>, OpError> {
        if self.size.len() + 2 != x.len() {
            return Err(does_not_fit(x));
        }
        let mut shape = x.to_vec();
        let mut samplings = Vec::new();
        for (axis, &size) in self.size.iter().enumerate() {
            shape[axis + 1] = dim(size, "size")?;
            samplings.push(Sampling {
                input: x[axis + 1],
                output: shape[axis + 1],
                align_corners: self.align_corners,
                half_pixel_centers: self.half_pixel_centers,
            });
        }
        result_len(DType::I64, &shape)?;
        Ok(samplings)
    }

    fn nearest(&self, x: &Tensor, samplings: &[Sampling]) -> Result<Tensor, OpError> {
        if x.dtype() == DType::F32 {
            // The bits move, whatever they mean.
            let bits: Vec<i32> =
                x.as_slice::<f32>()?.iter().map(|x| x.to_bits().cast_signed()).collect();
            let moved = self.nearest(&Tensor::new(x.shape(), bits)?, samplings)?;
            let numbers =
                moved.as_slice::<i32>()?.iter().map(|&bits| f32::from_bits(bits.cast_unsigned()));
            return Ok(Tensor::new(moved.shape(), numbers.collect::<Vec<f32>>())?);
        }
        with_code!(x.dtype(), T => {
            let (mut y, mut shape) = (x.as_slice::<T>()?.to_vec(), x.shape().to_vec());
            for (i, &sampling) in samplings.iter().enumerate() {
                y = nearest(&y, &shape, i + 1, sampling).ok_or_else(|| does_not_fit(x.shape()))?;
                shape[i + 1] = sampling.output;
            }
            Ok(Tensor::with_dtype(x.dtype(), &shape, y)?)
        })
    }

    fn linear(&self, grids: &Grids, x: &Tensor, samplings: &[Sampling]) -> Result<Tensor, OpError> {
        let mut y = super::codes::as_i64(x, 1)?;
        let (mut shape, mut whole) = (x.shape().to_vec(), grids.input(0));
        for (i, &sampling) in samplings.iter().enumerate() {
            y = linear(&y, &shape, i + 1, sampling).ok_or_else(|| does_not_fit(x.shape()))?;
            shape[i + 1] = sampling.output;
            let finer = sampling.denominator().and_then(|n| whole.divided(n));
            whole = finer.ok_or_else(|| does_not_fit(x.shape()))?;
        }
        let multiplier = super::grids::multiplier(whole, grids.output()?)?;
        if multiplier != 1 {
            y.iter_mut().for_each(|code| *code *= multiplier);
        }
        narrowed(grids, &shape, y)
    }
}

impl Compute for Resize {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let x = inputs.tensor(0, "input")?;
        let samplings = self.samplings(x.shape())?;
        match self.linear {
            true => self.linear(grids, x, &samplings),
            false => self.nearest(x, &samplings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xir::testing::*;

    fn case(mode: &str) -> Case {
        xir("resize").text("mode", mode).ints("size", &[1, 4]).codes_in(&[0])
    }

    #[test]
    fn pixels_are_repeated_or_mixed() {
        let x = || [tensor(&[1, 1, 2, 1], &[4i8, 8])];
        let y = case("NEAREST").codes_out(DType::I8, 0).run(x());
        assert_tensor(&y, &tensor(&[1, 1, 4, 1], &[4i8, 4, 8, 8]));
        let y = case("BILINEAR").int("half_pixel_centers", 1).codes_out(DType::I32, 2).run(x());
        assert_tensor(&y, &tensor(&[1, 1, 4, 1], &[16i32, 20, 28, 32]));
    }

    #[test]
    fn real_pixels_are_repeated() {
        let y = case("NEAREST").run([floats(&[1, 1, 2, 1], &[-0.5, 0.1])]);
        assert_tensor(&y, &floats(&[1, 1, 4, 1], &[-0.5, -0.5, 0.1, 0.1]));
    }
}
